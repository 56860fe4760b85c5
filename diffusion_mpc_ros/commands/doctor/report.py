"""The findings as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from diffusion_mpc_ros.commands.doctor.findings import Finding, Status
from diffusion_mpc_ros.core.errors import ConfigurationError

STDOUT = "-"
_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.BAD: "bold red", Status.SKIPPED: "dim"}


def is_healthy(findings: Mapping[str, Finding]) -> bool:
    """Whether nothing is bad."""
    return all(finding.status is not Status.BAD for finding in findings.values())


def print_table(findings: Mapping[str, Finding], console: Console) -> None:
    """Return a line for each check, what to do below it, and the sum at the end."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, finding in findings.items():
        style = _STYLES[finding.status]
        text = Text(finding.text, style="dim" if finding.status is Status.SKIPPED else "")
        if finding.remedy:
            text.append(f"\n-> {finding.remedy}", style="bold" if finding.status is not Status.SKIPPED else "dim")
        table.add_row(name, Text(finding.status.value, style=style), text)
    console.print(table)
    console.print(Text(f"\n{summary(findings)}"))


def summary(findings: Mapping[str, Finding]) -> str:
    """How many checks ended how."""
    counts = {status: sum(finding.status is status for finding in findings.values()) for status in Status}
    parts = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    return f"{'healthy' if is_healthy(findings) else 'not healthy'}: {parts}"


def as_json(findings: Mapping[str, Finding], settings: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report for programs; ``settings`` are what was asked for."""
    checks = [
        {"check": name, "status": finding.status.value, "finding": finding.text, "remedy": finding.remedy}
        for name, finding in findings.items()
    ]
    return {"healthy": is_healthy(findings), "settings": dict(settings), "machine": dict(machine), "checks": checks}


def check_target(target: str) -> None:
    """Raise :class:`ConfigurationError` unless the report can be written to ``target``, before anything is checked."""
    if target and target != STDOUT and not Path(target).parent.is_dir():
        raise ConfigurationError(f"--json {target}: there is no folder {str(Path(target).parent)!r}")


def write_json(report: Mapping[str, Any], target: str) -> None:
    """Write to the file ``target``, or to the standard output; raises :class:`ConfigurationError`."""
    text = json.dumps(report, indent=2) + "\n"
    if target == STDOUT:
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the report cannot be written: {error}") from None
