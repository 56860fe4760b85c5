"""The topics that steer the robot, for the planner: ``remote`` and ``joy`` (sensor_msgs/Joy), ``cmd_vel`` (Twist)."""

from __future__ import annotations

import time

import numpy as np
from geometry_msgs.msg import Twist
from rclpy.node import Node
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.control.velocity_command import CMD_VEL, JOY, REMOTE, VelocityCommand
from diffusion_mpc_ros.nodes import conversions
from diffusion_mpc_ros.nodes.gamepad_messages import gamepad_state
from diffusion_mpc_ros.nodes.qos import LATEST, RELIABLE

# What cannot be used is logged at most so often [s].
COMPLAINT_PERIOD = 1.0


class VelocityInputs:
    """Subscribes on behalf of ``node`` and hands ``velocity`` what comes; says what could not be used."""

    def __init__(self, node: Node, velocity: VelocityCommand) -> None:
        self._node, self._velocity = node, velocity
        node.create_subscription(Twist, CMD_VEL, self._on_twist, RELIABLE)
        for source in (JOY, REMOTE):
            node.create_subscription(Joy, source, self._handler(source), LATEST)

    def get(self) -> np.ndarray:
        """The velocity command to plan for now ``(3,)``: vx, vy [m/s], yaw rate [rad/s]."""
        return self._velocity.get(time.monotonic())

    def diagnostics(self) -> dict[str, object]:
        """Who steers, and how many messages could not be used."""
        rejected = self._velocity.rejected
        return {"command_source": self._velocity.source or "none", "rejected_commands": sum(rejected.values())}

    def _on_twist(self, message: Twist) -> None:
        asked = conversions.velocity(message)
        self._velocity.ask(CMD_VEL, asked, time.monotonic())
        if not np.isfinite(asked).all():
            text = f"{CMD_VEL} counts as zero: {asked} is not finite"
            self._node.get_logger().warning(text, throttle_duration_sec=COMPLAINT_PERIOD)

    def _handler(self, source: str):
        def handle(message: Joy) -> None:
            state = gamepad_state(message)
            self._velocity.ask_by_sticks(source, state, time.monotonic())
            if state is None or not state.sticks_valid:
                axes = [float(value) for value in message.axes]
                text = f"{source} counts as zero: {len(message.buttons)} buttons and axes {axes} are no gamepad's"
                self._node.get_logger().warning(text, throttle_duration_sec=COMPLAINT_PERIOD)

        return handle
