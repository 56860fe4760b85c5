"""From rollouts to training data: which windows count how much, under which commands; both recipes of the card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diffusion_mpc_ros.policies.gait import is_moving
from diffusion_mpc_ros.training.dataset import WEIGHT, Trajectories
from diffusion_mpc_ros.training.finetuning import hindsight
from diffusion_mpc_ros.training.finetuning.configuration import HINDSIGHT, PAPER, FinetuneConfig
from diffusion_mpc_ros.training.finetuning.returns import Value, tick_rewards, window_returns
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts

# Classes of commands among which windows compete: standing, along or about one axis in one sense, combined.
STANDING, COMBINED = 0, 7


@dataclass(frozen=True)
class Lesson:
    """What is learned from one iteration's rollouts: training rows with a weight ``(E, L)`` for each window's start."""

    arrays: dict[str, Trajectories]
    facts: dict[str, float]


def command_classes(command: np.ndarray) -> np.ndarray:
    """Class ``(...)`` int of commands ``(..., 3)``: standing 0, +vx -vx +vy -vy +yaw -yaw 1 to 6, combined 7."""
    moving = np.abs(command) > 1e-6
    axis = np.argmax(moving, axis=-1)
    sign = np.take_along_axis(command, axis[..., None], axis=-1)[..., 0] < 0.0
    single = 1 + 2 * axis + sign
    classes = np.where(moving.sum(axis=-1) == 1, single, COMBINED)
    return np.where(is_moving(command), classes, STANDING)


def exponential_weights(values: np.ndarray, top: float, temperature: float) -> np.ndarray:
    """``exp((v - max) / T)`` of the ``top`` share of ``values (n,)``, 0 of the others; mean 1 (IV-C, w bar).

    ``T = temperature * std`` of the values: their unit cancels out.
    """
    if not len(values):
        return values
    kept = values >= np.quantile(values, 1.0 - top)
    scale = temperature * max(float(values.std()), 1e-6)
    weights = np.exp((values - values.max()) / scale) * kept
    return weights / weights.mean()


def lesson(rollouts: Rollouts, config: FinetuneConfig, value: Value, generator: torch.Generator) -> Lesson:
    """What ``config.recipe`` makes of ``rollouts``; the value learns from them first."""
    usable = rollouts.usable(config.cut_before_fall)
    rewards = tick_rewards(rollouts, config.returns)
    facts = {"return": float(rewards.sum(axis=1).mean()), "falls": float(rollouts.falls())}
    recipe, observation = config.recipe, rollouts.observation
    if recipe.name == PAPER:
        weights = exponential_weights(rewards.sum(axis=1), recipe.top, recipe.temperature)
        weights = np.broadcast_to(weights[:, None], usable.shape)
    elif recipe.name == HINDSIGHT:
        even = hindsight.sway(rollouts) <= recipe.sway
        weights, observation = even.astype(float), hindsight.relabelled(rollouts)
    else:
        returns = window_returns(rewards, config.returns.window, config.returns.gamma)
        facts["value_r_squared"] = value.fit(rollouts, returns, usable, generator)
        weights = _weights_by_class(rollouts, value.advantages(rollouts, returns), usable, config)
        observation = hindsight.relabelled(rollouts, recipe.hindsight_within)
    arrays = {
        "observation": observation,
        "action": rollouts.action,
        "executed": rollouts.executed,
        "fresh": rollouts.fresh,
        WEIGHT: whole_windows(usable, config.horizon + 1) * weights,
    }
    return Lesson(arrays, facts)


def _weights_by_class(
    rollouts: Rollouts, advantages: np.ndarray, usable: np.ndarray, config: FinetuneConfig
) -> np.ndarray:
    """Weights ``(E, L)``: windows compete within their class of commands, and each class counts as it is large."""
    weights = np.zeros(usable.shape)
    classes = command_classes(rollouts.command)
    for each in np.unique(classes[usable]):
        of_class = usable & (classes == each)
        weights[of_class] = exponential_weights(advantages[of_class], config.recipe.top, config.recipe.temperature)
    return weights


def whole_windows(usable: np.ndarray, rows: int) -> np.ndarray:
    """Where a window of ``rows`` usable ticks begins, ``(E, L)`` bool."""
    whole = usable.copy()
    for ahead in range(1, rows):
        whole[:, :-ahead] &= usable[:, ahead:]
        whole[:, -ahead:] = False
    return whole
