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

In brackets what the paper reports. Frequency: ticks with a joint target from a plan. Jump: the largest difference of a
joint target between the new and the old plan at the first tick that the new one is executed; - where the old one had
no row left. Step: the largest change of a joint target from one tick to the next, in the mean, where a plan took over
and where the same one went on.

A segment of a trial is a success when the robot has not fallen by its end, and its mean velocity over the last
1.5 s is within 0.2 m/s (planar) and 0.2 rad/s of the command. The paper judged by eye, on the real robot.

examples:
  diffusion-mpc evaluate execution
  diffusion-mpc evaluate execution --rows A E D3R2-held --latency measured 77 --trials 100
  diffusion-mpc evaluate execution --json docs/results/execution.json --markdown docs/results/execution.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.experiments.caching import NO_REFRESH
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import in_own_process
from diffusion_mpc_ros.evaluation.planning import PlannerExperiment
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.evaluation.seams import SeamRecorder, jump_text, step_text
from diffusion_mpc_ros.grid import Column, Grid
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.planner import NAME as DIFFUSION_MPC
from diffusion_mpc_ros.planners.latency import guided, plan_times
from diffusion_mpc_ros.policies.closed_loop import (
    AsynchronousController,
    WalkScores,
    mean_of_finite,
    run_closed_loop,
)
from diffusion_mpc_ros.simulation.batch import BatchSimulation

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

    @property
    def needs_denoising(self) -> bool:
        """Whether its sampling is that of no other planner than diffusion_mpc."""
        return (self.sampler, self.steps, self.cached_steps) != ("ddpm", 10, 0) or self.paper is not None

    def sampling(self, candidates: int, seed: int) -> SamplingOptions:
        """Return the planner's options for ``candidates`` N."""
        return SamplingOptions(
            candidates=candidates, sampler=self.sampler, steps=self.steps, cached_steps=self.cached_steps, seed=seed,
            **({} if self.refresh else NO_REFRESH),
        )  # fmt: skip


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

# "measured" and the others in words, for headings.
LATENCY_TEXTS = {"measured": "latency measured here (p99)", "paper": "the paper's latency", "zero": "no latency"}
MARKS = {True: "✓", False: "✗"}


@dataclass(frozen=True, kw_only=True)
class Config(PlannerExperiment):
    """What is run, and where the results go."""

    command = "evaluate execution"
    title = "Execution: Table VI"
    size = "{trials} trials, seed {seed}"

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

    def __post_init__(self) -> None:
        names = [loop.name for loop in LOOPS]
        unknown = [name for name in self.rows if name not in names]
        if unknown:
            raise ConfigurationError(f"unknown rows {unknown}; there are {names}")
        for mode in self.latency:
            fixed_latency(mode)
        self.refuse_below_one("trials", "candidates", "plans", "threads")

    @property
    def head(self) -> dict[str, Any]:
        return {
            **self.head_of("trials", "seed", "candidates", "plans"),
            "machine": describe_machine(),
            "success": {
                "not_fallen_by": "end of the segment", "mean_velocity_over_s": SETTLED_TICKS * CONTROL_DT,
                "velocity_bound_m_s": VELOCITY_BOUND, "yaw_rate_bound_rad_s": YAW_RATE_BOUND,
            },
            "sequence": [asdict(segment) for segment in (STANDING, *WALKED)],
        }  # fmt: skip

    def cells(self) -> list[tuple[Loop, str]]:
        """Raise :class:`ConfigurationError` for rows that another planner cannot walk."""
        loops = [loop for loop in LOOPS if loop.name in self.rows]
        denoising = [loop.name for loop in loops if loop.needs_denoising and self.planner != DIFFUSION_MPC]
        if denoising:
            others = [loop.name for loop in LOOPS if not loop.needs_denoising]
            raise ConfigurationError(
                f"the rows {', '.join(denoising)} are of the denoising of {DIFFUSION_MPC!r}, which {self.planner!r} "
                f"lacks: --rows {' '.join(others)}"
            )
        return [(loop, mode) for mode in self.latency for loop in loops if mode != "paper" or loop.paper is not None]

    def labels(self, cell: tuple[Loop, str]) -> dict[str, Any]:
        return {"row": cell[0].name, "latency_mode": cell[1]}

    def planner_of(self, loop: Loop, candidates: int) -> Planner:
        """Of a row, with ``candidates`` N."""
        sampling = loop.sampling(candidates, self.seed)
        return self.make_planner(loop.delay, loop.replan, sampling, hold_committed=loop.hold_committed)

    def run(self, cell: tuple[Loop, str]) -> Row:
        loop, mode = cell
        latency = self.latency_of(loop, mode)
        planner = self.planner_of(loop, 1)
        latency_ticks = ticks_of(latency["p50"] if latency["p99"] is None else latency["p99"])
        recorder = SeamRecorder(AsynchronousController(planner, latency_ticks=latency_ticks))
        segments = (STANDING, *WALKED)
        commands = np.repeat([segment.command for segment in segments], [segment.ticks for segment in segments], axis=0)
        simulation = BatchSimulation(self.trials, seed=self.seed, threads=self.threads)
        scores = run_closed_loop(recorder, simulation, commands[:, None], len(commands), f"{loop.name}, {mode}")
        results, start = {}, STANDING.ticks
        for segment in WALKED:
            results[segment.name] = score_segment(scores, segment, start)
            start += segment.ticks
        upright = np.isfinite(scores.planar_error)
        return {
            **self.labels(cell),
            "delay": loop.delay,
            "replan": planner.timing.replan_interval,
            **{name: getattr(loop, name) for name in ("sampler", "steps", "cached_steps", "refresh", "hold_committed")},
            "latency_ms": latency,
            "measured_on": describe_machine() if mode == "measured" else None,
            "latency_ticks": latency_ticks,
            **recorder.rates(STANDING.ticks),
            "segments": results,
            "jump": recorder.jump(upright),
            "step": recorder.step(upright),
            "paper": None if loop.paper is None else asdict(loop.paper),
        }

    def latency_of(self, loop: Loop, mode: str) -> dict[str, float | None]:
        """``p50`` and ``p99`` [ms] of planning one of ``loop``'s plans; p99 is None where only one figure is known."""
        if mode == "measured":
            alone = replace(self, threads=1, json=None)
            p50, p99 = in_own_process(measure_plan_time, alone, loop)
            return {"p50": p50, "p99": p99}
        return {"p50": loop.paper.latency_ms if mode == "paper" else fixed_latency(mode), "p99": None}

    def sentence(self, report: Report) -> str:
        config = report["config"]
        places = {f"{where['cores']} cores of {where['processor']}" for row in report["rows"]
                  if (where := row["measured_on"])}  # fmt: skip
        measured = (
            f" Latency measured over {config['plans']} plans, N = {config['candidates']}, one thread, every reward "
            f"term at work, on {' and '.join(sorted(places))}."
        )
        return super().sentence(report) + (measured if places else "")

    def grids(self, report: Report) -> list[Grid]:
        """For each latency a column for each row: those of the paper, with its figures in brackets, then the others."""
        order = [loop.name for loop in LOOPS]
        rows = sorted(report["rows"], key=lambda row: order.index(row["row"]))
        tables = []
        for mode in dict.fromkeys(row["latency_mode"] for row in report["rows"]):
            text = LATENCY_TEXTS.get(mode, f"latency {mode} ms")
            for title, of_paper in (("Table VI", True), ("Beyond the paper", False)):
                shown = [row for row in rows if row["latency_mode"] == mode and (row["paper"] is not None) is of_paper]
                if shown:
                    tables.append(Grid.of(f"{title}, {text}", COLUMNS, shown).turned)
        return tables


