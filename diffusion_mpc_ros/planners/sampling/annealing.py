"""The sampling kernels of DIAL-MPC: how far is searched, at which iteration and how far ahead (equation 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError


@dataclass(frozen=True)
class Annealing:
    """Standard deviations of the samples' noise, as shares of ``scale``.

    ``trajectory_factor``: from one iteration to the next (outer loop, equation 5); ``horizon_factor``: from one knot to
    the one before it, which has been updated more often (inner loop, equation 6). A factor of 1 anneals nothing: MPPI
    is that with one iteration. Equation 7 has temperatures of variances: with N iterations and K knots the factors are
    ``exp(-1 / (2 beta_1 N))`` and ``exp(-1 / (2 beta_2 (K - 1)))``.
    """

    iterations: int = 2
    trajectory_factor: float = 0.5
    horizon_factor: float = 0.9
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigurationError(f"{self.iterations} iterations; at least 1 is needed")
        for name in ("trajectory_factor", "horizon_factor"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigurationError(f"{name} = {getattr(self, name)} is not within (0, 1]")
        if not (self.scale > 0.0 and math.isfinite(self.scale)):
            raise ConfigurationError(f"scale = {self.scale} is not a positive number")

    def sigmas(self, knots: int) -> np.ndarray:
        """Return standard deviations ``(I, K)``: a row for each iteration as they run, the widest first."""
        trajectory = self.trajectory_factor ** np.arange(self.iterations)
        horizon = self.horizon_factor ** np.arange(knots)[::-1]
        return self.scale * trajectory[:, None] * horizon
