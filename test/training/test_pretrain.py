"""Corruption as the sampler meets it, and a short training run that learns, resumes and exports."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND, OBSERVATION, PREVIOUS_ACTION, ROW_DIM
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training import loop, pretrain, release
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.device import pick_device
from diffusion_mpc_ros.training.loop import CHECKPOINT_FILE, METADATA_FILE, averaged, learning_rate_factor
from diffusion_mpc_ros.training.networks import NetworkConfig
from diffusion_mpc_ros.training.pretrain import Corruption, PretrainConfig
from diffusion_mpc_ros.training.weights import load_network

ROWS = 12


@pytest.fixture
def corruption():
    return Corruption(PretrainConfig(committed=1.0, committed_max=3), NoiseSchedule(10))


def test_known_entries_are_given_and_carry_no_loss(corruption):
    generator = torch.Generator().manual_seed(0)
    tau0, executed = torch.randn(64, ROWS, ROW_DIM), torch.randn(64, ROWS, NUM_JOINTS)
    noisy, features, weight = corruption(tau0, executed, generator)
    assert torch.equal(noisy[:, 0, OBSERVATION], tau0[:, 0, OBSERVATION])
    assert torch.equal(noisy[..., COMMAND], tau0[..., COMMAND])
    committed = features[..., 2].bool()
    assert set(committed.sum(dim=1).tolist()) == {1, 2, 3}
    # What is committed is what was executed, not the clean label.
    assert torch.equal(noisy[..., ACTION][committed], executed[committed])
    echo = torch.roll(committed, 1, dims=1)
    assert torch.equal(noisy[..., PREVIOUS_ACTION][echo], tau0[..., PREVIOUS_ACTION][echo])
    assert torch.all(weight[..., ACTION][committed] == 0.0) and torch.all(weight[..., COMMAND] == 0.0)
    assert torch.all(weight[..., ACTION][~committed] == 3.0)


def test_noise_follows_the_schedule_of_each_row():
    schedule = NoiseSchedule(10)
    corruption = Corruption(PretrainConfig(committed=0.0), schedule)
    generator = torch.Generator().manual_seed(0)
    tau0 = torch.full((4096, ROWS, ROW_DIM), 2.0)
    noisy, features, _ = corruption(tau0, torch.zeros(4096, ROWS, NUM_JOINTS), generator)
    free = noisy[:, 1:, OBSERVATION.stop - 1]
    signal, noise = features[:, 1:, 0], features[:, 1:, 1]
    standardised = (free - 2.0 * signal) / noise
    # 45056 draws: the mean of a unit normal is within 5 / sqrt(45056) = 0.024.
    assert abs(standardised.mean()) < 0.024 and abs(standardised.std() - 1.0) < 0.02
    assert torch.allclose(signal**2 + noise**2, torch.ones_like(signal), atol=1e-5)


def test_windows_where_a_robot_begins_to_walk_are_drawn_as_often_as_asked():
    observation = np.zeros((2, 60, 45), dtype=np.float32)
    observation[0, 20:40, COMMAND] = 0.3  # walks from tick 20 to 39, episode 1 stands
    begins = pretrain.begins_to_walk(observation)
    assert np.argwhere(begins).tolist() == [[0, tick] for tick in range(20, 20 + pretrain.START_TICKS)]
    arrays = {
        "observation": observation, "fresh": np.zeros((2, 60), dtype=bool),
        "action": np.zeros((2, 60, 12), np.float32), "executed": np.zeros((2, 60, 12), np.float32),
    }  # fmt: skip
    sampler = pretrain.WindowSampler(arrays, ROWS, Normalizer(np.zeros(57), np.ones(57)), walk_starts=0.25)
    generator = torch.Generator().manual_seed(0)
    episodes, ticks = (torch.cat(parts) for parts in zip(*(sampler.choose(40, generator) for _ in range(100))))
    share = begins[episodes[:, 0], ticks[:, 0]].mean()
    # 3000 of 4000 windows are drawn from 98, of which 12 begin so, too: 0.25 + 0.75 * 12 / 98 = 0.342.
    assert share == pytest.approx(0.342, abs=0.03)


def test_levels_are_one_or_two_with_the_noisier_rows_last():
    corruption = Corruption(PretrainConfig(two_level=1.0), NoiseSchedule(10))
    levels = corruption.levels(2000, torch.Generator().manual_seed(0))
    assert levels.min() >= 1 and levels.max() <= 10
    assert torch.all(levels.diff(dim=1) >= 0)
    assert max(len(row.unique()) for row in levels) == 2


def test_ema_by_hand():
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 0.0)
    ema = averaged(layer, decay=0.24)
    torch.nn.init.constant_(layer.weight, 1.0)
    ema.update_parameters(layer)
    # First update: decay = min(0.24, 2 / 11), so the average is 1 - 2 / 11; the second, with 3 / 12, is bounded.
    assert ema.module.weight.item() == pytest.approx(1.0 - 2.0 / 11.0)
    ema.update_parameters(layer)
    assert ema.module.weight.item() == pytest.approx(1.0 - 0.24 * 2.0 / 11.0)


def test_learning_rate_warms_up_and_decays():
    config = PretrainConfig(iterations=1000, warmup=100)
    assert learning_rate_factor(0, config) == pytest.approx(0.01)
    assert learning_rate_factor(100, config) == pytest.approx(1.0)
    assert learning_rate_factor(1000, config) == pytest.approx(0.02)


def test_a_missing_device_is_named():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ConfigurationError, match="no device 'abacus'"):
        pick_device("abacus")


def make_dataset(path) -> None:
    random = np.random.default_rng(0)
    phase = random.uniform(0, 6.28, size=(8, 1)) + 0.3 * np.arange(60)
    shape = (8, 60)
    observation = np.sin(phase)[..., None] * np.linspace(0.5, 1.5, 45)
    action = np.cos(phase)[..., None] * np.linspace(0.2, 0.4, 12)
    fresh = np.zeros(shape, bool)
    fresh[:, 0] = True
    dataset = TrajectoryDataset(path, {"seed": 0})
    dataset.append({"observation": observation, "action": action, "executed": action, "fresh": fresh})


def test_training_learns_resumes_and_exports(tmp_path, without_graph, monkeypatch):
    make_dataset(tmp_path / "data")
    config = PretrainConfig(
        datasets=(tmp_path / "data",), run_dir=tmp_path / "run", network=NetworkConfig(width=64, blocks=1),
        iterations=80, batch=64, warmup=5, threads=1, log_interval=10, learning_rate=3e-3, relabel_commands=False,
        checkpoint_minutes=0.0,
    )  # fmt: skip
    step = loop.TrainingState.step
    # Two threads of so small a network wait for each other on a busy machine, ten times as long as one computes.
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)

    def interrupted_step(state, loss):
        if state.iteration == 40:
            raise KeyboardInterrupt
        return step(state, loss)

    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingState, "step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            pretrain.main(config)
    halfway = torch.load(tmp_path / "run" / CHECKPOINT_FILE, weights_only=True)
    assert halfway["iteration"] == 40
    # Where it goes on, and how it is watched, is free.
    (tmp_path / "run").rename(tmp_path / "moved")
    config = replace(config, run_dir=tmp_path / "moved", threads=2, checkpoint_minutes=2.0)
    pretrain.main(config)
    assert threads == [1, 2]
    (tmp_path / "moved").rename(tmp_path / "run")
    checkpoint = torch.load(tmp_path / "run" / CHECKPOINT_FILE, weights_only=True)
    assert checkpoint["iteration"] == 80
    assert 0.0 < halfway["cpu_seconds"] < checkpoint["cpu_seconds"] and checkpoint["loss"] < halfway["loss"]
    run = json.loads((tmp_path / "run" / METADATA_FILE).read_text())
    assert run["config"]["iterations"] == 80 and run["datasets"] == [{"seed": 0}]
    release.main(release.ExportConfig(tmp_path / "run", "", tmp_path / "artefact"))
    artefact = load(tmp_path / "artefact")
    assert artefact.description.replan_margin == config.replan_margin == 6
    exported = load_network(artefact, DENOISER, ROWS).state_dict()
    assert all(torch.equal(exported[name], value) for name, value in checkpoint["ema"].items())
    training = artefact.card["training"]["configuration"]
    assert training["iterations_done"] == 80
    assert (training["loss"], training["cpu_seconds"]) == (checkpoint["loss"], checkpoint["cpu_seconds"])
    # A sine that the mean alone would predict with loss 1 (normalised) is learnt far better than that.
    assert _loss(config, checkpoint) < 0.6


def train_a_little(folder: Path, **change) -> PretrainConfig:
    """A run of one iteration."""
    make_dataset(folder / "data")
    config = PretrainConfig(
        datasets=(folder / "data",), run_dir=folder / "run", network=NetworkConfig(width=16, blocks=1),
        iterations=1, batch=16, warmup=1, relabel_commands=False, **change,
    )  # fmt: skip
    pretrain.main(config)
    return config


@pytest.fixture
def trained(tmp_path):
    return train_a_little(tmp_path)


@pytest.fixture
def exported(without_graph, tmp_path_factory):
    """A run of one iteration, its artefact, and that of one with another seed."""
    folder, other = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    config, _ = train_a_little(folder), train_a_little(other, seed=4)
    for path in (folder, other):
        release.main(release.ExportConfig(path / "run", "", path / "artefact"))
    return config, folder / "artefact", other / "artefact"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"learning_rate": 0.1}, "config.learning_rate 0.001 there, 0.1 now"),
        ({"iterations": 2}, "config.iterations 1 there, 2 now"),
        ({"network": NetworkConfig(width=8, blocks=1)}, "config.network.width 16 there, 8 now"),
        ({"seed": 4, "committed": 0.0}, "config.seed 3 there, 4 now, config.committed 0.65 there, 0.0 now"),
    ],
)
def test_a_run_of_another_configuration_is_refused_and_left(trained, change, difference):
    before = contents(trained.run_dir)
    with pytest.raises(ConfigurationError, match=rf"checkpoint.pt is of another run \({difference}\): .*folder"):
        pretrain.main(replace(trained, **change))
    assert contents(trained.run_dir) == before


def test_a_run_of_other_data_is_refused_and_left(trained, tmp_path):
    before = contents(trained.run_dir)
    dataset = TrajectoryDataset.open(tmp_path / "data")
    dataset.append(dataset.load())  # the same folder holds more
    with pytest.raises(ConfigurationError, match=r"another run \(data.datasets.*data '.*' there, '.*' now\)"):
        pretrain.main(trained)
    make_dataset(tmp_path / "others")
    with pytest.raises(ConfigurationError, match=r"config.datasets \['.*data'\] there, \['.*others'\] now"):
        pretrain.main(replace(trained, datasets=(tmp_path / "others",)))
    assert contents(trained.run_dir) == before


def test_another_initial_artefact_in_the_same_folder_is_other_data(trained, exported, tmp_path):
    initial = tmp_path / "artefact"
    shutil.copytree(exported[1], initial)
    further = replace(trained, run_dir=tmp_path / "further", initial=str(initial))
    pretrain.main(further)
    shutil.rmtree(initial)
    shutil.copytree(exported[2], initial)
    with pytest.raises(ConfigurationError, match="data.initial_sha256 '.*' there, '.*' now"):
        pretrain.main(further)


@pytest.mark.parametrize(
    ("change", "margin"),
    [({}, 6), ({"committed_max": 2}, 2), ({"horizon": 5}, 4), ({"committed": 0.0}, 0)],
)
def test_as_many_actions_are_committed_as_the_replan_margin_says(change, margin):
    assert replace(PretrainConfig(), **change).replan_margin == margin


def test_a_checkpoint_that_does_not_say_its_run_is_refused(trained):
    path = trained.run_dir / CHECKPOINT_FILE
    stored = torch.load(path, weights_only=True)
    del stored["made_of"]
    torch.save(stored, path)
    with pytest.raises(ConfigurationError, match="another run .it does not say of which.: .*, or remove it"):
        pretrain.main(trained)


def test_an_artefact_is_trained_further(exported, tmp_path):
    config, folder, _ = exported
    artefact = load(folder)
    further = replace(config, run_dir=tmp_path / "further", initial=str(folder), learning_rate=0.0)
    pretrain.main(further)
    # At learning rate 0 it is what it was; the normaliser stays the artefact's in any case.
    weights, before = (
        torch.load(folder / CHECKPOINT_FILE, weights_only=True)["ema"] for folder in (further.run_dir, config.run_dir)
    )
    for name, value in before.items():
        torch.testing.assert_close(weights[name], value)
    run = json.loads((further.run_dir / METADATA_FILE).read_text())
    assert run["normalizer"] == artefact.description.normalizer.to_json()
    assert run["initial_sha256"] == artefact.identity
    with pytest.raises(ConfigurationError, match=r"'width': 16.*'width': 8.*finetuning needs the same"):
        pretrain.main(replace(further, network=NetworkConfig(width=8, blocks=1)))


def _loss(config: PretrainConfig, checkpoint: dict) -> float:
    arrays = TrajectoryDataset.open(config.datasets[0]).load()
    normalizer = pretrain.fit_normalizer(arrays)
    sampler = pretrain.WindowSampler(arrays, ROWS, normalizer)
    generator = torch.Generator().manual_seed(1)
    tau0, executed = sampler.draw(256, generator)
    noisy, features, weight = Corruption(config, NoiseSchedule(10))(tau0, executed, generator)
    network = pretrain.build_denoiser(config.network, ROWS)
    network.load_state_dict(checkpoint["ema"])
    with torch.no_grad():
        error = (network(noisy, features) - tau0) ** 2
    return float((weight * error).sum() / weight.sum())


def rows_of(lengths, seed=0) -> dict[str, list[np.ndarray]]:
    """Arrays of trajectories that walk from their middle on."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("observation", "action", "executed", "fresh")}
    for length in lengths:
        observation = rng.normal(size=(length, 45)).astype(np.float32)
        observation[:, COMMAND] = 0.0
        observation[length // 2 :, COMMAND] = 0.3
        arrays["observation"].append(observation)
        for name in ("action", "executed"):
            arrays[name].append(rng.normal(size=(length, 12)).astype(np.float32))
        arrays["fresh"].append(np.arange(length) == 0)
    return arrays


def test_windows_of_equal_trajectories_are_drawn_as_ever():
    equal = {name: np.stack(array) for name, array in rows_of([60, 60, 60]).items()}
    normalizer = pretrain.fit_normalizer(equal)
    sampler = pretrain.WindowSampler(equal, ROWS, normalizer, walk_starts=0.25)
    tau0, executed = sampler.draw(64, torch.Generator().manual_seed(3))
    # As before there were trajectories of unequal length: all windows in order, the first quarter of a batch anew.
    generator, windows = torch.Generator().manual_seed(3), [(e, t) for e in range(3) for t in range(60 - ROWS + 1)]
    chosen = [windows[i] for i in torch.randint(len(windows), (64,), generator=generator)]
    begins = pretrain.begins_to_walk(equal["observation"])
    starts = [window for window in windows if begins[window]]
    chosen[:16] = [starts[i] for i in torch.randint(len(starts), (16,), generator=generator)]
    for (episode, tick), window, actions in zip(chosen, tau0, executed):
        ticks = slice(tick, tick + ROWS)
        row = np.concatenate([equal["observation"][episode, ticks], equal["action"][episode, ticks]], axis=-1)
        torch.testing.assert_close(window, torch.from_numpy(normalizer.normalize(row)).float(), rtol=0.0, atol=0.0)
        row[:, ACTION] = equal["executed"][episode, ticks]
        expected = torch.from_numpy(normalizer.normalize(row)[:, ACTION]).float()
        torch.testing.assert_close(actions, expected, rtol=0.0, atol=0.0)
    as_lists = {name: list(array) for name, array in equal.items()}
    again = pretrain.WindowSampler(as_lists, ROWS, pretrain.fit_normalizer(as_lists), walk_starts=0.25)
    assert torch.equal(again.draw(64, torch.Generator().manual_seed(3))[0], tau0)


def test_trajectories_are_drawn_by_their_length_and_weight():
    arrays = rows_of([ROWS + 4, 5, ROWS + 9])  # 5 windows, none, 10
    normalizer = Normalizer(np.zeros(57), np.ones(57))
    generator = torch.Generator().manual_seed(0)
    for weights, share in (([1.0, 1.0, 1.0], 5 / 15), ([4.0, 1.0, 1.0], 20 / 30)):
        sampler = pretrain.WindowSampler({**arrays, "weight": np.array(weights)}, ROWS, normalizer)
        assert len(sampler) == 15
        episodes, ticks = sampler.choose(6000, generator)
        assert set(episodes[:, 0].tolist()) == {0, 2} and ticks[episodes[:, 0] == 0].max() == ROWS + 3
        # The share of 6000 draws is within 4 standard deviations of 0.5 / sqrt(6000).
        assert (episodes == 0).float().mean() == pytest.approx(share, abs=0.026)
    with pytest.raises(ConfigurationError, match="no trajectory has 12 ticks"):
        pretrain.WindowSampler(rows_of([5, 11]), ROWS, normalizer)


def test_datasets_of_both_kinds_are_learned_from_together(tmp_path):
    make_dataset(tmp_path / "equal")
    unequal = TrajectoryDataset(tmp_path / "bags", {"format": 2})
    arrays = rows_of([40, 25])
    unequal.append_trajectories([{n: a[i] for n, a in arrays.items()} for i in range(2)], [2.0, 1.0])
    config = PretrainConfig(
        datasets=(tmp_path / "equal", tmp_path / "bags"), run_dir=tmp_path / "run", relabel_commands=False,
        network=NetworkConfig(width=16, blocks=1), iterations=2, batch=16, warmup=1, threads=1,
    )  # fmt: skip
    pretrain.main(config)
    run = json.loads((tmp_path / "run" / METADATA_FILE).read_text())
    # A bag was recorded, not drawn: it has no seed. make_dataset's is 0.
    assert release.seeds_of_data(run) == [0]
    relabelled = replace(config, datasets=(tmp_path / "bags",), run_dir=tmp_path / "other", relabel_commands=True)
    with pytest.raises(ConfigurationError, match=r"bags.*holds no base_lin_vel"):
        pretrain.main(relabelled)
