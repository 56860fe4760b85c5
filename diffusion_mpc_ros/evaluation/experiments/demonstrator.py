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
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.commanded import CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.experiment import Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Column, Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, mean_of_finite
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitCommand, SwingMeter, is_moving
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState
from diffusion_mpc_ros.simulation.randomization import Randomization

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


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment):
    """What is walked, and where the results go."""

    command = "evaluate demonstrator"
    title = "The demonstrator"
    size = (
        "{robots} robots x {ticks} ticks for each command and gait, randomised as in Table I: {randomized}, pushes of "
        "up to {push_speed:g} m/s, seed {seed}"
    )
    unit = "gait"
    width = 170

    demonstrator: str = "demonstrator"
    """Its name in models/, or a path to its folder."""
    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    """(vx, vy) [m/s] and yaw rate [rad/s] of each command."""
    randomized: bool = False
    """Every robot randomised as in Table I."""
    push_speed: float = 0.0
    """Push every 150 ticks by up to so much [m/s] in each horizontal direction."""
    seed: int = 17
    """Seed of the robots, the pushes and the random gaits."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ticks <= SETTLING_TICKS:
            raise ConfigurationError(f"more than {SETTLING_TICKS} ticks are needed, got {self.ticks}")

    @cached_property
    def policy(self) -> DemonstratorPolicy:
        """The demonstrator."""
        return DemonstratorPolicy(model_folder(self.demonstrator), self.threads)

    @property
    def head(self) -> dict[str, Any]:
        names = ("commands", "robots", "ticks", "randomized", "push_speed", "seed")
        parameters = self.policy.gait_parameters.items()
        return {
            "demonstrator": self.policy.sha256,
            "gait_parameters": {name: [entry.low, entry.high] for name, entry in parameters},
            "machine": describe_machine(),
            "config": {name: getattr(self, name) for name in names},
        }

    def cells(self) -> list[str]:
        return list(self.gaits)

    def labels(self, cell: str) -> dict[str, Any]:
        return {"gait": cell}

    @cached_property
    def gaits(self) -> dict[str, GaitCommand]:
        """The gaits by name, one entry for each robot."""
        robots = self.robots * len(self.commands)
        result = {"default": GaitCommand.default(robots)}
        for name, parameter in self.policy.gait_parameters.items():
            for value in (parameter.low, parameter.high):
                gait = GaitCommand.default(robots)
                getattr(gait, name)[:] = value
                gait.swing_height = np.minimum(gait.swing_height, gait.highest_swing())
                result[f"{name} {value:g} {parameter.unit}"] = gait
        rng = np.random.default_rng(self.seed)
        return {**result, RANDOM_GAIT: GaitCommand.draw(robots, rng, self.policy.gait_parameters)}

    def run(self, cell: str) -> Row:
        """All commands side by side in one gait, an entry for each."""
        gait, rng, robots = self.gaits[cell], np.random.default_rng(self.seed + 1), self.robots * len(self.commands)
        meter = GaitMeter(np.repeat(np.array(self.commands, dtype=float), self.robots, axis=0))

        def watch(simulation: BatchSimulation, state: BatchState) -> None:
            meter(state)
            if meter.ticks % PUSH_TICKS == 0:
                push = np.zeros((robots, 3))
                push[:, :2] = rng.uniform(-self.push_speed, self.push_speed, size=(robots, 2))
                simulation.push(push)

        randomization = Randomization(nominal_fraction=0.0) if self.randomized else None
        scores = self.walk(DemonstratorWalker(self.policy, gait), cell, randomization, watch)
        walked = meter.walked()
        errors = {name: np.abs(walked[name] - getattr(gait, name)) for name in self.policy.gait_parameters}
        rows = self.by_command(scores, "survival", "velocity_error", "yaw_rate_error", "power")
        for index, row in enumerate(rows):
            of = self.of_command(index)
            velocity = scores.velocity[SETTLING_TICKS:, of]
            biases = (mean_of_finite(velocity[..., axis]) - row["command"][axis] for axis in range(3))
            row["bias"] = [finite(bias) for bias in biases]
            row["gait_errors"] = {name: finite(mean_of_finite(values[of])) for name, values in errors.items()}
        return {"gait": cell, "commands": rows}

    def grids(self, report: Report) -> list[Grid]:
        """Return a row for each command, over the gaits; and a row for each gait, over the commands."""
        rows = [{**entry, "gait": row["gait"]} for row in report["rows"] for entry in row["commands"]]
        by_command = [
            (command_text(command), [row for row in rows if row["command"] == command])
            for command in map(list, report["config"]["commands"])
        ]
        gaits = dict.fromkeys(row["gait"] for row in rows)
        by_gait = [(gait, [row for row in rows if row["gait"] == gait]) for gait in gaits]
        parameters = tuple(report["gait_parameters"])
        return [
            Grid.of("By command", _columns("vx vy yaw", parameters, float), by_command),
            Grid.of("By gait", _columns("gait", parameters, abs), by_gait),
        ]


class GaitMeter:
    """What gait B robots really walk, after settling and until a fall; called with every state."""

    def __init__(self, commands: np.ndarray) -> None:
        self._moving = is_moving(commands)
        self._alive = np.ones(len(commands), dtype=bool)
        self._swings = SwingMeter(len(commands))
        self.ticks = 0
        self._height, self._pitch = [], []

    def __call__(self, state: BatchState) -> None:
        self.ticks += 1
        self._alive &= ~state.fallen()
        if self.ticks <= SETTLING_TICKS:
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


def _columns(first: str, parameters: Sequence[str], of_bias: Callable[[float], float]) -> list[Column]:
    """Of named groups of rows; of the bias its size where commands to the left and to the right would cancel."""

    def bias(rows: Sequence[Row], axis: int) -> str:
        return _mean([None if row["bias"][axis] is None else of_bias(row["bias"][axis]) for row in rows])

    def mean(name: str, form: str = "{:.3f}") -> Callable[[tuple[str, Sequence[Row]]], str]:
        return lambda group: _mean([row[name] for row in group[1]], form)

    return [
        (first, lambda group: group[0]),
        ("survival", mean("survival", "{:.1%}")),
        ("worst", lambda group: f"{min(row['survival'] for row in group[1]):.1%}"),
        ("error [m/s]", mean("velocity_error")),
        ("yaw error [rad/s]", mean("yaw_rate_error")),
        ("bias x, y [m/s], yaw [rad/s]", lambda group: " ".join(bias(group[1], axis) for axis in range(3))),
        *(
            (f"{name} [{GAIT_PARAMETERS[name].unit}]",
             lambda group, name=name: _mean([row["gait_errors"][name] for row in group[1]]))
            for name in parameters
        ),
    ]  # fmt: skip


def _mean(values: Sequence[float | None], form: str = "{:.3f}") -> str:
    there = [value for value in values if value is not None]
    return form.format(np.mean(there)) if there else "-"
