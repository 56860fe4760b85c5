"""The tables of `evaluate d-mpc`."""

from __future__ import annotations

from collections.abc import Sequence

from diffusion_mpc_ros.evaluation.bag_minutes import FromBag
from diffusion_mpc_ros.evaluation.d_mpc import changes, open_loop
from diffusion_mpc_ros.evaluation.d_mpc.choice import MEASURES
from diffusion_mpc_ros.evaluation.experiment import bounds, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Column, Grid

OPEN_LOOP, CHOICE, WALK, DISTILLED, OBJECTIVE, NEW_REWARD, DYNAMICS = (
    "open_loop", "choice", "walk", "distilled", "objective", "new_reward", "dynamics"
)  # fmt: skip
SCORES = {"survival": "{:.1%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "base_height": "{:.3f}"}

_WALKED: tuple[Column, ...] = (
    ("planner", lambda row: row["method"]),
    ("case", lambda row: row["case"]),
    *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
    ("velocity error, 95 % interval", lambda row: bounds(row.get("interval"), "{:.3f}")),
)
_TIMED: tuple[Column, ...] = (*_WALKED, ("an action [ms]", lambda row: number(row["action_time"], "{:.2f}")))
_ASKED: tuple[Column, ...] = (
    ("asked for", lambda row: row["case"]),
    ("planner", lambda row: row["method"]),
    ("penalty", lambda row: f"{number(row['penalty'], '{:.4g}')} {row['unit']}"),
    ("without", lambda row: number(row["without"], "{:.4g}")),
    ("change", lambda row: number(row["change"], "{:+.1%}")),
    ("95 % interval", lambda row: bounds(row["interval"], "{:+.1%}")),
    ("tracking", lambda row: number(row["tracking_ratio"], "{:.3f}") + (" void" if row["void"] else "")),
    ("velocity error", lambda row: number(row["velocity_error"], "{:.3f}")),
    ("survival", lambda row: number(row["survival"], "{:.1%}")),
)
_CHOSEN: tuple[Column, ...] = (
    ("of a candidate", lambda row: f"{row['case'].replace('_', ' ')} [{MEASURES[row['case']]}]"),
    ("candidates", lambda row: row["method"]),
    ("correlation of ranks", lambda row: number(row["correlation"], "{:.2f}")),
    *((name, lambda row, name=name: number(row[name], "{:.4g}")) for name in ("mean", "chosen", "least")),
)


def grids(rows: Sequence[Row], ahead: Sequence[int], bags: Sequence[FromBag]) -> list[Grid]:
    """Those of which there are rows."""
    of = lambda experiment: [row for row in rows if row["experiment"] == experiment]  # noqa: E731
    found = []
    for case in open_loop.CASES:
        of_case = [row for row in of(OPEN_LOOP) if row["case"] == case]
        found += [open_loop.grid(case, name, of_case, ahead) for name in open_loop.ERRORS if of_case]
    for experiment, columns in (
        (CHOICE, _CHOSEN), (WALK, _WALKED), (DISTILLED, _TIMED), (OBJECTIVE, _ASKED), (NEW_REWARD, _ASKED),
        (DYNAMICS, _WALKED),
    ):  # fmt: skip
        title = experiment.capitalize().replace("_", " ")
        found += [Grid.of(title, columns, of(experiment))] if of(experiment) else []
    return [*found, changes.grid(of(DYNAMICS), bags)] if bags else found
