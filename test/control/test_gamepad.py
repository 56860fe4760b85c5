"""What buttons ask for: requests when pressed, the emergency stop while held."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.control.gamepad import BINDINGS, STICKS, GamepadRequests, describe_buttons
from diffusion_mpc_ros.control.modes import REQUESTS, Event
from diffusion_mpc_ros.core.gamepad import BUTTONS, GamepadState

STATES = st.builds(GamepadState, st.frozensets(st.sampled_from(BUTTONS)))


def pressed(*buttons: str) -> GamepadState:
    return GamepadState(frozenset(buttons))


@pytest.fixture
def requests():
    """Requests of a gamepad that is known and has no button down."""
    requests = GamepadRequests()
    assert requests.update(pressed()) == (None, False)
    return requests


@pytest.mark.parametrize(
    ("buttons", "event"),
    [
        (("L1", "A"), Event.STAND_UP),
        (("start",), Event.WALK),
        (("L1", "X"), Event.SIT_DOWN),
        (("L1", "select"), Event.CLEAR_FAULT),
        (("A",), None),
        (("X", "select"), None),
        (("L2", "A"), None),
    ],
)
def test_a_combination_asks_once(requests, buttons, event):
    assert requests.update(pressed(*buttons)) == (event, False)
    assert requests.update(pressed(*buttons)) == (None, False)
    assert requests.update(pressed()) == (None, False)
    assert requests.update(pressed(*buttons)) == (event, False)


def test_a_combination_may_come_button_by_button(requests):
    assert requests.update(pressed("L1")) == (None, False)
    assert requests.update(pressed("L1", "A")) == (Event.STAND_UP, False)
    # L1 is still down: X completes another combination, releasing A none.
    assert requests.update(pressed("L1", "A", "X")) == (Event.SIT_DOWN, False)
    assert requests.update(pressed("L1", "X")) == (None, False)


def test_two_at_once_give_the_calmer_one(requests):
    assert requests.update(pressed("L1", "A", "X", "start")) == (Event.SIT_DOWN, False)


def test_the_emergency_stop_is_a_level_and_hides_requests(requests):
    assert requests.update(pressed("B")) == (None, True)
    assert requests.update(pressed("B", "L2")) == (None, True)
    assert requests.update(pressed("B", "L1", "select")) == (None, True)
    # Held throughout the emergency stop, the combination is not pressed anew when the stop ends.
    assert requests.update(pressed("L1", "select")) == (None, False)
    assert requests.update(pressed()) == (None, False)


def test_buttons_already_down_at_first_sight_are_no_request():
    requests = GamepadRequests()
    assert requests.update(pressed("L1", "A")) == (None, False)
    assert requests.update(pressed("L1")) == (None, False)
    assert requests.update(pressed("L1", "A")) == (Event.STAND_UP, False)


def test_the_emergency_stop_counts_at_first_sight():
    assert GamepadRequests().update(pressed("B")) == (None, True)


@pytest.mark.parametrize("stick", [math.nan, math.inf, -1.06])
def test_buttons_ask_whatever_the_sticks_say(requests, stick):
    worn = [GamepadState.from_raw(buttons, (0.0, stick, 0.0, 0.0)) for buttons in (("B",), ("L1", "A"))]
    assert [state.sticks_valid for state in worn] == [False, False]
    assert [requests.update(state) for state in worn] == [(None, True), (Event.STAND_UP, False)]


@settings(deadline=None)
@given(st.lists(STATES, max_size=20))
def test_whatever_is_pressed(states):
    requests, before = GamepadRequests(), None
    for state in states:
        event, e_stop = requests.update(state)
        assert e_stop is ("B" in state.pressed)
        if event is not None:
            assert event in REQUESTS and not e_stop
            # Only who presses something new asks for something.
            assert state.pressed - before.pressed
        before = state


def test_the_table_is_complete_and_unambiguous():
    assert sum(binding.event is None for binding in BINDINGS) == 1
    assert len({binding.buttons for binding in BINDINGS}) == len(BINDINGS)
    assert {event for binding in BINDINGS if (event := binding.event)} == set(REQUESTS) - {Event.DAMP}
    assert all(set(binding.buttons) <= set(BUTTONS) for binding in BINDINGS)


def test_the_table_as_text_has_a_line_for_everything():
    lines = describe_buttons().splitlines()
    assert len(lines) == len(BINDINGS) + len(STICKS)
    for binding, line in zip(BINDINGS, lines):
        assert line.startswith(f"  {binding.name} ")
        assert line.endswith(binding.description)
