"""Measuring planners one case at a time, each in a process of its own: memory and threads are that case's alone."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import (
    BASE_ANG_VEL,
    COMMAND,
    JOINT_POS,
    JOINT_VEL,
    OBSERVATION_DIM,
    PREVIOUS_ACTION,
)
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, plan_times, standing_request

# Fewer steps than this are taken with DDIM, as in the paper's cheap rows; DDPM needs more.
DDPM_STEPS = 5
# Plans that two implementations are compared on, from observations so far [standard deviations] from standing.
COMPARED_PLANS, OBSERVATION_SPREAD = 8, 0.3


@dataclass(frozen=True)
class Combination:
    """What is measured: ``candidates`` N, ``steps`` K, with every reward term (``guided``) or none."""

    artefact: str
    candidates: int
    steps: int
    guided: bool
    threads: int
    plans: int
    seed: int = 0

    @property
    def sampler(self) -> str:
        """``ddim`` for fewer than :data:`DDPM_STEPS` steps."""
        return "ddpm" if self.steps >= DDPM_STEPS else "ddim"

    @property
    def sampling(self) -> SamplingOptions:
        """The planner's options."""
        return SamplingOptions(candidates=self.candidates, sampler=self.sampler, steps=self.steps, seed=self.seed)

    def load(self) -> Prior:
        """Return the artefact, checked."""
        return prior.load(model_folder(self.artefact))

    def timing(self, loaded: Prior) -> Timing:
        """Horizon and replan margin that the artefact was trained for, a plan every tick."""
        return Timing(loaded.description.horizon, loaded.description.replan_margin, replan_interval=1)

    def rewards(self, loaded: Prior) -> RewardSettings:
        """All terms at work, or none."""
        return guided(loaded.description.reward_terms) if self.guided else RewardSettings()


def measure_planner(case: Combination, backend: str, precision: str) -> dict[str, Any]:
    """Return times [ms], peak memory and the plans to compare of the product."""
    loaded = case.load()
    config = DiffusionMpcConfig(
        case.timing(loaded), case.sampling, threads=case.threads, backend=backend, precision=precision
    )
    planner = DiffusionMpcPlanner(loaded, config)
    times = plan_times(planner, case.plans, case.rewards(loaded)) * 1e3
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    return {
        "min_ms": times.min(), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": times.max(),
        "memory_mib": peak_memory(),
        "joint_targets": compared_plans(planner, case, loaded),
    }  # fmt: skip


def compared_plans(planner: Planner, case: Combination, loaded: Prior) -> np.ndarray:
    """Joint targets ``(plans, H, 12)`` from the same observations whatever the planner; reset before each plan."""
    rng = np.random.default_rng(case.seed)
    targets = []
    for request in _compared_requests(case, loaded, rng):
        planner.reset()
        targets.append(planner.plan(request).joint_targets[:, 0])
    return np.stack(targets)


def _compared_requests(case: Combination, loaded: Prior, rng: np.random.Generator) -> list[PlanRequest]:
    """Return requests around a standing robot, an observation apart by :data:`OBSERVATION_SPREAD`; it stays upright."""
    base = standing_request(case.timing(loaded), case.rewards(loaded))
    spread = OBSERVATION_SPREAD * loaded.description.normalizer.std[:OBSERVATION_DIM]

    def apart(values: np.ndarray, part: slice) -> np.ndarray:
        return values + spread[part] * rng.standard_normal(values.shape)

    def request() -> PlanRequest:
        state = dataclasses.replace(
            base.state,
            base_ang_vel=apart(base.state.base_ang_vel, BASE_ANG_VEL),
            joint_pos=apart(base.state.joint_pos, JOINT_POS),
            joint_vel=apart(base.state.joint_vel, JOINT_VEL),
            previous_action=apart(base.state.previous_action, PREVIOUS_ACTION),
        )
        return dataclasses.replace(base, state=state, command=apart(base.command, COMMAND))

    return [request() for _ in range(COMPARED_PLANS)]


def peak_memory() -> float:
    """Largest resident memory of this process so far [MiB]."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024.0
    return float("nan")


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)`` in a fresh interpreter; what it raises is raised here."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()
