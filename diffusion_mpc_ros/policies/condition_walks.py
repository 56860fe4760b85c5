"""How an artefact walks in a condition: the asynchronous planner at given commands, on robots that a seed draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK

Command = tuple[float, float, float]


@dataclass(frozen=True)
class Trial:
    """``robots`` for each of ``commands`` (vx, vy [m/s], yaw rate [rad/s]) walk ``ticks``; ``seed`` draws all."""

    commands: tuple[Command, ...]
    robots: int
    ticks: int
    seed: int
    threads: int = 1
    backend: str = "onnxruntime"
    precision: str = "f32"


@dataclass(frozen=True)
class Walked:
    """What came of one command: share of the robots that never fell, and mean velocity error until a fall [m/s]."""

    command: Command
    survival: float
    velocity_error: float


def shipped_planner(
    artefact: Prior,
    seed: int,
    *,
    steps: StepBackend | None = None,
    guidance_scale: float = 1.0,
    threads: int = 1,
    backend: str = "onnxruntime",
    precision: str = "f32",
) -> DiffusionMpcPlanner:
    """Return the planner of ``artefact`` at D = 3, R = 2, N = 1, on ``steps`` where they are given."""
    sampling = SamplingOptions(candidates=1, seed=seed, guidance_scale=guidance_scale)
    timing = Timing(artefact.description.horizon)
    config = DiffusionMpcConfig(timing, sampling, threads=threads, backend=backend, precision=precision)
    return DiffusionMpcPlanner(artefact, config, steps)


def shipped_controller(
    artefact: Prior,
    seed: int,
    *,
    rewards: RewardSettings | None = None,
    velocity_feedback: float = VELOCITY_FEEDBACK,
    **options: Any,
) -> AsynchronousController:
    """Return :func:`shipped_planner`, with its ``options``, behind the session of the real nodes."""
    settings, planner = rewards or RewardSettings(), shipped_planner(artefact, seed, **options)
    return AsynchronousController(planner, lambda tick: settings, velocity_feedback=velocity_feedback)


def walk(artefact: Prior, condition: Condition, trial: Trial) -> list[Walked]:
    """Walk with ``artefact`` as it ships (N = 1, D = 3, R = 2, no rewards) in ``condition``, a result for each command.

    The same trial has the same robots, grounds, pushes and sampling noise whatever the artefact. The error is NaN where
    all robots fell before it could be measured.
    """
    commands = np.repeat(np.array(trial.commands, dtype=float), trial.robots, axis=0)
    simulation = MixedSimulation([(condition, len(commands))], seed=trial.seed, threads=trial.threads)
    walker = shipped_controller(
        artefact, trial.seed, threads=trial.threads, backend=trial.backend, precision=trial.precision
    )
    scores = run_closed_loop(walker, simulation, commands, trial.ticks, f"{artefact.name}, {condition.name}")
    of_command = np.repeat(np.arange(len(trial.commands)), trial.robots)
    summaries = [scores.summary(of_command == index) for index in range(len(trial.commands))]
    return [
        Walked(command, summary["survival"], summary["velocity_error"])
        for command, summary in zip(trial.commands, summaries)
    ]


def overall(walked: Sequence[Walked]) -> tuple[float, float]:
    """Mean survival and mean velocity error [m/s] of as many robots for each command; NaN where one has no error."""
    return float(np.mean([each.survival for each in walked])), float(np.mean([each.velocity_error for each in walked]))
