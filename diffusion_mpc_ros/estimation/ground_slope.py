"""Slope of the ground under the robot, from what it knows itself: its legs, which feet stand, the way of gravity."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.estimation.kinematics import foot_positions

# Time in contact [s] over which it is averaged where a foot stands: some steps.
AVERAGING_TIME = 0.5
# After so many ticks without a state it is another walk.
MAX_GAP = 25
# Added to the spread of the feet [m^2], of a standing Go2 0.15 and 0.08: feet in a row say nothing across it.
SPREAD = 1e-3


class GroundSlope:
    """Call :meth:`update` with the state of every control tick, of one robot or of B.

    Each foot stands, on average over its steps, somewhere relative to the base: as seen along the heading and against
    gravity, so that how the base itself is tilted does not count. The ground is the plane through the four.
    """

    def __init__(self) -> None:
        self._tick: int | None = None
        self._feet_h = np.empty(0)  # (..., 4, 3) [m] from the base; x along the heading, level, and z up

    def update(self, state: RobotState) -> np.ndarray:
        """Return the slope ``(..., 2)`` [rad] along the heading and across: positive where the ground rises ahead, to
        the left. It is NaN until every foot has stood.
        """
        feet_h = _feet_in_heading(state)
        elapsed = 0 if self._tick is None else state.tick - self._tick
        if self._tick is None or not 0 <= elapsed <= MAX_GAP:
            self._feet_h, elapsed = np.full_like(feet_h, np.nan), 0
        self._tick = state.tick
        share = np.where(np.isnan(self._feet_h), 1.0, min(elapsed * CONTROL_DT / AVERAGING_TIME, 1.0))
        stands = state.foot_contact[..., None] & np.isfinite(feet_h).all(axis=-1, keepdims=True)
        averaged = share * feet_h + (1.0 - share) * np.nan_to_num(self._feet_h)
        self._feet_h = np.where(stands, averaged, self._feet_h)
        return plane_slope(self._feet_h)


def _feet_in_heading(state: RobotState) -> np.ndarray:
    """Feet ``(..., 4, 3)`` [m] from the base, axes as the heading's."""
    x, y, z = np.moveaxis(rotations.rotate(state.base_quat_wxyz[..., None, :], foot_positions(state.joint_pos)), -1, 0)
    yaw = rotations.yaw(state.base_quat_wxyz)[..., None]
    return np.stack([np.cos(yaw) * x + np.sin(yaw) * y, np.cos(yaw) * y - np.sin(yaw) * x, z], axis=-1)


def plane_slope(points: np.ndarray) -> np.ndarray:
    """Angles ``(..., 2)`` [rad] at which the plane through ``points (..., n, 3)`` rises along x and along y."""
    x, y, z = np.moveaxis(points - points.mean(axis=-2, keepdims=True), -1, 0)
    xx, yy, xy = (x * x).sum(axis=-1) + SPREAD, (y * y).sum(axis=-1) + SPREAD, (x * y).sum(axis=-1)
    xz, yz = (x * z).sum(axis=-1), (y * z).sum(axis=-1)
    gradient = np.stack([yy * xz - xy * yz, xx * yz - xy * xz], axis=-1) / (xx * yy - xy * xy)[..., None]
    return np.arctan(gradient)
