"""Costs-to-go by hand: what a tick costs, and what is counted after a window."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.trajectory import JOINT_VEL, PROJECTED_GRAVITY
from diffusion_mpc_ros.rewards.predictions import COSTS_TO_GO
from diffusion_mpc_ros.training import costs_to_go as module
from diffusion_mpc_ros.training.costs_to_go import costs_to_go, tick_costs


def test_the_costs_of_a_tick():
    observation = np.zeros((1, 3, 45))
    observation[..., PROJECTED_GRAVITY] = [[0.0, 0.0, -1.0], [0.6, 0.0, -0.8], [0.0, 0.0, -2.0]]
    observation[0, 0, JOINT_VEL] = 1.0
    observation[0, 1, JOINT_VEL] = 1.5
    arrays = {
        "observation": observation, "mechanical_power": np.array([[10.0, 20.0, 30.0]]),
        "fresh": np.array([[True, False, True]]),
    }  # fmt: skip
    costs = dict(zip(COSTS_TO_GO, np.moveaxis(tick_costs(arrays), -1, 0)))
    np.testing.assert_allclose(costs["joint_velocity_to_go"], [[12.0, 27.0, 0.0]])
    # 0.5 rad/s in a tick for twelve joints; not from the second tick to the third, which begins another life.
    np.testing.assert_allclose(costs["joint_acceleration_to_go"], [[0.0, 12.0 * (0.5 / CONTROL_DT) ** 2, 0.0]])
    np.testing.assert_allclose(costs["energy_to_go"], [[10.0, 20.0, 30.0]])
    np.testing.assert_allclose(costs["tilt_to_go"], [[0.0, np.arccos(0.8), 0.0]], atol=1e-12)


@pytest.fixture
def short(monkeypatch):
    """Four ticks ahead, and no fewer than two."""
    monkeypatch.setattr(module, "AHEAD", 4)
    monkeypatch.setattr(module, "FEWEST", 2)


def test_the_ticks_after_the_window_are_averaged(short):
    costs = np.arange(10.0).reshape(1, 10, 1) ** 2
    fresh = np.arange(10)[None] == 0
    to_go = costs_to_go(costs, np.zeros((1, 10, 3)), fresh, horizon=3)
    assert to_go.shape == (1, 8, 1)
    expected = [(9 + 16 + 25 + 36) / 4, (16 + 25 + 36 + 49) / 4, (25 + 36 + 49 + 64) / 4, (36 + 49 + 64 + 81) / 4,
                (49 + 64 + 81) / 3, (64 + 81) / 2, np.nan, np.nan]  # fmt: skip
    np.testing.assert_allclose(to_go[0, :, 0], expected)


@pytest.mark.parametrize("what", ["command", "life"])
def test_nothing_is_counted_beyond_a_new_command_or_a_new_life(short, what):
    costs, command, fresh = np.arange(12.0).reshape(1, 12, 1), np.zeros((1, 12, 3)), np.zeros((1, 12), bool)
    if what == "command":
        command[0, 6:, 0] = 0.5
    else:
        fresh[0, 6] = True
    to_go = costs_to_go(costs, command, fresh, horizon=2)[0, :, 0]
    # From tick 6 on it is another command: the windows that begin at 0 to 2 see 4, 3 and 2 ticks before it.
    np.testing.assert_allclose(to_go[:3], [3.5, 4.0, 4.5])
    # One tick, none, and windows across the change: not known. A window that begins with the change is one of the new.
    assert np.isnan(to_go[3:6]).all()
    assert to_go[6] == pytest.approx((8 + 9 + 10 + 11) / 4)
