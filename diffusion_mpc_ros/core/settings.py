"""Settings: dataclasses whose fields say what they may hold, once for ROS, YAML, the command line and the docs.

    @dataclass(frozen=True)
    class WalkSettings(Settings):
        height: float = setting("Height of the base.", 0.3, unit="m", low=0.1, high=0.4)

A field has one of the types bool, int, float, str, a tuple of numbers, or one of the first four ``| None``: None stands
for what is found out by itself, and people write it ``auto``.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError, brief

# How people write None.
AUTO = "auto"
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}


@dataclass(frozen=True)
class Setting:
    """What a field may hold. ``low`` and ``high`` (both or none) bound a number, or each of a tuple.

    ``choices``: the valid texts. ``live``: may change while the node runs. ``option``: the option of ``bringup`` that
    sets it, for every node and nowhere else; "" for none.
    """

    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    option: str = ""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """``low`` and ``high``, None where there are none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def setting(description: str, default: Any = MISSING, **properties: Any) -> Any:
    """Return a dataclass field with the ``properties`` of a :class:`Setting`; without ``default`` it must be given."""
    return dataclasses.field(default=default, metadata={"setting": Setting(description, **properties)})


def same(kind: type, name: str) -> Any:
    """Return a dataclass field that holds what ``name`` of the settings ``kind`` holds."""
    declaration = declarations(kind)[name]
    entry = dataclasses.replace(declaration.setting, option="")
    return dataclasses.field(default=declaration.default, metadata={"setting": entry})


@dataclass(frozen=True)
class Declaration:
    """A field of settings: its name (of nested ones with dots), its type, its default and what it may hold."""

    name: str
    kind: Any
    default: Any
    setting: Setting

    @property
    def optional(self) -> bool:
        """Whether it may be None, written :data:`AUTO`."""
        return isinstance(self.kind, types.UnionType)

    @property
    def base(self) -> Any:
        """The type without ``| None``; ``tuple`` for a tuple of numbers."""
        kind = typing.get_args(self.kind)[0] if self.optional else self.kind
        return typing.get_origin(kind) or kind

    @property
    def range(self) -> str:
        """Choices, or bounds and unit, as text; "" where there are none."""
        if self.setting.choices:
            return f"one of {', '.join(choice or repr(choice) for choice in self.setting.choices)}"
        bounds = self.setting.bounds
        within = f"{bounds[0]:.10g} .. {bounds[1]:.10g}" if bounds else ""
        return " ".join(filter(None, (within, self.setting.unit))) + (f", or {AUTO}" if self.optional else "")

    @property
    def expected(self) -> str:
        """Type, range and unit in words."""
        if self.setting.choices:
            return self.range
        kind = f"{len(typing.get_args(self.kind))} numbers [a, b, ...]" if self.base is tuple else WORDS[self.base]
        return f"{kind} in {self.range}" if self.setting.bounds else f"{kind} {self.range}".strip()

    def check(self, value: Any) -> None:
        """Raise :class:`ConfigurationError` in words unless ``value``, of the right type, is in bounds."""
        if value is None and self.optional:
            return
        numbers = value if isinstance(value, tuple) else (value,)
        bounds = self.setting.bounds
        if bounds and not all(bounds[0] <= number <= bounds[1] for number in numbers):
            raise self.refusal(value)
        if self.setting.choices and value not in self.setting.choices:
            raise self.refusal(value)
        if isinstance(value, float) and not math.isfinite(value) or isinstance(value, str) and not value.isprintable():
            raise self.refusal(value)

    def refusal(self, value: Any) -> ConfigurationError:
        """Return why ``value`` is none: name, value, what is needed with range and unit, the nearest choice."""
        near = suggestion(value, self.setting.choices) if isinstance(value, str) else ""
        return ConfigurationError(
            f"{self.name} = {brief(value)}: needed is {self.expected}{near}. {self.setting.description}"
        )


@dataclass(frozen=True)
class Settings:
    """Base of dataclasses made of settings: every instance is within its bounds, however it was made.

    The docstring of a subclass lists its fields, for ``help`` and for the command line.
    """

    def __init_subclass__(cls) -> None:
        lines = [
            f":param {name}: {field.metadata['setting'].description}"
            for name, field in vars(cls).items()
            if isinstance(field, dataclasses.Field) and "setting" in field.metadata
        ]
        cls.__doc__ = "\n".join([cls.__doc__ or f"{cls.__name__}.", "", *lines])

    def __post_init__(self) -> None:
        for name, declaration in declarations(type(self)).items():
            declaration.check(functools.reduce(getattr, name.split("."), self))


def declarations(kind: type) -> Mapping[str, Declaration]:
    """Return the settings among the fields of the dataclass ``kind``, those of nested dataclasses with dotted names."""
    return _declarations(typing.cast(Any, kind))


@functools.cache
def _declarations(kind: Any) -> Mapping[str, Declaration]:
    found: dict[str, Declaration] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if "setting" in field.metadata:
            found[field.name] = Declaration(field.name, hints[field.name], field.default, field.metadata["setting"])
        elif dataclasses.is_dataclass(hints[field.name]):
            for nested in declarations(hints[field.name]).values():
                name = f"{field.name}.{nested.name}"
                found[name] = dataclasses.replace(nested, name=name)
    return found


def written(value: Any) -> Any:
    """Return the value of a setting as YAML, ROS and people have it."""
    return AUTO if value is None else list(value) if isinstance(value, tuple) else value


def values_of(settings: Settings) -> dict[str, Any]:
    """Return the values of ``settings`` as they are :func:`written`, by name (of nested ones with dots)."""
    names = declarations(type(settings))
    return {name: written(functools.reduce(getattr, name.split("."), settings)) for name in names}


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean ...?"`` where one of ``names`` is like ``name``, else ""."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
