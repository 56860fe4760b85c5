"""Configuration dataclasses from YAML files, every name and type checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError

Config = TypeVar("Config")


def load_config(kind: type[Config], path: Path) -> Config:
    """The dataclass ``kind`` from the mapping in ``path``; what the file does not name has its default.

    Raises :class:`ConfigurationError` for an unreadable file, an unknown name, or a value of another type.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error}") from None
    return _build(kind, content or {}, str(path))


def _build(kind: Any, value: Any, where: str) -> Any:
    """``value`` as ``kind``; ``where`` names its place in the file."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if origin in (typing.Union, types.UnionType):
        chosen = [argument for argument in arguments if argument is not types.NoneType]
        return None if value is None else _build(chosen[0], value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise ConfigurationError(f"{where}: {len(kinds)} values are needed, got {value!r}")
        return tuple(_build(part, item, f"{where}[{index}]") for index, (part, item) in enumerate(zip(kinds, value)))
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and type(value) is kind:
        return value
    raise ConfigurationError(f"{where} must be {getattr(kind, '__name__', kind)}, got {value!r}")


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} must map names of {names} to values, got {value!r}")
    unknown = sorted(set(value) - set(names), key=str)
    if unknown:
        raise ConfigurationError(f"{where} has unknown names {unknown}; there are {names}")
    return kind(**{name: _build(hints[name], item, f"{where}: {name}") for name, item in value.items()})
