"""Scores worked out by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.transition import BASE_ANG_VEL, BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS, trajectory_of
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.planners.d_mpc.description import COST_TO_GO
from diffusion_mpc_ros.planners.d_mpc.scoring import Scoring, outcomes, outside, tracking_error
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS

COMMAND = np.array([[0.5, 0.0, 0.2]])
DEFAULT, NOTHING = Scoring(), RewardSettings()


def window(velocity=(0.5, 0.0), yaw_rate=0.2, height=0.3, calf=-1.5):
    """States ``(1, 4, 34)`` that do not change, and their trajectory."""
    state = np.zeros((1, 34))
    state[:, JOINT_POS] = DEFAULT_JOINT_POS
    states = np.repeat(state[:, None], 4, axis=1)
    states[..., BASE_LIN_VEL] = [*velocity, 0.0]
    states[..., BASE_ANG_VEL] = [0.0, 0.0, yaw_rate]
    states[..., BASE_HEIGHT] = height
    states[..., JOINT_POS][..., 2] = calf
    actions = np.tile(DEFAULT_JOINT_POS, (1, 4, 1))
    return states, trajectory_of(state, DEFAULT_JOINT_POS[None], COMMAND, actions, states)


def predicted(**values):
    return {name: np.array([values.get(name, 0.0)]) for name in (*PREDICTIONS, COST_TO_GO)}


def score(scoring=DEFAULT, rewards=NOTHING, states=None, **values):
    states, trajectory = window() if states is None else states
    return scoring(0, COMMAND, states, trajectory, predicted(**values), rewards)


def test_tracking_is_of_the_mean_velocity():
    states, _ = window(velocity=(0.8, -0.1), yaw_rate=0.0)
    # 0.3^2 + 0.1^2 + 0.2^2
    assert tracking_error(COMMAND, states) == pytest.approx(0.14)
    # What sways to both sides has no error.
    states, _ = window()
    states[:, ::2, BASE_LIN_VEL.start + 1] += 0.3
    states[:, 1::2, BASE_LIN_VEL.start + 1] -= 0.3
    assert tracking_error(COMMAND, states) == pytest.approx(0.0, abs=1e-12)


def test_what_comes_after_counts_beside_the_window():
    weighed = Scoring(tracking=2.0, value=3.0)
    off = window(velocity=(0.5, 0.2))
    # -(2 x 0.04 + 3 x 0.1)
    assert score(weighed, states=off, tracking_cost_to_go=0.1) == pytest.approx(-0.38)


def test_heights_and_velocities_are_those_of_the_states_the_rest_is_predicted():
    states, _ = window(velocity=(0.7, 0.1), height=0.25)
    found = outcomes(states, predicted(base_height=9.0, base_lin_vel_x=9.0, mechanical_power=40.0))
    assert found["base_height"] == pytest.approx(0.25) and found["mechanical_power"] == pytest.approx(40.0)
    np.testing.assert_allclose(found["base_lin_vel"], [[0.7, 0.1]])


def test_the_operators_reward_counts_by_its_scale():
    low = RewardSettings(1, {"base_height": 1000.0}, {"base_height.target": np.array([0.2])})
    # 0.01 x 1000 x -(0.3 - 0.2)^2
    assert score(rewards=low) == pytest.approx(-0.1)
    power = RewardSettings(1, {"learned_energy": 1.0})
    # 50 W for 4 rows of 0.02 s
    assert score(rewards=power, mechanical_power=50.0) == pytest.approx(-0.01 * 4.0)


def test_leaving_a_constraint_is_counted_in_its_tolerance():
    settings = RewardSettings(
        1, {}, {"joint_range.min": np.full(12, -1.6), "joint_range.max": np.full(12, 3.0)}, ("joint_range",)
    )
    inside, outer = window(), window(calf=-1.7)
    assert outside(0, inside[1], settings) == pytest.approx(0.0)
    # One joint 0.1 rad outside in every row; the tolerance is 0.02 rad.
    assert outside(0, outer[1], settings) == pytest.approx(5.0)
    assert score(rewards=settings, states=outer) == pytest.approx(-0.5)
