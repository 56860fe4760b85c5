"""A JSON report that grows by one row at a time, so that a long evaluation can be ended and continued."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from diffusion_mpc_ros.core.comparison import differences
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically

Row = dict[str, Any]


def matches(row: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether the fields of ``row`` have the values of ``labels``."""
    return all(row.get(name) == value for name, value in labels.items())


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write ``report`` at once and whole; raises ValueError for a number that is not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(report, indent=1, allow_nan=False) + "\n")


def read_report(path: Path | None, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``path`` holds (None: nowhere) of the run of ``head``; empty where there is nothing yet.

    The ``machine`` may be another one. Raises :class:`ConfigurationError` for a file of anything else.
    """
    if path is None or not path.exists():
        return {}
    try:
        known = json.loads(path.read_text())
        command = known["command"]
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        known, command = {}, None
    if command != head["command"]:
        raise ConfigurationError(
            f"{path} is there and no report of `{head['command']}`: name another file, or remove it"
        )
    # As the file gives it back: tuples are lists there.
    asked = json.loads(json.dumps({name: value for name, value in head.items() if name not in ("command", "machine")}))
    differing = ", ".join(differences({name: known[name] for name in asked if name in known}, asked))
    if differing:
        raise ConfigurationError(
            f"{path} is a report of another run ({differing}): take its settings to continue it, name another file, "
            "or remove it"
        )
    return known


class ReportFile:
    """``{**head, **summary(rows), "rows": [...]}``, written to ``path`` (None: nowhere) after every row.

    ``head``: the ``command``, what all rows have in common (artefact and settings), and the ``machine`` that made the
    last of them. A file of the same head is continued, on whatever machine; see :func:`read_report` for any other.
    """

    def __init__(
        self,
        path: Path | None,
        head: Mapping[str, Any],
        summary: Callable[[Sequence[Row]], Mapping[str, Any]] = lambda rows: {},
    ) -> None:
        self._path, self._head, self._summary = path, dict(head), summary
        self.rows: list[Row] = read_report(path, head).get("rows", [])

    @property
    def report(self) -> dict[str, Any]:
        """What is in the file, as it gives it back."""
        report = {**self._head, **self._summary(self.rows), "rows": self.rows}
        return json.loads(json.dumps(report, allow_nan=False))

    def has(self, **labels: Any) -> bool:
        """Whether there is a row whose fields have these values."""
        return any(matches(row, labels) for row in self.rows)

    def add(self, *rows: Row) -> None:
        """Append rows and write the file; raises ValueError for a number that is not finite."""
        self.rows.extend(json.loads(json.dumps(rows, allow_nan=False)))
        if self._path is not None:
            write_json(self._path, self.report)


@dataclass(frozen=True, kw_only=True)
class SingleReport:
    """A measurement that cannot be ended and continued: its report is of one run."""

    command: ClassVar[str]

    json: Path | None = None
    """Write the report to this file."""

    def check_target(self, head: Mapping[str, Any]) -> None:
        """Raise :class:`ConfigurationError` for a file of other settings, before anything is measured."""
        read_report(self.json, {"command": self.command, **head})

    def write(self, report: Mapping[str, Any]) -> None:
        """Write the report where it is asked for."""
        if self.json is not None:
            write_json(self.json, {"command": self.command, **report})
