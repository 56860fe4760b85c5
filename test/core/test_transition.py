"""The layout of transition models: every entry where its name says, and trajectories made of states and actions."""

import numpy as np

from diffusion_mpc_ros.core import trajectory, transition
from diffusion_mpc_ros.core.types import RobotState

RNG = np.random.default_rng(0)


def test_slices_cover_a_row_without_gaps():
    parts = list(transition.FIELDS.values())
    assert parts[0].start == 0 and parts[-1].stop == transition.TRANSITION_DIM == 49
    assert all(before.stop == after.start for before, after in zip(parts, parts[1:]))
    assert transition.STATE_DIM == 3 + 1 + 3 + 3 + 12 + 12


def test_a_robot_and_its_observation_give_the_same_state():
    robots = RobotState.standing(robots=2)
    velocity, joint_vel = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 12))
    robots = type(robots)(**{**vars(robots), "base_lin_vel": velocity, "joint_vel": joint_vel})
    observation = trajectory.make_observation(
        base_ang_vel=robots.base_ang_vel, projected_gravity=np.tile([0.0, 0.0, -1.0], (2, 1)),
        command=np.ones((2, 3)), joint_pos=robots.joint_pos, joint_vel=joint_vel, previous_action=robots.joint_pos,
    )  # fmt: skip
    state = transition.state_of_robots(robots)
    np.testing.assert_allclose(state, transition.state_of(observation, velocity, robots.base_height))
    np.testing.assert_array_equal(state[:, transition.BASE_LIN_VEL], velocity)
    np.testing.assert_array_equal(state[:, transition.JOINT_VEL], joint_vel)


def test_a_trajectory_begins_with_the_state_and_remembers_actions_one_row_later():
    state, states = RNG.normal(size=(2, 34)), RNG.normal(size=(2, 5, 34))
    previous, command, actions = RNG.normal(size=(2, 12)), RNG.normal(size=(2, 3)), RNG.normal(size=(2, 5, 12))
    rows = transition.trajectory_of(state, previous, command, actions, states)
    assert rows.shape == (2, 6, 57)
    np.testing.assert_array_equal(rows[:, 0, trajectory.JOINT_POS], state[:, transition.JOINT_POS])
    np.testing.assert_array_equal(rows[:, 1:, trajectory.JOINT_VEL], states[..., transition.JOINT_VEL])
    np.testing.assert_array_equal(rows[:, 0, trajectory.PREVIOUS_ACTION], previous)
    np.testing.assert_array_equal(rows[:, 1:, trajectory.PREVIOUS_ACTION], actions)
    np.testing.assert_array_equal(rows[:, :-1, trajectory.ACTION], actions)
    np.testing.assert_array_equal(rows[:, -1, trajectory.ACTION], actions[:, -1])
    assert (rows[..., trajectory.COMMAND] == command[:, None]).all()
