"""What rollouts are worth: the task, what the operator asks for, and what the operator forbids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds, penalty
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings
from diffusion_mpc_ros.planners.sampling.objective import UP, Walking
from diffusion_mpc_ros.rewards.following import reward_of, terms_reading, weighted_terms
from diffusion_mpc_ros.rewards.outcomes import MEASURED, measure
from diffusion_mpc_ros.rewards.terms import Segment
from diffusion_mpc_ros.simulation.rollout import Rollout

# What of a rollout constraints are held against.
_CONSTRAINED = ("joint_pos", "joint_vel", "joint_torque")
_MEASURED = frozenset(terms_reading(MEASURED))


@dataclass(frozen=True)
class Scoring:
    """Scores of rollouts: the larger, the better.

    ``reward_scale``: what the operator's composed reward counts beside the ``task``, whose terms are of the size of 1;
    ``constraint_weight``: what leaving a constraint counts, for each of its tolerances, joint and row.
    """

    task: Walking
    reward_scale: float = 0.01
    constraint_weight: float = 0.1

    def __call__(self, rollout: Rollout, begin: int, request: PlanRequest, normal: np.ndarray = UP) -> np.ndarray:
        """Scores ``(B, N)`` of rollouts from tick ``begin`` on, on ground of the ``normal (3,)``, world frame."""
        heading = rotations.yaw(request.state.base_quat_wxyz)
        score = self.task.score(rollout.ticks, begin, request.aim, heading, normal)
        if weighted_terms(measured_part(request.rewards)):
            score = score + self.reward_scale * operator_reward(rollout, request)
        if request.rewards.constraints:
            score = score - self.constraint_weight * outside(rollout, begin, request.rewards)
        return score


def operator_reward(rollout: Rollout, request: PlanRequest) -> np.ndarray:
    """Return the operator's composed reward ``(B, N)``, of the same functions that other planners are guided by.

    Of those terms that a rollout measures; others are left to whoever predicts what they read.
    """
    observation = observe(request.state, request.aim, request.state.previous_action)
    rows = rollout.trajectory(observation, request.aim)
    robots, candidates = rows.shape[:2]
    outcomes = measure({name: _flat(values) for name, values in rollout.measured().items()})
    segment = Segment.of(_flat(rows), outcomes)
    return reward_of(segment, measured_part(request.rewards)).reshape(robots, candidates)


def measured_part(settings: RewardSettings) -> RewardSettings:
    """Return ``settings`` with the weights of the terms that a rollout measures alone."""
    return replace(settings, weights={name: value for name, value in settings.weights.items() if name in _MEASURED})


def outside(rollout: Rollout, begin: int, settings: RewardSettings) -> np.ndarray:
    """How far rollouts leave the operator's constraints ``(B, N)``, in their tolerances: sums of joints, means of rows.

    Raises :class:`RewardError` for constraints that leave nothing.
    """
    horizon = rollout.ticks.base_height.shape[-1]
    bounds = feasible_bounds(settings.constraints, settings.parameters, begin + 1 + np.arange(horizon))
    fields = {name: getattr(rollout.ticks, name) for name in _CONSTRAINED}
    return penalty(fields, bounds)


def _flat(values: np.ndarray) -> np.ndarray:
    """``(B, N, ...)`` -> ``(B N, ...)``."""
    return values.reshape(-1, *values.shape[2:])
