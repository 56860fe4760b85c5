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

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.execution import NO_REFRESH
from diffusion_mpc_ros.evaluation.execution_report import jump_text
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.evaluation.seams import SeamRecorder
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, AsynchronousController, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization

COMMAND = "evaluate caching"
# A plan is known so many ticks after the planner began with it: all of these take less than one.
LATENCY_TICKS = 1


@dataclass(frozen=True)
class Config:
    """Which cells, on how many robots, and where the results go."""

    artefact: str = "go2"
    """Model artefact: its name in models/, or a path to its folder."""
    steps: tuple[int, ...] = (2, 3, 5)
    """Denoising steps n that are left to do."""
    delays: tuple[int, ...] = (1, 3)
    """Replan margins D, each paired with the replan interval at its place."""
    replans: tuple[int, ...] = (1, 2)
    """Replan intervals R [ticks]."""
    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    """Commands (vx, vy [m/s], yaw rate [rad/s])."""
    robots: int = 16
    """Robots for each command."""
    ticks: int = 500
    """Control ticks that they walk."""
    seed: int = 11
    """Seed of the robots and of the sampling noise."""
    candidates: int = 1
    """Candidates N; without reward weights one is as good as many."""
    hold_committed: bool = True
    """Hold committed actions fixed while sampling, as the planner does by default."""
    randomized: bool = False
    """Randomise payload, friction, motor strength, initial pose and latency as in Table I of the paper."""
    threads: int = 2
    """Threads of the simulator and of the planner."""
    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the tables to this file."""

    def __post_init__(self) -> None:
        if len(self.delays) != len(self.replans):
            raise ConfigurationError(f"as many delays as replans are needed, got {self.delays} and {self.replans}")
        for name in ("steps", "robots", "ticks", "candidates", "threads", "commands"):
            values = getattr(self, name)
            if not np.size(values) or (name != "commands" and np.min(values) < 1):
                raise ConfigurationError(f"{name} must be at least 1, got {values}")


@dataclass(frozen=True)
class Variant:
    """A way to sample: ``steps`` n that run, from noise (``cold``) or from the last plan (``cached``)."""

    steps: int
    start: str
    sampler: str
    refresh: bool = True

    def sampling(self, full_steps: int, candidates: int, seed: int) -> SamplingOptions:
        """The options for a schedule of ``full_steps`` K."""
        common = {"candidates": candidates, "sampler": self.sampler, "seed": seed}
        if self.start == "cold":
            return SamplingOptions(steps=self.steps, **common)
        cached = full_steps - self.steps
        refresh = {} if self.refresh else NO_REFRESH
        return SamplingOptions(steps=full_steps, cached_steps=cached, **common, **refresh)


def variants(steps: tuple[int, ...], full_steps: int) -> list[Variant]:
    """For every n cold and cached, and all K steps; raises ConfigurationError unless every n < K."""
    if max(steps) >= full_steps:
        raise ConfigurationError(f"steps must be fewer than the artefact's K = {full_steps}, got {steps}")
    result = []
    for number in steps:
        result += [Variant(number, "cold", sampler) for sampler in ("ddim", "ddpm")]
        result += [Variant(number, "cached", sampler, refresh) for sampler in ("ddim", "ddpm")
                   for refresh in (True, False)]  # fmt: skip
    return [*result, Variant(full_steps, "cold", "ddpm")]


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_caching(config)
    tables = grids(report)
    console = Console(width=160)
    for table in tables:
        table.print(console)
    if config.markdown is not None:
        config.markdown.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(config.markdown, markdown(report, tables))


def evaluate_caching(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``machine``, ``config`` and ``rows``."""
    artefact = load(model_folder(config.artefact))
    names = ("commands", "robots", "ticks", "seed", "candidates", "hold_committed", "randomized")
    head = {
        "artefact": artefact.identity,
        "machine": describe_machine(),
        "config": {**{name: getattr(config, name) for name in names}, "latency_ticks": LATENCY_TICKS},
    }
    file = ReportFile(config.json, COMMAND, head)
    cells = [
        (Timing(artefact.description.horizon, delay, replan), variant)
        for delay, replan in zip(config.delays, config.replans, strict=True)
        for variant in variants(config.steps, artefact.description.schedule.steps)
    ]
    for timing, variant in tqdm(cells, desc="rows", unit="row", disable=None):
        labels = {
            "delay": timing.replan_margin, "replan": timing.replan_interval, "steps": variant.steps,
            "start": variant.start, "sampler": variant.sampler, "refresh": variant.refresh,
        }  # fmt: skip
        if not file.has(**labels):
            file.add({**labels, **_run(config, artefact, timing, variant)})
    return file.report


