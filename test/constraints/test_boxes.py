"""Box constraints: bounds by hand, intersection, projection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.constraints.boxes import CONSTRAINTS, box_bounds, project
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, JOINT_VEL, OBSERVATION

RANGE = {"joint_range.min": np.full(12, -1.0), "joint_range.max": np.full(12, 0.5)}


def test_actions_stay_within_the_joint_limits_without_any_constraint():
    lower, upper = box_bounds((), {}, rows=12)
    np.testing.assert_array_equal(lower[:, ACTION], np.tile(JOINT_POS_MIN, (12, 1)))
    np.testing.assert_array_equal(upper[:, ACTION], np.tile(JOINT_POS_MAX, (12, 1)))
    assert np.isneginf(lower[:, OBSERVATION]).all()
    assert np.isposinf(upper[:, OBSERVATION]).all()


def test_named_boxes_bound_their_own_field():
    lower, upper = box_bounds(("joint_range", "joint_velocity"), {**RANGE, "joint_velocity.max": np.full(12, 8.0)}, 3)
    assert (lower[:, JOINT_POS] == -1.0).all()
    assert (upper[:, JOINT_POS] == 0.5).all()
    assert (lower[:, JOINT_VEL] == -8.0).all()
    assert (upper[:, JOINT_VEL] == 8.0).all()


def test_defaults_are_the_limits_of_the_robot():
    lower, upper = box_bounds(("joint_range",), {}, rows=2)
    np.testing.assert_array_equal(lower[0, JOINT_POS], JOINT_POS_MIN)
    np.testing.assert_array_equal(upper[0, JOINT_POS], JOINT_POS_MAX)


def test_an_empty_box_and_an_unknown_name_are_refused():
    with pytest.raises(RewardError, match="nothing feasible"):
        box_bounds(("joint_range",), {"joint_range.min": np.ones(12), "joint_range.max": np.zeros(12)}, 2)
    with pytest.raises(RewardError, match=f"valid constraints: {', '.join(CONSTRAINTS)}"):
        box_bounds(("torque",), {}, 2)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(sorted(CONSTRAINTS)), unique=True))
def test_projection_is_feasible_idempotent_and_moves_nothing_that_is_feasible(seed, names):
    trajectory = np.random.default_rng(seed).normal(scale=3.0, size=(2, 4, 57))
    lower, upper = box_bounds(names, RANGE, rows=4)
    projected = project(trajectory, lower, upper)
    assert (projected >= lower).all()
    assert (projected <= upper).all()
    np.testing.assert_array_equal(project(projected, lower, upper), projected)
    inside = (trajectory >= lower) & (trajectory <= upper)
    np.testing.assert_array_equal(projected[inside], trajectory[inside])


def test_bounds_may_differ_from_row_to_row():
    lower, upper = box_bounds((), {}, rows=2)
    upper[1, JOINT_VEL] = 1.0
    projected = project(np.full((1, 2, 57), 2.0), lower, upper)
    assert (projected[0, 0, JOINT_VEL] == 2.0).all()
    assert (projected[0, 1, JOINT_VEL] == 1.0).all()
