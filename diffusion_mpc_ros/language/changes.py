"""What a meaning changes: a request to the reward service, and a velocity, from what is in force now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.language.meaning import AXES, UNITS, Height, LanguageError, Meaning
from diffusion_mpc_ros.rewards.presets import SEPARATOR, Preset
from diffusion_mpc_ros.rewards.registry import BASE_HEIGHT_TARGET

# The height of the base when nothing is asked of it [m]; docs/results/height.md.
NATURAL_HEIGHT = 0.30
_TERM = "base_height"
# The preset that a height is walked at by, where nothing else weighs it.
_PRESET = "height"


@dataclass(frozen=True)
class RewardChange:
    """Arguments of ``set_reward_weights``; empty: none."""

    preset: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != RewardChange()

    def words(self) -> str:
        """What is going to be asked for, in a line."""
        parts = [f"the presets {self.preset}" if SEPARATOR in self.preset else f"the preset {self.preset}"]
        parts = parts if self.preset else []
        parts += [f"{name} = {value:g}" for name, value in self.weights.items()]
        parts += [f"{name} = {', '.join(f'{part:.4g}' for part in value)}" for name, value in self.parameters.items()]
        return ", ".join(parts) + (", in the place of what is set now" if self.preset else "")


def reward_change(meaning: Meaning, now: RewardSettings, presets: Mapping[str, Preset]) -> RewardChange:
    """Return what to ask of the reward service.

    A preset takes the place of what is set, as in ``rewards set --preset``. A height alone leaves everything else as it
    is: it moves the target, and weighs the height where nothing did. Raises LanguageError for a height out of bounds.
    """
    names = list(meaning.presets)
    parameters: dict[str, Sequence[float]] = {name: (value,) for name, value in meaning.parameters.items()}
    if meaning.height is None:
        return RewardChange(SEPARATOR.join(names), {}, parameters)
    weighed = now.weights.get(_TERM, 0.0) > 0.0
    before = float(now.parameters[BASE_HEIGHT_TARGET.name][0]) if weighed else NATURAL_HEIGHT
    target = (target_height(meaning.height, before),)
    if names:
        if not any(presets[name].weights.get(_TERM) for name in names if name in presets):
            names.append(_PRESET)
        return RewardChange(SEPARATOR.join(names), {}, {**parameters, BASE_HEIGHT_TARGET.name: target})
    if weighed:
        return RewardChange("", {}, {BASE_HEIGHT_TARGET.name: target})
    preset = presets[_PRESET]
    weights = {name: value for name, value in preset.weights.items() if value > now.weights.get(name, 0.0)}
    others = {
        name: tuple(np.ravel(value).tolist())
        for name, value in preset.parameters.items()
        if name.split(".")[0] in weights
    }
    return RewardChange("", weights, {**others, **parameters, BASE_HEIGHT_TARGET.name: target})


def target_height(height: Height, before: float) -> float:
    """Return the height asked for [m], a change counted from ``before`` and no further than the bounds.

    Raises LanguageError when the bound is reached already, or a height is named beyond it.
    """
    low, high = float(np.min(BASE_HEIGHT_TARGET.minimum)), float(np.max(BASE_HEIGHT_TARGET.maximum))
    if height.to is not None:
        wanted = height.to
        if not low - 1e-9 <= wanted <= high + 1e-9:
            raise LanguageError(f"a base height of {wanted:g} m is out of bounds: {low:g} to {high:g} m")
        return wanted
    wanted = before + height.by if height.by is not None else before * (height.factor or 1.0)
    bounded = round(min(max(wanted, low), high), 4)
    if abs(bounded - before) < 1e-6:
        raise LanguageError(f"the base is at {before:g} m already; a height can be {low:g} to {high:g} m")
    return bounded


def velocity_of(meaning: Meaning, now: np.ndarray, bound: Sequence[float]) -> np.ndarray:
    """Return the velocity asked for ``(3,)``: vx, vy [m/s], yaw rate [rad/s]; ``now (3,)``: the one held before.

    What is not named is zero. Raises LanguageError beyond ``bound (3,)``, or for a share of no velocity.
    """
    velocity = np.array([meaning.velocity.get(axis, 0.0) for axis in AXES])
    if meaning.speed is not None:
        if not meaning.velocity and not np.any(now):
            raise LanguageError(
                "no velocity is held here that could become another; say which: 'walk forward at 0.4 m/s'"
            )
        velocity = meaning.speed * (velocity if meaning.velocity else now)
    for axis, value, largest in zip(AXES, velocity, bound, strict=True):
        if abs(value) > largest + 1e-9:
            raise LanguageError(f"{axis} = {value:.3g} {UNITS[axis]} is beyond {largest:g} {UNITS[axis]}")
    return velocity


def velocity_words(velocity: np.ndarray) -> str:
    """A velocity ``(3,)`` in words."""
    vx, vy, yaw_rate = velocity
    return f"vx {vx:+.2f}, vy {vy:+.2f} m/s, yaw rate {yaw_rate:+.2f} rad/s"
