"""A declared node parameter: one type, and the one place that turns what a person wrote into a value of it.

Python's and ROS's readers of YAML guess the type of a scalar differently (``1e6`` is text to one and a number to the
other). Here nothing is guessed: the text of a scalar is read as the declared type. Standard library and PyYAML only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError, brief

# Longer than any value or parameter file [characters].
MAX_VALUE, MAX_FILE = 4096, 2**18
# More parameters, and nested deeper, than in any node: a file of aliases stands for more than any memory holds.
_MAX_PARAMETERS, _MAX_DEPTH = 1000, 4
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
# Both readers know these words; ``y`` and ``n`` ROS alone.
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter; ``default`` gives the type, and of a list of numbers the length.

    ``minimum`` and ``maximum`` (both or none) bound a number, or each of a list; ``choices`` are the valid texts.
    ``owner`` says which option sets it, so that no override may: "" for none.
    """

    name: str
    default: Any
    description: str
    minimum: float | None = None
    maximum: float | None = None
    read_only: bool = True
    choices: tuple[str, ...] = ()
    owner: str = ""

    @property
    def expected(self) -> str:
        """Type and bounds in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kind = type(self.default)
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        text = f"{len(self.default)} numbers [a, b, ...]" if kind is list else words[kind]
        return text if self.minimum is None else f"{text} in {self.minimum:g} .. {self.maximum:g}"

    def convert(self, value: Any) -> Any:
        """Return ``value`` in the declared type, an integer as a float where one is declared.

        Raises ConfigurationError, in words, for anything else or out of bounds.
        """
        try:
            converted = _convert(value, self.default)
        except (TypeError, ValueError, OverflowError):
            raise self._error(value) from None
        numbers = converted if isinstance(converted, list) else [converted]
        if self.minimum is not None and not all(self.minimum <= number <= self.maximum for number in numbers):
            raise self._error(value)
        if self.choices and converted not in self.choices:
            raise self._error(value)
        return converted

    def parse(self, text: str) -> Any:
        """Return the value that ``text`` of a command line stands for; raises ConfigurationError."""
        if isinstance(self.default, str) and not text.startswith(('"', "'")):
            return self.convert(text)
        return self.read(_compose(text, MAX_VALUE, self.name))

    def read(self, node: yaml.Node | None) -> Any:
        """Return the value of a node of YAML; raises ConfigurationError."""
        if isinstance(node, yaml.SequenceNode):
            return self.convert([_scalar(part, 0.0) for part in node.value])
        return self.convert(_scalar(node, self.default))

    def _error(self, value: Any) -> ConfigurationError:
        return ConfigurationError(f"{self.name} = {brief(value)}: needed is {self.expected}. {self.description}")


def read_file(path: Path) -> dict[str, yaml.Node]:
    """Return the parameters of a ROS parameter file with dotted names, their values unread; raises ConfigurationError.

    Its content stands below ``/**: ros__parameters:``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the parameters {path} cannot be read: {error}") from None
    nested = _compose(text, MAX_FILE, str(path))
    for key in ("/**", "ros__parameters"):
        nested = dict(_items(nested, str(path))).get(key) if isinstance(nested, yaml.MappingNode) else None
    if nested is None:
        raise ConfigurationError(f"{path} is no ROS parameter file: '/**: ros__parameters:' is missing")
    found: dict[str, yaml.Node] = {}
    for name, node in _flatten(nested, "", str(path)):
        if name in found:
            raise ConfigurationError(f"{path} gives {name} twice")
        if len(found) == _MAX_PARAMETERS:
            raise ConfigurationError(f"{path} has more than {_MAX_PARAMETERS} parameters")
        found[name] = node
    return found


def _convert(value: Any, default: Any) -> Any:
    """``value`` in the type of ``default``; raises TypeError, ValueError or OverflowError."""
    if isinstance(default, list):
        if not isinstance(value, (list, tuple)) or len(value) != len(default):
            raise TypeError
        return [_convert(item, 0.0) for item in value]
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise TypeError
        return float(value)
    if type(value) is not type(default) or (isinstance(value, str) and not value.isprintable()):
        raise TypeError
    return value


def _scalar(node: yaml.Node | None, default: Any) -> Any:
    """The value of a scalar read as the type of ``default``; its text, or the node, where it does not read so."""
    if not isinstance(node, yaml.ScalarNode):
        return "" if node is None else f"a {node.id}"
    text = node.value
    if isinstance(default, str) or node.style in ("'", '"'):
        return text
    if isinstance(default, bool):
        return _WORDS.get(text.lower(), text)
    if isinstance(default, int):
        return int(text) if _INTEGER.fullmatch(text) else text
    return float(text) if _NUMBER.fullmatch(text) else text


def _compose(text: str, longest: int, where: str) -> yaml.Node | None:
    """The tree of ``text``; nothing in it is built, and an alias is not written out."""
    if len(text) > longest:
        raise ConfigurationError(f"{where}: {len(text)} characters are more than the {longest} that are read")
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where} is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigurationError(f"{where} is nested too deeply: {brief(text)}") from None


def _items(mapping: yaml.MappingNode, where: str) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigurationError(f"{where}: a {key.id} is no name of a parameter")
        yield key.value, value


def _flatten(node: yaml.Node, prefix: str, where: str, depth: int = 0) -> Iterator[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        if not (isinstance(node, yaml.ScalarNode) and not prefix):  # an empty file of parameters
            yield prefix, node
        return
    if depth == _MAX_DEPTH:
        raise ConfigurationError(f"{where}: {prefix} is nested too deeply")
    for key, value in _items(node, where):
        yield from _flatten(value, f"{prefix}.{key}" if prefix else key, where, depth + 1)
