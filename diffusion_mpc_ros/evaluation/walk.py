"""``diffusion-mpc evaluate walk``: survival, tracking and effort of the asynchronous loop in the batch simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.artefacts.publish import add_scores
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.planner import NAME as DIFFUSION_MPC
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, AsynchronousController, WalkScores, run_closed_loop
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.ground.ground import Ground


@dataclass(frozen=True)
class WalkConfig:
    """Which loops are evaluated: every pair of ``delays`` (D) and ``replans`` (R; 0 stands for the paper's H - D).

    ``robots`` robots per command for ``ticks`` control ticks; all commands run side by side in one batch. ``record``
    writes the rows into the artefact's card as well. ``planner``: a name of planners/registry.py, or MODULE:FUNCTION of
    one's own, which has its settings from config/planner.yaml; what follows here of sampling and inference is that of
    diffusion_mpc. ``ground``: what they walk on, NAME[:DIFFICULTY][@SEED] (docs/ground.md).
    """

    planner: str = DIFFUSION_MPC
    artefact: str = "go2"
    demonstrator: str = "demonstrator"
    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    delays: tuple[int, ...] = (0, 3, 3)
    replans: tuple[int, ...] = (1, Timing().replan_interval, 0)
    robots: int = 256
    ticks: int = 1000
    seed: int = 11
    threads: int = 2
    with_demonstrator: bool = True
    ground: str = "flat"
    sampling: SamplingOptions = field(default_factory=lambda: SamplingOptions(candidates=1))
    hold_committed: bool = True
    backend: str = "onnxruntime"
    precision: str = "f32"
    json: Path | None = None
    record: bool = False


def evaluate_walk(config: WalkConfig) -> dict[str, Any]:
    """The report as a dictionary: ``artefact`` (SHA-256), ``machine``, ``config`` and ``rows``."""
    planner, rows = make_planner(config), []
    if config.with_demonstrator:
        policy = DemonstratorPolicy(model_folder(config.demonstrator), config.threads)
        walker = DemonstratorWalker(policy, GaitCommand.default(config.robots * len(config.commands)))
        rows += command_rows(config, _run(config, walker, "demonstrator"), controller="demonstrator")
    for delay, replan in zip(config.delays, config.replans, strict=True):
        interval = replan or planner.timing.horizon - delay
        scores = walk_under_planner(config, planner, delay, interval)
        rows += command_rows(config, scores, controller=planner.name, delay=delay, replan=interval)
    return {
        "artefact": planner.identity,
        "machine": describe_machine(),
        "config": {
            "robots": config.robots,
            "ticks": config.ticks,
            "seed": config.seed,
            "ground": str(Ground.parse(config.ground)),
            "candidates": config.sampling.candidates,
            "sampler": config.sampling.sampler,
            "steps": config.sampling.steps,
            "hold_committed": config.hold_committed,
            "backend": config.backend,
            "precision": config.precision,
        },
        "rows": rows,
    }


def make_planner(config: WalkConfig) -> Planner:
    """The planner of ``config``, loaded once; each loop takes it :meth:`at <planners.base.Planner.at>` its timing."""
    if config.planner != DIFFUSION_MPC:
        settings, own = bringup.load_settings("planner", config.planner)
        return best_level(config.planner, own, Timing(settings.horizon, 0, 1))
    artefact = load(model_folder(config.artefact))
    timing = Timing(artefact.description.horizon, 0, 1)
    options = DiffusionMpcConfig(
        timing, config.sampling, config.hold_committed, config.threads, config.backend, config.precision
    )
    return DiffusionMpcPlanner(artefact, options)


def walk_under_planner(config: WalkConfig, planner: Planner, delay: int, interval: int) -> WalkScores:
    """The asynchronous loop of ``planner`` at D = ``delay`` and R = ``interval``.

    Robots in the order of ``config.commands``, ``robots`` for each.
    """
    timing = Timing(planner.timing.horizon, delay, interval)
    return _run(config, AsynchronousController(planner.at(timing)), f"D={delay} R={interval}")


def _run(config: WalkConfig, controller: Any, label: str) -> WalkScores:
    commands = np.repeat(np.array(config.commands, dtype=float), config.robots, axis=0)
    ground = Ground.parse(config.ground)
    simulation = BatchSimulation(len(commands), seed=config.seed, threads=config.threads, ground=ground)
    return run_closed_loop(controller, simulation, commands, config.ticks, label)


def command_rows(config: WalkConfig, scores: WalkScores, **labels: Any) -> list[dict[str, Any]]:
    """One row a command: ``labels`` and the summary over its robots."""
    rows = []
    for index, command in enumerate(config.commands):
        mask = np.zeros(scores.planar_error.shape[1], dtype=bool)
        mask[index * config.robots : (index + 1) * config.robots] = True
        rows.append({"command": list(command), "delay": None, "replan": None, **labels, **scores.summary(mask)})
    return rows


def print_report(report: dict[str, Any]) -> None:
    """The rows as a table."""
    config = report["config"]
    walk = f"{config['robots']} robots x {config['ticks']} ticks on {config['ground']}"
    title = f"{walk}, N = {config['candidates']}, seed {config['seed']}"
    columns = {
        "survival": "{:.1%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}",
        "tracking_score": "{:.3f}", "base_height": "{:.3f}", "torque_rms": "{:.2f}", "power": "{:.0f}",
        "joint_vel_squared": "{:.1f}",
    }  # fmt: skip
    table = Table(title=title)
    for heading in ("controller", "D", "R", "command", *columns):
        table.add_column(heading.replace("_", " "), justify="right")
    for row in report["rows"]:
        command = " ".join(f"{value:+.1f}" for value in row["command"])
        delay, replan = ("-" if row[key] is None else str(row[key]) for key in ("delay", "replan"))
        values = [form.format(row[name]) for name, form in columns.items()]
        table.add_row(row["controller"], delay, replan, command, *values)
    Console(width=150).print(table)


def main(config: WalkConfig) -> None:
    """Evaluate, print, and write the JSON report when asked."""
    report = evaluate_walk(config)
    print_report(report)
    if config.json is not None:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(json.dumps(report, indent=2) + "\n")
    if config.record:
        add_scores(model_folder(config.artefact), {"walk": {key: report[key] for key in ("config", "machine", "rows")}})
