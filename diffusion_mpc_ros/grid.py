"""A table of results, for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Grid:
    """``headings`` and ``rows`` of texts, one text a heading."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def print(self, console: Console) -> None:
        """As a table on the terminal."""
        table = Table(title=escape(self.title))
        for index, heading in enumerate(self.headings):
            table.add_column(escape(heading), justify="right" if index else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(escape, row))
        console.print(table)

    def markdown(self) -> str:
        """As a section with a table."""
        lines = [f"## {self.title}", "", self._line(self.headings), self._line(["---"] * len(self.headings))]
        return "\n".join([*lines, *map(self._line, self.rows)]) + "\n"

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
