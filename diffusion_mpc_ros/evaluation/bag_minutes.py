"""Table "bag" of `evaluate finetune`: how much of what a hidden change costs, minutes of a bag mend."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.experiment import number
from diffusion_mpc_ros.evaluation.report_file import Row, matches
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.conditions import FLAT_CONDITION, NAMED, Condition

TABLE, UNCHANGED = "bag", FLAT_CONDITION.name
# Changes that a robot was recorded with, by name.
CHANGES = {
    each.name: each
    for each in (
        NAMED["payload 8 kg"],
        NAMED["motors x 0.7"],
        Condition("slope 12 deg", grounds=("slope:12",)),
    )
}


@dataclass(frozen=True)
class FromBag:
    """An artefact that was finetuned from ``minutes`` of a robot recorded with ``change``."""

    change: str
    minutes: float
    folder: Path

    @classmethod
    def parse(cls, text: str, changes: Collection[str] = CHANGES) -> FromBag:
        """Read ``CHANGE:MINUTES=FOLDER``, one of ``changes``; raises ConfigurationError naming what there is."""
        label, equals, folder = text.partition("=")
        change, colon, minutes = label.partition(":")
        try:
            number_of = float(minutes)
        except ValueError:
            number_of = math.nan
        if not (equals and colon and folder and change in changes and 0.0 < number_of < math.inf):
            raise ConfigurationError(
                f"{text!r} is no CHANGE:MINUTES=FOLDER, such as 'payload 8 kg:5=runs/bag/artefact'; changes: "
                f"{', '.join(changes)}"
            )
        return cls(change, number_of, Path(folder))

    @property
    def method(self) -> str:
        """What its rows are called."""
        return f"{self.minutes:g} min of {self.change}"


def mended(unchanged: float, changed: float, finetuned: float) -> float:
    """Share of the loss ``changed - unchanged`` that is mended: 1 all of it, 0 nothing, below 0 worse than before."""
    return (changed - finetuned) / (changed - unchanged)


def grid(rows: Sequence[Row], bags: Sequence[FromBag], untuned: str) -> Grid:
    """A line for each of ``bags``: errors as means over the commands, with equal numbers of robots for each."""

    def mean(condition: str, method: str, name: str) -> float:
        values = [row[name] for row in rows if matches(row, {"condition": condition, "method": method})]
        return float(np.mean([np.nan if value is None else value for value in values])) if values else math.nan

    def line(bag: FromBag) -> tuple[str, ...]:
        unchanged, changed = mean(UNCHANGED, untuned, "velocity_error"), mean(bag.change, untuned, "velocity_error")
        finetuned, kept = (mean(name, bag.method, "velocity_error") for name in (bag.change, UNCHANGED))
        survival = mean(bag.change, untuned, "survival"), mean(bag.change, bag.method, "survival")
        errors = (number(value, "{:.3f}") for value in (changed, finetuned, unchanged, kept))
        return (
            bag.change, f"{bag.minutes:g}", *(number(share, "{:.1%}") for share in survival), *errors,
            number(mended(unchanged, changed, finetuned), "{:.0%}"),
        )  # fmt: skip

    headings = (
        "change", "minutes", "survival before", "after", "velocity error before [m/s]", "after",
        "unchanged robot before", "after", "loss mended",
    )  # fmt: skip
    return Grid("Minutes of a bag", headings, [line(bag) for bag in bags])
