"""``diffusion-mpc train export``: a pretraining run and its reward model become a model artefact.

Or an artefact becomes one again, with the reward terms and the graph of today's code: no run and no training is needed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.artefact import CARD_FILE, DENOISER, REWARD_MODEL, load
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.loop import read_run
from diffusion_mpc_ros.training.networks import build_denoiser, build_network
from diffusion_mpc_ros.training.pretrain import read_prior
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.quantise import INT8_SCORES, carry_int8_graph
from diffusion_mpc_ros.training.weights import load_networks


@dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to."""

    run_dir: Path = Path("runs/pretrain")
    """Run of `train pretrain`; its EMA weights are taken."""
    reward_model_dir: Path = Path("runs/reward_model")
    """Run of `train reward-model`, or an artefact (go2, or a folder) whose reward model is taken; "." for an artefact
    without one and without its terms."""
    output: Path = Path("models/go2")
    """Folder of the artefact, replaced as a whole."""
    noise_scale: float = 1.0
    """Sampling temperature that the artefact is used with by default; 1: the paper's."""
    artefact: str = ""
    """A name in models/, or a folder, whose networks are exported anew in the place of the runs'."""


def main(config: ExportConfig) -> None:
    """Export, with parity checked.

    Raises ConfigurationError when a run or artefact is not there or has another layout, ArtefactError when the artefact
    does not pass its check.
    """
    if config.artefact:
        _export_artefact(config)
    else:
        _export_run(config)


def _export_artefact(config: ExportConfig) -> None:
    """The networks of an artefact in a new graph; what is known of them and their int8 products go along."""
    artefact = load(model_folder(config.artefact))
    description, training = artefact.description, artefact.card["training"]["configuration"]
    networks = load_networks(artefact)
    scores = {name: score for name, score in artefact.card.get("scores", {}).items() if name != INT8_SCORES}
    metadata = ArtefactMetadata(
        name=config.output.name,
        horizon=description.horizon,
        replan_margin=description.replan_margin,
        noise_scale=config.noise_scale,
        x0_clip=description.x0_clip,
        training=training,
        commit=source_commit(),
        scores=scores,
        seeds=artefact.card.get("seeds", {}),
    )
    export_artefact(
        networks[DENOISER],
        description.normalizer,
        description.schedule,
        metadata,
        config.output,
        networks.get(REWARD_MODEL),
    )
    if INT8_MODEL_FILE in artefact.contents:
        carry_int8_graph(artefact, load(config.output))


def _export_run(config: ExportConfig) -> None:
    training, run, checkpoint = read_prior(config.run_dir)
    rows = training.horizon + 1
    denoiser = build_denoiser(training.network, rows)
    denoiser.load_state_dict(checkpoint["ema"])
    description = {
        **run,
        "iterations_done": checkpoint["iteration"],
        "loss": checkpoint["loss"],
        "cpu_seconds": checkpoint["cpu_seconds"],
    }
    seeds = {"pretrain": training.seed, "collect": [dataset["seed"] for dataset in run["datasets"]]}
    normalizer, schedule = Normalizer.from_json(run["normalizer"]), NoiseSchedule(training.steps)
    scores: dict[str, Any] = {}
    reward_model = None
    if config.reward_model_dir != Path("."):
        read = _reward_model_of_artefact if _is_artefact(config.reward_model_dir) else _reward_model_of_run
        reward_model, trained_with, reward_run = read(config.reward_model_dir, rows)
        if trained_with.to_json() != normalizer.to_json():
            raise ConfigurationError(
                f"the reward model of {config.reward_model_dir} reads trajectories in another normaliser than "
                f"{config.run_dir} writes: train one with `train reward-model --pretrain-dir {config.run_dir}`"
            )
        scores["reward_model_r_squared"] = reward_run.pop("r_squared")
        description["reward_model"] = reward_run
        seeds["reward_model"] = reward_run["config"]["seed"]
    metadata = ArtefactMetadata(
        name=config.output.name,
        horizon=training.horizon,
        replan_margin=training.replan_margin,
        noise_scale=config.noise_scale,
        training=description,
        commit=source_commit(),
        scores=scores,
        seeds=seeds,
    )
    export_artefact(denoiser.eval(), normalizer, schedule, metadata, config.output, reward_model)


def _is_artefact(source: Path) -> bool:
    return (source / CARD_FILE).is_file() or (os.sep not in str(source) and not source.is_dir())


def _reward_model_of_run(run_dir: Path, rows: int) -> tuple[nn.Module, Normalizer, dict[str, Any]]:
    """The model, the normaliser that it was trained with, and what the card says of it."""
    run, checkpoint = read_run(run_dir)
    if "normalizer" not in run:
        raise ConfigurationError(f"{run_dir} does not say which normaliser its reward model reads: train it again")
    normalizer = Normalizer.from_json(run.pop("normalizer"))
    model = build_network(REWARD_MODEL, run["config"]["network"], rows)
    model.load_state_dict(checkpoint["ema"])
    return model.eval(), normalizer, run


def _reward_model_of_artefact(name: Path, rows: int) -> tuple[nn.Module, Normalizer, dict[str, Any]]:
    """As :func:`_reward_model_of_run`."""
    artefact = load(model_folder(str(name)))
    networks = load_networks(artefact)
    if REWARD_MODEL not in networks or artefact.description.rows != rows:
        raise ConfigurationError(
            f"the artefact {name} has no reward model of {rows} rows; it has {sorted(networks)} of "
            f"{artefact.description.rows}"
        )
    run = artefact.card["training"]["configuration"][REWARD_MODEL]
    r_squared = artefact.card["scores"]["reward_model_r_squared"]
    return networks[REWARD_MODEL], artefact.description.normalizer, {**run, "r_squared": r_squared}
