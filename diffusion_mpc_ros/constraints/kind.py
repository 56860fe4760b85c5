"""What a kind of set is: bounds, a projection onto the set, how far a trajectory is outside. One file each.

A set holds trajectories by their fields (:data:`core.trajectory.FIELDS`), each ``(N, T, size)``, and each row of them
has bounds of its own: what varies from row to row varies in time. Projections are written against the Python array
API: the same function runs in NumPy, and in the guided step that is exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from diffusion_mpc_ros.core.go2 import WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.core.trajectory import FIELDS, ROW_DIM

Array = Any
Fields = Mapping[str, Array]  # by name of a field, (N, T, size)
Bounds = Mapping[str, Array]  # by name of a bound, (T, size)
Parameters = Mapping[str, np.ndarray]  # by full name

# Stands for "no bound" where infinity cannot: in the single precision of a graph, in units of the field or N m.
FREE_BOUND = 1e6


@dataclass(frozen=True)
class Units:
    """The units of fields: ``physical = scale * value + offset``, ``(57,)`` each, of any array library.

    What is nearest is measured in them: in those of a normaliser, where data varies most it gives way most.
    """

    offset: Array
    scale: Array

    def scale_of(self, field: str) -> Array:
        """Return the scale of ``field``, ``(size,)``."""
        return self.scale[FIELDS[field]]

    def physical(self, field: str, values: Array) -> Array:
        """``values (N, T, size)`` of ``field`` in physical units."""
        return values * self.scale[FIELDS[field]] + self.offset[FIELDS[field]]


PHYSICAL = Units(np.zeros(ROW_DIM), np.ones(ROW_DIM))


@dataclass(frozen=True)
class Bound:
    """An array ``(T, size)`` that bounds describe a set by; ``free`` binds nothing.

    ``entries``: of a row, those in whose units the bound is; None for physical units, whatever those of the fields.
    """

    name: str
    size: int
    free: float
    entries: slice | None = None

    def in_units(self, bound: np.ndarray, units: Units) -> np.ndarray:
        """``bound``, physical, in ``units``; infinity becomes :data:`FREE_BOUND`."""
        if self.entries is not None:
            bound = (bound - units.offset[self.entries]) / units.scale[self.entries]
        return np.clip(bound, -FREE_BOUND, FREE_BOUND)


@dataclass(frozen=True)
class Constraint:
    """What an operator asks for by name.

    ``restrict(bounds, parameters, ticks)`` narrows ``bounds`` in place; ``ticks (T,)`` are those of the rows.
    ``field``: where :func:`constraints.registry.violation` shows that it is not kept, in ``unit``; less than
    ``tolerance`` of it does not count. ``period(parameters)``: after so many ticks the bounds repeat themselves.
    ``check(bounds, parameters)`` raises :class:`RewardError` for what cannot be kept together with the others.
    """

    name: str
    restrict: Callable[[dict[str, np.ndarray], Parameters, np.ndarray], None]
    parameters: tuple[Parameter, ...]
    description: str
    field: str
    unit: str
    tolerance: float
    period: Callable[[Parameters], int] = lambda parameters: 1
    check: Callable[[Bounds, Parameters], None] = lambda bounds, parameters: None


class Kind(Protocol):
    """A kind of set: its ``bounds``, and the ``constraints`` that ask for one."""

    name: str
    bounds: tuple[Bound, ...]
    constraints: tuple[Constraint, ...]

    def project(self, fields: Fields, bounds: Bounds, units: Units) -> Fields:
        """Return the closest point of the set; ``fields`` and ``bounds`` in ``units`` (:meth:`Bound.in_units`)."""
        ...

    def excess(self, fields: Fields, bounds: Bounds) -> dict[str, Array]:
        """How far ``fields`` are outside, by the field where it shows, ``(N, T, size)``, physical: 0 inside."""
        ...

    def binds(self, bounds: Bounds) -> Array:
        """Whether ``bounds``, with :data:`FREE_BOUND`, couple or restrict more than joint targets: ``()`` bool."""
        ...

    def example(self, noise: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Bounds that bind, in units of a normaliser, from standard normal ``noise`` of their shapes."""
        ...

    def settle(self, bounds: dict[str, np.ndarray]) -> None:
        """Make of ``bounds`` that were narrowed, all kinds together, what projections one by one fulfil; in place.

        Raises :class:`RewardError` when nothing is left.
        """
        return None

    def release(self, bounds: dict[str, np.ndarray], row: int) -> None:
        """Free the observation of ``row``, which is known: moving it would only move its target. In place."""
        return None


# How far a joint target goes along with what moves, so that the torque of the PD law stays the same.
_TARGET_SHARES = {"joint_pos": 1.0, "joint_vel": WALKING_KD / WALKING_KP}


def with_targets(fields: Fields, moved: Fields, units: Units) -> dict[str, Array]:
    """``fields`` with the joint positions or speeds ``moved``; the joint targets go along.

    The torque stays the same: it is still within its limit, and the robot is told to do what the plan shows.
    """
    shift = sum(
        share * units.scale_of(name) * (moved[name] - fields[name])
        for name, share in _TARGET_SHARES.items()
        if name in moved
    )
    return {**fields, **moved, "action": fields["action"] + shift / units.scale_of("action")}
