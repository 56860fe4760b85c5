"""The control loop on real DDS topics with a simulated robot: standing, walking from plans, fall-back, last word."""

from __future__ import annotations

import dataclasses
import math
import queue
import threading
import time
from collections import deque

import numpy as np
import pytest

from diffusion_mpc_ros.control.authority import Holding
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.errors import InterfaceError, PlanError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, MOTOR_MODE_SERVO
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher, MotionSwitcherServer
from diffusion_mpc_ros.go2.profile import GO2, RobotProfile
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_side import OperatorSide
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation

WAIT = 30.0
TIMING = Timing(horizon=11, replan_margin=3, replan_interval=1)
# Wide enough for a busy machine, and motions as quick as the settings' bounds allow.
QUICK = {
    "lowstate_age_max": 0.5,
    "arming_lowstate_age_max": 0.5,
    "loop_stall_max": 0.5,
    "watchdog_timeout": 0.5,
    "fold_time": 0.3,
    "stand_up_time": 0.5,
    "sit_down_time": 0.5,
    "settle_time": 0.1,
}
SETTINGS = dataclasses.replace(load_safety_settings(config_file("safety.yaml")), **QUICK)


class Controller:
    """A control loop with its link, and everything it reported."""

    def __init__(self, domain, domain_id: int, profile: RobotProfile = GO2, **options) -> None:
        self.failures = []
        self.steps = queue.Queue()
        self.plans = threading.Event()
        self.broken_report = threading.Event()
        # What the next reading of the operator's topics finds, and what comes right after it.
        self.unread, self.after_reading = deque(), deque()
        self.link = RobotLink(
            domain,
            LinkOptions("lo", domain_id, SETTINGS.watchdog_timeout, profile=profile, **options),
            self.failures.append,
        )
        self.held = True
        self.dry_run = options.get("dry_run", False)
        operator = OperatorSide(OperatorInputs(), self._read_operator)
        self.loop = ControlLoop(domain, self.link, SETTINGS, TIMING, self._on_step, self.failures.append, operator)

    def _read_operator(self, lowstate, walking) -> Holding:
        for waiting in (self.unread, self.after_reading):
            for action in [waiting.popleft() for _ in range(len(waiting))]:
                action()
        if self.held is None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a foreign name")
        return Holding("test", self.held, np.zeros(3))

    def _on_step(self, step) -> None:
        self.steps.put(step)
        if self.plans.is_set():
            # Rows of the standing pose, each moved by a mark of its own.
            targets = np.repeat(DEFAULT_JOINT_POS[None], TIMING.horizon, axis=0)
            self.loop.add(Plan(step.tick, targets + 0.001 * np.arange(TIMING.horizon)[:, None]))
        if self.broken_report.is_set():
            raise OSError("no space left on device")

    def until(self, condition):
        """The first step from now on for which ``condition`` holds."""
        while True:
            step = self.steps.get(timeout=WAIT)
            if condition(step):
                return step

    def until_armable(self) -> None:
        self.until(lambda step: self._motors_follow(step.lowstate) and self.loop.turns.link_status.watchdog_ready)

    def _motors_follow(self, lowstate) -> bool:
        return lowstate is not None and (self.dry_run or bool((lowstate.motor_mode == MOTOR_MODE_SERVO).all()))

    def stand(self) -> None:
        self.until_armable()
        assert self.loop.request(Event.STAND_UP, WAIT) == (True, "damping -> standing_up")
        self.until(lambda step: step.output.mode is Mode.STANDING)

    def walk(self) -> None:
        self.stand()
        self.plans.set()
        accepted, message = self.loop.request(Event.WALK, WAIT)
        while not accepted:
            assert "no plan has a row" in message, message
            self.until(lambda step: True)
            accepted, message = self.loop.request(Event.WALK, WAIT)

    def close(self) -> None:
        self.loop.close()
        assert not self.failures


@pytest.fixture
def domain_id(free_domain):
    return free_domain()


@pytest.fixture
def domain(domain_id):
    with open_domain("lo", domain_id) as opened:
        yield opened


@pytest.fixture
def simulation(domain):
    failures = []
    loop = SimulationLoop(domain, Go2Simulation(), None, failures.append)
    yield loop
    loop.close()
    assert not failures


