"""The tables of ``evaluate execution``, laid out as the paper's Table VI: a column for each row of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffusion_mpc_ros.grid import Grid

# "measured" and the others in words, for headings.
LATENCY_TEXTS = {"measured": "latency measured here (p99)", "paper": "the paper's latency", "zero": "no latency"}
MARKS = {True: "✓", False: "✗"}


def grids(report: dict[str, Any], order: Sequence[str]) -> list[Grid]:
    """For each latency one table of the paper's rows, with its figures in brackets, and one of the others."""
    rows = sorted(report["rows"], key=lambda row: order.index(row["row"]))
    tables = []
    for mode in dict.fromkeys(row["latency_mode"] for row in report["rows"]):
        text = LATENCY_TEXTS.get(mode, f"latency {mode} ms")
        for title, of_paper in (("Table VI", True), ("Beyond the paper", False)):
            shown = [row for row in rows if row["latency_mode"] == mode and (row["paper"] is not None) is of_paper]
            if shown:
                tables.append(_grid(f"{title}, {text}", shown))
    return tables


def _grid(title: str, rows: list[dict[str, Any]]) -> Grid:
    lines = {
        "D, R": lambda row: f"{row['delay']}, {row['replan']}", "steps": _steps, "cached m": _cache,
        "frequency [Hz]": _frequency, "plans executed [Hz]": lambda row: f"{row['plan_rate_hz']:.1f}",
        "latency p50 / p99 [ms]": _latency, "known after [ticks]": lambda row: str(row["latency_ticks"]),
        "forward": lambda row: _success(row, "forward"), "turning": lambda row: _success(row, "turning"),
        "backward": lambda row: _success(row, "backward"), "velocity error, each [m/s]": _errors,
        "jump, mean / p99 [rad]": jump_text, "step, seam / within [rad]": step_text,
    }  # fmt: skip
    return Grid(title, ["", *(row["row"] for row in rows)], [[name, *map(cell, rows)] for name, cell in lines.items()])


def _steps(row: dict[str, Any]) -> str:
    return f"{row['steps'] - row['cached_steps']} {row['sampler']}"


def _cache(row: dict[str, Any]) -> str:
    if not row["cached_steps"]:
        return "0"
    return f"{row['cached_steps']}, {'refresh' if row['refresh'] else 'no refresh'}"


def _frequency(row: dict[str, Any]) -> str:
    return f"{row['command_rate_hz']:.1f}" + (f" ({row['paper']['rate_hz']:.1f})" if row["paper"] else "")


def _latency(row: dict[str, Any]) -> str:
    latency = row["latency_ms"]
    texts = [f"{latency['p50']:.1f}", "-" if latency["p99"] is None else f"{latency['p99']:.1f}"]
    return " / ".join(texts) + (f" ({row['paper']['latency_ms']:.0f})" if row["paper"] else "")


def _success(row: dict[str, Any], segment: str) -> str:
    result = row["segments"][segment]
    text = f"{result['success']}/{result['of']}"
    return text + (f" ({MARKS[row['paper'][segment]]})" if row["paper"] else "")


def _errors(row: dict[str, Any]) -> str:
    errors = (result["velocity_error"] for result in row["segments"].values())
    return " ".join("-" if error is None else f"{error:.2f}" for error in errors)


def jump_text(row: dict[str, Any]) -> str:
    """``mean / p99`` of the jump, "-" where no plan took over from another one that had a row left."""
    jump = row["jump"]
    return "-" if jump["mean"] is None else f"{jump['mean']:.3f} / {jump['p99']:.3f}"


def step_text(row: dict[str, Any]) -> str:
    """``seam / within`` of the mean step, "-" where there is none."""
    return " / ".join("-" if value is None else f"{value:.3f}" for value in row["step"].values())


def markdown(report: dict[str, Any], tables: Sequence[Grid]) -> str:
    """The whole page."""
    config, success = report["config"], report["success"]
    machines = {f"{where['cores']} cores of {where['processor']}" for row in report["rows"]
                if (where := row["measured_on"])}  # fmt: skip
    measured = (
        f" Latency measured over {config['plans']} plans, N = {config['candidates']}, one thread, every reward term at "
        f"work, on {' and '.join(sorted(machines))}."
    )
    lines = [
        "# Execution: Table VI",
        "",
        f"`diffusion-mpc evaluate execution`, artefact {report['artefact'][:12]}, {config['trials']} trials, seed "
        f"{config['seed']}.{measured if machines else ''}",
        "",
        f"Success: not fallen by the end of the segment, and the mean velocity over its last "
        f"{success['mean_velocity_over_s']:g} s within {success['velocity_bound_m_s']:g} m/s and "
        f"{success['yaw_rate_bound_rad_s']:g} rad/s of the command. In brackets what the paper reports, from the "
        "real robot, judged by eye. Frequency: ticks with a joint target from a plan. A plan is known so many whole "
        "ticks after the planner began with it. Jump: the largest difference of a joint target between the new and the "
        "old plan at the first tick that the new one is executed; - where the old one had no row left. Step: the "
        "largest change of a joint target from one tick to the next, in the mean, where a plan took over and where "
        "the same one went on.",
        "",
        "Rows: A to E as in the paper. held: committed actions are held fixed while sampling, free: they are not.",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(table.markdown() for table in tables)
