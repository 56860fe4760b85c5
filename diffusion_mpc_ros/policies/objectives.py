"""The adaptation objectives of Table II (arXiv 2510.04234, V-B): what each penalises, asks for and projects onto.

The one table of :data:`OBJECTIVES` names for each objective its penalty, measured on the realised walk, the preset of
``config/rewards.yaml`` that asks the planner for it, and its constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from diffusion_mpc_ros.constraints.box import JOINT_VELOCITY_MAX
from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.parameters import JOINT_RANGE_MAX, JOINT_RANGE_MIN
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import load_presets
from diffusion_mpc_ros.rewards.registry import POSTURE_MASK, POSTURE_TARGET
from diffusion_mpc_ros.simulation.batch import BatchState

# lambda_tv of R_smooth beside R_align, for one control tick; the paper does not give it. With this one both parts weigh
# about the same in the unplanned walk. A constant of the measure, not of the preset: tuning a weight must not move
# what it is judged by.
TOTAL_VARIATION_WEIGHT = 0.05
# Box on the joint speeds [rad/s], about three times their root mean square in the unplanned walk: under a narrower one
# legs that swing at 1 m/s come too late now and then.
SPEED_LIMIT = 8.0
# Half the width of the joint range round the target [rad]: a leg that walks leaves a narrow one in every step, and kept
# within it, it walks badly.
HALF_WIDTH = 0.5

Parameters = Mapping[str, np.ndarray]
# (state before a control tick, state after it) -> (B,)
TickPenalty = Callable[[BatchState, BatchState], np.ndarray]


def joint_velocity(before: BatchState, now: BatchState, parameters: Parameters) -> np.ndarray:
    """Mean of ``dq^2`` over the joints ``(B,)`` [rad^2/s^2]."""
    return np.mean(now.joint_vel**2, axis=1)


def joint_acceleration(before: BatchState, now: BatchState, parameters: Parameters) -> np.ndarray:
    """Mean of ``((dq_t - dq_{t-1}) / dt)^2`` over the joints ``(B,)`` [rad^2/s^4], differences at 50 Hz."""
    return np.mean(((now.joint_vel - before.joint_vel) / CONTROL_DT) ** 2, axis=1)


def posture(before: BatchState, now: BatchState, parameters: Parameters) -> np.ndarray:
    """``|mask (q_t - q_target)|^2`` ``(B,)`` [rad^2], as in R_posture."""
    error = parameters[POSTURE_MASK.name] * (now.joint_pos - parameters[POSTURE_TARGET.name])
    return np.sum(error**2, axis=1)


def balancing(before: BatchState, now: BatchState, parameters: Parameters) -> np.ndarray:
    """``(1 - g_t . d) + lambda_tv |g_t - g_{t-1}|_1`` ``(B,)`` [-], as in R_align and R_smooth, d downwards."""
    gravity = now.projected_gravity_b
    variation = np.abs(gravity - before.projected_gravity_b).sum(axis=1)
    return 1.0 + gravity[:, 2] + TOTAL_VARIATION_WEIGHT * variation


def energy(before: BatchState, now: BatchState, parameters: Parameters) -> np.ndarray:
    """Mechanical energy per second, ``sum_j |torque_j dq_j|`` over the physics steps of the tick ``(B,)`` [W]."""
    return now.mechanical_power


@dataclass(frozen=True)
class Projection:
    """Constraints by name, and the parameters that they need beside those of the preset."""

    constraints: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def speed_limit(parameters: Parameters) -> Projection:
    """``|dq_t| <= SPEED_LIMIT`` (V-B4)."""
    return Projection(("joint_velocity",), {JOINT_VELOCITY_MAX.name: SPEED_LIMIT})


def range_round_target(parameters: Parameters) -> Projection:
    """``|q_t - q_target| <= HALF_WIDTH`` for the joints of the mask (V-B2), within the joint limits."""
    target, free = parameters[POSTURE_TARGET.name], parameters[POSTURE_MASK.name] == 0.0
    lower = np.where(free, JOINT_POS_MIN, np.maximum(target - HALF_WIDTH, JOINT_POS_MIN))
    upper = np.where(free, JOINT_POS_MAX, np.minimum(target + HALF_WIDTH, JOINT_POS_MAX))
    return Projection(("joint_range",), {JOINT_RANGE_MIN.name: lower, JOINT_RANGE_MAX.name: upper})


@dataclass(frozen=True)
class Objective:
    """A row of Table II.

    ``penalty`` of one control tick has the ``unit``. ``paper`` is what the paper reports without planning, which fixes
    the scale; ``target`` the relative change asked of N = 10 with reward, and with ``projection`` where
    ``projection_applies``: where the paper defines one for the objective (V-B). For the others Table II has the
    column too; they get the box on the joint speeds.
    """

    name: str
    label: str
    penalty: Callable[[BatchState, BatchState, Parameters], np.ndarray]
    unit: str
    preset: str
    projection: Callable[[Parameters], Projection]
    projection_applies: bool
    paper: float
    target: float


_ALL = (
    Objective("joint_velocity", "Joint Vel", joint_velocity, "rad^2/s^2", "joint_velocity", speed_limit, True,
              0.969, -0.30),
    Objective("joint_acceleration", "Joint Acc", joint_acceleration, "rad^2/s^4", "joint_acceleration", speed_limit,
              True, 0.350, -0.29),
    Objective("posture_n", "Joint Pos (N)", posture, "rad^2", "posture_negative",
              range_round_target, True, 0.512, -0.60),
    Objective("posture_p", "Joint Pos (P)", posture, "rad^2", "posture_positive",
              range_round_target, True, 0.243, -0.31),
    Objective("balancing", "Balancing", balancing, "1", "balance", speed_limit, False, 0.807, -0.30),
    Objective("energy", "Energy", energy, "W", "energy", speed_limit, False, 0.774, -0.40),
)  # fmt: skip
OBJECTIVES: dict[str, Objective] = {objective.name: objective for objective in _ALL}


def get_objective(name: str) -> Objective:
    """Return the objective called ``name``; :class:`ConfigurationError` lists the valid names."""
    if name not in OBJECTIVES:
        raise ConfigurationError(f"unknown objective {name!r}; valid objectives: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]


def make_composer() -> RewardComposer:
    """Return the composer over the shipped presets; raises :class:`ConfigurationError` or :class:`RewardError`."""
    return RewardComposer(load_presets(config_file("rewards.yaml")), CONSTRAINTS, check=check_feasible)


def tick_penalties(composer: RewardComposer) -> dict[str, TickPenalty]:
    """Return the penalty of every objective by name, with the parameters of its preset."""
    return {
        objective.name: partial(objective.penalty, parameters=composer.preset_settings(objective.preset).parameters)
        for objective in OBJECTIVES.values()
    }


def reward_settings(composer: RewardComposer, objective: Objective, constraint: bool) -> RewardSettings:
    """Return the settings of the objective's preset, with its projection or with no constraint at all."""
    preset = composer.preset_settings(objective.preset)
    projection = objective.projection(preset.parameters) if constraint else Projection()
    return composer.apply(
        0.0, parameters=projection.parameters, constraints=projection.constraints, preset=objective.preset
    )


def describe_settings(composer: RewardComposer, settings: RewardSettings) -> dict[str, Any]:
    """Return what differs from the defaults, as JSON: ``weights``, ``parameters`` by full name, ``constraints``."""
    parameters = {
        name: value.tolist()
        for name, value in settings.parameters.items()
        if (value != composer.parameters[name].default_array).any()
    }
    weights = {name: weight for name, weight in settings.weights.items() if weight != 0.0}
    return {"weights": weights, "parameters": parameters, "constraints": list(settings.constraints)}
