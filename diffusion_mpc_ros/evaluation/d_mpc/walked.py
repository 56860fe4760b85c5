"""What is told of a walk in `evaluate d-mpc`."""

from __future__ import annotations

import time

import numpy as np

from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.evaluation.d_mpc.tables import SCORES
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, BatchController, WalkScores
from diffusion_mpc_ros.policies.intervals import finite, interval


def action_time(controller: BatchController, ticks: int = 100) -> float:
    """Median time of an action of one robot that stands and is told to walk [ms]."""
    times, command = [], np.array([[0.5, 0.0, 0.0]])
    for tick in range(ticks):
        start = time.perf_counter()
        controller.joint_targets(RobotState.standing(tick), command)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def of_all(scores: WalkScores, seed: int) -> Row:
    """Return the scores of a walk over all its robots, and the interval of the velocity error of those that stood."""
    survived = scores.survived()
    row = finite_scores(scores.summary(np.ones(len(survived), dtype=bool)))
    settled = scores.planar_error[min(SETTLING_TICKS, len(scores.planar_error) - 1) :]
    errors = settled[:, survived].mean(axis=0)
    return {**row, "interval": interval(np.mean, errors, seed=seed) if len(errors) else None}


def finite_scores(summary: Row) -> Row:
    """Return the :data:`tables.SCORES` of a summary; None for what nobody lived to show."""
    return {score: finite(summary[score]) for score in SCORES}
