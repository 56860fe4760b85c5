"""What a walk costs and how well it tracks, robot by robot: means over its ticks after settling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, BatchController, WalkScores, run_closed_loop
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.objectives import TickPenalty
from diffusion_mpc_ros.realtime.measurement import TRACKING_WIDTH
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState


class Meter(Protocol):
    """Measures one run."""

    def add(self, now: BatchState) -> None:
        """Count the tick that led to the state ``now``."""

    def means(self) -> dict[str, np.ndarray]:
        """Each robot's means by name, ``(B,)``."""


# (initial state, first tick that counts) -> what measures the run.
MakeMeter = Callable[[BatchState, int], Meter]


class PenaltyMeter:
    """Each robot's mean penalties from control tick ``first`` on."""

    def __init__(self, penalties: Mapping[str, TickPenalty], initial: BatchState, first: int) -> None:
        self._penalties, self._before, self._first, self._ticks = penalties, initial, first, 0
        self._sums = {name: np.zeros(len(initial.joint_pos)) for name in penalties}

    def add(self, now: BatchState) -> None:
        """Count the tick that led to the state ``now``."""
        if self._ticks >= self._first:
            for name, penalty in self._penalties.items():
                self._sums[name] += penalty(self._before, now)
        self._before, self._ticks = now, self._ticks + 1

    def means(self) -> dict[str, np.ndarray]:
        """By objective, ``(B,)``."""
        return {name: total / (self._ticks - self._first) for name, total in self._sums.items()}


def score_walk(
    controller: BatchController,
    simulation: BatchSimulation,
    commands: np.ndarray,
    ticks: int,
    make_meter: MakeMeter,
    label: str,
) -> RobotScores:
    """Walk ``simulation`` under ``controller`` with commands ``(B, 3)``; means over the ticks after settling."""
    first = min(SETTLING_TICKS, ticks - 1)
    meter = make_meter(simulation.state, first)
    walked = run_closed_loop(controller, simulation, commands, ticks, label, watch=meter.add)
    return RobotScores(walked.survived(), tracking_scores(walked, first), meter.means())


def tracking_scores(walked: WalkScores, first: int) -> dict[str, np.ndarray]:
    """``linear``, ``angular``: mean of ``exp(-e^2 / width)`` from tick ``first`` on, ``(B,)``; NaN after a fall."""
    errors = {"linear": walked.planar_error, "angular": walked.yaw_rate_error}
    return {name: np.exp(-(error[first:] ** 2) / TRACKING_WIDTH).mean(axis=0) for name, error in errors.items()}
