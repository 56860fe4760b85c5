"""``diffusion-mpc say`` in a pseudo-terminal, spoken to over the real topics and services, with the real composer."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs.msg import JointCommand
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from terminals import ROOT, WAIT, Robot, Terminal

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.nodes import reward_requests
from diffusion_mpc_ros.nodes.conversions.rewards import reward_weights_message
from diffusion_mpc_ros.policies.objectives import make_composer

pytest.importorskip("tokenizers", reason="make setup-say")
SAY = "diffusion_mpc_ros.cli", "say"


class Composer:
    """The services of reward_composer on the test's own node."""

    def __init__(self, probe) -> None:
        self.composer, self._now = make_composer(), 0.0
        probe.create_service(GetRewardWeights, "get_reward_weights", self._get)
        probe.create_service(SetRewardWeights, "set_reward_weights", self._set)

    @property
    def target(self):
        return self.composer.target

    def _get(self, _, response):
        return reward_requests.fill(response, reward_weights_message(self.target, Time()), self.composer)

    def _set(self, request, response):
        self._now += 10.0  # [s]: a ramp has ended
        try:
            response.success = bool(reward_requests.apply(self.composer, request, self._now))
        except RewardError as error:
            response.message = str(error)
        response.revision = self.target.revision
        return response


@pytest.fixture
def robot(probe):
    return Robot(probe)


@pytest.fixture
def composer(probe):
    return Composer(probe)


@pytest.fixture
def say():
    """A function that says a sentence in a terminal of its own."""
    terminals = []

    def start(*words: str) -> Terminal:
        terminals.append(Terminal(*SAY, *words))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def ended(terminal: Terminal):
    return lambda: terminal.process.poll() is not None


def test_rewards_change_only_after_a_yes_and_can_be_undone(robot, composer, say):
    before = composer.target
    asked = say("walk", "lower", "and", "quieter")
    robot.until(lambda: "Do it? [y/n]" in asked.output)
    assert "'walk lower' -> walk lower" in asked.output and composer.target is before
    asked.type("n\r")
    robot.until(ended(asked))
    assert asked.process.returncode == 1 and composer.target is before

    agreed = say("walk lower and quieter")
    robot.until(lambda: "Do it? [y/n]" in agreed.output)
    agreed.type("y\r")
    robot.until(ended(agreed))
    assert agreed.process.returncode == 0, agreed.output
    assert composer.target.parameters["base_height.target"][0] == pytest.approx(0.27)
    assert composer.target.weights["joint_acceleration"] > 0.0

    undone = say("--yes", "undo")
    robot.until(ended(undone))
    assert undone.process.returncode == 0 and composer.target.weights == before.weights
    assert not robot.velocities and not robot.events


def test_a_velocity_is_asked_for_held_by_keys_and_ends_by_itself(robot, say):
    terminal = say("--yes", "walk forward at 0.3 m/s")
    robot.until(lambda: "[y/n]" in terminal.output)
    assert not robot.velocities
    terminal.type("y\r")
    robot.until(lambda: any(np.allclose(velocity, [0.3, 0.0, 0.0]) for velocity in robot.velocities))
    # Nobody presses a key.
    robot.until_silent()
    terminal.process.send_signal(signal.SIGINT)
    robot.until(ended(terminal))
    assert robot.velocities[-1] == [0.0, 0.0, 0.0]


def test_a_robot_that_does_not_walk_gets_no_velocity(robot, say):
    robot.message = JointCommand(mode=JointCommand.STANDING)
    terminal = say("turn left")
    robot.until(lambda: "[y/n]" in terminal.output)
    terminal.type("y\r")
    robot.until(lambda: "no velocity is held" in terminal.output)
    robot.until(lambda: "no velocity is sent" in terminal.output)
    assert not any(np.any(velocity) for velocity in robot.velocities)


def test_stop_stops_a_walking_robot_without_a_question_and_no_other(robot, say):
    terminal = say("stop")
    robot.until(lambda: robot.events)
    robot.message = JointCommand(mode=JointCommand.STANDING)
    robot.until(ended(terminal))
    assert terminal.process.returncode == 0 and robot.events == ["stand_up"], terminal.output
    assert robot.velocities and not np.any(robot.velocities)
    robot.message, robot.events[:] = JointCommand(mode=JointCommand.DAMPING), []
    lying = say("halt")
    robot.until(ended(lying))
    # Stopping never makes it stand up.
    assert robot.events == [] and "does not stand: it is damping" in lying.output and lying.process.returncode == 1


def test_a_robot_that_walks_on_was_not_stopped(robot, say):
    terminal = say("stop")
    robot.until(ended(terminal))
    assert robot.events == ["stand_up"] and terminal.process.returncode == 1, terminal.output
    assert "does not stand: it is walking" in terminal.output


def test_an_emergency_stop_is_offered(robot, say):
    terminal = say("emergency stop now")
    robot.until(lambda: "[y/n]" in terminal.output)
    assert robot.events == []
    terminal.type("y\r")
    robot.until(ended(terminal))
    robot.until(lambda: True in robot.events)
    assert terminal.process.returncode == 0, terminal.output


def test_a_prompt_goes_on_after_what_it_does_not_understand(robot, say):
    terminal = say()
    robot.until(lambda: "> " in terminal.output)
    terminal.type("make tea\r")
    robot.until(lambda: "Nothing is done" in terminal.output)
    terminal.type("faster\r")
    robot.until(lambda: "no velocity is held here" in terminal.output)
    terminal.type("\x04")
    robot.until(ended(terminal))
    assert terminal.process.returncode == 0 and not robot.velocities


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (["walk lower"], "no terminal to ask at"),
        (["emergency stop"], "no terminal to ask at"),
        (["--yes", "walk forward at 0.3 m/s"], "needs a person at a terminal"),
        (["make tea"], "not understood"),
        (["run at 9 m/s"], "out of bounds"),
    ],
)
def test_without_a_terminal_nothing_is_done_unasked(ros_domain, sentence, reason):
    done = subprocess.run(
        [sys.executable, "-m", *SAY, *sentence],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert reason in done.stdout


def test_a_stop_needs_no_terminal(robot):
    with subprocess.Popen(
        [sys.executable, "-m", *SAY, "stop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as stop:
        robot.until(lambda: robot.events)
        robot.message = JointCommand(mode=JointCommand.STANDING)
        robot.until(lambda: stop.poll() is not None)
        assert stop.returncode == 0 and "The robot stands." in stop.stdout.read()
    assert robot.events == ["stand_up"] and robot.velocities and not np.any(robot.velocities)


def test_a_stop_that_nobody_hears_is_an_error(ros_domain):
    done = subprocess.run(
        [sys.executable, "-m", *SAY, "stop"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2 and "no command_publisher is heard" in done.stderr, done.stdout
