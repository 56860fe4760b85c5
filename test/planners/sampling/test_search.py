"""The annealed search on costs whose optimum is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.planners.sampling.updates import Elites, ScoreAscent

KNOTS = Knots(horizon=11, count=4)
SEARCH = Search(KNOTS, Annealing(iterations=6), ScoreAscent(temperature=0.05), samples=128, held=0)


def _distance(target: float):
    """Score of rows: the nearer to ``target``, the better."""
    return lambda rows: -((rows - target) ** 2).mean(axis=(-1, -2))


@pytest.mark.parametrize("update", [ScoreAscent(0.05), ScoreAscent(0.01, "range"), Elites(8)])
def test_it_finds_the_optimum_of_a_bowl(update) -> None:
    mean = np.zeros((2, 4, 3))
    found = replace(SEARCH, update=update).run(mean, _distance(0.4), np.random.default_rng(0))
    # The search begins at a score of -0.16 in 12 dimensions.
    assert (_distance(0.4)(KNOTS.rows(found)) > -0.02).all()


def test_annealing_leaves_a_local_optimum_that_a_narrow_kernel_stays_in() -> None:
    # Two bowls: one at 0, where the search begins, and a better one at 0.8 behind a ridge.
    def score(rows: np.ndarray) -> np.ndarray:
        x = rows.mean(axis=(-1, -2))
        return np.maximum(-(x**2) * 25.0, 1.0 - (x - 0.8) ** 2 * 25.0)

    knots, mean = Knots(5, 3), np.zeros((1, 3, 1))
    narrow = Search(knots, Annealing(6, 1.0, 1.0, scale=0.05), ScoreAscent(0.05), samples=256, held=0)
    wide = replace(narrow, annealing=Annealing(6, 0.5, 0.9))
    rows = {s: knots.rows(s.run(mean, score, np.random.default_rng(1))).mean() for s in (narrow, wide)}
    assert abs(rows[narrow]) < 0.1
    assert rows[wide] == pytest.approx(0.8, abs=0.1)


def test_held_knots_stay_and_controls_keep_within_their_range() -> None:
    seen = []

    def score(rows: np.ndarray) -> np.ndarray:
        seen.append(np.abs(rows).max())
        return rows.sum(axis=(-1, -2))  # the more, the better: it runs into the bound

    mean = np.full((1, 4, 2), 0.25)
    found = replace(SEARCH, held=2).run(mean, score, np.random.default_rng(2))
    np.testing.assert_allclose(found[:, :2], mean[:, :2])
    assert (found[:, -1] > 0.6).all() and np.abs(found).max() <= 1.0 and max(seen) <= 1.0


def test_the_mean_is_one_of_the_samples_so_that_a_plan_gets_no_worse() -> None:
    found = replace(SEARCH, update=Elites(1)).run(np.full((1, 4, 3), 0.4), _distance(0.4), np.random.default_rng(3))
    np.testing.assert_array_equal(found, 0.4)


def test_robots_are_searched_for_one_by_one() -> None:
    def score(rows: np.ndarray) -> np.ndarray:
        return -((rows - np.array([0.5, -0.5])[:, None, None, None]) ** 2).mean(axis=(-1, -2))

    found = KNOTS.rows(SEARCH.run(np.zeros((2, 4, 1)), score, np.random.default_rng(4)))
    assert found[0].mean() == pytest.approx(0.5, abs=0.1) and found[1].mean() == pytest.approx(-0.5, abs=0.1)


def test_same_seed_same_plan() -> None:
    plans = [SEARCH.run(np.zeros((1, 4, 3)), _distance(0.3), np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*plans)


def test_a_search_over_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="4 of 4 knots held"):
        replace(SEARCH, held=4)
    with pytest.raises(ConfigurationError, match="0 samples"):
        replace(SEARCH, samples=0)
