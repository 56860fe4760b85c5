"""sensor_msgs/Joy by layout, there and back."""

from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.control.gamepad_layouts import AUTO, LAYOUTS, XBOX, GamepadLayout, find_layout
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message, read_gamepad

ALL = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
STICK = st.floats(-1.0, 1.0, width=32)
PRESSED = st.frozensets(st.sampled_from(sorted(XBOX.buttons)))
STATES = st.builds(GamepadState, PRESSED, STICK, STICK, STICK, STICK) | st.builds(
    lambda pressed: GamepadState(pressed, sticks_valid=False), PRESSED
)


def joy(layout: GamepadLayout, *, buttons: dict[int, int] | None = None, axes: dict[int, float] | None = None) -> Joy:
    """As a gamepad of ``layout`` reports itself at rest, but for ``buttons`` and ``axes`` by index."""
    number_of_buttons, number_of_axes = layout.counts[0]
    message = Joy(buttons=[0] * number_of_buttons, axes=[0.0] * number_of_axes)
    for index, value in (buttons or {}).items():
        message.buttons[index] = value
    for index, value in (axes or {}).items():
        message.axes[index] = value
    return message


@pytest.mark.parametrize(
    ("index", "name"),
    [(0, "A"), (1, "B"), (2, "X"), (3, "Y"), (4, "L1"), (5, "R1"), (6, "select"), (7, "start")],
)
def test_each_button_by_its_index(index, name):
    assert read_gamepad(joy(XBOX, buttons={index: 1})).pressed == {name}


@ALL
def test_each_button_of_each_layout(layout):
    for name, index in layout.buttons.items():
        assert read_gamepad(joy(layout, buttons={index: 1}), layout).pressed == {name}


@ALL
def test_each_stick_of_each_layout(layout):
    # ROS: left and up positive.
    pushed = zip(layout.axes, (0.25, 0.5, -0.75, -1.0))
    state = read_gamepad(joy(layout, axes={axis.index: value for axis, value in pushed}), layout)
    assert state.sticks == (-0.25, 0.5, 0.75, -1.0)


@ALL
@pytest.mark.parametrize("rest", [1.0, 0.0, -1.0])
def test_what_no_stick_is_does_not_matter(layout, rest):
    sticks = {axis.index for axis in layout.axes}
    axes = {index: rest for index in range(layout.counts[0][1]) if index not in sticks}
    others = {index: 1 for index in range(layout.counts[0][0]) if index not in layout.buttons.values()}
    assert read_gamepad(joy(layout, buttons=others, axes=axes), layout) == GamepadState()


def test_a_logitech_gamepad_switched_to_d():
    layout = find_layout(AUTO, 12, 6)
    # By the index printed on it less one: X, A, B, Y; then the triggers, which are buttons.
    for index, name in enumerate(("X", "A", "B", "Y", "L1", "R1", "L2", "R2", "select", "start")):
        assert read_gamepad(joy(layout, buttons={index: 1}), layout).pressed == {name}
    # In the default layout it is no gamepad at all, rather than one whose A stops and whose trigger walks.
    assert read_gamepad(joy(layout, buttons={1: 1})) is None


@pytest.mark.parametrize(("buttons", "axes"), [(0, 0), (7, 8), (8, 5), (11, 0), (11, 7), (11, 9), (13, 8)])
def test_another_number_of_anything_is_no_gamepad(buttons, axes):
    assert read_gamepad(Joy(buttons=[1] * buttons, axes=[0.0] * axes)) is None


@ALL
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.06])
def test_the_stop_does_not_depend_on_sticks(layout, value):
    for axis in layout.axes:
        state = read_gamepad(joy(layout, buttons={layout.buttons["B"]: 1}, axes={axis.index: value}), layout)
        assert state == GamepadState(frozenset("B"), sticks_valid=False)


def test_eight_axes_of_one_hold_no_dead_man():
    state = read_gamepad(Joy(buttons=[0] * 11, axes=[1.0] * 8))
    assert state.sticks == (-1.0, 1.0, -1.0, 1.0)
    assert XBOX.enable not in state.pressed


@settings(deadline=None)
@given(STATES)
def test_there_and_back(state):
    message = joy_message(state, Time(sec=3, nanosec=4))
    assert read_gamepad(message) == state
    assert message.header.stamp == Time(sec=3, nanosec=4)
    assert find_layout(AUTO, len(message.buttons), len(message.axes)) is XBOX


def test_an_own_message_is_that_of_a_whole_gamepad():
    message = joy_message(GamepadState(frozenset({"B"}), left_x=0.5), Time())
    assert list(message.buttons) == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert list(message.axes) == [-0.5, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_buttons_that_the_layout_does_not_have_are_left_out():
    state = GamepadState(frozenset({"F1", "L2", "start"}), left_y=0.5)
    assert read_gamepad(joy_message(state, Time())) == GamepadState(frozenset({"start"}), left_y=0.5)
