"""A finetuned denoiser as an artefact: the layout, normaliser and reward model of the one that it began with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffusion_mpc_ros.artefacts.kinds import DENOISER, REWARD_MODEL
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.reward_model import R_SQUARED
from diffusion_mpc_ros.training.weights import load_networks


def publish_finetuned(
    initial: Prior, weights: Mapping[str, torch.Tensor], run: Mapping[str, Any], out_dir: Path
) -> str:
    """Export ``weights`` of the denoiser to ``out_dir``; -> identity.

    The card keeps how ``initial`` was trained and adds ``run`` to its ``finetuning``, the oldest first. Scores that
    were measured of ``initial``'s denoiser are left out. Raises ArtefactError as :func:`export_artefact`.
    """
    description, training = initial.description, initial.card["training"]["configuration"]
    networks = load_networks(initial)
    networks[DENOISER].load_state_dict(dict(weights))
    scores = initial.card.get("scores", {})
    metadata = ArtefactMetadata(
        name=out_dir.name,
        horizon=description.horizon,
        replan_margin=description.replan_margin,
        noise_scale=description.noise_scale,
        x0_clip=description.x0_clip,
        training={**training, "finetuning": [*training.get("finetuning", []), dict(run)]},
        commit=source_commit(),
        networks=initial.networks,
        scores={R_SQUARED: scores[R_SQUARED]} if R_SQUARED in scores else {},
        seeds={**initial.card.get("seeds", {}), "finetune": run["config"]["seed"]},
    )
    return export_artefact(
        networks[DENOISER],
        description.normalizer,
        description.schedule,
        metadata,
        out_dir,
        networks.get(REWARD_MODEL),
    )
