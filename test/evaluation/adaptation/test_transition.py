"""Scores of a change of the base height, on records worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.evaluation.adaptation.transition import (
    Request,
    band,
    sliding_mean,
    summary,
    transitions,
)

# Asked at tick 100; one tick's window: the record itself.
AT_ONCE = Request(tick=100, target=0.18, window=1)


def step_record(reached: int, ticks: int = 300, high: float = 0.25, low: float = 0.18) -> np.ndarray:
    """``high`` before the tick ``reached``, ``low`` from then on, for one robot ``(ticks, 1)``."""
    return np.where(np.arange(ticks) < reached, high, low)[:, None]


def test_sliding_mean_looks_back_only():
    mean = sliding_mean(np.array([[3.0], [6.0], [9.0], [0.0]]), 3)
    np.testing.assert_allclose(mean, [[3.0], [4.5], [6.0], [5.0]])


@given(st.integers(1, 30), st.integers(2, 60))
def test_sliding_mean_stays_between_the_extremes_and_keeps_a_constant(window, ticks):
    values = np.random.default_rng(ticks).uniform(0.1, 0.4, size=(ticks, 2))
    mean = sliding_mean(values, window)
    assert (mean >= values.min(axis=0) - 1e-12).all() and (mean <= values.max(axis=0) + 1e-12).all()
    np.testing.assert_allclose(sliding_mean(np.full((ticks, 2), 0.3), window), 0.3)


def test_settling_is_counted_from_the_state_of_the_request():
    # Record row 99 is the state in which the request is made; row 124 is 25 ticks later: 0.5 s.
    scores = transitions(step_record(124), AT_ONCE)
    np.testing.assert_allclose(scores.settling_time, [0.5])
    np.testing.assert_allclose(scores.before, [0.25])
    np.testing.assert_allclose(scores.error, [0.0], atol=1e-12)


def test_a_window_sees_a_step_late_and_never_early():
    # 7 cm of which at most 1.5 may be left: at least 5.5 / 7 of the window, 16 of 20 ticks, must be low. The 16th is
    # row 139, 40 ticks after the state of the request.
    scores = transitions(step_record(124), Request(tick=100, target=0.18, window=20))
    np.testing.assert_allclose(scores.settling_time, [0.8])


def test_settled_means_to_stay():
    height = step_record(120)
    height[200:210] = 0.21
    # Within 1.5 cm for good from row 210 on: 111 ticks after row 99.
    np.testing.assert_allclose(transitions(height, AT_ONCE).settling_time, [2.22])
    height[-1] = 0.21
    assert np.isinf(transitions(height, AT_ONCE).settling_time).all()


@pytest.mark.parametrize(("offset", "time"), [(0.0149, 0.5), (-0.0149, 0.5), (0.0151, np.inf), (-0.0151, np.inf)])
def test_the_tolerance_holds_above_and_below(offset, time):
    scores = transitions(step_record(124, low=0.18 + offset), AT_ONCE)
    np.testing.assert_allclose(scores.settling_time, [time])
    np.testing.assert_allclose(scores.error, [abs(offset)])


def test_a_robot_that_was_there_already_settles_at_once():
    np.testing.assert_array_equal(transitions(step_record(0), AT_ONCE).settling_time, [0.0])


def test_a_fallen_robot_never_settles_and_has_no_error():
    height = np.concatenate([step_record(124), step_record(124)], axis=1)
    height[200:, 1] = np.nan
    scores = transitions(height, Request(100, 0.18, 20))
    np.testing.assert_allclose(scores.settling_time, [0.8, np.inf])
    assert np.isnan(scores.error[1]) and scores.before[1] == pytest.approx(0.25)


def test_the_summary_counts_the_fallen_among_all_and_not_in_the_error():
    # Settled after 0.5, 0.5 and 1.5 s; the fourth falls, the fifth stays 3 cm above.
    reached = (124, 0.18), (124, 0.19), (174, 0.18), (124, 0.18), (99, 0.21)
    records = [step_record(tick, low=low) for tick, low in reached]
    height = np.concatenate(records, axis=1)
    height[150:, 3] = np.nan
    result = summary(transitions(height, AT_ONCE), within=1.0)
    assert result["settled"] == 0.6 and result["settled_in_time"] == 0.4
    # 0.5, 0.5, 1.5, never, never
    assert result["settling_time"] == pytest.approx(1.5)
    # 0, 1, 0 and 3 cm: the larger of the middle two.
    assert result["error"] == pytest.approx(0.01)
    assert result["before"] == pytest.approx(0.25)
    assert result["settling_time_interval"][1] is None
    assert result["error_interval"] == pytest.approx([0.0, 0.03])


def test_without_a_survivor_there_is_nothing_to_say():
    height = step_record(124)
    height[150:] = np.nan
    result = summary(transitions(height, AT_ONCE), within=1.0)
    assert result["settling_time"] is None and result["error"] is None and result["settled"] == 0.0


def test_the_band_is_of_those_that_stand_and_from_the_request_on():
    height = np.tile([[0.2, 0.3, 0.4]], (300, 1))
    height[150:, 2] = np.nan
    height[290:] = np.nan
    result = band(height, AT_ONCE)
    # Rows 0, 5, ... 285; row 0 is 99 ticks before the state of the request.
    assert len(result["time"]) == 58 and result["time"][0] == pytest.approx(-1.98)
    assert result["median"][0] == 0.3 and result["median"][-1] == 0.25
    # 5 % of the way through three values, and through two.
    assert (result["low"][0], result["high"][0]) == (0.21, 0.39)
    assert (result["low"][-1], result["high"][-1]) == (0.205, 0.295)
