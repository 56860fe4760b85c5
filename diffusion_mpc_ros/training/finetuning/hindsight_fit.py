"""Commands in hindsight where data are few: a smooth function says what a robot walks when it is asked for something.

A block of a second walks a little faster or slower by chance. Minutes of one robot are too few to let that be averaged
by the network. So what was walked is regressed on the command and on how the ground tilts (:mod:`training.relabelling`
does the same with what only a simulator knows), and each command is replaced by the value of the fit.
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.trajectory import COMMAND, PROJECTED_GRAVITY
from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.training.finetuning.hindsight import blocks_of
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts
from diffusion_mpc_ros.training.relabelling import features

# Ridge of the fit: with few blocks the walk is taken to be what was asked for.
RIDGE = 0.3
# Inclinations [sine of the angle] are multiplied by this to be as large as commands.
INCLINATION_SCALE = 5.0


def relabelled(
    rollouts: Rollouts, within: float = np.inf, added: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Observations ``(E, L, 45)`` under the commands of the fit, and where they are to be learned from ``(E, L)``.

    ``added (E, L, 3)``: what velocity feedback added to the commands. Of the sum it depends what is walked.

    Blocks that walked further than ``within`` [m/s, rad/s] from their command count neither for the fit nor as a
    lesson: a robot that stumbles, or whose estimate is lost, does not show how to walk. Nor do stretches too short to
    tell. Robots that were told to stand stay so.
    """
    observation = rollouts.observation.copy()
    blocks = blocks_of(rollouts)
    usable = ~is_moving(observation[..., COMMAND])
    if not blocks:
        return observation, usable
    command = np.array([observation[robot, start, COMMAND] for robot, start, _, _ in blocks], dtype=np.float64)
    velocity = np.array([rollouts.velocity[robot, first:stop].mean(axis=0) for robot, _, stop, first in blocks])
    inclination = np.array(
        [observation[robot, first:stop, PROJECTED_GRAVITY].mean(axis=0)[:2] for robot, _, stop, first in blocks]
    )
    near = np.abs(velocity - command).max(axis=1) <= within
    if added is not None:
        command = command + [added[robot, first:stop].mean(axis=0) for robot, _, stop, first in blocks]
    columns = features(command, INCLINATION_SCALE * inclination.astype(np.float64))
    known = columns[near]
    ridge = RIDGE * np.eye(columns.shape[1])
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ (velocity - command)[near])
    fitted = command + columns @ weights
    for (robot, start, stop, _), label, counts in zip(blocks, fitted, near):
        if counts:
            observation[robot, start:stop, COMMAND] = label
            usable[robot, start:stop] = True
    return observation, usable
