"""Crate climbing: onto a box up to twice as high as the robot stands (arXiv 2409.15610, Appendix B, Table V).

The scene is the ground ``crate:HEIGHT`` (:mod:`simulation.ground.kinds`); trunk, head and legs collide with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT, FOOT_RADIUS
from diffusion_mpc_ros.planners.dial_mpc.task import ControlRange, heading_error, upright
from diffusion_mpc_ros.simulation.batch_state import BatchState
from diffusion_mpc_ros.simulation.ground.kinds import CRATE_CENTRE, CRATE_HALF_SIZE

# The head in the base's frame [m], and how far it is to be beyond the crate's middle and above its top [m].
HEAD_B, HEAD_BEYOND, HEAD_ABOVE = np.array([0.285, 0.0, 0.0]), 0.15, 0.27
# A sole so far [m] above or below the top stands on it; that of the authors' code is measured at the foot's centre,
# which a foot of their radius that stands on the crate misses.
ON_TOP, ON_TOP_AS_PUBLISHED = 0.02, 0.01
# On the crate: all feet, the base level within [rad] and above the top by [m], for so long without a break.
LEVEL, STANDS_ABOVE, LASTS_TICKS = 0.5, 0.15, round(0.5 / CONTROL_DT)
# The authors' range of the thighs begins at -1 rad for all legs, which the rear ones cannot reach.
_FRONT = ((-0.25, 0.25), (-1.0, 1.8), (-2.7, -1.0))
_REAR = ((-0.25, 0.25), (-0.5, 1.8), (-2.7, -1.0))


@dataclass(frozen=True)
class Climbing:
    """Stand on a crate of ``height`` [m]. ``as_published``: feet count as in the authors' code."""

    height: float
    as_published: bool = False
    control_range: ControlRange = ControlRange.of_legs(_FRONT, _REAR)

    def score(self, ticks: BatchState, begin: int) -> np.ndarray:
        """See :class:`task.Task`: weights of the authors' code."""
        head = ticks.base_pos + rotations.rotate(ticks.base_quat_wxyz, HEAD_B)
        goal = np.array([CRATE_CENTRE[0] + HEAD_BEYOND, CRATE_CENTRE[1], self.height + HEAD_ABOVE])
        error = ((head - goal) ** 2).sum(axis=-1) + 0.01 * upright(ticks) + 0.3 * heading_error(ticks, 0.0)
        return (0.02 * self.on_top(ticks).sum(axis=-1) - error).mean(axis=-1)

    def fallen(self, ticks: BatchState) -> np.ndarray:
        """See :class:`task.Task`: who climbs may lie on the edge, steeper than any walk; on its back it has fallen."""
        return rotations.tilt(ticks.projected_gravity_b) > np.pi / 2

    def on_top(self, ticks: BatchState) -> np.ndarray:
        """Return which feet ``(..., 4)`` bool are on the crate's top."""
        over = (np.abs(ticks.foot_pos[..., :2] - CRATE_CENTRE) <= CRATE_HALF_SIZE).all(axis=-1)
        above = ticks.foot_pos[..., 2] - self.height
        near = abs(above) < ON_TOP_AS_PUBLISHED if self.as_published else abs(above - FOOT_RADIUS) < ON_TOP
        return over & near

    def stands(self, ticks: BatchState) -> np.ndarray:
        """Return at which ticks ``(...)`` bool the robot stands on the crate: feet, not only the base."""
        feet = Climbing(self.height).on_top(ticks).all(axis=-1)
        level = rotations.tilt(ticks.projected_gravity_b) < LEVEL
        return feet & level & (ticks.base_pos[..., 2] - self.height > STANDS_ABOVE)

    def stood(self, done: Sequence[BatchState]) -> bool:
        """Return whether a robot that did ``done``, parts of ``(T,)`` ticks, stood there for the last half second."""
        last = np.concatenate([self.stands(part) for part in done[-LASTS_TICKS:]])[-LASTS_TICKS:]
        return len(last) == LASTS_TICKS and bool(last.all())
