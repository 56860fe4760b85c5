"""What rollouts are worth: rewards of ticks, returns of trajectories and windows, and a value to compare windows by."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM
from diffusion_mpc_ros.training.finetuning.configuration import ReturnConfig
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts

VALUE_WIDTH, VALUE_BATCH, VALUE_STEPS, VALUE_RATE = 128, 1024, 150, 1e-3


def tick_rewards(rollouts: Rollouts, config: ReturnConfig) -> np.ndarray:
    """Rewards ``(E, L)`` from the environment: velocity tracking, and once for a fall; see :class:`ReturnConfig`."""
    error = trailing_mean(rollouts.velocity - rollouts.command, config.smoothing)
    error[..., 2] *= config.yaw_share
    score = np.exp(-np.sum(error**2, axis=-1) / config.width)
    return 1.0 - config.tracking + config.tracking * score + config.fall * rollouts.fell


def trailing_mean(values: np.ndarray, ticks: int) -> np.ndarray:
    """Mean ``(E, L, C)`` of each tick and those before it, up to ``ticks`` in all."""
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    means = sums.copy()
    means[:, ticks:] -= sums[:, :-ticks]
    counts = np.minimum(np.arange(1, values.shape[1] + 1), ticks)
    return means / counts[:, None]


def window_returns(rewards: np.ndarray, window: int, gamma: float) -> np.ndarray:
    """``G_t = sum_{i < window} gamma^i r_{t+i}`` ``(E, L)``, what is beyond the end as good as the mean before it.

    Without that the last windows of a rollout would all seem bad.
    """
    length = rewards.shape[1]
    returns, weight = np.zeros_like(rewards), np.zeros(length)
    for index in range(min(window, length)):
        returns[:, : length - index] += gamma**index * rewards[:, index:]
        weight[: length - index] += gamma**index
    return returns / weight * weight[0]


class Value(nn.Module):
    """Expected window return from what a robot observes and what only the simulator knows: a privileged baseline."""

    def __init__(self, conditions: int) -> None:
        super().__init__()
        self.conditions = conditions
        inputs = OBSERVATION_DIM + 4 + conditions
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.register_buffer("scale", torch.tensor([0.0, 1.0]))
        self.register_buffer("fitted", torch.tensor(False))
        self.layers = nn.Sequential(
            nn.Linear(inputs, VALUE_WIDTH), nn.ELU(), nn.Linear(VALUE_WIDTH, VALUE_WIDTH), nn.ELU(),
            nn.Linear(VALUE_WIDTH, 1),
        )  # fmt: skip

    def features(self, rollouts: Rollouts) -> torch.Tensor:
        """``(E, L, 45 + 4 + conditions)``: observation, base velocity and height, which condition."""
        shape = rollouts.base_height.shape
        condition = np.eye(self.conditions, dtype=np.float32)[rollouts.group]
        parts = (
            rollouts.observation,
            rollouts.base_lin_vel,
            rollouts.base_height[..., None],
            np.broadcast_to(condition[:, None], (*shape, self.conditions)),
        )
        return torch.from_numpy(np.concatenate(parts, axis=-1).astype(np.float32))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features ``(..., F)`` -> expected returns ``(...)``."""
        standardised = ((features - self.mean) / self.std).clamp(-5.0, 5.0)
        return self.layers(standardised)[..., 0] * self.scale[1] + self.scale[0]

    def fit(self, rollouts: Rollouts, returns: np.ndarray, usable: np.ndarray, generator: torch.Generator) -> float:
        """Regress on ``returns`` at the ``usable (E, L)`` ticks; -> the share of their variance that it explains."""
        chosen = torch.from_numpy(usable)
        features, target = self.features(rollouts)[chosen], torch.from_numpy(returns.astype(np.float32))[chosen]
        if not self.fitted:
            self.mean[:], self.std[:] = features.mean(dim=0), features.std(dim=0).clamp(min=1e-3)
            self.scale[0], self.scale[1] = target.mean(), target.std().clamp(min=1e-3)
            self.fitted.fill_(True)
        optimizer = torch.optim.Adam(self.layers.parameters(), lr=VALUE_RATE)
        for _ in range(VALUE_STEPS):
            rows = torch.randint(len(target), (VALUE_BATCH,), generator=generator)
            loss = ((self(features[rows]) - target[rows]) / self.scale[1]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            left = (self(features) - target).var() / target.var().clamp(min=1e-6)
        return 1.0 - float(left)

    def advantages(self, rollouts: Rollouts, returns: np.ndarray) -> np.ndarray:
        """``returns - value`` ``(E, L)``."""
        with torch.no_grad():
            return returns - self(self.features(rollouts)).numpy()
