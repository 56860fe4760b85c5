"""A declared robot in a compiled model: fields are patched in a copy, nothing is compiled."""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.model import ModelIndices
from diffusion_mpc_ros.simulation.randomization import add_payload


def declare(model: mujoco.MjModel, declared: DeclaredModel) -> mujoco.MjModel:
    """Return a copy of ``model``, the Go2 on flat ground, as ``declared``; its ground goes through the origin.

    The heights of that ground are ``declared.ground_height``.
    """
    changed, indices = copy.copy(model), ModelIndices.of(model)
    if declared.payload_mass:
        add_payload(changed, indices.base, declared.payload_mass, np.array(declared.payload_position))
    motors.weaken(changed, indices.actuators, np.array(declared.motor_strength))
    changed.geom_friction[indices.ground, 0] = declared.friction
    if declared.slope:
        # The shortest turn from the vertical to the normal.
        x, y, z = declared.normal
        turn = np.array([1.0 + z, -y, x, 0.0])
        changed.geom_quat[indices.ground] = turn / np.linalg.norm(turn)
        # Else MuJoCo takes the frame of the geom for that of its body, and the plane stays level.
        changed.geom_sameframe[indices.ground] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
    return changed
