"""A weight on a pendulum that strikes the robot from the side (arXiv 2510.04234, VI-B.1), in the batch simulator."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np

from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, BatchSimulation
from diffusion_mpc_ros.simulation.model import BASE_BODY, ModelOptions, build_spec

NAME = "pendulum"
TRUNK_SENSOR, ROBOT_SENSOR = "pendulum_on_trunk", "pendulum_on_robot"
GRAVITY = 9.81  # [m/s^2], MuJoCo's default
# Where the weight hangs before it is released: above everything.
STOWED_HEIGHT = 10.0  # [m]
FRICTION = (0.6, 0.005, 0.0001)  # of the ball: that of the robot's own parts
# Half the width of the Go2's trunk where it is widest [m]: a capsule of 45 mm radius on either side, 50 mm off centre.
TRUNK_HALF_WIDTH = 0.095


@dataclass(frozen=True)
class Pendulum:
    """A ball on a rigid rod without mass; the defaults are the paper's, the radius that of a steel ball."""

    mass: float = 3.8  # [kg]
    length: float = 1.2  # [m], from the pivot to the ball's centre
    radius: float = 0.049  # [m], 3.8 kg at 7850 kg/m^3

    def speed_at_bottom(self, angle: float) -> float:
        """``sqrt(2 g l (1 - cos(angle)))`` [m/s] at the lowest point, released at rest at ``angle`` [rad]."""
        return float(np.sqrt(2.0 * GRAVITY * self.length * (1.0 - np.cos(angle))))

    def fall_time(self, angle: float) -> float:
        """Time [s] from rest at ``angle`` [rad], ``0 < |angle| < pi``, to the lowest point: a quarter of the period.

        ``sqrt(l / g) K(sin(angle / 2))``, the elliptic integral by the arithmetic-geometric mean.
        """
        larger, smaller = 1.0, float(np.cos(angle / 2.0))
        while larger - smaller > 1e-12:
            larger, smaller = (larger + smaller) / 2.0, float(np.sqrt(larger * smaller))
        return float(np.pi / 2.0 / larger * np.sqrt(self.length / GRAVITY))


def add_pendulum(spec: mujoco.MjSpec, pendulum: Pendulum) -> None:
    """Add the pendulum after the Go2, weightless and out of reach; it touches the robot and nothing else.

    Its body is the pivot, its hinge turns about the body's x axis, at angle 0 the ball hangs below. Two sensors count
    its contacts with the trunk and with the whole robot.
    """
    # A gravity compensation of 1 holds it wherever it is.
    pivot = spec.worldbody.add_body(name=NAME, pos=[0.0, 0.0, STOWED_HEIGHT], gravcomp=1.0)
    pivot.add_joint(name=NAME, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[1.0, 0.0, 0.0])
    # Contacts are as soft as all others (solref 0.02 s): at steps of 4 ms harder ones give a ball of 5 m/s more energy
    # than it had.
    pivot.add_geom(
        name=NAME, type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[pendulum.radius, 0.0, 0.0],
        pos=[0.0, 0.0, -pendulum.length], mass=pendulum.mass, friction=FRICTION, group=3,
    )  # fmt: skip
    spec.add_exclude(bodyname1="world", bodyname2=NAME)
    for name, other in ((TRUNK_SENSOR, mujoco.mjtObj.mjOBJ_BODY), (ROBOT_SENSOR, mujoco.mjtObj.mjOBJ_XBODY)):
        spec.add_sensor(
            name=name, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_GEOM, objname=NAME,
            reftype=other, refname=BASE_BODY, intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND), 0, 1],
        )  # fmt: skip


class PendulumSimulation(BatchSimulation):
    """B Go2s with a pendulum each, stowed until :meth:`release`. A reset leaves the pendulums where they are."""

    def __init__(self, robots: int, *, seed: int, pendulum: Pendulum | None = None, threads: int = 2) -> None:
        self.pendulum = Pendulum() if pendulum is None else pendulum
        spec = build_spec(ModelOptions(timestep=BATCH_TIMESTEP))
        add_pendulum(spec, self.pendulum)
        model = spec.compile()
        self._body = model.body(NAME).id
        self._angle, self._rate = model.joint(NAME).qposadr[0], model.joint(NAME).dofadr[0]
        self._sensors = [model.sensor(name).adr[0] for name in (TRUNK_SENSOR, ROBOT_SENSOR)]
        # Of the first contact since the release: speed of the ball just before it, NaN without a contact; on the trunk?
        self.impact_speed = np.full(robots, np.nan)  # (B,) [m/s]
        self.on_trunk = np.zeros(robots, dtype=bool)  # (B,)
        super().__init__(robots, seed=seed, threads=threads, model=model)

    @property
    def swing(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles ``(B,)`` [rad] and rates ``(B,)`` [rad/s] of the pendulums."""
        return self._full.qpos[:, self._angle].copy(), self._full.qvel[:, self._rate].copy()

    def release(self, robots: np.ndarray, pivot: np.ndarray, heading: np.ndarray, angle: np.ndarray) -> None:
        """Let the pendulums of ``robots (n,)`` go from rest at ``angle (n,)`` [rad].

        ``pivot (n, 3)`` [m] in the world. They swing across the ``heading (n,)`` [rad]; a positive angle is to the
        left of it.
        """
        for robot, position, yaw in zip(robots, pivot, heading, strict=True):
            # A model of its own: robots that are not varied share one.
            model = self.models[robot] = copy.copy(self.models[robot])
            model.body_pos[self._body] = position
            model.body_quat[self._body] = [np.cos(yaw / 2.0), 0.0, 0.0, np.sin(yaw / 2.0)]
            model.body_gravcomp[self._body] = 0.0
        self._full.qpos[robots, self._angle], self._full.qvel[robots, self._rate] = angle, 0.0
        self.impact_speed[robots], self.on_trunk[robots] = np.nan, False

    def _watch(self, robots: slice, states: np.ndarray, sensors: np.ndarray) -> None:
        # MuJoCo finds the contacts of a step in the state before it.
        rates = states[:, :-1, 1 + self.nominal.nq + self._rate]
        on_trunk, on_robot = (sensors[:, :, address] > 0.0 for address in self._sensors)
        struck = on_robot.any(axis=1) & np.isnan(self.impact_speed[robots])
        first = on_robot.argmax(axis=1)[struck], np.flatnonzero(struck)
        self.impact_speed[robots][struck] = np.abs(rates[first[1], first[0]]) * self.pendulum.length
        self.on_trunk[robots][struck] = on_trunk[first[1], first[0]]
