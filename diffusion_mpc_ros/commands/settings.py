"""List all that can be set: of every node, of the planner, and of the start of them all, with units and ranges.

NODE.NAME=VALUE after --parameters of `run`, `launch` and others sets one, NODE.NAME:=VALUE after `ros2 launch`.

examples:
  diffusion-mpc settings
  diffusion-mpc settings planner
  diffusion-mpc settings planner --planner my_planner:make
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import share_directory
from diffusion_mpc_ros.core.settings import Declaration, Settings, declarations, same
from diffusion_mpc_ros.nodes.settings import CommandPublisherSettings
from diffusion_mpc_ros.nodes.settings_lookup import NODES, settings_of_node
from diffusion_mpc_ros.planners.registry import PLANNERS

COLUMNS = ("name", "default", "range, unit", "live", "what it is")
HEAD = """# Settings

All that can be set, as the sources declare it. `diffusion-mpc settings --write` writes this page and the files
`config/NODE.yaml`. A value comes from the file, then from the command line:

    .venv/bin/diffusion-mpc run --parameters planner.candidates=5 go2_simulator.friction=0.4
    ros2 launch diffusion_mpc_ros go2.launch.py planner.candidates:=5 go2_simulator.friction:=0.4

What is live can be changed while the node runs (`ros2 param set`), the rest is read-only. An option of the start holds
for every node and has no other override. A value that does not fit is refused before anything starts.
"""


@dataclass(frozen=True)
class Config(Settings):
    """What to list."""

    node: Annotated[str, tyro.conf.Positional] = ""
    """The node; empty: all of them."""
    planner: str = same(bringup.Options, "planner")
    write: bool = False
    """In a checkout: write docs/settings.md, and config/NODE.yaml with the defaults, instead."""


def main(config: Config) -> int:
    """Print the tables, or write what is made of them."""
    if config.write:
        for path, text in written_files().items():
            path.write_text(text, encoding="utf-8")
            print(path)
        return 0
    console = Console()
    for node in (config.node,) if config.node else NODES:
        for kind in settings_of_node(node, config.planner):
            table = Table(*COLUMNS, title=escape(title(kind)), title_justify="left")
            for row in rows(kind):
                table.add_row(*map(escape, row))
            console.print(table)
    return 0


def written_files() -> dict[Path, str]:
    """Return the files that follow from the declarations, with what they must hold; ConfigurationError if not here."""
    root = share_directory()
    if not (root / "docs").is_dir():
        raise ConfigurationError(f"{root} is no checkout: there is no docs/ to write to")
    return {root / "docs" / "settings.md": page()} | {root / "config" / f"{n}.yaml": parameter_file(n) for n in NODES}


def page() -> str:
    """Return docs/settings.md."""
    kinds = [kind for node in NODES for kind in _documented(node)]
    return "\n".join([HEAD, *map(section, [*kinds, bringup.Options])])


def _documented(node: str) -> list[type[Settings]]:
    """Return the settings of ``node``, of the planner's with every planner that there is."""
    planners = PLANNERS if node == "planner" else [bringup.Options.planner]
    return list(dict.fromkeys(kind for planner in planners for kind in settings_of_node(node, planner)))


def section(kind: type[Settings]) -> str:
    """Return a heading and a table in Markdown."""
    name, _, text = title(kind).partition(": ")
    lines = [f"## {name}", "", f"{text[:1].upper()}{text[1:]}"]
    if options := [f"`{entry.setting.option}`" for entry in declarations(kind).values() if entry.setting.option]:
        lines += ["", f"Set by options of the start: {', '.join(options)}."]
    if kind is CommandPublisherSettings:
        lines += ["", f"The planner's, for both nodes: {', '.join(f'`{name}`' for name in kind.OWNED_BY_PLANNER)}."]
    lines += ["", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in rows(kind):
        # To Markdown a bar begins a cell, a bracket a link.
        first, *rest = (re.sub(r"([|\[\]])", r"\\\1", cell) for cell in row)
        lines.append(f"| `{first}` | {' | '.join(rest)} |")
    return "\n".join(lines) + "\n"


def rows(kind: type[Settings]) -> Iterable[tuple[str, ...]]:
    """Yield a row of :data:`COLUMNS` for each of its settings."""
    for name, entry in own(kind).items():
        live = "live" if entry.setting.live else ""
        yield name, bringup.text(entry.default), entry.range, live, entry.setting.description


def own(kind: type[Settings]) -> dict[str, Declaration]:
    """Return what nobody else says: neither an option, nor the planner to command_publisher."""
    others = CommandPublisherSettings.OWNED_BY_PLANNER if kind is CommandPublisherSettings else ()
    return {name: d for name, d in declarations(kind).items() if not d.setting.option and name not in others}


def title(kind: type[Settings]) -> str:
    """Return the first line of a docstring: a name, a colon, what it is."""
    return (kind.__doc__ or "").splitlines()[0]


def parameter_file(node: str) -> str:
    """Return ``config/<node>.yaml``: every setting at its default, but for what options and other files say."""
    kinds = settings_of_node(node)
    lines = [
        f"# {title(kinds[0])}",
        "# Written from what the sources declare (docs/settings.md); change values at will.",
    ]
    lines += ["/**:", "  ros__parameters:"]
    group = ""
    for kind in kinds:
        if kind is not kinds[0]:
            lines += ["", *_comment(title(kind), 4)]
        for name, entry in own(kind).items():
            above, _, last = name.rpartition(".")
            if above != group:
                group = above
                lines.append(f"    {group}:")
            depth = 6 if above else 4
            lines += _comment(entry.setting.description + (f" [{entry.range}]" if entry.range else ""), depth)
            lines.append(f"{' ' * depth}{last}: {bringup.text(entry.default) or repr('')}")
    return "\n".join(lines) + "\n"


def _comment(text: str, depth: int) -> list[str]:
    head = f"{' ' * depth}# "
    return textwrap.wrap(text, 120, initial_indent=head, subsequent_indent=head)
