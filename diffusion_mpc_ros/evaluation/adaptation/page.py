"""How every report of the adaptation evaluations is shown: tables on the terminal, a Markdown page, a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.grid import Grid

Draw = Callable[[Path, Mapping[str, Any]], None]


def publish(
    report: Mapping[str, Any],
    grids: Sequence[Grid],
    title: str,
    explanation: str,
    markdown: Path | None,
    plot: tuple[Path | None, Draw] | None = None,
) -> None:
    """Print the tables, and write the page, and by ``plot`` = (path, drawing function) the picture, where asked for."""
    console = Console(width=160)
    for grid in grids:
        grid.print(console)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"# {title}", "", reports.conditions(report), "", explanation]
        write_text_atomically(markdown, "\n".join(lines) + "\n\n" + "\n".join(grid.markdown() for grid in grids))
    if plot is not None and plot[0] is not None:
        path, draw = plot
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(path, report)
