"""CMA-ES (arXiv 1604.00772) by the package ``cma``: a search that adapts the covariance of its kernel itself."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.search import Evaluate, Search

# A generation of one has no covariance.
FEWEST_SAMPLES = 4


@dataclass(frozen=True)
class CovarianceAdaptation(Search):
    """Of ``annealing`` it takes the number of iterations and the scale, with which every plan begins."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < FEWEST_SAMPLES:
            raise ConfigurationError(f"CMA-ES needs at least {FEWEST_SAMPLES} samples, got {self.samples}")
        _cma()

    def run(
        self, mean: np.ndarray, evaluate: Evaluate, rng: np.random.Generator, annealing: Annealing | None = None
    ) -> np.ndarray:
        """See :meth:`search.Search.run`."""
        robots, count, controls = mean.shape
        options = {
            "popsize": self.samples,
            "verbose": -9,
            "seed": math.nan,  # leaves NumPy's global generator alone
            "randn": lambda *shape: rng.standard_normal(shape),
        }
        strategies = [
            _cma().CMAEvolutionStrategy(each[self.held :].ravel(), self.annealing.scale, options) for each in mean
        ]
        for _ in range((annealing or self.annealing).iterations):
            drawn = [strategy.ask() for strategy in strategies]
            free = np.reshape(drawn, (robots, self.samples, count - self.held, controls))
            held = np.repeat(mean[:, None, : self.held], self.samples, axis=1)
            samples = np.concatenate([held, np.clip(free, -1.0, 1.0)], axis=2)
            scores = evaluate(np.clip(self.knots.rows(samples), -1.0, 1.0))
            for strategy, solutions, costs in zip(strategies, drawn, -scores):
                known = np.isfinite(costs)
                if known.any():
                    strategy.tell(solutions, np.where(known, costs, costs[known].max()).tolist())
        found = np.reshape([strategy.mean for strategy in strategies], (robots, count - self.held, controls))
        return np.concatenate([mean[:, : self.held], np.clip(found, -1.0, 1.0)], axis=1)


def _cma() -> Any:
    """Return the package; it is optional."""
    try:
        return importlib.import_module("cma")
    except ImportError:
        raise ConfigurationError("method = 'cma_es' needs the package cma, which `make setup-cma` installs") from None
