"""sensor_msgs/Joy from and to :class:`GamepadState`, by a gamepad's layout (control/gamepad_layouts.py)."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.control.gamepad_layouts import XBOX, GamepadLayout
from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.gamepad import GamepadState


def read_gamepad(message: Joy, layout: GamepadLayout = XBOX) -> GamepadState | None:
    """Return the gamepad's state; None when the message has other numbers of buttons and axes than ``layout``."""
    if (len(message.buttons), len(message.axes)) not in layout.counts:
        return None
    pressed = (name for name, index in layout.buttons.items() if message.buttons[index])
    return GamepadState.from_raw(pressed, (axis.sign * message.axes[axis.index] for axis in layout.axes))


def read_xbox(message: Joy) -> GamepadState:
    """Return the gamepad's state in the layout ``xbox``; raises MessageError for other numbers of buttons and axes."""
    state = read_gamepad(message)
    if state is None:
        counts = " or ".join(f"{buttons} buttons and {axes} axes" for buttons, axes in XBOX.counts)
        raise MessageError(f"{len(message.buttons)} buttons and {len(message.axes)} axes, layout xbox has {counts}")
    return state


def joy_message(state: GamepadState, stamp: Time) -> Joy:
    """Return the inverse of :func:`read_gamepad` in the layout ``xbox``.

    Buttons that this does not have are left out.
    """
    buttons, axes = XBOX.counts[0]
    message = Joy(buttons=[0] * buttons, axes=[0.0] * axes)
    message.header.stamp = stamp
    for name, index in XBOX.buttons.items():
        message.buttons[index] = int(name in state.pressed)
    for axis, value in zip(XBOX.axes, state.raw_sticks):
        message.axes[axis.index] = axis.sign * value
    message.axes[2] = message.axes[5] = 1.0  # the triggers at rest
    return message
