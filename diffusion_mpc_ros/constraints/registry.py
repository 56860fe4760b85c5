"""The constraints by name. Adding one is a function that narrows a feasible set, and an entry below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.constraints.feasible_set import FeasibleSet
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, JOINT_TORQUE_MAX, JOINT_VEL_MAX, NUM_JOINTS
from diffusion_mpc_ros.core.parameters import JOINT_POSITIONS, JOINT_RANGE_MAX, JOINT_RANGE_MIN, Parameter
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL

Parameters = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Constraint:
    """``restrict(feasible, parameters, ticks)`` narrows ``feasible`` in place; ``ticks (T,)`` are those of the rows."""

    name: str
    restrict: Callable[[FeasibleSet, Parameters, np.ndarray], None]
    parameters: tuple[Parameter, ...]
    description: str


JOINT_VELOCITY_MAX = Parameter(
    "joint_velocity.max",
    tuple(JOINT_VEL_MAX.tolist()),
    0.0,
    tuple(JOINT_VEL_MAX.tolist()),
    "rad/s",
    "largest joint speed",
)
TORQUE_MAX = Parameter(
    "torque.max",
    tuple(JOINT_TORQUE_MAX.tolist()),
    1.0,
    tuple(JOINT_TORQUE_MAX.tolist()),
    "N m",
    "largest joint torque by the PD law",
)
WAVE_AMPLITUDE = Parameter(
    "joint_range_wave.amplitude", (0.0,) * NUM_JOINTS, -1.0, 1.0, "rad", "how far the joint range moves to either side"
)
WAVE_PERIOD = Parameter("joint_range_wave.period", (2.0,), 0.2, 60.0, "s", "time of one move to and fro")
# Empty by default: both ends are the same.
BAND_MIN, BAND_MAX = (
    Parameter(f"joint_band.{end}", JOINT_POSITIONS[0], *JOINT_POSITIONS, "rad", f"{name} end of the forbidden band")
    for end, name in (("min", "lower"), ("max", "upper"))
)


def joint_range(feasible: FeasibleSet, parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_min <= q_t <= q_max`` (V-B2)."""
    feasible.bound(JOINT_POS, parameters[JOINT_RANGE_MIN.name], parameters[JOINT_RANGE_MAX.name])


def joint_range_wave(feasible: FeasibleSet, parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_min + w(t) <= q_t <= q_max + w(t)`` with ``w(t) = amplitude sin(2 pi t dt / period)``, t the row's tick."""
    phase = 2.0 * np.pi * CONTROL_DT / parameters[WAVE_PERIOD.name] * ticks[:, None]
    wave = parameters[WAVE_AMPLITUDE.name] * np.sin(phase)
    feasible.bound(JOINT_POS, parameters[JOINT_RANGE_MIN.name] + wave, parameters[JOINT_RANGE_MAX.name] + wave)


def joint_velocity(feasible: FeasibleSet, parameters: Parameters, ticks: np.ndarray) -> None:
    """``|dq_t| <= dq_max`` (V-B4)."""
    maximum = parameters[JOINT_VELOCITY_MAX.name]
    feasible.bound(JOINT_VEL, -maximum, maximum)


def torque(feasible: FeasibleSet, parameters: Parameters, ticks: np.ndarray) -> None:
    """``|kp (a_t - q_t) - kd dq_t| <= torque_max``."""
    feasible.limit_torque(parameters[TORQUE_MAX.name])


def joint_band(feasible: FeasibleSet, parameters: Parameters, ticks: np.ndarray) -> None:
    """``q_t <= band_min`` or ``q_t >= band_max``."""
    feasible.keep_out(parameters[BAND_MIN.name], parameters[BAND_MAX.name])


_ALL = (
    Constraint(
        "joint_range",
        joint_range,
        (JOINT_RANGE_MIN, JOINT_RANGE_MAX),
        "joint positions within joint_range.min and joint_range.max",
    ),
    Constraint(
        "joint_range_wave",
        joint_range_wave,
        (JOINT_RANGE_MIN, JOINT_RANGE_MAX, WAVE_AMPLITUDE, WAVE_PERIOD),
        "that range moving to and fro in time",
    ),
    Constraint("joint_velocity", joint_velocity, (JOINT_VELOCITY_MAX,), "joint speeds up to joint_velocity.max"),
    Constraint("torque", torque, (TORQUE_MAX,), "joint torques by the PD law up to torque.max"),
    Constraint(
        "joint_band", joint_band, (BAND_MIN, BAND_MAX), "joint positions not between joint_band.min and joint_band.max"
    ),
)
CONSTRAINTS: dict[str, Constraint] = {constraint.name: constraint for constraint in _ALL}


def get_constraint(name: str) -> Constraint:
    """The constraint called ``name``; :class:`RewardError` lists the valid names."""
    if name not in CONSTRAINTS:
        raise RewardError(f"unknown constraint {name!r}; valid constraints: {', '.join(CONSTRAINTS)}")
    return CONSTRAINTS[name]


def feasible_set(names: Iterable[str], parameters: Parameters, ticks: np.ndarray) -> FeasibleSet:
    """What all the named constraints and the joint limits of the actions allow at ``ticks (T,)``.

    ``parameters`` overrides the defaults by full name. Raises :class:`RewardError` for an unknown name, or, naming the
    constraint, when boxes leave nothing.
    """
    feasible = FeasibleSet.free(len(ticks))
    for name in names:
        constraint = get_constraint(name)
        own = {p.name: parameters.get(p.name, p.default_array) for p in constraint.parameters}
        try:
            constraint.restrict(feasible, own, ticks)
        except RewardError as error:
            raise RewardError(f"constraint {name!r}: {error}") from None
    return feasible


def check_feasible(names: Iterable[str], parameters: Parameters) -> None:
    """Raise :class:`RewardError` when at some time the named constraints leave nothing, or a band blocks a range."""
    names = tuple(names)
    period = parameters.get(WAVE_PERIOD.name, WAVE_PERIOD.default_array)[0]
    ticks = np.arange(int(np.ceil(period / CONTROL_DT))) if "joint_range_wave" in names else np.arange(1)
    feasible = feasible_set(names, parameters, ticks)
    if "joint_band" in names:
        low, high = (parameters.get(p.name, p.default_array) for p in (BAND_MIN, BAND_MAX))
        blocked = ((low < high) & (feasible.band_lower == feasible.band_upper)).any(axis=0)
        if blocked.any():
            joints = ", ".join(np.array(JOINT_NAMES)[blocked])
            raise RewardError(f"constraint 'joint_band': the range of {joints} lies inside the band")
