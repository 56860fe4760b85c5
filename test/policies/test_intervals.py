"""Intervals of medians and shares, by hand and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.policies.intervals import median_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # z^2 = 3.8416. 10 of 10: low 10 / 13.8416. 5 of 10: (0.5 + 0.19208 -+ 1.96 sqrt(0.025 + 0.009604)) / 1.38416, from
    # the share, z^2 / 20, 0.25 / 10 and z^2 / 400.
    [(10, 10, 0.72246, 1.0), (0, 10, 0.0, 0.27754), (5, 10, 0.23659, 0.76341)],
)
def test_wilson_by_hand(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx([low, high], abs=1e-4)
    assert all(0.0 <= bound <= 1.0 for bound in wilson_interval(successes, trials))


@given(st.integers(1, 300).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_holds_the_share_and_mirrors(case):
    successes, trials = case
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12 and successes / trials - 1e-12 <= high <= 1.0
    assert wilson_interval(trials - successes, trials) == pytest.approx([1.0 - high, 1.0 - low])
    more = wilson_interval(10 * successes, 10 * trials)
    assert more[1] - more[0] < high - low


def test_without_a_trial_there_is_no_interval():
    assert wilson_interval(0, 0) is None
    assert median_interval(np.array([])) == (None, None)


def test_a_median_of_equal_values_is_certain():
    assert median_interval(np.full(7, 0.5)) == (0.5, [0.5, 0.5])


def test_never_is_a_value_above_all_others():
    assert median_interval(np.array([0.3, 0.5, np.inf]))[0] == 0.5
    # Half of them never: the larger of the middle two.
    assert median_interval(np.array([0.3, 0.5, np.inf, np.inf]))[0] is None
    median, (low, high) = median_interval(np.array([0.4] * 11 + [np.inf] * 9))
    assert (median, low, high) == (0.4, 0.4, None)


def test_the_interval_narrows_with_more_robots():
    values = np.random.default_rng(0).normal(size=900)
    widths = []
    for count in (30, 900):
        median, (low, high) = median_interval(values[:count], seed=1)
        assert low <= median <= high
        widths.append(high - low)
    # 1 / sqrt(30): 5.5 times narrower, within the noise of the draws.
    assert 3.0 < widths[0] / widths[1] < 10.0
    assert median_interval(values, seed=1) == median_interval(values, seed=1)
