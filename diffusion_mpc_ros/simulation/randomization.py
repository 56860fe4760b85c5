"""Domain randomisation (arXiv 2510.04234, Table I) of a batch of Go2 models."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from diffusion_mpc_ros.core.go2 import NOMINAL_FRICTION
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.model import ModelIndices


@dataclass(frozen=True)
class Randomization:
    """Ranges ``(low, high)``, uniform; the defaults are Table I of the paper, friction from 0.2.

    Friction here is what foot and floor have together where the ground is not slippery; on less than 0.2 nobody trots.
    In the paper's simulator it is one of two that are averaged. A payload of ``base_mass`` sits at ``mass_position``;
    ``latency`` delays what the policy does (the paper delays what it sees: for a controller in closed loop the two add
    up alike). Nominal robots have the model as it is and no latency; they too start from ``initial_joint_pos``.
    """

    base_mass: tuple[float, float] = (1.0, 3.0)  # [kg], added
    mass_position_x: tuple[float, float] = (-0.2, 0.2)  # [m], base frame
    mass_position_y: tuple[float, float] = (-0.1, 0.1)
    mass_position_z: tuple[float, float] = (-0.05, 0.05)
    friction: tuple[float, float] = (0.2, 2.0)
    initial_joint_pos: tuple[float, float] = (0.5, 1.5)  # x nominal
    motor_strength: tuple[float, float] = (0.9, 1.1)  # x nominal
    latency: tuple[float, float] = (0.005, 0.045)  # [s]
    nominal_fraction: float = 0.25  # share of robots left as they are


def randomize_models(
    model: mujoco.MjModel, count: int, randomization: Randomization, rng: np.random.Generator
) -> list[mujoco.MjModel]:
    """``count`` copies of ``model`` with own payload, friction and motor strength; the first share is nominal."""
    indices = ModelIndices.of(model)
    # In the model's own order.
    actuators = np.sort(indices.actuators)
    kp, kd = motors.gains(model, actuators)
    models = []
    for robot in range(count):
        varied = copy.copy(model)
        if robot >= randomization.nominal_fraction * count:
            position = [rng.uniform(*getattr(randomization, f"mass_position_{axis}")) for axis in ("x", "y", "z")]
            add_payload(varied, indices.base, rng.uniform(*randomization.base_mass), np.array(position))
            varied.geom_friction[indices.ground, 0] *= rng.uniform(*randomization.friction) / NOMINAL_FRICTION
            strength = rng.uniform(*randomization.motor_strength, size=len(actuators))
            motors.set_gains(varied, actuators, kp * strength, kd * strength)
        models.append(varied)
    return models


def variation(models: Sequence[mujoco.MjModel], nominal: mujoco.MjModel) -> dict[str, np.ndarray]:
    """Return what :func:`randomize_models` made of ``nominal``, read from the ``B`` models themselves.

    ``payload_mass (B,)`` [kg], ``payload_position (B, 3)`` [m] in the base frame (zero without payload), ``friction
    (B,)``, ``motor_strength (B, 12)`` as a factor, project order.
    """
    indices = ModelIndices.of(nominal)
    body, floor = indices.base, indices.ground[0]
    masses = np.array([model.body_mass[body] for model in models])
    moments = np.array([model.body_mass[body] * model.body_ipos[body] for model in models])
    payload = masses - nominal.body_mass[body]
    moment = moments - nominal.body_mass[body] * nominal.body_ipos[body]
    kp = np.array([motors.gains(model, indices.actuators)[0] for model in models])
    return {
        "payload_mass": payload,
        "payload_position": moment / np.where(payload > 0.0, payload, np.inf)[:, None],
        "friction": np.array([model.geom_friction[floor, 0] for model in models]),
        "motor_strength": kp / motors.gains(nominal, indices.actuators)[0],
    }


def add_payload(model: mujoco.MjModel, body: int, mass: float, position_b: np.ndarray) -> None:
    """Add a point mass [kg] at ``position_b`` (3,) [m] of ``body``: mass, centre of mass and principal inertia.

    The inertia's axes are kept (its off-diagonal part is small beside the trunk's own); raises ValueError for a
    total mass that is not positive.
    """
    old_mass = float(model.body_mass[body])
    total = old_mass + mass
    if not total > 0.0:
        raise ValueError(f"a payload of {mass} kg leaves body {body} with a mass of {total} kg")
    old_centre = model.body_ipos[body].copy()
    centre = (old_mass * old_centre + mass * position_b) / total
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.body_iquat[body])
    axes = rotation.reshape(3, 3)
    for part_mass, offset in ((old_mass, old_centre - centre), (mass, position_b - centre)):
        parallel = part_mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))
        model.body_inertia[body] += np.einsum("ji,jk,ki->i", axes, parallel, axes)
    model.body_mass[body] = total
    model.body_ipos[body] = centre
