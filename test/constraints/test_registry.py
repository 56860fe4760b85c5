"""The constraints by name: what each restricts, alone and together, and which contradict each other."""

import numpy as np
import pytest

from diffusion_mpc_ros.constraints.box import restrict_box
from diffusion_mpc_ros.constraints.registry import (
    BOX,
    CONSTRAINTS,
    KINDS,
    check_feasible,
    feasible_bounds,
    free_bounds,
    kind_of,
    penalty,
)
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN, JOINT_TORQUE_MAX
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL

TICKS = np.arange(3)
RANGE = {"joint_range.min": np.full(12, -1.0), "joint_range.max": np.full(12, 0.5)}
BAND = {"joint_band.min": np.full(12, -0.3), "joint_band.max": np.full(12, 0.1)}


def test_named_boxes_bound_their_own_field():
    names = "joint_range", "joint_velocity"
    bounds = feasible_bounds(names, {**RANGE, "joint_velocity.max": np.full(12, 8.0)}, TICKS)
    assert (bounds["lower"][:, JOINT_POS] == -1.0).all()
    assert (bounds["upper"][:, JOINT_POS] == 0.5).all()
    assert (bounds["lower"][:, JOINT_VEL] == -8.0).all()
    assert (bounds["upper"][:, JOINT_VEL] == 8.0).all()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_defaults_are_the_limits_of_the_robot(name):
    bounds = feasible_bounds((name,), {}, TICKS)
    check_feasible((name,), {})
    if name.startswith("joint_range"):
        np.testing.assert_array_equal(bounds["lower"][0, JOINT_POS], JOINT_POS_MIN)
        np.testing.assert_array_equal(bounds["upper"][0, JOINT_POS], JOINT_POS_MAX)
    if name == "torque":
        np.testing.assert_array_equal(bounds["torque_max"][1], JOINT_TORQUE_MAX)
    assert (bounds["band_lower"] == bounds["band_upper"]).all()


def test_torque_and_band_reach_every_row():
    bounds = feasible_bounds(("torque", "joint_band"), {"torque.max": np.full(12, 9.0), **BAND}, TICKS)
    assert (bounds["torque_max"] == 9.0).all()
    assert (bounds["band_lower"] == -0.3).all() and (bounds["band_upper"] == 0.1).all()


def test_boxes_intersect_and_an_empty_one_is_refused():
    bounds = free_bounds(2)
    restrict_box(bounds, JOINT_VEL, -3.0, 3.0)
    restrict_box(bounds, JOINT_VEL, np.full(12, -1.0), np.full((2, 12), [[2.0], [4.0]]))
    assert (bounds["lower"][:, JOINT_VEL] == -1.0).all()
    assert bounds["upper"][:, JOINT_VEL][:, 0].tolist() == [2.0, 3.0]
    restrict_box(bounds, JOINT_VEL, 2.5, 3.0)
    with pytest.raises(RewardError, match="nothing feasible"):
        BOX.settle(bounds)


def test_a_bound_inside_the_band_moves_to_its_end_and_a_blocked_range_wins():
    bounds = free_bounds(1)
    restrict_box(bounds, JOINT_POS, [-1.0] * 6 + [-0.1] * 6, [0.1] * 6 + [0.15] * 6)
    bounds["band_lower"][...], bounds["band_upper"][...] = -0.2, 0.2
    KINDS["band"].settle(bounds)
    # Up to 0.1 lies inside the band: what is left of -1 .. 0.1 is -1 .. -0.2.
    assert (bounds["upper"][0, JOINT_POS][:6] == -0.2).all() and (bounds["lower"][0, JOINT_POS][:6] == -1.0).all()
    # -0.1 .. 0.15 lies inside as a whole: there the band gives way.
    assert (bounds["band_lower"][0, 6:] == bounds["band_upper"][0, 6:]).all()
    assert (bounds["upper"][0, JOINT_POS][6:] == 0.15).all()


def test_a_penalty_counts_in_tolerances_what_constraints_restrict():
    fields = {name: np.zeros((2, 3, 12)) for name in ("joint_pos", "joint_vel", "joint_torque")}
    fields["joint_pos"][1, 0, 2] = 0.6
    # No constraint restricts actions: their limits are the projection's.
    fields["action"] = np.full((2, 3, 12), 100.0)
    # 0.1 rad past 0.5 rad, tolerance 0.02 rad, in one of three rows.
    expected = [0.0, 0.1 / 0.02 / 3]
    np.testing.assert_allclose(penalty(fields, feasible_bounds(("joint_range",), RANGE, TICKS)), expected)


def test_the_range_moves_with_the_ticks():
    wave = {**RANGE, "joint_range_wave.amplitude": np.full(12, 0.2), "joint_range_wave.period": np.array([2.0])}
    # 2 s are 100 ticks: a quarter is tick 25, half a period later it is the other way round.
    bounds = feasible_bounds(("joint_range_wave",), wave, np.array([0, 25, 50, 75, 100]))
    np.testing.assert_allclose(bounds["lower"][:, JOINT_POS][:, 0], [-1.0, -0.8, -1.0, -1.2, -1.0], atol=1e-12)
    np.testing.assert_allclose(bounds["upper"][:, JOINT_POS][:, 0], [0.5, 0.7, 0.5, 0.3, 0.5], atol=1e-12)


def test_an_empty_box_and_an_unknown_name_are_refused():
    nothing = {"joint_range.min": np.ones(12), "joint_range.max": np.zeros(12)}
    with pytest.raises(RewardError, match="'joint_range': nothing feasible"):
        feasible_bounds(("joint_range",), nothing, TICKS)
    with pytest.raises(RewardError, match=f"valid constraints: {', '.join(CONSTRAINTS)}"):
        feasible_bounds(("sitting",), {}, TICKS)


def test_constraints_that_contradict_each_other_at_some_time_are_found():
    narrow = {"joint_range.min": np.full(12, 0.0), "joint_range.max": np.full(12, 0.1)}
    wave = {**narrow, "joint_range_wave.amplitude": np.full(12, 0.3)}
    feasible_bounds(("joint_range", "joint_range_wave"), wave, np.array([0]))  # now they agree, soon they do not
    with pytest.raises(RewardError, match="'joint_range_wave': nothing feasible"):
        check_feasible(("joint_range", "joint_range_wave"), wave)
    with pytest.raises(RewardError, match="range of FR_hip_joint.* lies inside the band"):
        check_feasible(("joint_range", "joint_band"), {**narrow, **{k: v * 2 for k, v in BAND.items()}})
    check_feasible(("joint_band",), BAND)


def test_each_constraint_says_which_set_it_needs_and_where_it_shows():
    assert {name: kind_of(name).name for name in CONSTRAINTS} == {
        "joint_range": "box",
        "joint_range_wave": "box",
        "joint_velocity": "box",
        "torque": "torque",
        "joint_band": "band",
    }
    assert all(constraint.tolerance > 0.0 and constraint.unit for constraint in CONSTRAINTS.values())
