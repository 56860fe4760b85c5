"""Outcomes by name: what reward terms read beyond the rows of a trajectory (arXiv 2510.04234, V-B1, V-B3).

A planner says which of them it provides. A network predicts them, a rollout measures them, in the same units and by
the same definition: the term does not know which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from diffusion_mpc_ros.core.go2 import FOOT_RADIUS

Array = Any


@dataclass(frozen=True)
class Outcome:
    """An array ``(N, *shape)``: one value for each of N trajectories; ``(N, H, *shape)`` where ``by_row``.

    ``frame``: that of a vector, "" where there is none. Heights are above the ground.
    """

    name: str
    unit: str
    description: str
    shape: tuple[int, ...] = ()
    frame: str = ""
    by_row: bool = False


_ALL = (
    Outcome("base_height", "m", "height of the base, mean over the H rows"),
    Outcome("mechanical_power", "W", "sum of |torque x velocity| over the joints, mean over the H rows"),
    Outcome("foot_clearance", "m", "clearance of the foot that is highest at a tick, mean over the H rows"),
    Outcome("base_lin_vel", "m/s", "planar velocity of the base, mean over the H rows", (2,), "base"),
    Outcome("step_frequency", "Hz", "whole cycles of the gait, two diagonal steps each; 0 for who is told to stand"),
    # Means over the second after the trajectory, of sums over the joints; see training/costs_to_go.py.
    Outcome("joint_velocity_to_go", "rad^2/s^2", "squared joint speeds of the second after"),
    Outcome("joint_acceleration_to_go", "rad^2/s^4", "squared joint accelerations of the second after"),
    Outcome("energy_to_go", "W", "mechanical power of the second after"),
    Outcome("tilt_to_go", "rad", "tilt of the base in the second after"),
    Outcome("foot_positions", "m", "centres of the feet FR FL RR RL", (4, 3), "world", by_row=True),
)
OUTCOMES: dict[str, Outcome] = {outcome.name: outcome for outcome in _ALL}
COSTS_TO_GO = tuple(name for name in OUTCOMES if name.endswith("_to_go"))
# What :func:`measure` gives of a rollout as long as the plan.
MEASURED = frozenset({"base_height", "mechanical_power", "foot_clearance", "base_lin_vel", "foot_positions"})


def at_ticks(measured: Mapping[str, Array]) -> dict[str, Array]:
    """Those outcomes that are means over rows, at each tick: ``(N, L, *shape)`` of ticks ``(N, L, ...)``.

    ``measured``: ``base_height (N, L)`` [m], ``mechanical_power (N, L)`` [W], ``foot_height (N, L, 4)`` [m] of the
    feet's centres, ``base_lin_vel (N, L, 3)`` [m/s] in the base frame.
    """
    feet = measured["foot_height"]
    return {
        "base_height": measured["base_height"],
        "mechanical_power": measured["mechanical_power"],
        "foot_clearance": array_namespace(feet).max(feet, axis=-1) - FOOT_RADIUS,
        "base_lin_vel": measured["base_lin_vel"][..., :2],
    }


def measure(measured: Mapping[str, Array]) -> dict[str, Array]:
    """Return the :data:`MEASURED` outcomes of N rollouts of H ticks.

    ``measured``: as in :func:`at_ticks`, and ``foot_positions (N, H, 4, 3)`` [m], world.
    """
    means = {name: array_namespace(values).mean(values, axis=1) for name, values in at_ticks(measured).items()}
    return {**means, "foot_positions": measured["foot_positions"]}
