"""Say in words how the robot shall walk: it tells what it understood, and asks before it acts.

Presets, a height, a velocity with units, stop, undo. What is not understood does nothing, and the nearest things that
are known are named. `--yes` answers for changes of rewards. A velocity is always asked for at a terminal, and lives
only while a person presses keys there, as in teleop. "stop" stops at once, without a terminal, too. Without a sentence:
a prompt; there "faster" means the velocity before. Needs `make setup-say`; nothing is downloaded or sent anywhere.

Exit status: 0 done, 1 not understood, refused, or answered with no, 2 an error. After "stop" 0 means that the robot
stands; 1 that it does something else, 2 that no command_publisher is heard.

examples:
  diffusion-mpc say "walk lower and quieter"
  diffusion-mpc say walk forward at 0.4 m/s
  diffusion-mpc say --yes save energy          from a script
  diffusion-mpc say --explain "limp, slowly"   what it would understand; needs no robot
  diffusion-mpc say                            a prompt; Ctrl-D leaves
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
import tyro

from diffusion_mpc_ros.commands import teleop
from diffusion_mpc_ros.commands.held_velocity import ZERO_TIME
from diffusion_mpc_ros.commands.keyboard import is_terminal
from diffusion_mpc_ros.core.errors import ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.language.changes import reward_change, velocity_of, velocity_words
from diffusion_mpc_ros.language.meaning import EMERGENCY_STOP, STOP, UNDO, LanguageError, Meaning
from diffusion_mpc_ros.language.report import report
from diffusion_mpc_ros.language.understanding import Interpreter, load_interpreter
from diffusion_mpc_ros.rewards.presets import load_presets

HOLD = "Hold a key down, or press one again and again, to keep walking; the space bar is the emergency stop."
EMERGENCY = "Emergency stop: the robot goes limp and sinks. Faster ways: B on the remote, the space bar in teleop."
PROMPT = "> "


@dataclass(frozen=True)
class Config:
    """What to say, and to which robot."""

    sentence: tyro.conf.Positional[tuple[str, ...]] = ()
    """What the robot shall do, in English; nothing: a prompt."""
    yes: bool = False
    """Change rewards without asking; a velocity is asked for all the same."""
    explain: bool = False
    """Tell what is understood, and do nothing."""
    keep_alive: float = 1.0
    """A velocity ends so long [s] after the last key press; in [0.3, 3]."""
    namespace: str = ""
    """ROS namespace of the robot."""


def main(config: Config) -> int:
    """Understand, ask, act."""
    conversation = Conversation(config)
    if config.sentence:
        return conversation.say(" ".join(config.sentence))
    if not is_terminal(sys.stdin):
        raise ConfigurationError("standard input is no terminal to ask at: give the sentence as an argument")
    return conversation.prompt()


class Conversation:
    """Sentences one after the other; remembers the velocity that was held last."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._driving = teleop.Config(keep_alive=config.keep_alive, namespace=config.namespace)
        self._interpreter: Interpreter = load_interpreter(self._driving.max_command)
        self._velocity = np.zeros(3)

    def prompt(self) -> int:
        """Take sentences until Ctrl-D or Ctrl-C."""
        while True:
            try:
                sentence = input(PROMPT)
                if sentence.strip():
                    self.say(sentence)
            except DiffusionMpcError as error:
                print(f"error: {error}")
            except (EOFError, KeyboardInterrupt):
                print()
                return 0

    def say(self, sentence: str) -> int:
        """Act on a sentence; 0 when it was done, 1 when nothing was."""
        understood = self._interpreter.understand(sentence)
        print(report(understood))
        meaning = understood.meaning
        if not meaning:
            return 1
        if self._config.explain:
            return 0
        if not is_terminal(sys.stdin) and not self._config.yes and meaning.action != STOP:
            print("Nothing is done: there is no terminal to ask at. --yes changes rewards without asking.")
            return 1
        try:
            # Before anything is done: all of it, or nothing.
            velocity = velocity_of(meaning, self._velocity, self._driving.max_command) if meaning.moves else None
            if velocity is not None and not is_terminal(sys.stdin):
                raise LanguageError("a velocity needs a person at a terminal who holds it: use cmd_vel from a program")
            return 0 if self._do(meaning, velocity) else 1
        except LanguageError as error:
            print(f"Nothing is done: {error}.")
            return 1

    def _do(self, meaning: Meaning, velocity: np.ndarray | None) -> bool:
        from diffusion_mpc_ros.nodes.operator import Operator

        if meaning.presets or meaning.height or meaning.parameters or meaning.action:
            with Operator(self._config.namespace) as operator:
                done = self._act(operator, meaning.action) if meaning.action else self._steer(operator, meaning)
            if not done or velocity is None:
                return done
        if not _agreed(f"Walk at {velocity_words(velocity)}? {HOLD}"):
            return False
        self._velocity = velocity
        teleop.steer(self._driving, velocity.tolist())
        return True

    def _steer(self, operator, meaning: Meaning) -> bool:
        """Ask the reward service for what is meant."""
        from diffusion_mpc_ros.core.message_fields import read_reward_settings
        from diffusion_mpc_ros.nodes.reward_requests import reward_request

        now = read_reward_settings(operator.get_rewards().current)
        change = reward_change(meaning, now, load_presets(config_file("rewards.yaml")))
        print(f"Asks for {change.words()}.")
        if not self._config.yes and not _agreed("Do it?"):
            return False
        answer = operator.set_rewards(
            reward_request(preset=change.preset, weights=change.weights, parameters=change.parameters)
        )
        print(f"revision {answer.revision}: {answer.message}. `diffusion-mpc rewards undo` goes back.")
        return True

    def _act(self, operator, action: str) -> bool:
        from diffusion_mpc_ros.nodes.reward_requests import reward_request

        if action == STOP:
            return stop(operator)
        if action == EMERGENCY_STOP:
            if not self._config.yes and not _agreed(f"{EMERGENCY} Now?"):
                return False
            operator.emergency_stop_delivered()
            print("The emergency stop is out. The fault stays until it is cleared.")
        elif action == UNDO:
            if not self._config.yes and not _agreed("Go back by one change?"):
                return False
            answer = operator.set_rewards(reward_request(undo=True))
            print(f"revision {answer.revision}: {answer.message}")
        return True


def stop(operator) -> bool:
    """Send velocity zero, and make a walking robot stand, whoever else drives it; return whether it stands.

    Raises OperatorError where no command_publisher is heard, or where it refuses.
    """
    from diffusion_mpc_ros.control.modes import Mode
    from diffusion_mpc_ros.nodes.graph_client import OperatorError

    operator.follow()
    operator.send_velocity(np.zeros(3))
    if not operator.wait(lambda: operator.mode is not None, teleop.FIRST_HEARD):
        raise OperatorError(
            "velocity zero was sent, but no command_publisher is heard in this ROS_DOMAIN_ID and namespace"
        )
    if operator.mode is Mode.WALKING:
        operator.request("stand_up")  # of a robot that walks: stop and stand
        ended = time.monotonic() + ZERO_TIME
        while time.monotonic() < ended:
            operator.send_velocity(np.zeros(3))
            time.sleep(teleop.SEND_PERIOD)
        operator.wait(lambda: operator.mode is not Mode.WALKING, teleop.HEARD_WITHIN)
    stands = operator.mode is Mode.STANDING
    print("The robot stands." if stands else f"The robot does not stand: it is {operator.mode.value}.")
    return stands


def _agreed(question: str) -> bool:
    """Whether the person at the terminal says yes."""
    try:
        return input(f"{question} [y/n] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
