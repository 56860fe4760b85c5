"""The kinds of sets and the constraints by name. A new kind is a file of this package and a line in :data:`KINDS`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from diffusion_mpc_ros.constraints.band import Band
from diffusion_mpc_ros.constraints.box import Box, clip, restrict_box
from diffusion_mpc_ros.constraints.kind import (
    PHYSICAL,
    Array,
    Bound,
    Bounds,
    Constraint,
    Fields,
    Kind,
    Parameters,
    Units,
)
from diffusion_mpc_ros.constraints.torque import TorqueLimit
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.trajectory import ACTION

KINDS: dict[str, Kind] = {}
CONSTRAINTS: dict[str, Constraint] = {}
# Projected onto last: it holds the joint limits of the actions, which hold whatever else is asked for.
BOX = Box()


def register(kind: Kind) -> None:
    """Take up ``kind`` with its constraints; sets are projected onto in this order, :data:`BOX` last."""
    KINDS[kind.name] = kind
    CONSTRAINTS.update({constraint.name: constraint for constraint in kind.constraints})


for _kind in (BOX, TorqueLimit(), Band()):
    register(_kind)


def projected_kinds() -> list[Kind]:
    """Return the kinds in the order in which they are projected onto."""
    return [*(kind for kind in KINDS.values() if kind is not BOX), BOX]


def known_bounds() -> dict[str, Bound]:
    """Return the bounds of all kinds by name, in the order in which the kinds were registered."""
    return {bound.name: bound for kind in KINDS.values() for bound in kind.bounds}


def get_constraint(name: str) -> Constraint:
    """Return the constraint called ``name``; :class:`RewardError` lists the valid names."""
    if name not in CONSTRAINTS:
        raise RewardError(f"unknown constraint {name!r}; valid constraints: {', '.join(CONSTRAINTS)}")
    return CONSTRAINTS[name]


def kind_of(name: str) -> Kind:
    """Return the kind of set that the constraint ``name`` asks for; raises as :func:`get_constraint`."""
    constraint = get_constraint(name)
    return next(kind for kind in KINDS.values() if constraint in kind.constraints)


def free_bounds(rows: int) -> dict[str, np.ndarray]:
    """Bounds ``(T, size)`` of ``rows`` rows that bind nothing."""
    return {name: np.full((rows, bound.size), bound.free) for name, bound in known_bounds().items()}


def feasible_bounds(names: Iterable[str], parameters: Parameters, ticks: np.ndarray) -> dict[str, np.ndarray]:
    """Bounds of what the named constraints and the joint limits of the actions allow at ``ticks (T,)``, physical.

    ``parameters`` overrides the defaults by full name. Raises :class:`RewardError` for an unknown name, or, naming the
    constraint, when nothing is left.
    """
    bounds = free_bounds(len(ticks))
    restrict_box(bounds, ACTION, JOINT_POS_MIN, JOINT_POS_MAX)
    for name in names:
        constraint = get_constraint(name)
        try:
            constraint.restrict(bounds, _own(constraint, parameters), ticks)
            for kind in KINDS.values():
                kind.settle(bounds)
        except RewardError as error:
            raise RewardError(f"constraint {name!r}: {error}") from None
    return bounds


def _own(constraint: Constraint, parameters: Parameters) -> dict[str, np.ndarray]:
    return {p.name: parameters.get(p.name, p.default_array) for p in constraint.parameters}


def check_feasible(names: Iterable[str], parameters: Parameters) -> None:
    """Raise :class:`RewardError` when at some time the named constraints leave nothing, or one cannot be kept."""
    constraints = [get_constraint(name) for name in names]
    ticks = max((each.period(_own(each, parameters)) for each in constraints), default=1)
    bounds = feasible_bounds([each.name for each in constraints], parameters, np.arange(ticks))
    for constraint in constraints:
        constraint.check(bounds, _own(constraint, parameters))


def release_observation(bounds: dict[str, np.ndarray], row: int) -> None:
    """Free the observation of ``row``, in place: it is known."""
    for kind in KINDS.values():
        kind.release(bounds, row)


def bounds_in(bounds: Bounds, units: Units) -> dict[str, np.ndarray]:
    """Physical ``bounds`` in ``units``, finite."""
    return {name: bound.in_units(bounds[name], units) for name, bound in known_bounds().items()}


def project(fields: Fields, bounds: Bounds, units: Units = PHYSICAL) -> Fields:
    """``fields``, each ``(N, T, size)``, moved into the sets of ``bounds``; both in ``units``, any array library.

    Kind after kind (arXiv 2510.04234, IV-A): the later ones hold exactly, :data:`BOX` with the joint limits always.
    """
    for kind in projected_kinds():
        fields = kind.project(fields, bounds, units)
    return fields


def project_box(rows: Array, bounds: Bounds) -> Array:
    """``rows (N, T, 57)`` clipped: the same as :func:`project` where nothing is :func:`coupled`, and quicker."""
    return clip(rows, bounds["lower"], bounds["upper"])


def violation(fields: Fields, bounds: Bounds) -> dict[str, Array]:
    """How far ``fields`` are outside the sets of ``bounds``, physical, by field ``(N, T, size)``: 0 exactly inside.

    ``fields`` may be those of a plan, or of a walk: what a robot did not say (``action``) is then missing, and
    ``joint_torque`` [N m] measured.
    """
    outside: dict[str, Array] = {}
    for kind in KINDS.values():
        for name, excess in kind.excess(fields, bounds).items():
            outside[name] = outside[name] + excess if name in outside else excess
    return outside


def penalty(fields: Fields, bounds: Bounds) -> Array:
    """How far ``fields`` are outside of ``bounds``, in tolerances of constraints: entries summed, rows averaged.

    Of fields ``(..., T, size)``: ``(...)``. What no constraint restricts has no tolerance and does not count: the joint
    limits of the actions.
    """
    tolerances = {constraint.field: constraint.tolerance for constraint in CONSTRAINTS.values()}
    excess = {name: values for name, values in violation(fields, bounds).items() if name in tolerances}
    return np.sum([values.sum(axis=-1).mean(axis=-1) / tolerances[name] for name, values in excess.items()], axis=0)


def coupled(bounds: Bounds) -> Array:
    """Whether ``bounds`` ask for more than :data:`BOX` on single entries: ``()`` bool, of their array library."""
    binding = [kind.binds(bounds) for kind in KINDS.values()]
    result = binding[0]
    for each in binding[1:]:
        result = result | each
    return result
