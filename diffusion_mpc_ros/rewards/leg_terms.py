"""Reward terms on single legs and joints: spare a leg, favour one, keep a joint softly within a range.

The use of a leg is told by how far its joints move, how fast, how suddenly, or by its share in what all joints do.
``joints (12,)``, 0 to 1: which joints count; those of a leg, or any others. See :mod:`rewards.terms`.
"""

from __future__ import annotations

from array_api_compat import array_namespace

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.rewards.terms import Array, Parameters, Segment

# Added to the mean squared speed of each joint [rad^2/s^2]: joints that rest are used alike.
RESTING_USE = 0.3
# Distance outside a soft range from which on the penalty grows in proportion to it, not to its square [rad].
SOFTNESS = 0.1


def _of_joints(values: Array, parameters: Parameters) -> Array:
    """``(N, R, 12)``, weighed by ``joints`` and summed over them, averaged over the rows: ``(N,)``."""
    return array_namespace(values).sum(values * parameters["joints"], axis=(1, 2)) / values.shape[1]


def leg_excursion(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t sum_j joints_j (q_tj - mean_t q_tj)^2`` [rad^2]: how far the joints move."""
    joint_pos = segment.joint_pos
    deviation = joint_pos - array_namespace(joint_pos).mean(joint_pos, axis=1, keepdims=True)
    return -_of_joints(deviation * deviation, parameters)


def leg_speed(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t sum_j joints_j dq_tj^2`` [rad^2/s^2]."""
    return -_of_joints(segment.joint_vel * segment.joint_vel, parameters)


def leg_acceleration(segment: Segment, parameters: Parameters) -> Array:
    """``-1/(H-1) sum_t sum_j joints_j ((dq_tj - dq_{t-1,j}) / dt)^2`` [rad^2/s^4]."""
    joint_vel = segment.joint_vel
    joint_acc = (joint_vel[:, 1:, :] - joint_vel[:, :-1, :]) / CONTROL_DT
    return -_of_joints(joint_acc * joint_acc, parameters)


def leg_share(segment: Segment, parameters: Parameters) -> Array:
    """``-[s - target]_+`` [-] with the share ``s`` of the ``joints`` in the squared speeds of all; ``target (1,)``.

    A leg that is to limp gets less than a quarter; one that is to be favoured, the other three less than the rest.
    """
    use = segment.joint_vel * segment.joint_vel + RESTING_USE
    xp = array_namespace(use)
    share = xp.sum(use * parameters["joints"], axis=(1, 2)) / xp.sum(use, axis=(1, 2))
    return -xp.clip(share - parameters["target"], min=0.0)


def soft_range(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t sum_j strength_j (sqrt(e_tj^2 + w^2) - w)`` [rad], ``e``: how far outside ``min .. max (12,)``.

    Half the square of ``e`` over ``w``, :data:`SOFTNESS`, near the range, ``e`` itself far from it: a joint that is
    far out does not silence all others. ``strength (12,)``, 0 to 1: how much each joint counts.
    """
    joint_pos = segment.joint_pos
    xp = array_namespace(joint_pos)
    outside = joint_pos - xp.clip(joint_pos, min=parameters["min"], max=parameters["max"])
    grown = xp.sqrt(outside * outside + SOFTNESS**2) - SOFTNESS
    return -xp.sum(parameters["strength"] * grown, axis=(1, 2)) / joint_pos.shape[1]
