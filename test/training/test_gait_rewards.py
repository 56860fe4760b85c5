"""The demonstrator's reward terms by hand."""

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.simulation.batch import BatchState
from diffusion_mpc_ros.training.gait_rewards import GaitMemory, GaitWeights, gait_errors, gait_rewards

# FR and RL are half through their swing, FL and RR stand (foot phases 0.775 and 0.275, stance until 0.55).
RIGHT_FRONT_SWINGS = 0.775
WALK, STAND = (0.5, 0.0, 0.0), (0.0, 0.0, 0.0)


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
        "foot_pos": np.full((1, 4, 3), go2.FOOT_RADIUS),
        "foot_vel": np.zeros((1, 4, 3)),
    }
    return BatchState(**{**fields, **changes})


def make_gait(**changes: float) -> GaitCommand:
    gait = GaitCommand.default(1)
    for name, value in {"base_height": 0.3, **changes}.items():
        getattr(gait, name)[:] = value
    return gait


def terms(state: BatchState, command=WALK, memory=None, action=None, gait=None, phase=RIGHT_FRONT_SWINGS):
    action = np.zeros((1, 12)) if action is None else action
    return gait_rewards(
        state, np.array([command]), gait or make_gait(), np.array([phase]), action, memory or GaitMemory(1),
        GaitWeights(),
    )  # fmt: skip


def test_every_term_has_a_weight():
    weights = {field.name for field in dataclasses.fields(GaitWeights) if not field.name.endswith("_width")}
    assert set(terms(make_state())) == weights


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


def test_the_mean_velocity_forgives_sway_and_not_bias():
    swaying, biased = GaitMemory(1), GaitMemory(1)
    for tick in range(200):
        sway = 0.2 if tick % 2 else -0.2
        forgiven = terms(make_state(base_lin_vel_b=np.array([[0.5 + sway, 0.0, 0.0]])), memory=swaying)
        off = make_state(base_lin_vel_b=np.array([[0.3, 0.0, 0.0]]), base_ang_vel_b=np.array([[0.0, 0.0, -0.4]]))
        punished = terms(off, memory=biased)
    # Alternating +-0.2 through a low-pass of 0.02 / 0.4 = 0.05: 0.2 * 0.05 / 1.95 = 0.0051 m/s is left.
    assert forgiven["mean_velocity"][0] == pytest.approx(np.exp(-(0.0051**2) / 0.04), abs=1e-4)
    # 0.2 m/s and half of 0.4 rad/s: (0.04 + 0.04) / 0.04 = 2.
    assert punished["mean_velocity"][0] == pytest.approx(np.exp(-2.0), rel=1e-3)


def test_height_and_orientation_are_those_commanded():
    state = make_state(projected_gravity_b=np.array([[np.sin(0.1), 0.0, -np.cos(0.1)]]))  # nose down by 0.1 rad
    assert terms(state, gait=make_gait(pitch=0.1))["orientation"][0] == pytest.approx(1.0)
    assert terms(state)["orientation"][0] == pytest.approx(np.exp(-(np.sin(0.1) ** 2) / 0.02))
    rolled = make_state(projected_gravity_b=np.array([[0.0, 0.1, -0.995]]))
    assert terms(rolled)["orientation"][0] == pytest.approx(np.exp(-0.01 / 0.02))
    low = terms(make_state(), gait=make_gait(base_height=0.25))
    assert low["base_height"][0] == pytest.approx(np.exp(-1.0))  # 0.05^2 / 0.0025


@pytest.mark.parametrize(
    ("feet", "command", "expected"),
    [
        ((0, 1, 1, 0), WALK, 1.0),
        ((1, 1, 1, 1), WALK, 0.0),
        ((1, 0, 0, 1), WALK, -1.0),
        ((1, 1, 1, 1), STAND, 1.0),
        ((0, 1, 1, 1), STAND, 0.5),
    ],
)
def test_feet_on_the_ground_by_the_clock(feet, command, expected):
    state = make_state(foot_force=40.0 * np.array([feet], dtype=float))
    assert terms(state, command)["contact_schedule"][0] == pytest.approx(expected)


def test_swinging_feet_follow_the_height_asked_for():
    state = make_state()
    state.foot_pos[0, 0, 2] += 0.05  # FR; RL stays down, FL hops in its stance, which is not the swing's business
    state.foot_pos[0, 1, 2] += 0.04
    # At mid-swing the feet should be 0.08 m up: (0.03 + 0.08) / 4.
    assert terms(state)["swing_height"][0] == pytest.approx(0.0275)
    assert terms(state, STAND)["swing_height"][0] == 0.0
    # A quarter through (0.6625): 0.08 sin^2(pi / 4) = 0.04, so 0.01 and 0.04.
    assert terms(state, phase=0.6625)["swing_height"][0] == pytest.approx(0.0125)


def test_action_rate_and_jerk_see_the_last_two_actions():
    memory = GaitMemory(1)
    terms(make_state(), memory=memory, action=np.full((1, 12), 1.0))
    value = terms(make_state(), memory=memory, action=np.full((1, 12), 3.0))
    assert value["action_rate"][0] == pytest.approx(12 * 2.0**2)
    assert value["action_jerk"][0] == pytest.approx(12 * (3.0 - 2.0 * 1.0 + 0.0) ** 2)
    assert value["standing_still"][0] == 0.0
    assert terms(make_state(), STAND, memory=memory)["standing_still"][0] == pytest.approx(12 * 3.0)


def test_slip_counts_feet_on_the_ground():
    state = make_state(foot_force=np.array([[40.0, 0.0, 40.0, 40.0]]))
    state.foot_vel[0, :2, 0] = 0.3
    assert terms(state)["slip"][0] == pytest.approx(0.09)


def test_memory_forgets_a_reset_robot():
    memory = GaitMemory(2)
    memory.velocity_error[:] = 0.3
    memory.actions[:] = 2.0
    memory.reset(np.array([True, False]))
    np.testing.assert_array_equal(memory.velocity_error[:, 0], [0.0, 0.3])
    np.testing.assert_array_equal(memory.actions[:, :, 0], [[0.0, 2.0], [0.0, 2.0]])


def test_errors_by_hand():
    state = make_state(
        base_lin_vel_b=np.array([[0.2, 0.4, 0.0]]), projected_gravity_b=np.array([[np.sin(0.1), 0.0, -np.cos(0.1)]])
    )
    memory = GaitMemory(1)
    memory.velocity_error[:] = [0.03, 0.04, 0.0]
    phase = np.array([RIGHT_FRONT_SWINGS])
    errors = gait_errors(state, np.array([[0.5, 0.0, 0.2]]), make_gait(base_height=0.28, pitch=-0.05), phase, memory)
    assert errors == pytest.approx(
        {
            "planar_velocity": 0.5,
            "mean_planar_velocity": 0.05,
            "yaw_rate": 0.2,
            "base_height": 0.02,
            "pitch": 0.15,
            "swing_height": 0.08,
            "contact_schedule": 0.5,
        }
    )
