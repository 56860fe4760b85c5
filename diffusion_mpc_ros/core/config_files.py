"""The one loader of configuration files: YAML becomes a dataclass, every name, type and bound checked.

Readers of YAML guess the type of a scalar differently (``1e6`` is text to PyYAML and a number to ROS). Here nothing is
guessed: a scalar is text until it is read as the type that the dataclass declares, in files and on the command line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import dacite
import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.core.settings import AUTO, WORDS, Declaration, declarations, suggestion

Config = TypeVar("Config")

# Longer than any value or file [characters].
MAX_VALUE, MAX_FILE = 4096, 2**18
# More nested than any file.
_MAX_DEPTH = 12
# Longer than any number that is one.
_LONGEST_NUMBER = 100
_NUMBERS = {
    int: re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    float: re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
}
# ROS's reader knows these words as well; ``y`` and ``n`` ROS alone.
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Plain(str):
    """The text of a scalar without quotes: it may stand for a value of another type."""


def load(kind: type[Config], path: str | Path) -> Config:
    """Return the dataclass ``kind`` from the mapping in the file ``path``; what is not named has its default.

    Raises :class:`ConfigurationError` for an unreadable file, an unknown or missing name, a value of another type or
    out of bounds.
    """
    return build(kind, read(path), str(path))


def read(path: str | Path) -> Any:
    """Return what the YAML file ``path`` holds: mappings, tuples, texts; {} for an empty one.

    Raises :class:`ConfigurationError`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error}") from None
    content = parse(text, str(path), MAX_FILE)
    return {} if content in (None, "") else content


def parse(text: str, where: str, longest: int = MAX_VALUE) -> Any:
    """Return what ``text`` holds; nothing in it is executed, and what aliases stand for is not written out."""
    if len(text) > longest:
        raise ConfigurationError(f"{where}: {len(text)} characters are more than the {longest} that are read")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return Plain() if node is None else _content(node, where, {})
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where} cannot be read as YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigurationError(f"{where} cannot be read: it is nested too deeply") from None


def _content(node: yaml.Node, where: str, known: dict[int, Any], depth: int = 0) -> Any:
    """Return ``known``: the contents of the nodes above and before by identity; an alias stands for the same object."""
    if isinstance(node, yaml.ScalarNode):
        quoted = node.style is not None
        return node.value if quoted else None if node.value in ("null", "~") else Plain(node.value)
    if id(node) in known:
        if known[id(node)] is known:
            raise ConfigurationError(f"{where} cannot be read: an alias stands for itself")
        return known[id(node)]
    if depth == _MAX_DEPTH:
        raise ConfigurationError(f"{where} cannot be read: it is nested too deeply")
    known[id(node)] = known
    content: Any
    if isinstance(node, yaml.SequenceNode):
        content = tuple(_content(part, where, known, depth + 1) for part in node.value)
    else:
        content = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigurationError(f"{where}: a {key.id} is no name")
            if key.value in content:
                raise ConfigurationError(f"{where} gives {brief(key.value)} twice")
            content[str(key.value)] = _content(value, where, known, depth + 1)
    known[id(node)] = content
    return content


def build(kind: type[Config], content: Any, where: str) -> Config:
    """Return the dataclass ``kind`` from ``content``, as :func:`read` or ``json`` give it; ``where`` it comes from.

    Raises :class:`ConfigurationError` as :func:`load` does.
    """
    check_shape(kind, content, where)
    try:
        return dacite.from_dict(kind, content, _DACITE)
    except dacite.MissingValueError as error:
        raise ConfigurationError(f"{where}: {error.field_path} is missing") from None
    except dacite.WrongTypeError as error:
        name = error.field_path or ""
        if name in declarations(kind):
            raise ConfigurationError(
                f"{where}: {declarations(kind)[name].refusal(flat(content, where)[name])}"
            ) from None
        needed = WORDS.get(error.field_type, error.field_type)
        raise ConfigurationError(f"{where}: {name} = {brief(error.value)}: needed is {needed}") from None
    except ConfigurationError as error:
        raise type(error)(f"{where}: {error}") from None


