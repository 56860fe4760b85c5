"""What a quantity in a sentence is of: height, clearance of a foot, velocity, step frequency; within its bounds."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.language.meaning import AXES, UNITS, Height, LanguageError, Meaning, combined
from diffusion_mpc_ros.language.quantities import (
    BARE,
    FRACTION,
    FREQUENCY,
    LENGTH,
    SPEED,
    TURN_RATE,
    Quantity,
)
from diffusion_mpc_ros.rewards.registry import BASE_HEIGHT_TARGET, FOOT_CLEARANCE, STEP_FREQUENCY_TARGET

DOWN = frozenset("lower low down decrease reduce sink drop less below crouch duck descend shrink".split())
UP = frozenset("higher high up raise rise lift increase more taller tall grow".split())
_HEIGHTS = DOWN | UP | frozenset(
    "height body base trunk belly back above ground walk go stay stand set be keep make hold to at tall".split()
)  # fmt: skip
_FEET = frozenset("foot feet paw paws leg legs step steps clearance".split())
_STEPS = frozenset("step steps stepping stride strides frequency cadence gait trot".split())
BACK = frozenset("back backward backwards reverse retreat".split())
LEFT = frozenset("left counterclockwise anticlockwise".split())
RIGHT = frozenset("right clockwise".split())
TURNS = frozenset(
    "turn turning rotate rotating spin spinning yaw curve veer veering clockwise counterclockwise anticlockwise circle "
    "bend arc".split()
)
MOVES = BACK | LEFT | RIGHT | frozenset(
    "walk walking go going march run running trot move moving step sidestep strafe sideways forward forwards ahead "
    "straight speed velocity curve drive travel advance crawl pace".split()
)  # fmt: skip
FASTER = frozenset("faster quicker fast quick accelerate speed pace velocity".split())
SLOWER = frozenset("slower slow slowly decelerate".split())
DIRECTIONS = BACK | LEFT | RIGHT | frozenset("forward forwards ahead straight".split())
# Manners of moving: how fast, of the speed that is meant without them.
MANNERS = {
    **dict.fromkeys(("slowly", "carefully", "cautiously", "gently", "calmly"), 0.5),
    **dict.fromkeys(("quickly", "fast"), 1.5),
}
_FACTORS = {"half": 0.5, "halve": 0.5, "twice": 2.0, "double": 2.0}
# A change is said as a change, or is too small to be a height [m].
_SMALL = 0.12


def meaning_of(found: Sequence[Quantity], spoken: Set[str], bound: Sequence[float]) -> Meaning:
    """Return what the quantities and words of one part of a sentence ask for; empty when they fit nothing.

    ``bound (3,)``: largest vx, vy [m/s] and yaw rate [rad/s]. Raises LanguageError for what is out of bounds or lacks a
    unit or a direction.
    """
    whole = Meaning()
    for quantity in found:
        whole = combined(whole, _READERS[quantity.kind](quantity, spoken))
    for axis, largest in zip(AXES, bound, strict=True):
        _within(f"a velocity {axis}", whole.velocity.get(axis, 0.0), -largest, largest, UNITS[axis])
    return whole


def factor_of(spoken: Set[str]) -> Meaning:
    """Return "half the speed", "twice as fast" as a meaning; empty when the words do not say so."""
    factors = [factor for word, factor in _FACTORS.items() if word in spoken]
    return Meaning(speed=factors[0]) if factors and spoken & (FASTER | SLOWER) else Meaning()


def _length(quantity: Quantity, spoken: Set[str]) -> Meaning:
    low, high = _bounds(BASE_HEIGHT_TARGET)
    if spoken & _FEET:
        _within("a foot clearance", quantity.value, *_bounds(FOOT_CLEARANCE), "m")
        return Meaning(presets=("foot_lifting",), parameters={FOOT_CLEARANCE.name: quantity.value})
    if spoken and not spoken & _HEIGHTS:
        return Meaning()
    sign = bool(spoken & UP) - bool(spoken & DOWN)
    if sign and (quantity.by or (quantity.value < _SMALL and "to" not in spoken and "at" not in spoken)):
        _within("a change of the height", quantity.value, 0.0, high - low, "m")
        return Meaning(height=Height(by=sign * quantity.value))
    _within("a base height", quantity.value, low, high, "m")
    return Meaning(height=Height(to=quantity.value))


def _speed(quantity: Quantity, spoken: Set[str]) -> Meaning:
    if spoken and not spoken & MOVES:
        return Meaning()
    if spoken & (LEFT | RIGHT) and not spoken & TURNS:
        return Meaning(velocity={"vy": quantity.value * _side(spoken)})
    return Meaning(velocity={"vx": -quantity.value if spoken & BACK else quantity.value})


def _turn_rate(quantity: Quantity, spoken: Set[str]) -> Meaning:
    if not spoken & (TURNS | LEFT | RIGHT):
        return Meaning()
    return Meaning(velocity={"yaw_rate": quantity.value * _side(spoken)})


def _bounds(parameter: Parameter) -> tuple[float, float]:
    """Return the least and the largest value of a parameter."""
    return float(np.min(parameter.minimum)), float(np.max(parameter.maximum))


def _side(spoken: Set[str]) -> int:
    """1 to the left, -1 to the right."""
    side = bool(spoken & LEFT) - bool(spoken & RIGHT)
    if not side:
        raise LanguageError("which way, left or right?")
    return side


def _fraction(quantity: Quantity, spoken: Set[str]) -> Meaning:
    """A percentage of the speed or of the height; of anything else it cannot be promised."""
    sign = bool(spoken & (FASTER - SLOWER)) - bool(spoken & SLOWER)
    if spoken & (FASTER | SLOWER) and not spoken & {"lower", "higher"}:
        if quantity.value > 1.0 and sign < 0:
            raise LanguageError(f"{quantity.text} slower is less than standing still")
        return Meaning(speed=1.0 + (sign or -1) * quantity.value)
    height = bool(spoken & UP) - bool(spoken & DOWN)
    if height and spoken <= _HEIGHTS:
        return Meaning(height=Height(factor=1.0 + height * quantity.value))
    return Meaning()


def _frequency(quantity: Quantity, spoken: Set[str]) -> Meaning:
    if not spoken & _STEPS:
        return Meaning()
    _within("a step frequency", quantity.value, *_bounds(STEP_FREQUENCY_TARGET), "Hz")
    return Meaning(presets=("quick_steps",), parameters={STEP_FREQUENCY_TARGET.name: quantity.value})


def _bare(quantity: Quantity, spoken: Set[str]) -> Meaning:
    raise LanguageError(f"{quantity.text} of what? Say a unit: cm, m/s, km/h, deg/s, %")


def _within(what: str, value: float, low: float, high: float, unit: str) -> None:
    # 0.5 deg/s said in radians ends a hair beyond itself.
    if not low - 1e-9 <= value <= high + 1e-9:
        raise LanguageError(f"{what} of {value:.4g} {unit} is out of bounds: {low:g} to {high:g} {unit}")


_READERS = {
    LENGTH: _length,
    SPEED: _speed,
    TURN_RATE: _turn_rate,
    FRACTION: _fraction,
    FREQUENCY: _frequency,
    BARE: _bare,
}
