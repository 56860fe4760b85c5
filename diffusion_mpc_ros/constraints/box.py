"""Boxes: every entry of a row between two bounds (arXiv 2510.04234, V-B2, V-B4), which may move in time."""

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
    with_targets,
)
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_VEL_MAX, NUM_JOINTS
from diffusion_mpc_ros.core.parameters import JOINT_RANGE_MAX, JOINT_RANGE_MIN, Parameter
from diffusion_mpc_ros.core.trajectory import FIELDS, JOINT_POS, JOINT_VEL, OBSERVATION, ROW_DIM

JOINT_VELOCITY_MAX = Parameter(
    "joint_velocity.max",
    tuple(JOINT_VEL_MAX.tolist()),
    0.0,
    tuple(JOINT_VEL_MAX.tolist()),
    "rad/s",
    "largest joint speed",
)
WAVE_AMPLITUDE = Parameter(
    "joint_range_wave.amplitude", (0.0,) * NUM_JOINTS, -1.0, 1.0, "rad", "how far the joint range moves to either side"
)
WAVE_PERIOD = Parameter("joint_range_wave.period", (2.0,), 0.2, 60.0, "s", "time of one move to and fro")
ENTRIES = slice(0, ROW_DIM)
JOINTS = slice(JOINT_POS.start, JOINT_VEL.stop)


def clip(values: Array, lower: Array, upper: Array) -> Array:
    """Closest point of the box, any array library; the bounds broadcast against ``values``."""
    xp = array_namespace(values)
    return xp.minimum(xp.maximum(values, lower), upper)


def restrict_box(bounds: dict[str, np.ndarray], field: slice, lower: np.ndarray, upper: np.ndarray) -> None:
    """Intersect with a box on ``field``, in place; its ends broadcast to ``(T, size of the field)``."""
    bounds["lower"][:, field] = np.maximum(bounds["lower"][:, field], lower)
    bounds["upper"][:, field] = np.minimum(bounds["upper"][:, field], upper)


def joint_range(bounds: dict[str, np.ndarray], parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_min <= q_t <= q_max`` (V-B2)."""
    restrict_box(bounds, JOINT_POS, parameters[JOINT_RANGE_MIN.name], parameters[JOINT_RANGE_MAX.name])


def joint_range_wave(bounds: dict[str, np.ndarray], parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_min + w(t) <= q_t <= q_max + w(t)`` with ``w(t) = amplitude sin(2 pi t dt / period)``, t the row's tick."""
    phase = 2.0 * np.pi * CONTROL_DT / parameters[WAVE_PERIOD.name] * ticks[:, None]
    wave = parameters[WAVE_AMPLITUDE.name] * np.sin(phase)
    lower, upper = parameters[JOINT_RANGE_MIN.name] + wave, parameters[JOINT_RANGE_MAX.name] + wave
    restrict_box(bounds, JOINT_POS, lower, upper)


def joint_velocity(bounds: dict[str, np.ndarray], parameters: Parameters, ticks: np.ndarray) -> None:
    """``|dq_t| <= dq_max`` (V-B4)."""
    maximum = parameters[JOINT_VELOCITY_MAX.name]
    restrict_box(bounds, JOINT_VEL, -maximum, maximum)


def _wave_ticks(parameters: Parameters) -> int:
    return int(np.ceil(parameters[WAVE_PERIOD.name][0] / CONTROL_DT))


class Box(Kind):
    """``lower <= row <= upper``, ``(T, 57)``; infinite where free. Comes last: it always has the last word.

    Where it moves a joint's position and speed, the target goes along, but not past its own bounds.
    """

    name = "box"
    bounds = Bound("lower", ROW_DIM, -np.inf, ENTRIES), Bound("upper", ROW_DIM, np.inf, ENTRIES)
    constraints = (
        Constraint(
            "joint_range",
            joint_range,
            (JOINT_RANGE_MIN, JOINT_RANGE_MAX),
            "joint positions within joint_range.min and joint_range.max",
            "joint_pos",
            "rad",
            0.02,
        ),
        Constraint(
            "joint_range_wave",
            joint_range_wave,
            (JOINT_RANGE_MIN, JOINT_RANGE_MAX, WAVE_AMPLITUDE, WAVE_PERIOD),
            "that range moving to and fro in time",
            "joint_pos",
            "rad",
            0.02,
            period=_wave_ticks,
        ),
        Constraint(
            "joint_velocity",
            joint_velocity,
            (JOINT_VELOCITY_MAX,),
            "joint speeds up to joint_velocity.max",
            "joint_vel",
            "rad/s",
            0.5,
        ),
    )

    def project(self, fields: Fields, bounds: Bounds, units: Units) -> Fields:
        """Clipped."""

        def clipped(name: str, values: Array) -> Array:
            return clip(values, bounds["lower"][..., FIELDS[name]], bounds["upper"][..., FIELDS[name]])

        joints = {name: clipped(name, fields[name]) for name in ("joint_pos", "joint_vel")}
        followed = with_targets(fields, joints, units)
        return {name: values if name in joints else clipped(name, values) for name, values in followed.items()}

    def excess(self, fields: Fields, bounds: Bounds) -> dict[str, Array]:
        """How far past a bound, of every field that ``fields`` hold."""
        outside = {}
        for name, part in FIELDS.items():
            if name not in fields:
                continue
            values = fields[name]
            xp = array_namespace(values)
            past = xp.maximum(bounds["lower"][..., part] - values, values - bounds["upper"][..., part])
            outside[name] = xp.clip(past, min=0.0)
        return outside

    def binds(self, bounds: Bounds) -> Array:
        """Whether joint positions or speeds are bounded."""
        lower, upper = bounds["lower"][..., JOINTS], bounds["upper"][..., JOINTS]
        xp = array_namespace(lower)
        return xp.any(lower > -FREE_BOUND) | xp.any(upper < FREE_BOUND)

    def example(self, noise: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a standard deviation and more to either side."""
        return {"lower": -1.0 - np.abs(noise["lower"]), "upper": 1.0 + np.abs(noise["upper"])}

    def settle(self, bounds: dict[str, np.ndarray]) -> None:
        """Raise :class:`RewardError` for an empty box."""
        if (bounds["lower"] > bounds["upper"]).any():
            raise RewardError("nothing feasible is left: a lower bound is above an upper bound")

    def release(self, bounds: dict[str, np.ndarray], row: int) -> None:
        """No bound on the observation of ``row``."""
        bounds["lower"][row, OBSERVATION], bounds["upper"][row, OBSERVATION] = -np.inf, np.inf
