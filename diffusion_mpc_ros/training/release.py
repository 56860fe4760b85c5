"""``diffusion-mpc train export``: a pretraining run and its reward model become a model artefact.

Or an artefact becomes one again, with the reward terms and the graph of today's code: no run and no training is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.artefacts.kinds import DENOISER, REWARD_MODEL
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.networks import build_denoiser
from diffusion_mpc_ros.training.pretrain import read_prior
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.quantise import INT8_SCORES, carry_int8_graph
from diffusion_mpc_ros.training.reward_model import R_SQUARED
from diffusion_mpc_ros.training.weights import load_network, load_networks


@dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to."""

    run_dir: Path = Path("runs/pretrain")
    """Run of `train pretrain`; its EMA weights are taken."""
    reward_model: str = "runs/reward_model/artefact"
    """Artefact whose reward model is taken: that of `train reward-model`, or a prior (go2, or a folder); "" for an
    artefact without one and without its terms."""
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
    """Return the networks of an artefact in a new graph; what is known of them and their int8 products go along."""
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
        networks=artefact.networks,
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
    if INT8_MODEL_FILE in artefact.graphs:
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
    seeds = {"pretrain": training.seed, "collect": seeds_of_data(run)}
    normalizer, schedule = Normalizer.from_json(run["normalizer"]), NoiseSchedule(training.steps)
    scores: dict[str, Any] = {}
    networks: dict[str, Any] = {DENOISER: run["config"]["network"]}
    reward_model = None
    if config.reward_model:
        source, trained_with = _reward_artefact(config.reward_model, rows)
        reward_model = load_network(source, REWARD_MODEL, rows)
        if trained_with.to_json() != normalizer.to_json():
            raise ConfigurationError(
                f"the reward model of {config.reward_model} reads trajectories in another normaliser than "
                f"{config.run_dir} writes: train one with `train reward-model --pretrain-dir {config.run_dir}`"
            )
        reward_run = source.card["training"]["configuration"]
        # Of a prior's card: what is said of its reward model alone.
        description[REWARD_MODEL] = reward_run.get(REWARD_MODEL, reward_run)
        networks[REWARD_MODEL] = source.networks[REWARD_MODEL]
        scores[R_SQUARED] = source.card["scores"][R_SQUARED]
        seeds[REWARD_MODEL] = description[REWARD_MODEL]["config"]["seed"]
    metadata = ArtefactMetadata(
        name=config.output.name,
        horizon=training.horizon,
        replan_margin=training.replan_margin,
        noise_scale=config.noise_scale,
        training=description,
        commit=source_commit(),
        networks=networks,
        scores=scores,
        seeds=seeds,
    )
    export_artefact(denoiser.eval(), normalizer, schedule, metadata, config.output, reward_model)


def seeds_of_data(run: Mapping[str, Any]) -> list[int]:
    """The seeds that the datasets of a run were collected with; what recorded robots did has none."""
    return [dataset["seed"] for dataset in run["datasets"] if "seed" in dataset]


def _reward_artefact(name: str, rows: int) -> tuple[Artefact, Normalizer]:
    """Return the artefact that has the reward model, and the normaliser that it was trained with."""
    source = load_artefact(model_folder(name))
    if REWARD_MODEL not in source.networks:
        raise ConfigurationError(f"the artefact {name} has no reward model; it has {', '.join(source.networks)}")
    model = source.card["model"]
    if model.get("rows") != rows:
        raise ConfigurationError(
            f"the reward model of {name} reads {model.get('rows')} rows, those of the prior are {rows}"
        )
    return source, Normalizer.from_json(model["normalizer"])
