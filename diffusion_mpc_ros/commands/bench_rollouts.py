"""Physics steps a second of rollouts on this machine, beside mujoco.rollout alone on the same states and controls.

A case is B robots with N candidate plans of H control ticks each; a tick of the batch simulator is N = 1, H = 1.

examples:
  diffusion-mpc bench rollouts
  diffusion-mpc bench rollouts --cases 1 64 16 --threads 1 --json rollouts.json
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.simulation.rollout_bench import measure

# Robots B, candidates N and ticks H.
Case = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Config(Experiment):
    """What to measure."""

    command = "bench rollouts"
    title = "Rollouts"
    size = "{threads} threads, best of {repeats} runs"
    unit = "case"

    cases: tuple[Case, ...] = ((1, 1, 1), (256, 1, 1), (1, 10, 11), (1, 64, 16), (16, 64, 16))
    """Robots B, candidates N and ticks H of each case."""
    threads: int = 1
    """Threads of the physics."""
    repeats: int = 20
    """Runs of a case, of which the best counts."""

    def __post_init__(self) -> None:
        if min(self.threads, self.repeats, *(min(case) for case in self.cases)) < 1:
            raise ConfigurationError(f"threads, repeats and the numbers of each case must be at least 1, got {self}")

    @property
    def head(self) -> dict[str, Any]:
        return {"threads": self.threads, "repeats": self.repeats, "machine": describe_machine()}

    def cells(self) -> tuple[Case, ...]:
        return self.cases

    def labels(self, cell: Case) -> dict[str, Any]:
        return dict(zip(("robots", "candidates", "horizon"), cell))

    def run(self, cell: Case) -> Row:
        return {**self.labels(cell), **measure(*cell, self.threads, self.repeats)}

    def grids(self, report: Report) -> list[Grid]:
        names = {"B": "robots", "N": "candidates", "H": "horizon"}
        columns = (
            *((heading, lambda row, name=name: str(row[name])) for heading, name in names.items()),
            ("ms", lambda row: f"{row['milliseconds']:.2f}"),
            ("steps/s", lambda row: f"{row['steps_per_second']:,.0f}"),
            ("mujoco.rollout, steps/s", lambda row: f"{row['raw_steps_per_second']:,.0f}"),
            ("ratio", lambda row: f"{row['ratio']:.2f}"),
        )
        return [Grid.of(self.size.format(**report), columns, report["rows"])]
