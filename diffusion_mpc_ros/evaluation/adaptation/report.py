"""The tables and the picture of ``evaluate adaptation``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.evaluation.adaptation.walks import UNPLANNED, change_texts, walk_texts
from diffusion_mpc_ros.evaluation.experiment import number
from diffusion_mpc_ros.evaluation.plots import Point, points
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import TARGET_SURVIVAL
from diffusion_mpc_ros.policies.demonstrator import DEMONSTRATOR, SPECIALIST
from diffusion_mpc_ros.policies.objectives import OBJECTIVES, Objective

Row = Mapping[str, Any]

# The candidates of the targets.
TARGET_CANDIDATES = 10


def column(row: Row) -> str:
    """Return the heading of a row's column: N, with R for the reward and C for the constraint; or the policy."""
    if "policy" in row:
        return row["policy"]
    if row["candidates"] == 1 and not row["reward"] and not row["constraint"]:
        return UNPLANNED
    return f"N={row['candidates']}" + (" R" if row["reward"] else "") + (" C" if row["constraint"] else "")


def grids(report: Mapping[str, Any]) -> list[Grid]:
    """Table II; targets of N = 10 and the ceiling, where they were measured; every row in full."""
    rows = _ordered(report["rows"])
    return [_table(rows), *_targets(rows), *_ceiling(rows), _details(rows)]


def _place(row: Row) -> tuple:
    """Orders columns: no planning, then as the paper, then the policies."""
    policies = ("", DEMONSTRATOR, SPECIALIST)
    place = policies.index(row.get("policy", ""))
    return place, column(row) != UNPLANNED, row["constraint"], row["reward"], row["candidates"] or 0


def _ordered(rows: Sequence[Row]) -> list[Row]:
    order = list(OBJECTIVES)
    return sorted(rows, key=lambda row: (order.index(row["objective"]), *_place(row)))


def _by_objective(rows: Sequence[Row]) -> dict[Objective, list[Row]]:
    measured = dict.fromkeys(row["objective"] for row in rows)
    return {OBJECTIVES[name]: [row for row in rows if row["objective"] == name] for name in measured}


def _table(rows: Sequence[Row]) -> Grid:
    headings = list(dict.fromkeys(column(row) for row in sorted(rows, key=_place)))
    lines = []
    for objective, own in _by_objective(rows).items():
        texts = {column(row): _penalty(row) for row in own}
        lines.append([objective.label, *(texts.get(heading, "") for heading in headings)])
    return Grid("Table II: penalties; in brackets: void", ["", *headings], lines)


def _penalty(row: Row) -> str:
    text = number(row["penalty"], "{:.3f}")
    return f"({text})" if row["void"] else text


def _targets(rows: Sequence[Row]) -> list[Grid]:
    lines = []
    for objective, own in _by_objective(rows).items():
        guided = [row for row in own if row["candidates"] == TARGET_CANDIDATES and row["reward"]]
        for row in guided:
            judged = row["constraint"] == objective.projection_applies
            verdict = ("met" if met(objective, row) else "missed") if judged else ""
            texts = [*change_texts(row), *walk_texts(row), verdict]
            lines.append([objective.label, column(row), f"{objective.target:+.0%}", *texts])
    headings = ("", "cell", "target", "change", "95 % interval", "tracking", "survival", "target is")
    return [Grid(f"Targets of N = {TARGET_CANDIDATES} against no planning", headings, lines)] if lines else []


def met(objective: Objective, row: Row) -> bool:
    """Whether the change, the tracking and the survival asked for are reached."""
    return counts(row) and row["change"] <= objective.target


def _ceiling(rows: Sequence[Row]) -> list[Grid]:
    """Of the penalty that a specialist gave up, how much the best cell of N = 10 that counts did."""
    lines = []
    for objective, own in _by_objective(rows).items():
        policies = {row["policy"]: row for row in own if "policy" in row}
        best = best_planned(own)
        if SPECIALIST not in policies:
            continue
        share = None if best is None else reached(best, policies[SPECIALIST])
        lines.append(
            [
                objective.label,
                f"{objective.paper:.3f}",
                _penalty(policies[DEMONSTRATOR]) if DEMONSTRATOR in policies else "",
                *(("-", "-") if best is None else (column(best), _penalty(best))),
                _penalty(policies[SPECIALIST]),
                number(share, "{:.0%}"),
            ]
        )
    headings = ("", UNPLANNED, DEMONSTRATOR, "best cell", "penalty", f"{SPECIALIST}: ceiling", "reached")
    return [Grid(f"The ceiling, and how much of it N = {TARGET_CANDIDATES} reached", headings, lines)] if lines else []


def counts(row: Row) -> bool:
    """Whether tracking and survival are kept."""
    return not row["void"] and row["survival"] >= TARGET_SURVIVAL


def best_planned(rows: Sequence[Row]) -> Row | None:
    """Of one objective's cells of N = 10 that count, the one with the lowest penalty."""
    planned = [row for row in rows if row["candidates"] == TARGET_CANDIDATES and counts(row)]
    return min(planned, key=lambda row: row["penalty"], default=None)


def reached(planned: Row, specialist: Row) -> float | None:
    """``(unplanned - planned) / (unplanned - specialist)``; None without a specialist that counts and is lower."""
    if not counts(specialist) or specialist["change"] >= 0.0:
        return None
    return planned["change"] / specialist["change"]


def _details(rows: Sequence[Row]) -> Grid:
    lines = []
    for row in rows:
        raw = f"{number(row['penalty_raw'], '{:.4g}')} {row['unit']}"
        texts = [raw, _penalty(row), *change_texts(row), *walk_texts(row), str(row["robots"])]
        lines.append([OBJECTIVES[row["objective"]].label, column(row), *texts])
    headings = ("", "cell", "penalty", "scaled", "change", "95 % interval", "tracking", "survival", "robots")
    return Grid("Every cell", headings, lines)


def draw(path: Path, report: Mapping[str, Any]) -> None:
    """Draw a panel for each objective: the scaled penalty of every cell with its interval; void cells are hollow."""
    panels = {}
    for objective, own in _by_objective(_ordered(report["rows"])).items():
        panels[objective.label] = [
            Point(
                column(row), row["penalty"], [objective.paper * (1.0 + bound) for bound in row["interval"]],
                not row["void"],
            )
            for row in own
            if row["penalty"] is not None
        ]  # fmt: skip
    points(path, panels, "scaled penalty")
