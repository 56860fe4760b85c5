"""The safety supervisor: the last word on what the motors are told, every tick.

Pure and deterministic: the same inputs in the same order give the same outputs; no clock, no thread, no ROS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.control import arming, checks
from diffusion_mpc_ros.control.checks import TrustedLowState, Violation
from diffusion_mpc_ros.control.effort import Effort
from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.limits import limit_command
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode, next_mode
from diffusion_mpc_ros.control.motions import PoseMotion
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, LYING_JOINT_POS, NUM_JOINTS
from diffusion_mpc_ros.core.types import JointCommand, LowState


@dataclass(frozen=True)
class SupervisorInput:
    """What is known at one control tick."""

    tick: int
    lowstate: LowState | None  # the newest one
    lowstate_age: float  # [s], of what it measured
    joint_targets: np.ndarray | None  # (12,) [rad], the row the action buffer has for this tick
    request: Event | None = None  # one of REQUESTS
    e_stop: str = ""  # who has stopped the robot since the last step or asserts it: "remote", ...; "" for nobody
    link: LinkStatus = LinkStatus()
    held: bool = False  # somebody holds the robot and is alive
    clock_jump: float = 0.0  # [s], by how much the robot's clock has jumped against the local one
    since_last_step: float = CONTROL_DT  # [s], between the beginnings of the last step and this one
    watchdog_took_over: bool = False  # the watchdog has sent damping since the last step
    feed_forward: FeedForward = NONE  # of the row that the joint targets are


@dataclass(frozen=True)
class Fault:
    """Why the robot is in FAULT: what was measured against which limit, and when."""

    cause: str
    tick: int
    value: float
    limit: float
    emergency_stop: bool = False

    @classmethod
    def of(cls, violation: Violation, tick: int) -> Fault:
        """Return the fault that ``violation`` is at ``tick``."""
        return cls(violation.cause, tick, violation.value, violation.limit, violation.emergency_stop)

    def __str__(self) -> str:
        return f"{self.cause} {self.value:.4g} (limit {self.limit:.4g}) at tick {self.tick}"


@dataclass(frozen=True)
class SupervisorOutput:
    """What to send and to report. ``message`` says in words why a request was refused or the mode changed by itself.

    ``following_plan``: the command follows a plan's row. ``clamped``: number of joints whose command was limited.
    """

    mode: Mode
    command: JointCommand
    fault: Fault | None
    message: str
    following_plan: bool
    clamped: int


class Supervisor:
    """State machine DAMPING -> STANDING_UP -> STANDING -> WALKING -> SITTING_DOWN -> DAMPING, any -> FAULT.

    A fault keeps its first cause until the operator clears it; an emergency stop is a fault in every mode, and one that
    comes during another fault is a fault of its own afterwards. Call :meth:`step` once every control tick; scripted
    motions advance by one ``CONTROL_DT`` a call.
    """

    def __init__(self, settings: SafetySettings) -> None:
        self._settings = settings
        self._enter(Mode.DAMPING)
        self._fault: Fault | None = None
        self._stop: Fault | None = None  # an emergency stop that came during another fault
        self._violation_ticks = 0
        self._worn_time, self._unheld_time = 0.0, 0.0  # [s], for how long without a break
        self._effort = Effort(settings)
        self._kp, self._kd = 0.0, go2.DAMPING_KD
        self._targets: np.ndarray | None = None  # (12,) [rad], last position target sent; None while damping
        self._feed_forward = NONE  # sent last

    @property
    def mode(self) -> Mode:
        """The mode after the last step."""
        return self._mode

    def step(self, inputs: SupervisorInput) -> SupervisorOutput:
        """Do one control tick; the command is finite and within limits whatever ``inputs`` holds."""
        self._unheld_time = 0.0 if inputs.held else self._unheld_time + CONTROL_DT
        self._keep_stop(inputs)
        state = checks.trust(inputs.lowstate, inputs.lowstate_age, self._settings.lowstate_age_max)
        violation, wear = self._check(inputs, state)
        message = self._change_mode(inputs, state, violation, wear)
        # No motion in DAMPING and FAULT; in no other mode without a state that can be trusted.
        if self._motion is None or isinstance(state, Violation):
            return self._damp(message)
        return self._move(inputs, state, self._motion, message)

    def _check(
        self, inputs: SupervisorInput, state: TrustedLowState | Violation
    ) -> tuple[Violation | None, Violation | None]:
        """Return the violation that forbids moving now, and the wear that forbids going on for long."""
        settings = self._settings
        # A loop that stalled has old LowStates as well: the first cause is the one to look at.
        at_once = (
            checks.stop_violation(inputs.e_stop)
            or checks.control_violation(inputs.link, inputs.since_last_step, inputs.watchdog_took_over, settings)
            or checks.clock_violation(inputs.clock_jump)
        )
        if at_once is not None:
            return at_once, None
        if isinstance(state, Violation):
            return state, None
        wear = checks.wear_violation(state, settings.motor_temperature_max, settings.battery_min)
        self._worn_time = 0.0 if wear is None else self._worn_time + CONTROL_DT
        lasting = next(checks.motion_violations(state, settings), None)
        lasting = lasting or checks.motor_violation(state, inputs.link)
        self._violation_ticks = 0 if lasting is None else self._violation_ticks + 1
        return self._effort.violation() or lasting, wear if self._worn_time >= settings.wear_time else None

    def _keep_stop(self, inputs: SupervisorInput) -> None:
        """Remember an emergency stop that comes while the robot is in FAULT for another cause."""
        violation = checks.stop_violation(inputs.e_stop)
        if violation is None or self._fault is None or self._fault.emergency_stop:
            return
        if self._stop is None:
            self._stop = Fault.of(violation, inputs.tick)

    def _change_mode(
        self,
        inputs: SupervisorInput,
        state: TrustedLowState | Violation,
        violation: Violation | None,
        wear: Violation | None,
    ) -> str:
        """Apply at most one event: a fault before a request, a request before what follows by itself."""
        if violation is not None and self._is_fault(violation, inputs):
            self._fault = Fault.of(violation, inputs.tick)
            return self._apply(Event.FAULT, state, str(self._fault))
        if self._mode not in (Mode.DAMPING, Mode.FAULT):
            if inputs.request is Event.DAMP:
                return self._apply(Event.DAMP, state)
            if wear is not None and next_mode(self._mode, Event.WEAR):
                return self._apply(Event.WEAR, state, str(wear))
        if inputs.request is not None:
            return self._request(inputs.request, inputs, state, violation)
        if self._motion is not None and self._elapsed >= self._motion.duration:
            if next_mode(self._mode, Event.MOTION_DONE):
                return self._apply(Event.MOTION_DONE, state)
        if self._ticks_without_plan * CONTROL_DT >= self._settings.plan_timeout:
            return self._apply(Event.PLAN_LOST, state, f"no plan for {self._settings.plan_timeout} s")
        return ""

    def _is_fault(self, violation: Violation, inputs: SupervisorInput) -> bool:
        """Tell whether ``violation`` is a fault; a robot that damps is safe, there only an emergency stop is one."""
        if self._mode is Mode.FAULT:
            return False
        if self._mode is Mode.DAMPING:
            return bool(inputs.e_stop)
        return violation.at_once or self._violation_ticks >= self._settings.violation_ticks

    def _request(
        self,
        request: Event,
        inputs: SupervisorInput,
        state: TrustedLowState | Violation,
        violation: Violation | None,
    ) -> str:
        if request not in REQUESTS or next_mode(self._mode, request) is None:
            name = getattr(request, "value", request)
            valid = [event.value for event in REQUESTS if next_mode(self._mode, event)]
            return f"{name} refused in mode {self._mode.value}; possible: {valid}"
        obstacles = self._obstacles(inputs, violation)
        if request is Event.CLEAR_FAULT and self._stop is not None and not obstacles:
            cleared, self._fault, self._stop = self._fault, self._stop, None
            return f"cleared: {cleared}; the robot was stopped meanwhile: {self._fault}"
        return f"{request.value} refused: {'; '.join(obstacles)}" if obstacles else self._apply(request, state)

    def _obstacles(self, inputs: SupervisorInput, violation: Violation | None) -> list[str]:
        if inputs.request in (Event.DAMP, Event.SIT_DOWN):
            return []
        if self._mode is Mode.DAMPING:
            jump = checks.clock_violation(inputs.clock_jump)
            obstacles = arming.obstacles(inputs.lowstate, inputs.lowstate_age, inputs.link, self._settings)
            return obstacles if jump is None else [str(jump), *obstacles]
        if inputs.request is Event.WALK and self._usable_row(inputs) is None:
            return ["no plan has a row for this tick: is the planner running and ready?"]
        return [] if violation is None else [str(violation)]

    def _apply(self, event: Event, state: TrustedLowState | Violation, reason: str = "") -> str:
        """Enter the mode that ``event`` leads to; the reason when the mode has changed."""
        mode = next_mode(self._mode, event)
        if mode is None or mode is self._mode:
            return ""
        if self._mode is Mode.FAULT:
            self._fault = None
        previous = self._mode
        if mode in (Mode.DAMPING, Mode.FAULT) or isinstance(state, Violation):
            self._enter(mode)
        else:
            self._enter(mode, self._motion_into(mode, state))
        text = f"{previous.value} -> {mode.value}"
        return f"{text}: {reason}" if reason else text

    def _enter(self, mode: Mode, motion: PoseMotion | None = None) -> None:
        self._mode = mode
        self._motion, self._elapsed = motion, 0.0
        self._ticks_without_plan = 0
        self._following, self._entry_time = False, 0.0  # a plan's rows; how far [s] the way into them has been gone

    def _motion_into(self, mode: Mode, state: TrustedLowState) -> PoseMotion:
        """Return the scripted motion of ``mode``, from the last target, or from the measured pose without one."""
        settings = self._settings
        start = go2.clip_joint_targets(state.joint_pos) if self._targets is None else self._targets
        settle = (DEFAULT_JOINT_POS, settings.settle_time)
        waypoints = {
            Mode.STANDING_UP: [(LYING_JOINT_POS, settings.fold_time), (DEFAULT_JOINT_POS, settings.stand_up_time)],
            Mode.STANDING: [settle],
            Mode.WALKING: [settle],
            Mode.SITTING_DOWN: [settle, (LYING_JOINT_POS, settings.sit_down_time)],
        }
        return PoseMotion(start, waypoints[mode])

    def _move(
        self, inputs: SupervisorInput, state: TrustedLowState, motion: PoseMotion, message: str
    ) -> SupervisorOutput:
        row = self._followed_row(inputs)
        targets = self._next_targets(row, state, motion)
        feed_forward = NONE if row is None else inputs.feed_forward.scaled(self._entry_share)
        self._ramp_gains()
        limited = limit_command(
            targets,
            self._kp,
            self._kd,
            previous_targets=state.joint_pos if self._targets is None else self._targets,
            joint_pos=state.joint_pos,
            joint_vel=state.joint_vel,
            settings=self._settings,
            feed_forward=feed_forward,
            previous_feed_forward=self._feed_forward,
        )
        self._targets = limited.command.joint_pos
        self._feed_forward = limited.feed_forward
        self._effort.update(limited.command, state)
        clamped = int(limited.clamped.sum())
        return SupervisorOutput(self._mode, limited.command, None, message, row is not None, clamped)

    def _followed_row(self, inputs: SupervisorInput) -> np.ndarray | None:
        """Return the plan's row for this tick, None unless the robot walks, has a usable one and somebody holds it."""
        if self._mode is not Mode.WALKING:
            return None
        row = self._usable_row(inputs)
        self._ticks_without_plan = self._ticks_without_plan + 1 if row is None else 0
        return row if self._unheld_time < self._settings.unheld_time else None

    def _next_targets(self, row: np.ndarray | None, state: TrustedLowState, motion: PoseMotion) -> np.ndarray:
        """Return the joint targets ``(12,)`` [rad] of this tick: the scripted pose, ``row``, or on the way between.

        WALKING settles anew whenever it stops following plans, and fades into their rows when it begins to.
        """
        if self._mode is Mode.WALKING and row is None and self._following:
            motion = self._motion_into(Mode.WALKING, state)
            self._motion, self._elapsed = motion, 0.0
        self._following = row is not None
        self._elapsed += CONTROL_DT
        scripted = motion.at(self._elapsed)
        if row is None:
            self._entry_time = max(self._entry_time - CONTROL_DT, 0.0)
            return scripted
        self._entry_time = min(self._entry_time + CONTROL_DT, self._settings.entry_time)
        share = self._entry_share
        return row if share >= 1.0 else scripted + share * (row - scripted)

    @property
    def _entry_share(self) -> float:
        """How much of a plan's rows is followed, in 0 .. 1."""
        # A tick that is due is not missed by a rounding error.
        return min((self._entry_time + 1e-9) / self._settings.entry_time, 1.0)

    @staticmethod
    def _usable_row(inputs: SupervisorInput) -> np.ndarray | None:
        row = inputs.joint_targets
        if row is None or np.shape(row) != (NUM_JOINTS,) or not np.isfinite(row).all():
            return None
        return row if inputs.feed_forward is NONE or inputs.feed_forward.usable else None

    def _ramp_gains(self) -> None:
        walking = self._mode is Mode.WALKING
        kp, kd = (go2.WALKING_KP, go2.WALKING_KD) if walking else (go2.STANDING_KP, go2.STANDING_KD)
        kp_step, kd_step = self._settings.kp_rate * CONTROL_DT, self._settings.kd_rate * CONTROL_DT
        self._kp += min(max(kp - self._kp, -kp_step), kp_step)
        self._kd += min(max(kd - self._kd, -kd_step), kd_step)

    def _damp(self, message: str) -> SupervisorOutput:
        """Zero stiffness: dissipates whatever is measured, so it needs neither LowState nor torque clamp."""
        self._kp, self._kd, self._targets, self._feed_forward = 0.0, go2.DAMPING_KD, None, NONE
        self._effort.reset()
        return SupervisorOutput(self._mode, JointCommand.damping(go2.DAMPING_KD), self._fault, message, False, 0)
