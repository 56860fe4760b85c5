"""A controller in closed loop with the batch simulator, and the scores of the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.planners.diffusion_mpc import DiffusionMpcPlanner
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer
from diffusion_mpc_ros.realtime.measurement import TRACKING_WIDTH
from diffusion_mpc_ros.realtime.replan import ReplanSchedule
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState

# Ticks that the robots have to get up to speed before errors count.
SETTLING_TICKS = 100


class BatchController(Protocol):
    """Joint targets for B robots, tick by tick."""

    def joint_targets(self, tick: int, observation: np.ndarray) -> np.ndarray:
        """``observation (B, 45)`` of ``tick`` -> joint targets ``(B, 12)`` [rad] for that tick."""


class AsynchronousController:
    """The planner behind the action buffer of the real nodes, with the same delays.

    A plan starts from the observation of tick ``t`` and its first executed row is row D at tick ``t + D``, however
    fast this machine computes it.
    """

    def __init__(self, planner: DiffusionMpcPlanner, settings: Callable[[int], RewardSettings] | None = None) -> None:
        self._planner, self._settings = planner, settings or (lambda tick: RewardSettings())
        self._buffer = ActionBuffer(planner.timing)
        self._schedule = ReplanSchedule(planner.timing)

    def joint_targets(self, tick: int, observation: np.ndarray) -> np.ndarray:
        """See :class:`BatchController`; the default pose until the first plan's row D."""
        if self._schedule.due(tick):
            self._schedule.start(tick)
            committed = self._buffer.committed(tick)
            self._buffer.add(self._planner.plan_batch(tick, observation, committed, self._settings(tick)))
        row = self._buffer.row(tick)
        return np.tile(go2.DEFAULT_JOINT_POS, (len(observation), 1)) if row is None else row.joint_targets


@dataclass
class WalkScores:
    """Per-tick records of one run, ``(ticks, B)`` each; NaN after a fall."""

    command: np.ndarray  # (B, 3)
    planar_error: np.ndarray  # [m/s], norm of (vx, vy) - command
    yaw_rate_error: np.ndarray  # [rad/s], absolute
    base_height: np.ndarray  # [m]
    torque: np.ndarray  # [N m], root mean square over the joints
    power: np.ndarray  # [W], mechanical
    joint_vel_squared: np.ndarray  # [rad^2/s^2], mean over the joints

    def survived(self) -> np.ndarray:
        """Robots that never fell, ``(B,)`` bool."""
        return np.isfinite(self.planar_error[-1])

    def summary(self, robots: np.ndarray) -> dict[str, float]:
        """Scores over the robots of the mask ``robots (B,)``, after the settling time.

        Errors are those of every tick: the sway of the trot counts.
        """
        settled = slice(min(SETTLING_TICKS, len(self.planar_error) - 1), None)
        mean = lambda values: _nanmean(values[settled][:, robots])  # noqa: E731
        return {
            "robots": int(robots.sum()),
            "survival": float(self.survived()[robots].mean()),
            "velocity_error": mean(self.planar_error),
            "yaw_rate_error": mean(self.yaw_rate_error),
            "tracking_score": mean(np.exp(-(self.planar_error**2) / TRACKING_WIDTH)),
            "base_height": mean(self.base_height),
            "torque_rms": mean(self.torque),
            "power": mean(self.power),
            "joint_vel_squared": mean(self.joint_vel_squared),
        }


def _nanmean(values: np.ndarray) -> float:
    finite = np.isfinite(values)
    return float(values[finite].mean()) if finite.any() else float("nan")


def run_closed_loop(
    controller: BatchController, simulation: BatchSimulation, commands: np.ndarray, ticks: int, label: str = "walk"
) -> WalkScores:
    """Walk ``simulation`` under ``controller`` for ``ticks`` with constant commands ``(B, 3)``."""
    robots = simulation.robots
    previous = np.tile(go2.DEFAULT_JOINT_POS, (robots, 1))
    alive = np.ones(robots, dtype=bool)
    record: dict[str, list[np.ndarray]] = {}
    for tick in tqdm(range(ticks), desc=label, unit="tick", leave=False):
        observation = simulation.state.observation(commands, previous)
        targets = go2.clip_joint_targets(controller.joint_targets(tick, observation))
        state = simulation.step(targets)
        previous = targets
        alive &= ~state.fallen()
        for name, value in _measure(state, commands).items():
            record.setdefault(name, []).append(np.where(alive, value, np.nan))
    return WalkScores(command=commands, **{name: np.stack(values) for name, values in record.items()})


def _measure(state: BatchState, commands: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "planar_error": np.linalg.norm(state.base_lin_vel_b[:, :2] - commands[:, :2], axis=1),
        "yaw_rate_error": np.abs(state.base_ang_vel_b[:, 2] - commands[:, 2]),
        "base_height": state.base_pos[:, 2],
        "torque": np.sqrt(np.mean(state.joint_torque**2, axis=1)),
        "power": state.mechanical_power,
        "joint_vel_squared": np.mean(state.joint_vel**2, axis=1),
    }

