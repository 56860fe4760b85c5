"""The control loop on real DDS topics with a simulated robot: standing, walking from plans, what is asked of it."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from control_loops import TIMING, WAIT, Controller

from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, Subscriber
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher, MotionSwitcherServer
from diffusion_mpc_ros.go2.profile import RobotProfile


def test_it_walks_from_plans_and_stands_when_they_stop(robot):
    robot.walk()
    step = robot.until(lambda step: step.row is not None)
    assert TIMING.replan_margin <= step.row.index < TIMING.horizon
    assert step.tick == step.row.plan.start_tick + step.row.index
    robot.plans.clear()
    step = robot.until(lambda step: step.output.mode is not Mode.WALKING)
    assert step.output.mode is Mode.STANDING
    assert "no plan" in step.output.message


def test_a_profile_says_how_often_a_command_is_said_and_a_stop_ends_that_between_two_ticks(
    domain, domain_id, simulation
):
    heard, rising, stopped_at = [], [], []
    lowcmds = Subscriber(domain, LOWCMD, heard.append)
    robot = Controller(domain, domain_id, RobotProfile("eager", command_rate=500))

    def stop_in_between(step) -> None:
        # In the loop's thread, right after this step's command was sent, well into standing up: each is another one.
        robot.steps.put(step)
        if step.output.mode is Mode.STANDING_UP:
            rising.append(step.output.command.joint_pos)
        if not stopped_at and len(rising) == 12:
            stopped_at.append(rising[-1])
            robot.loop.operator.inputs.stops.stop("test")

    try:
        robot.until_armable()
        robot.loop.reports._on_step = stop_in_between
        assert robot.loop.request(Event.STAND_UP, WAIT)[0]
        assert "emergency stop (test)" in robot.until(lambda step: step.output.mode is Mode.FAULT).output.message
    finally:
        robot.close()
        lowcmds.close()

    def times_said(joint_pos) -> int:
        return sum(np.allclose(command.joint_pos, joint_pos, atol=1e-6) and command.kp.any() for command in heard)

    assert np.median([times_said(joint_pos) for joint_pos in rising]) >= 5
    assert times_said(stopped_at[0]) == 1


def test_a_profile_says_how_much_damping_a_robot_bears(domain, domain_id, simulation):
    heard = []
    lowcmds = Subscriber(domain, LOWCMD, heard.append)
    robot = Controller(domain, domain_id, RobotProfile("held torques", simulated=True, kd_max=2.0))
    try:
        robot.stand()
    finally:
        robot.close()
        lowcmds.close()
    assert max(command.kd.max() for command in heard) == 2.0
    assert max(command.kp.max() for command in heard) == 60.0


def test_requests_that_do_not_fit_are_refused(robot):
    robot.until(lambda step: step.lowstate is not None)
    accepted, message = robot.loop.request(Event.WALK, WAIT)
    assert not accepted and "stand_up" in message
    assert robot.loop.request(Event.DAMP, WAIT)[0]


def test_arming_waits_for_the_watchdog_and_a_dead_one_is_replaced(robot):
    robot.until_armable()
    first = robot.link._watchdog
    first._process.kill()
    robot.until(lambda step: not robot.loop.turns.link_status.watchdog_ready)
    accepted, message = robot.loop.request(Event.STAND_UP, WAIT)
    assert not accepted and "watchdog" in message
    robot.stand()
    assert robot.link._watchdog is not first


def test_a_report_that_fails_does_not_drop_the_robot(robot):
    robot.stand()
    robot.broken_report.set()
    robot.until(lambda step: robot.loop.reports.failures > 3)
    robot.broken_report.clear()
    assert robot.until(lambda step: True).output.mode is Mode.STANDING


def test_a_plan_out_of_range_is_refused_whole(robot):
    robot.until_armable()
    tick = robot.until(lambda step: True).tick
    with pytest.raises(PlanError, match="outside"):
        robot.loop.add(Plan(tick, np.full((TIMING.horizon, 12), 9.0)))


def test_a_dry_run_sends_nothing_to_the_robot(domain, domain_id, simulation):
    wire, dry = Subscriber(domain, LOWCMD), Subscriber(domain, LOWCMD_DRY_RUN)
    robot = Controller(domain, domain_id, dry_run=True)
    robot.stand()
    assert dry.latest().kp.min() > 0.0
    robot.close()
    assert dry.latest().kp.max() == 0.0
    assert wire.received == 0
    for subscriber in (wire, dry):
        subscriber.close()


def test_nothing_is_sent_while_the_robots_own_controller_is_active(domain, domain_id):
    server = MotionSwitcherServer(domain, mode="mcf")
    wire = Subscriber(domain, LOWCMD)
    robot = Controller(domain, domain_id)
    deadline = threading.Event()
    while "mcf" not in robot.loop.waiting_for:
        assert not deadline.wait(0.01)
    accepted, message = robot.loop.request(Event.STAND_UP)
    assert not accepted and "'mcf' to let go" in message and "diffusion-mpc release" in message
    assert wire.received == 0
    with MotionSwitcher(domain) as switcher:
        assert switcher.release(wait=lambda seconds: None) == "mcf"
    robot.until(lambda step: step.output.mode is Mode.DAMPING)
    robot.close()
    wire.close()
    server.close()


def test_a_foreign_message_that_cannot_be_read_ends_nothing(robot):
    robot.stand()
    robot.held = None
    robot.until(lambda step: robot.loop.operator.failures > 3)
    step = robot.until(lambda step: True)
    assert step.output.mode is Mode.STANDING and step.holding.holder == ""


def test_what_is_asked_for_while_waiting_is_not_carried_out_later_but_a_stop_is(domain, domain_id):
    """L1+A means something to the robot's own controller, too: it must not stand up when that one lets go."""
    server = MotionSwitcherServer(domain, mode="mcf")
    robot = Controller(domain, domain_id)
    deadline = threading.Event()
    while "mcf" not in robot.loop.waiting_for:
        assert not deadline.wait(0.01)
    request = robot.loop.operator.inputs.post(Event.STAND_UP)
    assert request.done.wait(WAIT) and not request.accepted and "'mcf'" in request.message
    robot.loop.operator.inputs.stops.stop("joy")
    with MotionSwitcher(domain) as switcher:
        switcher.release(wait=lambda seconds: None)
    step = robot.until(lambda step: True)
    assert step.output.mode is Mode.FAULT and "emergency stop (joy)" in step.output.fault.cause
    robot.close()
    server.close()


def test_nothing_is_sent_to_a_robot_that_does_not_answer(domain, domain_id):
    wire = Subscriber(domain, LOWCMD)
    robot = Controller(domain, domain_id)
    accepted, message = robot.loop.request(Event.STAND_UP)
    assert not accepted and "waiting" in message
    robot.close()
    assert wire.received == 0
    wire.close()


def test_a_request_is_decided_with_what_was_said_before_it(robot):
    """A stop is released and the fault cleared, both just after the loop has read the topics for its turn."""
    robot.stand()
    inputs, requests = robot.loop.operator.inputs, []
    inputs.stops.stop("panel", math.inf)
    robot.until(lambda step: step.output.mode is Mode.FAULT)
    accepted, message = robot.loop.request(Event.CLEAR_FAULT, WAIT)
    assert not accepted and "emergency stop (panel)" in message

    def release_and_clear():
        robot.unread.append(lambda: inputs.stops.release("panel"))
        requests.append(inputs.post(Event.CLEAR_FAULT))

    robot.after_reading.append(release_and_clear)
    robot.until(lambda step: requests and requests[0].done.is_set())
    assert requests[0].accepted, requests[0].message
