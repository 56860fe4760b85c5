"""Torque-speed limit, heating and discharge by hand."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.model import ModelIndices, build_model

HIP, CALF = 0, 2


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return build_model()


def torques(model: mujoco.MjModel, joint_vel: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Torques (12,) [N m] in the default pose at speeds (12,) under position, velocity and torque inputs (12, 3)."""
    data, indices = mujoco.MjData(model), ModelIndices.of(model)
    data.qpos[2:4], data.qpos[indices.qpos], data.qvel[indices.qvel] = (2.0, 1.0), go2.DEFAULT_JOINT_POS, joint_vel
    data.ctrl[indices.inputs] = inputs
    mujoco.mj_forward(model, data)
    return data.actuator_force[indices.actuators]


def limits(model: mujoco.MjModel, joint: int, speed: float) -> tuple[float, float]:
    joint_vel, ask = np.zeros(12), np.zeros((12, 3))
    joint_vel[joint], ask[joint, 2] = speed, 1e3
    return torques(model, joint_vel, -ask)[joint], torques(model, joint_vel, ask)[joint]


def test_full_torque_at_rest(model):
    np.testing.assert_allclose(torques(model, np.zeros(12), np.full((12, 3), 1e3)), go2.JOINT_TORQUE_MAX)
    np.testing.assert_allclose(torques(model, np.zeros(12), np.full((12, 3), -1e3)), -go2.JOINT_TORQUE_MAX)


def test_the_pd_law_by_hand(model):
    # 40 N m/rad * 0.1 rad + 1 N m s/rad * (0.5 - 2.0) rad/s + 3 N m = 5.5 N m.
    inputs = np.column_stack([go2.DEFAULT_JOINT_POS + 0.1, np.full(12, 0.5), np.full(12, 3.0)])
    np.testing.assert_allclose(torques(model, np.full(12, 2.0), inputs), 5.5)


def test_other_gains_are_read_back_and_used():
    model = build_model()
    actuators = ModelIndices.of(model).actuators
    motors.set_gains(model, actuators, np.full(12, 60.0), np.full(12, 5.0))
    np.testing.assert_array_equal(motors.gains(model, actuators), [[60.0] * 12, [5.0] * 12])
    inputs = np.column_stack([go2.DEFAULT_JOINT_POS + 0.1, np.zeros((12, 2))])
    # 60 * 0.1 - 5 * 0.4.
    np.testing.assert_allclose(torques(model, np.full(12, 0.4), inputs), 4.0)


@pytest.mark.parametrize(
    ("joint", "speed", "upper"),
    [
        # Hip: full torque up to 0.45 * 30.1 = 13.545 rad/s.
        (HIP, 13.5, 23.7),
        # Half way from 13.545 to 30.1 is 21.8225: half of 23.7.
        (HIP, 21.8225, 11.85),
        (HIP, 30.1, 0.0),
        # Beyond the highest speed it brakes: 23.7 / 0.55 * (1 - 40 / 30.1).
        (HIP, 40.0, -14.1725),
        # Calf: from 0.45 * 15.7 = 7.065 to 15.7, half way 11.3825: half of 45.43.
        (CALF, 7.0, 45.43),
        (CALF, 11.3825, 22.715),
        (CALF, 15.7, 0.0),
    ],
)
def test_driving_torque_falls_with_speed(model, joint, speed, upper):
    full = go2.JOINT_TORQUE_MAX[joint]
    assert limits(model, joint, speed) == pytest.approx((-full, upper), abs=1e-3)
    # The same the other way round; braking always has the full torque.
    assert limits(model, joint, -speed) == pytest.approx((-upper, full), abs=1e-3)


def test_a_loaded_motor_warms_and_an_idle_one_cools_to_the_ambient():
    # One second at 10 N m from ambient: 0.002 * 100 = 0.2 deg; a calf's motor gives 10 / (45.43 / 23.7) = 5.21688 N m
    # of its own for that: 0.002 * 27.2158 = 0.0544316 deg.
    start = np.full(12, motors.AMBIENT_TEMPERATURE)
    warmer = np.tile([0.2, 0.2, 0.0544316], 4)
    np.testing.assert_allclose(motors.heated(start, np.full(12, 10.0), 1.0), start + warmer, atol=2e-6)
    # Idle, 30 deg above ambient: 30 / 300 s = 0.1 deg in a second.
    np.testing.assert_allclose(motors.heated(start + 30.0, np.zeros(12), 1.0), start + 29.9)


def test_the_battery_pays_for_driving_but_gains_nothing_from_braking():
    # 829440 J; one joint at 10 N m and 2 rad/s drives 20 W, another brakes: 50 W for 100 s are 5000 J, 0.60282 %.
    torque, joint_vel = np.zeros(12), np.zeros(12)
    torque[:2], joint_vel[:2] = 10.0, (2.0, -3.0)
    assert motors.discharged(100.0, torque, joint_vel, 100.0) == pytest.approx(100.0 - 0.60282, abs=1e-5)
    assert motors.discharged(0.0, torque, joint_vel, 100.0) == 0.0
