"""Terms on single legs and joints, by hand."""

import numpy as np
import pytest

from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, JOINT_VEL
from diffusion_mpc_ros.rewards.leg_terms import RESTING_USE
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters
from diffusion_mpc_ros.rewards.terms import Segment

DEFAULTS = {parameter.name: parameter.default_array for parameter in term_parameters(TERMS)}
FR, FL, RR, RL = (slice(start, start + 3) for start in (0, 3, 6, 9))


def legs(*shares):
    """Joints of the legs FR FL RR RL."""
    return np.repeat(shares, 3)


ONLY_RR = legs(0.0, 0.0, 1.0, 0.0)


def still():
    """One robot at rest in its default pose; H = 4."""
    trajectory = np.zeros((1, 5, 57))
    trajectory[..., JOINT_POS] = trajectory[..., ACTION] = DEFAULTS["posture.target"]
    return trajectory


def value(name, trajectory, **parameters):
    overrides = {f"{name}.{key}": np.asarray(array) for key, array in parameters.items()}
    return TERMS[name](Segment.of(trajectory), {**DEFAULTS, **overrides})[0]


def test_excursion_is_the_variance_of_the_joints_of_the_legs_that_count():
    trajectory = still()
    trajectory[0, :4, JOINT_POS][:, RR] += [[0.1], [-0.1], [0.1], [-0.1]]
    # 0.1 rad to either side in three joints: 3 x 0.01; where the leg is does not count, nor do others.
    assert value("leg_excursion", trajectory, joints=ONLY_RR) == pytest.approx(-0.03)
    trajectory[..., JOINT_POS] += 0.5
    assert value("leg_excursion", trajectory, joints=ONLY_RR) == pytest.approx(-0.03)
    assert value("leg_excursion", trajectory, joints=legs(1.0, 1.0, 0.0, 1.0)) == pytest.approx(0.0)
    assert value("leg_excursion", trajectory, joints=legs(0.0, 0.0, 0.5, 0.0)) == pytest.approx(-0.015)


def test_speed_is_the_mean_square_of_the_joints_of_the_legs_that_count():
    trajectory = still()
    trajectory[0, 1, JOINT_VEL][RR], trajectory[0, 1, JOINT_VEL][FL] = 4.0, 7.0
    # One of H = 4 rows: 3 x 16 / 4 = 12, and 3 x 49 / 4 = 36.75.
    assert value("leg_speed", trajectory, joints=ONLY_RR) == pytest.approx(-12.0)
    assert value("leg_speed", trajectory, joints=legs(0.0, 1.0, 1.0, 0.0)) == pytest.approx(-48.75)


def test_acceleration_is_the_mean_square_of_the_differences():
    trajectory = still()
    trajectory[0, 1, JOINT_VEL][RR] = 0.1
    # Up and down again, (0.1 / 0.02)^2 = 25 for three joints, in two of three differences: 2 x 75 / 3 = 50.
    assert value("leg_acceleration", trajectory, joints=ONLY_RR) == pytest.approx(-50.0)
    assert value("leg_acceleration", trajectory, joints=legs(1.0, 1.0, 0.0, 1.0)) == 0.0


def test_share_is_what_the_joints_take_above_the_target():
    trajectory = still()
    # Each joint of the rear right leg 1, of the other legs 3 rad^2/s^2 with what rest counts as: 3 of 30, a tenth.
    trajectory[..., JOINT_VEL] = np.sqrt(3.0 - RESTING_USE)
    trajectory[..., JOINT_VEL][..., RR] = np.sqrt(1.0 - RESTING_USE)
    assert value("leg_share", trajectory, joints=ONLY_RR, target=[0.04]) == pytest.approx(-0.06)
    assert value("leg_share", trajectory, joints=ONLY_RR, target=[0.25]) == 0.0
    assert value("leg_share", trajectory, joints=legs(0.0, 1.0, 1.0, 0.0), target=[0.25]) == pytest.approx(-0.15)


def test_a_soft_range_grows_with_the_distance_and_each_joint_by_its_strength():
    trajectory = still()
    trajectory[..., JOINT_POS] = 0.0
    trajectory[0, 1, JOINT_POS][:2] = [0.6, -0.7]
    bounds = {"min": [-0.5] * 12, "max": [0.5] * 12}
    # e = 0.1: sqrt(.01 + .01) - .1 = .0414; e = 0.2: sqrt(.04 + .01) - .1 = .1236; one of H = 4 rows.
    expected = (np.sqrt(0.02) - 0.1, np.sqrt(0.05) - 0.1)
    assert value("soft_range", trajectory, **bounds) == pytest.approx(-sum(expected) / 4)
    strength = [1.0, 0.5] + [0.0] * 10
    assert value("soft_range", trajectory, **bounds, strength=strength) == pytest.approx(
        -(expected[0] + 0.5 * expected[1]) / 4
    )
    trajectory[0, 1, JOINT_POS][:2] = [0.5 + 3.0, 0.0]
    assert value("soft_range", trajectory, **bounds) == pytest.approx(-2.9 / 4, rel=1e-3)  # far out: the distance
