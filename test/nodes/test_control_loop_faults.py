"""What the control loop makes of others who command, of stops, of a lost robot, and of a turn that comes late."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from control_loops import SETTINGS, WAIT

from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher, Subscriber


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


def test_a_lost_robot_is_damped(robot, simulation):
    robot.stand()
    simulation.close()
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "lowstate" in str(step.output.fault).lower()
    assert step.output.command.kp.max() == 0.0


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
