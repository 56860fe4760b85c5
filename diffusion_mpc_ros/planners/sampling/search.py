"""Search for control sequences by sampling: Algorithm 1, lines 3 to 9, whatever the method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.updates import Update

# Scores ``(B, N)`` of control rows ``(B, N, H, A)`` within [-1, 1]; the larger, the better.
Evaluate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Search:
    """``samples`` control sequences round the mean, and the mean itself, at every iteration of ``annealing``.

    Controls are normalised to [-1, 1]; what leaves that is clipped. ``held``: knots at the beginning that are not
    searched over; the authors hold the first one, which is executed next.
    """

    knots: Knots
    annealing: Annealing
    update: Update
    samples: int
    held: int = 1

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigurationError(f"{self.samples} samples; at least 1 is needed")
        if not 0 <= self.held < self.knots.count:
            raise ConfigurationError(f"{self.held} of {self.knots.count} knots held: nothing would be searched over")

    def run(
        self, mean: np.ndarray, evaluate: Evaluate, rng: np.random.Generator, annealing: Annealing | None = None
    ) -> np.ndarray:
        """Return the knots ``(B, K, A)`` that the search ends at, begun from ``mean (B, K, A)``.

        ``annealing``: another one than usual; a first plan, which starts from nothing, takes more iterations.
        """
        for sigma in (annealing or self.annealing).sigmas(self.knots.count):
            samples = self._draw(mean, sigma, rng)
            mean = self.update(samples, evaluate(np.clip(self.knots.rows(samples), -1.0, 1.0)), mean)
        return mean

    def _draw(self, mean: np.ndarray, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return samples ``(B, N + 1, K, A)`` with deviations ``sigma (K,)``; the last one is the mean."""
        robots, count, controls = mean.shape
        noise = rng.standard_normal((robots, self.samples, count, controls)) * sigma[:, None]
        noise[:, :, : self.held] = 0.0
        samples = np.clip(mean[:, None] + noise, -1.0, 1.0)
        return np.concatenate([samples, mean[:, None]], axis=1)
