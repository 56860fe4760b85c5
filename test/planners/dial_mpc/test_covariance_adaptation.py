"""CMA-ES behind the same loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.dial_mpc import covariance_adaptation
from diffusion_mpc_ros.planners.dial_mpc.covariance_adaptation import CovarianceAdaptation
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.updates import ScoreAscent

pytest.importorskip("cma")
KNOTS = Knots(horizon=11, count=4)
SEARCH = CovarianceAdaptation(KNOTS, Annealing(20, 1.0, 1.0, scale=0.3), ScoreAscent(), samples=16)
TARGETS = np.array([0.4, -0.4])


def score(rows: np.ndarray) -> np.ndarray:
    return -((rows - TARGETS[:, None, None, None]) ** 2).mean(axis=(-1, -2))


def test_it_finds_the_optimum_of_each_robots_bowl_and_holds_the_first_knot() -> None:
    mean = np.zeros((2, 4, 2))
    found = SEARCH.run(mean, score, np.random.default_rng(0))
    assert not found[:, 0].any()
    np.testing.assert_allclose(found[:, 1:].mean(axis=(1, 2)), TARGETS, atol=0.12)


def test_same_seed_same_plan_and_the_global_generator_is_left_alone() -> None:
    np.random.seed(3)  # noqa: NPY002 (what must not change is the legacy generator)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    plans = [SEARCH.run(np.zeros((2, 4, 2)), score, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*plans)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_scores_that_are_not_finite_have_no_say() -> None:
    mean = np.full((2, 4, 2), 0.2)
    np.testing.assert_allclose(SEARCH.run(mean, lambda rows: score(rows) * np.nan, np.random.default_rng(0)), mean)

    def half(rows: np.ndarray) -> np.ndarray:
        values = score(rows)
        values[:, ::2] = np.inf
        return values

    assert np.isfinite(SEARCH.run(mean, half, np.random.default_rng(0))).all()


def test_what_it_lacks_is_said(monkeypatch) -> None:
    with pytest.raises(ConfigurationError, match="at least 4 samples, got 2"):
        replace(SEARCH, samples=2)
    monkeypatch.setattr(covariance_adaptation.importlib, "import_module", _missing)
    with pytest.raises(ConfigurationError, match="`make setup-cma` installs"):
        replace(SEARCH)


def _missing(name: str) -> None:
    raise ImportError(name)
