"""Errors of predicted states, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.transition import BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, dead_reckoning
from diffusion_mpc_ros.evaluation.experiment import number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid

# Largest noise on the demonstrator's actions [rad] of a robot, by the name of the case.
CASES = {"gait": 0.0, "bursts": 0.25}
ERRORS = {"position_error": "{:.3f}", "velocity_error": "{:.3f}", "height_error": "{:.4f}", "joint_error": "{:.3f}"}
UNITS = {"position_error": "m", "velocity_error": "m/s", "height_error": "m", "joint_error": "rad"}


def grid(case: str, name: str, rows: Sequence[Row], ahead: Sequence[int]) -> Grid:
    """A line for each method: the error ``name`` of :data:`ERRORS` by ticks ahead."""
    by_method: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["ticks"]] = row
    columns: list[tuple[str, Callable[[Any], str]]] = [("method", lambda item: item[0])]
    columns += [(str(ticks), lambda item, ticks=ticks: number(item[1][ticks][name], ERRORS[name])) for ticks in ahead]
    title = f"Open loop, {case}: {name.replace('_', ' ')} [{UNITS[name]}] after so many ticks"
    return Grid.of(title, columns, by_method.items())


def errors(stretches: Stretches, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Root mean square errors ``(F,)`` of ``predicted (n, F, 34)``, by the names of :data:`ERRORS`; NaN: not known."""
    difference = predicted - stretches.states[:, : predicted.shape[1]]
    position = dead_reckoning(stretches.state, predicted) - stretches.position[:, : predicted.shape[1]]
    planar = lambda values: np.sqrt((values**2).sum(axis=-1).mean(axis=0))  # noqa: E731
    return {
        "position_error": planar(position),
        "velocity_error": planar(difference[..., BASE_LIN_VEL][..., :2]),
        "height_error": planar(difference[..., BASE_HEIGHT]),
        "joint_error": np.sqrt((difference[..., JOINT_POS] ** 2).mean(axis=(0, 2))),
    }
