"""Full states: save, step, restore and step again gives the same, in the batch and in the robot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import JointCommand, RobotState
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, BatchSimulation
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose
from diffusion_mpc_ros.simulation.state import HISTORY, State

MODEL = build_model(ModelOptions(timestep=BATCH_TIMESTEP))
BATCH = BatchSimulation(3, seed=2, randomization=Randomization(nominal_fraction=0.3), threads=1)
ROBOT = Go2Simulation()


def walk_about(rng: np.random.Generator, robots: int) -> np.ndarray:
    return go2.DEFAULT_JOINT_POS + rng.uniform(-0.4, 0.4, size=(robots, go2.NUM_JOINTS))


def assert_same(first, second) -> None:
    for name, values in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), values, err_msg=name)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), before=st.integers(0, 6), after=st.integers(1, 4))
def test_a_batch_that_is_set_back_does_the_same_again(seed, before, after):
    rng = np.random.default_rng(seed)
    for _ in range(before):
        BATCH.step(walk_about(rng, 3))
    saved = BATCH.full_state
    targets = [walk_about(rng, 3) for _ in range(after)]
    first = [BATCH.step(each) for each in targets]
    ended = BATCH.full_state
    BATCH.full_state = saved
    for state, each in zip(first, targets, strict=True):
        assert_same(state, BATCH.step(each))
    assert_same(ended, BATCH.full_state)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), before=st.integers(HISTORY, 8), latency_steps=st.integers(0, 25))
def test_a_robot_that_is_set_back_does_the_same_again(seed, before, latency_steps):
    rng = np.random.default_rng(seed)
    robot = ROBOT
    robot.reset(Pose.STANDING)
    late = robot.full_state
    late.latency[...] = latency_steps * robot.timestep
    robot.full_state = late

    def step(targets: np.ndarray):
        return robot.step_control_tick(JointCommand.position(targets, go2.WALKING_KP, go2.WALKING_KD))

    for _ in range(before):
        step(walk_about(rng, 1)[0])
    saved, targets = robot.full_state, [walk_about(rng, 1)[0] for _ in range(3)]
    first = [step(each) for each in targets]
    ended = robot.full_state
    robot.full_state = saved
    for lowstate, each in zip(first, targets, strict=True):
        again = step(each)
        for name in (
            "tick_ms",
            "joint_pos",
            "joint_vel",
            "joint_torque",
            "base_quat_wxyz",
            "base_lin_acc",
            "foot_force",
        ):
            np.testing.assert_array_equal(getattr(again, name), getattr(lowstate, name), err_msg=name)
    assert_same(ended, robot.full_state)


def test_what_is_given_out_is_a_copy():
    saved = BATCH.full_state
    saved.qpos[:] = np.nan
    assert np.isfinite(BATCH.full_state.qpos).all()


def test_the_state_that_fits_an_estimate_by_hand():
    # Yaw 90 degrees: 0.5 m/s forward is along the world's y.
    half = np.sqrt(0.5)
    known = RobotState.standing(tick=50, robots=2)
    turned = np.tile([half, 0.0, 0.0, half], (2, 1))
    known = replace(known, base_quat_wxyz=turned, base_height=np.array([0.3, 0.2]))
    known.base_lin_vel[:] = (0.5, 0.0, 0.1)
    state, indices = State.of(known, MODEL, latency=0.02), ModelIndices.of(MODEL)
    assert state.shape == (2,) and state.time.tolist() == [1.0, 1.0] and state.latency.tolist() == [0.02, 0.02]
    np.testing.assert_allclose(state.qpos[:, :3], [[0.0, 0.0, 0.3], [0.0, 0.0, 0.2]])
    np.testing.assert_allclose(state.qvel[:, :3], [[0.0, 0.5, 0.1]] * 2, atol=1e-12)
    np.testing.assert_array_equal(state.qpos[:, indices.qpos], known.joint_pos)
    assert state.joint_targets.shape == (2, HISTORY, 12) and (state.joint_targets == known.previous_action[0]).all()
    state.check(MODEL, (2,))


def test_the_batchs_own_state_comes_back_from_what_a_controller_knows():
    for _ in range(5):
        BATCH.step(np.tile(go2.DEFAULT_JOINT_POS, (3, 1)))
    full, previous = BATCH.full_state, np.tile(go2.DEFAULT_JOINT_POS, (3, 1))
    state = State.of(BATCH.state.robot_state(5, previous), BATCH.nominal)
    np.testing.assert_allclose(state.qvel, full.qvel, atol=1e-12)
    np.testing.assert_allclose(state.qpos[:, 2:], full.qpos[:, 2:], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.apply(lambda array: array[:1]), r"qpos|time.*\(3,\).*\(1,\)"),
        (lambda state: replace(state, qvel=state.qvel * np.nan), "qvel.*finite: False"),
        (lambda state: replace(state, latency=state.latency + 1.0), "latency must be 0 .. 0.060 s, got 1"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, words):
    with pytest.raises(ConfigurationError, match=words):
        BATCH.full_state = change(BATCH.full_state)
