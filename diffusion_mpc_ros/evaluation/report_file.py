"""A JSON report that grows by one row at a time, so that a long evaluation can be ended and continued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.comparison import differences
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically


def matches(row: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether the fields of ``row`` have the values of ``labels``."""
    return all(row.get(name) == value for name, value in labels.items())


class ReportFile:
    """``{"command": ..., **head, "rows": [...]}``, written to ``path`` (None: nowhere) after every row.

    ``head`` is what all rows have in common: artefact and settings, and the ``machine`` that made the last of them. A
    file of the same ``command`` with the same head is continued, on whatever machine. Raises
    :class:`ConfigurationError` for any other file, which is left as it is.
    """

    def __init__(self, path: Path | None, command: str, head: dict[str, Any]) -> None:
        self._path = path
        # As the file gives it back: tuples are lists there.
        self._head = json.loads(json.dumps({"command": command, **head}, allow_nan=False))
        self.rows: list[dict[str, Any]] = self._read()

    @property
    def report(self) -> dict[str, Any]:
        """What is in the file."""
        return {**self._head, "rows": self.rows}

    def has(self, **labels: Any) -> bool:
        """Whether there is a row whose fields have these values."""
        return any(matches(row, labels) for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row and write the file; raises ValueError for a number that is not finite."""
        self.rows.append(row)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self._path, json.dumps(self.report, indent=1, allow_nan=False) + "\n")

    def _read(self) -> list[dict[str, Any]]:
        if self._path is None or not self._path.exists():
            return []
        try:
            known = json.loads(self._path.read_text())
            rows, command = known.pop("rows"), known["command"]
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
            rows, command = [], None
        if command != self._head["command"]:
            raise ConfigurationError(
                f"{self._path} is there and no report of `{self._head['command']}`: name another file, or remove it"
            )
        found, asked = ({**head, "machine": None} for head in (known, self._head))
        differing = ", ".join(differences(found, asked))
        if differing:
            raise ConfigurationError(
                f"{self._path} is a report of another run ({differing}): take its settings to continue it, name "
                "another file, or remove it"
            )
        return rows
