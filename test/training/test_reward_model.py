"""The reward model: targets by hand, what it is trained on, a short run that learns, resumes and is exported."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import FOOT_RADIUS
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.rewards.outcomes import COSTS_TO_GO
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.training import pretrain, release, reward_model
from diffusion_mpc_ros.training.dataset import ROWS as ROW_ARRAYS
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.loop import METADATA_FILE
from diffusion_mpc_ros.training.networks import NetworkConfig
from diffusion_mpc_ros.training.pretrain import PretrainConfig
from diffusion_mpc_ros.training.reward_model import LabelledWindows, RewardModelConfig, RewardNetworkConfig

ROWS, TICKS, ROBOTS = 12, 60, 80


def make_arrays():
    """The base height is what the first joint says, so that there is something to learn; the rest is constant noise."""
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(ROBOTS, TICKS, 45))
    observation[..., COMMAND] = rng.normal(size=(ROBOTS, 1, 3))
    action = rng.normal(size=(ROBOTS, TICKS, 12))
    fresh = np.zeros((ROBOTS, TICKS), bool)
    fresh[:, 0] = True
    return {
        "observation": observation, "action": action, "executed": action + 0.1, "fresh": fresh,
        "base_height": 0.27 + 0.02 * observation[..., 9], "mechanical_power": rng.uniform(20.0, 80.0, (ROBOTS, TICKS)),
        "foot_height": rng.uniform(FOOT_RADIUS, 0.1, (ROBOTS, TICKS, 4)),
        "base_lin_vel": rng.normal(size=(ROBOTS, TICKS, 3)), "gait": rng.uniform(1.6, 3.2, (ROBOTS, 1)),
    }  # fmt: skip


def test_targets_are_means_over_the_horizon():
    arrays = {
        "base_height": np.array([[0.2, 0.3, 0.4]]), "mechanical_power": np.array([[10.0, 30.0, 50.0]]),
        "foot_height": np.array([[[0.05, 0.03, 0.02, 0.02], [0.02, 0.02, 0.09, 0.02], [0.04] * 4]]),
        "base_lin_vel": np.array([[[0.5, 0.1, 9.0], [0.7, -0.1, 9.0], [0.9, 0.0, 9.0]]]),
        "step_frequency": np.array([[0.0, 2.0, 2.0]]),
    }  # fmt: skip
    targets = reward_model.window_means(arrays, horizon=2)
    assert targets.shape == (1, 2, len(PREDICTIONS) - len(COSTS_TO_GO))
    # The highest foot is at 5, 9 and 4 cm.
    expected = [[0.25, 20.0, 0.07 - FOOT_RADIUS, 0.6, 0.0, 1.0], [0.35, 40.0, 0.065 - FOOT_RADIUS, 0.8, -0.05, 2.0]]
    np.testing.assert_allclose(targets[0], expected, rtol=1e-6)


def test_the_step_frequency_is_that_of_the_gait_where_a_robot_is_told_to_walk():
    observation = np.zeros((2, 3, 45))
    observation[0, 1:, COMMAND] = [0.0, 0.0, 0.5]
    gait = np.array([[0.3, 2.5], [0.2, 1.7]])
    frequencies = reward_model.step_frequencies(observation, gait, ["base_height", "step_frequency"])
    np.testing.assert_array_equal(frequencies, [[0.0, 2.5, 2.5], [0.0, 0.0, 0.0]])


def test_windows_hold_what_was_executed_and_their_own_targets():
    arrays = make_arrays()
    arrays["step_frequency"] = np.zeros((ROBOTS, TICKS))
    windows = LabelledWindows(arrays, ROWS, Normalizer(np.zeros(57), np.ones(57)))
    tau, targets = windows.draw(64, torch.Generator().manual_seed(0))
    heights = 0.27 + 0.02 * tau[:, :-1, 9].mean(dim=1)
    torch.testing.assert_close(targets[:, 0], heights, atol=1e-5, rtol=0.0)
    executed = {tuple(np.round(row, 3)) for row in arrays["executed"].reshape(-1, 12).astype(np.float32)}
    assert all(tuple(np.round(row, 3)) in executed for row in tau[0, :, ACTION].numpy())


@pytest.fixture
def runs(tmp_path):
    """A dataset and the run of a prior on it."""
    TrajectoryDataset(tmp_path / "data", {"seed": 0, "gait": {"step_frequency": [1.6, 3.2]}}).append(make_arrays())
    pretrain.main(PretrainConfig(
        datasets=(tmp_path / "data",), run_dir=tmp_path / "prior", network=NetworkConfig(width=16, blocks=1),
        iterations=2, batch=16, warmup=1, relabel_commands=False,
    ))  # fmt: skip
    return tmp_path


def test_training_learns_resumes_and_is_exported(runs, without_graph, capsys, monkeypatch):
    config = RewardModelConfig(
        pretrain_dir=runs / "prior", datasets=(runs / "data",), run_dir=runs / "model", iterations=160, batch=256,
        network=RewardNetworkConfig(width=64), warmup=5, score_windows=256, log_interval=10, learning_rate=3e-3,
        held_out=0.2,
    )  # fmt: skip
    reward_model.main(config)
    reward_model.main(config)
    output = capsys.readouterr().out
    assert "base_height" in output and "k = 9" in output
    release.main(release.ExportConfig(runs / "prior", str(runs / "model" / "artefact"), runs / "artefact"))
    artefact = load(runs / "artefact")
    assert artefact.description.reward_terms == tuple(TERMS)
    scores = artefact.card["scores"]["reward_model_r_squared"]
    assert list(scores) == list(PREDICTIONS) and len(scores["base_height"]) == 10
    # The height can be told from clean rows, less from noisy ones; what has no cause in the rows cannot.
    assert scores["base_height"][0] > 0.5 > scores["base_height"][9]
    assert scores["mechanical_power"][0] < 0.2
    assert artefact.card["training"]["configuration"]["reward_model"]["config"]["iterations"] == 160
    assert artefact.card["seeds"] == {"pretrain": 3, "collect": [0], "reward_model": 5}
    # Exported again from the artefact alone: the same weights, and what is known of them.
    release.main(release.ExportConfig(output=runs / "again", artefact=str(runs / "artefact")))
    again = load(runs / "again")
    assert again.identity == artefact.identity
    assert {**again.card, "name": "artefact"} == artefact.card
    # A denoiser that was trained further keeps the normaliser, and the artefact's reward model fits it: the same goes
    # to the export.
    calls = []
    monkeypatch.setattr(release, "export_artefact", lambda *arguments: calls.append(arguments))
    for source in ("model/artefact", "artefact"):
        release.main(release.ExportConfig(runs / "prior", str(runs / source), runs / "artefact"))
    (*_, trained, _, trained_reward), (*_, finetuned, _, finetuned_reward) = calls
    assert finetuned == trained
    for name, value in trained_reward.state_dict().items():
        torch.testing.assert_close(finetuned_reward.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_a_run_of_another_configuration_or_prior_is_refused_and_left(runs):
    config = RewardModelConfig(
        pretrain_dir=runs / "prior", datasets=(runs / "data",), run_dir=runs / "model", iterations=2, batch=16,
        network=RewardNetworkConfig(width=16), warmup=1, score_windows=64, held_out=0.2,
    )  # fmt: skip
    reward_model.main(config)
    before = {path.name: path.read_bytes() for path in config.run_dir.rglob("*.*")}
    with pytest.raises(ConfigurationError, match=r"another run \(config.held_out 0.2 there, 0.3 now\)"):
        reward_model.main(replace(config, held_out=0.3))
    path = runs / "prior" / METADATA_FILE
    metadata = json.loads(path.read_text())
    metadata["normalizer"]["clamp"] = 5.0
    path.write_text(json.dumps(metadata))
    with pytest.raises(ConfigurationError, match=r"\(data.prior.data.normalizer.clamp 6.0 there, 5.0 now\)"):
        reward_model.main(config)
    assert {path.name: path.read_bytes() for path in config.run_dir.rglob("*.*")} == before


def test_a_reward_model_that_does_not_fit_is_refused(runs, without_graph):
    reward_model.main(RewardModelConfig(
        pretrain_dir=runs / "prior", datasets=(runs / "data",), run_dir=runs / "model", iterations=2, batch=16,
        network=RewardNetworkConfig(width=16), warmup=1, score_windows=64, held_out=0.2,
    ))  # fmt: skip
    run = runs / "prior" / METADATA_FILE
    metadata = json.loads(run.read_text())
    metadata["normalizer"]["mean"][0] += 0.1
    run.write_text(json.dumps(metadata))
    with pytest.raises(ConfigurationError, match="artefact reads .* another normaliser than .*prior writes"):
        release.main(release.ExportConfig(runs / "prior", str(runs / "model" / "artefact"), runs / "artefact"))
    release.main(release.ExportConfig(runs / "prior", "", runs / "plain"))
    with pytest.raises(ConfigurationError, match="plain has no reward model; it has denoiser$"):
        release.main(release.ExportConfig(runs / "prior", str(runs / "plain"), runs / "artefact"))
    with pytest.raises(ConfigurationError, match="no model artefact 'nothing': neither a folder nor one of"):
        release.main(release.ExportConfig(runs / "prior", "nothing", runs / "artefact"))
    assert not (runs / "artefact").exists()


def test_a_dataset_without_labels_or_too_small_is_refused(runs):
    config = RewardModelConfig(pretrain_dir=runs / "prior", datasets=(runs / "data",), run_dir=runs / "model")
    with pytest.raises(ConfigurationError, match="80 trajectories are too few to hold out a share of 0.005"):
        reward_model.main(replace(config, held_out=0.005))
    arrays = make_arrays()
    TrajectoryDataset(runs / "plain", {"seed": 0, "gait": {}}).append({name: arrays[name] for name in ROW_ARRAYS})
    with pytest.raises(ConfigurationError, match="holds no base_height"):
        reward_model.main(replace(config, datasets=(runs / "plain",)))
    with pytest.raises(ConfigurationError, match="no training run in .*nowhere"):
        reward_model.main(replace(config, pretrain_dir=runs / "nowhere"))
