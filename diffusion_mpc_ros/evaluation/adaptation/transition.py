"""How fast and how closely a walking robot follows a request for another base height, from records of its height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.policies.intervals import median_interval

# The height is followed when its sliding mean stays this close to the target [m].
TOLERANCE = 0.015
# "Before" is the mean over this time before the request, the error one over as long at the end [s].
AVERAGED = 1.0
# Of the band of the picture [%], and every how many ticks a point of it.
BAND, STRIDE = (5.0, 50.0, 95.0), 5


@dataclass(frozen=True)
class Request:
    """Base height ``target`` [m] from control tick ``tick`` on, and the ``window`` [ticks] of the sliding mean."""

    tick: int
    target: float
    window: int


@dataclass(frozen=True)
class Transitions:
    """Of B robots, each ``(B,)``; ``before`` and ``error`` are NaN, ``settling_time`` is infinite after a fall."""

    before: np.ndarray  # [m], mean height over the second before the request
    settling_time: np.ndarray  # [s] from the request on; infinite: never
    error: np.ndarray  # [m], |mean height over the last second - target|


def sliding_mean(height: np.ndarray, window: int) -> np.ndarray:
    """Mean over the last ``window`` ticks of ``height (ticks, B)``; over fewer in the first ones.

    It looks back alone: a height that is reached and kept is seen up to one window late, never early.
    """
    padded = np.concatenate([np.zeros((1, height.shape[1])), np.cumsum(height, axis=0)])
    ends = np.arange(1, len(height) + 1)
    starts = np.maximum(ends - window, 0)
    return (padded[ends] - padded[starts]) / (ends - starts)[:, None]


def transitions(height: np.ndarray, request: Request) -> Transitions:
    """Score ``height (ticks, B)`` [m] after every tick, NaN from a fall on."""
    averaged = round(AVERAGED / CONTROL_DT)
    # Row tick - 1 is the state in which the request is made: time 0.
    smooth = sliding_mean(height, request.window)[request.tick - 1 :]
    away = ~(np.abs(smooth - request.target) <= TOLERANCE)
    last_away = np.where(away.any(axis=0), len(away) - 1 - away[::-1].argmax(axis=0), -1)
    settled = last_away + 1
    return Transitions(
        before=height[max(request.tick - averaged, 0) : request.tick].mean(axis=0),
        settling_time=np.where(settled < len(away), settled * CONTROL_DT, np.inf),
        error=np.abs(height[-averaged:].mean(axis=0) - request.target),
    )


def summary(scores: Transitions, within: float, seed: int = 0) -> dict[str, Any]:
    """Medians and their bootstrap intervals over the robots, as JSON.

    ``before`` [m] and ``error`` [m] are of robots that did not fall, settled or not; ``settling_time`` [s] is of all
    robots, None where more than half of them never settle. ``settled`` and ``settled_in_time``: shares of all robots,
    the latter of those that settled within ``within`` [s].
    """
    walking = np.isfinite(scores.error)
    result: dict[str, Any] = {}
    for name, values in (
        ("before", scores.before[walking]), ("settling_time", scores.settling_time), ("error", scores.error[walking])
    ):  # fmt: skip
        result[name], result[f"{name}_interval"] = median_interval(values, seed)
    return {
        **result,
        "settled": float(np.mean(np.isfinite(scores.settling_time))),
        "settled_in_time": float(np.mean(scores.settling_time <= within)),
    }


def band(height: np.ndarray, request: Request) -> dict[str, list[float]]:
    """``time`` [s] from the request on, ``low``, ``median`` and ``high`` [m] of the robots that have not fallen."""
    ticks = np.arange(0, len(height), STRIDE)
    ticks = ticks[np.isfinite(height[ticks]).any(axis=1)]
    low, median, high = np.nanpercentile(height[ticks], BAND, axis=1)
    time = (ticks + 1 - request.tick) * CONTROL_DT
    parts = {"time": time, "low": low, "median": median, "high": high}
    return {name: np.round(values, 4).tolist() for name, values in parts.items()}
