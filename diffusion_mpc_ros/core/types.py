"""The stamped values that pass between the parts; immutable, validated where they are made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError, TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, MOTOR_MODE_SERVO, NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM


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
        """A position command with equal gains on all joints."""
        zeros = np.zeros(NUM_JOINTS)
        return cls(joint_pos, zeros, np.full(NUM_JOINTS, kp), np.full(NUM_JOINTS, kd), zeros)

    @classmethod
    def damping(cls, kd: float) -> JointCommand:
        """Velocity damping only: what a robot gets that cannot be trusted with a position."""
        return cls.position(np.zeros(NUM_JOINTS), 0.0, kd)


@dataclass(frozen=True)
class RobotState:
    """One atomic sample of the robot at a control tick. Base frame, joints in project order."""

    tick: int
    base_ang_vel: np.ndarray  # (3,) [rad/s], base frame
    base_quat_wxyz: np.ndarray  # (4,), base -> world
    joint_pos: np.ndarray  # (12,) [rad]
    joint_vel: np.ndarray  # (12,) [rad/s]
    joint_torque: np.ndarray  # (12,) [N m], estimated by the motors
    previous_action: np.ndarray  # (12,) [rad], joint target on the wire before this tick
    foot_contact: np.ndarray  # (4,) bool, FR FL RR RL
    base_lin_vel: np.ndarray  # (3,) [m/s], base frame, estimated
    base_height: float  # [m] above the ground, estimated


@dataclass(frozen=True)
class RewardSettings:
    """What the operator asks for: term weights, term parameters, active constraints; ``revision`` counts changes."""

    revision: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanRequest:
    """What a planner plans from: the observation of ``tick`` and the actions already committed for the ticks after.

    ``observation (45,)``; ``committed_actions (D, 12)`` [rad] for ticks ``tick .. tick + D - 1``, or None when the
    buffer holds none (the first plan). ``mode`` names the operating mode; a change of it refreshes cached plans.
    """

    tick: int
    observation: np.ndarray
    committed_actions: np.ndarray | None
    rewards: RewardSettings
    mode: str = "walking"

    def __post_init__(self) -> None:
        if self.observation.shape != (OBSERVATION_DIM,) or not np.isfinite(self.observation).all():
            raise PlanError(
                f"observation of tick {self.tick} must be {OBSERVATION_DIM} finite numbers, "
                f"got shape {self.observation.shape}, finite: {bool(np.isfinite(self.observation).all())}"
            )


@dataclass(frozen=True)
class Plan:
    """Joint targets for ticks ``start_tick .. start_tick + H - 1``.

    ``joint_targets (H, 12)`` [rad] in a node; the batch simulator uses ``(H, B, 12)``, one plan for B robots.
    """

    start_tick: int
    joint_targets: np.ndarray
    reward: float = 0.0
    reward_revision: int = 0
    denoising_steps: int = 0
    plan_time: float = 0.0  # [s], wall time of the computation
    trajectory: np.ndarray | None = None  # (T, 57) predicted, physical units, for display
    velocity: np.ndarray | None = None  # (3,) the velocity command it follows [m/s, m/s, rad/s]

    def __post_init__(self) -> None:
        targets = self.joint_targets
        if targets.ndim < 2 or targets.shape[0] < 1 or targets.shape[-1] != NUM_JOINTS:
            raise PlanError(f"joint targets must be (H, ..., {NUM_JOINTS}), got {targets.shape}")
        if not np.isfinite(targets).all():
            raise PlanError(f"the plan for tick {self.start_tick} holds numbers that are not finite")
        if self.start_tick < 0:
            raise PlanError(f"a plan starts at a tick >= 0, got {self.start_tick}")

    @property
    def horizon(self) -> int:
        """Number of rows H."""
        return self.joint_targets.shape[0]
