"""Torque-speed limit, heating and discharge by hand."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation import motors

HIP, CALF = 0, 2


def limits(joint: int, speed: float) -> tuple[float, float]:
    joint_vel = np.zeros(12)
    joint_vel[joint] = speed
    lower, upper = motors.torque_limits(joint_vel)
    return lower[joint], upper[joint]


def test_full_torque_at_rest():
    lower, upper = motors.torque_limits(np.zeros(12))
    np.testing.assert_array_equal(upper, go2.JOINT_TORQUE_MAX)
    np.testing.assert_array_equal(lower, -go2.JOINT_TORQUE_MAX)


@pytest.mark.parametrize(
    ("joint", "speed", "upper"),
    [
        # Hip: full torque up to 0.45 * 30.1 = 13.545 rad/s.
        (HIP, 13.5, 23.7),
        # Half way from 13.545 to 30.1 is 21.8225: half of 23.7.
        (HIP, 21.8225, 11.85),
        (HIP, 30.1, 0.0),
        (HIP, 40.0, 0.0),
        # Calf: from 0.45 * 15.7 = 7.065 to 15.7, half way 11.3825: half of 45.43.
        (CALF, 7.0, 45.43),
        (CALF, 11.3825, 22.715),
        (CALF, 15.7, 0.0),
    ],
)
def test_driving_torque_falls_with_speed(joint, speed, upper):
    full = go2.JOINT_TORQUE_MAX[joint]
    assert limits(joint, speed) == pytest.approx((-full, upper))
    # The same the other way round; braking always has the full torque.
    assert limits(joint, -speed) == pytest.approx((-upper, full))


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
