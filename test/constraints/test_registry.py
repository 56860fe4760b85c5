"""The constraints by name: what each restricts, alone and together, and which contradict each other."""

import numpy as np
import pytest

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible, feasible_set
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN, JOINT_TORQUE_MAX
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL

TICKS = np.arange(3)
RANGE = {"joint_range.min": np.full(12, -1.0), "joint_range.max": np.full(12, 0.5)}
BAND = {"joint_band.min": np.full(12, -0.3), "joint_band.max": np.full(12, 0.1)}


def test_named_boxes_bound_their_own_field():
    names = "joint_range", "joint_velocity"
    feasible = feasible_set(names, {**RANGE, "joint_velocity.max": np.full(12, 8.0)}, TICKS)
    assert (feasible.lower[:, JOINT_POS] == -1.0).all()
    assert (feasible.upper[:, JOINT_POS] == 0.5).all()
    assert (feasible.lower[:, JOINT_VEL] == -8.0).all()
    assert (feasible.upper[:, JOINT_VEL] == 8.0).all()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_defaults_are_the_limits_of_the_robot(name):
    feasible = feasible_set((name,), {}, TICKS)
    check_feasible((name,), {})
    if name.startswith("joint_range"):
        np.testing.assert_array_equal(feasible.lower[0, JOINT_POS], JOINT_POS_MIN)
        np.testing.assert_array_equal(feasible.upper[0, JOINT_POS], JOINT_POS_MAX)
    if name == "torque":
        np.testing.assert_array_equal(feasible.torque_max[1], JOINT_TORQUE_MAX)
    assert (feasible.band_lower == feasible.band_upper).all()


def test_torque_and_band_reach_every_row():
    feasible = feasible_set(("torque", "joint_band"), {"torque.max": np.full(12, 9.0), **BAND}, TICKS)
    assert (feasible.torque_max == 9.0).all()
    assert (feasible.band_lower == -0.3).all() and (feasible.band_upper == 0.1).all()


def test_the_range_moves_with_the_ticks():
    wave = {**RANGE, "joint_range_wave.amplitude": np.full(12, 0.2), "joint_range_wave.period": np.array([2.0])}
    # 2 s are 100 ticks: a quarter is tick 25, half a period later it is the other way round.
    feasible = feasible_set(("joint_range_wave",), wave, np.array([0, 25, 50, 75, 100]))
    np.testing.assert_allclose(feasible.lower[:, JOINT_POS][:, 0], [-1.0, -0.8, -1.0, -1.2, -1.0], atol=1e-12)
    np.testing.assert_allclose(feasible.upper[:, JOINT_POS][:, 0], [0.5, 0.7, 0.5, 0.3, 0.5], atol=1e-12)


def test_an_empty_box_and_an_unknown_name_are_refused():
    nothing = {"joint_range.min": np.ones(12), "joint_range.max": np.zeros(12)}
    with pytest.raises(RewardError, match="'joint_range': nothing feasible"):
        feasible_set(("joint_range",), nothing, TICKS)
    with pytest.raises(RewardError, match=f"valid constraints: {', '.join(CONSTRAINTS)}"):
        feasible_set(("sitting",), {}, TICKS)


def test_constraints_that_contradict_each_other_at_some_time_are_found():
    narrow = {"joint_range.min": np.full(12, 0.0), "joint_range.max": np.full(12, 0.1)}
    wave = {**narrow, "joint_range_wave.amplitude": np.full(12, 0.3)}
    feasible_set(("joint_range", "joint_range_wave"), wave, np.array([0]))  # now they agree, soon they do not
    with pytest.raises(RewardError, match="'joint_range_wave': nothing feasible"):
        check_feasible(("joint_range", "joint_range_wave"), wave)
    with pytest.raises(RewardError, match="range of FR_hip_joint.* lies inside the band"):
        check_feasible(("joint_range", "joint_band"), {**narrow, **{k: v * 2 for k, v in BAND.items()}})
    check_feasible(("joint_band",), BAND)
