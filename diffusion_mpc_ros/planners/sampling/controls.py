"""Joint targets as what is searched over: controls in [-1, 1] round the default pose."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core import go2

# (12,) [rad], what a control of 1 is away from the default pose: about the authors' ranges of hip, thigh and calf.
CONTROL_RANGE = np.tile([0.5, 0.5, 0.65], 4)


def to_targets(controls: np.ndarray) -> np.ndarray:
    """Joint targets ``(..., 12)`` [rad] of controls in [-1, 1], which are 0 at the default pose."""
    return go2.clip_joint_targets(go2.DEFAULT_JOINT_POS + CONTROL_RANGE * controls)


def to_controls(targets: np.ndarray) -> np.ndarray:
    """Return the controls ``(..., 12)`` of joint targets [rad], clipped to [-1, 1]."""
    return np.clip((targets - go2.DEFAULT_JOINT_POS) / CONTROL_RANGE, -1.0, 1.0)
