"""How hard the motors have to work for what they are told: a joint that something holds fast works on and on."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.control.checks import Violation
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, JOINT_TORQUE_MAX, NUM_JOINTS
from diffusion_mpc_ros.core.types import JointCommand, LowState


class Effort:
    """A running mean of each joint's predicted torque as a share of its motor's limit, over about ``time`` [s].

    The torque is that of the PD law: a following error times the stiffness. Walking and standing stay far below a
    ``limit`` that a blocked joint passes within little more than ``time``.
    """

    def __init__(self, limit: float, time: float) -> None:
        self._limit, self._gain = limit, min(CONTROL_DT / time, 1.0)
        self._share = np.zeros(NUM_JOINTS)

    def reset(self) -> None:
        """Forget: the joints are only damped."""
        self._share = np.zeros(NUM_JOINTS)

    def update(self, command: JointCommand, lowstate: LowState) -> None:
        """Take one tick's ``command`` and the LowState that it was decided with."""
        torque = command.kp * (command.joint_pos - lowstate.joint_pos) - command.kd * lowstate.joint_vel
        share = np.minimum(np.abs(torque + command.torque) / JOINT_TORQUE_MAX, 1.0)
        self._share += self._gain * (share - self._share)

    def violation(self) -> Violation | None:
        """Return the joint that works against something, None when none does."""
        joint = int(self._share.argmax())
        if self._share[joint] <= self._limit:
            return None
        cause = f"{JOINT_NAMES[joint]} is blocked, mean torque as a share of its motor's limit"
        return Violation(cause, float(self._share[joint]), self._limit, at_once=True)
