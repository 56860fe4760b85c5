"""The ground of a simulated world: made from a name, a difficulty and a seed, the same for all who ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.ground.kinds import KINDS, Kind
from diffusion_mpc_ros.simulation.ground.surfaces import GEOM_PREFIX, Surface

# Over this distance [m], about that of a robot's feet, the ground's inclination is taken.
INCLINATION_HALF = 0.2


@dataclass(frozen=True)
class Ground:
    """A ``kind`` of ground at a ``difficulty`` in the kind's unit; the same ``seed`` gives the same ground."""

    kind: Kind = KINDS["flat"]
    difficulty: float = 0.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Ground:
        """Read ``NAME[:DIFFICULTY][@SEED]``.

        The difficulty is in the kind's unit, or ``50%`` of the way from its easiest to its hardest. Raises
        :class:`ConfigurationError` naming what there is.
        """
        rest, at, seed = text.partition("@")
        name, separator, number = rest.partition(":")
        if name not in KINDS:
            raise ConfigurationError(f"ground {name!r} is none of {', '.join(KINDS)}")
        kind = KINDS[name]
        try:
            difficulty = kind.default if not separator else _difficulty(kind, number)
        except ValueError:
            raise ConfigurationError(f"difficulty {number!r} of ground {name!r} is no number: {_range(kind)}") from None
        low, high = sorted((kind.easiest, kind.hardest))
        if not low <= difficulty <= high:
            raise ConfigurationError(f"difficulty {number} of ground {name!r} is out of range: {_range(kind)}")
        if at and not seed.isdecimal():
            raise ConfigurationError(f"the seed of ground {text!r} is no whole number from 0 on: {seed!r}")
        return cls(kind, difficulty, int(seed or 0))

    def __str__(self) -> str:
        difficulty = "" if self.kind.hardest == self.kind.easiest else f":{self.difficulty:g}"
        return f"{self.kind.name}{difficulty}" + (f"@{self.seed}" if self.seed else "")

    @property
    def flat(self) -> bool:
        """Whether its height is 0 everywhere."""
        return self.kind.name in ("flat", "soft", "slippery")

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """What it is made of."""
        return tuple(self.kind.make(self.difficulty, np.random.default_rng(self.seed)))

    def height(self, points: np.ndarray) -> np.ndarray:
        """Heights ``(...)`` [m] at ``points (..., 2)`` [m] of the world; of soft ground where nobody stands on it."""
        if self.flat:
            return np.zeros(points.shape[:-1])
        heights = self.surfaces[0].height(points)
        for surface in self.surfaces[1:]:
            heights = np.maximum(heights, surface.height(points))
        return heights

    def normal(self, points: np.ndarray) -> np.ndarray:
        """Return unit normals ``(..., 3)`` of the ground round ``points (..., 2)``, over the size of a robot."""
        slopes = [
            (self.height(points + step) - self.height(points - step)) / (2.0 * INCLINATION_HALF)
            for step in INCLINATION_HALF * np.eye(2)
        ]
        normals = np.stack([-slopes[0], -slopes[1], np.ones_like(slopes[0])], axis=-1)
        return normals / np.linalg.norm(normals, axis=-1, keepdims=True)

    def orientation(self, points: np.ndarray, heading: np.ndarray) -> np.ndarray:
        """Quaternions ``(..., 4)`` parallel to the ground at ``points (..., 2)``, turned to ``heading (...)`` [rad]."""
        yaw = np.stack([np.cos(heading / 2), 0 * heading, 0 * heading, np.sin(heading / 2)], axis=-1)
        if self.flat:
            return yaw
        normal = self.normal(points)
        # The shortest turn from the vertical to the normal, (1 + n_z, z x n), then the heading before it.
        turn = np.stack([1.0 + normal[..., 2], -normal[..., 1], normal[..., 0], 0 * heading], axis=-1)
        turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
        return _product(turn, yaw)

    def starts(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Where ``count`` robots start: points ``(count, 2)`` [m] and headings ``(count,)`` [rad]."""
        heading = rng.uniform(-np.pi, np.pi, size=count)
        if self.kind.heading is not None:
            heading = np.full(count, self.kind.heading)
        points = np.zeros((count, 2))
        if self.kind.spread:
            points = rng.uniform(-self.kind.spread, self.kind.spread, size=(count, 2))
        return points, heading

    def add_to(self, spec: mujoco.MjSpec, friction: float) -> None:
        """Add its geoms to a scene: ``floor``, ``floor_1``, ..."""
        for index, surface in enumerate(self.surfaces):
            surface.add_to(spec, f"{GEOM_PREFIX}_{index}" if index else GEOM_PREFIX, friction)

    def triangles(self, half_size: float, cell: float) -> np.ndarray:
        """Corners ``(n, 3, 3)`` [m] of triangles that show it round the origin, for whoever draws it."""
        axis = np.arange(-half_size, half_size + 0.5 * cell, cell)
        points = np.stack(np.meshgrid(axis, axis), axis=-1)
        corners = np.concatenate([points, self.height(points)[..., None]], axis=-1)
        a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]
        return np.stack([np.stack([a, b, c], axis=-2), np.stack([a, c, d], axis=-2)], axis=2).reshape(-1, 3, 3)


FLAT = Ground()


def _difficulty(kind: Kind, number: str) -> float:
    return kind.at(float(number[:-1]) / 100.0) if number.endswith("%") else float(number)


def _range(kind: Kind) -> str:
    return f"{kind.easiest:g} (easiest) .. {kind.hardest:g} (hardest) {kind.unit}, or 0% .. 100%"


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Quaternions of the turn ``second`` followed by ``first``, both ``(..., 4)`` wxyz."""
    w, xyz, v, uvw = first[..., :1], first[..., 1:], second[..., :1], second[..., 1:]
    scalar = w * v - np.sum(xyz * uvw, axis=-1, keepdims=True)
    return np.concatenate([scalar, w * uvw + v * xyz + np.cross(xyz, uvw)], axis=-1)
