"""Break every part of the running controller in turn, in simulation, and look whether the robot stays safe.

Reaction: from the injection to the first damping command on the wire, or to the first command that does not come from a
plan.

The five processes run as usual, in domains of their own: a robot that is running now is not touched. A fault passes
when its outcome is the expected one, no command on the wire was unsafe, and the robot could be recovered. Exit status:
0 all passed, 1 one did not, 2 a setting does not fit.

examples:
  diffusion-mpc evaluate faults --quick
  diffusion-mpc evaluate faults --only "planner hung" "LowState delayed 15 ms"
  diffusion-mpc evaluate faults --json docs/results/faults.json --markdown docs/results/faults.md
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from diffusion_mpc_ros.commands.harnessed import HarnessOptions
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import Experiment, Report, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid

if TYPE_CHECKING:
    from diffusion_mpc_ros.faults.catalogue import Fault
    from diffusion_mpc_ros.faults.harness import Harness

# How many reasons why commands were unsafe are shown for one fault.
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Config(HarnessOptions, Experiment):
    """Which faults, and where the results go."""

    command = "evaluate faults"
    title = "Faults survived"
    size = "seed {seed}, commit {commit}: {passed} of {of} passed"
    unit = "fault"

    quick: bool = False
    """Only the most important ones, in under three minutes."""
    only: tuple[str, ...] = ()
    """Only the faults of these names."""
    list: bool = False
    """List the faults and what is expected of each, and do nothing."""

    def cells(self) -> Sequence[Fault]:
        """Return those that are chosen; raises :class:`ConfigurationError` for unknown names."""
        from diffusion_mpc_ros.faults.catalogue import CATALOGUE

        names = [fault.name for fault in CATALOGUE]
        unknown = sorted(set(self.only) - set(names))
        if unknown:
            raise ConfigurationError(f"unknown faults {unknown}; there are {names}")
        chosen = [fault for fault in CATALOGUE if not self.only or fault.name in self.only]
        return [fault for fault in chosen if fault.quick] if self.quick else chosen

    def labels(self, cell: Fault) -> dict[str, Any]:
        return {"fault": cell.name}

    @cached_property
    def stack(self) -> ExitStack:
        """Ends the processes."""
        return ExitStack()

    @cached_property
    def running(self) -> Harness:
        """The processes, started for the first fault that is tried."""
        return self.stack.enter_context(self.harness())

    def measure(self) -> dict[str, Any]:
        with self.stack:
            return super().measure()

    def run(self, cell: Fault) -> Row:
        from diffusion_mpc_ros.faults.trial import run

        row = {**run(self.running, cell).row(), "injected": cell.injected}
        Console().print(_line(row), highlight=False, soft_wrap=True)
        return row

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        return {"passed": sum(row["passed"] for row in rows), "of": len(rows)}

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            *((name, lambda row, name=name: row[name]) for name in ("fault", "injected", "expected")),
            ("passed", lambda row: "yes" if row["passed"] else "NO"),
            ("outcome", lambda row: row["outcome"]),
            ("recovery", lambda row: row["recovery"]),
            ("reaction [ms]", lambda row: number(row["reaction_ms"], "{:.0f}").strip("-")),
            ("unsafe commands", lambda row: str(row["unsafe_commands"])),
        )
        return [Grid.of(f"{report['passed']} of {report['of']} passed", columns, report["rows"])]

    def shown(self, grids: Sequence[Grid]) -> list[Grid]:
        """Without what the catalogue says, for which a terminal is too narrow."""
        return [grids[0].without("injected", "expected", "recovery")]

    def status(self, report: Report) -> int:
        """1 when a fault that was asked for did not pass."""
        names = {fault.name for fault in self.cells()}
        return 0 if all(row["passed"] for row in report["rows"] if row["fault"] in names) else 1

    def conduct(self) -> int:
        if not self.list:
            return super().conduct()
        columns = (
            ("fault", lambda fault: fault.name),
            ("injected", lambda fault: fault.injected),
            ("expected", lambda fault: fault.expected.text),
            ("quick", lambda fault: "yes" if fault.quick else ""),
        )
        Grid.of("Faults", columns, self.cells()).print(Console())
        return 0


def _line(row: dict[str, Any]) -> str:
    mark = "[green]passed[/]" if row["passed"] else "[red]FAILED[/]"
    reaction = "" if row["reaction_ms"] is None else f", {row['reaction_ms']:.0f} ms"
    unsafe = f", [red]{row['unsafe_commands']} unsafe commands[/]" if row["unsafe_commands"] else ""
    text = f"{mark} {escape(row['fault'])}: {escape(row['outcome'])}{reaction}{unsafe} ({row['duration_s']:.0f} s)"
    return "\n".join([text, *(f"    {escape(reason)}" for reason in row["unsafe"][-SHOWN:])])
