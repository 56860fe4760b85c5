"""What every node says of itself on ``/diagnostics``: its own status, and what it refused or cannot hear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from diffusion_mpc_ros.nodes.conversions.diagnostics import diagnostic_status
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.qos import RELIABLE

# Level, text and values of a diagnostic status.
Status = tuple[bytes, str, Mapping[str, Any]]


class DiagnosticsPublisher:
    """Publishes as ``node``; ``status`` tells what the node says of itself, None for nothing yet."""

    def __init__(self, node: Node, intake: Intake, status: Callable[[], Status | None]) -> None:
        self._node, self._intake, self._status = node, intake, status
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def publish(self) -> None:
        """Publish both statuses as of now."""
        name, robot = self._node.get_fully_qualified_name(), self._node.get_namespace().strip("/") or "go2"
        own = self._status()
        statuses = [] if own is None else [diagnostic_status(name, robot, *own)]
        statuses.append(diagnostic_status(f"{name}: inputs", robot, *self._inputs()))
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _inputs(self) -> Status:
        rejected = dict(self._intake.rejected)
        values = {"rejected_messages": sum(rejected.values())}
        values |= {f"rejected_{topic}": count for topic, count in rejected.items()}
        mismatched = self._intake.mismatched()
        level = DiagnosticStatus.WARN if mismatched else DiagnosticStatus.OK
        return level, "; ".join(mismatched) or "every publisher can be heard", values
