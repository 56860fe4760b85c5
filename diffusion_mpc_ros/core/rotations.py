"""Rotations; quaternions are ``(w, x, y, z)`` everywhere in the project, reordered only in ROS messages."""

from __future__ import annotations

import numpy as np


def rotate(quat_wxyz: np.ndarray, vector_b: np.ndarray) -> np.ndarray:
    """Base vectors ``(..., 3)`` expressed in the world frame, by the orientation ``quat_wxyz (..., 4)`` of the base."""
    return rotate_inverse(quat_wxyz * np.array([1.0, -1.0, -1.0, -1.0]), vector_b)


def rotate_inverse(quat_wxyz: np.ndarray, vector_w: np.ndarray) -> np.ndarray:
    """World vectors ``(..., 3)`` expressed in the base frame whose orientation is ``quat_wxyz (..., 4)``."""
    w, xyz = quat_wxyz[..., :1], quat_wxyz[..., 1:]
    turned = _cross(xyz, vector_w)
    return vector_w - 2.0 * w * turned + 2.0 * _cross(xyz, turned)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cross products ``(..., 3)``: numpy.cross, without what takes it longer than the arithmetic on small arrays."""
    x, y, z = first[..., 0], first[..., 1], first[..., 2]
    u, v, w = second[..., 0], second[..., 1], second[..., 2]
    product = np.empty((*np.broadcast_shapes(x.shape, u.shape), 3), np.result_type(first, second))
    product[..., 0], product[..., 1], product[..., 2] = y * w - z * v, z * u - x * w, x * v - y * u
    return product


def projected_gravity(quat_wxyz: np.ndarray) -> np.ndarray:
    """Return unit gravity direction in the base frame, ``(..., 4) -> (..., 3)``; ``(0, 0, -1)`` when level."""
    quat = np.asarray(quat_wxyz)
    w, x, y, z = (quat[..., index] for index in range(4))
    gravity = np.empty((*quat.shape[:-1], 3))
    gravity[..., 0] = -2.0 * (x * z - w * y)
    gravity[..., 1] = -2.0 * (y * z + w * x)
    gravity[..., 2] = -(1.0 - 2.0 * (x * x + y * y))
    return gravity


def tilt(projected_gravity_b: np.ndarray) -> np.ndarray:
    """Return angle [rad] between the base's z axis and the vertical, ``(..., 3) -> (...)``."""
    return np.arccos(np.clip(-projected_gravity_b[..., 2], -1.0, 1.0))


def rotation_matrix(quat_wxyz: np.ndarray) -> np.ndarray:
    """Rotation matrix base -> world ``(3, 3)`` of one quaternion ``(4,)``."""
    # Plain floats: a quarter of the time of arrays of three.
    w, x, y, z = quat_wxyz.tolist()
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def yaw(quat_wxyz: np.ndarray) -> np.ndarray:
    """Heading [rad] in the world frame, ``(..., 4) -> (...)``."""
    w, x, y, z = np.moveaxis(np.asarray(quat_wxyz), -1, 0)
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
