"""What predicted windows are worth: the task, the value of what comes after, what the operator asks for and forbids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds, penalty
from diffusion_mpc_ros.core.trajectory import fields_of
from diffusion_mpc_ros.core.transition import BASE_ANG_VEL, BASE_HEIGHT, BASE_LIN_VEL
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.planners.d_mpc.description import COST_TO_GO
from diffusion_mpc_ros.rewards.following import reward_of, weighted_terms
from diffusion_mpc_ros.rewards.predictions import COLUMNS, PREDICTIONS, outcomes_of
from diffusion_mpc_ros.rewards.terms import Segment


@dataclass(frozen=True)
class Scoring:
    """Scores of windows: the larger, the better; what each part counts.

    ``tracking``: squared errors of the window's mean planar velocity and yaw rate; ``value``: the mean squared tracking
    error of the second after it; ``reward``: the operator's composed reward; ``constraint``: what leaving a constraint
    counts, for each of its tolerances, joint and row.
    """

    tracking: float = 1.0
    value: float = 1.0
    reward: float = 0.01
    constraint: float = 0.1

    def __call__(
        self,
        tick: int,
        command: np.ndarray,
        states: np.ndarray,
        trajectory: np.ndarray,
        predicted: Mapping[str, np.ndarray],
        rewards: RewardSettings,
    ) -> np.ndarray:
        """Scores ``(n,)``.

        ``command (n, 3)``, ``states (n, F, 34)``, their ``trajectory (n, F + 1, 57)`` from ``tick`` on, and what the
        value model has ``predicted``. Raises :class:`RewardError` for constraints that leave nothing.
        """
        score = -self.tracking * tracking_error(command, states) - self.value * predicted[COST_TO_GO]
        if weighted_terms(rewards):
            score = score + self.reward * reward_of(Segment.of(trajectory, outcomes(states, predicted)), rewards)
        if rewards.constraints:
            score = score - self.constraint * outside(tick, trajectory, rewards)
        return score


def mean_velocity(states: np.ndarray) -> np.ndarray:
    """Mean planar velocity [m/s] and yaw rate [rad/s] of ``states (n, F, 34)``: ``(n, 3)``."""
    mean = states.mean(axis=1)
    return np.concatenate([mean[:, BASE_LIN_VEL][:, :2], mean[:, BASE_ANG_VEL][:, 2:]], axis=1)


def tracking_error(command: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Squared errors of mean planar velocity [m/s] and yaw rate [rad/s] of ``states (n, F, 34)``, summed: ``(n,)``."""
    return ((mean_velocity(states) - command) ** 2).sum(axis=1)


def outcomes(states: np.ndarray, predicted: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outcomes that reward terms read: what states say themselves, for the rest what was predicted."""
    table = np.stack([predicted[name] for name in PREDICTIONS], axis=1)
    table[:, COLUMNS["base_height"]] = states[..., BASE_HEIGHT].mean(axis=(1, 2))
    table[:, COLUMNS["base_lin_vel"]] = states[..., BASE_LIN_VEL].mean(axis=1)[:, :2]
    return outcomes_of(table)


def outside(tick: int, trajectory: np.ndarray, rewards: RewardSettings) -> np.ndarray:
    """How far windows leave the constraints ``(n,)``, in their tolerances: sums of joints, means of rows.

    Of ``trajectory (n, F + 1, 57)`` from ``tick`` on; row 0 is known, and not held against anybody.
    """
    rows = trajectory[:, 1:]
    bounds = feasible_bounds(rewards.constraints, rewards.parameters, tick + 1 + np.arange(rows.shape[1]))
    return penalty(fields_of(rows), bounds)
