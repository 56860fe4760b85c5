"""Networks side by side: how well each walks, how long its plan takes, and which are not beaten in both.

Every artefact walks in the batch simulator, in each loop (replan margin D, replan interval R), and plans on one thread
in a process of its own (N = 10, K = 10). A network is marked * when no other one is at least as fast, as accurate and
as steady on its feet, and better in one of these. Stop everything else while plans are timed. An artefact that is in
the --json file already is not measured again: add one at a time, or go on after an interruption. What the columns
mean: docs/training.md.

examples:
  diffusion-mpc evaluate networks --artefacts go2 runs/mixer_128x4/artefact --json networks.json --plot networks.png
  diffusion-mpc evaluate networks --artefacts go2 --robots 4 --ticks 300 --plans 50        a first look
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import write_text_atomically
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.networks import Settings, mark_pareto, plan_times, walk_quality
from diffusion_mpc_ros.evaluation.planner_bench import in_own_process
from diffusion_mpc_ros.evaluation.scatter import Point, scatter


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Which artefacts, measured with what, and where the results go."""

    artefacts: tuple[str, ...]
    """Model artefacts: their names in models/, or paths to their folders."""
    threads: int = 2
    """Threads of the closed loop; plans are timed on one."""
    json: Path | None = None
    """Write the results to this file, and take from it what is measured already."""
    markdown: Path | None = None
    """Write the table to this file."""
    plot: Path | None = None
    """Write a picture of velocity error against plan time (PNG) to this file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.artefacts:
            raise ConfigurationError("no artefacts to compare: name them after --artefacts")

    @property
    def settings(self) -> dict[str, Any]:
        """What the figures depend on, as JSON has it."""
        values = asdict(self)
        return json.loads(json.dumps({field.name: values[field.name] for field in fields(Settings)}))


def main(config: Config) -> None:
    """Measure what is not measured yet, print the tables, write JSON, Markdown and picture."""
    rows = _read(config)
    artefacts = {name: load(model_folder(name)) for name in config.artefacts}
    for name, loaded in tqdm(artefacts.items(), desc="networks", unit="network", disable=None):
        if all(row["sha256"] != loaded.identity for row in rows):
            # Another model under the name of one that was measured takes its place.
            rows = [row for row in rows if row["artefact"] != name] + [measure(name, loaded, config)]
            _write(config, rows)
    _write(config, rows)
    _print_tables(rows)


def measure(name: str, loaded: Prior, config: Config) -> dict[str, Any]:
    """The row of one artefact: size, training, plan times, and the walk in every loop."""
    training = loaded.card["training"]["configuration"] if "training" in loaded.card else {}
    return {
        "artefact": name,
        "sha256": loaded.identity,
        **in_own_process(_describe_network, name),
        "iterations": training.get("iterations_done"),
        "loss": training.get("loss"),
        "cpu_seconds": training.get("cpu_seconds"),
        "plan": plan_times(name, config),
        "walks": [
            walk_quality(loaded, config, delay, replan, config.threads)
            for delay, replan in zip(config.delays, config.replans)
        ],
    }


def _describe_network(name: str) -> dict[str, Any]:
    """``network`` (settings), ``parameters``, ``step_flops``; in a process of its own: the only one to load torch."""
    from diffusion_mpc_ros.evaluation.matrix_products import network_size
    from diffusion_mpc_ros.training.networks import build_network

    loaded = load(model_folder(name))
    network, rows = loaded.networks[DENOISER], loaded.description.rows
    return {"network": network, **network_size(build_network(DENOISER, network, rows), rows)}


def _read(config: Config) -> list[dict[str, Any]]:
    """What the JSON file holds; raises ConfigurationError when it cannot be read or was measured otherwise."""
    if config.json is None or not config.json.exists():
        return []
    try:
        report = json.loads(config.json.read_text())
        stored, rows = report["settings"], report["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{config.json} holds no comparison of networks: {error!r}") from None
    different = sorted(key for key in {*stored, *config.settings} if stored.get(key) != config.settings.get(key))
    if different:
        raise ConfigurationError(
            f"{config.json} was measured with other settings ({', '.join(different)}): choose another file"
        )
    return rows


def _write(config: Config, rows: list[dict[str, Any]]) -> None:
    """After each artefact: what was measured is kept when the rest is interrupted."""
    mark_pareto(rows)
    report = {"settings": config.settings, "rows": rows}
    for path in filter(None, (config.json, config.markdown, config.plot)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if config.json is not None:
        write_text_atomically(config.json, json.dumps(report, indent=1, allow_nan=False) + "\n")
    if config.markdown is not None:
        write_text_atomically(config.markdown, _markdown(rows))
    if config.plot is not None:
        scatter(config.plot, _panels(rows), "guided plan, median [ms]", "velocity error [m/s] (filled: *)")


def _label(row: dict[str, Any]) -> str:
    return "{kind} {width}x{blocks}".format(**row["network"])


def _loop(walk: dict[str, Any]) -> str:
    return f"D={walk['delay']} R={walk['replan']}"


def _table(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """One mapping of column to cell for each network, ordered by plan time."""
    table = []
    for row in sorted(rows, key=lambda row: row["plan"]["guided"]["p50_ms"]):
        minutes = None if row["cpu_seconds"] is None else row["cpu_seconds"] / 60.0
        cells = {
            "network": _label(row),
            "artefact": row["artefact"],
            "parameters": f"{row['parameters'] / 1e6:.2f} M",
            "a step, MFLOP": f"{row['step_flops'] / 1e6:.1f}",
            "iterations": _cell(row["iterations"], "{:,}"),
            "loss": _cell(row["loss"], "{:.4f}"),
            "CPU min": _cell(minutes, "{:.0f}"),
        }
        for name, heading in (("plain", "plan, ms"), ("guided", "all rewards, ms")):
            cells[heading] = "{p50_ms:.1f} / {p99_ms:.1f}".format(**row["plan"][name])
        for walk in row["walks"]:
            interval = walk["velocity_error_interval"]
            error = "-" if interval is None else "{:.4f} ({:.4f}, {:.4f})".format(walk["velocity_error"], *interval)
            cells[f"{_loop(walk)}: error, m/s"] = error + (" *" if walk["pareto"] else "")
            cells[f"{_loop(walk)}: score"] = _cell(walk["tracking_score"], "{:.3f}")
            cells[f"{_loop(walk)}: survival"] = f"{walk['survival']:.1%}"
        table.append(cells)
    return table


def _command_table(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Velocity error [m/s] for each network, loop and command, and survival where one fell."""
    table = []
    for row in sorted(rows, key=lambda row: row["plan"]["guided"]["p50_ms"]):
        for walk in row["walks"]:
            cells = {"network": _label(row), "loop": _loop(walk)}
            for result in walk["commands"]:
                fell = "" if result["survival"] == 1.0 else f" ({result['survival']:.0%})"
                heading = " ".join(f"{value:+.1f}" for value in result["command"])
                cells[heading] = _cell(result["velocity_error"], "{:.3f}") + fell
            table.append(cells)
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _markdown(rows: list[dict[str, Any]]) -> str:
    """Both tables as Markdown."""
    parts = []
    for table in filter(None, (_table(rows), _command_table(rows))):
        lines = [list(table[0]), ["---"] * len(table[0]), *(list(cells.values()) for cells in table)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def _print_tables(rows: list[dict[str, Any]]) -> None:
    console, networks, commands = Console(width=190), _table(rows), _command_table(rows)
    # A column a network: a terminal has room for more rows than columns.
    table = Table(title="plan time p50 / p99, velocity error (95 % interval)")
    for heading in ("", *(cells["network"] for cells in networks)):
        table.add_column(heading, justify="right" if heading else "left", overflow="fold")
    for heading in list(networks[0])[1:]:
        table.add_row(heading, *(cells[heading] for cells in networks))
    console.print(table)
    table = Table(title="velocity error, m/s")
    for heading in commands[0]:
        table.add_column(heading, justify="left" if heading in ("network", "loop") else "right")
    for cells in commands:
        table.add_row(*cells.values())
    console.print(table)


def _panels(rows: list[dict[str, Any]]) -> dict[str, list[Point]]:
    """The points of each loop; a network that nothing was measured of is not there."""
    panels: dict[str, list[Point]] = {}
    for row in rows:
        for walk in row["walks"]:
            points = panels.setdefault(_loop(walk), [])
            if walk["velocity_error"] is not None:
                time, interval = row["plan"]["guided"]["p50_ms"], tuple(walk["velocity_error_interval"])
                points.append(Point(_label(row), time, walk["velocity_error"], interval, walk["pareto"]))
    return panels
