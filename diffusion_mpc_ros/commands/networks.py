"""Networks side by side: how well each walks, how long its plan takes, and which are not beaten in both.

Every artefact walks in the batch simulator, in each loop (replan margin D, replan interval R), and plans on one thread
in a process of its own (N = 10, K = 10). A network is marked * when no other one is at least as fast, as accurate and
as steady on its feet, and better in one of these. Stop everything else while plans are timed. An artefact that is in
the --json file already is not measured again: add one at a time, or go on after an interruption. What the columns
mean: docs/training.md.

examples:
  diffusion-mpc evaluate networks --artefacts go2 runs/mixer_128x4/artefact --json networks.json --plot networks.png
  diffusion-mpc evaluate networks --artefacts go2 --robots 4 --ticks 300 --plans 50        a first look
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.inference import choose_backend
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.experiment import PlottedExperiment, Report, number
from diffusion_mpc_ros.evaluation.experiments.walk import Config as Walk
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import Combination, in_own_process, measure_planner
from diffusion_mpc_ros.evaluation.plots import Point, points
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Column, Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, WalkScores
from diffusion_mpc_ros.policies.intervals import PERCENTILES, RESAMPLES, finite

# Candidates N and denoising steps K of the plan that is timed: the paper's.
CANDIDATES, STEPS = 10, 10
SETTINGS = ("robots", "ticks", "commands", "delays", "replans", "seed", "plans", "backend")


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment, PlottedExperiment):
    """Which artefacts, measured with what, and where the results go."""

    command = "evaluate networks"
    title = "Networks"
    size = "{robots} robots x {ticks} ticks, {plans} plans, seed {seed}, backend {backend}"
    unit = "network"
    width = 190

    artefacts: tuple[str, ...]
    """Model artefacts: their names in models/, or paths to their folders."""
    robots: int = 32
    """Robots for each command."""
    ticks: int = 1000
    """Control ticks that they walk; the first 100 do not count."""
    delays: tuple[int, ...] = (3, 1)
    """Replan margins D of the loops."""
    replans: tuple[int, ...] = (2, 1)
    """Replan intervals R of the loops, one for each of the delays."""
    plans: int = 500
    """Plans that are timed, with all reward terms and with none."""
    backend: str = "auto"
    """Backend that is timed: auto, onnxruntime, openvino."""
    threads: int = 2
    """Threads of the closed loop; plans are timed on one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("plans")
        if not self.artefacts:
            raise ConfigurationError("no artefacts to compare: name them after --artefacts")
        if not self.delays or len(self.delays) != len(self.replans):
            raise ConfigurationError(
                f"loops are needed, a replan interval for each delay: got delays {list(self.delays)}, replans "
                f"{list(self.replans)}"
            )
        choose_backend(self.backend)

    @property
    def head(self) -> dict[str, Any]:
        return {"settings": {name: getattr(self, name) for name in SETTINGS}}

    @cached_property
    def loaded(self) -> dict[str, Prior]:
        """The artefacts by name."""
        return {name: load(model_folder(name)) for name in self.artefacts}

    def cells(self) -> list[str]:
        return list(self.loaded)

    def labels(self, cell: str) -> dict[str, Any]:
        return {"sha256": self.loaded[cell].identity}

    def outdated(self, row: Row) -> bool:
        """Another model under the name of one that was measured takes its place."""
        now = self.loaded.get(row["artefact"])
        return now is not None and now.identity != row["sha256"]

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Nothing beside the marks of the rows: which network is beaten depends on all."""
        mark_pareto(rows)
        return {}

    def run(self, cell: str) -> Row:
        """Size, training, plan times, and the walk in every loop."""
        card = self.loaded[cell].card
        training = card["training"]["configuration"] if "training" in card else {}
        return {
            "artefact": cell,
            **self.labels(cell),
            **in_own_process(_describe_network, cell),
            "iterations": training.get("iterations_done"),
            "loss": training.get("loss"),
            "cpu_seconds": training.get("cpu_seconds"),
            "plan": self.plan_times(cell),
            "walks": [self.walk_quality(cell, *loop) for loop in zip(self.delays, self.replans)],
        }

    def plan_times(self, artefact: str) -> dict[str, Any]:
        """Of N = K = 10 on one thread, in processes of their own: without rewards, and with all (``guided``).

        ``load_average``: of the last minute before: processes that ran beside this one, and spoil the figures.
        """
        load, backend = os.getloadavg()[0], choose_backend(self.backend)
        times = {}
        for name, guided in (("plain", False), ("guided", True)):
            case = Combination(artefact, CANDIDATES, STEPS, guided, threads=1, plans=self.plans)
            measured = in_own_process(measure_planner, case, backend, "f32")
            times[name] = {key: float(measured[key]) for key in ("p50_ms", "p99_ms")}
        return {**times, "backend": backend, "load_average": load, "machine": describe_machine()}

    def walk_quality(self, artefact: str, delay: int, replan: int) -> dict[str, Any]:
        """Closed-loop quality of the asynchronous loop with margin ``delay`` and interval ``replan``, one candidate.

        Over all robots: ``survival``; ``velocity_error`` [m/s], the mean of each robot's mean, with its bootstrap
        ``velocity_error_interval``; ``tracking_score``, the mean over the commands; and one row a command.
        """
        same = {name: getattr(self, name) for name in ("commands", "robots", "ticks", "seed", "threads")}
        scores = Walk(artefact=artefact, **same).walk_loop(delay, replan)
        errors = robot_errors(scores).reshape(len(self.commands), self.robots)
        rows = self.by_command(scores, "survival", "velocity_error", "yaw_rate_error", "tracking_score")
        tracking = [row["tracking_score"] for row in rows]
        return {
            "delay": delay,
            "replan": replan,
            "survival": float(scores.survived().mean()),
            "velocity_error": finite(float(_mean_of_finite(errors, axis=(0, 1)))),
            "velocity_error_interval": bootstrap_interval(errors),
            "tracking_score": None if None in tracking else float(np.mean(tracking)),
            "commands": rows,
        }

    def places(self, report: Report) -> list[Mapping[str, Any]]:
        return [row["plan"]["machine"] for row in report["rows"]]

    def grids(self, report: Report) -> list[Grid]:
        rows = sorted(report["rows"], key=lambda row: row["plan"]["guided"]["p50_ms"])
        lines = [(row, walked) for row in rows for walked in row["walks"]]
        by_command: list[Column] = [("network", lambda line: _label(line[0])), ("loop", lambda line: _loop(line[1]))]
        for index, command in enumerate(report["settings"]["commands"]):
            by_command.append((command_text(command), lambda line, index=index: _of_command(line[1], index)))
        return [
            Grid.of("Plan time p50 / p99, velocity error (95 % interval)", _columns(rows), rows),
            Grid.of("Velocity error [m/s]; in brackets: survival", by_command, lines),
        ]

    def shown(self, grids: Sequence[Grid]) -> list[Grid]:
        """Return a column a network: a terminal has room for more rows than columns."""
        return [grids[0].turned, *grids[1:]]

    def draw(self, path: Path, report: Report) -> None:
        """Draw a panel for each loop; a network that nothing was measured of is not there."""
        panels: dict[str, list[Point]] = {}
        for row in report["rows"]:
            for walked in row["walks"]:
                shown = panels.setdefault(_loop(walked), [])
                if walked["velocity_error"] is not None:
                    time, interval = row["plan"]["guided"]["p50_ms"], walked["velocity_error_interval"]
                    shown.append(Point(_label(row), walked["velocity_error"], interval, walked["pareto"], time))
        points(path, panels, "velocity error [m/s] (filled: *)", "guided plan, median [ms]")


def _describe_network(name: str) -> dict[str, Any]:
    """``network`` (settings), ``parameters``, ``step_flops``; in a process of its own: the only one to load torch."""
    from diffusion_mpc_ros.evaluation.matrix_products import network_size
    from diffusion_mpc_ros.training.networks import build_network

    loaded = load(model_folder(name))
    network, rows = loaded.networks[DENOISER], loaded.description.rows
    return {"network": network, **network_size(build_network(DENOISER, network, rows), rows)}


def robot_errors(scores: WalkScores) -> np.ndarray:
    """Mean planar velocity error of each robot ``(B,)`` [m/s], from the settling time to its fall; NaN when before."""
    errors = scores.planar_error[min(SETTLING_TICKS, len(scores.planar_error) - 1) :]
    return _mean_of_finite(errors, axis=0)


def bootstrap_interval(errors: np.ndarray, seed: int = 0) -> list[float] | None:
    """95 % interval of the mean of ``errors (commands, robots)``, robots drawn with replacement within each command.

    NaN is left out; None when nothing else is there. It says how much other robots under the same commands would
    change the mean, nothing of another training run.
    """
    if not np.isfinite(errors).any():
        return None
    rng = np.random.default_rng(seed)
    commands, robots = errors.shape
    drawn = errors[np.arange(commands)[:, None], rng.integers(robots, size=(RESAMPLES, commands, robots))]
    return [float(value) for value in np.nanpercentile(_mean_of_finite(drawn, axis=(1, 2)), PERCENTILES)]


def pareto(points: Sequence[Sequence[float | None]]) -> list[bool]:
    """Whether no other point is at least as small in every coordinate and smaller in one; None is never so."""

    def beats(other: Sequence[float | None], point: Sequence[float]) -> bool:
        return None not in other and all(a <= b for a, b in zip(other, point)) and list(other) != list(point)

    return [None not in point and not any(beats(other, point) for other in points) for point in points]


def mark_pareto(rows: list[dict[str, Any]]) -> None:
    """Set ``pareto`` in every loop of every row: guided p50 plan time, velocity error and falls, smaller is better."""
    for index in range(len(rows[0]["walks"]) if rows else 0):
        walks = [row["walks"][index] for row in rows]
        points = [
            (row["plan"]["guided"]["p50_ms"], walk["velocity_error"], 1.0 - walk["survival"])
            for row, walk in zip(rows, walks)
        ]
        for walk, best in zip(walks, pareto(points)):
            walk["pareto"] = best


def _mean_of_finite(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Mean along ``axis`` of what is finite; NaN where nothing is."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return np.where(finite, values, 0.0).sum(axis=axis) / finite.sum(axis=axis)


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Return a line a network; the loops are those of the first."""

    def minutes(row: Row) -> float | None:
        return None if row["cpu_seconds"] is None else row["cpu_seconds"] / 60.0

    def times(row: Row, name: str) -> str:
        return "{p50_ms:.1f} / {p99_ms:.1f}".format(**row["plan"][name])

    columns: list[Column] = [
        ("network", _label),
        ("artefact", lambda row: row["artefact"]),
        ("parameters", lambda row: f"{row['parameters'] / 1e6:.2f} M"),
        ("a step, MFLOP", lambda row: f"{row['step_flops'] / 1e6:.1f}"),
        ("iterations", lambda row: number(row["iterations"], "{:,}")),
        ("loss", lambda row: number(row["loss"], "{:.4f}")),
        ("CPU min", lambda row: number(minutes(row), "{:.0f}")),
        ("plan, ms", lambda row: times(row, "plain")),
        ("all rewards, ms", lambda row: times(row, "guided")),
    ]
    for index, walked in enumerate(rows[0]["walks"] if rows else []):
        loop = _loop(walked)
        columns += [
            (f"{loop}: error, m/s", lambda row, index=index: _error(row["walks"][index])),
            (f"{loop}: score", lambda row, index=index: number(row["walks"][index]["tracking_score"], "{:.3f}")),
            (f"{loop}: survival", lambda row, index=index: f"{row['walks'][index]['survival']:.1%}"),
        ]
    return columns


def _label(row: Row) -> str:
    return "{kind} {width}x{blocks}".format(**row["network"])


def _loop(walked: dict[str, Any]) -> str:
    return f"D={walked['delay']} R={walked['replan']}"


def _error(walked: dict[str, Any]) -> str:
    interval = walked["velocity_error_interval"]
    error = "-" if interval is None else "{:.4f} ({:.4f}, {:.4f})".format(walked["velocity_error"], *interval)
    return error + (" *" if walked["pareto"] else "")


def _of_command(walked: dict[str, Any], index: int) -> str:
    result = walked["commands"][index]
    fell = "" if result["survival"] == 1.0 else f" ({result['survival']:.0%})"
    return number(result["velocity_error"], "{:.3f}") + fell
