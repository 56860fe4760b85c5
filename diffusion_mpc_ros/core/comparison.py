"""What differs between two nested configurations, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusion_mpc_ros.core.errors import brief

_ABSENT = object()


def differences(known: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a text for every value in which ``asked`` differs from ``known``, nested ones by their dotted name."""
    for name in dict.fromkeys((*known, *asked)):
        before, now = known.get(name, _ABSENT), asked.get(name, _ABSENT)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from differences(before, now, f"{prefix}{name}.")
        elif before is _ABSENT or now is _ABSENT or before != now:
            yield f"{prefix}{name} {_text(before)} there, {_text(now)} now"


def _text(value: object) -> str:
    return "nothing" if value is _ABSENT else brief(value)
