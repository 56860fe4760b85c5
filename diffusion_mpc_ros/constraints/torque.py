"""Torques of the PD law, which couple position, speed and target of a joint: a slab between two planes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from array_api_compat import array_namespace

from diffusion_mpc_ros.constraints.kind import (
    FREE_BOUND,
    Array,
    Bound,
    Bounds,
    Constraint,
    Fields,
    Kind,
    Parameters,
    Units,
)
from diffusion_mpc_ros.core.go2 import JOINT_TORQUE_MAX, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.parameters import Parameter

TORQUE_MAX = Parameter(
    "torque.max",
    tuple(JOINT_TORQUE_MAX.tolist()),
    1.0,
    tuple(JOINT_TORQUE_MAX.tolist()),
    "N m",
    "largest joint torque by the PD law",
)
# The fields that a torque depends on, and its slope by each.
SLOPES = {"joint_pos": -WALKING_KP, "joint_vel": -WALKING_KD, "action": WALKING_KP}


def pd_torque(fields: Fields) -> Array:
    """``kp (a - q) - kd dq`` [N m], ``(N, T, 12)``, of fields in physical units."""
    return WALKING_KP * (fields["action"] - fields["joint_pos"]) - WALKING_KD * fields["joint_vel"]


def torque(bounds: dict[str, np.ndarray], parameters: Parameters, ticks: np.ndarray) -> None:
    """``|kp (a_t - q_t) - kd dq_t| <= torque_max``."""
    bounds["torque_max"][...] = np.minimum(bounds["torque_max"], parameters[TORQUE_MAX.name])


class TorqueLimit(Kind):
    """``|kp (a - q) - kd dq| <= torque_max``, ``(T, 12)`` [N m]."""

    name = "torque"
    bounds = (Bound("torque_max", NUM_JOINTS, np.inf),)
    constraints = (
        Constraint(
            "torque", torque, (TORQUE_MAX,), "joint torques by the PD law up to torque.max", "joint_torque", "N m", 0.5
        ),
    )

    def project(self, fields: Fields, bounds: Bounds, units: Units) -> Fields:
        """Along the normal of the nearer plane: the shortest way, where it is long."""
        physical = {name: units.physical(name, fields[name]) for name in SLOPES}
        scales = {name: units.scale_of(name) for name in SLOPES}
        torque, maximum = pd_torque(physical), bounds["torque_max"]
        xp = array_namespace(torque)
        excess = torque - xp.minimum(xp.maximum(torque, -maximum), maximum)
        # The torque's slope by each of the three, times its squared unit: the direction of the shortest way.
        directions = {name: slope * scales[name] * scales[name] for name, slope in SLOPES.items()}
        step = excess / sum(slope * directions[name] for name, slope in SLOPES.items())
        moved = {name: physical[name] - step * directions[name] for name in SLOPES}
        # What does not move keeps its last bit.
        return {**fields, **{n: fields[n] + (moved[n] - physical[n]) / scales[n] for n in SLOPES}}

    def excess(self, fields: Fields, bounds: Bounds) -> dict[str, Array]:
        """``[|torque| - maximum]_+`` as ``joint_torque``: of the torques, where ``fields`` hold what was measured."""
        torque = fields["joint_torque"] if "joint_torque" in fields else pd_torque(fields)
        xp = array_namespace(torque)
        return {"joint_torque": xp.clip(xp.abs(torque) - bounds["torque_max"], min=0.0)}

    def binds(self, bounds: Bounds) -> Array:
        """Whether a torque is limited."""
        maximum = bounds["torque_max"]
        return array_namespace(maximum).any(maximum < FREE_BOUND)

    def example(self, noise: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """5 N m and more."""
        return {"torque_max": 5.0 + 5.0 * np.abs(noise["torque_max"])}
