"""Sentences with what they mean, and how many of them are understood so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from diffusion_mpc_ros.language.meaning import Height, Meaning
from diffusion_mpc_ros.language.understanding import Interpreter

FOLDER = Path(__file__).parent
# Of a speed that is rounded in the list.
TOLERANCE = 1e-3


def read(name: str) -> list[dict[str, Any]]:
    """The sentences of a list, each with ``say`` and ``means``."""
    return yaml.safe_load((FOLDER / name).read_text())["sentences"]


def is_right(meaning: Meaning, expected: Any) -> bool:
    """Whether a meaning is the expected one, or one of several; see held_out.yaml."""
    if isinstance(expected, list):
        return any(is_right(meaning, each) for each in expected)
    if expected.get("nothing"):
        return not meaning
    return (
        _presets_right(meaning.presets, expected.get("presets", []))
        and _height_right(meaning.height, expected.get("height"))
        and _numbers_right(meaning.parameters, expected.get("parameters", {}))
        and _numbers_right(meaning.velocity, expected.get("velocity", {}))
        and _speed_right(meaning.speed, expected.get("speed"))
        and meaning.action == expected.get("action", "")
    )


def moves_unasked(meaning: Meaning, expected: Any) -> bool:
    """Whether it would move the robot where no right meaning does, or another way than any of them."""
    meanings = expected if isinstance(expected, list) else [expected]
    if not meaning.moves:
        return False
    asked = [each for each in meanings if each.get("velocity") or each.get("speed")]
    return not any(
        _numbers_right(meaning.velocity, each.get("velocity", {})) and _speed_right(meaning.speed, each.get("speed"))
        for each in asked
    )


def score(interpreter: Interpreter, name: str) -> tuple[int, list[str], list[str]]:
    """How many sentences of a list are right, those that are not, and those that would move the robot unasked."""
    sentences = read(name)
    meant = [(each["say"], interpreter.understand(each["say"]).meaning, each["means"]) for each in sentences]
    wrong = [f"{said!r}: {meaning}, not {means}" for said, meaning, means in meant if not is_right(meaning, means)]
    unasked = [f"{said!r}: {meaning}" for said, meaning, means in meant if moves_unasked(meaning, means)]
    return len(sentences) - len(wrong), wrong, unasked


def _presets_right(presets: tuple[str, ...], expected: list[str]) -> bool:
    choices = [set(each.split("|")) for each in expected]
    return len(presets) == len(choices) and all(any(preset in each for preset in presets) for each in choices)


def _height_right(height: Height | None, expected: Any) -> bool:
    if height is None or expected is None:
        return height is None and expected is None
    if expected in ("lower", "higher"):
        return height.by is not None and (height.by < 0.0) == (expected == "lower")
    if isinstance(expected, str):
        value, unit = re.fullmatch(r"([-+]?[\d.]+) ?(m|%)", expected).groups()
        if unit == "%":
            return height.factor is not None and abs(height.factor - 1.0 - float(value) / 100.0) < TOLERANCE
        return height.by is not None and abs(height.by - float(value)) < TOLERANCE
    if expected < 0.1:  # 0.02 m is a change
        return height.by is not None and abs(height.by - expected) < TOLERANCE
    return height.to is not None and abs(height.to - expected) < TOLERANCE


def _numbers_right(values: Any, expected: dict[str, Any]) -> bool:
    if values.keys() != expected.keys():
        return False
    return all(
        (values[name] > 0.0) == (want == "+") if isinstance(want, str) else abs(values[name] - want) < TOLERANCE
        for name, want in expected.items()
    )


def _speed_right(speed: float | None, expected: Any) -> bool:
    if speed is None or expected is None:
        return speed is None and expected is None
    if isinstance(expected, str):
        return (speed > 1.0) == (expected == "faster")
    return abs(speed - expected) < TOLERANCE
