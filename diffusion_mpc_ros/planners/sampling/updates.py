"""How scored samples become the next mean: one rule for each method, equal in everything else.

Samples ``(B, N, K, A)`` of B robots, scores ``(B, N)``: the larger, the better; a cost J is -score. A score that is
not finite belongs to a rollout that blew up: it has no say. Where no score is finite the mean stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError

# Below this a spread of scores is none: all samples are equally good.
NO_SPREAD = 1e-9


class Update(Protocol):
    """The rule of one method."""

    def __call__(self, samples: np.ndarray, scores: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the next mean ``(B, K, A)`` after samples drawn round ``mean (B, K, A)``."""
        ...


def _deviation(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the deviation of the known scores, ``(B, 1)``: the authors' unit. It is blind to what a reward weighs."""
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    mean = scores.sum(axis=-1, keepdims=True) / count
    return np.sqrt((known * (scores - mean) ** 2).sum(axis=-1, keepdims=True) / count)


def _range(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance from the worst to the best known score, ``(B, 1)``."""
    best = np.where(known, scores, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
    worst = np.where(known, scores, np.inf).min(axis=-1, keepdims=True, initial=np.inf)
    return np.where(known.any(axis=-1, keepdims=True), best - worst, 0.0)


def _one(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Scores as they are: equation 1 to the letter."""
    return np.ones((*scores.shape[:-1], 1))


# In which unit the temperature counts.
SCALINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "deviation": _deviation,
    "range": _range,
    "none": _one,
}


def softmax_weights(scores: np.ndarray, temperature: float, scaling: str = "deviation") -> np.ndarray:
    """Weights ``(B, N)`` of equation 1, proportional to ``exp(score / (unit * temperature))``, with the sum 1.

    A score that is not finite weighs 0; where none is finite all weigh 0. ``scaling``: one of :data:`SCALINGS`.
    """
    known = np.isfinite(scores)
    finite = np.where(known, scores, 0.0)
    unit = np.maximum(SCALINGS[scaling](finite, known), NO_SPREAD)
    best = np.where(known, scores, -np.inf).max(axis=-1, keepdims=True)
    below = np.where(known, finite - np.where(np.isfinite(best), best, 0.0), 0.0)
    weights = np.where(known, np.exp(below / (unit * temperature)), 0.0)
    return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1.0)


@dataclass(frozen=True)
class ScoreAscent:
    """One step along the score of the smoothed target distribution (equations 2 and 3f): MPPI and DIAL-MPC alike.

    With samples as they are, and not their noise, it is the weighted mean of the samples.
    """

    temperature: float = 0.05
    scaling: str = "deviation"

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise ConfigurationError(f"unknown scaling {self.scaling!r}; there is {', '.join(SCALINGS)}")
        if not self.temperature > 0.0:
            raise ConfigurationError(f"temperature = {self.temperature} is not positive")

    def __call__(self, samples: np.ndarray, scores: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the next mean ``(B, K, A)``."""
        weights = softmax_weights(scores, self.temperature, self.scaling)
        return _where_known(scores, np.einsum("bn,bnka->bka", weights, samples), mean)


@dataclass(frozen=True)
class Elites:
    """The mean of the ``count`` best samples: the cross-entropy method; with 1, predictive sampling."""

    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError(f"{self.count} elites; at least 1 is needed")

    def __call__(self, samples: np.ndarray, scores: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the next mean ``(B, K, A)``; of fewer samples where fewer than ``count`` have a finite score."""
        order = np.argsort(np.where(np.isfinite(scores), -scores, np.inf), axis=-1, kind="stable")[:, : self.count]
        chosen = np.take_along_axis(samples, order[:, :, None, None], axis=1)
        known = np.isfinite(np.take_along_axis(scores, order, axis=1)).astype(float)
        total = np.maximum(known.sum(axis=-1), 1.0)[:, None, None]
        return _where_known(scores, np.einsum("bn,bnka->bka", known, chosen) / total, mean)


def _where_known(scores: np.ndarray, updated: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(scores).any(axis=-1)[:, None, None], updated, mean)
