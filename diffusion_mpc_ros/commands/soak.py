"""Walk for a long time in simulation, with everything that happens at random, and measure what lasts.

A program and a gamepad take turns in driving the robot, somebody pushes it, and every process but the simulator ends
now and then, in every way, and is started again. Reports misses, lateness, unsafe commands, falls, faults and the
memory of every process; the report is written once a minute, so that a run that is ended early keeps what it measured.
Exit status: 0, 1 after an unsafe command or a robot that could not be recovered, 2 a setting does not fit.

examples:
  diffusion-mpc evaluate soak --duration 3600 --seed 0 --json docs/results/soak.json
  diffusion-mpc evaluate soak --duration 120
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.training.provenance import source_commit


@dataclass(frozen=True)
class Config:
    """How long, how rough."""

    duration: float = 3600.0
    """Walk for so many seconds."""
    seed: int = 0
    """Seed of commands and pushes."""
    max_command: tuple[float, float, float] = (1.0, 0.5, 1.0)
    """Bounds of the velocity commands: VX VY [m/s] and yaw rate WZ [rad/s]."""
    push_force: tuple[float, float] = (60.0, 100.0)
    """Weakest and strongest push [N], for 0.1 s."""
    endings: bool = True
    """End processes other than the simulator at random and start them again."""
    json: Path | None = None
    """Write the report to this file, once a minute and at the end."""
    plot: Path | None = None
    """Draw memory and lateness over time into this PNG file."""
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""

    def __post_init__(self) -> None:
        numbers = (self.duration, *self.max_command, *self.push_force)
        if not all(math.isfinite(value) and value >= 0.0 for value in numbers) or self.duration == 0.0:
            raise ConfigurationError(f"duration, max_command and push_force must be finite and not negative: {numbers}")
        if self.push_force[0] > self.push_force[1]:
            raise ConfigurationError(f"push_force {self.push_force}: the weakest comes first")


def main(config: Config) -> int:
    """Run and report; 1 after an unsafe command or a failed recovery."""
    from diffusion_mpc_ros.faults.harness import Harness
    from diffusion_mpc_ros.faults.soak import Soak, SoakOptions, write

    console = Console()
    # A request to end is treated as Ctrl-C: the processes are ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    header = {"seed": config.seed, "push_force": config.push_force, "commit": source_commit()}
    header |= {"machine": describe_machine()}
    options = SoakOptions(config.duration, config.seed, config.max_command, config.push_force, config.endings)

    def checkpoint(report: dict[str, Any]) -> None:
        if config.json is not None:
            write(config.json, {**header, **report})

    with Harness(parse_parameters(config.parameters), config.seed) as harness:
        console.print(f"output of the processes: {harness.folder}")
        with console.status("starting the processes") as status:
            report = Soak(harness, options, checkpoint, lambda text: status.update(escape(text))).run()
    _print(report, console)
    if config.plot is not None:
        _plot(report, config.plot)
    return 1 if report["unsafe_commands"] or report["events"].get("failed recovery") else 0


def _plot(report: dict[str, Any], path: Path) -> None:
    from diffusion_mpc_ros.faults.plot import plot

    samples = report["samples"]
    names = sorted({name for sample in samples for name in sample["memory"]})
    memory = {name: [(s["time"] / 60.0, s["memory"][name]) for s in samples if name in s["memory"]] for name in names}
    lateness = {"latest of 10 s": [(s["time"] / 60.0, s["lateness_ms"]) for s in samples]}
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(path, {"memory [MB]": memory, "lateness [ms]": lateness}, "time [min]")


def _print(report: dict[str, Any], console: Console) -> None:
    table = Table("", "", show_header=False, title=f"{report['duration_s']:.0f} s")
    lateness, plan = report["lateness_ms"], report["plan_ms"]
    events = ", ".join(f"{kind}: {count}" for kind, count in report["events"].items()) or "none"
    growth = report["memory_growth_mb_per_10_min"]
    rows = (
        ("commands", str(report["commands"])),
        ("misses", f"{report['misses']} ({report['late']} late, {report['skipped_ticks']} skipped)"),
        ("lateness", f"p99 {lateness['p99']:.2f} ms, max {lateness['max']:.2f} ms"),
        ("longest gap on the wire", f"{report['max_gap_ms']:.1f} ms"),
        ("plan time", f"p50 {plan['p50']:.1f} ms, p99 {plan['p99']:.1f} ms"),
        ("unsafe commands", f"{report['unsafe_commands']} {report['unsafe'] or ''}"),
        ("pushes, velocity commands", f"{report['pushes']}, {report['velocity_commands']}"),
        ("turns of the gamepad, endings", f"{report['gamepad_drives']}, {sum(report['endings'].values())}"),
        ("falls, faults, stops", events),
        *(("memory growth", f"{name} {rate:+.2f} MB per 10 min") for name, rate in growth.items()),
    )
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for text in report["event_texts"]:
        console.print(escape(text))
