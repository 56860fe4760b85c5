"""The preset that a slope asks for: not at once, not between two, and none where the slope is not known."""

import math

import pytest

from diffusion_mpc_ros.rewards.by_slope import DOWNHILL, DWELL_TIME, UPHILL, PresetBySlope


@pytest.fixture
def told():
    """A function that tells a slope [deg] for a time [s], ten times a second, and returns the preset at the end."""
    choice, clock = PresetBySlope(10.0), [0.0]

    def tell(degrees, seconds=DWELL_TIME + 0.2):
        for _ in range(round(seconds * 10)):
            clock[0] += 0.1
            choice.update(clock[0], math.radians(degrees))
        return choice.preset

    return tell


def test_each_way_has_its_preset(told):
    assert [told(slope) for slope in (0.0, 9.0, 11.0, -11.0, 0.0)] == ["", "", UPHILL, DOWNHILL, ""]


def test_a_preset_stays_until_the_slope_is_clearly_less(told):
    # Taken at 10, left below 6.
    assert [told(slope) for slope in (11.0, 7.0, 5.0, 7.0)] == [UPHILL, UPHILL, "", ""]
    assert [told(slope) for slope in (-11.0, -7.0, -5.0)] == [DOWNHILL, DOWNHILL, ""]


def test_what_is_soon_over_changes_nothing(told):
    assert told(20.0, 0.4) == "" and told(0.0) == ""
    assert told(20.0) == UPHILL
    assert told(-20.0, 0.3) == UPHILL and told(0.0, 0.3) == UPHILL and told(20.0) == UPHILL


def test_where_nobody_knows_the_slope_the_preset_ends(told):
    assert told(20.0) == UPHILL
    assert told(math.nan, 0.4) == UPHILL and told(math.nan) == ""
