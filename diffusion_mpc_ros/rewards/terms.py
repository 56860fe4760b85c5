"""Analytic reward terms (arXiv 2510.04234, V-B): pure functions ``(trajectory, parameters) -> reward``.

``trajectory (N, T, 57)`` in physical units (:mod:`core.trajectory`), ``T = H + 1`` rows; the sums run over the first
``H`` rows, as in the paper. ``parameters`` maps the term's own parameter names to arrays of the same library. Every
term returns ``(N,)``, is at most 0 (a negative penalty) and has a finite gradient everywhere. Written against the
Python array API: traced in torch for export, run in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from array_api_compat import array_namespace

from diffusion_mpc_ros.core.go2 import CONTROL_DT, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, JOINT_VEL, PROJECTED_GRAVITY

Array = Any
Parameters = Mapping[str, Array]

# Under the root of a squared norm, so that its gradient exists at a zero vector.
NORM_EPSILON = 1e-8


def _mean_over_rows(values: Array) -> Array:
    """``(N, H, J)`` summed over the joints, averaged over the rows: ``(N,)``."""
    return array_namespace(values).sum(values, axis=(1, 2)) / values.shape[1]


def posture(trajectory: Array, parameters: Parameters) -> Array:
    """``-1/H sum_t |mask (q_t - q_target)|^2`` [rad^2]; ``target (12,)`` [rad], ``mask (12,)`` in 0..1."""
    joint_pos = trajectory[:, :-1, JOINT_POS]
    error = parameters["mask"] * (joint_pos - parameters["target"])
    return -_mean_over_rows(error * error)


def joint_range(trajectory: Array, parameters: Parameters) -> Array:
    """``-1/H sum_t |[q_t - q_max]_+|^2 + |[q_min - q_t]_+|^2`` [rad^2]; ``min (12,)``, ``max (12,)`` [rad]."""
    joint_pos = trajectory[:, :-1, JOINT_POS]
    xp = array_namespace(joint_pos)
    above = xp.clip(joint_pos - parameters["max"], min=0.0)
    below = xp.clip(parameters["min"] - joint_pos, min=0.0)
    return -_mean_over_rows(above * above + below * below)


def joint_velocity(trajectory: Array, parameters: Parameters) -> Array:
    """``-sum_t |dq_t|^2`` [rad^2/s^2], the first part of R_vel/acc."""
    joint_vel = trajectory[:, :-1, JOINT_VEL]
    return -array_namespace(joint_vel).sum(joint_vel * joint_vel, axis=(1, 2))


def joint_acceleration(trajectory: Array, parameters: Parameters) -> Array:
    """``-sum_t |(dq_t - dq_{t-1}) / dt|^2`` [rad^2/s^4], the second part of R_vel/acc."""
    joint_vel = trajectory[:, :-1, JOINT_VEL]
    joint_acc = (joint_vel[:, 1:, :] - joint_vel[:, :-1, :]) / CONTROL_DT
    return -array_namespace(joint_vel).sum(joint_acc * joint_acc, axis=(1, 2))


def _unit_gravity(trajectory: Array) -> Array:
    """Direction of gravity in the base frame, ``(N, H, 3)``, of unit length."""
    gravity = trajectory[:, :-1, PROJECTED_GRAVITY]
    xp = array_namespace(gravity)
    return gravity / xp.sqrt(xp.sum(gravity * gravity, axis=2, keepdims=True) + NORM_EPSILON)


def align(trajectory: Array, parameters: Parameters) -> Array:
    """``-1/H sum_t (1 - g_t . d)`` [-]; ``direction (3,)``, the wanted gravity direction in the base frame."""
    direction = parameters["direction"]
    xp = array_namespace(trajectory)
    unit_direction = direction / xp.sqrt(xp.sum(direction * direction) + NORM_EPSILON)
    cosine = xp.sum(_unit_gravity(trajectory) * unit_direction, axis=2)
    return -xp.sum(1.0 - cosine, axis=1) / cosine.shape[1]


def smooth(trajectory: Array, parameters: Parameters) -> Array:
    """``-sum_t |g_t - g_{t-1}|_1`` [-], total variation of the gravity direction in the base frame."""
    gravity = _unit_gravity(trajectory)
    xp = array_namespace(gravity)
    return -xp.sum(xp.abs(gravity[:, 1:, :] - gravity[:, :-1, :]), axis=(1, 2))


def energy(trajectory: Array, parameters: Parameters) -> Array:
    """``-sum_t sum_j |torque_tj dq_tj| dt`` [J].

    The torque is known without a model because an action is a joint target: ``kp (a - q) - kd dq``, clipped to the
    motors' ``torque_max (12,)`` [N m].
    """
    rows = trajectory[:, :-1, :]
    xp = array_namespace(rows)
    joint_vel = rows[:, :, JOINT_VEL]
    torque = WALKING_KP * (rows[:, :, ACTION] - rows[:, :, JOINT_POS]) - WALKING_KD * joint_vel
    limit = parameters["torque_max"]
    torque = xp.maximum(xp.minimum(torque, limit), -limit)
    return -xp.sum(xp.abs(torque * joint_vel), axis=(1, 2)) * CONTROL_DT
