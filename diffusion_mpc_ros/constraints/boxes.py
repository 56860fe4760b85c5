"""Box constraints by name and their projection (arXiv 2510.04234, IV-A and V-B2, V-B4).

A box bounds one field of the trajectory rows; its bounds may differ from row to row. Several boxes combine by
intersection. Adding a constraint is one function and one entry of :data:`CONSTRAINTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN, JOINT_VEL_MAX
from diffusion_mpc_ros.core.parameters import JOINT_RANGE_MAX, JOINT_RANGE_MIN, Parameter
from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, JOINT_VEL, ROW_DIM

Bounds = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BoxConstraint:
    """``bounds(parameters, rows) -> (lower, upper)``, physical, each broadcastable to ``(rows, size of field)``."""

    name: str
    field: slice
    bounds: Callable[[Mapping[str, np.ndarray], int], Bounds]
    parameters: tuple[Parameter, ...]
    description: str


JOINT_VELOCITY_MAX = Parameter(
    "joint_velocity.max", tuple(JOINT_VEL_MAX.tolist()), 0.0, tuple(JOINT_VEL_MAX.tolist()), "rad/s",
    "largest joint speed",
)


def _joint_range(parameters: Mapping[str, np.ndarray], rows: int) -> Bounds:
    return parameters[JOINT_RANGE_MIN.name], parameters[JOINT_RANGE_MAX.name]


def _joint_velocity(parameters: Mapping[str, np.ndarray], rows: int) -> Bounds:
    maximum = parameters[JOINT_VELOCITY_MAX.name]
    return -maximum, maximum


_ALL = (
    BoxConstraint("joint_range", JOINT_POS, _joint_range, (JOINT_RANGE_MIN, JOINT_RANGE_MAX),
                  "joint positions within joint_range.min and joint_range.max"),
    BoxConstraint("joint_velocity", JOINT_VEL, _joint_velocity, (JOINT_VELOCITY_MAX,),
                  "joint speeds up to joint_velocity.max"),
)
CONSTRAINTS: dict[str, BoxConstraint] = {constraint.name: constraint for constraint in _ALL}


def get_constraint(name: str) -> BoxConstraint:
    """The constraint called ``name``; :class:`RewardError` lists the valid names."""
    if name not in CONSTRAINTS:
        raise RewardError(f"unknown constraint {name!r}; valid constraints: {', '.join(CONSTRAINTS)}")
    return CONSTRAINTS[name]


def box_bounds(names: Iterable[str], parameters: Mapping[str, np.ndarray], rows: int) -> Bounds:
    """Intersection of the named boxes and the joint limits of the actions, which always hold.

    -> physical ``lower, upper (rows, 57)``, infinite where free. ``parameters`` overrides the defaults by full name.
    Raises :class:`RewardError` for an unknown name or an empty intersection.
    """
    lower = np.full((rows, ROW_DIM), -np.inf)
    upper = np.full((rows, ROW_DIM), np.inf)
    lower[:, ACTION], upper[:, ACTION] = JOINT_POS_MIN, JOINT_POS_MAX
    for name in names:
        constraint = get_constraint(name)
        own = {p.name: parameters.get(p.name, p.default_array) for p in constraint.parameters}
        low, high = constraint.bounds(own, rows)
        lower[:, constraint.field] = np.maximum(lower[:, constraint.field], low)
        upper[:, constraint.field] = np.minimum(upper[:, constraint.field], high)
        if (lower[:, constraint.field] > upper[:, constraint.field]).any():
            raise RewardError(f"constraint {name!r} leaves nothing feasible: a lower bound is above an upper bound")
    return lower, upper


def project(trajectory, lower, upper):
    """Closest point of the box: ``trajectory (N, T, 57)`` clipped to ``lower, upper (T, 57)``, any array library."""
    xp = array_namespace(trajectory)
    return xp.minimum(xp.maximum(trajectory, lower), upper)
