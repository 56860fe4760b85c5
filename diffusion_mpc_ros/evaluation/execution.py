"""How plans are executed: Table VI of the paper (arXiv 2510.04234, VI-B.4) in the batch simulator, delays included.

In every trial a robot stands for 1 s and is then told to walk forward at 0.8 m/s, to turn at 0.5 m/s and 1.0 rad/s,
and to walk backward at 0.8 m/s, 3 s each, every change a step. A plan is known only ceil(latency / 20 ms) ticks after
the planner began with it, and the planner makes one at a time. A tick without a row of a known plan settles into the
standing pose, as command_publisher does.

Rows: A to E are the paper's, R = H - D, nothing held fixed (C, whose D the paper leaves out, with D = 0 as B, whose
latency it shares); then a plan every tick and the shipped timing. held: the actions that are committed already are held
fixed while sampling; free: they are not.

Latency: "measured" is p99 of the plan time on this machine (N candidates, one thread, every reward term at work, each
row in a process of its own), "paper" what Table VI says, "zero" none, a number so many ms. The robots themselves walk
without reward weights, where every candidate is as good as another: one is sampled.

A segment of a trial is a success when the robot has not fallen by its end, and its mean velocity over the last
1.5 s is within 0.2 m/s (planar) and 0.2 rad/s of the command. The paper judged by eye, on the real robot.

examples:
  diffusion-mpc evaluate execution
  diffusion-mpc evaluate execution --rows A E D3R2-held --latency measured 77 --trials 100
  diffusion-mpc evaluate execution --json docs/results/execution.json --markdown docs/results/execution.md
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation import execution_report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import in_own_process
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.evaluation.seams import SeamRecorder
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, plan_times
from diffusion_mpc_ros.policies.closed_loop import (
    AsynchronousController,
    WalkScores,
    mean_of_finite,
    run_closed_loop,
)
from diffusion_mpc_ros.simulation.batch import BatchSimulation

COMMAND = "evaluate execution"
# Sampling options of a cache that only the first plan fills.
NO_REFRESH = {"refresh_ticks": 10**9, "command_tolerance": 1e9}
# A segment's success: mean velocity over its last ticks this close to the command.
SETTLED_TICKS, VELOCITY_BOUND, YAW_RATE_BOUND = 75, 0.2, 0.2  # [m/s], [rad/s]


@dataclass(frozen=True)
class CommandStretch:
    """A part of the command sequence: ``command`` (vx, vy [m/s], yaw rate [rad/s]) for ``ticks``."""

    name: str
    command: tuple[float, float, float]
    ticks: int = 150


STANDING = CommandStretch("standing", (0.0, 0.0, 0.0), 50)
WALKED = (
    CommandStretch("forward", (0.8, 0.0, 0.0)),
    CommandStretch("turning", (0.5, 0.0, 1.0)),
    CommandStretch("backward", (-0.8, 0.0, 0.0)),
)


@dataclass(frozen=True)
class PaperFigures:
    """A column of Table VI."""

    rate_hz: float
    latency_ms: float
    forward: bool
    turning: bool
    backward: bool


@dataclass(frozen=True)
class Loop:
    """A row: how plans are sampled and executed. ``replan`` 0 stands for the paper's R = H - D."""

    name: str
    delay: int
    replan: int = 0
    steps: int = 10
    sampler: str = "ddpm"
    cached_steps: int = 0
    refresh: bool = True
    hold_committed: bool = False
    paper: PaperFigures | None = None

    def planner_config(self, horizon: int, candidates: int, threads: int, seed: int) -> DiffusionMpcConfig:
        """The planner's settings for ``candidates`` N."""
        timing = Timing(horizon, self.delay, self.replan or horizon - self.delay)
        sampling = SamplingOptions(
            candidates=candidates, sampler=self.sampler, steps=self.steps, cached_steps=self.cached_steps, seed=seed,
            **({} if self.refresh else NO_REFRESH),
        )  # fmt: skip
        return DiffusionMpcConfig(timing, sampling, self.hold_committed, threads)


