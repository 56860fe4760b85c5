"""Feasible sets and projections: by hand, and as projections (feasible, idempotent, nearest)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.constraints.feasible_set import FeasibleSet, project_box, project_out_of_band, project_torque
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, JOINT_VEL, OBSERVATION

SEEDS = st.integers(0, 2**32 - 1)


def torque_of(joint_pos, joint_vel, action):
    return 40.0 * (action - joint_pos) - 1.0 * joint_vel


def test_nothing_but_the_joint_limits_of_the_actions_holds_without_a_constraint():
    feasible = FeasibleSet.free(12)
    np.testing.assert_array_equal(feasible.lower[:, ACTION], np.tile(JOINT_POS_MIN, (12, 1)))
    np.testing.assert_array_equal(feasible.upper[:, ACTION], np.tile(JOINT_POS_MAX, (12, 1)))
    assert np.isneginf(feasible.lower[:, OBSERVATION]).all()
    assert np.isposinf(feasible.upper[:, OBSERVATION]).all()
    assert np.isposinf(feasible.torque_max).all()
    assert (feasible.band_lower == feasible.band_upper).all()


def test_boxes_intersect_and_an_empty_one_is_refused():
    feasible = FeasibleSet.free(2)
    feasible.bound(JOINT_VEL, -3.0, 3.0)
    feasible.bound(JOINT_VEL, np.full(12, -1.0), np.full((2, 12), [[2.0], [4.0]]))
    assert (feasible.lower[:, JOINT_VEL] == -1.0).all()
    assert feasible.upper[:, JOINT_VEL][:, 0].tolist() == [2.0, 3.0]
    with pytest.raises(RewardError, match="nothing feasible"):
        feasible.bound(JOINT_VEL, 2.5, 3.0)


def test_a_bound_inside_the_band_moves_to_its_end_and_a_blocked_range_wins():
    feasible = FeasibleSet.free(1)
    feasible.bound(JOINT_POS, [-1.0] * 6 + [-0.1] * 6, [0.1] * 6 + [0.15] * 6)
    feasible.keep_out(np.full(12, -0.2), np.full(12, 0.2))
    # Up to 0.1 lies inside the band: what is left of -1 .. 0.1 is -1 .. -0.2.
    assert (feasible.upper[0, JOINT_POS][:6] == -0.2).all() and (feasible.lower[0, JOINT_POS][:6] == -1.0).all()
    # -0.1 .. 0.15 lies inside as a whole: there the band gives way.
    assert (feasible.band_lower[0, 6:] == feasible.band_upper[0, 6:]).all()
    assert (feasible.upper[0, JOINT_POS][6:] == 0.15).all()


def test_band_by_hand():
    values = np.array([-1.0, -0.21, -0.2, -0.05, 0.05, 0.2, 0.5])
    projected = project_out_of_band(values, np.full(7, -0.2), np.full(7, 0.2))
    assert projected.tolist() == [-1.0, -0.21, -0.2, -0.2, 0.2, 0.2, 0.5]
    assert project_out_of_band(values, np.zeros(7), np.zeros(7)).tolist() == values.tolist()  # an empty band


def test_torque_by_hand():
    ones = np.ones((1, 1, 1))
    # 40 (0.5 - 0) - 4 = 16 N m, 6 too many. Only the action may move: 6 / 40 = 0.15 rad.
    moved = project_torque(0.0 * ones, 4.0 * ones, 0.5 * ones, 10.0, (0.0, 0.0, 1.0))
    assert [float(value.item()) for value in moved] == pytest.approx([0.0, 4.0, 0.35])
    # Position and action alike: each takes half, 0.075 rad.
    moved = project_torque(0.0 * ones, 4.0 * ones, 0.5 * ones, 10.0, (1.0, 0.0, 1.0))
    assert [float(value.item()) for value in moved] == pytest.approx([0.075, 4.0, 0.425])
    # The same downwards; and within the limit nothing moves.
    moved = project_torque(0.0 * ones, -4.0 * ones, -0.5 * ones, 10.0, (1.0, 0.0, 1.0))
    assert [float(value.item()) for value in moved] == pytest.approx([-0.075, -4.0, -0.425])
    moved = project_torque(0.0 * ones, 4.0 * ones, 0.3 * ones, 10.0, (1.0, 1.0, 1.0))
    assert [float(value.item()) for value in moved] == [0.0, 4.0, 0.3]


@given(SEEDS)
def test_torque_projection_is_feasible_idempotent_and_the_nearest(seed):
    rng = np.random.default_rng(seed)
    point = tuple(rng.normal(scale=scale, size=(2, 3, 12)) for scale in (0.5, 5.0, 0.5))
    maximum, scales = rng.uniform(1.0, 20.0, size=(3, 12)), tuple(rng.uniform(0.1, 3.0, size=(3, 12)))
    projected = project_torque(*point, maximum, scales)
    torque = torque_of(*projected)
    assert (np.abs(torque) <= maximum + 1e-9).all()
    np.testing.assert_allclose(project_torque(*projected, maximum, scales), projected, atol=1e-9)

    def distance(values):
        return sum(((a - b) / scale) ** 2 for a, b, scale in zip(values, point, scales))

    for _ in range(5):  # no other feasible point is nearer
        elsewhere = (value + rng.normal(scale=0.3, size=value.shape) for value in projected)
        other = project_torque(*elsewhere, maximum, scales)
        assert (distance(other) >= distance(projected) - 1e-9).all()


@given(SEEDS)
def test_band_and_box_together_are_a_projection(seed):
    rng = np.random.default_rng(seed)
    feasible = FeasibleSet.free(4)
    low, band = rng.uniform(-1.5, 0.5, size=(4, 12)), rng.uniform(-1.5, 1.0, size=(4, 12))
    feasible.bound(JOINT_POS, low, low + rng.uniform(0.0, 2.0, size=(4, 12)))
    feasible.keep_out(band, band + rng.uniform(0.0, 0.5, size=(4, 12)))
    low, high = feasible.lower[:, JOINT_POS], feasible.upper[:, JOINT_POS]
    ends = feasible.band_lower, feasible.band_upper

    def project(values):
        return project_box(project_out_of_band(values, *ends), low, high)

    values = rng.normal(size=(2, 4, 12))
    projected = project(values)
    assert ((projected >= low) & (projected <= high)).all()
    assert not ((ends[0] < projected) & (projected < ends[1])).any()
    np.testing.assert_array_equal(project(projected), projected)
    # Nearest: no end of an interval of what is left lies closer.
    for end in (low, high, *ends):
        allowed = (low <= end) & (end <= high) & ~((ends[0] < end) & (end < ends[1]))
        nearer = np.abs(projected - values) <= np.abs(end - values) + 1e-12
        assert nearer[np.broadcast_to(allowed, values.shape)].all()


def test_a_known_observation_is_not_projected_and_the_other_rows_are():
    feasible = FeasibleSet.free(3)
    feasible.bound(JOINT_POS, -0.5, 0.5)
    feasible.keep_out(np.full(12, -0.2), np.full(12, 0.2))
    feasible.free_observation(0)
    values = np.full((1, 3, 12), 0.1)
    box = feasible.lower[:, JOINT_POS], feasible.upper[:, JOINT_POS]
    projected = project_box(project_out_of_band(values, feasible.band_lower, feasible.band_upper), *box)
    assert (projected[0, 0] == 0.1).all() and (projected[0, 1:] == 0.2).all()
    assert np.isinf(box[0][0]).all() and (feasible.lower[0, ACTION] == JOINT_POS_MIN).all()
