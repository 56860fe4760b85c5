"""Commands in hindsight: what was walked is what was asked for (hindsight relabelling, Andrychowicz et al., 2017)."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts

# Ticks that a velocity is averaged over, about two cycles of the trot; and those of getting up to speed before.
BLOCK, STARTING = 50, 25


def relabelled(rollouts: Rollouts, within: float = np.inf) -> np.ndarray:
    """Observations ``(E, L, 45)`` whose commands are the mean velocity of their block, where that is near enough.

    A stretch under one command, of one life and without a push is cut into blocks of :data:`BLOCK` ticks; the
    :data:`STARTING` first ticks of a stretch, in which a robot gets up to speed, have the label of the block after
    them. A block keeps its command where a component of its velocity is further from it than ``within`` [m/s, rad/s],
    where it is shorter than half a block, and where robots were told to stand.
    """
    observation = rollouts.observation.copy()
    velocity = rollouts.velocity
    for robot, start, stop, label_from in blocks_of(rollouts):
        walked = velocity[robot, label_from:stop].mean(axis=0)
        if np.abs(walked - observation[robot, start, COMMAND]).max() <= within:
            observation[robot, start:stop, COMMAND] = walked
    return observation


def sway(rollouts: Rollouts) -> np.ndarray:
    """Mean deviation of the yaw rate from its mean [rad/s] of the block of each tick ``(E, L)``; 0 without a block."""
    values = np.zeros(rollouts.fell.shape)
    yaw_rate = rollouts.velocity[..., 2]
    for robot, start, stop, label_from in blocks_of(rollouts):
        walked = yaw_rate[robot, label_from:stop]
        values[robot, start:stop] = np.abs(walked - walked.mean()).mean()
    return values


def blocks_of(rollouts: Rollouts) -> list[tuple[int, int, int, int]]:
    """Blocks of moving robots as (robot, start, stop, where their mean begins)."""
    found = []
    for robot, begins in enumerate(_begins(rollouts)):
        edges = [*np.flatnonzero(begins), len(begins)]
        for first, last in zip(edges[:-1], edges[1:]):
            if is_moving(rollouts.command[robot, first][None])[0]:
                found += [(robot, *block) for block in _blocks(first, last)]
    return found


def _begins(rollouts: Rollouts) -> np.ndarray:
    """Where a stretch begins ``(E, L)``: at another command, a new life, a push, another actor; first at tick 0."""
    begins = rollouts.pushed.copy()
    begins[:, 0] = True
    begins[:, 1:] |= (rollouts.command[:, 1:] != rollouts.command[:, :-1]).any(axis=-1)
    begins[:, 1:] |= rollouts.fell[:, :-1] | (rollouts.fresh[:, 1:] != rollouts.fresh[:, :-1])
    return begins


def _blocks(first: int, last: int) -> list[tuple[int, int, int]]:
    """Of a stretch ``first .. last``: blocks as (start, stop, where their mean begins); none where it is too short."""
    length = last - first - STARTING
    count = max(round(length / BLOCK), 1)
    if length < BLOCK // 2:
        return []
    edges = np.linspace(first + STARTING, last, count + 1).astype(int)
    return [
        (first if index == 0 else int(start), int(stop), int(start))
        for index, (start, stop) in enumerate(zip(edges[:-1], edges[1:]))
    ]
