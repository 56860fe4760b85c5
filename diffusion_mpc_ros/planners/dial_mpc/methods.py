"""DIAL-MPC and what it is compared with, at equal budget: samples times iterations in each plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.dial_mpc.covariance_adaptation import CovarianceAdaptation
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.planners.sampling.updates import Elites, ScoreAscent

# Share of the samples that the cross-entropy method takes the mean of.
ELITE_SHARE = 0.1


@dataclass(frozen=True)
class Budget:
    """What a plan may cost, and how the kernel is annealed: see :class:`annealing.Annealing`.

    ``sigma``: the widest deviation, None for that of the method.
    """

    samples: int
    iterations: int
    sigma: float | None = None
    trajectory_factor: float = 0.5
    horizon_factor: float = 0.9
    temperature: float = 0.05
    scaling: str = "deviation"

    @property
    def ascent(self) -> ScoreAscent:
        """The update of equation 2."""
        return ScoreAscent(self.temperature, self.scaling)

    def fixed(self, sigma: float, iterations: int = 1) -> Annealing:
        """Return a kernel that is not annealed."""
        return Annealing(iterations, 1.0, 1.0, self.sigma or sigma)


def _dial(knots: Knots, budget: Budget) -> Search:
    """Both loops annealed (equation 7). Half of the authors' deviation: with few samples theirs reaches too far."""
    annealing = Annealing(budget.iterations, budget.trajectory_factor, budget.horizon_factor, budget.sigma or 0.5)
    return Search(knots, annealing, budget.ascent, budget.samples)


def _mppi(sigma: float) -> Callable[[Knots, Budget], Search]:
    """One step with one kernel (equation 1), all samples in it."""
    return lambda knots, budget: Search(knots, budget.fixed(sigma), budget.ascent, budget.samples * budget.iterations)


def _cross_entropy(knots: Knots, budget: Budget) -> Search:
    """Return a search for the mean of the best tenth, again and again round the last one, with the same kernel."""
    elites = Elites(max(1, round(ELITE_SHARE * budget.samples)))
    return Search(knots, budget.fixed(0.5, budget.iterations), elites, budget.samples)


def _predictive_sampling(knots: Knots, budget: Budget) -> Search:
    """Return a search for the best one of all samples round the last plan (arXiv 2212.00541)."""
    return Search(knots, budget.fixed(0.2), Elites(1), budget.samples * budget.iterations)


def _covariance_adaptation(knots: Knots, budget: Budget) -> Search:
    """CMA-ES from the last plan: so many generations of so many samples."""
    return CovarianceAdaptation(knots, budget.fixed(0.2, budget.iterations), budget.ascent, budget.samples)


# The two kernels of MPPI are the paper's (IV-A).
METHODS: dict[str, Callable[[Knots, Budget], Search]] = {
    "dial_mpc": _dial,
    "mppi_explore": _mppi(0.2),
    "mppi_exploit": _mppi(0.05),
    "cem": _cross_entropy,
    "predictive_sampling": _predictive_sampling,
    "cma_es": _covariance_adaptation,
}


def make_search(method: str, knots: Knots, budget: Budget) -> Search:
    """Return the search of ``method``; raises :class:`ConfigurationError` with the methods, and what parts raise."""
    if method not in METHODS:
        raise ConfigurationError(f"unknown method {method!r}; there is {', '.join(METHODS)}")
    return METHODS[method](knots, budget)
