"""Physics steps a second of rollouts on this machine, beside mujoco.rollout alone on the same states and controls.

A case is B robots with N candidate plans of H control ticks each; a tick of the batch simulator is N = 1, H = 1.

examples:
  diffusion-mpc bench rollouts
  diffusion-mpc bench rollouts --cases 1 64 16 --threads 1 --json rollouts.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.rollout_bench import measure


@dataclass(frozen=True)
class Config:
    """What to measure."""

    cases: tuple[tuple[int, int, int], ...] = ((1, 1, 1), (256, 1, 1), (1, 10, 11), (1, 64, 16), (16, 64, 16))
    """Robots B, candidates N and ticks H of each case."""
    threads: int = 1
    """Threads of the physics."""
    repeats: int = 20
    """Runs of a case, of which the best counts."""
    json: Path | None = None
    """Write the rows to this file."""

    def __post_init__(self) -> None:
        if min(self.threads, self.repeats, *(min(case) for case in self.cases)) < 1:
            raise ConfigurationError(f"threads, repeats and the numbers of each case must be at least 1, got {self}")


def main(config: Config) -> None:
    """Measure, print, write the JSON file when asked."""
    rows = []
    for robots, candidates, horizon in config.cases:
        measured = measure(robots, candidates, horizon, config.threads, config.repeats)
        rows.append({"robots": robots, "candidates": candidates, "horizon": horizon, **measured})
    table = Table(title=f"{config.threads} threads, best of {config.repeats} runs")
    for heading in ("B", "N", "H", "ms", "steps/s", "mujoco.rollout, steps/s", "ratio"):
        table.add_column(heading, justify="right")
    for row in rows:
        labels = (str(row[name]) for name in ("robots", "candidates", "horizon"))
        speeds = (f"{row[name]:,.0f}" for name in ("steps_per_second", "raw_steps_per_second"))
        table.add_row(*labels, f"{row['milliseconds']:.2f}", *speeds, f"{row['ratio']:.2f}")
    Console(width=120).print(table)
    if config.json is not None:
        config.json.write_text(json.dumps({"threads": config.threads, "rows": rows}, indent=2) + "\n")
