"""A subscription that is read when its owner wants, and tells which publisher each message comes from.

rclpy hands messages out through an executor, in the order and at the time that other callbacks leave to it, and does
not say who sent them. The control loop reads stops and velocities itself, once a tick, and holds publishers apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.nodes.intake import Intake, printable, read_message
from diffusion_mpc_ros.nodes.serialized_take import GID_BYTES, SerializedTake


@dataclass(frozen=True)
class Received:
    """A message, the publisher it comes from, and its number among those of that publisher.

    ``sender``: the publisher's gid in hexadecimal, as :func:`publishers` tells it of the ROS graph.
    """

    message: Any
    sender: str
    number: int


class _NeverCalled(CallbackGroup):
    """Keeps a subscription away from executors: its owner reads it."""

    def can_execute(self, entity: object) -> bool:
        return False

    def begin_execution(self, entity: object) -> bool:
        return False


class DirectSubscription:
    """Messages of ``message_type`` on ``topic``; reading never waits. For one thread."""

    def __init__(
        self, intake: Intake, message_type: type, topic: str, qos: QoSProfile, node: Node | None = None
    ) -> None:
        """Subscribe as ``node``, by default that of ``intake``; it names the topic and refuses what cannot be read."""
        self._intake, self._topic, self._type = intake, topic, message_type
        intake.expect(topic, message_type, qos)
        name = intake.node.resolve_topic_name(topic)
        self._subscription = (node or intake.node).create_subscription(
            message_type, name, lambda _: None, qos, callback_group=_NeverCalled()
        )
        self._serialized = SerializedTake()

    def take(self, limit: int) -> Iterator[Received]:
        """Take at most ``limit`` messages that have arrived, oldest first."""
        for _ in range(limit):
            taken = self._serialized.take(self._subscription)
            if taken is None:
                return
            try:
                message = read_message(taken.data, self._type)
            except MessageError as error:
                self._intake.refuse(self._topic, str(error))
                continue
            yield Received(message, taken.sender.hex(), taken.number)


def publishers(node: Node, topic: str) -> dict[str, str]:
    """Return the publishers of ``topic`` in the ROS graph: names by gid in hexadecimal, as in :class:`Received`.

    What the graph tells is foreign: names are cut to printable characters.
    """
    found = {}
    for endpoint in node.get_publishers_info_by_topic(topic):
        gid = bytes(endpoint.endpoint_gid[:GID_BYTES]).hex()
        found[gid] = printable(f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}")
    return found
