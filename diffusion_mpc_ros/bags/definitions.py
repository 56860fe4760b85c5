"""The text of a message's definition, which a bag holds so that it can be read without this project and without ROS."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from diffusion_mpc_ros.core.errors import ConfigurationError

# Between the definition of a type and those that it is made of, as ros2 bag writes them.
SEPARATOR = "=" * 80
_PRIMITIVE = re.compile(r"(bool|byte|char|w?string|float(32|64)|u?int(8|16|32|64))\b")
_FIELD = re.compile(r"^\s*([\w/]+)\s*(<=\d+)?(\[[<=\d]*\])?\s+\w+")


def full_definition(type_name: str) -> str:
    """Return the definition of ``package/msg/Name`` with all that it is made of; raises ConfigurationError."""
    texts: dict[str, str] = {}
    _collect(type_name, texts)
    own, *others = texts.items()
    return own[1] + "".join(f"{SEPARATOR}\nMSG: {_short(name)}\n{text}" for name, text in others)


def _collect(type_name: str, texts: dict[str, str]) -> None:
    package, _, name = type_name.split("/")
    texts[type_name] = text = _read(package, name)
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match is None or _PRIMITIVE.match(match[1]):
            continue
        # A type of the same package may go by its name alone; Header does everywhere.
        *given, field = match[1].split("/")
        owner = given[0] if given else "std_msgs" if field == "Header" else package
        if f"{owner}/msg/{field}" not in texts:
            _collect(f"{owner}/msg/{field}", texts)


def _read(package: str, name: str) -> str:
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    for prefix in prefixes:
        path = Path(prefix, "share", package, "msg", f"{name}.msg")
        if path.is_file():
            return path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    raise ConfigurationError(
        f"no definition of {package}/msg/{name} in share/ of {prefixes}: is the package {package} installed?"
    )


def _short(type_name: str) -> str:
    package, _, name = type_name.split("/")
    return f"{package}/{name}"
