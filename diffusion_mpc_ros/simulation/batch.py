"""Many simulated Go2s in lock-step, for training and evaluation: ``mujoco.rollout`` over one control tick at a time."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco import rollout

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.trajectory import make_observation
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.simulation.model import BASE_BODY, ModelIndices, ModelOptions, build_model
from diffusion_mpc_ros.simulation.randomization import Randomization, randomize_models

# Five physics steps of 4 ms to a control tick.
PHYSICS_STEPS = 5
BATCH_TIMESTEP = go2.CONTROL_DT / PHYSICS_STEPS


@dataclass
class BatchState:
    """The truth about B robots after a control tick; base frame where the name ends in ``_b``."""

    base_pos: np.ndarray  # (B, 3) [m], world
    base_quat_wxyz: np.ndarray  # (B, 4)
    base_lin_vel_b: np.ndarray  # (B, 3) [m/s]
    base_ang_vel_b: np.ndarray  # (B, 3) [rad/s]
    projected_gravity_b: np.ndarray  # (B, 3)
    joint_pos: np.ndarray  # (B, 12) [rad], project order
    joint_vel: np.ndarray  # (B, 12) [rad/s]
    joint_torque: np.ndarray  # (B, 12) [N m], mean over the tick
    mechanical_power: np.ndarray  # (B,) [W], sum of |torque * velocity|, mean over the tick
    foot_force: np.ndarray  # (B, 4) [N], normal
    foot_pos: np.ndarray  # (B, 4, 3) [m], world
    foot_vel: np.ndarray  # (B, 4, 3) [m/s], world

    def fallen(self) -> np.ndarray:
        """Robots past the fall criterion, ``(B,)`` bool."""
        return go2.has_fallen(rotations.tilt(self.projected_gravity_b), self.base_pos[:, 2])

    def robot_state(self, tick: int, previous_action: np.ndarray) -> RobotState:
        """The same as a controller of the B robots knows it at ``tick``, after joint targets ``(B, 12)`` [rad]."""
        return RobotState(
            tick=tick,
            base_ang_vel=self.base_ang_vel_b,
            base_quat_wxyz=self.base_quat_wxyz,
            joint_pos=self.joint_pos,
            joint_vel=self.joint_vel,
            joint_torque=self.joint_torque,
            previous_action=previous_action,
            foot_contact=self.foot_force > go2.FOOT_FORCE_CONTACT,
            base_lin_vel=self.base_lin_vel_b,
            base_height=self.base_pos[:, 2],
        )

    def observation(self, command: np.ndarray, previous_action: np.ndarray) -> np.ndarray:
        """Observations ``(B, 45)`` for commands ``(B, 3)`` and previous joint targets ``(B, 12)``."""
        return make_observation(
            base_ang_vel=self.base_ang_vel_b,
            projected_gravity=self.projected_gravity_b,
            command=command,
            joint_pos=self.joint_pos,
            joint_vel=self.joint_vel,
            previous_action=previous_action,
        )


class BatchSimulation:
    """B Go2s, each with its own model, stepped together one control tick at a time.

    The PD law at the walking gains runs inside the physics; ``latency_steps (B,)`` delays new joint targets by whole
    physics steps. ``model``: the scene, default the Go2 on a floor; what else is in it comes after the Go2.
    """

    def __init__(
        self,
        robots: int,
        *,
        seed: int,
        randomization: Randomization | None = None,
        threads: int = 2,
        model: mujoco.MjModel | None = None,
    ) -> None:
        self.robots = robots
        self.rng = np.random.default_rng(seed)
        self._randomization = randomization
        self.nominal = model = build_model(ModelOptions(timestep=BATCH_TIMESTEP)) if model is None else model
        _check_scene(model)
        self._indices = ModelIndices.of(model)
        self.models = (
            [model] * robots if randomization is None else randomize_models(model, robots, randomization, self.rng)
        )
        nominal_fraction = 1.0 if randomization is None else randomization.nominal_fraction
        self._varied = np.arange(robots) >= nominal_fraction * robots
        self._datas = [mujoco.MjData(model) for _ in range(threads)]
        self._rollout = rollout.Rollout(nthread=threads)
        state_size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self._nq = model.nq
        if state_size != 1 + model.nq + model.nv:
            raise RuntimeError(f"unexpected physics state of {state_size} numbers for nq={model.nq}, nv={model.nv}")
        self._state = np.zeros((robots, state_size))
        self.latency_steps = np.zeros(robots, dtype=np.intp)
        self._history = np.tile(go2.DEFAULT_JOINT_POS, (4, robots, 1))
        self._control = np.zeros((robots, PHYSICS_STEPS, model.nu))
        # What the last tick measured besides the physics state: fields of BatchState.
        self._measured = {
            "joint_torque": np.zeros((robots, go2.NUM_JOINTS)),
            "mechanical_power": np.zeros(robots),
            "foot_force": np.zeros((robots, 4)),
            "foot_pos": np.zeros((robots, 4, 3)),
            "foot_vel": np.zeros((robots, 4, 3)),
        }
        self.state: BatchState
        self.reset(np.ones(robots, dtype=bool))

    def reset(self, mask: np.ndarray) -> None:
        """Put the robots of ``mask (B,)`` back on their feet at the origin, with small random deviations."""
        count = int(mask.sum())
        if count:
            self._draw_start(mask, count)
        self._read()

    def _draw_start(self, mask: np.ndarray, count: int) -> None:
        rng, scale = self.rng, (0.95, 1.05)
        if self._randomization is not None:
            scale = self._randomization.initial_joint_pos
            latency = rng.uniform(*self._randomization.latency, size=count) * self._varied[mask]
            self.latency_steps[mask] = np.round(latency / go2.CONTROL_DT * PHYSICS_STEPS)
        state = np.zeros((count, self._state.shape[1]))
        qpos, qvel = state[:, 1 : 1 + self._nq], state[:, 1 + self._nq :]
        heading = rng.uniform(-np.pi, np.pi, size=count)
        qpos[:, 3], qpos[:, 6] = np.cos(heading / 2), np.sin(heading / 2)
        joint_pos = go2.DEFAULT_JOINT_POS * rng.uniform(*scale, size=(count, go2.NUM_JOINTS))
        qpos[:, self._indices.qpos] = go2.clip_joint_targets(joint_pos)
        qvel[:, :6] = rng.uniform(-0.05, 0.05, size=(count, 6))
        feet = np.stack([self._stand_on_the_ground(row) for row in qpos])
        self._state[mask] = state
        self._history[:, mask] = go2.DEFAULT_JOINT_POS
        self._forget(mask)
        self._measured["foot_pos"][mask] = feet

    def _stand_on_the_ground(self, qpos: np.ndarray) -> np.ndarray:
        """Raise the base, in place, until the lowest foot touches the ground; the feet's positions ``(4, 3)`` [m]."""
        data = self._datas[0]
        data.qpos[:] = qpos
        mujoco.mj_kinematics(self.nominal, data)
        feet = data.geom_xpos[self._indices.feet].copy()
        rise = go2.FOOT_RADIUS - feet[:, 2].min()
        qpos[2] += rise
        feet[:, 2] += rise
        return feet

    def _forget(self, mask: np.ndarray) -> None:
        for values in self._measured.values():
            values[mask] = 0.0

    def push(self, delta_lin_vel_w: np.ndarray) -> None:
        """Kick the bases: add velocities ``(B, 3)`` [m/s], world frame."""
        self._state[:, 1 + self._nq : 4 + self._nq] += delta_lin_vel_w
        self._read()

    def step(self, joint_targets: np.ndarray) -> BatchState:
        """Hold joint targets ``(B, 12)`` [rad] (clipped to the position limits) for one control tick."""
        self._history = np.roll(self._history, 1, axis=0)
        self._history[0] = go2.clip_joint_targets(joint_targets)
        steps = np.arange(PHYSICS_STEPS)
        age = np.ceil(np.maximum(self.latency_steps[:, None] - steps, 0) / PHYSICS_STEPS).astype(np.intp)
        delayed = self._history[np.minimum(age, len(self._history) - 1), np.arange(self.robots)[:, None]]
        self._control[:, :, self._indices.actuators] = delayed
        states, sensors = self._rollout.rollout(self.models, self._datas, self._state, self._control)
        self._measure(states, sensors)
        self._state[:] = states[:, -1]
        diverged = ~np.isfinite(self._state).all(axis=1)
        if diverged.any():
            # A physics blow-up counts as a fall; the row must stay finite for everyone who computes with it.
            self._state[diverged] = 0.0
            self._state[diverged, 4] = 1.0
            self._forget(diverged)
        self._read()
        return self.state

    def _measure(self, states: np.ndarray, sensors: np.ndarray) -> None:
        """Torque and power over the physics steps of a tick, and the Go2's sensors at its end.

        ``states`` and ``sensors (B, PHYSICS_STEPS, ...)``: after each step; :attr:`_state` is still that before them.
        """
        indices, last = self._indices, sensors[:, -1]
        # MuJoCo finds the forces of a step in the state before it.
        before = np.concatenate([self._state[:, None], states[:, :-1]], axis=1)
        velocities = before[:, :, 1 + self._nq :][:, :, indices.qvel]
        torques = sensors[:, :, indices.torque]
        self._measured = {
            "joint_torque": torques.mean(axis=1),
            "mechanical_power": np.abs(torques * velocities).sum(axis=-1).mean(axis=1),
            "foot_force": last[:, indices.touch],
            "foot_pos": last[:, indices.foot_position],
            "foot_vel": last[:, indices.foot_velocity],
        }

    def _read(self) -> None:
        state, indices = self._state, self._indices
        qpos, qvel = state[:, 1 : 1 + self._nq], state[:, 1 + self._nq :]
        quat = qpos[:, 3:7].copy()
        self.state = BatchState(
            base_pos=qpos[:, :3].copy(),
            base_quat_wxyz=quat,
            base_lin_vel_b=rotations.rotate_inverse(quat, qvel[:, :3]),
            base_ang_vel_b=qvel[:, 3:6].copy(),
            projected_gravity_b=rotations.projected_gravity(quat),
            joint_pos=qpos[:, indices.qpos],
            joint_vel=qvel[:, indices.qvel],
            **{name: values.copy() for name, values in self._measured.items()},
        )


def _check_scene(model: mujoco.MjModel) -> None:
    """Refuse a scene in which positions and velocities do not begin with the Go2's base, or in another time step."""
    joint = model.body(BASE_BODY).jntadr[0]
    first = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
    if first != (0, 0) or model.opt.timestep != BATCH_TIMESTEP:
        raise ValueError(
            f"a batch needs the Go2's base at addresses (0, 0) of qpos and qvel and steps of {BATCH_TIMESTEP} s, "
            f"the scene has it at {tuple(int(address) for address in first)} and {model.opt.timestep} s"
        )
