"""PPO on a few robots: trains, resumes, exports; the exported policy is the trained one; collection uses it."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.trajectory import COMMAND, PREVIOUS_ACTION
from diffusion_mpc_ros.evaluation.demonstrator_policy import DemonstratorPolicy
from diffusion_mpc_ros.training.collect import ActionNoise, CollectConfig, NoiseGenerator, collect_part
from diffusion_mpc_ros.training.demonstrator import DemonstratorConfig, Stage, main
from diffusion_mpc_ros.training.walking_env import ACTION_SCALE, WalkingEnv, WalkingEnvConfig, action_to_joint_targets


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrator")
    config = DemonstratorConfig(
        run_dir=folder / "run", output=folder / "out", threads=1, save_interval=1,
        env=WalkingEnvConfig(robots=8, steps_per_iteration=4, episode_ticks=6), stages=(Stage(2, 5e-3),),
    )  # fmt: skip
    main(config)
    return config


def test_training_checkpoints_and_resumes(trained):
    before = {path.name for path in trained.run_dir.glob("model_*.pt")}
    assert before == {"model_0.pt", "model_1.pt"}
    main(replace(trained, stages=(Stage(2, 5e-3), Stage(1, 5e-4))))
    assert {path.name for path in trained.run_dir.glob("model_*.pt")} - before == {"model_2.pt"}
    assert list(trained.run_dir.glob("events.out.tfevents.*"))


def test_exported_policy_gives_joint_targets_within_limits(trained):
    policy = DemonstratorPolicy(trained.output)
    observation = 10.0 * np.random.default_rng(0).standard_normal((5, 45))
    targets = policy(observation, np.full(5, 0.28))
    assert targets.shape == (5, 12)
    assert (targets >= go2.JOINT_POS_MIN - 1e-6).all() and (targets <= go2.JOINT_POS_MAX + 1e-6).all()


def test_changed_policy_is_refused(trained, tmp_path):
    for file in trained.output.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with open(tmp_path / "demonstrator.onnx", "ab") as file:
        file.write(b"x")
    with pytest.raises(ArtefactError, match="sha256"):
        DemonstratorPolicy(tmp_path)
    with pytest.raises(ArtefactError, match="not readable"):
        DemonstratorPolicy(tmp_path / "nothing")


def test_actions_are_scaled_about_the_default_pose_and_clipped():
    action = np.zeros(12)
    action[1] = 1.0
    expected = go2.DEFAULT_JOINT_POS.copy()
    expected[1] += ACTION_SCALE
    np.testing.assert_allclose(action_to_joint_targets(action), expected)
    np.testing.assert_array_equal(action_to_joint_targets(np.full(12, 1e3)), go2.JOINT_POS_MAX)


def test_episodes_end_and_start_afresh():
    env = WalkingEnv(WalkingEnvConfig(robots=4, episode_ticks=3), seed=0, threads=1)
    import torch

    actions = torch.full((4, 12), 0.5)
    for _ in range(2):
        _, _, done, _ = env.step(actions)
        assert not done.any()
    observation, reward, done, extras = env.step(actions)
    assert done.all() and extras["time_outs"].all() and (reward >= 0.0).all()
    np.testing.assert_allclose(
        observation["policy"][:, PREVIOUS_ACTION].numpy(), np.tile(go2.DEFAULT_JOINT_POS, (4, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(observation["policy"][:, COMMAND].numpy(), env.commands.command, rtol=1e-6)


def test_noise_has_its_scale_whatever_the_correlation():
    config = ActionNoise(clean=0.0, scale=(0.4, 0.4 + 1e-9), autoregressive=0.5, bursts=0.0)
    noise = NoiseGenerator(200, config, np.random.default_rng(0))
    for _ in range(40):  # the autoregressive noise reaches its stationary variance
        noise.step()
    drawn = np.stack([noise.step() for _ in range(100)])
    # 240000 numbers, correlated over about 12 ticks: the standard deviation is known to about 1 %.
    assert drawn.std() == pytest.approx(0.4 * ACTION_SCALE, rel=0.03)


def test_collection_is_reproducible_and_labels_are_clean(trained):
    config = CollectConfig(robots=4, ticks=12, threads=1, noise=ActionNoise(clean=0.0, bursts=0.0))
    policy = DemonstratorPolicy(trained.output)
    first, second = (collect_part(config, policy, seed=3) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert first["observation"].shape == (4, 12, 45) and first["fresh"][:, 0].all()
    assert not np.allclose(first["action"], first["executed"])
    same_life = ~first["fresh"][:, 1:]
    echo = first["observation"][:, 1:, PREVIOUS_ACTION][same_life]
    np.testing.assert_allclose(echo, first["executed"][:, :-1][same_life], atol=1e-6)
