"""Weights and means worked out by hand, and what holds for any scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.updates import (
    SCALINGS,
    Elites,
    ScoreAscent,
    softmax_weights,
)

SCORES = hnp.arrays(
    float, st.tuples(st.integers(1, 3), st.integers(1, 8)), elements=st.floats(-1e6, 1e6) | st.just(math.nan)
)


def test_weights_by_hand() -> None:
    # exp(0 / 0.5), exp(-0.5 / 0.5), exp(-1 / 0.5) over their sum.
    raw = np.exp([0.0, -1.0, -2.0])
    np.testing.assert_allclose(softmax_weights(np.array([[1.0, 0.5, 0.0]]), 0.5, "none"), [raw / raw.sum()])


def test_deviation_is_that_of_the_scores() -> None:
    # Scores 0 and 2 have the deviation 1, so that the worse one is 2 units below: exp(-2 / 1).
    weights = softmax_weights(np.array([[0.0, 2.0]]), 1.0, "deviation")[0]
    assert weights[0] / weights[1] == pytest.approx(math.exp(-2.0))


def test_range_is_from_the_worst_to_the_best() -> None:
    weights = softmax_weights(np.array([[0.0, 5.0, 10.0]]), 1.0, "range")[0]
    assert weights[0] / weights[2] == pytest.approx(math.exp(-1.0))
    assert weights[1] / weights[2] == pytest.approx(math.exp(-0.5))


@given(scores=SCORES, scaling=st.sampled_from(sorted(SCALINGS)), temperature=st.floats(0.01, 10.0))
def test_weights_are_a_distribution_over_the_finite_scores(
    scores: np.ndarray, scaling: str, temperature: float
) -> None:
    weights = softmax_weights(scores, temperature, scaling)
    assert (weights >= 0.0).all() and np.isfinite(weights).all()
    assert (weights[~np.isfinite(scores)] == 0.0).all()
    known = np.isfinite(scores).any(axis=-1)
    np.testing.assert_allclose(weights.sum(axis=-1), known.astype(float), atol=1e-12)
    # Worth one sample at least.
    squares = (weights**2).sum(axis=-1)
    assert (squares[known] <= 1.0 + 1e-9).all() and (squares[~known] == 0.0).all()


@given(shift=st.floats(-100.0, 100.0), scaling=st.sampled_from(sorted(SCALINGS)))
def test_a_constant_in_all_scores_changes_nothing(shift: float, scaling: str) -> None:
    scores = np.array([[0.0, 1.5, -2.0, 0.25]])
    np.testing.assert_allclose(
        softmax_weights(scores, 0.5, scaling), softmax_weights(scores + shift, 0.5, scaling), atol=1e-9
    )


def test_equal_scores_weigh_the_same() -> None:
    for scaling in SCALINGS:
        np.testing.assert_allclose(softmax_weights(np.full((1, 4), -7.0), 0.01, scaling), np.full((1, 4), 0.25))


def test_score_ascent_is_the_weighted_mean_of_the_samples() -> None:
    samples = np.array([[[[0.0]], [[1.0]]]])
    # Weights 1 / (1 + e^-1) and e^-1 / (1 + e^-1).
    share = math.exp(-1.0) / (1.0 + math.exp(-1.0))
    mean = ScoreAscent(1.0, "none")(samples, np.array([[1.0, 0.0]]), np.zeros((1, 1, 1)))
    assert mean[0, 0, 0] == pytest.approx(share)


def test_elites_take_the_best_and_leave_out_what_blew_up() -> None:
    samples = np.arange(4.0).reshape(1, 4, 1, 1)
    scores = np.array([[1.0, math.nan, 3.0, 2.0]])
    mean = np.full((1, 1, 1), -1.0)
    assert Elites(1)(samples, scores, mean) == 2.0  # predictive sampling: the best one
    assert Elites(2)(samples, scores, mean) == 2.5  # of samples 2 and 3
    assert Elites(4)(samples, scores, mean) == pytest.approx((0.0 + 2.0 + 3.0) / 3)


@pytest.mark.parametrize("update", [ScoreAscent(), Elites(2)])
def test_without_a_finite_score_the_mean_stays(update) -> None:
    mean = np.full((2, 1, 1), 0.25)
    scores = np.array([[math.nan, -math.inf], [0.0, -1.0]])
    updated = update(np.ones((2, 2, 1, 1)), scores, mean)
    assert updated[0] == 0.25 and updated[1] == pytest.approx(1.0)


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match="unknown scaling 'std'; there is deviation, range, none"):
        ScoreAscent(scaling="std")
    with pytest.raises(ConfigurationError, match="temperature = 0.0 is not positive"):
        ScoreAscent(temperature=0.0)
    with pytest.raises(ConfigurationError, match="0 elites"):
        Elites(0)
