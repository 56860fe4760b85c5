"""One simulated Go2: the same class steps in lock-step (evaluation, tests) and in real time (behind DDS)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import mujoco
import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.errors import ConfigurationError, JointOrderError
from diffusion_mpc_ros.core.gamepad import REMOTE_BYTES
from diffusion_mpc_ros.core.types import JointCommand, LowState, RobotState
from diffusion_mpc_ros.simulation import motors
from diffusion_mpc_ros.simulation.batch_state import BatchState, hip_ground
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_spec
from diffusion_mpc_ros.simulation.scenery import add_scenery
from diffusion_mpc_ros.simulation.state import HISTORY, MAX_LATENCY, State

# A robot that has not heard a LowCmd for this long [s] goes limp.
COMMAND_TIMEOUT = 0.5
# A remote that has not been heard for this long [s] is out of reach: its bytes in LowState are zero.
REMOTE_TIMEOUT = 0.5
# Commands that are remembered: as many as may be in force within the history, and one more, at one a physics step.
_COMMANDS = 64
_PAYLOAD_BODY = "payload"
# A massless payload still needs a positive mass for the compiler [kg].
_NO_PAYLOAD = 1e-6
_PAYLOAD_RADIUS = 0.05
_CLEARANCE = 0.002
_LIMP = JointCommand.position(np.zeros(go2.NUM_JOINTS), 0.0, 0.0)
# What the motors say of their mode without a command and with one.
_IDLE, _DRIVEN = np.full(go2.NUM_JOINTS, go2.MOTOR_MODE_STOP), np.full(go2.NUM_JOINTS, go2.MOTOR_MODE_SERVO)
_NONE_LOST = np.zeros(go2.NUM_JOINTS, dtype=int)
_NO_REMOTE = bytes(REMOTE_BYTES)


class Pose(Enum):
    """Where :meth:`Go2Simulation.reset` puts the joints."""

    LYING = "lying"
    STANDING = "standing"


_POSES = {Pose.LYING: go2.LYING_JOINT_POS, Pose.STANDING: go2.DEFAULT_JOINT_POS}


@dataclass(frozen=True)
class BaseTruth:
    """The true state of the base, which no sensor of the robot gives."""

    time: float  # [s]
    position: np.ndarray  # (3,) [m], world
    quat_wxyz: np.ndarray  # (4,), base -> world
    lin_vel_w: np.ndarray  # (3,) [m/s], world
    lin_vel_b: np.ndarray  # (3,) [m/s], base frame
    ang_vel_b: np.ndarray  # (3,) [rad/s], base frame
    height: float  # [m], of the base above the mean of the ground under the four hips


class Go2Simulation:
    """One Go2 on its ground, its motors under the PD law of the last command, evaluated at every physics step.

    Joints in project order throughout. Without a command, or ``command_timeout`` [s] after the last one, it is limp.
    ``latency`` [s]: how long after a command the motors follow it, at most :data:`state.MAX_LATENCY`.
    """

    def __init__(
        self,
        options: ModelOptions | None = None,
        *,
        command_timeout: float = COMMAND_TIMEOUT,
        latency: float = 0.0,
    ) -> None:
        options = options or ModelOptions()
        self._steps_per_tick = round(go2.CONTROL_DT / options.timestep)
        if abs(self._steps_per_tick * options.timestep - go2.CONTROL_DT) > 1e-9:
            raise ConfigurationError(
                f"physics timestep {options.timestep} s does not divide the control tick of {go2.CONTROL_DT} s"
            )
        if not 0.0 <= latency <= MAX_LATENCY:
            raise ConfigurationError(f"latency must be 0 .. {MAX_LATENCY} s, got {latency}")
        spec = build_spec(options)
        spec.body("base").add_body(name=_PAYLOAD_BODY, mass=_NO_PAYLOAD, inertia=[1e-9] * 3, explicitinertial=True)
        if options.visual:
            add_scenery(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._indices = ModelIndices.of(self.model)
        self._actuators = _actuators_by_joint(self.model)
        self.ground, self._grip = options.ground, self.model.geom_friction[self._indices.ground, 0] / options.friction
        self._command_timeout, self._latency = command_timeout, latency
        self._timestep = options.timestep
        self._motor_strength = np.ones(go2.NUM_JOINTS)
        self.reset(Pose.LYING)

    @property
    def timestep(self) -> float:
        """Physics timestep [s]."""
        return self._timestep

    @property
    def time(self) -> float:
        """Simulated time since the last reset [s]."""
        return self.data.time

    def reset(self, pose: Pose = Pose.LYING, *, yaw: float | None = None) -> None:
        """Put the robot at the origin, at rest, feet on the ground, battery full, motors cold.

        ``yaw`` [rad]: its heading, by default the one of its ground, or 0. Neither a command nor a push nor a remote's
        message from before lasts.
        """
        data, indices = self.data, self._indices
        mujoco.mj_resetData(self.model, data)
        heading = np.array((self.ground.kind.heading or 0.0) if yaw is None else yaw)
        data.qpos[:3], data.qpos[3:7] = 0.0, self.ground.orientation(np.zeros(2), heading)
        data.qpos[indices.qpos] = _POSES[pose]
        mujoco.mj_kinematics(self.model, data)
        feet = data.geom_xpos[indices.feet]
        data.qpos[2] = go2.FOOT_RADIUS + _CLEARANCE - (feet[:, 2] - self.ground.height(feet[:, :2])).min()
        self._given: deque[tuple[float, JointCommand]] = deque(maxlen=_COMMANDS)
        self._command_expires = np.inf
        self._follow(_LIMP)
        self._push_ends = 0.0
        self._remote, self._remote_expires = _NO_REMOTE, 0.0
        self._motor_temperature = np.full(go2.NUM_JOINTS, motors.AMBIENT_TEMPERATURE)
        self._battery_soc = 100.0
        self._steps = 0
        mujoco.mj_forward(self.model, data)

    def set_command(self, command: JointCommand) -> None:
        """Have the motors follow ``command``, late by the latency; raises ConfigurationError if it is not finite."""
        numbers = (command.joint_pos, command.joint_vel, command.kp, command.kd, command.torque)
        if not np.isfinite(np.concatenate(numbers)).all():
            raise ConfigurationError(f"a joint command holds numbers that are not finite: {command}")
        self._given.append((self.time, command))
        self._command_expires = self.time + self._command_timeout

    def step_physics(self) -> None:
        """Advance by one physics timestep; motors and battery wear once a control tick."""
        time = self.time
        command = self._command_in_force(time)
        if command is not self._command:
            self._follow(command)
        if self._push_ends and time >= self._push_ends - 0.5 * self._timestep:
            self.data.xfrc_applied[self._indices.base] = 0.0
            self._push_ends = 0.0
        mujoco.mj_step(self.model, self.data)
        self._steps += 1
        if self._steps % self._steps_per_tick == 0:
            self._wear()

    def _wear(self) -> None:
        """Heat the motors and discharge the battery by a control tick under the present torques."""
        torque, joint_vel = self.data.actuator_force[self._actuators], self.data.qvel[self._indices.qvel]
        self._motor_temperature = motors.heated(self._motor_temperature, torque, go2.CONTROL_DT)
        self._battery_soc = motors.discharged(self._battery_soc, torque, joint_vel, go2.CONTROL_DT)

    def step_control_tick(self, command: JointCommand) -> LowState:
        """Lock-step: hold ``command`` for one control tick, then read the sensors."""
        self.set_command(command)
        for _ in range(self._steps_per_tick):
            self.step_physics()
        return self.lowstate(self.time)

    def lowstate(self, receive_time: float) -> LowState:
        """Return what the sensors say now; the accelerometer is that of the last physics step, as it is integrated."""
        data, indices, time = self.data, self._indices, self.time
        qpos, qvel, sensors = data.qpos, data.qvel, data.sensordata
        return LowState(
            tick_ms=round(time * 1e3),
            receive_time=receive_time,
            base_quat_wxyz=qpos[3:7].copy(),
            base_ang_vel=qvel[3:6].copy(),
            base_lin_acc=sensors[indices.accelerometer].copy(),
            joint_pos=qpos[indices.qpos],
            joint_vel=qvel[indices.qvel],
            joint_torque=data.actuator_force[self._actuators],
            # One raw unit a newton: 37 a foot when standing, above the contact threshold of 20.
            foot_force=sensors[indices.touch],
            motor_temperature=self._motor_temperature,
            battery_soc=self._battery_soc,
            wireless_remote=self._remote if time < self._remote_expires else _NO_REMOTE,
            motor_mode=_IDLE if self._command is _LIMP else _DRIVEN,
            motor_lost=_NONE_LOST,
        )

    def robot_state(self, tick: int, previous_action: np.ndarray) -> RobotState:
        """Return the robot's exact state for a controller in lock-step, after the joint targets ``(12,)`` [rad]."""
        data, indices = self.data, self._indices
        sensors = data.sensordata
        torque, joint_vel = data.actuator_force[self._actuators], data.qvel[indices.qvel]
        measured = {
            "joint_torque": torque,
            "mechanical_power": np.abs(torque * joint_vel).sum(),
            "foot_force": sensors[indices.touch],
            "foot_pos": sensors[indices.foot_position],
            "foot_vel": sensors[indices.foot_velocity],
        }
        truth = BatchState.read(indices, data.qpos, data.qvel, measured, self.ground.height)
        return truth.robot_state(tick, previous_action)

    @property
    def full_state(self) -> State:
        """Everything that its physics goes on from; a rollout from it does what the robot does under the same targets.

        Of the commands only the joint targets are in it; a running push, the remote, and the wear of motors and battery
        are not.
        """
        data = self.data
        return State(
            time=np.array(self.time),
            qpos=data.qpos.copy(),
            qvel=data.qvel.copy(),
            act=data.act.copy(),
            warmstart=data.qacc_warmstart.copy(),
            joint_targets=np.stack([self._target_before(ticks * go2.CONTROL_DT) for ticks in range(HISTORY)]),
            latency=np.array(self._latency),
        )

    @full_state.setter
    def full_state(self, state: State) -> None:
        """Go on from ``state ()``; until a command comes the robot follows its joint targets at the walking gains."""
        state.check(self.model, ())
        data = self.data
        data.time, self._latency = float(state.time), float(state.latency)
        data.qpos[:], data.qvel[:], data.act[:] = state.qpos, state.qvel, state.act
        mujoco.mj_forward(self.model, data)
        # Finding the forces has overwritten it.
        data.qacc_warmstart[:] = state.warmstart
        self._given.clear()
        for ticks in reversed(range(HISTORY)):
            command = JointCommand.position(state.joint_targets[ticks], go2.WALKING_KP, go2.WALKING_KD)
            self._given.append((self.time - (ticks + 1) * go2.CONTROL_DT, command))
        self._command_expires = self.time + self._command_timeout

    def _target_before(self, age: float) -> np.ndarray:
        """Return the joint target ``(12,)`` [rad] given before ``age`` [s] ago; without one, where the joints are."""
        older = (command for given, command in reversed(self._given) if self.time - given - 0.5 * self.timestep > age)
        command = next(older, None)
        return self.data.qpos[self._indices.qpos].copy() if command is None else command.joint_pos

    def truth(self) -> BaseTruth:
        """Return the true state of the base now."""
        quat, lin_vel_w = self.data.qpos[3:7].copy(), self.data.qvel[:3].copy()
        return BaseTruth(
            time=self.time,
            position=self.data.qpos[:3].copy(),
            quat_wxyz=quat,
            lin_vel_w=lin_vel_w,
            lin_vel_b=rotations.rotate_inverse(quat, lin_vel_w),
            ang_vel_b=self.data.qvel[3:6].copy(),
            height=self._height(),
        )

    def _height(self) -> float:
        position, quat = self.data.qpos[:3], self.data.qpos[3:7]
        return float(position[2] - hip_ground(position, quat, self.ground.height))

    def fallen(self) -> bool:
        """Whether the base is past the fall criterion of :mod:`core.go2`: tilt or height."""
        tilt = rotations.tilt(rotations.projected_gravity(self.data.qpos[3:7]))
        return bool(go2.has_fallen(tilt, self._height()))

    def push(self, force_w: np.ndarray, duration: float) -> None:
        """Push the base's centre of mass with ``force_w (3,)`` [N, world] for ``duration`` [s]; ends a running push."""
        force = np.asarray(force_w, dtype=np.float64)
        if force.shape != (3,) or not np.isfinite(force).all() or not 0.0 < duration < np.inf:
            raise ConfigurationError(f"a push is three finite newtons for a positive time, got {force_w}, {duration} s")
        self.data.xfrc_applied[self._indices.base, :3] = force
        self._push_ends = self.time + duration

    def set_remote(self, data: bytes) -> None:
        """Have the remote send ``data`` for ``REMOTE_TIMEOUT`` from now on; ConfigurationError for a wrong length."""
        if len(data) != REMOTE_BYTES:
            raise ConfigurationError(f"the remote sends {REMOTE_BYTES} bytes, got {len(data)}")
        self._remote, self._remote_expires = data, self.time + REMOTE_TIMEOUT

    def set_friction(self, friction: float) -> None:
        """Sliding friction coefficient of the ground, from now on; slippery parts keep their share of it."""
        if not 0.0 < friction < np.inf:
            raise ConfigurationError(f"friction must be a positive number, got {friction}")
        self.model.geom_friction[self._indices.ground, 0] = friction * self._grip

    def set_payload(self, mass: float, position_b: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Fix a payload of ``mass`` [kg] to the base at ``position_b (3,)`` [m]; zero takes it off."""
        position = np.asarray(position_b, dtype=np.float64)
        if not 0.0 <= mass < np.inf or position.shape != (3,) or not np.isfinite(position).all():
            raise ConfigurationError(f"a payload has a mass >= 0 and three coordinates, got {mass} kg at {position_b}")
        body = self.model.body(_PAYLOAD_BODY)
        body.mass[0] = max(mass, _NO_PAYLOAD)
        # A solid ball.
        body.inertia[:] = 0.4 * body.mass[0] * _PAYLOAD_RADIUS**2
        body.pos[:] = position
        # Recomputes the constants that follow from the masses; a scratch state, as it overwrites the one it is given.
        mujoco.mj_setConst(self.model, mujoco.MjData(self.model))

    def set_motor_strength(self, strength: Sequence[float]) -> None:
        """Have the motors give ``strength (12,)`` times the torque that their PD law asks for, up to their limits."""
        values = np.asarray(strength, dtype=np.float64)
        if values.shape != (go2.NUM_JOINTS,) or not np.all((values > 0.0) & (values < np.inf)):
            raise ConfigurationError(
                f"{go2.NUM_JOINTS} motor strengths, finite and above 0, are needed; got {strength}"
            )
        self._motor_strength = values
        self._follow(self._command)

    def _command_in_force(self, time: float) -> JointCommand:
        """Return the newest command that is as old at ``time`` [s] as the latency, limp where there is none."""
        if time >= self._command_expires or not self._given:
            return _LIMP
        if self._given[-1][1] is self._command:
            return self._command
        # Half a physics step, against rounding.
        before = time + 0.5 * self._timestep - self._latency
        return next((command for given, command in reversed(self._given) if given <= before), _LIMP)

    def _follow(self, command: JointCommand) -> None:
        """Hand the PD law of ``command`` to the motors of the model (:mod:`motors`)."""
        self._command = command
        strength = self._motor_strength
        motors.set_gains(self.model, self._actuators, strength * command.kp, strength * command.kd)
        inputs = (command.joint_pos, command.joint_vel, strength * command.torque)
        self.data.ctrl[self._indices.inputs] = np.column_stack(inputs)


def _actuators_by_joint(model: mujoco.MjModel) -> np.ndarray:
    """Actuator ids ``(12,)`` in project order, from the names of the joints that they drive."""
    joints = [model.joint(driven).name for driven in model.actuator_trnid[:, 0]]
    actuators = go2.joint_permutation(joints)
    if len(joints) != go2.NUM_JOINTS:
        raise JointOrderError(f"the model drives {len(joints)} joints {joints}, the Go2 has {go2.NUM_JOINTS} motors")
    return actuators
