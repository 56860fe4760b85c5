"""Noise on the executed actions of collection; the clean action stays the label on the states that it leads to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.training.walking_env import ACTION_SCALE

# Thigh and calf [rad] of a leg that folds by 1 rad at its knee: the foot stays below the hip.
FOLD = np.array([0.0, 0.5, -1.0])
# First-order smoothing of a fold per tick: half of it within 2 ticks.
FOLD_SMOOTHING = 0.3


@dataclass(frozen=True)
class ActionNoise:
    """Two kinds of noise; a share ``clean`` of the robots has neither.

    The others draw a scale [action units], white or first-order autoregressive noise, and either noise all the time or
    bursts with pauses, in which the recovery is undisturbed. A share ``folding`` of them has their front and their
    rear legs folded or stretched, too, by up to ``fold`` [rad of the calf] for some ticks, then left alone for as
    many: base height and pitch leave those of the gait, and come back to them.

    ``per_burst``: the scale that a robot draws is the largest of its bursts, each of which draws its own, both
    log-uniform (SimDist, arXiv 2603.15759). So states of every distance from the gait are seen, few of them falls.
    """

    clean: float = 0.25
    scale: tuple[float, float] = (0.1, 0.8)
    autoregressive: float = 0.5
    correlation: float = 0.85
    bursts: float = 0.6
    burst_ticks: tuple[int, int] = (5, 40)
    per_burst: bool = False
    folding: float = 0.5
    fold: float = 0.5
    fold_ticks: tuple[int, int] = (8, 40)


class NoiseGenerator:
    """Draws the executed action's noise ``(B, 12)`` [rad] tick by tick."""

    def __init__(self, robots: int, config: ActionNoise, rng: np.random.Generator) -> None:
        self._rng, self._config = rng, config
        noisy = rng.uniform(size=robots) >= config.clean
        if config.per_burst:
            drawn = _log_uniform(rng, config.scale[0], np.full(robots, config.scale[1]))
        else:
            drawn = rng.uniform(*config.scale, size=robots)
        self.scale = drawn * noisy  # (B,) [action units], 0 without noise
        self._burst_scale = self.scale.copy()
        self._correlation = np.where(rng.uniform(size=robots) < config.autoregressive, config.correlation, 0.0)
        self._bursts = _Bursts(rng.uniform(size=robots) < config.bursts, config.burst_ticks, rng)
        self._value = np.zeros((robots, go2.NUM_JOINTS))
        self.folding = noisy & (rng.uniform(size=robots) < config.folding)  # (B,) bool
        self._folds = _Bursts(self.folding, config.fold_ticks, rng)
        self._fold_target = np.zeros((robots, 2))  # front and rear legs [rad]
        self._fold_value = np.zeros((robots, 2))

    def step(self) -> np.ndarray:
        """Return the next noise; stationary variance ``scale^2`` whatever the correlation, and the folds."""
        rho = self._correlation[:, None]
        self._value = rho * self._value + np.sqrt(1.0 - rho**2) * self._rng.standard_normal(self._value.shape)
        begins = self._bursts.step() & (self.scale > 0.0)
        if self._config.per_burst:
            self._burst_scale[begins] = _log_uniform(self._rng, self._config.scale[0], self.scale[begins])
        return ACTION_SCALE * (self._burst_scale * self._bursts.active)[:, None] * self._value + self._step_folds()

    def _step_folds(self) -> np.ndarray:
        """``(B, 12)`` [rad]; each fold has its own size."""
        begins = self._folds.step() & self.folding
        fold = self._config.fold
        self._fold_target[begins] = self._rng.uniform(-fold, fold, size=(int(begins.sum()), 2))
        wanted = self._fold_target * (self._folds.active & self.folding)[:, None]
        self._fold_value += FOLD_SMOOTHING * (wanted - self._fold_value)
        legs = np.repeat(self._fold_value, 2, axis=1)  # FR, FL, RR, RL
        return (legs[:, :, None] * FOLD).reshape(len(legs), go2.NUM_JOINTS)


def _log_uniform(rng: np.random.Generator, low: float, high: np.ndarray) -> np.ndarray:
    """``(n,)`` between ``low`` and each of ``high (n,)``."""
    return low * (high / low) ** rng.uniform(size=len(high))


class _Bursts:
    """On and off for random numbers of ticks, ``active (B,)``; who is not ``switching`` stays on."""

    def __init__(self, switching: np.ndarray, ticks: tuple[int, int], rng: np.random.Generator) -> None:
        self._switching, self._ticks, self._rng = switching, ticks, rng
        self.active = np.ones(len(switching), dtype=bool)
        self._left = rng.integers(*ticks, size=len(switching))

    def step(self) -> np.ndarray:
        """One tick; where a new burst begins, ``(B,)`` bool."""
        self._left -= 1
        switch = self._switching & (self._left <= 0)
        self.active ^= switch
        self._left[switch] = self._rng.integers(*self._ticks, size=int(switch.sum()))
        return switch & self.active
