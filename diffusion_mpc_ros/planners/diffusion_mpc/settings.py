"""The settings of Diffusion-MPC, and the planner that they ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.settings import setting
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.inference import BACKENDS, PRECISIONS, has_openvino
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.diffusion_mpc.ladder import make_ladder
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, plan_times
from diffusion_mpc_ros.realtime.scheduling import usable_cores

# Stands for the best precision, and the quick one where the best has not the time.
SETTLED_PRECISION, BEST_PRECISION, QUICK_PRECISION = "auto", "f32", "int8"
# Stands for the backend that measurement finds quickest, of these.
MEASURED_BACKEND, INSTALLABLE = "auto", ("onnxruntime", "openvino")
# Stands for the number of threads that measurement finds best.
MEASURED_THREADS = 0
# Twice the threads have to make plans so much shorter: they take cores from everybody else.
WORTH_CORES = 0.8
THREAD_PLANS = 10


@dataclass(frozen=True)
class DiffusionMpcSettings(SamplingOptions):
    """diffusion_mpc: how it samples, from which model, and on what it computes; settings of the node planner."""

    artefact: str = setting("Model artefact: its name in models/, or a path to its folder.", "go2")
    hold_committed: bool = setting("Hold the actions that are already committed fixed while sampling.", True)
    backend: str = setting(
        "Inference; auto: the quicker one of those installed, measured at start.", "auto", choices=BACKENDS
    )
    precision: str = setting(
        "Arithmetic of the network: int8 needs VNNI, bf16 OpenVINO and AVX-512 BF16; auto: f32, and int8 where f32 has "
        "not the time, before candidates are given up.",
        SETTLED_PRECISION,
        choices=(*PRECISIONS, SETTLED_PRECISION),
    )
    threads: int = setting(
        "Threads of the inference backend; 0: as many as measurement finds worth a core.",
        MEASURED_THREADS,
        low=0,
        high=64,
    )

    @property
    def sampling(self) -> SamplingOptions:
        """Those of how it samples alone."""
        return SamplingOptions(**{field.name: getattr(self, field.name) for field in fields(SamplingOptions)})


def make(settings: DiffusionMpcSettings, timing: Timing, budgeted: bool) -> Ladder:
    """Return the planner of ``settings``; see :data:`planners.registry.Factory`.

    Raises :class:`ArtefactError`, :class:`ConfigurationError` or :class:`TimingError`.
    """
    loaded = prior.load(model_folder(settings.artefact))
    is_settled = settings.precision == SETTLED_PRECISION
    config = DiffusionMpcConfig(
        timing=timing,
        sampling=settings.sampling,
        hold_committed=settings.hold_committed,
        threads=settings.threads,
        backend=settings.backend,
        precision=BEST_PRECISION if is_settled else settings.precision,
    )
    config = measure(loaded, config)
    levels: list[DiffusionMpcPlanner] = make_ladder(loaded, config, budgeted)
    below: list[DiffusionMpcPlanner] = []
    int8: DiffusionMpcConfig | None = None
    if is_settled and budgeted:
        # Before candidates are given up: the same plan in int8.
        with contextlib.suppress(ConfigurationError):  # no int8 graph, or a processor too old for it
            int8 = measure(loaded, replace(config, precision=QUICK_PRECISION, backend=settings.backend))
            below = make_ladder(loaded, int8)

    def on(artefact: str) -> Ladder:
        """With what was measured, and the same levels: an artefact without the int8 graph in use is refused."""
        other = prior.load(model_folder(artefact))
        in_int8 = make_ladder(other, int8) if below and int8 is not None else []
        return _ladder(other, config, make_ladder(other, config, budgeted), in_int8, on)

    return _ladder(loaded, config, levels, below, on)


def _ladder(
    loaded: Prior,
    config: DiffusionMpcConfig,
    levels: Sequence[DiffusionMpcPlanner],
    below: Sequence[DiffusionMpcPlanner],
    on: Callable[[str], Ladder],
) -> Ladder:
    """Return the first of ``levels``, then those ``below`` it in int8 in place of the others, where there are any."""
    computing, quick = config.backend, [*levels[:1], *below[:1]]
    if below:
        levels = [*levels[:1], *below]
        int8 = below[0].config.backend
        computing += f" (int8: {int8})" if int8 != config.backend else ""
    threads = f"{config.threads} thread{'s' if config.threads > 1 else ''}"
    parts = [loaded.name, computing, threads]
    margin, trained = config.timing.replan_margin, loaded.description.replan_margin
    if config.hold_committed and margin > trained:
        parts.append(f"held to D = {margin} committed actions, trained for {trained}")
    return Ladder(levels, ", ".join(parts), quick, on)


def measure(loaded: Prior, config: DiffusionMpcConfig) -> DiffusionMpcConfig:
    """Return ``config`` with the backend and the threads that measurement finds best, where they are left to it."""
    if config.backend == MEASURED_BACKEND:
        config = replace(config, backend=measure_backends(loaded, config))
    if config.threads == MEASURED_THREADS:
        config = replace(config, threads=measure_threads(loaded, config, usable_cores()))
    return config


def measure_backends(loaded: Prior, config: DiffusionMpcConfig) -> str:
    """Return the backend that plans quickest on this machine, of those with the precision that compute rightly here.

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


def measure_threads(loaded: Prior, config: DiffusionMpcConfig, cores: int) -> int:
    """Return the number of threads to plan with on ``cores`` cores; one is left to the other executables."""
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
