"""Early-step caching (arXiv 2510.04234, IV-D) against plans from nothing with as many denoising steps, in closed loop.

For n remaining steps: "cold" starts from noise and takes n strided steps, with DDIM or DDPM; "cached" starts from the
last plan, shifted and re-noised to level n of K (the rows that it does not reach from noise), with a DDPM or a DDIM
tail, and a full run every 50 ticks (refresh) or never. All K steps of DDPM stand beside them.

Every cell walks `robots` robots for each command, without reward weights, in the asynchronous loop; a plan is known one
tick after the planner began with it. Measured are survival, velocity error, and the jump: the largest difference of a
joint target between the new and the old plan at the first tick that the new one is executed.

Caching works in a cell when no fewer robots survive than with cold DDIM and as many steps, and the mean jump is
smaller.

examples:
  diffusion-mpc evaluate caching --robots 8 --ticks 300 --steps 3
  diffusion-mpc evaluate caching --json docs/results/caching.json --markdown docs/results/caching.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import PlannerExperiment
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.evaluation.seams import SeamRecorder, jump_text
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.simulation.randomization import Randomization

# A plan is known so many ticks after the planner began with it: all of these take less than one.
LATENCY_TICKS = 1
# Sampling options of a cache that only the first plan fills.
NO_REFRESH = {"refresh_ticks": 10**9, "command_tolerance": 1e9}


@dataclass(frozen=True)
class Variant:
    """A way to sample: ``steps`` n that run, from noise (``cold``) or from the last plan (``cached``)."""

    steps: int
    start: str
    sampler: str
    refresh: bool = True

    def sampling(self, full_steps: int, candidates: int, seed: int) -> SamplingOptions:
        """Return the options for a schedule of ``full_steps`` K."""
        common = {"candidates": candidates, "sampler": self.sampler, "seed": seed}
        if self.start == "cold":
            return SamplingOptions(steps=self.steps, **common)
        cached = full_steps - self.steps
        refresh = {} if self.refresh else NO_REFRESH
        return SamplingOptions(steps=full_steps, cached_steps=cached, **common, **refresh)

    def __str__(self) -> str:
        refresh = "" if self.start == "cold" else ", refresh" if self.refresh else ", no refresh"
        return f"{self.steps} steps, {self.start} {self.sampler}{refresh}"


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment, PlannerExperiment):
    """Which cells, on how many robots, and where the results go."""

    command = "evaluate caching"
    title = "Early-step caching in closed loop"
    size = (
        "{robots} robots x {ticks} ticks for each command, N = {candidates}, seed {seed}, randomised as in Table I: "
        "{randomized}, committed actions held: {hold_committed}, a plan known {latency_ticks} tick after it was begun, "
        "commands (vx, vy, yaw rate) {commands}"
    )

    steps: tuple[int, ...] = (2, 3, 5)
    """Denoising steps n that are left to do."""
    delays: tuple[int, ...] = (1, 3)
    """Replan margins D, each paired with the replan interval at its place."""
    replans: tuple[int, ...] = (1, 2)
    """Replan intervals R [ticks]."""
    candidates: int = 1
    """Candidates N; without reward weights one is as good as many."""
    hold_committed: bool = True
    """Hold committed actions fixed while sampling, as the planner does by default."""
    randomized: bool = False
    """Randomise payload, friction, motor strength, initial pose and latency as in Table I of the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("steps", "candidates")
        if len(self.delays) != len(self.replans):
            raise ConfigurationError(f"as many delays as replans are needed, got {self.delays} and {self.replans}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("commands", "robots", "ticks", "seed", "candidates", "hold_committed", "randomized")
        return {**self.head_of(*names, latency_ticks=LATENCY_TICKS), "machine": describe_machine()}

    def cells(self) -> list[tuple[int, int, Variant]]:
        loops = zip(self.delays, self.replans, strict=True)
        full_steps = self.loaded.description.schedule.steps
        return [(*loop, variant) for loop in loops for variant in variants(self.steps, full_steps)]

    def labels(self, cell: tuple[int, int, Variant]) -> dict[str, Any]:
        delay, replan, variant = cell
        return {"delay": delay, "replan": replan, **asdict(variant)}

    def run(self, cell: tuple[int, int, Variant]) -> Row:
        delay, replan, variant = cell
        sampling = variant.sampling(self.loaded.description.schedule.steps, self.candidates, self.seed)
        planner = self.make_planner(delay, replan, sampling, hold_committed=self.hold_committed)
        recorder = SeamRecorder(AsynchronousController(planner, latency_ticks=LATENCY_TICKS))
        randomization = Randomization() if self.randomized else None
        scores = self.walk(recorder, f"D={delay} R={replan} {variant}", randomization)
        by_command = self.by_command(scores, "survival", "velocity_error", "yaw_rate_error")
        survival = [row["survival"] for row in by_command]
        everyone = scores.summary(np.ones(len(scores.survived()), dtype=bool))
        return {
            **self.labels(cell),
            "survival": float(np.mean(survival)),
            "worst_survival": min(survival),
            "velocity_error": finite(everyone["velocity_error"]),
            "jump": recorder.jump(np.isfinite(scores.planar_error)),
            "commands": by_command,
        }

    def grids(self, report: Report) -> list[Grid]:
        """Return a table for every timing."""
        tables = []
        for delay, replan in dict.fromkeys((row["delay"], row["replan"]) for row in report["rows"]):
            rows = [row for row in report["rows"] if (row["delay"], row["replan"]) == (delay, replan)]
            cold = {row["steps"]: row for row in rows if (row["start"], row["sampler"]) == ("cold", "ddim")}
            columns = (
                ("sampling", lambda row: str(Variant(row["steps"], row["start"], row["sampler"], row["refresh"]))),
                ("survival", lambda row: f"{row['survival']:.1%}"),
                ("worst command", lambda row: f"{row['worst_survival']:.1%}"),
                ("velocity error [m/s]", lambda row: number(row["velocity_error"], "{:.3f}")),
                ("jump, mean / p99 [rad]", jump_text),
                ("works", lambda row, cold=cold: _verdict(row, cold.get(row["steps"]))),
            )
            rows.sort(key=lambda row: row["steps"])
            tables.append(Grid.of(f"D = {delay}, R = {replan}", columns, rows))
        return tables


def variants(steps: tuple[int, ...], full_steps: int) -> list[Variant]:
    """For every n cold and cached, and all K steps; raises ConfigurationError unless every n < K."""
    if max(steps) >= full_steps:
        raise ConfigurationError(f"steps must be fewer than the artefact's K = {full_steps}, got {steps}")
    result = []
    for count in steps:
        result += [Variant(count, "cold", sampler) for sampler in ("ddim", "ddpm")]
        result += [Variant(count, "cached", sampler, refresh) for sampler in ("ddim", "ddpm")
                   for refresh in (True, False)]  # fmt: skip
    return [*result, Variant(full_steps, "cold", "ddpm")]


def works(row: dict[str, Any], cold: dict[str, Any]) -> bool:
    """Whether the cached ``row`` is as good as ``cold`` DDIM of as many steps: survival no worse, smaller jumps."""
    jump, cold_jump = row["jump"]["mean"], cold["jump"]["mean"]
    return row["survival"] >= cold["survival"] and jump is not None and cold_jump is not None and jump < cold_jump


def _verdict(row: Mapping[str, Any], cold: Mapping[str, Any] | None) -> str:
    return "" if row["start"] == "cold" or cold is None else "yes" if works(row, cold) else "no"
