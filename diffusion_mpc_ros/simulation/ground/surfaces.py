"""Surfaces that a ground is made of: each knows its heights and adds itself to a MuJoCo scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np

# What a surface's geoms are called: this, and a number.
GEOM_PREFIX = "floor"
# How deep a height field reaches below its lowest point [m]: no foot gets through in one step.
FIELD_BASE = 0.5
# Half the thickness of a box's part below its top [m].
BOX_DEPTH = 0.5
# Half the thickness [m] and the colour of a disc that marks the ground.
DISC_HALF, DISC_COLOUR = 0.002, (0.85, 0.35, 0.2, 1.0)
# So many points are compared with all boxes at a time: what that takes stays in the cache.
POINTS_AT_ONCE = 1024


@dataclass(frozen=True)
class Contact:
    """How a surface feels: ``grip``, its friction as a share of the world's; ``stiffness`` and ``damping`` of its give.

    These are MuJoCo's, per unit of mass [1/s^2, 1/s]; both 0: as hard as everything else.
    """

    grip: float = 1.0
    stiffness: float = 0.0
    damping: float = 0.0

    def apply(self, geom: mujoco.MjsGeom, friction: float) -> None:
        """Give it to ``geom`` in a world of ``friction``; the ground decides alone what a contact is like."""
        geom.friction = [self.grip * friction, 0.005, 0.0001]
        geom.priority = 1
        if self.stiffness:
            geom.solref = [-self.stiffness, -self.damping]
            geom.solimp = [SOFT_IMPEDANCE, SOFT_IMPEDANCE, 0.001, 0.5, 2.0]


# Impedance of a contact that gives way: constant, so that the depth follows the load.
SOFT_IMPEDANCE = 0.8
HARD = Contact()


class Surface(Protocol):
    """A part of the ground; the ground's height is that of its highest surface."""

    def height(self, points: np.ndarray) -> np.ndarray:
        """Heights ``(...)`` [m] at ``points (..., 2)`` [m]; -inf where it is not."""

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """Add its geoms, whose names begin with ``name``."""


@dataclass(frozen=True)
class Plane:
    """An endless plane through the origin that rises by ``slope`` [rad] along x."""

    slope: float = 0.0
    contact: Contact = HARD

    def height(self, points: np.ndarray) -> np.ndarray:
        """See :class:`Surface`."""
        return np.tan(self.slope) * points[..., 0]

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """See :class:`Surface`."""
        geom = spec.worldbody.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.05])
        if self.slope:
            geom.quat = [np.cos(self.slope / 2), 0.0, -np.sin(self.slope / 2), 0.0]
        self.contact.apply(geom, friction)


@dataclass(frozen=True)
class HeightField:
    """Heights ``(rows, columns)`` [m] on a grid of ``cell`` [m] round the origin; rows along y, columns along x."""

    heights: np.ndarray
    cell: float
    contact: Contact = HARD

    def height(self, points: np.ndarray) -> np.ndarray:
        """See :class:`Surface`; on the two triangles that MuJoCo makes of each cell."""
        rows, columns = self.heights.shape
        column = points[..., 0] / self.cell + (columns - 1) / 2
        row = points[..., 1] / self.cell + (rows - 1) / 2
        left = np.clip(np.floor(column).astype(np.intp), 0, columns - 2)
        low = np.clip(np.floor(row).astype(np.intp), 0, rows - 2)
        u, v = column - left, row - low
        h00, h10 = self.heights[low, left], self.heights[low, left + 1]
        h01, h11 = self.heights[low + 1, left], self.heights[low + 1, left + 1]
        lower = h00 + u * (h10 - h00) + v * (h11 - h10)
        upper = h00 + v * (h01 - h00) + u * (h11 - h01)
        inside = (u >= 0.0) & (u <= 1.0) & (v >= 0.0) & (v <= 1.0)
        return np.where(inside, np.where(u >= v, lower, upper), -np.inf)

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """See :class:`Surface`."""
        rows, columns = self.heights.shape
        lowest, elevation = float(self.heights.min()), float(np.ptp(self.heights))
        half = [0.5 * (count - 1) * self.cell for count in (columns, rows)]
        spec.add_hfield(
            name=name, nrow=rows, ncol=columns, size=[*half, max(elevation, 1e-6), FIELD_BASE],
            userdata=((self.heights - lowest) / max(elevation, 1e-6)).ravel(),
        )  # fmt: skip
        geom = spec.worldbody.add_geom(
            name=name, type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname=name, pos=[0.0, 0.0, lowest]
        )
        self.contact.apply(geom, friction)


