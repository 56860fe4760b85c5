"""Bags as a lesson: what is known of a robot's walk, commands of the fit, windows that count."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from bag_files import BagFile, action_of, emergency_stop, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rollouts import constant, made_rollouts

from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.bags.episodes import first_ticks, read_episodes
from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import BagError, ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND, JOINT_POS, PROJECTED_GRAVITY
from diffusion_mpc_ros.training.dataset import WEIGHT, window_starts
from diffusion_mpc_ros.training.finetuning import finetune, hindsight_fit, run
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig
from diffusion_mpc_ros.training.finetuning.from_bags import (
    TORQUE_COST,
    BagLesson,
    advantage_weights,
    lesson,
    rewards,
    walked,
    with_mirrored,
)
from diffusion_mpc_ros.training.finetuning.hindsight import BLOCK, STARTING
from diffusion_mpc_ros.training.finetuning.returns import Value
from diffusion_mpc_ros.training.finetuning.run import Finetuning
from diffusion_mpc_ros.training.finetuning.trial import TrialScores
from diffusion_mpc_ros.training.loop import CHECKPOINT_FILE, METADATA_FILE

CONFIG = config_files.load(FinetuneConfig, config_file("training/finetune_bag.yaml"))
STRETCH = STARTING + BLOCK


@pytest.fixture
def stopped(tmp_path):
    """A bag of 100 ticks that the operator ends, with 2 ticks missing after 60."""
    sent = [each for each in walk(range(10, 110)) if getattr(each.message, "tick", 0) not in (70, 71)]
    return BagFile(tmp_path).write([*sent, *emergency_stop(110)])


def test_rewards_are_of_what_the_robot_knows(stopped):
    first, second = read_episodes(load(stopped))
    rollouts = walked(second)
    assert len(first) == 60 and len(second) == 38
    # The estimate is 0.5 m/s and 0.1 rad/s, as commanded; the motors say 3 N m: 0.3 + 0.7 - 9 * the torque's cost.
    expected = np.full((1, 38), 1.0 - 9.0 * TORQUE_COST)
    # The operator's stop is as bad as a fall.
    expected[0, -1] += CONFIG.returns.fall
    np.testing.assert_allclose(rewards(second, rollouts, CONFIG), expected, atol=1e-6)
    assert rollouts.pushed.sum() == 1 and rollouts.pushed[0, 0]


def test_no_window_joins_two_episodes_or_leads_to_a_stop(stopped):
    episodes = read_episodes(load(stopped))
    made = lesson(episodes, CONFIG, Value(1), torch.Generator().manual_seed(0))
    weights, mirrored = made.arrays[WEIGHT]
    np.testing.assert_array_equal(weights, mirrored)
    assert weights.shape == (98,) and made.facts["falls"] == 1.0
    # The first tick of an episode is fresh. The second one is too short for a block after getting up to speed.
    assert np.flatnonzero(weights).tolist() == list(range(1, 60 - 12 + 1))
    # Every window that counts is a window of the sampler's.
    starts = {tuple(start) for start in window_starts(made.arrays["fresh"], 12)}
    assert {(0, int(tick)) for tick in np.flatnonzero(weights)} <= starts
    np.testing.assert_allclose(made.arrays["action"][0, 20], action_of(30), rtol=1e-6)


def test_a_bag_from_which_nothing_is_to_be_learned_says_so(tmp_path):
    short = BagFile(tmp_path).write(walk(range(10, 40)))
    config = FinetuneConfig(bag=(short,), recipe=CONFIG.recipe)
    with pytest.raises(BagError, match=r"walk.mcap: nowhere did the robot walk for"):
        BagLesson(config).make(Value(1), torch.Generator().manual_seed(0))
    with pytest.raises(BagError, match="no stretch of 12 ticks is fit"):
        BagLesson(FinetuneConfig(bag=(BagFile(tmp_path).write(walk(range(10, 15)), "none.mcap"),)))


def test_the_mirror_changes_sides_and_nothing_else():
    rng = np.random.default_rng(0)
    arrays = {"observation": rng.normal(size=(1, 3, 45)), "action": rng.normal(size=(1, 3, 12)),
              WEIGHT: rng.uniform(size=(1, 3))}  # fmt: skip
    both = with_mirrored(arrays)
    observation, action = both["observation"][1, 0], both["action"][1, 0]
    was, did = arrays["observation"][0, 0], arrays["action"][0, 0]
    # vx stays, vy and the yaw rate turn round; it rolls and turns the other way, and pitches as it did.
    np.testing.assert_array_equal(observation[COMMAND], was[COMMAND] * [1.0, -1.0, -1.0])
    np.testing.assert_array_equal(observation[BASE_ANG_VEL], was[BASE_ANG_VEL] * [-1.0, 1.0, -1.0])
    np.testing.assert_array_equal(observation[PROJECTED_GRAVITY], was[PROJECTED_GRAVITY] * [1.0, -1.0, 1.0])
    # The front right leg does what the front left one did, its hip the other way.
    np.testing.assert_array_equal(action[:3], did[3:6] * [-1.0, 1.0, 1.0])
    np.testing.assert_array_equal(observation[JOINT_POS][6:9], was[JOINT_POS][9:12] * [-1.0, 1.0, 1.0])
    np.testing.assert_array_equal(both[WEIGHT][1], arrays[WEIGHT][0])
    # The mirror's mirror is the robot.
    again = with_mirrored({name: array[1:] for name, array in both.items()})
    np.testing.assert_array_equal(again["observation"][1], arrays["observation"][0])


def test_the_first_minutes_of_a_bag(stopped):
    episodes = read_episodes(load(stopped))
    kept = first_ticks(episodes, 70)
    assert [len(each) for each in kept] == [60, 10] and kept[0] is episodes[0]
    np.testing.assert_array_equal(kept[1].observation, episodes[1].observation[:10])
    # The operator's stop was later.
    assert episodes[1].ending.stopped and not kept[1].ending.stopped
    assert len(first_ticks(episodes, 60)) == 1 and len(first_ticks(episodes, 1000)) == 2
    # 0.02 min of 50 ticks a second.
    config = FinetuneConfig(bag=(stopped,), bag_minutes=0.02, recipe=CONFIG.recipe)
    made = BagLesson(config).make(Value(1), torch.Generator().manual_seed(0))
    assert made.arrays[WEIGHT].shape == (2, 60)
    with pytest.raises(ConfigurationError, match=r"bag_minutes 0.0 is not a positive time"):
        replace(config, bag_minutes=0.0)


def test_weights_by_hand():
    # Of the usable ones the mean is 0 and the standard deviation 1; the last one is not usable.
    advantages, usable = np.array([[1.0, -1.0, 1.0, -1.0, 9.0]]), np.array([[True] * 4 + [False]])
    weights = advantage_weights(advantages, usable, temperature=0.25)
    # exp(4) is clipped to exp(2); exp(-4) is not: mean (e^2 + e^-4) / 2.
    mean = (np.exp(2.0) + np.exp(-4.0)) / 2.0
    np.testing.assert_allclose(weights[0], [np.exp(2.0) / mean, np.exp(-4.0) / mean] * 2 + [0.0])


def commanded(rng: np.random.Generator, stretches: int) -> np.ndarray:
    """Commands ``(1, L, 3)``, another one for each stretch."""
    drawn = rng.uniform(-1.0, 1.0, size=(stretches, 3)) * [1.0, 0.4, 0.9]
    return np.repeat(drawn, STRETCH, axis=0)[None].astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.7, 1.2), st.floats(-0.1, 0.1))
def test_a_robot_that_is_always_off_alike_has_the_labels_that_it_walks(seed, factor, drift):
    rng = np.random.default_rng(seed)
    command = commanded(rng, 60)
    velocity = factor * command + np.array([0.0, drift, 0.0], dtype=np.float32)
    chance = velocity + np.repeat(0.03 * rng.normal(size=(1, 60, 3)), STRETCH, axis=1).astype(np.float32)
    observation, usable = hindsight_fit.relabelled(made_rollouts(command, chance))
    assert usable.all()
    # Nearer to what it walks on average than the blocks are, each of which is off by chance.
    off, of_blocks = np.abs(observation[..., COMMAND] - velocity), np.abs(chance - velocity)
    assert off.mean() < 0.9 * of_blocks.mean()


def test_a_robot_that_feedback_helps_walks_what_it_is_told_with_what_is_added():
    command, rng = commanded(np.random.default_rng(0), 40), np.random.default_rng(1)
    added = np.repeat(rng.uniform(0.0, 0.4, size=(1, 40, 3)), STRETCH, axis=1)
    # It walks three quarters of the sum: what the command alone says of that is next to nothing.
    velocity = (0.75 * (command + added)).astype(np.float32)
    rollouts = made_rollouts(command, velocity)
    known, _ = hindsight_fit.relabelled(rollouts, added=added)
    unknown, _ = hindsight_fit.relabelled(rollouts)
    off, off_unknown = (np.abs(each[..., COMMAND] - velocity).mean() for each in (known, unknown))
    print(off, off_unknown)
    assert off < 0.01 and off_unknown > 0.05


def test_the_label_knows_how_the_ground_tilts():
    command = commanded(np.random.default_rng(0), 40)
    tilt = np.repeat(np.tile([0.2, -0.2], 20), STRETCH)
    velocity = command.copy()
    velocity[0, :, 0] += 0.5 * tilt  # faster where it leans forward, that is downhill
    rollouts = made_rollouts(command, velocity)
    rollouts.observation[..., PROJECTED_GRAVITY] = np.stack([tilt, 0 * tilt, -np.ones_like(tilt)], axis=-1)[None]
    observation, _ = hindsight_fit.relabelled(rollouts)
    np.testing.assert_allclose(observation[0, :, COMMAND], velocity[0], atol=0.02)


def test_who_stands_stays_and_who_is_far_off_teaches_nothing():
    command = constant(1, 3 * STRETCH, 0.5, 0.0, 0.0)
    command[0, :STRETCH], command[0, 2 * STRETCH :, 0] = 0.0, 0.6
    velocity = command.copy()
    velocity[0, 2 * STRETCH :, 0] = -0.3
    observation, usable = hindsight_fit.relabelled(made_rollouts(command, velocity), within=0.6)
    np.testing.assert_array_equal(observation[0, :STRETCH, COMMAND], 0.0)
    assert usable[0, : 2 * STRETCH].all() and not usable[0, 2 * STRETCH :].any()
    nobody = made_rollouts(constant(1, 20, 0.5, 0.0, 0.0), constant(1, 20, 0.5, 0.0, 0.0))
    assert not hindsight_fit.relabelled(nobody)[1].any()


def test_a_run_learns_from_its_bag_resumes_and_refuses_another(stopped, tmp_path, monkeypatch):
    config = FinetuneConfig(
        run_dir=tmp_path / "run", bag=(stopped,), replay=(), replay_share=0.0, recipe=CONFIG.recipe, iterations=2,
        updates=1, batch=8, trial=replace(CONFIG.trial, interval=1),
    )  # fmt: skip
    published = []
    monkeypatch.setattr(run, "roll_out", None)  # nobody is rolled out
    monkeypatch.setattr(finetune, "publish_finetuned", lambda *arguments: published.append(arguments[2]))
    flat = iter([(1.0, 0.060), (1.0, 0.064), (0.9, 0.05)])
    monkeypatch.setattr(run, "run_trial", lambda *_: TrialScores(0, 0.0, {}, *next(flat), 0.1))
    assert finetune.main(config) == 0
    # Of the weights that keep flat ground the last ones: the first trial's are none, the third's fall.
    checkpoint = torch.load(config.run_dir / CHECKPOINT_FILE, weights_only=True)["finetuning"]
    assert checkpoint["best_trial"] == 1 and len(checkpoint["lessons"]) == 1
    (bag,) = published[0]["bags"]
    assert bag["name"] == "walk.mcap" and len(bag["sha256"][0]) == 64
    # Where flat ground is lost the weights are drawn back, by a quarter, then by half.
    flat = iter([(1.0, 0.060), (1.0, 0.066), (0.9, 0.061), (1.0, 0.065)])
    lost = replace(config, run_dir=tmp_path / "lost", trial=replace(config.trial, interval=2))
    assert finetune.main(lost) == 0 and published[1]["learned_share"] == 0.5
    # Where nothing helps nothing is published.
    flat = iter([(1.0, 0.060)] + 4 * [(1.0, 0.07)])
    vain = replace(lost, run_dir=tmp_path / "nothing")
    assert finetune.main(vain) == 1 and len(published) == 2
    # Started again, nobody walks again, and each says the same.
    flat = iter(())
    for run_config, share in ((lost, 0.5), (vain, 0.0)):
        assert json.loads((run_config.run_dir / METADATA_FILE).read_text())["learned_share"] == share
    assert finetune.main(lost) == 0 and published[2]["learned_share"] == 0.5
    assert published[2]["trials"] == published[1]["trials"]
    assert finetune.main(vain) == 1 and len(published) == 3
    resumed = Finetuning(config)
    assert resumed.iteration == 2 and resumed.buffer.filled
    other = BagFile(tmp_path).write(walk(range(10, 120)), "other.mcap")
    with pytest.raises(ConfigurationError, match="of another run"):
        Finetuning(replace(config, bag=(other,)))
