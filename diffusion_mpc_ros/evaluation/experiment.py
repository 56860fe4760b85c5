"""The one runner of every experiment: cells in, rows out, kept in a file; tables on the terminal, a page, a plot."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.evaluation.report_file import ReportFile, Row
from diffusion_mpc_ros.grid import Grid

Report = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """What is measured, and where the results go: its fields are the options of the command.

    Who derives from it says what all rows have in common (:attr:`head`), which :meth:`cells` there are, how one is
    :meth:`run` and what the tables show (:meth:`grids`). The runner adds the rest.
    """

    command: ClassVar[str]
    title: ClassVar[str]
    # How much was run, in words: a format of the options in the head.
    size: ClassVar[str]
    # Of a cell in the progress bar, and of the terminal.
    unit: ClassVar[str] = "row"
    width: ClassVar[int] = 160

    json: Path | None = None
    """Write the report to this file after every row; rows that it holds already are kept."""
    markdown: Path | None = None
    """Write the tables to this file."""

    @property
    @abstractmethod
    def head(self) -> dict[str, Any]:
        """What all rows have in common, as JSON; a file with another head is not continued."""

    @abstractmethod
    def cells(self) -> Sequence[Any]:
        """Return what is run, one after the other."""

    @abstractmethod
    def run(self, cell: Any) -> Row | Sequence[Row]:
        """Measure one cell: its row, or rows, with its labels among the entries."""

    @abstractmethod
    def grids(self, report: Report) -> Sequence[Grid]:
        """Return the tables."""

    def labels(self, cell: Any) -> dict[str, Any]:
        """Return what identifies the cell's rows."""
        return cell.labels

    def outdated(self, row: Row) -> bool:
        """Whether a row of the file is to be measured again."""
        return False

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return what is said in the report of all rows together."""
        return {}

    def explanation(self) -> str:
        """How the tables are read, for the page: what the help of the command says, without its examples."""
        paragraphs = (sys.modules[type(self).__module__].__doc__ or "").strip().split("\n\n")
        return "\n\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith("examples:"))

    def sentence(self, report: Report) -> str:
        """Return what was run, in a sentence for the page."""
        values = {**report, **report.get("config", report.get("settings", {}))}
        of = [f"{name} {values[name][:12]}" for name in ("artefact", "demonstrator", "planner") if values.get(name)]
        machines = dict.fromkeys(f"{place['cores']} cores of {place['processor']}" for place in self.places(report))
        run = ", ".join([f"`diffusion-mpc {self.command}`", *of, self.size.format(**values)])
        return f"{run}, on {'; '.join(machines)}."

    def places(self, report: Report) -> list[Mapping[str, Any]]:
        """Return the machines that it was measured on."""
        return [report["machine"]] if "machine" in report else [row["machine"] for row in report["rows"]]

    def shown(self, grids: Sequence[Grid]) -> Sequence[Grid]:
        """Return the tables as they are on the terminal."""
        return grids

    def status(self, report: Report) -> int:
        """Return the exit status."""
        return 0

    def conduct(self) -> int:
        """Measure what is missing, show and write everything; the exit status."""
        report = self.measure()
        self.publish(report)
        return self.status(report)

    def measure(self) -> dict[str, Any]:
        """Return the report: the head, and rows for every cell. Raises what a cell's settings are refused with."""
        file = ReportFile(self.json, {"command": self.command, **self.head}, self.summary)
        file.rows[:] = [row for row in file.rows if not self.outdated(row)]
        for cell in tqdm(self.cells(), desc=f"{self.unit}s", unit=self.unit, disable=None):
            if not file.has(**self.labels(cell)):
                rows = self.run(cell)
                file.add(*([rows] if isinstance(rows, dict) else rows))
        return file.report

    def publish(self, report: Report) -> None:
        """Print the tables, and write the page and the plot that were asked for."""
        grids = self.grids(report)
        console = Console(width=self.width)
        for grid in self.shown(grids):
            grid.print(console)
        if self.markdown is not None:
            parts = [f"# {self.title}", self.sentence(report), self.explanation()]
            self.markdown.parent.mkdir(parents=True, exist_ok=True)
            tables = "\n".join(grid.markdown() for grid in grids)
            write_text_atomically(self.markdown, "\n\n".join([*filter(None, parts), tables]))

    def refuse_below_one(self, *names: str) -> None:
        """Raise :class:`ConfigurationError` unless every number of these options is at least 1, and there is one."""
        for name in names:
            value = getattr(self, name)
            if not (min(value, default=0) if isinstance(value, tuple) else value) >= 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True, kw_only=True)
class PlottedExperiment(Experiment):
    """An experiment whose results can be drawn."""

    plot: Path | None = None
    """Draw the results into this PNG."""

    @abstractmethod
    def draw(self, path: Path, report: Report) -> None:
        """Write the picture."""

    def publish(self, report: Report) -> None:
        """See :class:`Experiment`."""
        super().publish(report)
        if self.plot is not None:
            self.plot.parent.mkdir(parents=True, exist_ok=True)
            self.draw(self.plot, report)


def number(value: float | None, form: str) -> str:
    """``value`` in the format ``form``, "-" for None."""
    return "-" if value is None else form.format(value)


def bounds(interval: Sequence[float] | None, form: str) -> str:
    """``LOW .. HIGH``, each in the format ``form``; "-" for None."""
    return "-" if interval is None else " .. ".join(map(form.format, interval))
