"""Velocities at random, the same for the same seed, however often one asks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.commands import run
from diffusion_mpc_ros.commands.wander import RANGES, Wander
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.nodes.settings import PlannerSettings


def asked(seed: int, times: np.ndarray) -> np.ndarray:
    wander = Wander(seed)
    return np.array([wander.at(time) for time in times])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0.01, 3.0), min_size=1, max_size=20))
def test_how_often_one_asks_changes_nothing(seed, steps):
    begin = 1234.5
    often = asked(seed, begin + np.arange(0.0, sum(steps) + 0.1, 0.02))
    seldom = asked(seed, np.array([begin, *(begin + np.cumsum(steps))]))
    # The tick that a time falls into may round to its neighbour's.
    assert {tuple(each) for each in seldom} <= {tuple(each) for each in often}
    assert np.array_equal(seldom[0], often[0])


def test_each_velocity_is_held_for_seconds_and_goes_beyond_what_the_planner_plans_for():
    times = np.arange(0.0, 300.0, 0.1)
    velocities = asked(3, times)
    changes = times[1:][(np.diff(velocities, axis=0) != 0.0).any(axis=1)]
    low, high = np.array(RANGES.resample_ticks) * 0.02
    assert 300.0 / high - 2 < len(changes) < 300.0 / low + 1
    assert np.diff(changes).min() > low - 0.2
    largest = np.abs(velocities).max(axis=0)
    assert (largest <= [RANGES.vx[1], RANGES.vy[1], RANGES.yaw_rate[1]]).all()
    # Where a robot is slower than asked, planner.max_command can be raised.
    assert (largest > np.array(PlannerSettings().max_command)).all()
    assert not np.array_equal(velocities, asked(4, times))


def test_a_seed_below_zero_is_refused():
    with pytest.raises(ConfigurationError, match="wander -1: a seed is a whole number"):
        run.Config(wander=-1)