def fixed_latency(mode: str) -> float | None:
    """Return the latency [ms] that ``mode`` of ``--latency`` stands for; None where it depends on the row."""
    if mode in ("measured", "paper"):
        return None
    try:
        value = 0.0 if mode == "zero" else float(mode)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise ConfigurationError(f"unknown latency {mode!r}; valid are measured, paper, zero, or a number of ms >= 0")
    return value


def ticks_of(latency_ms: float) -> int:
    """Control ticks until a plan that takes ``latency_ms`` is known."""
    return math.ceil(latency_ms / (CONTROL_DT * 1e3))


def measure_plan_time(config: Config, loop: Loop) -> tuple[float, float]:
    """Median and 99th percentile [ms] of the row's plans with every reward term at work, back to back."""
    planner = config.planner_of(loop, config.candidates)
    times = plan_times(planner, config.plans, guided(planner.reward_terms)) * 1e3
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


def _with_paper(text: str, row: Row, paper: str) -> str:
    return f"{text} ({paper.format(**row['paper'])})" if row["paper"] else text


def _cache(row: Row) -> str:
    cached = row["cached_steps"]
    return f"{cached}, {'refresh' if row['refresh'] else 'no refresh'}" if cached else "0"


def _latency(row: Row) -> str:
    latency = row["latency_ms"]
    return _with_paper(f"{latency['p50']:.1f} / {number(latency['p99'], '{:.1f}')}", row, "{latency_ms:.0f}")


def _success(row: Row, segment: str) -> str:
    result = row["segments"][segment]
    return _with_paper(f"{result['success']}/{result['of']}", row, MARKS[row["paper"][segment]] if row["paper"] else "")


COLUMNS: Sequence[Column] = (
    ("", lambda row: row["row"]),
    ("D, R", lambda row: f"{row['delay']}, {row['replan']}"),
    ("steps", lambda row: f"{row['steps'] - row['cached_steps']} {row['sampler']}"),
    ("cached m", _cache),
    ("frequency [Hz]", lambda row: _with_paper(f"{row['command_rate_hz']:.1f}", row, "{rate_hz:.1f}")),
    ("plans executed [Hz]", lambda row: f"{row['plan_rate_hz']:.1f}"),
    ("latency p50 / p99 [ms]", _latency),
    ("known after [ticks]", lambda row: str(row["latency_ticks"])),
    *((segment.name, lambda row, name=segment.name: _success(row, name)) for segment in WALKED),
    ("velocity error, each [m/s]", lambda row: " ".join(
        number(result["velocity_error"], "{:.2f}") for result in row["segments"].values()
    )),
    ("jump, mean / p99 [rad]", jump_text),
    ("step, seam / within [rad]", step_text),
)  # fmt: skip
