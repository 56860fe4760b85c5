"""Commands that say what was walked: the demonstrator's bias taken out of the data.

A demonstrator that is told 1.0 m/s and walks 1.04 on average, less with a payload, teaches a prior to do the same. In
hindsight the command was 1.04: a smooth function of the command, the gait and the robot, fitted to what was really
walked, replaces every command. It is fitted to many robots, so that no push becomes part of a command. Noise slows
robots down: what a robot would have walked without it is its command, for without noise it will be asked to walk.
Where several policies take turns, each has its own bias: one that saves energy by walking slower would else teach
the prior that to save energy is to be slow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND
from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, interruptions

DISTURBANCES = ("noise", "folding")
# What the fit reads beside the rows: what was walked, and facts about each trajectory.
FACTS = ("gait", "payload_mass", "payload_position", "friction", "motor_strength", "latency", *DISTURBANCES)
LABELS = ("base_lin_vel", *FACTS)
# Which policy walks at each tick ``(E, L)``; only in datasets of several.
POLICY = "policy"
# Ticks over which a velocity is averaged, about two cycles of the trot, after as many under the same command.
BLOCK = 50


def labels_of(dataset: TrajectoryDataset) -> tuple[str, ...]:
    """Return the arrays that :func:`relabel_commands` reads beside the rows."""
    return (*LABELS, POLICY) if dataset.attributes.get("alternatives") else LABELS


def relabel_commands(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Observations ``(E, L, 45)`` of a dataset, their commands replaced by what such robots, so commanded, walk.

    A robot that is told to stand stays so. ``arrays``: the rows and what :func:`labels_of` says.
    """
    observation = arrays["observation"]
    facts, undisturbed = _standardised_facts(arrays)
    policy = _policies_after_the_first(arrays)
    velocity = np.concatenate([arrays["base_lin_vel"][..., :2], observation[..., BASE_ANG_VEL][..., 2:]], axis=-1)
    episodes, ticks = _steady_blocks(observation[..., COMMAND], arrays["fresh"], policy)
    command = observation[episodes, ticks, COMMAND].astype(np.float64)
    walked = np.stack([velocity[episode, tick : tick + BLOCK].mean(axis=0) for episode, tick in zip(episodes, ticks)])
    of_blocks = np.concatenate([facts[episodes], policy[episodes, ticks]], axis=1)
    weights, *_ = np.linalg.lstsq(features(command, of_blocks), walked, rcond=None)
    relabelled = observation.copy()
    for episode, commands in enumerate(observation[..., COMMAND].astype(np.float64)):
        own = np.broadcast_to(undisturbed[episode], (len(commands), facts.shape[1]))
        own_facts = np.concatenate([own, policy[episode]], axis=1)
        fitted = features(commands, own_facts) @ weights
        relabelled[episode, :, COMMAND] = np.where(is_moving(commands)[:, None], fitted, commands)
    return relabelled


def _standardised_facts(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the :data:`FACTS` as columns ``(E, F)`` of mean 0 and standard deviation 1, a constant one all 0.

    As they were, and without :data:`DISTURBANCES`.
    """
    count = len(arrays["fresh"])
    columns = {name: arrays[name].reshape(count, -1).astype(np.float64) for name in FACTS}
    columns["motor_strength"] = columns["motor_strength"].mean(axis=1, keepdims=True)
    facts = np.concatenate(list(columns.values()), axis=1)
    undisturbed = np.concatenate([column * (name not in DISTURBANCES) for name, column in columns.items()], axis=1)
    mean, spread = facts.mean(axis=0), facts.std(axis=0)
    spread = np.where(spread > 0.0, spread, np.inf)
    return (facts - mean) / spread, (undisturbed - mean) / spread


def _policies_after_the_first(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """1 where the policy of that column walks, ``(E, L, P - 1)``; no columns where there is one policy."""
    which = arrays.get(POLICY, np.zeros(arrays["fresh"].shape))
    return (which[..., None] == np.arange(1, which.max() + 1)).astype(np.float64)


def _steady_blocks(command: np.ndarray, fresh: np.ndarray, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Episodes and first ticks of the blocks of moving robots before which and in which nothing changes."""
    length = command.shape[1]
    disturbed = np.cumsum(interruptions(np.concatenate([command, policy], axis=-1), fresh), axis=1)
    starts = np.arange(BLOCK, length - BLOCK, BLOCK)
    steady = disturbed[:, starts + BLOCK - 1] == disturbed[:, starts - BLOCK]
    moving = is_moving(command)[:, starts]
    episodes, blocks = np.nonzero(steady & moving)
    return episodes, starts[blocks]


def features(command: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Return what is regressed on ``(n, 3), (n, F) -> (n, 7 + 4 F)``.

    Command, its square with its sign, command times facts, facts, and 1.
    """
    count = len(command)
    products = (command[:, :, None] * facts[:, None, :]).reshape(count, -1)
    return np.concatenate([command, command * np.abs(command), products, facts, np.ones((count, 1))], axis=1)
