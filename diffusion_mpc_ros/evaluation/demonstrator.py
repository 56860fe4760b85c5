"""Is a demonstrator good enough to learn from: does it walk as it is told, in every gait that it knows.

For the default gait, for both ends of each gait parameter (the others at their defaults) and for random gaits, robots
walk a list of commands side by side. A table has a row for each command, over the gaits; another one for each gait:

  survival      robots that never fell
  error         planar velocity error of every tick; the sway of the gait counts
  bias          mean velocity minus command, which the prior will learn as well; in the second table its size
  gait          of each parameter, the mean absolute difference between what was asked for and what was walked

examples:
  diffusion-mpc evaluate demonstrator --json demonstrator.json --markdown demonstrator.md
  diffusion-mpc evaluate demonstrator --demonstrator runs/new --robots 4 --ticks 300         a first look
  diffusion-mpc evaluate demonstrator --randomized --push-speed 0.6                          as in collection
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, WalkScores, mean_of_finite, run_closed_loop
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitCommand, SwingMeter, is_moving
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState
from diffusion_mpc_ros.simulation.randomization import Randomization

COMMAND = "evaluate demonstrator"
# (vx, vy) [m/s], yaw rate [rad/s].
COMMANDS = (
    (0.0, 0.0, 0.0),
    (0.3, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.8, 0.0, 0.0),
    (1.2, 0.0, 0.0),
    (-0.5, 0.0, 0.0),
    (-1.2, 0.0, 0.0),
    (0.0, 0.4, 0.0),
    (0.0, 0.8, 0.0),
    (0.0, -0.8, 0.0),
    (0.0, 0.0, 0.8),
    (0.0, 0.0, 1.5),
    (0.0, 0.0, -1.5),
    (0.8, 0.4, 0.0),
    (-0.5, 0.2, 0.5),
)
PUSH_TICKS = 150
RANDOM_GAIT = "random"


@dataclass(frozen=True)
class Config:
    """What is walked, and where the results go."""

    demonstrator: str = "demonstrator"
    """Its name in models/, or a path to its folder."""
    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    """(vx, vy) [m/s] and yaw rate [rad/s] of each command."""
    robots: int = 16
    """Robots for each command and gait."""
    ticks: int = 500
    """Control ticks; the first 100 do not count."""
    randomized: bool = False
    """Every robot randomised as in Table I."""
    push_speed: float = 0.0
    """Push every 150 ticks by up to so much [m/s] in each horizontal direction."""
    seed: int = 17
    threads: int = 2
    json: Path | None = None
    """Write the report to this file after every gait, and go on from it."""
    markdown: Path | None = None
    """Write the tables to this file."""

    def __post_init__(self) -> None:
        if not self.commands or self.robots < 1 or self.ticks <= SETTLING_TICKS:
            raise ConfigurationError(
                f"at least one command and one robot, and more than {SETTLING_TICKS} ticks, got "
                f"{len(self.commands)}, {self.robots} and {self.ticks}"
            )


def main(config: Config) -> None:
    """Walk, print, and write the reports when asked."""
    report = evaluate(config)
    tables = grids(report)
    for table in tables:
        table.print(Console(width=170))
    if config.markdown is not None:
        config.markdown.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(config.markdown, markdown(report, tables))


def evaluate(config: Config) -> dict[str, Any]:
    """The report: ``demonstrator`` (SHA-256), ``gait_parameters``, ``machine``, ``config`` and a row for each gait."""
    policy = DemonstratorPolicy(model_folder(config.demonstrator), config.threads)
    names = ("commands", "robots", "ticks", "randomized", "push_speed", "seed")
    head = {
        "demonstrator": policy.sha256,
        "gait_parameters": {name: [entry.low, entry.high] for name, entry in policy.gait_parameters.items()},
        "machine": describe_machine(),
        "config": {name: getattr(config, name) for name in names},
    }
    file = ReportFile(config.json, COMMAND, head)
    for label, gait in tqdm(gaits(policy, config).items(), desc="gaits", unit="gait", disable=None):
        if not file.has(gait=label):
            file.add({"gait": label, "commands": walk(config, policy, gait, label)})
    return file.report


def gaits(policy: DemonstratorPolicy, config: Config) -> dict[str, GaitCommand]:
    """The gaits by name, one entry for each robot of :func:`walk`."""
    robots = config.robots * len(config.commands)
    result = {"default": GaitCommand.default(robots)}
    for name, parameter in policy.gait_parameters.items():
        for value in (parameter.low, parameter.high):
            gait = GaitCommand.default(robots)
            getattr(gait, name)[:] = value
            gait.swing_height = np.minimum(gait.swing_height, gait.highest_swing())
            result[f"{name} {value:g} {parameter.unit}"] = gait
    rng = np.random.default_rng(config.seed)
    return {**result, RANDOM_GAIT: GaitCommand.draw(robots, rng, policy.gait_parameters)}


class GaitMeter:
    """What gait B robots really walk, after settling and until a fall; called with every state."""

    def __init__(self, commands: np.ndarray) -> None:
        self._moving = is_moving(commands)
        self._alive = np.ones(len(commands), dtype=bool)
        self._swings = SwingMeter(len(commands))
        self._ticks = 0
        self._height, self._pitch = [], []

    def __call__(self, state: BatchState) -> None:
        self._ticks += 1
        self._alive &= ~state.fallen()
        if self._ticks <= SETTLING_TICKS:
            return
        self._swings.update(state.foot_height, self._alive & self._moving)
        self._height.append(state.base_height)
        self._pitch.append(np.arcsin(np.clip(state.projected_gravity_b[:, 0], -1.0, 1.0)))

    def walked(self) -> dict[str, np.ndarray]:
        """Mean of each gait parameter ``(B,)``; NaN for robots that fell, and of steps while standing."""
        survived = np.where(self._alive, 1.0, np.nan)
        return {
            "base_height": np.mean(self._height, axis=0) * survived,
            "pitch": np.mean(self._pitch, axis=0) * survived,
            "step_frequency": self._swings.frequency * survived,
            "swing_height": self._swings.lift * survived,
        }


def walk(config: Config, policy: DemonstratorPolicy, gait: GaitCommand, label: str) -> list[dict[str, Any]]:
    """All commands side by side in one gait: one row a command."""
    commands = np.repeat(np.array(config.commands, dtype=float), config.robots, axis=0)
    simulation = BatchSimulation(
        len(commands),
        seed=config.seed,
        threads=config.threads,
        randomization=Randomization(nominal_fraction=0.0) if config.randomized else None,
    )
    rng, meter = np.random.default_rng(config.seed + 1), GaitMeter(commands)
    ticks = 0

    def watch(state: BatchState) -> None:
        nonlocal ticks
        ticks += 1
        meter(state)
        if ticks % PUSH_TICKS == 0:
            push = np.zeros((len(commands), 3))
            push[:, :2] = rng.uniform(-config.push_speed, config.push_speed, size=(len(commands), 2))
            simulation.push(push)

    scores = run_closed_loop(DemonstratorWalker(policy, gait), simulation, commands, config.ticks, label, watch)
    of_command = np.repeat(np.arange(len(config.commands)), config.robots)
    walked = meter.walked()
    errors = {name: np.abs(walked[name] - getattr(gait, name)) for name in policy.gait_parameters}
    return [_command_row(command, scores, of_command == index, errors) for index, command in enumerate(config.commands)]


def _command_row(
    command: tuple[float, float, float], scores: WalkScores, robots: np.ndarray, errors: dict[str, np.ndarray]
) -> dict[str, Any]:
    summary = scores.summary(robots)
    velocity = scores.velocity[SETTLING_TICKS:, robots]
    return {
        "command": list(command),
        **{name: _finite(summary[name]) for name in ("survival", "velocity_error", "yaw_rate_error", "power")},
        "bias": [_finite(mean_of_finite(velocity[..., axis]) - command[axis]) for axis in range(3)],
        "gait_errors": {name: _finite(mean_of_finite(values[robots])) for name, values in errors.items()},
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def grids(report: dict[str, Any]) -> list[Grid]:
    """A row for each command, over the gaits; and a row for each gait, over the commands."""
    rows = [{**entry, "gait": row["gait"]} for row in report["rows"] for entry in row["commands"]]
    walked = [f"{name} [{GAIT_PARAMETERS[name].unit}]" for name in report["gait_parameters"]]
    headings = ["survival", "worst", "error [m/s]", "yaw error [rad/s]", "bias x, y [m/s], yaw [rad/s]", *walked]
    by_command = [
        [_command_text(command), *_cells([row for row in rows if row["command"] == command])]
        for command in map(list, report["config"]["commands"])
    ]
    by_gait = [
        [gait, *_cells([row for row in rows if row["gait"] == gait], of_bias=abs)]
        for gait in dict.fromkeys(row["gait"] for row in rows)
    ]
    return [Grid("By command", ("vx vy yaw", *headings), by_command), Grid("By gait", ("gait", *headings), by_gait)]


def _command_text(command: list[float]) -> str:
    return " ".join(f"{value:+.1f}" for value in command)


def _cells(rows: list[dict[str, Any]], of_bias: Callable[[float], float] = float) -> list[str]:
    """Means over ``rows``; of the bias, that of its size where commands to the left and to the right would cancel."""
    biases = [[None if bias is None else of_bias(bias) for bias in row["bias"]] for row in rows]
    return [
        _text([row["survival"] for row in rows], "{:.1%}"),
        f"{min(row['survival'] for row in rows):.1%}",
        _text([row["velocity_error"] for row in rows]),
        _text([row["yaw_rate_error"] for row in rows]),
        " ".join(_text(axis) for axis in zip(*biases)),
        *(_text([row["gait_errors"][name] for row in rows]) for name in rows[0]["gait_errors"]),
    ]


def _text(values: Sequence[float | None], form: str = "{:.3f}") -> str:
    there = [value for value in values if value is not None]
    return form.format(np.mean(there)) if there else "-"


def markdown(report: dict[str, Any], tables: list[Grid]) -> str:
    """The whole page."""
    config, machine = report["config"], report["machine"]
    robots = "randomised as in Table I" if config["randomized"] else "not randomised"
    lines = [
        "# The demonstrator",
        "",
        f"`diffusion-mpc {COMMAND}`, demonstrator {report['demonstrator'][:12]}, {config['robots']} robots x "
        f"{config['ticks']} ticks for each command and gait, {robots}, pushes of up to {config['push_speed']:g} m/s, "
        f"seed {config['seed']}; on {machine['cores']} cores of {machine['processor']}.",
        "",
        "error: planar velocity error of every tick, the sway of the gait included. bias: mean velocity minus command, "
        "its size in the second table. Gait parameters: mean absolute difference between asked for and walked.",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(table.markdown() for table in tables)
