"""The topics that the view reads, a few times a second and no more often than it draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from diffusion_mpc_msgs import msg as messages
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import MessageError, PlanError, RewardError
from diffusion_mpc_ros.core.message_fields import read_plan, read_reward_settings
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.nodes.conversions.candidates import read_candidates
from diffusion_mpc_ros.nodes.conversions.joint_commands import MODES, read_joint_command
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state
from diffusion_mpc_ros.nodes.direct_subscription import DirectSubscription, publishers
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.qos import LATEST, RELIABLE, SETTINGS, STREAM
from diffusion_mpc_ros.view.seen import Commanded, Seen

# At most so many messages of a topic are read in a turn: two turns' worth at 50 Hz, and a second of diagnostics.
READ_AT_ONCE = 8


class ViewTopics:
    """Keeps ``seen`` up to date; read by its owner, so that no message wakes the executor."""

    def __init__(self, intake: Intake, seen: Seen) -> None:
        self._intake, self._seen = intake, seen
        self._names: dict[str, str] = {}
        self._states = self._subscribe(messages.RobotState, "robot_state", STREAM)
        self._odometry = self._subscribe(Odometry, "odom", LATEST)
        self._commands = self._subscribe(messages.JointCommand, "joint_command", LATEST)
        self._plans = self._subscribe(messages.Plan, "plan", LATEST)
        self._candidates = self._subscribe(messages.Candidates, "candidates", LATEST)
        self._weights = self._subscribe(messages.RewardWeights, "reward_weights", SETTINGS)
        self._diagnostics = self._subscribe(DiagnosticArray, "/diagnostics", RELIABLE)

    def read(self) -> list[RobotState]:
        """Read everything that has come; the robot's states since the last time, oldest first."""
        seen, now = self._seen, clock.now()
        states = list(self._decoded(self._states, read_robot_state))
        if states:
            seen.state, seen.state_at = states[-1], now
        for position in self._decoded(self._odometry, _position):
            seen.position = position
        for commanded in self._decoded(self._commands, self._commanded):
            seen.commanded, seen.commanded_at = commanded, now
        for plan in self._decoded(self._plans, read_plan):
            seen.plan = plan
        for tick, candidates in self._decoded(self._candidates, _candidates):
            seen.candidates_tick, seen.candidates = tick, candidates
        for settings in self._decoded(self._weights, read_reward_settings):
            seen.settings = settings
        for facts in self._decoded(self._diagnostics, _facts):
            seen.facts.update(facts)
        return states

    def _commanded(self, message: messages.JointCommand) -> Commanded:
        checked = read_joint_command(message)
        mode = MODES[checked.mode].value
        return Commanded(checked.tick, mode, checked.fault, self._name(checked.holder), np.array(checked.velocity))

    def _name(self, holder: str) -> str:
        """``holder`` with the name of its publisher in place of the number that tells it apart."""
        topic, _, sender = holder.partition(" ")
        if sender and holder not in self._names:
            self._names = {
                f"{topic} {gid}": f"{topic} by {name}" for gid, name in publishers(self._intake.node, topic).items()
            }
            self._names.setdefault(holder, topic)
        return self._names.get(holder, holder)

    def _subscribe(self, message_type: type, topic: str, qos: QoSProfile) -> tuple[str, DirectSubscription]:
        return topic, DirectSubscription(self._intake, message_type, topic, qos)

    def _decoded(self, source: tuple[str, DirectSubscription], decode: Callable[[Any], Any]) -> Iterator[Any]:
        topic, subscription = source
        for received in subscription.take(READ_AT_ONCE):
            try:
                yield decode(received.message)
            except (MessageError, PlanError, RewardError) as error:
                self._intake.refuse(topic, str(error))


def _position(message: Odometry) -> np.ndarray:
    point = message.pose.pose.position
    position = np.array([point.x, point.y, point.z])
    if not np.isfinite(position).all():
        raise MessageError(f"the position {position} is not finite")
    return position


def _candidates(message: messages.Candidates) -> tuple[int, Any]:
    return message.start_tick, read_candidates(message)


def _facts(message: DiagnosticArray) -> dict[str, dict[str, str]]:
    """Values by the node's name without its namespace; what other programs call themselves does not matter here."""
    return {
        status.name.rsplit("/", 1)[-1]: {value.key: value.value for value in status.values} for status in message.status
    }
