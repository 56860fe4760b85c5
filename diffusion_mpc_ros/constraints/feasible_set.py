"""Sets of feasible trajectories and the projection onto them (arXiv 2510.04234, IV-A, V-B2, V-B4, and past the paper).

Four kinds, each row of the trajectory with bounds of its own: a box on any field; the torque of the PD law, which
couples position, velocity and action of a joint; a band that a joint position keeps out of, which is not convex; and
by bounds that differ from row to row, ranges that vary in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, OBSERVATION, ROW_DIM

Array = Any


@dataclass
class FeasibleSet:
    """What T trajectory rows may hold, physical units, infinite where free; constraints narrow it in place.

    ``lower, upper (T, 57)``; ``torque_max (T, 12)`` [N m]; joint positions strictly between ``band_lower`` and
    ``band_upper (T, 12)`` [rad] are not feasible, an empty band where the two are equal.
    """

    lower: np.ndarray
    upper: np.ndarray
    torque_max: np.ndarray
    band_lower: np.ndarray
    band_upper: np.ndarray

    @classmethod
    def free(cls, rows: int) -> FeasibleSet:
        """Nothing but the joint limits of the actions, which always hold."""
        lower, upper = np.full((rows, ROW_DIM), -np.inf), np.full((rows, ROW_DIM), np.inf)
        lower[:, ACTION], upper[:, ACTION] = JOINT_POS_MIN, JOINT_POS_MAX
        joints = rows, NUM_JOINTS
        return cls(lower, upper, np.full(joints, np.inf), np.zeros(joints), np.zeros(joints))

    def bound(self, field: slice, lower: np.ndarray, upper: np.ndarray) -> None:
        """Intersect with a box on ``field``; bounds broadcast to ``(T, size of the field)``."""
        self.lower[:, field] = np.maximum(self.lower[:, field], lower)
        self.upper[:, field] = np.minimum(self.upper[:, field], upper)
        self._settle()

    def limit_torque(self, maximum: np.ndarray) -> None:
        """Intersect with ``|kp (a - q) - kd dq| <= maximum``, which broadcasts to ``(T, 12)`` [N m]."""
        self.torque_max = np.minimum(self.torque_max, maximum)

    def keep_out(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Take the open band ``(lower, upper)``, which broadcasts to ``(T, 12)`` [rad], out of the joint positions."""
        self.band_lower[...], self.band_upper[...] = lower, upper
        self._settle()

    def free_observation(self, row: int) -> None:
        """Neither box nor band on the observation of ``row``, which is known: moving it would only move its target."""
        self.lower[row, OBSERVATION], self.upper[row, OBSERVATION] = -np.inf, np.inf
        self.band_lower[row] = self.band_upper[row] = 0.0

    def _settle(self) -> None:
        """Move a bound that lies inside the band to its end: the band first and the box then is a projection.

        Where the whole range of a joint lies inside, the band gives way: on the ramp from one range to another, on its
        other side, the robot has to pass.
        """
        if (self.lower > self.upper).any():
            raise RewardError("nothing feasible is left: a lower bound is above an upper bound")
        low, high = self.lower[:, JOINT_POS], self.upper[:, JOINT_POS]  # views
        blocked = (self.band_lower < low) & (high < self.band_upper)
        self.band_lower[blocked] = self.band_upper[blocked] = 0.0
        for ends, end in ((low, self.band_upper), (high, self.band_lower)):
            inside = (self.band_lower < ends) & (ends < self.band_upper)
            ends[inside] = end[inside]


def project_box(values: Array, lower: Array, upper: Array) -> Array:
    """Closest point of the box, any array library; the bounds broadcast against ``values``."""
    xp = array_namespace(values)
    return xp.minimum(xp.maximum(values, lower), upper)


def project_out_of_band(values: Array, lower: Array, upper: Array) -> Array:
    """``values`` strictly between ``lower`` and ``upper`` move to the nearer end, any array library."""
    xp = array_namespace(values)
    inside = (lower < values) & (values < upper)
    nearer = xp.where(values - lower < upper - values, lower, upper)
    return xp.where(inside, nearer, values)


def project_torque(
    joint_pos: Array, joint_vel: Array, action: Array, maximum: Array, scales: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Closest ``(q, dq, a)``, each ``(N, T, 12)``, with ``|kp (a - q) - kd dq| <= maximum``; any array library.

    Distances are measured in units of ``scales``, those of position, velocity and action: the standard deviations of
    the data, so that what varies most gives way most. The set is a slab between two planes, the way to it is along
    their normal.
    """
    xp = array_namespace(action)
    torque = WALKING_KP * (action - joint_pos) - WALKING_KD * joint_vel
    excess = torque - xp.minimum(xp.maximum(torque, -maximum), maximum)
    # The torque's slope by each of the three, times its squared unit: the direction of the shortest way.
    slopes = (-WALKING_KP, -WALKING_KD, WALKING_KP)
    directions = [slope * scale * scale for slope, scale in zip(slopes, scales)]
    step = excess / sum(slope * direction for slope, direction in zip(slopes, directions))
    return tuple(value - step * direction for value, direction in zip((joint_pos, joint_vel, action), directions))
