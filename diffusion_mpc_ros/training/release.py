"""``diffusion-mpc train export``: a pretraining run becomes a model artefact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser
from diffusion_mpc_ros.training.pretrain import CHECKPOINT_FILE, METADATA_FILE
from diffusion_mpc_ros.training.provenance import source_commit


@dataclass(frozen=True)
class ExportConfig:
    """The EMA weights of ``run_dir`` as artefact ``output``; ``noise_scale`` is the default sampling temperature."""

    run_dir: Path = Path("runs/pretrain")
    output: Path = Path("models/go2")
    noise_scale: float = 0.5


def main(config: ExportConfig) -> None:
    """Export, with parity checked; raises ConfigurationError when the run is not there or has another layout."""
    try:
        run = json.loads((config.run_dir / METADATA_FILE).read_text())
        checkpoint = torch.load(config.run_dir / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no finished pretraining run in {config.run_dir}: {error}") from None
    training = run["config"]
    denoiser = build_denoiser(NetworkConfig(**training["network"]), training["horizon"] + 1)
    denoiser.load_state_dict(checkpoint["ema"])
    metadata = ArtefactMetadata(
        name=config.output.name,
        horizon=training["horizon"],
        replan_margin=Timing().replan_margin,
        noise_scale=config.noise_scale,
        training={
            **run, "iterations_done": checkpoint["iteration"], "loss": checkpoint["loss"],
            "cpu_seconds": checkpoint["cpu_seconds"],
        },
        commit=source_commit(),
        seeds={"pretrain": training["seed"], "collect": run["dataset"]["seed"]},
    )
    normalizer = Normalizer.from_json(run["normalizer"])
    export_artefact(denoiser.eval(), normalizer, NoiseSchedule(training["steps"]), metadata, config.output)
