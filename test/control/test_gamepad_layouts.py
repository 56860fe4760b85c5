"""Gamepads told apart by their numbers of buttons and axes, or refused in words."""

from __future__ import annotations

import itertools

import pytest

from diffusion_mpc_ros.control.gamepad import BINDINGS
from diffusion_mpc_ros.control.gamepad_layouts import AUTO, LAYOUT_NAMES, LAYOUTS, XBOX, describe_layout, find_layout
from diffusion_mpc_ros.core.errors import ConfigurationError, GamepadError
from diffusion_mpc_ros.core.gamepad import BUTTONS

ALL = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@pytest.mark.parametrize(
    ("buttons", "axes", "name"),
    [
        (11, 8, "xbox"),
        (12, 8, "xbox"),
        (16, 8, "xbox_bluetooth"),
        (17, 8, "xbox_bluetooth_old"),
        (13, 8, "playstation"),
        (14, 8, "playstation_generic"),
        (12, 6, "logitech_d"),
        (21, 6, "game_controller"),
        (17, 6, "game_controller"),
    ],
)
def test_numbers_that_only_one_layout_has_name_it(buttons, axes, name):
    assert find_layout(AUTO, buttons, axes).name == name
    assert find_layout(name, buttons, axes).name == name


def test_numbers_that_several_layouts_have_need_a_name():
    with pytest.raises(GamepadError, match="xbox_360_wireless or xbox_bluetooth or playstation_generic: name the"):
        find_layout(AUTO, 15, 8)
    assert find_layout("xbox_bluetooth", 15, 8).buttons["X"] == 3
    assert find_layout("xbox_360_wireless", 15, 8).buttons["X"] == 2


@pytest.mark.parametrize(("buttons", "axes"), [(0, 0), (0, 8), (8, 5), (11, 7), (10, 6), (12, 7), (11, 0), (200, 200)])
def test_numbers_of_no_layout_are_refused_in_words(buttons, axes):
    with pytest.raises(GamepadError) as refused:
        find_layout(AUTO, buttons, axes)
    text = str(refused.value)
    assert f"{buttons} buttons and {axes} axes is none of the known" in text
    for layout in LAYOUTS.values():
        assert f"{layout.name} {layout.counts[0][0]}/{layout.counts[0][1]}" in text


@ALL
def test_a_layout_that_was_named_is_not_forced_on_another_gamepad(layout):
    with pytest.raises(GamepadError, match=f"a gamepad of 9 buttons and 4 axes is no {layout.name}"):
        find_layout(layout.name, 9, 4)


def test_an_unknown_name_is_answered_with_the_valid_ones():
    with pytest.raises(ConfigurationError, match=f"'snes' is none of {', '.join(LAYOUT_NAMES)}"):
        find_layout("snes", 11, 8)


@ALL
def test_a_layout_has_all_that_is_asked_of_it_at_places_of_their_own(layout):
    buttons, axes = (min(numbers) for numbers in zip(*layout.counts))
    indices = list(layout.buttons.values())
    assert len(set(indices)) == len(indices) and max(indices) < buttons
    sticks = [axis.index for axis in layout.axes]
    assert len(set(sticks)) == 4 and max(sticks) < axes
    assert set(layout.buttons) <= set(BUTTONS)
    assert {name for binding in BINDINGS for name in binding.buttons} | {layout.enable} <= set(layout.buttons)


def test_layouts_of_the_same_numbers_differ():
    for one, other in itertools.combinations(LAYOUTS.values(), 2):
        if set(one.counts) & set(other.counts):
            assert (one.buttons, one.axes) != (other.buttons, other.axes)


@ALL
def test_a_layout_is_told_in_words(layout):
    text = describe_layout(layout)
    assert layout.name in text and layout.pads in text
    assert all(f"{name} {index}" in text for name, index in layout.buttons.items())
    assert f"right x {layout.right_x.index}" in text and f"dead-man  L1 (button {layout.buttons['L1']})" in text


def test_the_xbox_layout_in_words():
    assert describe_layout(XBOX).splitlines() == [
        "  layout    xbox (Xbox by cable; Logitech F310, F710 switched to X), buttons/axes 11/8, 12/8",
        "  buttons   A 0, B 1, X 2, Y 3, L1 4, R1 5, select 6, start 7",
        "  axes      left x 0, left y 1, right x 3, right y 4",
        "  dead-man  L1 (button 4): the sticks count while it is held",
    ]
