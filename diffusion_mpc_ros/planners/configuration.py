"""Planners from flat settings, as ROS parameters and ``config/planner.yaml`` give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion import artefact
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc import DiffusionMpcConfig, DiffusionMpcPlanner

SAMPLING = ("candidates", "sampler", "steps", "cached_steps", "refresh_ticks", "guidance_scale", "seed")


def make_planner(values: Mapping[str, Any]) -> DiffusionMpcPlanner:
    """The planner of ``values``, named as in ``config/planner.yaml``.

    Raises :class:`ArtefactError`, :class:`ConfigurationError` or :class:`TimingError`.
    """
    config = DiffusionMpcConfig(
        timing=Timing(values["horizon"], values["replan_margin"], values["replan_interval"]),
        sampling=SamplingOptions(**{name: values[name] for name in SAMPLING}),
        hold_committed=values["hold_committed"],
        threads=values["threads"],
        backend=values["backend"],
        precision=values["precision"],
    )
    return DiffusionMpcPlanner(artefact.load(model_folder(values["artefact"])), config)
