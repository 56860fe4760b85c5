"""The common table of what was done by sampling: rows of several experiments in one file, one form for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.report_file import Row, matches, write_json

# What tells rows apart; a new row takes the place of one that is alike in these.
IDENTITY = ("task", "method", "samples", "iterations", "live", "variant")


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One method at one task; None for what the task does not have.

    ``live``: in real time by the five processes, else in lock-step. ``score``: of the task, 1 at best.
    ``survival``: share of trials without a fall. ``velocity_error`` [m/s]. ``interval``: 95 % over ``trials``, of the
    velocity error where there is one, else of the score. ``seconds_per_second``: of computing on one core, for a robot
    and a simulated second. ``variant``: what is not as usual.
    """

    task: str
    method: str
    samples: int | None
    iterations: int | None
    live: bool
    score: float | None
    survival: float
    velocity_error: float | None
    interval: Sequence[float] | None
    trials: int
    seconds_per_second: float
    variant: str = ""


def put_rows(path: Path, rows: Iterable[TaskRow]) -> None:
    """Write ``rows`` into the table ``path``, each in the place of one with the same identity, or after all others.

    What else the file says stays. Raises :class:`ConfigurationError` for a file that has no rows.
    """
    table = _read(path) if path.exists() else {}
    known: list[Row] = table.setdefault("rows", [])
    for row in rows:
        new = asdict(row)
        identity = {name: new[name] for name in IDENTITY}
        places = [index for index, old in enumerate(known) if matches(old, identity)]
        if places:
            known[places[0]] = new
        else:
            known.append(new)
    write_json(path, table)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text())
        if all(isinstance(row, dict) for row in table["rows"]):
            return table
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        pass
    raise ConfigurationError(f"{path} is there and no table with rows: name another file, or remove it")
