"""A velocity that a person has to keep alive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.commands.held_velocity import ZERO_TIME, HeldVelocity

STEP, BOUND, KEEP_ALIVE = (0.1, 0.1, 0.2), (0.25, 0.5, 1.0), 1.0


@pytest.fixture
def held():
    return HeldVelocity(STEP, BOUND, KEEP_ALIVE)


def sent(held: HeldVelocity, now: float) -> list[float] | None:
    velocity = held.get(now)
    return None if velocity is None else velocity.tolist()


def test_nothing_is_sent_before_a_key(held):
    assert sent(held, 5.0) is None
    held.keep(5.0)
    held.drop(5.0)
    assert sent(held, 5.0) is None


def test_a_velocity_lives_so_long_then_zero_then_silence(held):
    held.change(0, 1, 10.0)
    assert sent(held, 10.0) == sent(held, 10.99) == [0.1, 0.0, 0.0]
    assert sent(held, 11.0) == sent(held, 11.0 + ZERO_TIME - 0.01) == [0.0, 0.0, 0.0]
    assert sent(held, 11.0 + ZERO_TIME) is None


def test_keys_change_it_up_to_its_bound_and_keep_it_alive(held):
    for now, index, sign in ((10.0, 0, 1), (10.9, 0, 1), (11.8, 0, 1), (12.7, 2, -1)):
        held.change(index, sign, now)
    assert sent(held, 13.6) == [0.25, 0.0, -0.2]
    held.keep(13.6)
    assert sent(held, 14.5) == [0.25, 0.0, -0.2]
    assert sent(held, 14.6) == [0.0, 0.0, 0.0]


def test_a_velocity_that_is_taken_is_bounded_and_lives_as_long(held):
    held.take([0.9, -0.2, -3.0], 10.0)
    assert sent(held, 10.99) == [0.25, -0.2, -1.0]
    assert sent(held, 11.0) == [0.0, 0.0, 0.0]


def test_what_has_ended_is_not_revived(held):
    held.change(0, 1, 10.0)
    held.keep(11.0)
    assert sent(held, 11.0) == [0.0, 0.0, 0.0]
    # The next one starts from zero.
    held.change(0, 1, 11.2)
    assert sent(held, 11.2) == [0.1, 0.0, 0.0]


def test_dropped_it_is_zero_at_once(held):
    held.change(1, -1, 10.0)
    held.drop(10.2)
    assert sent(held, 10.2) == [0.0, 0.0, 0.0]
    # Said again and again, it is not put off: silence follows all the same.
    held.drop(10.6)
    assert sent(held, 10.2 + ZERO_TIME) is None


PAUSE, ACT = st.floats(0.0, 2.0), st.sampled_from(["change", "keep", "drop"])
KEY = st.tuples(PAUSE, ACT, st.integers(0, 2), st.sampled_from([1, -1]))


@settings(deadline=None)
@given(st.lists(KEY, max_size=30), st.floats(0.0, 3.0))
def test_it_never_outlives_the_last_key_nor_leaves_its_bounds(keys, later):
    held, now = HeldVelocity(STEP, BOUND, KEEP_ALIVE), 0.0
    for pause, key, index, sign in keys:
        now += pause
        held.change(index, sign, now) if key == "change" else getattr(held, key)(now)
    velocity = held.get(now + later)
    if velocity is not None:
        assert (np.abs(velocity) <= BOUND).all()
        assert later < KEEP_ALIVE or not velocity.any()
    if later >= KEEP_ALIVE + ZERO_TIME:
        assert velocity is None