LOOPS = (
    Loop("A", 0, paper=PaperFigures(33.1, 198, False, False, False)),
    Loop("B", 0, cached_steps=7, refresh=False, paper=PaperFigures(45.8, 77, False, False, False)),
    Loop("C", 0, steps=3, sampler="ddim", paper=PaperFigures(47.7, 78, False, False, False)),
    Loop("D", 3, cached_steps=7, refresh=False, paper=PaperFigures(50.1, 22, True, True, False)),
    Loop("E", 3, cached_steps=7, paper=PaperFigures(50.0, 21, True, True, True)),
    Loop("D0R1", 0, 1),
    Loop("D1R1-held", 1, 1, hold_committed=True),
    Loop("D1R1-free", 1, 1),
    Loop("D3R2-held", 3, 2, hold_committed=True),
    Loop("D3R2-free", 3, 2),
    Loop("D3R8-held", 3, 8, hold_committed=True),
    Loop("D3R8-free", 3, 8),
)


@dataclass(frozen=True)
class Config:
    """What is run, and where the results go."""

    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    rows: tuple[str, ...] = tuple(loop.name for loop in LOOPS)
    """Rows to run."""
    latency: tuple[str, ...] = ("measured", "paper")
    """measured, paper (rows A to E), zero, or a number of ms; each row is run with every one of them."""
    trials: int = 20
    """Robots, each with its own initial pose, heading and noise."""
    seed: int = 11
    """Seed of the robots and of the sampling noise."""
    candidates: int = 10
    """Candidates N of which the plan time is measured."""
    plans: int = 200
    """Plans that are timed for each row."""
    threads: int = 2
    """Threads of the simulator and of its planner; plan times are measured with one."""
    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the tables to this file."""

    def __post_init__(self) -> None:
        names = [loop.name for loop in LOOPS]
        unknown = [name for name in self.rows if name not in names]
        if unknown:
            raise ConfigurationError(f"unknown rows {unknown}; there are {names}")
        for mode in self.latency:
            fixed_latency(mode)
        for name in ("trials", "candidates", "plans", "threads"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")


def fixed_latency(mode: str) -> float | None:
    """The latency [ms] that ``mode`` of ``--latency`` stands for; None where it depends on the row."""
    if mode in ("measured", "paper"):
        return None
    try:
        value = 0.0 if mode == "zero" else float(mode)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise ConfigurationError(f"unknown latency {mode!r}; valid are measured, paper, zero, or a number of ms >= 0")
    return value


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_execution(config)
    grids = execution_report.grids(report, [loop.name for loop in LOOPS])
    console = Console(width=160)
    for grid in grids:
        grid.print(console)
    if config.markdown is not None:
        config.markdown.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(config.markdown, execution_report.markdown(report, grids))


def evaluate_execution(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``machine``, ``config``, ``success`` (its definition) and ``rows``."""
    artefact = load(model_folder(config.artefact))
    names = ("trials", "seed", "candidates", "plans")
    file = ReportFile(
        config.json, COMMAND,
        {
            "artefact": artefact.identity,
            "machine": describe_machine(),
            "config": {name: getattr(config, name) for name in names},
            "success": {
                "not_fallen_by": "end of the segment", "mean_velocity_over_s": SETTLED_TICKS * CONTROL_DT,
                "velocity_bound_m_s": VELOCITY_BOUND, "yaw_rate_bound_rad_s": YAW_RATE_BOUND,
            },
            "sequence": [asdict(segment) for segment in (STANDING, *WALKED)],
        },
    )  # fmt: skip
    cells = [
        (loop, mode)
        for mode in config.latency
        for loop in LOOPS
        if loop.name in config.rows and not (mode == "paper" and loop.paper is None)
    ]
    for loop, mode in tqdm(cells, desc="rows", unit="row", disable=None):
        if not file.has(row=loop.name, latency_mode=mode):
            file.add(_run(config, artefact, loop, mode))
    return file.report