def parse_value(declaration: Declaration, text: str) -> Any:
    """Return the value of a setting that ``text`` of a command line stands for; raises :class:`ConfigurationError`."""
    taken_as_it_is = declaration.base is str and not text.startswith(('"', "'"))
    return convert(declaration, Plain(text) if taken_as_it_is else parse(text, declaration.name))


def convert(declaration: Declaration, value: Any) -> Any:
    """Return ``value`` in the declared type; raises :class:`ConfigurationError` for another one or out of bounds."""
    if isinstance(value, list):
        value = tuple(value)
    try:
        converted: Any = dacite.from_dict(_holder(declaration.kind), {"value": value}, _DACITE).value
    except dacite.DaciteError:
        raise declaration.refusal(value) from None
    declaration.check(converted)
    return converted


def flat(content: Any, where: str) -> dict[str, Any]:
    """Return the values of nested mappings by their dotted names; raises :class:`ConfigurationError`."""
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where} must map names to values, got {brief(content)}")
    found: dict[str, Any] = {}
    for name, value in content.items():
        inner = {f"{name}.{key}": part for key, part in flat(value, where).items()} if isinstance(value, dict) else {}
        for key, part in (inner or {name: value}).items():
            if key in found:
                raise ConfigurationError(f"{where} gives {brief(key)} twice")
            found[key] = part
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested mappings that :func:`flat` makes ``values`` of."""
    content: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        functools.reduce(lambda mapping, part: mapping.setdefault(part, {}), path, content)[last] = value
    return content


def check_shape(kind: type, content: Any, where: str) -> None:
    """Raise :class:`ConfigurationError` for a name that the dataclass ``kind`` lacks, or a text for a list."""
    hints = {field.name: typing.get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where} must map names of {list(hints)} to values, got {brief(content)}")
    for name, value in content.items():
        if name not in hints:
            raise unknown(where, name, hints)
        for inner in (hints[name], *typing.get_args(hints[name])):
            if isinstance(value, str) and inner is hints[name] and typing.get_origin(inner) in (tuple, frozenset):
                raise ConfigurationError(f"{where}: {name} = {brief(value)}: needed is a list [a, b, ...]")
            if dataclasses.is_dataclass(inner) and value is not None:
                parts = value if isinstance(value, (list, tuple)) else (value,)
                for number, part in enumerate(parts):
                    index = f"[{number}]" if parts is value else ""
                    check_shape(typing.cast(type, inner), part, f"{where}: {name}{index}")


def unknown(where: str, name: Any, names: Iterable[str]) -> ConfigurationError:
    """Return why ``name`` is none of ``names``: the nearest one, and all there are."""
    known = sorted(names)
    return ConfigurationError(
        f"{where} has no setting {brief(name)}{suggestion(str(name), known)}; there are {', '.join(known)}"
    )


def _scalar(kind: Any, value: Any) -> Any:
    """Return ``value`` as the type ``kind``, a whole number as a float where one is asked for."""
    if isinstance(value, Plain):
        if kind is bool:
            value = _FLAGS.get(value.lower(), value)
        elif kind in _NUMBERS and len(value) <= _LONGEST_NUMBER and _NUMBERS[kind].fullmatch(value):
            value = kind(value)
    if kind in (str, Path) and isinstance(value, (str, kind)):
        return kind(value)
    if kind in (bool, int, float) and isinstance(value, (int, float) if kind is float else kind):
        with contextlib.suppress(OverflowError):
            if isinstance(value, bool) == (kind is bool) and math.isfinite(value):
                return kind(value)
    raise dacite.WrongTypeError(field_type=kind, value=value)


_HOOKS: dict[Any, Any] = {kind: functools.partial(_scalar, kind) for kind in WORDS}
_HOOKS |= {kind | None: lambda value: None if value == AUTO else value for kind in WORDS}
_DACITE = dacite.Config(type_hooks=_HOOKS, cast=[tuple, frozenset])


@functools.cache
def _holder(kind: Any) -> type:
    return dataclasses.make_dataclass("Holder", [("value", kind)])