def _run(config: Config, artefact: Prior, timing: Timing, variant: Variant) -> dict[str, Any]:
    sampling = variant.sampling(artefact.description.schedule.steps, config.candidates, config.seed)
    planner = DiffusionMpcPlanner(artefact, DiffusionMpcConfig(timing, sampling, config.hold_committed, config.threads))
    recorder = SeamRecorder(AsynchronousController(planner, latency_ticks=LATENCY_TICKS))
    commands = np.repeat(np.array(config.commands, dtype=float), config.robots, axis=0)
    randomization = Randomization() if config.randomized else None
    simulation = BatchSimulation(len(commands), seed=config.seed, threads=config.threads, randomization=randomization)
    label = f"D={timing.replan_margin} R={timing.replan_interval} {describe(variant)}"
    scores = run_closed_loop(recorder, simulation, commands, config.ticks, label)
    of_command = np.repeat(np.arange(len(config.commands)), config.robots)
    names = ("survival", "velocity_error", "yaw_rate_error")
    by_command = []
    for index, command in enumerate(config.commands):
        summary = scores.summary(of_command == index)
        by_command.append({"command": command, **{name: _finite(summary[name]) for name in names}})
    survival = [row["survival"] for row in by_command]
    everyone = scores.summary(np.ones(len(commands), dtype=bool))
    return {
        "survival": float(np.mean(survival)),
        "worst_survival": min(survival),
        "velocity_error": _finite(everyone["velocity_error"]),
        "jump": recorder.jump(np.isfinite(scores.planar_error)),
        "commands": by_command,
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def describe(variant: Variant) -> str:
    """In words, for a table."""
    refresh = "" if variant.start == "cold" else ", refresh" if variant.refresh else ", no refresh"
    return f"{variant.steps} steps, {variant.start} {variant.sampler}{refresh}"


def works(row: dict[str, Any], cold: dict[str, Any]) -> bool:
    """Whether the cached ``row`` is as good as ``cold`` DDIM of as many steps: survival no worse, smaller jumps."""
    jump, cold_jump = row["jump"]["mean"], cold["jump"]["mean"]
    return row["survival"] >= cold["survival"] and jump is not None and cold_jump is not None and jump < cold_jump


def grids(report: dict[str, Any]) -> list[Grid]:
    """A table for every timing."""
    headings = ("sampling", "survival", "worst command", "velocity error [m/s]", "jump, mean / p99 [rad]", "works")
    tables = []
    for delay, replan in dict.fromkeys((row["delay"], row["replan"]) for row in report["rows"]):
        rows = [row for row in report["rows"] if (row["delay"], row["replan"]) == (delay, replan)]
        rows.sort(key=lambda row: row["steps"])
        cold = {row["steps"]: row for row in rows if (row["start"], row["sampler"]) == ("cold", "ddim")}
        cells = [_cells(row, cold.get(row["steps"])) for row in rows]
        tables.append(Grid(f"D = {delay}, R = {replan}", headings, cells))
    return tables


def _cells(row: dict[str, Any], cold: dict[str, Any] | None) -> list[str]:
    error = row["velocity_error"]
    verdict = "" if row["start"] == "cold" or cold is None else "yes" if works(row, cold) else "no"
    return [
        describe(Variant(row["steps"], row["start"], row["sampler"], row["refresh"])),
        f"{row['survival']:.1%}",
        f"{row['worst_survival']:.1%}",
        "-" if error is None else f"{error:.3f}",
        jump_text(row),
        verdict,
    ]


def markdown(report: dict[str, Any], tables: list[Grid]) -> str:
    """The whole page."""
    config, machine = report["config"], report["machine"]
    commands = "; ".join(", ".join(f"{value:g}" for value in command) for command in config["commands"])
    robots = "randomised as in Table I" if config["randomized"] else "not randomised"
    held = "held fixed while sampling" if config["hold_committed"] else "free"
    lines = [
        "# Early-step caching in closed loop",
        "",
        f"`diffusion-mpc evaluate caching`, artefact {report['artefact'][:12]}, {config['robots']} robots x "
        f"{config['ticks']} ticks for each command, N = {config['candidates']}, seed {config['seed']}, robots "
        f"{robots}, committed actions {held}, a plan known {config['latency_ticks']} tick after it was begun; on "
        f"{machine['cores']} cores of {machine['processor']}. Commands (vx, vy, yaw rate): {commands}.",
        "",
        "cold: from noise, strided. cached: from the last plan, shifted and re-noised to level n. refresh: a full run "
        "every 50 ticks. worst command: the lowest survival of a command. Jump: the largest difference of a joint "
        "target between the new and the old plan at the first tick that the new one is executed. works: survival no "
        "worse than with cold DDIM of as many steps, and a smaller mean jump.",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(table.markdown() for table in tables)
