"""sensor_msgs/Joy in the layout of joy_node, there and back."""

from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.nodes.gamepad_messages import JOY_BUTTONS, gamepad_state, joy_message

STICK = st.floats(-1.0, 1.0, width=32)
STATES = st.builds(GamepadState, st.frozensets(st.sampled_from(JOY_BUTTONS)), STICK, STICK, STICK, STICK)


def xbox(*, buttons: dict[int, int] | None = None, axes: dict[int, float] | None = None) -> Joy:
    """As joy_node reports an Xbox gamepad: 11 buttons, 8 axes, both triggers 1.0 when not pulled."""
    message = Joy(buttons=[0] * 11, axes=[0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
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
    assert gamepad_state(xbox(buttons={index: 1})).pressed == {name}


def test_further_buttons_and_triggers_do_not_matter():
    message = xbox(buttons={8: 1, 9: 1, 10: 1}, axes={2: -1.0, 5: math.nan, 6: 1.0})
    assert gamepad_state(message) == GamepadState()


def test_a_stick_pushed_left_is_negative():
    # ROS: left and up positive.
    message = xbox(axes={0: 1.0, 1: 0.5, 3: -0.25, 4: -1.0})
    assert gamepad_state(message).sticks == (-1.0, 0.5, 0.25, -1.0)


@pytest.mark.parametrize(("buttons", "axes"), [(0, 0), (7, 8), (8, 4), (11, 0)])
def test_too_few_of_anything_is_no_gamepad(buttons, axes):
    assert gamepad_state(Joy(buttons=[1] * buttons, axes=[0.0] * axes)) is None


@pytest.mark.parametrize("axis", [0, 1, 3, 4])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.06])
def test_a_stick_out_of_range_is_no_gamepad(axis, value):
    assert gamepad_state(xbox(buttons={7: 1}, axes={axis: value})) is None


@settings(deadline=None)
@given(STATES)
def test_there_and_back(state):
    message = joy_message(state, Time(sec=3, nanosec=4))
    assert gamepad_state(message) == state
    assert message.header.stamp == Time(sec=3, nanosec=4)


def test_buttons_that_the_layout_does_not_have_are_left_out():
    state = GamepadState(frozenset({"F1", "L2", "start"}), left_y=0.5)
    assert gamepad_state(joy_message(state, Time())) == GamepadState(frozenset({"start"}), left_y=0.5)
