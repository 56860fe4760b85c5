"""When the watchdog damps: hand-worked cases, and what holds for every sequence of beats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.heartbeats import ARMED, DISARMED, END, LAST_DAMPING, Heartbeats

TIMEOUT = 0.06
# Times are whole milliseconds and compared as such, but for rounding in the last place.
ROUNDING = 1e-9
beats = st.sampled_from([ARMED, DISARMED])
# Gaps between beats [ms], with what each beat says.
sequences = st.lists(st.tuples(st.integers(0, 300), beats), min_size=1, max_size=40)


def test_it_damps_from_the_timeout_until_a_beat_comes_back():
    watchdog = Heartbeats(TIMEOUT)
    watchdog.heard(ARMED, 1.0)
    assert not watchdog.damping(1.059)
    assert watchdog.wait(1.050) == pytest.approx(0.010)
    assert watchdog.damping(1.061)
    assert watchdog.wait(1.061) == 0.02
    watchdog.heard(ARMED, 1.1)
    assert not watchdog.damping(1.1)
    assert watchdog.wait(1.1) == pytest.approx(TIMEOUT)


def test_the_newest_of_several_beats_counts():
    watchdog = Heartbeats(TIMEOUT)
    watchdog.heard(DISARMED + ARMED, 1.0)
    assert watchdog.damping(2.0)
    watchdog.heard(ARMED + DISARMED, 2.0)
    assert not watchdog.damping(3.0)
    assert watchdog.wait(3.0) is None


def test_death_while_armed_is_damped_at_once_and_for_a_while():
    watchdog = Heartbeats(TIMEOUT)
    watchdog.heard(ARMED, 1.0)
    watchdog.heard(b"", 1.01)
    assert watchdog.gone and watchdog.damping(1.01) and not watchdog.finished(1.01)
    assert watchdog.damping(1.0 + LAST_DAMPING)
    assert watchdog.finished(1.02 + LAST_DAMPING) and not watchdog.damping(1.02 + LAST_DAMPING)


@pytest.mark.parametrize("last", [DISARMED, END, ARMED + END])
def test_death_while_not_armed_and_the_orderly_end_damp_nothing(last):
    watchdog = Heartbeats(TIMEOUT)
    watchdog.heard(last, 1.0)
    watchdog.heard(b"", 1.01)
    assert watchdog.finished(1.01) and not watchdog.damping(1.01) and not watchdog.damping(9.0)


def test_nothing_is_damped_before_the_first_beat():
    watchdog = Heartbeats(TIMEOUT)
    assert not watchdog.damping(1e6) and not watchdog.finished(1e6) and watchdog.wait(1e6) is None


@given(sequences)
def test_it_never_damps_while_beats_come_in_time_nor_while_not_armed(sequence):
    watchdog, now, armed = Heartbeats(TIMEOUT), 1.0, False
    for gap, beat in sequence:
        in_time = gap / 1e3 < TIMEOUT - ROUNDING
        for part in range(11):
            damping = watchdog.damping(now + gap / 1e3 * part / 10)
            assert not damping or (armed and not in_time)
        now += gap / 1e3
        watchdog.heard(beat, now)
        armed = beat == ARMED


@given(sequences, st.booleans())
def test_it_always_damps_within_the_timeout_after_the_last_armed_beat(sequence, dies):
    """As the process does: it wakes when a beat comes, or after ``wait``."""
    watchdog, now = Heartbeats(TIMEOUT), 1.0
    for gap, beat in sequence:
        now += gap / 1e3
        watchdog.heard(beat, now)
    last_beat = now
    watchdog.heard(ARMED, now)
    if dies:
        watchdog.heard(b"", now)
    while not watchdog.damping(now):
        wait = watchdog.wait(now)
        assert wait is not None and (wait > 0.0)
        now += wait + ROUNDING
    assert now - last_beat <= (0.0 if dies else TIMEOUT + 2 * ROUNDING)
    assert watchdog.wait(now) == 0.02


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([ARMED, DISARMED, END, b""])), max_size=40))
def test_it_watches_or_damps_or_has_finished(sequence):
    """Never finished and damping, never waiting without an end while damping is due later."""
    watchdog, now, gone = Heartbeats(TIMEOUT), 1.0, False
    for gap, data in sequence:
        now += gap / 1e3
        if not gone:
            watchdog.heard(data, now)
        gone = watchdog.gone
        later = now + 10 * LAST_DAMPING
        assert not (watchdog.finished(now) and watchdog.damping(now))
        if watchdog.wait(now) is None:
            assert not watchdog.damping(later) or gone
        if gone:
            assert watchdog.finished(later)
