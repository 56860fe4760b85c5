"""What command_publisher tells of each command it has sent: on topics at once, in words when there is time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

from diffusion_mpc_msgs.msg import JointCommand

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.nodes.control_step import ControlStep
from diffusion_mpc_ros.nodes.conversions.joint_commands import controller_state_message, joint_command_message
from diffusion_mpc_ros.nodes.conversions.optional import optional_module
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.qos import STREAM

# A line that repeats itself is told of again after this long [s].
REPEATED_PERIOD = 5.0


class CommandTopics:
    """Publishes ``joint_command`` and, where control_msgs is installed, ``~/controller_state`` as ``node``."""

    def __init__(self, node: ManagedNode) -> None:
        self.last: ControlStep | None = None
        self._node = node
        self._commands = node.create_publisher(JointCommand, "joint_command", STREAM)
        self._control_msgs = optional_module("control_msgs.msg")
        if self._control_msgs is None:
            node.get_logger().info("control_msgs is not installed: no ~/controller_state")
        else:
            state_type = self._control_msgs.JointTrajectoryControllerState
            self._controller_states = node.create_publisher(state_type, "~/controller_state", STREAM)
        self._messages: deque[str] = deque(maxlen=100)
        self._told = "", -math.inf  # the last line and when [s]

    def add(self, step: ControlStep) -> None:
        """Publish ``step``, in the control thread after the command was sent; what may block is left to others."""
        self.last = step
        if step.output.message:
            self._messages.append(step.output.message)
        stamp = self._node.stamp()
        self._commands.publish(joint_command_message(step, stamp))
        if self._control_msgs is not None:
            self._controller_states.publish(controller_state_message(self._control_msgs, step, stamp))

    def lines(self, others: deque[str]) -> Iterator[str]:
        """Take what is to be told in words, that of ``others`` too; a refusal that repeats itself, now and then."""
        now = clock.now()
        for messages in (self._messages, others):
            for text in _taken(messages):
                if text != self._told[0] or now - self._told[1] >= REPEATED_PERIOD:
                    self._told = text, now
                    yield text


def _taken(messages: deque[str]) -> Iterable[str]:
    while messages:
        yield messages.popleft()