@pytest.fixture
def robot(domain, domain_id, simulation):
    robot = Controller(domain, domain_id)
    yield robot
    robot.close()


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


def test_a_second_controller_forbids_standing_up(robot, domain):
    robot.until_armable()
    foreign = Publisher(domain, LOWCMD)
    robot.until(lambda step: robot.loop.turns.link_status.foreign_publishers > 0)
    accepted, message = robot.loop.request(Event.STAND_UP, WAIT)
    assert not accepted and "1 other program(s) publish rt/lowcmd" in message
    foreign.close()
    robot.until(lambda step: robot.loop.turns.link_status.foreign_publishers == 0)
    assert robot.loop.request(Event.STAND_UP, WAIT)[0]


def test_a_second_controller_that_appears_is_a_fault(robot, domain):
    robot.walk()
    foreign = Publisher(domain, LOWCMD)
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert step.output.fault.cause == "other publishers of rt/lowcmd" and step.output.fault.value == 1
    refused = robot.loop.request(Event.CLEAR_FAULT, WAIT)
    assert not refused[0] and "rt/lowcmd" in refused[1]
    foreign.close()


def test_a_robot_that_the_watchdog_has_damped_does_not_go_on_unasked(robot, monkeypatch):
    robot.walk()
    robot.until(lambda step: step.row is not None)
    # The beats stop, the commands do not: what a stall looks like that ends just when the watchdog acts.
    monkeypatch.setattr(robot.link._watchdog, "beat", lambda armed: None)
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "watchdog took over" in step.output.fault.cause


def test_an_emergency_stop_is_damping_at_the_next_step_and_latches(robot):
    robot.walk()
    robot.until(lambda step: step.row is not None)
    robot.loop.operator.inputs.stops.stop("topic", math.inf)
    before = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "emergency stop (topic)" in str(before.output.fault) and not before.output.command.kp.any()
    accepted, message = robot.loop.request(Event.CLEAR_FAULT, WAIT)
    assert not accepted and "emergency stop" in message
    robot.loop.operator.inputs.stops.release("topic")
    assert robot.loop.request(Event.CLEAR_FAULT, WAIT) == (True, "fault -> damping")


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


def test_the_last_command_on_the_wire_is_damping(robot, domain):
    wire = Subscriber(domain, LOWCMD)
    robot.stand()
    assert wire.latest().kp.min() > 0.0
    received = wire.received
    robot.loop.close()
    assert wire.wait(WAIT, received + 1)
    assert wire.latest().kp.max() == 0.0
    assert wire.latest().kd.min() > 0.0
    wire.close()


def test_a_lost_robot_is_damped(robot, simulation):
    robot.stand()
    simulation.close()
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "lowstate" in str(step.output.fault).lower()
    assert step.output.command.kp.max() == 0.0


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


@pytest.mark.parametrize("lies", [True, False])
def test_the_released_controller_gets_the_motors_of_a_lying_robot_back(domain, domain_id, lies):
    failures = []
    simulation = SimulationLoop(domain, Go2Simulation(), None, failures.append, "normal", releases_needed=2)
    robot = Controller(domain, domain_id, release=True, restore=True)
    robot.stand()
    with MotionSwitcher(domain) as switcher:
        assert switcher.active_mode() == ""
        if lies:
            robot.loop.end()
            robot.until(lambda step: robot.loop.ended)
        else:  # it stands, or falls: nobody else may have it in mid-fall
            robot.loop.hurry()
            robot.loop.end()
            robot.until(lambda step: step.output.mode is Mode.DAMPING)
        robot.close()
        assert switcher.active_mode() == ("normal" if lies else "")
    simulation.close()
    assert not failures


@pytest.mark.parametrize("begin", ["stand", "walk"])
def test_an_orderly_end_sits_down_damps_and_is_over_when_the_robot_lies(robot, simulation, begin):
    getattr(robot, begin)()
    robot.loop.end()
    modes = []
    while not robot.loop.ended:
        modes.append(robot.until(lambda step: True).output.mode)
    changes = [mode for mode, before in zip(modes, [None, *modes]) if mode is not before]
    assert changes[-2:] == [Mode.SITTING_DOWN, Mode.DAMPING]
    assert "let" in robot.loop.request(Event.STAND_UP, WAIT)[1]
    truth = simulation._simulation.truth()
    assert truth.height < 0.15 and np.abs(truth.lin_vel_w).max() < 0.1


