"""sensor_msgs/Joy from and to :class:`GamepadState`, in the layout that ROS's ``joy_node`` gives an Xbox controller.

Its L1 is called LB, R1 RB, select back. ``game_controller_node`` of the same package orders buttons and axes in another
way and is not understood, except for A, B, X, Y.
"""

from __future__ import annotations

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.core.gamepad import GamepadState

# Names by index in Joy.buttons.
JOY_BUTTONS = ("A", "B", "X", "Y", "L1", "R1", "select", "start")
# Indices in Joy.axes: sticks, positive to the left and up; the left trigger reads 1 when it is not pulled.
LEFT_X, LEFT_Y, LEFT_TRIGGER, RIGHT_X, RIGHT_Y = range(5)


def gamepad_state(message: Joy) -> GamepadState | None:
    """The gamepad's state; None when buttons or axes are missing or a stick is not finite or beyond [-1.05, 1.05]."""
    if len(message.buttons) < len(JOY_BUTTONS) or len(message.axes) <= RIGHT_Y:
        return None
    pressed = (name for name, value in zip(JOY_BUTTONS, message.buttons) if value)
    axes = message.axes
    return GamepadState.from_raw(pressed, (-axes[LEFT_X], axes[LEFT_Y], -axes[RIGHT_X], axes[RIGHT_Y]))


def joy_message(state: GamepadState, stamp: Time) -> Joy:
    """The inverse of :func:`gamepad_state`; buttons that a joystick does not have are left out."""
    message = Joy(buttons=[int(name in state.pressed) for name in JOY_BUTTONS])
    message.header.stamp = stamp
    message.axes = [-state.left_x, state.left_y, 1.0, -state.right_x, state.right_y]
    return message
