"""Robots that walk a list of velocity commands side by side, so many for each, in the batch simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import Experiment
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, BatchController, WalkScores, run_closed_loop
from diffusion_mpc_ros.policies.intervals import finite
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState, build_batch_model
from diffusion_mpc_ros.simulation.declaration import declare
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.randomization import Randomization

# Forward slowly and faster, sideways, turning on the spot: for planners that take long.
FEW_COMMANDS = (0.5, 0.0, 0.0), (0.8, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 0.8)


@dataclass(frozen=True, kw_only=True)
class CommandedExperiment(Experiment):
    """Which commands, how many robots for each, how long."""

    commands: tuple[tuple[float, float, float], ...] = COMMANDS
    """Commands (vx, vy [m/s], yaw rate [rad/s]), all side by side in one batch."""
    robots: int = 16
    """Robots for each command."""
    ticks: int = 500
    """Control ticks that they walk; the first 100 do not count."""
    seed: int = 11
    """Seed of the robots and of the sampling noise."""
    threads: int = 2
    """Threads of the simulator and of the planner."""

    def __post_init__(self) -> None:
        self.refuse_below_one("robots", "ticks", "threads")
        if not self.commands:
            raise ConfigurationError("commands must be at least 1, got none")

    def walk(
        self,
        controller: BatchController,
        label: str,
        randomization: Randomization | None = None,
        watch: Callable[[BatchSimulation, BatchState], None] = lambda simulation, state: None,
        ground: Ground = FLAT,
        declared: DeclaredModel = NOMINAL,
    ) -> WalkScores:
        """Return the walk of all robots, in the order of the commands; ``watch`` is called after every tick.

        ``declared``: what the robots are, whoever knows it; their slope is that of ``ground``.
        """
        commands = np.repeat(np.array(self.commands, dtype=float), self.robots, axis=0)
        simulation = BatchSimulation(
            len(commands), seed=self.seed, threads=self.threads, randomization=randomization, ground=ground,
            model=None if declared == NOMINAL else declare(build_batch_model(ground), replace(declared, slope=0.0)),
        )  # fmt: skip
        return run_closed_loop(
            controller, simulation, commands, self.ticks, label, lambda state: watch(simulation, state)
        )

    def by_command(self, scores: WalkScores, *names: str) -> list[dict[str, Any]]:
        """For each command these scores, or all, over its robots; None for what no robot lived long enough for."""
        rows = []
        for index, command in enumerate(self.commands):
            summary = scores.summary(self.of_command(index))
            rows.append({"command": list(command), **{name: finite(summary[name]) for name in names or summary}})
        return rows

    def of_command(self, index: int) -> np.ndarray:
        """Return the robots of a command, ``(B,)`` bool."""
        return np.repeat(np.arange(len(self.commands)) == index, self.robots)


def command_text(command: tuple[float, float, float]) -> str:
    """In a table."""
    return " ".join(f"{value:+.1f}" for value in command)
