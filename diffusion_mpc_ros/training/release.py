"""``diffusion-mpc train export``: a pretraining run and its reward model become a model artefact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.loop import read_run
from diffusion_mpc_ros.training.networks import build_denoiser
from diffusion_mpc_ros.training.networks.reward_model import RewardModel
from diffusion_mpc_ros.training.pretrain import read_prior
from diffusion_mpc_ros.training.provenance import source_commit


@dataclass(frozen=True)
class ExportConfig:
    """The EMA weights of ``run_dir`` as artefact ``output``; ``noise_scale`` is the default sampling temperature.

    ``reward_model_dir``: the run of the reward model, "." for an artefact without one and without its terms.
    """

    run_dir: Path = Path("runs/pretrain")
    reward_model_dir: Path = Path("runs/reward_model")
    output: Path = Path("models/go2")
    noise_scale: float = 1.0


def main(config: ExportConfig) -> None:
    """Export, with parity checked; raises ConfigurationError when a run is not there or has another layout."""
    training, run, checkpoint = read_prior(config.run_dir)
    rows = training.horizon + 1
    denoiser = build_denoiser(training.network, rows)
    denoiser.load_state_dict(checkpoint["ema"])
    description = {
        **run, "iterations_done": checkpoint["iteration"], "loss": checkpoint["loss"],
        "cpu_seconds": checkpoint["cpu_seconds"],
    }
    seeds = {"pretrain": training.seed, "collect": [dataset["seed"] for dataset in run["datasets"]]}
    scores: dict[str, Any] = {}
    reward_model = None
    if config.reward_model_dir != Path("."):
        reward_run, weights = read_run(config.reward_model_dir)
        reward_model = _reward_model(reward_run, weights, rows)
        scores["reward_model_r_squared"] = reward_run.pop("r_squared")
        description["reward_model"] = reward_run
        seeds["reward_model"] = reward_run["config"]["seed"]
    metadata = ArtefactMetadata(
        name=config.output.name, horizon=training.horizon, replan_margin=Timing().replan_margin,
        noise_scale=config.noise_scale, training=description, commit=source_commit(), scores=scores, seeds=seeds,
    )
    normalizer, schedule = Normalizer.from_json(run["normalizer"]), NoiseSchedule(training.steps)
    export_artefact(denoiser.eval(), normalizer, schedule, metadata, config.output, reward_model)


def _reward_model(run: dict[str, Any], checkpoint: dict[str, Any], rows: int) -> nn.Module:
    model = RewardModel(rows, **run["config"]["network"])
    model.load_state_dict(checkpoint["ema"])
    return model.eval()
