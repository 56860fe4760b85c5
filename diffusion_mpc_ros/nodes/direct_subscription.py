"""A subscription that is read when its owner wants, and tells which publisher each message comes from.

rclpy hands messages out through an executor, in the order and at the time that other callbacks leave to it, and does
not say who sent them. The control loop reads stops and velocities itself, once a tick, and holds publishers apart. So
this asks rcl, the C library below rclpy, for the serialized message together with its ``rmw_message_info_t``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.nodes.intake import Intake, printable, read_message

_GID_BYTES = 16
_RET_OK, _RET_TAKE_FAILED = 0, 401
# What a middleware that does not count messages says in place of a number.
_NOT_COUNTED = 2**64 - 1
# Larger than any struct rmw_message_info_t of a supported distribution.
_INFO_BYTES = 256


class _MessageInfo(ctypes.Structure):
    """The part of rmw_message_info_t (rmw/types.h) that Humble, Jazzy and later ones have in common."""

    _fields_ = (
        ("source_timestamp", ctypes.c_int64),
        ("received_timestamp", ctypes.c_int64),
        ("publication_sequence_number", ctypes.c_uint64),
        ("reception_sequence_number", ctypes.c_uint64),
        ("implementation_identifier", ctypes.c_char_p),
        ("publisher_gid", ctypes.c_uint8 * _GID_BYTES),
    )


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("allocate", "deallocate", "reallocate", "zero", "state"))


class _ByteArray(ctypes.Structure):
    """rcutils_uint8_array_t, the serialized message."""

    _fields_ = (
        ("buffer", ctypes.POINTER(ctypes.c_uint8)),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    )


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
        self._rcl, self._rcutils = ctypes.CDLL("librcl.so"), ctypes.CDLL("librcutils.so")
        self._rcutils.rcutils_get_default_allocator.restype = _Allocator
        self._array = _ByteArray(allocator=self._rcutils.rcutils_get_default_allocator())
        self._info = ctypes.create_string_buffer(_INFO_BYTES)

    def take(self, limit: int) -> Iterator[Received]:
        """Take at most ``limit`` messages that have arrived, oldest first."""
        for _ in range(limit):
            with self._subscription.handle:
                pointer = ctypes.c_void_p(self._subscription.handle.pointer)
                status = self._rcl.rcl_take_serialized_message(pointer, ctypes.byref(self._array), self._info, None)
            if status != _RET_OK:
                if status != _RET_TAKE_FAILED:
                    self._rcutils.rcutils_reset_error()
                return
            received = self._received()
            if received is not None:
                yield received

    def _received(self) -> Received | None:
        info = _MessageInfo.from_buffer(self._info)
        try:
            message = read_message(ctypes.string_at(self._array.buffer, self._array.length), self._type)
        except MessageError as error:
            self._intake.refuse(self._topic, str(error))
            return None
        counted = info.publication_sequence_number
        number = info.source_timestamp if counted == _NOT_COUNTED else counted
        return Received(message, bytes(info.publisher_gid).hex(), number)


class SecondParticipant:
    """A node of the same topics in a participant of its own: with Fast DDS a participant knows one type for a topic."""

    def __init__(self, node: Node) -> None:
        self._context = Context()
        rclpy.init(
            context=self._context,
            domain_id=node.context.get_domain_id(),
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.node = rclpy.create_node(
            f"{node.get_name()}_second",
            namespace=node.get_namespace(),
            context=self._context,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )

    def close(self) -> None:
        """Leave the ROS graph."""
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)


def publishers(node: Node, topic: str) -> dict[str, str]:
    """Return the publishers of ``topic`` in the ROS graph: names by gid in hexadecimal, as in :class:`Received`.

    What the graph tells is foreign: names are cut to printable characters.
    """
    found = {}
    for endpoint in node.get_publishers_info_by_topic(topic):
        gid = bytes(endpoint.endpoint_gid[:_GID_BYTES]).hex()
        found[gid] = printable(f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}")
    return found
