"""The value of what comes after a window, worked out by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND
from diffusion_mpc_ros.training.costs_to_go import AHEAD, FEWEST
from diffusion_mpc_ros.training.d_mpc.value import tracking_costs, tracking_costs_to_go

LENGTH, ROWS = 120, 4


def to_go(cost=None, command=None, fresh=None):
    cost = np.full((1, LENGTH), 0.1) if cost is None else cost
    command = np.tile([0.5, 0.0, 0.0], (1, LENGTH, 1)) if command is None else command
    start = np.arange(LENGTH)[None] == 0
    return tracking_costs_to_go(cost, command, start if fresh is None else fresh, ROWS)[0]


def test_a_tick_costs_squared_errors_and_no_more_than_a_fall():
    observation = np.zeros((1, 3, 45))
    observation[..., COMMAND] = [0.5, 0.0, 0.2]
    observation[..., BASE_ANG_VEL] = [0.0, 0.0, 0.5]
    velocity = np.zeros((1, 3, 3))
    velocity[0, :, 0] = [0.5, 0.3, -1.0]
    # 0.3^2 of the yaw rate; and 0.2^2; and 1.5^2, which is more than 1.
    np.testing.assert_allclose(
        tracking_costs({"observation": observation, "base_lin_vel": velocity})[0], [0.09, 0.13, 1.0]
    )


def test_a_steady_walk_costs_what_every_tick_costs():
    found = to_go()
    assert found.shape == (LENGTH - ROWS,)
    # The last windows are followed by less than half a second.
    known = LENGTH - ROWS - FEWEST + 1
    np.testing.assert_allclose(found[:known], 0.1)
    assert np.isnan(found[known:]).all()


def test_the_state_that_ends_the_window_is_the_first_that_counts():
    cost = np.zeros((1, LENGTH))
    cost[0, 30] = 1.0
    found = to_go(cost)
    # The window from tick 26 ends with the state at tick 30, the one from 27 after it.
    assert found[30 - ROWS] == pytest.approx(1.0 / AHEAD) and found[30 - ROWS + 1] == 0.0
    assert found[0] == pytest.approx(1.0 / AHEAD)


def test_after_a_fall_every_tick_costs_one():
    fresh = np.arange(LENGTH)[None] == 0
    fresh[0, 60:80] = True  # put back on its feet at tick 60, settled at 80
    found = to_go(fresh=fresh)
    # From tick 50 on: 10 ticks at 0.1, 40 lying.
    assert found[50 - ROWS] == pytest.approx((10 * 0.1 + 40 * 1.0) / AHEAD)
    # The fall is 50 ticks away: not seen any more.
    assert found[10 - ROWS] == pytest.approx(0.1)


def test_another_command_ends_what_is_counted():
    command = np.tile([0.5, 0.0, 0.0], (1, LENGTH, 1))
    command[0, 60:] = 0.0
    cost = np.full((1, LENGTH), 0.1)
    cost[0, 60:] = 0.9
    found = to_go(cost, command)
    # 30 ticks before the change are enough to know, 20 are not.
    assert found[30 - ROWS] == pytest.approx(0.1)
    assert np.isnan(found[40 - ROWS])
