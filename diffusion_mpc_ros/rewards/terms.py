"""Reward terms (arXiv 2510.04234, V-B): pure functions ``(segment, parameters) -> reward``.

A :class:`Segment` holds the fields of the first ``H`` rows of N trajectories, over which the paper's sums run, and the
outcomes of the N (:mod:`rewards.outcomes`), predicted or measured: neural terms look like analytic ones.
``parameters`` maps the term's own parameter names to arrays of the same library. Every term returns ``(N,)``, is at
most 0 (a negative penalty) and has a finite gradient everywhere. Written against the Python array API: traced in torch
for export, run in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from diffusion_mpc_ros.core.go2 import CONTROL_DT, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.trajectory import MOVING_COMMAND, fields_of

Array = Any
Parameters = Mapping[str, Array]

# Under the root of a squared norm, so that its gradient exists at a zero vector.
NORM_EPSILON = 1e-8


class Segment(NamedTuple):
    """The fields of :data:`core.trajectory.FIELDS`, in their order, each ``(N, H, size)`` in physical units.

    ``outcomes``: by name of :data:`rewards.outcomes.OUTCOMES`, those that the terms read.
    Terms share them: a gradient is taken with respect to each field once, whatever the number of terms that read it.
    """

    base_ang_vel: Array
    projected_gravity: Array
    command: Array
    joint_pos: Array
    joint_vel: Array
    previous_action: Array
    action: Array
    outcomes: Mapping[str, Array] = MappingProxyType({})

    @classmethod
    def of(cls, trajectory: Array, outcomes: Mapping[str, Array] | None = None) -> Segment:
        """All but the last row of ``trajectory (N, T, 57)``, ``T = H + 1``, and the ``outcomes`` of the N."""
        return cls(**fields_of(trajectory[:, :-1, :]), outcomes=outcomes or {})


def _mean_over_rows(values: Array) -> Array:
    """``(N, H, J)`` summed over the joints, averaged over the rows: ``(N,)``."""
    return array_namespace(values).sum(values, axis=(1, 2)) / values.shape[1]


def posture(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t |mask (q_t - q_target)|^2`` [rad^2]; ``target (12,)`` [rad], ``mask (12,)`` in 0..1."""
    error = parameters["mask"] * (segment.joint_pos - parameters["target"])
    return -_mean_over_rows(error * error)


