"""The stamped values that pass between the parts; immutable, validated where they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError, TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, MOTOR_MODE_SERVO, NUM_JOINTS, STANDING_HEIGHT


@dataclass(frozen=True)
class Timing:
    """Horizon H, replan margin D and replan interval R, in control ticks (arXiv 2510.04234, IV-D).

    A plan has ``horizon`` rows; row ``i < replan_margin`` is never executed because its tick passes while the plan is
    computed; a new plan is started every ``replan_interval`` ticks. The paper's interval is ``H - D``.
    """

    horizon: int = 11
    replan_margin: int = 3
    replan_interval: int = 2
    control_dt: float = CONTROL_DT

    def __post_init__(self) -> None:
        if not 0 <= self.replan_margin < self.horizon:
            raise TimingError(
                f"replan margin D = {self.replan_margin} does not fit horizon H = {self.horizon}: 0 <= D < H is needed"
            )
        if not 1 <= self.replan_interval <= self.horizon - self.replan_margin:
            raise TimingError(
                f"replan interval R = {self.replan_interval} does not fit H = {self.horizon} and "
                f"D = {self.replan_margin}: 1 <= R <= H - D = {self.horizon - self.replan_margin} is needed"
            )

    @property
    def plan_time_limit(self) -> float:
        """How long a plan may take [s] to be ready when its row D is due: max(D, 1) ticks."""
        return max(self.replan_margin, 1) * self.control_dt

    def check_plan_time(self, plan_time_p99: float) -> None:
        """Raise :class:`TimingError` unless ``plan_time_p99`` [s] is within :attr:`plan_time_limit`."""
        limit = self.plan_time_limit
        if not plan_time_p99 <= limit:
            raise TimingError(
                f"p99 plan time {plan_time_p99 * 1e3:.1f} ms is over max(D, 1) * control_dt = {limit * 1e3:.0f} ms: "
                f"take fewer candidates or denoising steps, or a larger replan margin than D = {self.replan_margin}"
            )


@dataclass(frozen=True)
class LowState:
    """One decoded ``rt/lowstate`` message; joints in project order, IMU in the base frame."""

    tick_ms: int  # the robot's own clock [ms]
    receive_time: float  # [s], local clock (core.clock)
    base_quat_wxyz: np.ndarray  # (4,)
    base_ang_vel: np.ndarray  # (3,) [rad/s]
    base_lin_acc: np.ndarray  # (3,) [m/s^2], specific force: +9.81 on z when level and at rest
    joint_pos: np.ndarray  # (12,) [rad]
    joint_vel: np.ndarray  # (12,) [rad/s]
    joint_torque: np.ndarray  # (12,) [N m]
    foot_force: np.ndarray  # (4,) raw, FR FL RR RL
    motor_temperature: np.ndarray  # (12,) [deg C]
    battery_soc: float | None  # [%]; None: the robot does not say
    wireless_remote: bytes = b""
    motor_mode: np.ndarray = field(default_factory=lambda: np.full(NUM_JOINTS, MOTOR_MODE_SERVO))  # (12,) int
    motor_lost: np.ndarray = field(default_factory=lambda: np.zeros(NUM_JOINTS, dtype=int))  # (12,) packets, a counter
    bms_status: int = 0  # raw


@dataclass(frozen=True)
class JointCommand:
    """What the motors are told: ``torque = kp (joint_pos - q) + kd (joint_vel - dq) + torque``, each ``(12,)``."""

    joint_pos: np.ndarray  # [rad]
    joint_vel: np.ndarray  # [rad/s]
    kp: np.ndarray  # [N m/rad]
    kd: np.ndarray  # [N m s/rad]
    torque: np.ndarray  # [N m], feed-forward

    @classmethod
    def position(cls, joint_pos: np.ndarray, kp: float, kd: float) -> JointCommand:
        """Return a position command with equal gains on all joints."""
        zeros = np.zeros(NUM_JOINTS)
        return cls(joint_pos, zeros, np.full(NUM_JOINTS, kp), np.full(NUM_JOINTS, kd), zeros)

    @classmethod
    def damping(cls, kd: float) -> JointCommand:
        """Velocity damping only: what a robot gets that cannot be trusted with a position."""
        return cls.position(np.zeros(NUM_JOINTS), 0.0, kd)


@dataclass(frozen=True)
class RobotState:
    """One atomic sample at a control tick, of one robot or of B: each array then has a first axis of B.

    Base frame, joints in project order.
    """

    tick: int
    base_ang_vel: np.ndarray  # (3,) [rad/s], base frame
    base_quat_wxyz: np.ndarray  # (4,), base -> world
    joint_pos: np.ndarray  # (12,) [rad]
    joint_vel: np.ndarray  # (12,) [rad/s]
    joint_torque: np.ndarray  # (12,) [N m], estimated by the motors
    previous_action: np.ndarray  # (12,) [rad], joint target on the wire before this tick
    foot_contact: np.ndarray  # (4,) bool, FR FL RR RL
    base_lin_vel: np.ndarray  # (3,) [m/s], base frame, estimated
    base_height: float | np.ndarray  # [m] above the ground, estimated

    @classmethod
    def standing(cls, tick: int = 0, robots: int = 1) -> RobotState:
        """B = ``robots`` at rest in the default pose, their joint targets the same."""
        zeros, pose = np.zeros((robots, 3)), np.tile(DEFAULT_JOINT_POS, (robots, 1))
        return cls(
            tick=tick,
            base_ang_vel=zeros,
            base_quat_wxyz=np.tile([1.0, 0.0, 0.0, 0.0], (robots, 1)),
            joint_pos=pose,
            joint_vel=np.zeros((robots, NUM_JOINTS)),
            joint_torque=np.zeros((robots, NUM_JOINTS)),
            previous_action=pose,
            foot_contact=np.ones((robots, 4), dtype=bool),
            base_lin_vel=zeros,
            base_height=np.full(robots, STANDING_HEIGHT),
        )

    def batched(self) -> RobotState:
        """Return the state of one robot as that of a batch of B = 1."""
        arrays: dict[str, Any] = {
            each.name: np.asarray(getattr(self, each.name))[None] for each in fields(self) if each.name != "tick"
        }
        return replace(self, **arrays)


@dataclass(frozen=True)
class RewardSettings:
    """What the operator asks for: term weights, term parameters, active constraints; ``revision`` counts changes."""

    revision: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()


# Shape of one robot's part of what a plan starts from.
_STATE_SHAPES: dict[str, tuple[int, ...]] = {
    "base_ang_vel": (3,),
    "base_quat_wxyz": (4,),
    "joint_pos": (NUM_JOINTS,),
    "joint_vel": (NUM_JOINTS,),
    "joint_torque": (NUM_JOINTS,),
    "previous_action": (NUM_JOINTS,),
    "foot_contact": (4,),
    "base_lin_vel": (3,),
    "base_height": (),
}


@dataclass(frozen=True)
class PlanRequest:
    """What a planner plans from, for B robots at the same tick: a node's planner has B = 1.

    ``state``: of the B robots, each array ``(B, ...)``; ``command (B, 3)``: vx, vy [m/s], yaw rate [rad/s];
    ``committed_actions (d, B, 12)`` [rad] for ticks ``tick .. tick + d - 1``, or None when nothing is committed to (the
    first plan). ``mode`` names the operating mode; a change of it refreshes cached plans. ``added (B, 3)``: what
    velocity feedback adds to the command, None for nothing. Raises :class:`PlanError` for other shapes and for numbers
    that are not finite.
    """

    state: RobotState
    command: np.ndarray
    rewards: RewardSettings
    committed_actions: np.ndarray | None = None
    mode: str = "walking"
    added: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check("velocity command", self.command, (self.robots, 3))
        if self.added is not None:
            self._check("velocity feedback", self.added, (self.robots, 3))
        for name, shape in _STATE_SHAPES.items():
            self._check(name, getattr(self.state, name), (self.robots, *shape))
        if self.committed_actions is not None:
            self._check("committed actions", self.committed_actions, (-1, self.robots, NUM_JOINTS))

    @property
    def aim(self) -> np.ndarray:
        """The velocity ``(B, 3)`` to plan for: the command, and what feedback adds."""
        return self.command if self.added is None else self.command + self.added

    @property
    def tick(self) -> int:
        """The tick of the state, that of the plan's row 0."""
        return self.state.tick

    @property
    def robots(self) -> int:
        """Number of robots B."""
        return len(self.state.joint_pos)

    def _check(self, name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
        actual = np.shape(values)
        fits = len(actual) == len(shape) and all(size in (-1, given) for size, given in zip(shape, actual))
        if not fits or not np.isfinite(values).all():
            raise PlanError(
                f"{name} of the request for tick {self.tick}: finite numbers of shape {shape} are needed, got "
                f"{actual}, finite: {bool(np.isfinite(values).all())}"
            )


@dataclass(frozen=True)
class Candidates:
    """What a planner compared for one plan, for display.

    ``joint_pos (B, N, T, 12)`` [rad]: what each of N candidates predicts; ``reward (B, N)``: the plan is the one with
    the largest. Of one robot alone (:meth:`of`) the axis of B is missing.
    """

    joint_pos: np.ndarray
    reward: np.ndarray

    def of(self, robot: int) -> Candidates:
        """The candidates of one robot of the batch."""
        return Candidates(self.joint_pos[robot], self.reward[robot])


# Facts of a plan: what velocity feedback added to its command, vx, vy [m/s], yaw rate [rad/s].
ADDED_VELOCITY = ("added_vx", "added_vy", "added_yaw_rate")


def added_velocity(facts: Mapping[str, float]) -> list[float]:
    """Return what velocity feedback added to the command of a plan, by its ``facts``: nothing where they do not say."""
    return [facts.get(name, 0.0) for name in ADDED_VELOCITY]


# In messages, in place of a replan margin that a plan does not say.
UNSAID = -1


@dataclass(frozen=True)
class Plan:
    """Joint targets for ticks ``start_tick .. start_tick + H - 1``.

    ``joint_targets (H, B, 12)`` [rad] for the B robots of a request; of one robot alone (:meth:`of`) the axis of B is
    missing here and below. ``joint_vel`` [rad/s] and ``joint_torque`` [N m] of the same shape are the feed-forward
    ``dq*`` and ``tau*`` of the PD law ``tau = kp (q* - q) + kd (dq* - dq) + tau*``; None is zero. ``facts``: numbers
    that its planner tells of it, by name, such as ``denoising_steps``.
    ``planner`` and ``replan_margin`` (D, in ticks): who made it and for which timing; "" and None are not known.
    """

    start_tick: int
    joint_targets: np.ndarray
    reward: float = 0.0
    reward_revision: int = 0
    plan_time: float = 0.0  # [s], wall time of the computation
    trajectory: np.ndarray | None = None  # (B, T, 57) predicted, physical units, for display
    command: np.ndarray | None = None  # (B, 3) the velocity command it follows [m/s, m/s, rad/s]
    planner: str = ""
    replan_margin: int | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    candidates: Candidates | None = None  # None: its planner compares none, or does not tell
    joint_vel: np.ndarray | None = None
    joint_torque: np.ndarray | None = None

    def __post_init__(self) -> None:
        targets = self.joint_targets
        if targets.ndim < 2 or targets.shape[0] < 1 or targets.shape[-1] != NUM_JOINTS:
            raise PlanError(f"joint targets must be (H, ..., {NUM_JOINTS}), got {targets.shape}")
        for name, values in (("joint_vel", self.joint_vel), ("joint_torque", self.joint_torque)):
            if values is not None and values.shape != targets.shape:
                raise PlanError(f"{name} must have the shape {targets.shape} of the joint targets, got {values.shape}")
        arrays = targets, self.joint_vel, self.joint_torque, self.command
        if not all(values is None or np.isfinite(values).all() for values in arrays):
            raise PlanError(f"the plan for tick {self.start_tick} holds numbers that are not finite")
        told = [self.reward, self.plan_time, *self.facts.values()]
        if not all(map(math.isfinite, told)):
            raise PlanError(f"reward, time or facts of the plan for tick {self.start_tick} are not finite: {told}")
        if self.start_tick < 0:
            raise PlanError(f"a plan starts at a tick >= 0, got {self.start_tick}")

    @property
    def feed_forward(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Joint velocities and torques."""
        return self.joint_vel, self.joint_torque

    @property
    def horizon(self) -> int:
        """Number of rows H."""
        return self.joint_targets.shape[0]

    def of(self, robot: int) -> Plan:
        """Return the plan of one robot of the batch."""
        return replace(
            self,
            joint_targets=self.joint_targets[:, robot],
            joint_vel=None if self.joint_vel is None else self.joint_vel[:, robot],
            joint_torque=None if self.joint_torque is None else self.joint_torque[:, robot],
            trajectory=None if self.trajectory is None else self.trajectory[robot],
            command=None if self.command is None else self.command[robot],
            candidates=None if self.candidates is None else self.candidates.of(robot),
        )
