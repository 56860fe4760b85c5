"""The wishes that are understood and the phrases they are said by, from ``config/language.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.language.meaning import ACTIONS, AXES, Height, Meaning


@dataclass(frozen=True)
class Wish:
    """Something that can be asked for; ``needs``, ``never``: words of which one, or none, must have been said."""

    name: str
    phrases: tuple[str, ...]
    presets: tuple[str, ...] = ()
    height: Height | None = None
    velocity: dict[str, float] = field(default_factory=dict)
    speed: float | None = None
    action: str = ""
    needs: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.meaning or (self.meaning.moves and not self.needs):
            raise ConfigurationError(f"the wish {self.name!r} needs a meaning, and words it needs where it moves")
        if self.action and self.action not in ACTIONS:
            raise ConfigurationError(f"the wish {self.name!r} has the action {self.action!r}; valid: {ACTIONS}")
        if not self.velocity.keys() <= set(AXES):
            raise ConfigurationError(f"the wish {self.name!r} has the velocity {self.velocity}; valid: {AXES}")

    @property
    def meaning(self) -> Meaning:
        """What it asks for."""
        return Meaning(self.presets, self.height, {}, self.velocity, self.speed, self.action)

    def allows(self, spoken: set[str]) -> bool:
        """Whether the words ``spoken`` may mean it."""
        return (not self.needs or not self.needs.isdisjoint(spoken)) and self.never.isdisjoint(spoken)


@dataclass(frozen=True)
class Phrases:
    """What is understood, and what is known to be none of it."""

    wishes: tuple[Wish, ...]
    nothing: tuple[str, ...] = ()


def load_phrases(path: str | Path) -> Phrases:
    """Read the file ``path``; raises :class:`ConfigurationError` for what does not fit."""
    return config_files.load(Phrases, path)
