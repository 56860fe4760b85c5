"""A table of results, for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# A heading, and the text of a row under it.
Column = tuple[str, Callable[[Any], str]]


@dataclass(frozen=True)
class Grid:
    """``headings`` and ``rows`` of texts, one text a heading."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, title: str, columns: Sequence[Column], rows: Iterable[Any]) -> Grid:
        """A line for each of ``rows``."""
        return cls(title, [heading for heading, _ in columns], [[text(row) for _, text in columns] for row in rows])

    @property
    def turned(self) -> Grid:
        """The same with a column for each line: a terminal has room for more lines than columns."""
        first, *others = zip(self.headings, *self.rows)
        return Grid(self.title, ["", *first[1:]], others)

    def without(self, *headings: str) -> Grid:
        """The same without these columns."""
        kept = [index for index, heading in enumerate(self.headings) if heading not in headings]
        headings, *rows = ([line[index] for index in kept] for line in (self.headings, *self.rows))
        return Grid(self.title, headings, rows)

    def print(self, console: Console) -> None:
        """As a table on the terminal."""
        table = Table(title=escape(self.title))
        for index, heading in enumerate(self.headings):
            table.add_column(escape(heading), justify="right" if index else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*map(escape, row))
        console.print(table)

    def markdown(self) -> str:
        """As a section with a table."""
        lines = [f"## {self.title}", "", self._line(self.headings), self._line(["---"] * len(self.headings))]
        return "\n".join([*lines, *map(self._line, self.rows)]) + "\n"

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
