"""The mirrored samples are what the robot's mirror image sees and does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.model import ModelIndices
from diffusion_mpc_ros.training import symmetry
from diffusion_mpc_ros.training.walking_env import WalkingEnv, WalkingEnvConfig


def test_an_observation_by_hand():
    joints = torch.arange(1.0, 13.0)  # FR 1 2 3, FL 4 5 6, RR 7 8 9, RL 10 11 12
    mirrored = torch.tensor([-4.0, 5.0, 6.0, -1.0, 2.0, 3.0, -10.0, 11.0, 12.0, -7.0, 8.0, 9.0])
    seen = [torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.01, 0.02, -0.9]), torch.tensor([0.5, 0.4, 0.3])]
    gait, clock = torch.tensor([0.25, 0.1, 2.0, 0.07]), torch.tensor([0.6, 0.8])
    policy = torch.cat([*seen, joints, 2.0 * joints, 3.0 * joints, gait, clock])
    expected = torch.cat(
        [
            torch.tensor([-0.1, 0.2, -0.3]),  # rolls and turns the other way
            torch.tensor([0.01, -0.02, -0.9]),  # leans to the other side
            torch.tensor([0.5, -0.4, -0.3]),
            mirrored,
            2.0 * mirrored,
            3.0 * mirrored,
            gait,
            torch.tensor([-0.6, -0.8]),  # half a cycle later
        ]
    )
    torch.testing.assert_close(symmetry.POLICY(policy), expected)


def test_the_critics_view_by_hand():
    velocity, height = [0.5, 0.1, 0.2], [0.3]
    force, foot_height = [1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4]
    error, latency_and_ramp = [0.3, 0.2, 0.1], [3.0, 0.5]
    payload_and_friction = [2.0, 0.1, 0.05, -0.02, 0.7]
    seen = torch.tensor([*velocity, *height, *force, *foot_height, *error, *latency_and_ramp, *payload_and_friction])
    expected = [0.5, -0.1, 0.2, 0.3, 2.0, 1.0, 4.0, 3.0, 0.2, 0.1, 0.4, 0.3, 0.3, -0.2, -0.1, 3.0, 0.5]
    torch.testing.assert_close(symmetry.PRIVILEGED(seen), torch.tensor([*expected, 2.0, 0.1, -0.05, -0.02, 0.7]))


@given(st.integers(0, 2**31 - 1))
def test_a_mirror_of_a_mirror_is_the_robot(seed):
    generator = torch.Generator().manual_seed(seed)
    for mirror in (symmetry.POLICY, symmetry.PRIVILEGED, symmetry.JOINTS):
        values = torch.randn(3, len(mirror.signs), generator=generator)
        torch.testing.assert_close(mirror(mirror(values)), values)


def test_the_default_pose_is_its_own_mirror_image():
    pose = torch.tensor(go2.DEFAULT_JOINT_POS)
    torch.testing.assert_close(symmetry.JOINTS(pose), pose)


def test_samples_come_twice_and_fit_the_environment():
    env = WalkingEnv(WalkingEnvConfig(robots=3), seed=0, threads=1)
    observations = env.get_observations()
    actions = torch.randn(3, 12)
    both, doubled = symmetry.add_mirrored(env, observations, actions)
    assert isinstance(both, TensorDict) and both.batch_size == torch.Size([6])
    torch.testing.assert_close(both["policy"][:3], observations["policy"])
    torch.testing.assert_close(both["policy"][3:], symmetry.POLICY(observations["policy"]))
    torch.testing.assert_close(both["privileged"][3:], symmetry.PRIVILEGED(observations["privileged"]))
    torch.testing.assert_close(doubled, torch.cat([actions, symmetry.JOINTS(actions)]))
    assert symmetry.add_mirrored(env, None, actions)[0] is None
    assert symmetry.add_mirrored(env, observations, None)[1] is None


def test_the_simulated_robot_and_its_mirror_image_move_alike():
    simulation = BatchSimulation(2, seed=0, threads=1)
    start = simulation.full_state
    start.qpos[:] = start.qpos[0]
    start.qpos[:, 3:7], start.qpos[:, 7:], start.qvel[:] = [1.0, 0.0, 0.0, 0.0], 0.0, 0.0
    start.qpos[:, ModelIndices.of(simulation.nominal).qpos] = go2.DEFAULT_JOINT_POS
    simulation.full_state = start
    rng = np.random.default_rng(0)
    for _ in range(8):
        targets = go2.DEFAULT_JOINT_POS + rng.uniform(-0.3, 0.3, size=12)
        mirrored = symmetry.JOINTS(torch.from_numpy(targets)).numpy()
        state = simulation.step(np.stack([targets, mirrored]))
    observation = torch.from_numpy(state.observation(np.zeros((2, 3)), np.stack([targets, mirrored])))
    blank = torch.zeros(2, 6, dtype=observation.dtype)
    policy = torch.cat([observation, blank], dim=1)
    expected = symmetry.POLICY(policy[0])
    # The model's own inertia is symmetric but for the third digit, and contact makes more of it: 5 % here.
    assert (policy[1] - expected).norm() < 0.1 * (policy[0] - expected).norm()
    assert state.base_lin_vel_b[1, 1] == pytest.approx(-state.base_lin_vel_b[0, 1], abs=0.02)
