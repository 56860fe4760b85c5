"""The links of the robot as somebody draws them: how they hang on each other, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """A coloured surface in the frame of its link.

    ``vertices (V, 3)`` [m], ``faces (F, 3)`` indices of vertices, ``color (3,)`` red, green, blue in 0 .. 1.
    """

    vertices: np.ndarray
    faces: np.ndarray
    color: np.ndarray


@dataclass(frozen=True)
class Link:
    """One rigid part; the list of all has the base first, then the link that each joint moves, in project order.

    ``parent``: its index in the list, -1 for the base; ``offset (3,)`` [m] of its origin and ``axis (3,)`` of its joint
    in the parent's frame.
    """

    name: str
    parent: int
    offset: np.ndarray
    axis: np.ndarray
    meshes: tuple[Mesh, ...] = ()


def joint_quaternions(links: Sequence[Link], joint_pos: np.ndarray) -> np.ndarray:
    """Orientation ``(12, 4)``, ``(w, x, y, z)``, of each moved link in its parent at ``joint_pos (12,)`` [rad]."""
    axes = np.stack([link.axis for link in links[1:]])
    half = 0.5 * joint_pos[:, None]
    return np.concatenate([np.cos(half), axes * np.sin(half)], axis=1)
