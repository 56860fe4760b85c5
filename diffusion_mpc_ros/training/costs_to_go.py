"""Costs-to-go: what the second after a window costs, for a reward model that sees further than a plan.

A plan is 0.22 s long, half a step. What is cheap so long is not what is cheap to walk: a base that sinks, a leg that
stops in mid-air. The data say what came after, under the demonstrators' policies: their mean cost from there is the
value function that a planner of short horizon needs (a return-to-go as guide: Janner et al., arXiv 2205.09991, 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.rotations import tilt
from diffusion_mpc_ros.core.trajectory import JOINT_VEL, PROJECTED_GRAVITY
from diffusion_mpc_ros.rewards.outcomes import COSTS_TO_GO
from diffusion_mpc_ros.training.dataset import interruptions, prefix_sums

# Ticks after the window over which the costs are averaged, two cycles of a trot; with fewer than the second number
# before a new command, a reset or the end, what a window leads to is not known.
AHEAD, FEWEST = 50, 25


def tick_costs(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Costs ``(E, L, C)`` of each tick, the :data:`COSTS_TO_GO`: of all joints together, and of the base."""
    joint_vel = arrays["observation"][..., JOINT_VEL].astype(np.float64)
    joint_acc = np.diff(joint_vel, axis=1, prepend=joint_vel[:, :1]) / CONTROL_DT
    joint_acc[arrays["fresh"]] = 0.0  # between two lives
    gravity = arrays["observation"][..., PROJECTED_GRAVITY].astype(np.float64)
    costs = {
        "joint_velocity_to_go": (joint_vel**2).sum(axis=-1),
        "joint_acceleration_to_go": (joint_acc**2).sum(axis=-1),
        "energy_to_go": arrays["mechanical_power"],
        # The angle, of whose mean one push is a smaller share than of the mean of 1 - cos.
        "tilt_to_go": tilt(gravity / np.linalg.norm(gravity, axis=-1, keepdims=True)),
    }
    return np.stack([costs[name] for name in COSTS_TO_GO], axis=-1)


def costs_to_go(costs: np.ndarray, command: np.ndarray, fresh: np.ndarray, horizon: int) -> np.ndarray:
    """Means of ``costs (E, L, C)`` over the :data:`AHEAD` ticks after each window of H rows: ``(E, L - H + 1, C)``.

    They end where the ``command (E, L, 3)`` changes or a new life begins (``fresh (E, L)``) after the window's first
    tick; NaN where that leaves fewer than :data:`FEWEST`.
    """
    length = costs.shape[1]
    first = np.arange(length - horizon + 1)
    # The first interruption after each tick.
    ticks = np.where(interruptions(command, fresh), np.arange(length), length)
    next_change = np.minimum.accumulate(ticks[:, ::-1], axis=1)[:, ::-1]
    next_change = np.concatenate([next_change[:, 1:], np.full((len(costs), 1), length)], axis=1)[:, first]
    start = first + horizon
    end = np.minimum(start + AHEAD, next_change)
    count = end - start
    known = count >= FEWEST
    sums = prefix_sums(costs)
    episode = np.arange(len(costs))[:, None]
    total = sums[episode, np.where(known, end, start)] - sums[episode, start]
    return np.where(known[..., None], total / np.maximum(count, 1)[..., None], np.nan)
