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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from diffusion_mpc_ros.commands.harnessed import HarnessOptions
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.evaluation.plots import curves
from diffusion_mpc_ros.evaluation.report_file import SingleReport
from diffusion_mpc_ros.grid import Grid


@dataclass(frozen=True, kw_only=True)
class Config(HarnessOptions, SingleReport):
    """How long, how rough."""

    command = "evaluate soak"

    duration: float = 3600.0
    """Walk for so many seconds."""
    max_command: tuple[float, float, float] = MAX_COMMAND
    """Bounds of the velocity commands: VX VY [m/s] and yaw rate WZ [rad/s]."""
    push_force: tuple[float, float] = (60.0, 100.0)
    """Weakest and strongest push [N], for 0.1 s."""
    endings: bool = True
    """End processes other than the simulator at random and start them again."""
    plot: Path | None = None
    """Draw memory and lateness over time into this PNG file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = (self.duration, *self.max_command, *self.push_force)
        if not all(math.isfinite(value) and value >= 0.0 for value in numbers) or self.duration == 0.0:
            raise ConfigurationError(f"duration, max_command and push_force must be finite and not negative: {numbers}")
        if self.push_force[0] > self.push_force[1]:
            raise ConfigurationError(f"push_force {self.push_force}: the weakest comes first")

    def conduct(self) -> int:
        """Run and report; 1 after an unsafe command or a failed recovery."""
        from diffusion_mpc_ros.faults.soak import Soak, SoakOptions

        console, head = Console(), {**self.head, "push_force": self.push_force}
        self.check_target(head)
        options = SoakOptions(self.duration, self.seed, self.max_command, self.push_force, self.endings)
        with self.harness() as harness, console.status("starting the processes") as status:
            soak = Soak(harness, options, lambda report: self.write({**head, **report}),
                        lambda text: status.update(escape(text)))  # fmt: skip
            report = soak.run()
        grid(report).print(console)
        for text in report["event_texts"]:
            console.print(escape(text))
        if self.plot is not None:
            _plot(report, self.plot)
        return 1 if report["unsafe_commands"] or report["events"].get("failed recovery") else 0


def _plot(report: dict[str, Any], path: Path) -> None:
    samples = report["samples"]
    names = sorted({name for sample in samples for name in sample["memory"]})
    memory = {name: [(s["time"] / 60.0, s["memory"][name]) for s in samples if name in s["memory"]] for name in names}
    lateness = {"latest of 10 s": [(s["time"] / 60.0, s["lateness_ms"]) for s in samples]}
    path.parent.mkdir(parents=True, exist_ok=True)
    curves(path, {"memory [MB]": memory, "lateness [ms]": lateness}, "time [min]")


def grid(report: dict[str, Any]) -> Grid:
    """Return the figures, a line each."""
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
    return Grid("Endurance", ("", f"{report['duration_s']:.0f} s"), rows)
