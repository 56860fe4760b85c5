"""Numbers with units, by hand."""

from __future__ import annotations

import math

import pytest

from diffusion_mpc_ros.language.quantities import (
    BARE,
    FRACTION,
    FREQUENCY,
    LENGTH,
    SPEED,
    TURN_RATE,
    quantities,
)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("walk at 22 cm", LENGTH, 0.22),
        ("300 mm", LENGTH, 0.3),
        ("raise it to one metre", LENGTH, 1.0),
        ("0.5 m/s", SPEED, 0.5),
        ("0,5 m/s", SPEED, 0.5),
        ("20 cm per second", SPEED, 0.2),
        ("half a metre per second", SPEED, 0.5),
        ("1.8 km/h", SPEED, 0.5),
        ("30 degrees per second", TURN_RATE, math.pi / 6),
        ("90 deg/s", TURN_RATE, math.pi / 2),
        ("0.4 rad/s", TURN_RATE, 0.4),
        ("20 %", FRACTION, 0.2),
        ("ten percent", FRACTION, 0.1),
        ("3 hz", FREQUENCY, 3.0),
        ("walk at 0.5", BARE, 0.5),
    ],
)
def test_a_quantity_in_si_units(text, kind, value):
    (found,), rest = quantities(text)
    assert (found.kind, pytest.approx(found.value)) == (kind, value)
    assert not any(character.isdigit() for character in rest)


def test_a_change_is_told_from_a_value():
    assert [quantity.by for text in ("lower by 3 cm", "lower to 20 cm") for quantity in quantities(text)[0]] == [
        True,
        False,
    ]


def test_two_in_one_text_and_what_is_left():
    found, rest = quantities("left curve at 0.4 m/s turning 20 deg/s")
    assert [quantity.kind for quantity in found] == [SPEED, TURN_RATE]
    assert rest.split() == ["left", "curve", "at", "turning"]


@pytest.mark.parametrize("text", ["one leg", "half the speed", "the go2 robot", "m/s", ""])
def test_no_quantity(text):
    assert quantities(text) == ([], text)
