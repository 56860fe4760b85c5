"""The demonstrator's reward terms by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch import BatchState
from diffusion_mpc_ros.training.gait_rewards import GaitMemory, GaitWeights, gait_rewards


def make_state(**changes) -> BatchState:
    fields = {
        "base_pos": np.array([[0.0, 0.0, 0.3]]),
        "base_quat_wxyz": np.array([[1.0, 0.0, 0.0, 0.0]]),
        "base_lin_vel_b": np.zeros((1, 3)),
        "base_ang_vel_b": np.zeros((1, 3)),
        "projected_gravity_b": np.array([[0.0, 0.0, -1.0]]),
        "joint_pos": go2.DEFAULT_JOINT_POS[None].copy(),
        "joint_vel": np.zeros((1, 12)),
        "joint_torque": np.zeros((1, 12)),
        "mechanical_power": np.zeros(1),
        "foot_force": np.full((1, 4), 40.0),
        "foot_pos": np.full((1, 4, 3), 0.022),
        "foot_vel": np.zeros((1, 4, 3)),
    }
    return BatchState(**{**fields, **changes})


def terms(state: BatchState, command=(0.5, 0.0, 0.0), memory: GaitMemory | None = None, action=None):
    action = np.zeros((1, 12)) if action is None else action
    memory = memory or GaitMemory(1)
    return gait_rewards(state, np.array([command]), np.array([0.3]), action, memory, GaitWeights())


def test_tracking_terms():
    state = make_state(base_lin_vel_b=np.array([[0.3, 0.0, 0.1]]), base_ang_vel_b=np.array([[0.0, 0.2, 0.5]]))
    value = terms(state)
    assert value["progress"][0] == pytest.approx(0.3)
    assert value["linear_velocity"][0] == pytest.approx(np.exp(-0.04 / 0.2))  # error 0.2 m/s
    assert value["yaw_rate"][0] == pytest.approx(np.exp(-0.25 / 0.25))
    assert value["base_height"][0] == pytest.approx(1.0)
    assert value["vertical_velocity"][0] == pytest.approx(0.01)
    assert value["roll_pitch_rate"][0] == pytest.approx(0.04)


def test_progress_is_not_rewarded_beyond_the_command():
    assert terms(make_state(base_lin_vel_b=np.array([[2.0, 0.0, 0.0]])))["progress"][0] == pytest.approx(0.5)


@pytest.mark.parametrize(("feet", "expected"), [((1, 0, 0, 1), 1.0), ((1, 1, 1, 1), 0.0), ((1, 0, 1, 0), 0.0)])
def test_trot_wants_one_diagonal_pair(feet, expected):
    # Feet FR, FL, RR, RL: the diagonals are FR-RL and FL-RR.
    state = make_state(foot_force=40.0 * np.array([feet], dtype=float))
    assert terms(state)["trot"][0] == expected
    assert terms(state, command=(0.0, 0.0, 0.0))["trot"][0] == 0.0


def test_air_time_is_paid_at_touch_down():
    memory = GaitMemory(1)
    lifted = make_state(foot_force=np.array([[0.0, 40.0, 40.0, 40.0]]))
    for _ in range(10):
        assert terms(lifted, memory=memory)["air_time"][0] == 0.0
    # Ten ticks of 0.02 s in the air: 0.2 - 0.1 s are paid.
    assert terms(make_state(), memory=memory)["air_time"][0] == pytest.approx(0.1)
    assert terms(make_state(), memory=memory)["air_time"][0] == 0.0


def test_action_rate_and_jerk_see_the_last_two_actions():
    memory = GaitMemory(1)
    terms(make_state(), memory=memory, action=np.full((1, 12), 1.0))
    value = terms(make_state(), memory=memory, action=np.full((1, 12), 3.0))
    assert value["action_rate"][0] == pytest.approx(12 * 2.0**2)
    assert value["action_jerk"][0] == pytest.approx(12 * (3.0 - 2.0 * 1.0 + 0.0) ** 2)


def test_memory_forgets_a_reset_robot():
    memory = GaitMemory(2)
    memory.air_time[:] = 0.3
    memory.actions[:] = 2.0
    memory.reset(np.array([True, False]))
    np.testing.assert_array_equal(memory.air_time[:, 0], [0.0, 0.3])
    np.testing.assert_array_equal(memory.actions[:, :, 0], [[0.0, 2.0], [0.0, 2.0]])
