"""From LowStates to one robot state per control tick. No ROS here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.go2 import LEGS
from diffusion_mpc_ros.core.types import JointCommand, LowState, RobotState
from diffusion_mpc_ros.estimation.base_estimator import BaseEstimate, BaseEstimator
from diffusion_mpc_ros.realtime.tick_clock import TickClock

# A LowCmd that comes this long [s] after a tick's beginning belongs to that tick, not to the one before: half of the
# publisher's phase after it (nodes/control_turns.py).
COMMAND_MARGIN = 0.5e-3
# LowCmds that are remembered; two are enough unless LowState stalls.
COMMANDS = 8


@dataclass(frozen=True)
class TickSnapshot:
    """One tick: the state, the LowState it was made from, the base's position in the odometry frame ``(3,)`` [m]."""

    state: RobotState
    lowstate: LowState
    position: np.ndarray


class StateSampler:
    """Filters LowStates; at the first one of a tick it returns the robot's state.

    :meth:`note_command` and :meth:`update` may be called from two threads.
    """

    def __init__(self, monotonic: Callable[[], float] = clock.now, foot_sensors: bool = True) -> None:
        self._monotonic = monotonic
        self._clock = TickClock()
        self._estimator = BaseEstimator(foot_sensors=foot_sensors)
        self._commands: deque[tuple[float, JointCommand]] = deque(maxlen=COMMANDS)
        self._tick = -1

    @property
    def foot_sensors_work(self) -> np.ndarray:
        """Feet ``(4,)`` bool whose contact comes from their force sensors, not from joint torques."""
        return self._estimator.foot_sensors_work

    def note_command(self, command: JointCommand) -> None:
        """Remember a LowCmd seen on the wire, whoever sent it."""
        self._commands.append((self._monotonic(), command))

    def update(self, lowstate: LowState) -> TickSnapshot | None:
        """Take the next LowState; a snapshot when it is the first of its tick."""
        sample = self._clock.update(lowstate.tick_ms, lowstate.receive_time)
        if not sample.fresh:
            return None
        if sample.restarted and sample.tick < self._tick:
            # Otherwise the clock only caught up after a stall, and no tick is told twice.
            self._tick = -1
        estimate = self._estimator.update(lowstate, at_once=sample.tick > self._tick)
        if sample.tick <= self._tick:
            return None
        self._tick = sample.tick
        return TickSnapshot(self._state(lowstate, estimate), lowstate, estimate.base_pos_w)

    def _state(self, lowstate: LowState, estimate: BaseEstimate) -> RobotState:
        return RobotState(
            tick=self._tick,
            base_ang_vel=lowstate.base_ang_vel,
            base_quat_wxyz=lowstate.base_quat_wxyz,
            joint_pos=lowstate.joint_pos,
            joint_vel=lowstate.joint_vel,
            joint_torque=lowstate.joint_torque,
            previous_action=self._previous_action(lowstate),
            foot_contact=estimate.foot_contact,
            base_lin_vel=estimate.base_lin_vel_b,
            base_height=estimate.base_height,
        )

    def _previous_action(self, lowstate: LowState) -> np.ndarray:
        """Return the joint target in force until this tick; where a joint has none (damping), its measured position."""
        before = self._clock.time_of(self._tick) + COMMAND_MARGIN
        # A copy, made at once: the other thread may add to them meanwhile.
        for received, command in reversed(tuple(self._commands)):
            if received < before:
                return np.where(command.kp > 0.0, command.joint_pos, lowstate.joint_pos)
        return lowstate.joint_pos


def describe_foot_sensors(work: np.ndarray) -> str:
    """Return which feet do without their force sensors, ``""`` for none; ``work (4,)`` bool."""
    feet = [leg for leg, works in zip(LEGS, work) if not works]
    if not feet:
        return ""
    return f"contact by joint torques instead of force sensors: {', '.join(feet)} (dead, weak, stuck or noisy)"
