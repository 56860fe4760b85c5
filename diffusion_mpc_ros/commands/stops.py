"""Assert the emergency stop for 0 to 20 ms, a thousand times, and look whether each stop is held.

Panels of every quality of service take turns at random while another one repeats false at 100 Hz. A stop is held when
the robot is in FAULT within two control ticks and stays there after its release, until it is cleared. The five
processes run as usual, in domains of their own. Exit status: 0 all held within two ticks, 1 one was not.

examples:
  diffusion-mpc evaluate stops --json docs/results/stops.json
  diffusion-mpc evaluate stops --pulses 50
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.training.provenance import source_commit


@dataclass(frozen=True)
class Config:
    """How many, and where the result goes."""

    pulses: int = 1000
    """Number of stops."""
    seed: int = 0
    """Seed of lengths and panels."""
    json: Path | None = None
    """Write the result to this file."""

    def __post_init__(self) -> None:
        if self.pulses < 1:
            raise ConfigurationError(f"pulses {self.pulses} must be at least 1")


def main(config: Config) -> int:
    """Try the stops; 1 when one was not held within two ticks."""
    from diffusion_mpc_ros.faults import stops
    from diffusion_mpc_ros.faults.harness import Harness

    console, rows = Console(), []
    # A request to end is treated as Ctrl-C: the processes are ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Harness(seed=config.seed) as harness, Progress(console=console) as progress:
        task = progress.add_task("stops", total=config.pulses)
        for row in stops.measure(harness, config.pulses, config.seed):
            rows.append(row)
            progress.update(task, advance=1)
    result = stops.summary(rows)
    console.print_json(data=result)
    if config.json is not None:
        head = {"seed": config.seed, "commit": source_commit(), "machine": describe_machine()}
        config.json.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(config.json, json.dumps({**head, **result}, indent=1, allow_nan=False) + "\n")
    return 0 if result["held"] == result["within_two_ticks"] == config.pulses else 1
