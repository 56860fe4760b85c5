"""The Unitree remote, as LowState carries it in the 40 bytes of ``wireless_remote``.

Little endian: two bytes of head, one bit for each button, then single-precision numbers: left stick x, right stick x,
right stick y, left trigger, left stick y; the rest is unused. A remote that is off or out of reach leaves all bytes
zero, which says: no button, sticks in the middle.
"""

from __future__ import annotations

import struct

from diffusion_mpc_ros.core.gamepad import BUTTONS, REMOTE_BYTES, GamepadState

_LAYOUT = struct.Struct("<2xH5f16x")


def decode_remote(data: bytes) -> GamepadState | None:
    """The remote's state; None for another length or sticks that are not finite or outside [-1.05, 1.05]."""
    if len(data) != REMOTE_BYTES:
        return None
    bits, left_x, right_x, right_y, _, left_y = _LAYOUT.unpack(data)
    pressed = (name for bit, name in enumerate(BUTTONS) if bits >> bit & 1)
    return GamepadState.from_raw(pressed, (left_x, left_y, right_x, right_y))


def encode_remote(state: GamepadState) -> bytes:
    """The inverse of :func:`decode_remote`, for the simulator."""
    bits = sum(1 << bit for bit, name in enumerate(BUTTONS) if name in state.pressed)
    trigger = float("L2" in state.pressed)
    return _LAYOUT.pack(bits, state.left_x, state.right_x, state.right_y, trigger, state.left_y)
