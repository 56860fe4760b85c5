"""One run of the robots against the unplanned run of the same robots: penalties, tracking, survival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.policies.intervals import interval

# Tracking below this share of the unplanned walk's makes a row void (arXiv 2510.04234, VI-A.1).
TRACKING_KEPT = 0.97
# Survival asked for with every target.
TARGET_SURVIVAL = 0.99


@dataclass(frozen=True)
class RobotScores:
    """Means over the ticks of one run after settling, for B robots; meaningless where ``survived`` is not set."""

    survived: np.ndarray  # (B,) bool
    tracking: dict[str, np.ndarray]  # linear, angular: (B,), exp(-e^2 / width), 1 is best
    penalties: dict[str, np.ndarray]  # by objective, (B,)

    @classmethod
    def concatenate(cls, parts: Sequence[RobotScores]) -> RobotScores:
        """Return the robots of all ``parts``, in their order."""

        def joined(scores: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.concatenate([score[name] for score in scores]) for name in scores[0]}

        return cls(
            np.concatenate([part.survived for part in parts]),
            joined([part.tracking for part in parts]),
            joined([part.penalties for part in parts]),
        )


def compare(scores: RobotScores, unplanned: RobotScores, objectives: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """``scores`` against ``unplanned``, as JSON.

    ``survival``: share of all robots. Everything else is over the ``robots`` that survived both runs, None without
    one: ``linear_tracking`` and ``angular_tracking``, the ratios of the mean tracking scores; ``tracking_ratio``, the
    smaller one; ``penalties`` by objective, see :func:`relative_change`. ``void``: tracking is not kept, or unknown.
    """
    both = scores.survived & unplanned.survived
    ratios = {
        name: float(values[both].mean() / unplanned.tracking[name][both].mean()) if both.any() else None
        for name, values in scores.tracking.items()
    }
    ratio = min(ratios.values()) if both.any() else None
    return {
        "survival": float(scores.survived.mean()),
        "robots": int(both.sum()),
        "tracking_ratio": ratio,
        **{f"{name}_tracking": value for name, value in ratios.items()},
        "void": ratio is None or ratio < TRACKING_KEPT,
        "penalties": {
            name: relative_change(scores.penalties[name][both], unplanned.penalties[name][both], seed)
            for name in objectives
        },
    }


def relative_change(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Means ``penalty`` of ``values (B,)`` and ``unplanned`` of ``reference (B,)``, ``change`` and its ``interval``.

    ``change`` is ``mean(values) / mean(reference) - 1``; the 95 % interval comes from robots drawn with replacement, a
    robot's two values always together. All None without a robot; no change where there was nothing to be changed, no
    interval where so few robots had a reference that a draw may hold none of them.
    """
    if not len(values):
        return dict.fromkeys(("penalty", "unplanned", "change", "interval"))
    if not reference.any():
        return {"penalty": float(values.mean()), "unplanned": 0.0, "change": None, "interval": None}
    penalty, unplanned = float(values.mean()), float(reference.mean())
    return {
        "penalty": penalty,
        "unplanned": unplanned,
        "change": penalty / unplanned - 1.0,
        "interval": interval(ratio_of_means, values, reference, seed=seed),
    }


def ratio_of_means(values: np.ndarray, reference: np.ndarray, axis: int = -1) -> np.ndarray:
    """``mean(values) / mean(reference) - 1`` along ``axis``."""
    return values.mean(axis=axis) / reference.mean(axis=axis) - 1.0
