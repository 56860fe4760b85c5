"""What messages of several kinds hold: vectors, stamps, numbers within bounds."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Vector3

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.go2 import MAX_TICK


def vector_message(vector: np.ndarray) -> Vector3:
    """Return ``(3,)`` as a Vector3."""
    x, y, z = (float(value) for value in vector)
    return Vector3(x=x, y=y, z=z)


def quaternion_message(quat_wxyz: np.ndarray) -> Quaternion:
    """Return ``(w, x, y, z)`` as the ROS quaternion."""
    w, x, y, z = (float(value) for value in quat_wxyz)
    return Quaternion(w=w, x=x, y=y, z=z)


def read_vector(message: Vector3) -> np.ndarray:
    """Return a Vector3 as ``(3,)``."""
    return np.array([message.x, message.y, message.z])


def stamp_ns(stamp: Time) -> int:
    """Return a stamp of any content [ns since 1970]."""
    return stamp.sec * 10**9 + stamp.nanosec


def float64(values: np.ndarray) -> np.ndarray:
    """Return ``values`` as float64."""
    return np.asarray(values, dtype=np.float64)


def check_tick(tick: int) -> None:
    """Raise MessageError for a tick that no robot's clock can tell."""
    if not 0 <= tick <= MAX_TICK:
        raise MessageError(f"tick {tick} is not within 0 .. {MAX_TICK}")


def check_bounded(name: str, values: np.ndarray | float, bound: float, unit: str) -> None:
    """Raise MessageError unless all ``values`` are finite and within +-``bound``, both in ``unit``."""
    # Any comparison with NaN is false.
    if not (np.abs(values) <= bound).all():
        raise MessageError(f"{name} {values} is not within +-{bound:g} {unit}")
