"""``diffusion-mpc teleop`` in a pseudo-terminal, spoken to over the real topics and services."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from diffusion_mpc_msgs.msg import JointCommand
from std_msgs.msg import Bool
from terminals import ROOT, WAIT, Robot, Terminal

from diffusion_mpc_ros.commands import teleop
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import SETTINGS

RETYPE_PERIOD = 3.0  # [s]


@pytest.fixture
def robot(probe):
    return Robot(probe)


@pytest.fixture
def terminal(robot):
    """The command in a terminal, the robot heard to be walking, and what the robot offers discovered."""
    terminal = Terminal("diffusion_mpc_ros.cli", "teleop")

    def heard() -> bool:
        assert terminal.process.poll() is None, terminal.output
        return "walking" in terminal.output

    robot.until(heard)
    # Of all that the robot offers the service asked here comes last; it is free again once the refusal is shown.
    robot.refuses = "clear_fault"
    terminal.type("c")
    robot.until(lambda: False in robot.events and "clear_fault was refused" in terminal.output)
    robot.refuses = ""
    robot.events.clear()
    yield terminal
    terminal.close()


def steer(robot, terminal, keys: str, velocity: list[float]) -> None:
    """Type ``keys`` from a standstill until they have given ``velocity``.

    Again every few seconds: a robot that was not heard for a second, on a machine that stood still, gets none.
    """
    due = 0.0

    def steered() -> bool:
        nonlocal due
        if robot.velocities and np.allclose(robot.velocities[-1], velocity):
            return True
        if time.monotonic() >= due:
            terminal.type(f"x{keys}")
            due = time.monotonic() + RETYPE_PERIOD
        return False

    robot.until(steered)


def test_keys_steer_and_the_end_stops(robot, terminal):
    assert all(key in terminal.output for key in ("w / s", "0.1 m/s", "0.2 rad/s", "space", "for 1 s"))
    steer(robot, terminal, "wwwsaae", [0.2, 0.2, -0.2])
    robot.until(lambda: "vx +0.20 vy +0.20 m/s, yaw rate -0.20 rad/s" in terminal.output)
    terminal.type("x")
    robot.until(lambda: robot.velocities[-1] == [0.0, 0.0, 0.0])
    steer(robot, terminal, "w" * 30 + "d" * 30, [1.0, -0.5, 0.0])
    assert terminal.settings() != terminal.settings_before
    terminal.process.send_signal(signal.SIGINT)
    robot.until(lambda: terminal.process.poll() is not None and robot.velocities[-1] == [0.0, 0.0, 0.0])
    assert terminal.process.returncode == 0 and "Traceback" not in terminal.output
    assert terminal.settings() == terminal.settings_before


def test_a_velocity_lives_as_long_as_keys_are_pressed(robot, terminal):
    assert not robot.velocities
    steer(robot, terminal, "w", [0.1, 0.0, 0.0])
    robot.until_silent()
    assert "no velocity is sent" in terminal.output
    # Kept alive by any key, for longer than it lives by itself.
    steer(robot, terminal, "a", [0.0, 0.1, 0.0])
    robot.velocities.clear()

    def kept() -> bool:
        terminal.type("k")
        return len(robot.velocities) > 40

    robot.until(kept)
    assert np.allclose(robot.velocities[:40], [0.0, 0.1, 0.0])
    robot.until_silent()


def test_blocked_output_delays_neither_the_stop_nor_the_end(robot, terminal):
    terminal.type("\x13")  # Ctrl-S is a key like any other
    terminal.block_output()
    # Refusals, which are drawn, as well as the line.
    robot.refuses = "stand_up"
    terminal.type("1")
    robot.until(lambda: "stand_up" in robot.events)
    steer(robot, terminal, "w", [0.1, 0.0, 0.0])
    robot.events.clear()
    terminal.type(" ")
    robot.until(lambda: True in robot.events and "e_stop" in robot.events)
    robot.until_silent()
    terminal.process.send_signal(signal.SIGINT)
    robot.until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 0
    assert terminal.settings() == terminal.settings_before


def test_blocked_output_keeps_no_velocity_alive(robot, terminal):
    terminal.block_output()
    steer(robot, terminal, "w", [0.1, 0.0, 0.0])
    robot.until_silent()


def test_a_robot_that_does_not_walk_gets_no_velocity(robot, terminal):
    steer(robot, terminal, "w", [0.1, 0.0, 0.0])
    robot.message = JointCommand(mode=JointCommand.FAULT, fault="tilt 1.2 (limit 0.9) at tick 7")
    robot.until(lambda: robot.velocities[-1] == [0.0, 0.0, 0.0] and "fault | tilt 1.2" in terminal.output)
    # Walking again, it does not start with what was asked for before.
    robot.until_silent()
    robot.message = JointCommand(mode=JointCommand.WALKING)
    robot.velocities.clear()
    terminal.type("k")
    robot.until(lambda: "walking | no velocity is sent" in terminal.output[terminal.output.rindex("fault | tilt") :])
    assert not robot.velocities


def test_requests_and_their_refusals(robot, terminal):
    def asked(key: str, name: str) -> bool:
        # Again and again: while a request waits for its answer, others are turned away.
        terminal.type(key)
        return robot.events[-1:] == [name]

    for key, name in (("1", "stand_up"), ("2", "walk"), ("3", "sit_down")):
        robot.until(lambda key=key, name=name: asked(key, name))
    robot.refuses = "sit_down"
    robot.until(lambda: asked("3", "sit_down") and "sit_down was refused: the battery is at 3 %" in terminal.output)


def test_the_space_bar_stops_and_c_releases_before_it_clears(robot, terminal):
    # Queued up behind keys that would do something else.
    terminal.type("www1 ")
    robot.until(lambda: True in robot.events and "e_stop" in robot.events)
    assert "stand_up" not in robot.events
    robot.events.clear()
    terminal.type("c")
    robot.until(lambda: len(robot.events) == 2)
    assert robot.events == [False, "clear_fault"]


def test_who_else_asserts_the_stop_is_told(robot, terminal):
    robot.refuses, robot.reason = "clear_fault", "the emergency stop is asserted by remote"
    terminal.type(" c")
    robot.until(lambda: True in robot.events)
    terminal.type("c")
    robot.until(lambda: "clear_fault was refused: the emergency stop is asserted by remote" in terminal.output)
    assert False in robot.events


def test_a_stop_said_before_anybody_listened_is_heard_later(ros_domain, probe):
    heard = []
    with Operator() as operator:
        with pytest.raises(OperatorError, match="nobody hears the emergency stop"):
            operator.emergency_stop()
        probe.create_subscription(Bool, "e_stop", lambda message: heard.append(message.data), SETTINGS)
        probe.until(lambda: heard == [True])
        operator.release_emergency_stop()
        probe.until(lambda: heard == [True, False])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ending_by_a_signal_stops_the_robot_and_restores_the_terminal(robot, terminal, number):
    steer(robot, terminal, "w", [0.1, 0.0, 0.0])
    terminal.process.send_signal(number)
    robot.until(lambda: robot.velocities[-1] == [0.0, 0.0, 0.0])
    robot.until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 0
    assert terminal.settings() == terminal.settings_before


def test_without_a_robot_it_says_so(ros_domain):
    terminal = Terminal("diffusion_mpc_ros.cli", "teleop")
    try:
        deadline = time.monotonic() + WAIT
        while "no command_publisher is heard" not in terminal.output:
            assert time.monotonic() < deadline and terminal.process.poll() is None, terminal.output
            time.sleep(0.05)
        terminal.type(" ")
        while "nobody hears the emergency stop" not in terminal.output:
            assert time.monotonic() < deadline and terminal.process.poll() is None, terminal.output
            time.sleep(0.05)
    finally:
        terminal.close()


def test_standard_input_must_be_a_terminal():
    program = [sys.executable, "-m", "diffusion_mpc_ros.cli", "teleop"]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "terminal" in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"step": (0.1, 0.0, 0.2)},
        {"max_command": (1.0, float("nan"), 1.0)},
        {"keep_alive": 0.0},
        {"keep_alive": 3.1},
        {"keep_alive": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigurationError):
        teleop.Config(**settings)
