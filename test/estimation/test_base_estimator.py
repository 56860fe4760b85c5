"""The base estimator on hand-made LowStates: start, restart, garbage. Accuracy: test/evaluation/test_estimator.py."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.go2 import FOOT_RADIUS, IMU_POSITION_B, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.estimation import kinematics
from diffusion_mpc_ros.estimation.base_estimator import (
    FLIGHT_TIME,
    FOOT_STIFFNESS,
    GRAVITY_W,
    INITIALISATION_TIME,
    MAX_HEIGHT,
    MAX_SPEED,
    BaseEstimator,
    plane_height,
)

# All feet at one height: hips straight, front and rear legs alike.
POSE = np.tile([0.0, 0.8, -1.5], 4)
LEGS = kinematics.leg_kinematics(POSE)
FOOT_LOAD = 37.0
TORQUE = -np.einsum("lji,j->li", LEGS.jacobian_b, np.array([0.0, 0.0, FOOT_LOAD])).ravel()
# Base above the feet's centres, these above the ground by the radius less what 37 N compress.
HEIGHT = -LEGS.foot_pos_b[0, 2] + FOOT_RADIUS - FOOT_LOAD / FOOT_STIFFNESS


def make_lowstate(tick_ms, **changes):
    values = {
        "base_quat_wxyz": np.array([1.0, 0.0, 0.0, 0.0]),
        "base_ang_vel": np.zeros(3),
        "base_lin_acc": -GRAVITY_W,
        "joint_pos": POSE,
        "joint_vel": np.zeros(12),
        "joint_torque": TORQUE,
        "foot_force": np.full(4, FOOT_LOAD),
        "motor_temperature": np.full(12, 40.0),
        "battery_soc": 80.0,
    }
    return LowState(tick_ms=tick_ms, receive_time=tick_ms * 1e-3, **{**values, **changes})


def feed(estimator, start_ms, seconds, **changes):
    """LowStates at 500 Hz; returns the last estimate and the next tick_ms."""
    stop = start_ms + round(seconds * 1000)
    for tick_ms in range(start_ms, stop, 2):
        estimate = estimator.update(make_lowstate(tick_ms, **changes))
    return estimate, stop


def started():
    estimator = BaseEstimator()
    estimate, tick_ms = feed(estimator, 0, 0.3)
    assert estimate.initialized
    return estimator, tick_ms


def test_starts_when_all_feet_have_been_loaded():
    estimator = BaseEstimator()
    three = np.array([1.0, 1.0, 1.0, 0.0])
    estimate, tick_ms = feed(estimator, 0, 1.0, foot_force=FOOT_LOAD * three, joint_torque=TORQUE * np.repeat(three, 3))
    assert not estimate.initialized
    assert estimate.foot_contact.tolist() == [True, True, True, False]
    estimate, tick_ms = feed(estimator, tick_ms, INITIALISATION_TIME - 0.02)
    assert not estimate.initialized
    estimate, _ = feed(estimator, tick_ms, 0.04)
    assert estimate.initialized
    assert estimator.restarts == 0


@pytest.mark.parametrize("gain", [0.0, 0.3, -1.0])
def test_starts_with_one_weak_sensor(gain):
    estimator = BaseEstimator()
    estimate, _ = feed(estimator, 0, 0.5, foot_force=FOOT_LOAD * np.array([1.0, gain, 1.0, 1.0]))
    assert estimate.initialized and estimate.foot_contact.all()
    assert estimate.base_height == pytest.approx(HEIGHT, abs=1e-3)


def test_starts_with_noisy_sensors():
    """Each misses the threshold in one sample of eight: never 0.1 s without an interruption."""
    estimator, rng = BaseEstimator(), np.random.default_rng(0)
    for tick_ms in range(0, 3000, 4):
        estimate = estimator.update(make_lowstate(tick_ms, foot_force=FOOT_LOAD + rng.normal(0.0, 15.0, 4)))
    assert estimate.initialized


def test_says_which_feet_do_without_their_sensors():
    estimator = BaseEstimator()
    assert estimator.foot_sensors_work.all()
    feed(estimator, 0, 0.5, foot_force=np.array([0.0, FOOT_LOAD, FOOT_LOAD, -20.0]))
    assert estimator.foot_sensors_work.tolist() == [False, True, True, False]


def test_at_rest():
    estimator, tick_ms = started()
    estimate, _ = feed(estimator, tick_ms, 1.0)
    assert estimate.base_lin_vel_b == pytest.approx(np.zeros(3), abs=1e-3)
    assert estimate.base_height == pytest.approx(HEIGHT, abs=1e-3)
    # The odometry frame begins under the IMU.
    assert estimate.base_pos_w == pytest.approx([-IMU_POSITION_B[0], 0.0, HEIGHT], abs=1e-3)


def test_height_before_the_start_is_the_legs():
    estimate = BaseEstimator().update(make_lowstate(0))
    assert not estimate.initialized
    assert estimate.base_height == pytest.approx(HEIGHT, abs=1e-6)
    assert not estimate.base_lin_vel_b.any()


@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_legs_that_sweep_back_carry_the_base_forward(yaw):
    # All feet move with (-0.3, 0.1, 0) m/s in the base frame: the base moves with (0.3, -0.1, 0), the feet roll.
    velocity = np.array([-0.3, 0.1, 0.0])
    joint_vel = np.linalg.solve(LEGS.jacobian_b, np.tile(velocity[:, None], (4, 1, 1)))[..., 0].ravel()
    shank = kinematics.shank_angular_velocities(LEGS, joint_vel)[0]
    expected = -velocity + FOOT_RADIUS * np.array([shank[1], -shank[0], 0.0])
    estimator, tick_ms = started()
    # The same instant over and over: the joints' velocity without their motion, so only velocities are looked at.
    quat = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
    noise_free = [
        estimator.update(make_lowstate(tick_ms + 4 * n, joint_vel=joint_vel, base_quat_wxyz=quat)) for n in range(500)
    ]
    # The frozen feet say "at rest" and the rates "moving"; slip allowance lets the rates win by far.
    assert noise_free[-1].base_lin_vel_b[:2] == pytest.approx(expected[:2], abs=0.05)


def test_repeated_late_and_corrupt_lowstates_change_nothing():
    estimator, tick_ms = started()
    estimate = estimator.update(make_lowstate(tick_ms + 10))
    pushed = np.array([50.0, 0.0, 9.81])
    assert estimator.update(make_lowstate(tick_ms + 10, base_lin_acc=pushed)) is estimate
    assert estimator.update(make_lowstate(tick_ms, base_lin_acc=pushed)) is estimate
    for changes in (
        {"joint_pos": np.full(12, np.nan)},
        {"base_lin_acc": np.full(3, np.inf)},
        {"foot_force": np.full(4, np.nan)},
        {"base_quat_wxyz": np.zeros(4)},
        {"base_quat_wxyz": np.full(4, np.nan)},
        {"joint_vel": np.full(12, 1e30)},
    ):
        assert estimator.update(make_lowstate(tick_ms + 20, **changes)) is estimate
    assert estimator.restarts == 0


def test_a_jump_of_the_clock_starts_over_a_short_gap_does_not():
    estimator, tick_ms = started()
    assert estimator.update(make_lowstate(tick_ms + 400)).initialized
    assert estimator.restarts == 0
    assert not estimator.update(make_lowstate(tick_ms + 60_000)).initialized
    assert estimator.restarts == 1
    assert feed(estimator, 0, 0.3)[0].initialized  # reboot: the clock begins anew


def test_a_lifted_robot_starts_over_and_its_velocity_does_not_run_away():
    estimator, tick_ms = started()
    estimate, tick_ms = feed(
        estimator,
        tick_ms,
        FLIGHT_TIME + 0.1,
        foot_force=np.zeros(4),
        joint_torque=np.zeros(12),
        base_lin_acc=np.array([5.0, 0.0, 9.81]),
    )
    assert not estimate.initialized
    assert not estimate.base_lin_vel_b.any()
    assert estimator.restarts == 1
    assert feed(estimator, tick_ms, 0.3)[0].initialized


@pytest.mark.parametrize("pitch", [0.0, 0.2, -0.2])
def test_height_above_a_slope_is_that_above_the_plane_of_the_feet(pitch):
    # Base and ground are pitched alike: the height along the vertical is that along the base's z over cos(pitch).
    quat, gravity = (
        np.array([np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0]),
        np.array([np.sin(-pitch), 0, np.cos(pitch)]),
    )
    along, load = FOOT_LOAD * gravity, FOOT_LOAD
    torque = -np.einsum("lji,j->li", LEGS.jacobian_b, along).ravel()
    changes = {"base_quat_wxyz": quat, "base_lin_acc": 9.81 * gravity, "joint_torque": torque}
    estimate, _ = feed(BaseEstimator(), 0, 1.0, **changes)
    assert estimate.initialized
    # The foot's radius less its compression is taken along the vertical.
    expected = -LEGS.foot_pos_b[0, 2] / np.cos(pitch) + FOOT_RADIUS - load / FOOT_STIFFNESS
    assert estimate.base_height == pytest.approx(expected, abs=2e-3)
    assert estimate.base_lin_vel_b == pytest.approx(np.zeros(3), abs=1e-3)


def test_the_plane_through_footholds_by_hand():
    # z = 0.1 + 0.2 x - 0.1 y over feet at (+-0.2, +-0.15): the ridge takes 3 % of the slope along x, 5 % along y.
    points = np.array([[x, y, 0.1 + 0.2 * x - 0.1 * y] for x in (-0.2, 0.2) for y in (-0.15, 0.15)])
    assert plane_height(points, np.zeros(3)) == pytest.approx(0.1)
    assert plane_height(points, np.array([0.1, 0.0, 9.0])) == pytest.approx(0.1 + 0.02 * 0.16 / 0.165)
    assert plane_height(points, np.array([0.0, 0.1, 9.0])) == pytest.approx(0.1 - 0.01 * 0.09 / 0.095)
    # Footholds in one place say nothing of a slope.
    assert plane_height(np.tile([1.0, 1.0, 0.3], (4, 1)), np.zeros(3)) == pytest.approx(0.3)


STARTED = started()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 30.0, 1e4]))
def test_estimates_stay_finite_and_bounded_under_garbage(seed, scale):
    estimator, tick_ms = copy.deepcopy(STARTED)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        tick_ms += int(rng.integers(0, 120))
        quat = rng.normal(size=4)
        estimate = estimator.update(
            make_lowstate(
                tick_ms,
                base_quat_wxyz=quat / np.linalg.norm(quat),
                base_ang_vel=rng.normal(0.0, scale, 3),
                base_lin_acc=rng.normal(0.0, scale, 3),
                joint_pos=rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX) * rng.choice([0.0, 1.0]),
                joint_vel=rng.normal(0.0, scale, 12),
                joint_torque=rng.normal(0.0, scale, 12),
                foot_force=rng.uniform(-10.0, 100.0, 4),
            )
        )
        values = np.array([*estimate.base_lin_vel_b, *estimate.base_pos_w, estimate.base_height])
        assert np.isfinite(values).all()
        # The base's velocity is the IMU's less that of its lever arm of 5 cm.
        lever = 0.05 * np.sqrt(3) * 5 * scale
        assert np.abs(estimate.base_lin_vel_b).max() <= np.sqrt(3) * MAX_SPEED + lever
        assert abs(estimate.base_height) <= MAX_HEIGHT + 0.1