def _run(config: Config, artefact: Prior, loop: Loop, mode: str) -> dict[str, Any]:
    latency = _latency(config, artefact, loop, mode)
    planner_config = loop.planner_config(artefact.description.horizon, 1, config.threads, config.seed)
    planner = DiffusionMpcPlanner(artefact, planner_config)
    latency_ticks = ticks_of(latency["p50"] if latency["p99"] is None else latency["p99"])
    recorder = SeamRecorder(AsynchronousController(planner, latency_ticks=latency_ticks))
    segments = (STANDING, *WALKED)
    commands = np.repeat([segment.command for segment in segments], [segment.ticks for segment in segments], axis=0)
    simulation = BatchSimulation(config.trials, seed=config.seed, threads=config.threads)
    scores = run_closed_loop(recorder, simulation, commands[:, None], len(commands), f"{loop.name}, {mode}")
    results, start = {}, STANDING.ticks
    for segment in WALKED:
        results[segment.name] = score_segment(scores, segment, start)
        start += segment.ticks
    return {
        "row": loop.name,
        "latency_mode": mode,
        "delay": loop.delay,
        "replan": planner_config.timing.replan_interval,
        **{name: getattr(loop, name) for name in ("sampler", "steps", "cached_steps", "refresh", "hold_committed")},
        "latency_ms": latency,
        "measured_on": describe_machine() if mode == "measured" else None,
        "latency_ticks": latency_ticks,
        **recorder.rates(STANDING.ticks),
        "segments": results,
        "jump": recorder.jump(np.isfinite(scores.planar_error)),
        "step": recorder.step(np.isfinite(scores.planar_error)),
        "paper": None if loop.paper is None else asdict(loop.paper),
    }


def ticks_of(latency_ms: float) -> int:
    """Control ticks until a plan that takes ``latency_ms`` is known."""
    return math.ceil(latency_ms / (CONTROL_DT * 1e3))


def _latency(config: Config, artefact: Prior, loop: Loop, mode: str) -> dict[str, float | None]:
    """``p50`` and ``p99`` [ms] of planning one of ``loop``'s plans; p99 is None where only one figure is known."""
    if mode == "measured":
        planner_config = loop.planner_config(artefact.description.horizon, config.candidates, 1, config.seed)
        p50, p99 = in_own_process(measure_plan_time, config.artefact, planner_config, config.plans)
        return {"p50": p50, "p99": p99}
    return {"p50": loop.paper.latency_ms if mode == "paper" else fixed_latency(mode), "p99": None}


def measure_plan_time(artefact: str, config: DiffusionMpcConfig, plans: int) -> tuple[float, float]:
    """Median and 99th percentile [ms] of ``plans`` plans with every reward term at work, back to back."""
    planner = DiffusionMpcPlanner(load(model_folder(artefact)), config)
    times = plan_times(planner, plans, guided(planner.reward_terms)) * 1e3
    p50, p99 = np.percentile(times, [50, 99])
    return float(p50), float(p99)


def score_segment(scores: WalkScores, segment: CommandStretch, start: int) -> dict[str, Any]:
    """Successes among the robots in ``segment``, which began at tick ``start``.

    A success has not fallen by the segment's end, and its mean velocity over the last :data:`SETTLED_TICKS` is within
    :data:`VELOCITY_BOUND` (planar) and :data:`YAW_RATE_BOUND` of the command. ``velocity_error`` [m/s] and
    ``yaw_rate_error`` [rad/s] are means over those ticks, tick by tick, of robots that have not fallen; None without.
    """
    end = start + segment.ticks
    settled = slice(end - SETTLED_TICKS, end)
    survived = np.isfinite(scores.planar_error[end - 1])
    velocity = scores.velocity[settled].mean(axis=0)  # NaN for a robot that fell
    error = np.abs(velocity - segment.command)
    success = (np.linalg.norm(error[:, :2], axis=1) <= VELOCITY_BOUND) & (error[:, 2] <= YAW_RATE_BOUND) & survived
    errors = {
        "velocity_error": scores.planar_error[settled][:, survived],
        "yaw_rate_error": scores.yaw_rate_error[settled][:, survived],
    }
    return {
        "success": int(success.sum()),
        "survived": int(survived.sum()),
        "of": len(survived),
        "mean_velocity": velocity[survived].mean(axis=0).tolist() if survived.any() else None,
        **{name: mean_of_finite(values) if survived.any() else None for name, values in errors.items()},
    }
