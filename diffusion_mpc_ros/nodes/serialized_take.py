"""What rcl, the C library below rclpy, tells of a message beside its contents: which publisher it comes from.

rclpy hands out neither that nor, without an executor, the message. So this calls rcl_take_serialized_message, which
fills a ``rmw_message_info_t``.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from rclpy.subscription import Subscription

from diffusion_mpc_ros.nodes.qos import NOT_COUNTED

GID_BYTES = 16
_RET_OK, _RET_TAKE_FAILED = 0, 401
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
        ("publisher_gid", ctypes.c_uint8 * GID_BYTES),
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
class TakenMessage:
    """A serialized message, its publisher's gid, and its number among those of that publisher."""

    data: bytes
    sender: bytes
    number: int


class SerializedTake:
    """Takes what has arrived at a subscription, without waiting. For one thread."""

    def __init__(self) -> None:
        self._rcl, self._rcutils = ctypes.CDLL("librcl.so"), ctypes.CDLL("librcutils.so")
        self._rcutils.rcutils_get_default_allocator.restype = _Allocator
        self._array = _ByteArray(allocator=self._rcutils.rcutils_get_default_allocator())
        self._info = ctypes.create_string_buffer(_INFO_BYTES)

    def take(self, subscription: Subscription) -> TakenMessage | None:
        """Take the oldest message; None where there is none."""
        with subscription.handle:
            pointer = ctypes.c_void_p(subscription.handle.pointer)
            status = self._rcl.rcl_take_serialized_message(pointer, ctypes.byref(self._array), self._info, None)
        if status != _RET_OK:
            if status != _RET_TAKE_FAILED:
                self._rcutils.rcutils_reset_error()
            return None
        info = _MessageInfo.from_buffer(self._info)
        counted = info.publication_sequence_number
        number = info.source_timestamp if counted == NOT_COUNTED else counted
        return TakenMessage(ctypes.string_at(self._array.buffer, self._array.length), bytes(info.publisher_gid), number)
