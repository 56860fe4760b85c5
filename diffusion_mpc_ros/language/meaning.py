"""What a sentence asks for, in numbers, and what two of its parts ask for together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from diffusion_mpc_ros.core.errors import DiffusionMpcError

# Actions, the stronger one first: it overrules whatever else is asked for at the same time.
EMERGENCY_STOP, STOP, UNDO = "emergency_stop", "stop", "undo"
ACTIONS = (EMERGENCY_STOP, STOP, UNDO)
AXES = ("vx", "vy", "yaw_rate")
UNITS = {"vx": "m/s", "vy": "m/s", "yaw_rate": "rad/s"}


class LanguageError(DiffusionMpcError, ValueError):
    """What is asked for contradicts itself, or is beyond what the robot may do."""


@dataclass(frozen=True)
class Height:
    """A base height: ``to`` [m], else a change ``by`` [m], else a ``factor`` of the height now."""

    to: float | None = None
    by: float | None = None
    factor: float | None = None


@dataclass(frozen=True)
class Meaning:
    """What is asked for; empty: nothing. ``speed`` is a factor of the velocity now."""

    presets: tuple[str, ...] = ()
    height: Height | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    velocity: Mapping[str, float] = field(default_factory=dict)
    speed: float | None = None
    action: str = ""

    def __bool__(self) -> bool:
        return self != Meaning()

    @property
    def moves(self) -> bool:
        """Whether the robot's velocity is to change, other than to zero."""
        return bool(self.velocity) or self.speed is not None


def combined(first: Meaning, second: Meaning) -> Meaning:
    """Return what two parts of a sentence ask for together; raises LanguageError where they contradict each other."""
    actions = [action for action in ACTIONS if action in (first.action, second.action)]
    if actions:
        return Meaning(action=actions[0])
    for name in ("height", "speed"):
        values = getattr(first, name), getattr(second, name)
        if None not in values and values[0] != values[1]:
            raise LanguageError(f"two different wishes for the {name} contradict each other")
    for mapping in ("parameters", "velocity"):
        one, two = getattr(first, mapping), getattr(second, mapping)
        both = [name for name in one if name in two and one[name] != two[name]]
        if both:
            raise LanguageError(f"{both[0]} cannot be {one[both[0]]:g} and {two[both[0]]:g} at once")
    presets = tuple(dict.fromkeys(first.presets + second.presets))
    if "none" in presets and len(presets) > 1:
        raise LanguageError("no reward at all and a preset contradict each other")
    return dataclasses.replace(
        first,
        presets=presets,
        height=first.height or second.height,
        parameters={**first.parameters, **second.parameters},
        velocity={**first.velocity, **second.velocity},
        speed=second.speed if first.speed is None else first.speed,
    )
