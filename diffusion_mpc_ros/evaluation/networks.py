"""What a network is worth: its closed-loop quality and its plan time, and which of several are not beaten in both."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.inference import choose_backend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planner_bench import Combination, in_own_process, measure_planner
from diffusion_mpc_ros.evaluation.walk import WalkConfig, command_rows, make_planner, walk_under_planner
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, SETTLING_TICKS, WalkScores

# Candidates N and denoising steps K of the plan that is timed: the paper's.
CANDIDATES, STEPS = 10, 10
# Of the bootstrap, and the interval [%] that is taken from them.
RESAMPLES, INTERVAL = 2000, (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every network is measured with."""

    robots: int = 32
    """Robots for each command."""
    ticks: int = 1000
    """Control ticks that they walk."""
    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    """Commands (vx, vy, yaw rate) [m/s, rad/s], all side by side in one batch."""
    delays: tuple[int, ...] = (3, 1)
    """Replan margins D of the loops."""
    replans: tuple[int, ...] = (2, 1)
    """Replan intervals R of the loops, one for each of the delays."""
    seed: int = 11
    """Seed of the simulation."""
    plans: int = 500
    """Plans that are timed, with all reward terms and with none."""
    backend: str = "auto"
    """Backend that is timed: auto, onnxruntime, openvino."""

    def __post_init__(self) -> None:
        for name in ("robots", "ticks", "plans"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.commands or not self.delays or len(self.delays) != len(self.replans):
            raise ConfigurationError(
                f"commands and loops are needed, a replan interval for each delay: got {len(self.commands)} commands, "
                f"delays {list(self.delays)}, replans {list(self.replans)}"
            )
        choose_backend(self.backend)


def plan_time(artefact: str, settings: Settings, guided: bool) -> dict[str, float]:
    """``p50_ms`` and ``p99_ms`` of a plan of N = K = 10 on one thread, in a process of its own."""
    case = Combination(artefact, CANDIDATES, STEPS, guided, threads=1, plans=settings.plans)
    measured = in_own_process(measure_planner, case, choose_backend(settings.backend), "f32")
    return {name: float(measured[name]) for name in ("p50_ms", "p99_ms")}


def plan_times(artefact: str, settings: Settings) -> dict[str, Any]:
    """Times without rewards (``plain``) and with all of them (``guided``), and the machine they were measured on.

    ``load_average``: of the last minute before: processes that ran beside this one, and spoil the figures.
    """
    load = os.getloadavg()[0]
    times = {name: plan_time(artefact, settings, guided) for name, guided in (("plain", False), ("guided", True))}
    return {**times, "backend": choose_backend(settings.backend), "load_average": load, "machine": describe_machine()}


def walk_quality(loaded: Prior, settings: Settings, delay: int, replan: int, threads: int) -> dict[str, Any]:
    """Closed-loop quality of the asynchronous loop with margin ``delay`` and interval ``replan``, one candidate.

    Over all robots: ``survival``; ``velocity_error`` [m/s], the mean of each robot's mean, with its bootstrap
    ``velocity_error_interval``; ``tracking_score``, the mean over the commands; and one row a command (``commands``).
    What no robot lived long enough for is None.
    """
    config = WalkConfig(
        artefact=str(loaded.path),
        commands=settings.commands,
        robots=settings.robots,
        ticks=settings.ticks,
        seed=settings.seed,
        threads=threads,
    )
    scores = walk_under_planner(config, make_planner(config), delay, replan)
    errors = robot_errors(scores).reshape(len(settings.commands), settings.robots)
    rows = command_rows(config, scores)
    names = ("command", "survival", "velocity_error", "yaw_rate_error", "tracking_score")
    return {
        "delay": delay,
        "replan": replan,
        "survival": float(scores.survived().mean()),
        "velocity_error": _number(_mean_of_finite(errors, axis=(0, 1))),
        "velocity_error_interval": bootstrap_interval(errors),
        "tracking_score": _number(np.mean([row["tracking_score"] for row in rows])),
        "commands": [{name: row[name] if name == "command" else _number(row[name]) for name in names} for row in rows],
    }


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
    return [float(value) for value in np.nanpercentile(_mean_of_finite(drawn, axis=(1, 2)), INTERVAL)]


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


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
