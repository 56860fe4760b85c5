"""The picture by hand: where ghost, feet, arrows and trail are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_states import standing

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import Candidates, Plan
from diffusion_mpc_ros.estimation.kinematics import foot_positions
from diffusion_mpc_ros.view.scene import LONGEST, Figure, Trail, ahead, arrow, draw, turned
from diffusion_mpc_ros.view.seen import Commanded, Seen
from diffusion_mpc_ros.view.skeleton import leg_points

POSITION = np.array([2.0, 1.0, 0.3])
LEFT_TURN = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])  # 90 degrees: x of the base is y of the world


def seen(**changes) -> Seen:
    return Seen(state=standing(), position=POSITION, **changes)


def test_nothing_is_drawn_before_state_and_position_are_known():
    assert draw(Seen()) is None and draw(Seen(state=standing())) is None and draw(Seen(position=POSITION)) is None
    drawing = draw(seen())
    assert drawing.ghost is None and drawing.paths is None
    assert np.isnan(drawing.wanted).all() and np.isnan(drawing.forces).all()
    np.testing.assert_allclose(drawing.feet, POSITION + foot_positions(DEFAULT_JOINT_POS))


def test_the_ghost_stands_where_the_plans_last_row_takes_the_robot():
    # The plan began 2 ticks ago and has 11 rows: its last one is 8 ticks, 0.16 s, ahead; at 0.5 m/s 0.08 m forward.
    plan = Plan(98, np.tile(DEFAULT_JOINT_POS, (11, 1)), command=np.array([0.5, 0.0, 0.0]))
    ghost = draw(seen(plan=plan)).ghost
    np.testing.assert_allclose(ghost.position, POSITION + [0.08, 0.0, 0.0])
    np.testing.assert_array_equal(ghost.joint_pos, DEFAULT_JOINT_POS)
    # Its candidates know better than its targets where the joints will be.
    joint_pos = np.zeros((1, 12, 12)) + np.arange(12)[None, :, None]
    told = seen(plan=plan, candidates=Candidates(joint_pos, np.zeros(1)), candidates_tick=98)
    assert (draw(told).ghost.joint_pos == 10.0).all()
    assert draw(seen(plan=replace(plan, start_tick=50))).ghost is None


def test_paths_are_the_rows_to_come_from_where_the_robot_is():
    plan = Plan(98, np.tile(DEFAULT_JOINT_POS, (11, 1)), command=np.array([0.5, 0.0, 0.0]))
    candidates = Candidates(np.tile(DEFAULT_JOINT_POS, (3, 12, 1)), np.zeros(3))
    paths = draw(seen(plan=plan, candidates=candidates, candidates_tick=98)).paths
    assert paths.shape == (3, 10, 4, 3)
    feet = POSITION + foot_positions(DEFAULT_JOINT_POS)
    np.testing.assert_allclose(paths[0, 0], feet)
    np.testing.assert_allclose(paths[2, 9], feet + [9 * 0.02 * 0.5, 0.0, 0.0])
    assert draw(seen(candidates=candidates, candidates_tick=89)).paths is None  # one row is left: no line


def test_arrows_point_the_way_of_the_world():
    commanded = Commanded(100, "walking", "", "joy", np.array([0.5, 0.0, 0.0]))
    drawing = draw(
        Seen(state=standing(base_quat_wxyz=LEFT_TURN, base_height=0.3), position=POSITION, commanded=commanded)
    )
    # 0.5 m/s at 0.8 m for each m/s, to the world's y, on the ground below the base.
    np.testing.assert_allclose(drawing.wanted, [[2.0, 1.0, 0.01], [2.0, 1.4, 0.01]], atol=1e-12)
    np.testing.assert_allclose(arrow(np.zeros(3), np.array([0.0, 30.0, 0.0]))[1], [0.0, LONGEST, 0.0])


def test_a_foot_without_contact_carries_no_force():
    # A knee torque that pushes the foot down; the ground answers upwards.
    state = replace(
        standing(joint_torque=np.tile([0.0, 0.0, 15.0], 4)), foot_contact=np.array([True, False, True, True])
    )
    forces = draw(Seen(state=state, position=POSITION)).forces
    assert np.isnan(forces[1]).all() and (forces[[0, 2, 3], 1, 2] > forces[[0, 2, 3], 0, 2]).all()


@given(st.floats(-3.0, 3.0), st.integers(0, 2**32 - 1))
def test_turning_about_the_vertical_adds_to_the_heading(turn, seed):
    quat = np.random.default_rng(seed).normal(size=4) * [1.0, 0.2, 0.2, 1.0]
    quat /= np.linalg.norm(quat)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    expected = matrix @ rotations.rotation_matrix(quat)
    np.testing.assert_allclose(rotations.rotation_matrix(turned(quat, turn)), expected, atol=1e-9)


def test_ahead_follows_a_curve():
    # 0.5 m/s and 1 rad/s for 0.1 s: a chord of 0.05 m at 0.05 rad.
    positions, turns = ahead(np.zeros(3), np.array([1.0, 0, 0, 0]), np.array([0.5, 0.0, 1.0]), np.array([0.1]))
    np.testing.assert_allclose(positions[0], [0.05 * np.cos(0.05), 0.05 * np.sin(0.05), 0.0])
    assert turns[0] == pytest.approx(0.1)


def test_the_trail_keeps_a_point_for_every_step():
    trail = Trail()
    assert trail.points.shape == (0, 3)
    for x in np.linspace(0.0, 0.3, 301):
        trail.add(np.array([x, 0.0, 0.3]))
    assert 9 <= len(trail.points) <= 11 and (np.diff(trail.points[:, 0]) >= 0.03 - 1e-9).all()


def test_legs_end_at_the_feet_and_their_parts_are_as_long_as_the_robots():
    joint_pos = np.random.default_rng(3).uniform(-0.8, 0.8, 12)
    points = leg_points(Figure(POSITION, LEFT_TURN, joint_pos))
    feet = POSITION + foot_positions(joint_pos) @ rotations.rotation_matrix(LEFT_TURN).T
    np.testing.assert_allclose(points[:, 3], feet)
    lengths = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, np.tile([0.0955, 0.213, 0.213], (4, 1)))
