"""The Unitree remote, as LowState carries it in the 40 bytes of ``wireless_remote``.

Little endian: two bytes of head, one bit for each button, then single-precision numbers: left stick x, right stick x,
right stick y, left trigger, left stick y; the rest is unused. A remote that is off or out of reach leaves all bytes
zero, which reads as no button and sticks in the middle; the head of one that is there is not zero.
"""

from __future__ import annotations

import struct

from diffusion_mpc_ros.core.gamepad import BUTTONS, REMOTE_BYTES, GamepadState

_LAYOUT = struct.Struct("<2sH5f16x")
# As dumps of real LowStates show. The value is not documented, only that it is not zero matters.
_HEAD = b"\x55\x51"


def remote_present(data: bytes) -> bool:
    """Return whether a remote is heard: one that is off or out of reach leaves all bytes of ``data`` zero."""
    return any(data)


def decode_remote(data: bytes) -> GamepadState | None:
    """Return the remote's state; None for another length. Sticks out of range are not valid, the buttons always are."""
    if len(data) != REMOTE_BYTES:
        return None
    _, bits, left_x, right_x, right_y, _, left_y = _LAYOUT.unpack(data)
    pressed = (name for bit, name in enumerate(BUTTONS) if bits >> bit & 1)
    return GamepadState.from_raw(pressed, (left_x, left_y, right_x, right_y))


def encode_remote(state: GamepadState) -> bytes:
    """Return the inverse of :func:`decode_remote`, of a remote that is present, for the simulator."""
    bits = sum(1 << bit for bit, name in enumerate(BUTTONS) if name in state.pressed)
    trigger = float("L2" in state.pressed)
    left_x, left_y, right_x, right_y = state.raw_sticks
    return _LAYOUT.pack(_HEAD, bits, left_x, right_x, right_y, trigger, left_y)