def joint_range(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t |[q_t - q_max]_+|^2 + |[q_min - q_t]_+|^2`` [rad^2]; ``min (12,)``, ``max (12,)`` [rad]."""
    joint_pos = segment.joint_pos
    xp = array_namespace(joint_pos)
    above = xp.clip(joint_pos - parameters["max"], min=0.0)
    below = xp.clip(parameters["min"] - joint_pos, min=0.0)
    return -_mean_over_rows(above * above + below * below)


def joint_velocity(segment: Segment, parameters: Parameters) -> Array:
    """``-sum_t |dq_t|^2`` [rad^2/s^2], the first part of R_vel/acc."""
    joint_vel = segment.joint_vel
    return -array_namespace(joint_vel).sum(joint_vel * joint_vel, axis=(1, 2))


def joint_acceleration(segment: Segment, parameters: Parameters) -> Array:
    """``-sum_t |(dq_t - dq_{t-1}) / dt|^2`` [rad^2/s^4], the second part of R_vel/acc."""
    joint_vel = segment.joint_vel
    joint_acc = (joint_vel[:, 1:, :] - joint_vel[:, :-1, :]) / CONTROL_DT
    return -array_namespace(joint_vel).sum(joint_acc * joint_acc, axis=(1, 2))


def _unit_gravity(segment: Segment) -> Array:
    """Direction of gravity in the base frame, ``(N, H, 3)``, of unit length."""
    gravity = segment.projected_gravity
    xp = array_namespace(gravity)
    return gravity / xp.sqrt(xp.sum(gravity * gravity, axis=2, keepdims=True) + NORM_EPSILON)


def align(segment: Segment, parameters: Parameters) -> Array:
    """``-1/H sum_t (1 - g_t . d)`` [-]; ``direction (3,)``, the wanted gravity direction in the base frame."""
    gravity, direction = _unit_gravity(segment), parameters["direction"]
    xp = array_namespace(gravity)
    unit_direction = direction / xp.sqrt(xp.sum(direction * direction) + NORM_EPSILON)
    cosine = xp.sum(gravity * unit_direction, axis=2)
    return -xp.sum(1.0 - cosine, axis=1) / cosine.shape[1]


def smooth(segment: Segment, parameters: Parameters) -> Array:
    """``-sum_t |g_t - g_{t-1}|_1`` [-], total variation of the gravity direction in the base frame."""
    gravity = _unit_gravity(segment)
    xp = array_namespace(gravity)
    return -xp.sum(xp.abs(gravity[:, 1:, :] - gravity[:, :-1, :]), axis=(1, 2))


def energy(segment: Segment, parameters: Parameters) -> Array:
    """``-sum_t sum_j |torque_tj dq_tj| dt`` [J].

    The torque is known without a model because an action is a joint target: ``kp (a - q) - kd dq``, clipped to the
    motors' ``torque_max (12,)`` [N m].
    """
    joint_vel, limit = segment.joint_vel, parameters["torque_max"]
    xp = array_namespace(joint_vel)
    torque = WALKING_KP * (segment.action - segment.joint_pos) - WALKING_KD * joint_vel
    torque = xp.clip(torque, min=-limit, max=limit)
    return -xp.sum(xp.abs(torque * joint_vel), axis=(1, 2)) * CONTROL_DT


def base_height(segment: Segment, parameters: Parameters) -> Array:
    """``-(h - target)^2`` [m^2] with the mean height ``h``; ``target (1,)`` [m] (V-B1)."""
    error = segment.outcomes["base_height"] - parameters["target"]
    return -error * error


def learned_energy(segment: Segment, parameters: Parameters) -> Array:
    """``-[P]_+ H dt`` [J] with the mean mechanical power ``P`` (V-B3)."""
    power = segment.outcomes["mechanical_power"]
    return -array_namespace(power).clip(power, min=0.0) * (segment.action.shape[1] * CONTROL_DT)


def foot_lifting(segment: Segment, parameters: Parameters) -> Array:
    """``-[clearance - c]_+^2`` [m^2] with the mean clearance ``c``; ``clearance (1,)`` [m] (VI-B2)."""
    missing = parameters["clearance"] - segment.outcomes["foot_clearance"]
    missing = array_namespace(missing).clip(missing, min=0.0)
    return -missing * missing


def step_frequency(segment: Segment, parameters: Parameters) -> Array:
    """``-(f - target)^2`` [Hz^2] with the step frequency ``f``; ``target (1,)`` [Hz]; 0 for who is to stand.

    A few rows show less than a cycle; what makes them slow or quick steps is for a network to say.
    """
    xp, command = array_namespace(segment.command), segment.command[:, 0, :]
    error = segment.outcomes["step_frequency"] - parameters["target"]
    return -xp.where(xp.sum(command * command, axis=1) > MOVING_COMMAND**2, error * error, 0.0 * error)


def cost_to_go(segment: Segment, parameters: Parameters, *, name: str) -> Array:
    """``-[c - target |v_cmd|]_+`` with the cost ``c`` of the second after the plan, the outcome ``name``.

    A plan shows half a step: what is cheap so long may be dear to walk on from. Diffuser's guide is a return, too
    (arXiv 2205.09991, 3.2). ``target (1,)``, for each m/s of the command (1 rad/s counts as 1 m/s): less is not asked
    for. Without it the cheapest is not to start at all.
    """
    xp, command = array_namespace(segment.command), segment.command[:, 0, :]
    speed = xp.sqrt(xp.sum(command * command, axis=1) + NORM_EPSILON)
    return -xp.clip(segment.outcomes[name] - parameters["target"] * speed, min=0.0)


def velocity_tracking(segment: Segment, parameters: Parameters) -> Array:
    """``-|v - v_cmd|^2 - (w - w_cmd)^2`` [m^2/s^2]: planar velocity and yaw rate against the command.

    The yaw rate is the mean over the rows, in rad/s and counted as 1 m/s.
    """
    xp, command = array_namespace(segment.command), segment.command[:, 0, :]
    planar = segment.outcomes["base_lin_vel"] - command[:, :2]
    yaw = xp.mean(segment.base_ang_vel[:, :, 2], axis=1) - command[:, 2]
    return -xp.sum(planar * planar, axis=1) - yaw * yaw
