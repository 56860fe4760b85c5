"""``diffusion-mpc evaluate networks`` on two random networks: report, resumption, refusals; no time is asserted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import networks
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser
from diffusion_mpc_ros.training.weights import load_weights

CONFIGS = (NetworkConfig("residual_mlp", 16, 1), NetworkConfig("mixer", 16, 1))


def random_network(config: NetworkConfig) -> nn.Module:
    torch.manual_seed(0)
    network = build_denoiser(config, 12)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)
    return network


def export(config: NetworkConfig, folder: Path, **training) -> str:
    """Export such a network; the artefact's identity."""
    # One of the terms that plans are timed with: an export takes longer with each.
    metadata = ArtefactMetadata(
        "random", horizon=11, replan_margin=3, reward_terms=("posture",),
        training={"config": {"network": config.__dict__}, **training}, networks={"denoiser": config.__dict__},
    )  # fmt: skip
    normalizer = Normalizer(np.zeros(57), np.full(57, 0.5))
    return export_artefact(random_network(config), normalizer, NoiseSchedule(10), metadata, folder)


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """Two folders; the second card says how its network was trained."""
    folders = [tmp_path_factory.mktemp("models") / config.kind for config in CONFIGS]
    export(CONFIGS[0], folders[0])
    export(CONFIGS[1], folders[1], iterations_done=24000, loss=0.125, cpu_seconds=90.0)
    return [str(folder) for folder in folders]


@pytest.mark.parametrize("index", range(len(CONFIGS)))
def test_each_network_was_exported_with_its_weights_by_name(artefacts, index):
    restored = load_weights(build_denoiser(CONFIGS[index], 12), load(Path(artefacts[index])))
    for name, value in random_network(CONFIGS[index]).state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_the_same_network_is_exported_as_the_same_files(artefacts, tmp_path):
    assert export(CONFIGS[0], tmp_path / "again") == load(Path(artefacts[0])).identity


def compare(artefacts, folder, *more) -> int:
    small = "--robots 2 --ticks 3 --plans 2 --commands 0.5 0 0 0 0 0 --delays 3 --replans 2 --threads 1".split()
    files = [f"--{name}={folder / 'results' / name}" for name in ("json", "markdown", "plot")]
    files[2] += ".png"
    return cli.main(["evaluate", "networks", "--artefacts", *artefacts, *small, *files, *more])


@pytest.fixture(scope="module")
def results(artefacts, tmp_path_factory):
    """The folder of the results, and the report."""
    folder = tmp_path_factory.mktemp("comparison")
    assert not compare(artefacts, folder)
    return folder, json.loads((folder / "results" / "json").read_text())


def test_each_network_has_size_training_times_and_quality(results, artefacts):
    _, report = results
    assert [row["artefact"] for row in report["rows"]] == artefacts
    assert [row["network"] for row in report["rows"]] == [config.__dict__ for config in CONFIGS]
    # 720 -> 16, 16 -> 16 twice, 16 -> 684.
    assert report["rows"][0]["step_flops"] == 2 * 16 * (720 + 16 + 16 + 684)
    assert [row["cpu_seconds"] for row in report["rows"]] == [None, 90.0]
    for row in report["rows"]:
        assert len(row["sha256"]) == 64
        for times in (row["plan"]["plain"], row["plan"]["guided"]):
            assert 0.0 < times["p50_ms"] <= times["p99_ms"]
        (walk,) = row["walks"]
        assert (walk["delay"], walk["replan"]) == (3, 2) and walk["survival"] == 1.0  # 60 ms are too short to fall
        low, high = walk["velocity_error_interval"]
        assert 0.0 < low <= walk["velocity_error"] <= high
        assert [entry["command"] for entry in walk["commands"]] == [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
        assert 0.0 < walk["tracking_score"] <= 1.0
    assert any(row["walks"][0]["pareto"] for row in report["rows"])


def test_the_table_and_the_picture_show_both(results):
    folder, _ = results
    table = (folder / "results" / "markdown").read_text()
    assert "| residual_mlp 16x1 |" in table and "| mixer 16x1 |" in table
    assert "| 24,000 | 0.1250 | 2 |" in table and "| - | - | - |" in table  # 90 s are 1.5 min, rounded to even
    assert "+0.5 +0.0 +0.0" in table
    assert (folder / "results" / "plot.png").stat().st_size > 1000


def test_what_is_measured_is_not_measured_again(results, artefacts, monkeypatch, capsys):
    folder, report = results
    monkeypatch.setattr(networks.Config, "run", lambda *_: pytest.fail("measured again"))
    assert not compare(artefacts[:1], folder)
    assert json.loads((folder / "results" / "json").read_text()) == report
    assert "mixer 16x1" in capsys.readouterr().out


def test_another_model_under_the_same_name_takes_its_place(results, artefacts, tmp_path):
    _, report = results
    changed = {**report, "rows": [{**report["rows"][0], "sha256": "0" * 64}, report["rows"][1]]}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "json").write_text(json.dumps(changed))
    assert not compare(artefacts[:1], tmp_path)
    rows = json.loads((tmp_path / "results" / "json").read_text())["rows"]
    assert {row["sha256"] for row in rows} == {row["sha256"] for row in report["rows"]}


def test_other_settings_are_refused(results, artefacts, capsys):
    folder, _ = results
    assert compare(artefacts, folder, "--seed", "5") == 2
    assert "is a report of another run (settings.seed 11 there, 5 now)" in capsys.readouterr().err
    (folder / "results" / "json").write_text("{}")
    assert compare(artefacts, folder) == 2
    assert "no report of `evaluate networks`" in capsys.readouterr().err
