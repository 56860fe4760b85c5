"""Cheaper models of the one Go2 to plan with: the same robot, fewer contacts, longer steps, a smaller solver.

What each of them gets wrong, and how fast it is: ``diffusion-mpc bench models`` (:mod:`simulation.model_bench`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.model import (
    FOOT_GEOMS,
    LINE_SEARCH_ITERATIONS,
    SOLVER_ITERATIONS,
    ModelIndices,
    ModelOptions,
    build_spec,
)

CONES = {"elliptic": mujoco.mjtCone.mjCONE_ELLIPTIC, "pyramidal": mujoco.mjtCone.mjCONE_PYRAMIDAL}
SOLVERS = {"newton": mujoco.mjtSolver.mjSOL_NEWTON, "pgs": mujoco.mjtSolver.mjSOL_PGS}
# Ratio of frictional to normal constraint impedance of the full model: an elliptic cone then hardly slips.
FULL_IMPRATIO = 100.0


@dataclass(frozen=True)
class PlannerModel:
    """How the model differs from the full one, whose values are the defaults.

    ``timestep`` [s]; ``feet_only``: of the robot, only the feet collide; ``friction_loss``: dry friction of the joints;
    ``solver`` of the contacts: Newton's method, or pgs, so many sweeps over them.
    """

    timestep: float = 0.002
    feet_only: bool = False
    cone: str = "elliptic"
    impratio: float = FULL_IMPRATIO
    iterations: int = SOLVER_ITERATIONS
    line_search_iterations: int = LINE_SEARCH_ITERATIONS
    friction_loss: bool = True
    solver: str = "newton"


# By name; the first one is what all others are compared with.
PLANNER_MODELS: dict[str, PlannerModel] = {
    "full": PlannerModel(),
    "full_4ms": PlannerModel(timestep=0.004),
    "feet_4ms": PlannerModel(0.004, True),
    "elliptic_10ms": PlannerModel(0.010, True, impratio=1.0, iterations=10, friction_loss=False),
    # A few sweeps over four feet take less than one step of Newton's method, and err hardly more.
    "sweeps_10ms": PlannerModel(0.010, True, impratio=1.0, iterations=4, friction_loss=False, solver="pgs"),
    "elliptic_20ms": PlannerModel(0.020, True, impratio=1.0, iterations=10, friction_loss=False),
    "pyramidal_10ms": PlannerModel(0.010, True, "pyramidal", 1.0, 4, 6, friction_loss=False),
    "pyramidal_20ms": PlannerModel(0.020, True, "pyramidal", 1.0, 4, 6, friction_loss=False),
}


def planner_model(name: str) -> mujoco.MjModel:
    """Compile the model ``name`` of :data:`PLANNER_MODELS`; raises :class:`ConfigurationError` listing them."""
    if name not in PLANNER_MODELS:
        raise ConfigurationError(f"unknown planner model {name!r}; there is {', '.join(PLANNER_MODELS)}")
    return build_planner_model(PLANNER_MODELS[name])


def build_planner_model(
    options: PlannerModel, ground: Ground = FLAT, gains: tuple[float, float] = (go2.WALKING_KP, go2.WALKING_KD)
) -> mujoco.MjModel:
    """Compile the Go2 with ``options``, on ``ground``, its motors at ``gains`` [N m/rad, N m s/rad]."""
    spec = build_spec(ModelOptions(timestep=options.timestep, ground=ground))
    spec.option.cone, spec.option.impratio = CONES[options.cone], options.impratio
    spec.option.iterations, spec.option.ls_iterations = options.iterations, options.line_search_iterations
    spec.option.solver = SOLVERS[options.solver]
    if options.feet_only:
        for geom in list(spec.geoms):
            if geom.classname.name == "collision" and geom.name not in FOOT_GEOMS:
                spec.delete(geom)
    model = spec.compile()
    if not options.friction_loss:
        model.dof_frictionloss[:] = 0.0
    kp, kd = (np.full(go2.NUM_JOINTS, gain) for gain in gains)
    motors.set_gains(model, ModelIndices.of(model).actuators, kp, kd)
    return model


def fingerprint(model: mujoco.MjModel) -> str:
    """SHA-256 of the compiled model."""
    buffer = np.empty(mujoco.mj_sizeModel(model), dtype=np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return hashlib.sha256(buffer.tobytes()).hexdigest()
