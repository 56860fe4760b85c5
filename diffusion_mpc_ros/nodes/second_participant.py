"""A second place in the ROS graph for topics that come in two types."""

from __future__ import annotations

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from diffusion_mpc_ros.nodes.companion import companion


class SecondParticipant:
    """A node of the same topics in a participant of its own: with Fast DDS a participant knows one type for a topic."""

    def __init__(self, node: Node) -> None:
        self._context = Context()
        rclpy.init(
            context=self._context,
            domain_id=node.context.get_domain_id(),
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = companion(node, "second", self._context)

    def close(self) -> None:
        """Leave the ROS graph."""
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
