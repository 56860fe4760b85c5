"""Paired comparison with the unplanned run: bootstrap, survivors, void rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.policies.comparison import RobotScores, compare, relative_change


def scores(survived, linear, angular, energy):
    tracking = {"linear": np.array(linear, float), "angular": np.array(angular, float)}
    return RobotScores(np.array(survived), tracking, {"energy": np.array(energy, float)})


UNPLANNED = scores([True, True, True], [0.9, 0.9, 0.9], [0.8, 0.8, 0.8], [100.0, 200.0, 300.0])


def test_a_common_factor_has_an_interval_of_no_width():
    reference = np.array([1.0, 5.0, 2.0, 8.0])
    measured = relative_change(0.7 * reference, reference)
    # Paired: whichever robots are drawn, the ratio of the means is 0.7.
    assert measured["change"] == pytest.approx(-0.3)
    assert measured["interval"] == pytest.approx([-0.3, -0.3])
    assert measured["penalty"] == pytest.approx(2.8) and measured["unplanned"] == pytest.approx(4.0)


def test_the_interval_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    robots = 400
    values = rng.normal(0.8, 0.2, size=robots)
    low, high = relative_change(values, np.ones(robots))["interval"]
    # Against a constant reference the change is a mean: mean +- 1.96 std / sqrt(n).
    half = 1.96 * values.std() / np.sqrt(robots)
    assert low == pytest.approx(values.mean() - 1.0 - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() - 1.0 + half, abs=0.1 * half)


@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 10.0)), min_size=1, max_size=20))
def test_the_interval_lies_within_the_robots_ratios(pairs):
    values, reference = np.array(pairs).T
    measured = relative_change(values, reference)
    ratios = values / reference - 1.0
    assert ratios.min() - 1e-9 <= measured["interval"][0] <= measured["interval"][1] <= ratios.max() + 1e-9


def test_only_robots_that_survived_both_count():
    result = compare(scores([True, False, True], [0.9] * 3, [0.8] * 3, [50.0, np.nan, 150.0]), UNPLANNED, ["energy"])
    assert result["survival"] == pytest.approx(2.0 / 3.0) and result["robots"] == 2
    # (50 + 150) / (100 + 300) - 1
    assert result["penalties"]["energy"]["change"] == pytest.approx(-0.5)
    assert result["void"] is False


@pytest.mark.parametrize(
    ("linear", "angular", "void"),
    # 97 % of 0.9 is 0.873, of 0.8 is 0.776.
    [(0.874, 0.777, False), (0.872, 0.777, True), (0.874, 0.775, True), (0.95, 0.777, False)],
)
def test_a_row_is_void_when_either_tracking_is_not_kept(linear, angular, void):
    result = compare(scores([True] * 3, [linear] * 3, [angular] * 3, [1.0] * 3), UNPLANNED, ["energy"])
    assert result["void"] is void
    assert result["tracking_ratio"] == pytest.approx(min(linear / 0.9, angular / 0.8))
    assert result["linear_tracking"] == pytest.approx(linear / 0.9)


def test_without_a_survivor_nothing_is_known_and_the_row_is_void():
    fallen = scores([False] * 3, [np.nan] * 3, [np.nan] * 3, [np.nan] * 3)
    result = compare(fallen, UNPLANNED, ["energy"])
    assert result["void"] is True and result["survival"] == 0.0 and result["robots"] == 0
    assert result["tracking_ratio"] is None and result["penalties"]["energy"]["change"] is None


def test_groups_are_put_together_in_order():
    whole = RobotScores.concatenate([UNPLANNED, scores([False], [0.1], [0.2], [7.0])])
    np.testing.assert_array_equal(whole.survived, [True, True, True, False])
    np.testing.assert_array_equal(whole.penalties["energy"], [100.0, 200.0, 300.0, 7.0])
    np.testing.assert_array_equal(whole.tracking["angular"], [0.8, 0.8, 0.8, 0.2])


def test_nothing_cannot_change_relatively():
    measured = relative_change(np.array([0.0, 0.2]), np.zeros(2))
    assert measured == {"penalty": 0.1, "unplanned": 0.0, "change": None, "interval": None}


def test_a_change_of_what_hardly_any_robot_had_is_without_an_interval():
    measured = relative_change(np.array([0.0, 0.0, 0.1, 0.0]), np.array([0.0, 0.0, 0.4, 0.0]))
    # Of four robots drawn with replacement none is the third with probability (3/4)^4 = 0.32.
    assert measured["change"] == pytest.approx(-0.75) and measured["interval"] is None
