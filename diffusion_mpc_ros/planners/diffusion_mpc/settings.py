"""Diffusion-MPC from flat settings, as ROS parameters and ``config/planner.yaml`` give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion import artefact
from diffusion_mpc_ros.diffusion.artefact import Artefact
from diffusion_mpc_ros.diffusion.inference import has_openvino
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.diffusion_mpc.ladder import make_ladder
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, plan_times
from diffusion_mpc_ros.realtime.scheduling import usable_cores

SAMPLING = (
    "candidates", "sampler", "steps", "cached_steps", "refresh_ticks", "guidance_scale", "survivors", "seed",
)  # fmt: skip
# Stands for the best precision, and int8 where only that has the time for a plan every tick.
SETTLED_PRECISION, BEST_PRECISION = "auto", "f32"
# Stands for the backend that measurement finds quickest, of these.
MEASURED_BACKEND, INSTALLABLE = "auto", ("onnxruntime", "openvino")
# Stands for the number of threads that measurement finds best.
MEASURED_THREADS = 0
# Twice the threads have to make plans so much shorter: they take cores from everybody else.
WORTH_CORES = 0.8
THREAD_PLANS = 10


def make(values: Mapping[str, Any], timing: Timing, budgeted: bool) -> Ladder:
    """The planner of ``values``, named as in ``config/planner.yaml``; see :data:`planners.registry.Factory`.

    Raises :class:`ArtefactError`, :class:`ConfigurationError` or :class:`TimingError`.
    """
    config = DiffusionMpcConfig(
        timing=timing,
        sampling=SamplingOptions(**{name: values[name] for name in SAMPLING}),
        hold_committed=values["hold_committed"],
        threads=values["threads"],
        backend=values["backend"],
        precision=BEST_PRECISION if values["precision"] == SETTLED_PRECISION else values["precision"],
    )
    loaded = artefact.load(model_folder(values["artefact"]))
    if config.backend == MEASURED_BACKEND:
        config = replace(config, backend=measure_backends(loaded, config))
    if config.threads == MEASURED_THREADS:
        config = replace(config, threads=measure_threads(loaded, config, usable_cores()))
    threads = f"{config.threads} thread{'s' if config.threads > 1 else ''}"
    levels = make_ladder(loaded, config, budgeted)
    quick = levels[:1] + (in_int8(loaded, config) if values["precision"] == SETTLED_PRECISION and budgeted else [])
    return Ladder(levels, f"{loaded.name}, {config.backend}, {threads}", quick)


def in_int8(loaded: Artefact, config: DiffusionMpcConfig) -> list[DiffusionMpcPlanner]:
    """The planner of ``config`` in int8; none where the artefact has no int8 graph, or the processor is too old."""
    try:
        return [DiffusionMpcPlanner(loaded, replace(config, precision="int8"))]
    except ConfigurationError:
        return []


def measure_backends(loaded: Artefact, config: DiffusionMpcConfig) -> str:
    """The backend that plans quickest on this machine, of those that know the precision and compute rightly here.

    Raises what :class:`DiffusionMpcPlanner` raises where none does.
    """
    names = [name for name in INSTALLABLE if name != "openvino" or has_openvino()]
    if config.precision == "bf16":
        return "openvino"
    if len(names) == 1:
        return names[0]
    rewards = guided(loaded.description.reward_terms)
    times: dict[str, float] = {}
    failure: DiffusionMpcError | None = None
    for name in names:
        try:
            planner = DiffusionMpcPlanner(loaded, replace(config, backend=name, threads=config.threads or 1))
            times[name] = float(np.median(plan_times(planner, THREAD_PLANS, rewards, paced=True)))
        except (ArtefactError, ConfigurationError) as error:
            failure = error
    if not times and failure is not None:
        raise failure
    return min(times, key=lambda name: times[name])


def measure_threads(loaded: Artefact, config: DiffusionMpcConfig, cores: int) -> int:
    """The number of threads to plan with on ``cores`` cores; one is left to the other executables."""
    rewards = guided(loaded.description.reward_terms)
    counts = [2**power for power in range(cores.bit_length()) if 2**power <= max(cores - 1, 1)]
    if len(counts) == 1:
        return counts[0]
    planners = {count: DiffusionMpcPlanner(loaded, replace(config, threads=count)) for count in counts}
    return choose_threads(
        {count: float(np.median(plan_times(planner, THREAD_PLANS, rewards, paced=True)))
         for count, planner in planners.items()}
    )  # fmt: skip


def choose_threads(plan_times_by_count: Mapping[int, float]) -> int:
    """More threads as long as each larger number is clearly faster than the one before (:data:`WORTH_CORES`)."""
    counts = sorted(plan_times_by_count)
    for count, more in zip(counts, counts[1:]):
        if plan_times_by_count[more] > WORTH_CORES * plan_times_by_count[count]:
            return count
    return counts[-1]