def test_an_end_of_a_robot_that_cannot_be_trusted_damps_for_a_bounded_time(robot, simulation):
    robot.stand()
    simulation.close()
    robot.loop.end()
    step = robot.until(lambda step: robot.loop.ended)
    assert step.output.mode is Mode.FAULT


def test_a_second_source_of_lowstate_is_a_fault_and_changes_nothing_else(robot, domain):
    robot.stand()
    foreign = Publisher(domain, LOWSTATE)
    sample = robot.until(lambda step: True).lowstate
    for _ in range(10):
        foreign.publish(dataclasses.replace(sample, joint_pos=sample.joint_pos + 0.5, tick_ms=5))
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "a second source of LowState" in step.output.fault.cause
    assert np.abs(step.lowstate.joint_pos - sample.joint_pos).max() < 0.3
    foreign.close()


def test_commands_that_the_dds_library_does_not_take_leave_the_robot_to_the_watchdog(robot, domain, monkeypatch):
    robot.stand()
    wire = Subscriber(domain, LOWCMD)
    assert wire.wait(WAIT).kp.min() > 0.0

    def refuse(sample: bytes) -> None:
        raise InterfaceError("out of resources")

    monkeypatch.setattr(robot.link._commands, "write", refuse)
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert step.output.fault.cause == "commands cannot be sent: out of resources"
    received = wire.received
    assert wire.wait(WAIT, received + 3) and wire.latest().kp.max() == 0.0  # the watchdog's
    wire.close()


@pytest.fixture
def decided_late(robot, monkeypatch):
    """A function: walk, then let something happen once a command is decided; the fault, once nothing moved after it."""

    def run(happen):
        robot.walk()
        robot.until(lambda step: step.row is not None)
        encode, write, decided, written = robot.link._commands.encode, robot.link._commands.write, [], []

        def encode_late(command):
            sample = encode(command)
            if not decided:
                assert command.kp.any()
                decided.append(sample)
                written.clear()
                happen()
            return sample

        def note(sample):
            written.append(sample)
            write(sample)

        monkeypatch.setattr(robot.link._commands, "write", note)
        monkeypatch.setattr(robot.link._commands, "encode", encode_late)
        first = robot.until(lambda step: not step.output.following_plan)
        assert not first.output.command.kp.any()
        fault = robot.until(lambda step: True).output.fault
        assert decided[0] not in written and not any(LOWCMD.decode(sample, 0.0).kp.any() for sample in written)
        return fault

    return run


def test_a_stop_that_comes_within_the_turn_is_seen_before_the_command_leaves(robot, decided_late):
    fault = decided_late(lambda: robot.loop.operator.inputs.stops.stop("topic"))
    assert fault.emergency_stop


def test_a_turn_that_was_held_up_moves_nothing_afterwards(decided_late):
    assert decided_late(lambda: time.sleep(SETTINGS.loop_stall_max + 0.1)) is not None


def test_a_turn_within_which_every_clock_of_the_computer_stood_still_moves_nothing(
    decided_late, simulation, monkeypatch
):
    """As seen from here the robot's clock runs on; the next turn alone would see it too late."""
    lowstate = simulation._simulation.lowstate

    def later(now):
        state = lowstate(now)
        return dataclasses.replace(state, tick_ms=state.tick_ms + 300)

    def stand_still():
        monkeypatch.setattr(simulation._simulation, "lowstate", later)
        time.sleep(0.02)

    fault = decided_late(stand_still)
    assert "the robot's clock ran on" in fault.cause and fault.value == pytest.approx(0.3, abs=0.05)


def test_a_loop_that_fails_damps_until_the_robot_lies(domain, domain_id, simulation, monkeypatch):
    robot = Controller(domain, domain_id)
    robot.stand()
    wire = Subscriber(domain, LOWCMD)

    def fail(inputs):
        raise RuntimeError("a defect")

    monkeypatch.setattr(robot.loop.turns.supervisor, "step", fail)
    wire.wait(WAIT, 20)
    assert wire.latest().kp.max() == 0.0
    robot.loop._thread.join(WAIT)
    assert [str(failure) for failure in robot.failures] == ["a defect"]
    truth = simulation._simulation.truth()
    assert truth.height < 0.15 and robot.loop.ended
    robot.loop.close()
    wire.close()


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
