"""What recorded robots did as a lesson: rewards and returns from what a robot knows itself, commands in hindsight.

Nobody measures a robot's velocity outside a laboratory. What is known: the estimated velocity, the motors' torques,
whether it fell, and whether its operator stopped it. The commands of a bag are replaced by what was walked
(:mod:`hindsight_fit`): a robot that carries 8 kg and is asked for 0.5 m/s does not walk that, but what it did is how
such a robot walks 0.4 m/s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from diffusion_mpc_ros.bags.episodes import Episode, first_ticks
from diffusion_mpc_ros.core.errors import BagError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.training.bags import BagsConfig, collect, trajectory
from diffusion_mpc_ros.training.dataset import WEIGHT
from diffusion_mpc_ros.training.finetuning import hindsight_fit
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig
from diffusion_mpc_ros.training.finetuning.recipes import Lesson, whole_windows
from diffusion_mpc_ros.training.finetuning.returns import Value, tick_rewards, window_returns
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts
from diffusion_mpc_ros.training.symmetry import JOINTS, OBSERVATION

# What a mean square torque of a joint costs in a tick's reward [1 / (N m)^2]: some hundredths while a Go2 trots.
TORQUE_COST = 1e-3
# Of a weight exp(A / T).
LARGEST_EXPONENT = 2.0


class BagLesson:
    """The lesson of ``config.bag``; ``sources``: what a run says of each bag, its hash among it.

    Raises BagError, naming the bag, for one that is not fit.
    """

    def __init__(self, config: FinetuneConfig) -> None:
        self._config = config
        self._episodes, self.sources = collect(BagsConfig(config.bag, namespace=config.namespace))
        if config.bag_minutes is not None:
            self._episodes = first_ticks(self._episodes, round(60.0 * config.bag_minutes / CONTROL_DT))

    def make(self, value: Value, generator: torch.Generator) -> Lesson:
        """Make it; ``value`` learns from it first."""
        return lesson(self._episodes, self._config, value, generator)


def walked(episode: Episode) -> Rollouts:
    """An episode as the rollouts of one robot ``(1, L)``, its velocity and height as estimated, its command as asked.

    ``fell``: it did, or its operator stopped it, in the last tick. A stretch begins with it as after a push.
    """
    arrays: dict[str, Any] = {name: array[None] for name, array in trajectory(episode).items()}
    begins = np.zeros((1, len(episode)), dtype=bool)
    begins[:, 0] = True
    arrays["observation"][..., COMMAND] = episode.command
    return Rollouts(
        **{name: arrays[name].astype(np.float32) for name in ("observation", "action", "executed", "base_lin_vel")},
        base_height=arrays["base_height"].astype(np.float32),
        fresh=arrays["fresh"],
        fell=arrays["failed"],
        pushed=begins,
        group=np.zeros(1, dtype=np.intp),
    )


def rewards(episode: Episode, rollouts: Rollouts, config: FinetuneConfig) -> np.ndarray:
    """Rewards ``(1, L)``: how well the command was followed by estimate, less the torque; once for a fall."""
    torque = np.mean(np.square(episode.states.joint_torque), axis=-1)
    return tick_rewards(rollouts, config.returns) - TORQUE_COST * torque[None]


def lesson(episodes: Sequence[Episode], config: FinetuneConfig, value: Value, generator: torch.Generator) -> Lesson:
    """All ``episodes`` one behind the other as one trajectory: windows weighed by return less ``value``, relabelled.

    The arrays are ``(1, sum of L, ...)``; no window joins two episodes. Raises BagError where none teaches anything.
    """
    walks = [walked(episode) for episode in episodes]
    settings, window = config.returns, config.returns.window
    per_tick = [rewards(episode, walk, config) for episode, walk in zip(episodes, walks)]
    returns = np.concatenate([window_returns(each, window, settings.gamma) for each in per_tick], axis=1)
    usable = np.concatenate([walk.usable(config.cut_before_fall) for walk in walks], axis=1)
    joined = join(walks)
    added = np.concatenate([episode.added for episode in episodes])[None]
    observation, labelled = hindsight_fit.relabelled(joined, config.recipe.hindsight_within, added)
    windows = whole_windows(usable & labelled, config.horizon + 1)
    if not windows.any():
        raise BagError(
            f"{', '.join(dict.fromkeys(episode.source for episode in episodes))}: nowhere did the robot walk for a "
            f"second and a half within {config.recipe.hindsight_within} m/s of its command: there is nothing to learn"
        )
    r_squared = value.fit(joined, returns, usable, generator)
    weights = advantage_weights(value.advantages(joined, returns), windows, config.recipe.temperature)
    arrays = {
        "observation": observation,
        "action": joined.action,
        "executed": joined.executed,
        "fresh": joined.fresh,
        WEIGHT: weights,
    }
    facts = {
        "return": float(np.mean([each.sum() for each in per_tick])),
        "falls": float(joined.falls()),
        "value_r_squared": r_squared,
        "usable": float(windows.mean()),
    }
    return Lesson(with_mirrored(arrays), facts)


def with_mirrored(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return trajectories ``(E, L, ...)`` and, after them, the same ones mirrored left to right ``(2 E, L, ...)``.

    A hidden change may be on one side only: in the mirror it is a robot's with that change on the other side, which
    observations tell apart. Minutes are worth twice as much, and no turn or drift to one side is learned by chance.
    """
    mirrors = {"observation": OBSERVATION, "action": JOINTS, "executed": JOINTS}
    return {
        name: np.concatenate([array, mirrors[name](torch.from_numpy(array)).numpy() if name in mirrors else array])
        for name, array in arrays.items()
    }


def advantage_weights(advantages: np.ndarray, usable: np.ndarray, temperature: float) -> np.ndarray:
    """``min(exp(A / T), e^2)`` where ``usable (E, L)``, else 0; their mean is 1. ``T = temperature * std(A)``.

    Clipped as in advantage-weighted regression (Peng et al., arXiv 1910.00177): in minutes of data the largest
    advantage is an error of the value, and without a bound a few windows would be all that counts.
    """
    scale = temperature * max(float(advantages[usable].std()), 1e-6)
    weights = np.exp(np.minimum(advantages / scale, LARGEST_EXPONENT)) * usable
    return weights / weights[usable].mean()


def join(walks: Sequence[Rollouts]) -> Rollouts:
    """The walks of single robots ``(1, L)`` one behind the other, as one robot's ``(1, sum of L)``."""
    names = [each.name for each in fields(Rollouts) if each.name != "group"]
    arrays = {name: np.concatenate([getattr(walk, name) for walk in walks], axis=1) for name in names}
    return Rollouts(**arrays, group=walks[0].group)
