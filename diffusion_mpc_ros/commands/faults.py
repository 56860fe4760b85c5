"""Break every part of the running controller in turn, in simulation, and look whether the robot stays safe.

The five processes run as usual, in domains of their own: a robot that is running now is not touched. A fault passes
when its outcome is the expected one, no command on the wire was unsafe, and the robot could be recovered. Exit status:
0 all passed, 1 one did not, 2 a setting does not fit.

examples:
  diffusion-mpc evaluate faults --quick
  diffusion-mpc evaluate faults --only "planner hung" "LowState delayed 15 ms"
  diffusion-mpc evaluate faults --json docs/results/faults.json --markdown docs/results/faults.md
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.training.provenance import source_commit

# How many reasons why commands were unsafe are shown for one fault.
SHOWN = 5


@dataclass(frozen=True)
class Config:
    """Which faults, and where the results go."""

    quick: bool = False
    """Only the most important ones, in under three minutes."""
    only: tuple[str, ...] = ()
    """Only the faults of these names."""
    list: bool = False
    """List the faults and what is expected of each, and do nothing."""
    seed: int = 0
    """Seed of what is lost, broken and reordered."""
    json: Path | None = None
    """Write the results to this file."""
    markdown: Path | None = None
    """Write the table to this file."""
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""


def main(config: Config) -> int:
    """Try the faults; 1 when one did not pass."""
    console = Console()
    chosen = _chosen(config)
    if config.list:
        _print_list(chosen, console)
        return 0
    # A request to end is treated as Ctrl-C: the processes are ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[dict[str, Any]] = []
    for row in _run(config, chosen, console):
        rows.append(row)
        # After each one: a run that is ended early keeps what it measured.
        _write(config, rows)
    _print_table(rows, console)
    return 0 if all(row["passed"] for row in rows) else 1


def _write(config: Config, rows: list[dict[str, Any]]) -> None:
    report = {
        "passed": sum(row["passed"] for row in rows),
        "of": len(rows),
        "seed": config.seed,
        "commit": source_commit(),
        "machine": describe_machine(),
        "rows": rows,
    }
    texts = {config.json: json.dumps(report, indent=1, allow_nan=False) + "\n", config.markdown: markdown(report)}
    for path, text in texts.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, text)


def _chosen(config: Config) -> list[Any]:
    from diffusion_mpc_ros.faults.catalogue import CATALOGUE

    names = [fault.name for fault in CATALOGUE]
    unknown = sorted(set(config.only) - set(names))
    if unknown:
        raise ConfigurationError(f"unknown faults {unknown}; there are {names}")
    chosen = [fault for fault in CATALOGUE if not config.only or fault.name in config.only]
    return [fault for fault in chosen if fault.quick] if config.quick else chosen


def _run(config: Config, chosen: list[Any], console: Console) -> Iterator[dict[str, Any]]:
    from diffusion_mpc_ros.faults.harness import Harness
    from diffusion_mpc_ros.faults.trial import run

    with Harness(parse_parameters(config.parameters), config.seed) as harness:
        console.print(f"output of the processes: {harness.folder}")
        with console.status("starting the processes") as status:
            for number, fault in enumerate(chosen, 1):
                status.update(f"{number} of {len(chosen)}: {escape(fault.name)} ({escape(fault.injected)})")
                row = {**run(harness, fault).row(), "injected": fault.injected}
                console.print(_line(row), highlight=False, soft_wrap=True)
                yield row


def _line(row: dict[str, Any]) -> str:
    mark = "[green]passed[/]" if row["passed"] else "[red]FAILED[/]"
    reaction = "" if row["reaction_ms"] is None else f", {row['reaction_ms']:.0f} ms"
    unsafe = f", [red]{row['unsafe_commands']} unsafe commands[/]" if row["unsafe_commands"] else ""
    text = f"{mark} {escape(row['fault'])}: {escape(row['outcome'])}{reaction}{unsafe} ({row['duration_s']:.0f} s)"
    return "\n".join([text, *(f"    {escape(reason)}" for reason in row["unsafe"][-SHOWN:])])


def _print_list(chosen: list[Any], console: Console) -> None:
    table = Table("fault", "injected", "expected", "quick")
    for fault in chosen:
        table.add_row(*map(escape, (fault.name, fault.injected, fault.expected.text, "yes" if fault.quick else "")))
    console.print(table)


def _print_table(rows: list[dict[str, Any]], console: Console) -> None:
    passed = sum(row["passed"] for row in rows)
    table = Table("fault", "passed", "outcome", "reaction [ms]", "unsafe", title=f"{passed} of {len(rows)} passed")
    for row in rows:
        table.add_row(*map(escape, _cells(row)), style="" if row["passed"] else "red")
    console.print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    reaction = "" if row["reaction_ms"] is None else f"{row['reaction_ms']:.0f}"
    return row["fault"], "yes" if row["passed"] else "NO", row["outcome"], reaction, str(row["unsafe_commands"])


def markdown(report: dict[str, Any]) -> str:
    """The results as a table in Markdown."""
    machine = report["machine"]
    lines = [
        "# Faults survived",
        "",
        f"`diffusion-mpc evaluate faults`, seed {report['seed']}, commit {report['commit']}, on {machine['cores']} "
        f"cores of {machine['processor']}: {report['passed']} of {report['of']} passed. Reaction: from the injection "
        "to the first damping command on the wire, or to the first command that does not come from a plan.",
        "",
        "| fault | injected | expected | passed | outcome | recovery | reaction [ms] | unsafe commands |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in report["rows"]:
        name, passed, outcome, reaction, unsafe = _cells(row)
        cells = (name, row["injected"], row["expected"], passed, outcome, row["recovery"], reaction, unsafe)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
