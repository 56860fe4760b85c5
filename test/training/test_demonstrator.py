"""PPO on a few robots: trains, resumes, exports; the exported policy is the trained one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import COMMAND, OBSERVATION, PREVIOUS_ACTION
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitCommand, is_moving
from diffusion_mpc_ros.training.demonstrator import DemonstratorConfig, Stage, main
from diffusion_mpc_ros.training.velocity_commands import CommandRanges
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


LONGER = (Stage(2, 5e-3), Stage(4, 5e-4))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"seed": 2, "stages": LONGER}, "config.seed 1 there, 2 now"),
        ({"hidden": (8,), "stages": LONGER}, r"config.hidden \[256, 192, 128\] there, \[8\] now"),
        ({"stages": (Stage(1, 5e-3), Stage(5, 1e-3))}, "config.stages.0.iterations 2 there, 1 now, .*"),
    ],
)
def test_a_run_of_another_configuration_is_refused_and_left(trained, change, difference):
    # Three iterations are done, of which the last is of the second stage: it may become longer, but not another.
    before = {path: path.read_bytes() for path in trained.run_dir.rglob("*.*")}
    with pytest.raises(ConfigurationError, match=rf"model_\d.pt is of another run \({difference}\): .*another folder"):
        main(replace(trained, **change))
    assert {path: path.read_bytes() for path in trained.run_dir.rglob("*.*")} == before


def test_exported_policy_heeds_every_hidden_input(trained):
    policy = DemonstratorPolicy(trained.output)
    assert policy.has_clock and policy.gait_parameters == GAIT_PARAMETERS
    observation = 10.0 * np.random.default_rng(0).standard_normal((5, 45))
    clock = np.tile([0.0, 1.0], (5, 1))
    targets = policy(observation, GaitCommand.default(5), clock)
    assert targets.shape == (5, 12)
    assert (targets >= go2.JOINT_POS_MIN - 1e-6).all() and (targets <= go2.JOINT_POS_MAX + 1e-6).all()
    for name in GAIT_PARAMETERS:
        gait = GaitCommand.default(5)
        getattr(gait, name)[:] = GAIT_PARAMETERS[name].low
        assert not np.array_equal(policy(observation, gait, clock), targets), name
    assert not np.array_equal(policy(observation, GaitCommand.default(5), -clock), targets)


def test_exported_policy_is_the_trained_one(trained):
    """The order of the inputs in the environment and in the file is the same."""
    env = WalkingEnv(replace(trained.env, robots=5), seed=3, threads=1)
    seen = env.get_observations()["policy"]
    newest = max(trained.run_dir.glob("model_*.pt"))
    checkpoint = torch.load(newest, weights_only=True)["actor_state_dict"]
    mean, std = checkpoint["obs_normalizer._mean"], checkpoint["obs_normalizer._std"]
    action = (seen - mean) / (std + 1e-2)
    for layer in (0, 2, 4, 6):
        action = action @ checkpoint[f"mlp.{layer}.weight"].T + checkpoint[f"mlp.{layer}.bias"]
        action = torch.nn.functional.elu(action) if layer < 6 else action
    policy = DemonstratorPolicy(trained.output)
    targets = policy(seen[:, OBSERVATION].numpy(), env.gait, env.clock.features(env.commands.command))
    np.testing.assert_allclose(targets, action_to_joint_targets(action.numpy()), atol=1e-4)


def test_actions_are_scaled_about_the_default_pose_and_clipped():
    action = np.zeros(12)
    action[1] = 1.0
    expected = go2.DEFAULT_JOINT_POS.copy()
    expected[1] += ACTION_SCALE
    np.testing.assert_allclose(action_to_joint_targets(action), expected)
    np.testing.assert_array_equal(action_to_joint_targets(np.full(12, 1e3)), go2.JOINT_POS_MAX)


def test_episodes_end_and_start_afresh():
    env = WalkingEnv(WalkingEnvConfig(robots=4, episode_ticks=3), seed=0, threads=1)
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


def test_the_clock_is_shown_to_walking_robots_only():
    commands = CommandRanges(standing=0.5)
    env = WalkingEnv(WalkingEnvConfig(robots=40, commands=commands), seed=0, threads=1)
    clock = env.get_observations()["policy"][:, -2:].numpy()
    walking = is_moving(env.commands.command)
    assert 5 < walking.sum() < 35
    np.testing.assert_allclose(np.linalg.norm(clock, axis=1), walking, atol=1e-6)


def test_a_new_command_comes_with_a_new_gait_which_is_held_until_the_next():
    env = WalkingEnv(WalkingEnvConfig(robots=20, default_gait_share=0.0), seed=0, threads=1)
    gait, command = env.gait.columns().copy(), env.commands.command.copy()
    env.commands._ticks_left[:10] = 1
    env.commands._ticks_left[10:] = 9
    env.step(torch.zeros(20, 12))
    changed = (env.gait.columns() != gait).any(axis=1)
    np.testing.assert_array_equal(changed, np.arange(20) < 10)
    np.testing.assert_array_equal(env.commands.command[10:], command[10:])


def test_the_curves_name_every_error():
    env = WalkingEnv(WalkingEnvConfig(robots=4), seed=0, threads=1)
    log = env.step(torch.zeros(4, 12))[3]["log"]
    expected = {"planar_velocity", "mean_planar_velocity", "yaw_rate", "base_height", "pitch", "swing_height"}
    assert {name for name in log if name.startswith("error/")} == {
        f"error/{name}" for name in (*expected, "contact_schedule")
    }
    assert all(np.isfinite(value) for value in log.values())
