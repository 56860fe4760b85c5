"""Rollouts: the batch's own steps, the simulated robot's own steps, candidates apart, outcomes and rows by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2, trajectory
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.rewards import outcomes
from diffusion_mpc_ros.simulation import rollout
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State

ROBOTS, CANDIDATES, HORIZON = 3, 4, 5
SIMULATION = BatchSimulation(ROBOTS, seed=0, randomization=Randomization(nominal_fraction=0.3), threads=1)
START = SIMULATION.full_state
TARGETS = go2.DEFAULT_JOINT_POS + np.random.default_rng(0).uniform(-0.5, 0.5, size=(ROBOTS, CANDIDATES, HORIZON, 12))
ROLLOUTS = Rollouts(SIMULATION.nominal, threads=1)
DONE = ROLLOUTS.run(START, TARGETS, SIMULATION.models)


def assert_same(first, second) -> None:
    for name, values in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), values, err_msg=name)


def test_a_tick_of_the_batch_is_the_rollout_of_one_row():
    SIMULATION.full_state = START
    stepped = SIMULATION.step(TARGETS[:, 0, 0])
    done = ROLLOUTS.run(START, TARGETS[:, :1, :1], SIMULATION.models)
    assert_same(done.ticks.apply(lambda array: array[:, 0, 0]), stepped)
    assert_same(done.final[:, 0], SIMULATION.full_state)


def test_ticks_in_one_rollout_and_one_by_one_agree_to_the_solver():
    SIMULATION.full_state = START
    for tick in range(HORIZON):
        stepped = SIMULATION.step(TARGETS[:, 2, tick])
        # The solver starts warm within a rollout, cold at the beginning of each.
        np.testing.assert_allclose(DONE.ticks.joint_pos[:, 2, tick], stepped.joint_pos, atol=1e-3)
        np.testing.assert_allclose(DONE.ticks.base_pos[:, 2, tick], stepped.base_pos, atol=1e-3)
    np.testing.assert_array_equal(DONE.final[:, 2].joint_targets, SIMULATION.full_state.joint_targets)


def test_the_simulated_robot_does_what_a_rollout_from_its_state_says():
    robot = Go2Simulation(latency=0.006)
    robot.set_payload(2.0, (0.1, 0.0, 0.05))
    robot.reset(Pose.STANDING)
    commands = [
        JointCommand.position(targets, go2.WALKING_KP, go2.WALKING_KD) for targets in TARGETS[0].reshape(-1, 12)
    ]
    for command in commands[:10]:
        robot.step_control_tick(command)
    predicted = Rollouts(copy.copy(robot.model), threads=1).run(
        robot.full_state.apply(lambda array: array[None]), TARGETS[0].reshape(1, 1, 20, 12)[:, :, 10:]
    )
    for tick, command in enumerate(commands[10:]):
        lowstate = robot.step_control_tick(command)
        np.testing.assert_array_equal(predicted.ticks.joint_pos[0, 0, tick], lowstate.joint_pos)
        np.testing.assert_array_equal(predicted.ticks.joint_vel[0, 0, tick], lowstate.joint_vel)
        np.testing.assert_array_equal(predicted.ticks.foot_force[0, 0, tick], lowstate.foot_force)
        np.testing.assert_array_equal(predicted.ticks.base_height[0, 0, tick], robot.truth().height)
    final, now = predicted.final[0, 0], robot.full_state
    for name in ("time", "qpos", "qvel", "joint_targets", "latency"):
        np.testing.assert_array_equal(getattr(final, name), getattr(now, name), err_msg=name)


def test_candidates_and_blocks_do_not_feel_one_another(monkeypatch):
    alone = ROLLOUTS.run(START, TARGETS[:, 2:3], SIMULATION.models)
    assert_same(alone.ticks, DONE.ticks.apply(lambda array: array[:, 2:3]))
    # Five rollouts a block, on two threads.
    rows = HORIZON * ROLLOUTS.steps * (START.rows().shape[1] + SIMULATION.nominal.nsensordata)
    monkeypatch.setattr(rollout, "BLOCK_NUMBERS", 5 * rows)
    seen = []
    parted = Rollouts(SIMULATION.nominal, threads=2).run(
        START, TARGETS, SIMULATION.models, lambda part, states, sensors: seen.append((part, len(states), len(sensors)))
    )
    assert_same(parted.ticks, DONE.ticks)
    assert_same(parted.final, DONE.final)
    assert seen == [(slice(0, 5), 5, 5), (slice(5, 10), 5, 5), (slice(10, 12), 2, 2)]


def test_each_robot_has_its_own_model():
    nominal = ROLLOUTS.run(START, TARGETS)
    np.testing.assert_array_equal(nominal.ticks.joint_pos[0], DONE.ticks.joint_pos[0])
    assert np.abs(nominal.ticks.joint_pos[2] - DONE.ticks.joint_pos[2]).max() > 1e-3


def test_what_is_measured_is_named_and_true():
    measured, ticks, shape = DONE.measured(), DONE.ticks, (ROBOTS, CANDIDATES, HORIZON)
    assert {name: values.shape for name, values in measured.items()} == {
        "base_height": shape,
        "base_lin_vel": (*shape, 3),
        "foot_positions": (*shape, 4, 3),
        "foot_height": (*shape, 4),
        "foot_contact": (*shape, 4),
        "joint_torque": (*shape, 12),
        "mechanical_power": shape,
        "fallen": shape,
    }
    # On flat ground at height 0.
    np.testing.assert_array_equal(measured["base_height"], ticks.base_pos[..., 2])
    np.testing.assert_array_equal(measured["foot_height"], measured["foot_positions"][..., 2])
    loaded = measured["foot_contact"]
    assert 0.1 < loaded.mean() < 0.9
    # The force sensor reaches 3 cm from the foot's centre.
    assert (measured["foot_height"][loaded] < 0.03).all() and measured["foot_height"][~loaded].max() > 0.03
    assert not measured["fallen"].any()


def test_outcomes_of_reward_terms_are_made_of_what_is_measured():
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in DONE.measured().items()}
    made = outcomes.measure(flat)
    assert set(made) == outcomes.MEASURED
    np.testing.assert_allclose(made["base_height"], DONE.ticks.base_height.mean(axis=2).ravel())
    np.testing.assert_allclose(made["foot_clearance"], (flat["foot_height"].max(axis=2) - go2.FOOT_RADIUS).mean(axis=1))


def test_rows_are_those_of_reward_terms():
    observation, command = np.arange(ROBOTS * 45.0).reshape(ROBOTS, 45), np.array([[0.5, 0.0, 0.1]] * ROBOTS)
    rows = DONE.trajectory(observation, command)
    assert rows.shape == (ROBOTS, CANDIDATES, HORIZON + 1, trajectory.ROW_DIM)
    np.testing.assert_array_equal(rows[:, 1, 0, :45], observation)
    np.testing.assert_array_equal(rows[:, :, 1:, trajectory.JOINT_POS], DONE.ticks.joint_pos)
    np.testing.assert_array_equal(rows[:, :, 1:, trajectory.PREVIOUS_ACTION], rows[:, :, :-1, trajectory.ACTION])
    np.testing.assert_array_equal(rows[:, :, :-1, trajectory.ACTION], go2.clip_joint_targets(TARGETS))
    np.testing.assert_array_equal(rows[0, 0, 3, trajectory.COMMAND], command[0])


def test_a_rollout_that_blows_up_has_fallen_and_is_finite():
    start = START.copy()
    start.qvel[1, :3] = 1e9
    done = ROLLOUTS.run(start, TARGETS, SIMULATION.models)
    np.testing.assert_array_equal(done.ticks.fallen().all(axis=(1, 2)), [False, True, False])
    assert all(np.isfinite(values).all() for values in vars(done.ticks).values())
    assert_same(done.ticks.apply(lambda array: array[[0, 2]]), DONE.ticks.apply(lambda array: array[[0, 2]]))
    done.final[:, 0].check(SIMULATION.nominal)


@pytest.mark.parametrize(
    ("robots", "shape", "words"),
    [
        (3, (3, 12), r"\(B, N, H, 12\) are needed, got \(3, 12\)"),
        (3, (3, 0, 1, 12), r"got \(3, 0, 1, 12\)"),
        (3, (2, 1, 1, 12), r"of shape \(2,\) are needed, got \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(robots, shape, words):
    with pytest.raises(ConfigurationError, match=words):
        ROLLOUTS.run(State.zeros(SIMULATION.nominal, (robots,)), np.zeros(shape))
    with pytest.raises(ConfigurationError, match="a model for each of 3 robots is needed, got 1"):
        ROLLOUTS.run(START, TARGETS, SIMULATION.models[:1])
