"""Numbers with units in a sentence, in SI units."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

LENGTH, SPEED, TURN_RATE, FRACTION, FREQUENCY, BARE = "length", "speed", "turn rate", "fraction", "frequency", "number"

NUMBER_WORDS = {
    **{word: float(value) for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )},
    "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0, "hundred": 100.0,
    "half": 0.5, "quarter": 0.25,
}  # fmt: skip

_PER_SECOND = r"(?:\s*(?:/|per|a|an)\s*(?:s|sec|second)s?)"
_METRE, _CENTIMETRE = r"(?:m|met(?:re|er)s?)", r"(?:cm|centi\s?met(?:re|er)s?)"
_DEGREE, _RADIAN = r"(?:°|deg(?:ree)?s?)", r"(?:rad(?:ian)?s?)"
# Longer units first: m/s is not a metre.
_UNITS: tuple[tuple[str, str, float], ...] = (
    (rf"{_CENTIMETRE}{_PER_SECOND}", SPEED, 0.01),
    (rf"{_METRE}{_PER_SECOND}|mps", SPEED, 1.0),
    (r"(?:km|kilomet(?:re|er)s?)\s*(?:/|per|an)\s*h(?:our)?|kmh|kph", SPEED, 1.0 / 3.6),
    (rf"{_DEGREE}{_PER_SECOND}", TURN_RATE, math.pi / 180.0),
    (rf"{_RADIAN}{_PER_SECOND}", TURN_RATE, 1.0),
    (r"mm|milli\s?met(?:re|er)s?", LENGTH, 0.001),
    (_CENTIMETRE, LENGTH, 0.01),
    (_METRE, LENGTH, 1.0),
    (r"%|per\s?cent", FRACTION, 0.01),
    (r"hz|hertz|steps?" + _PER_SECOND, FREQUENCY, 1.0),
)
_VALUE = r"[-+]?\d+(?:[.,]\d+)?|[-+]?[.,]\d+|" + "|".join(NUMBER_WORDS)
_ARTICLES = r"(?:\s+(?:a|an|of\s+a))?"
_PATTERN = re.compile(
    rf"(?<![\w.])(?P<value>{_VALUE}){_ARTICLES}\s*(?:"
    + "|".join(f"(?P<u{index}>{unit})" for index, (unit, _, _) in enumerate(_UNITS))
    + r")?(?![\w/])"
)


@dataclass(frozen=True)
class Quantity:
    """``value`` of a ``kind``, in m, m/s, rad/s, 1 or Hz, as said in ``text``; ``by``: said as a change."""

    kind: str
    value: float
    text: str
    by: bool = False


def quantities(text: str) -> tuple[list[Quantity], str]:
    """Return the quantities of a text in lower case, and the text without them.

    A number without a unit is a :data:`BARE` one; a number word without a unit is a word ("one", "half").
    """
    found = []

    def take(match: re.Match[str]) -> str:
        word = match["value"]
        unit = next((index for index in range(len(_UNITS)) if match[f"u{index}"]), None)
        if unit is None and word in NUMBER_WORDS:
            return match[0]
        value = NUMBER_WORDS[word] if word in NUMBER_WORDS else float(word.replace(",", "."))
        kind, scale = (BARE, 1.0) if unit is None else _UNITS[unit][1:]
        before = text[: match.start()].split()
        found.append(Quantity(kind, value * scale, match[0].strip(), by=bool(before) and before[-1] == "by"))
        return " "

    return found, _PATTERN.sub(take, text)