@dataclass(frozen=True)
class Boxes:
    """Upright boxes: ``centres (n, 2)`` and ``half_sizes (n, 2)`` [m], ``tops (n,)`` [m]."""

    centres: np.ndarray
    half_sizes: np.ndarray
    tops: np.ndarray
    contact: Contact = HARD

    def height(self, points: np.ndarray) -> np.ndarray:
        """See :class:`Surface`."""
        heights = np.empty(points.shape[:-1])
        flat_points, flat_heights = points.reshape(-1, 2), heights.reshape(-1)
        for first in range(0, len(flat_points), POINTS_AT_ONCE):
            part = slice(first, first + POINTS_AT_ONCE)
            inside = (np.abs(flat_points[part, None] - self.centres) <= self.half_sizes).all(axis=-1)
            flat_heights[part] = np.where(inside, self.tops, -np.inf).max(axis=-1)
        return heights

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """See :class:`Surface`."""
        for index, top in enumerate(self.tops):
            geom = spec.worldbody.add_geom(
                name=f"{name}_{index}", type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[*self.half_sizes[index], BOX_DEPTH], pos=[*self.centres[index], top - BOX_DEPTH],
            )  # fmt: skip
            self.contact.apply(geom, friction)


@dataclass(frozen=True)
class Discs:
    """Discs of ``radius`` [m] round ``centres (n, 2)`` [m] that mark the ground for the eye; nothing touches them."""

    centres: np.ndarray
    radius: float

    def height(self, points: np.ndarray) -> np.ndarray:
        """See :class:`Surface`."""
        return np.full(points.shape[:-1], -np.inf)

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """See :class:`Surface`; their names do not begin with ``name``, as they are no part of the ground."""
        for index, centre in enumerate(self.centres):
            spec.worldbody.add_geom(
                name=f"disc_{index}", type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[self.radius, DISC_HALF, 0.0],
                pos=[*centre, DISC_HALF], rgba=DISC_COLOUR, contype=0, conaffinity=0,
            )  # fmt: skip


@dataclass(frozen=True)
class Rings:
    """Square rings round the origin, one between every two edges; those of height 0 are left to the plane below."""

    edges: np.ndarray  # (n + 1,) [m] from the origin, rising
    tops: np.ndarray  # (n,) [m]
    contact: Contact = HARD

    def height(self, points: np.ndarray) -> np.ndarray:
        """See :class:`Surface`."""
        ring = np.searchsorted(self.edges, np.abs(points).max(axis=-1), side="right") - 1
        inside = (ring >= 0) & (ring < len(self.tops))
        return np.where(inside, self.tops[np.clip(ring, 0, len(self.tops) - 1)], -np.inf)

    def add_to(self, spec: mujoco.MjSpec, name: str, friction: float) -> None:
        """See :class:`Surface`."""
        raised = self.tops > 0.0
        near, far = self.edges[:-1][raised], self.edges[1:][raised]
        middle, half, nothing = 0.5 * (near + far), 0.5 * (far - near), np.zeros_like(near)
        # Two sides that hold the corners and two between them.
        centres = [(middle, nothing), (-middle, nothing), (nothing, middle), (nothing, -middle)]
        sizes = [(half, far), (half, far), (near, half), (near, half)]
        sides = (np.concatenate([np.stack(side, axis=-1) for side in group]) for group in (centres, sizes))
        Boxes(*sides, np.tile(self.tops[raised], 4), self.contact).add_to(spec, name, friction)
