"""How hard the motors have to work for what they are told: a joint that something holds fast works on and on."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.control.checks import TrustedLowState, Violation
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, JOINT_TORQUE_MAX, NUM_JOINTS
from diffusion_mpc_ros.core.types import JointCommand


class Effort:
    """Running means over about ``blocked_time``: each joint's torque as a share of its motor's limit, and its speed.

    The torque is that of the PD law with its feed-forward: what a blocked joint asks of its motor. A
    joint is blocked that pushes harder than ``blocked_torque`` and moves more slowly than ``blocked_speed``.
    """

    def __init__(self, settings: SafetySettings) -> None:
        self._settings = settings
        self._gain = min(CONTROL_DT / settings.blocked_time, 1.0)
        self.reset()

    def reset(self) -> None:
        """Forget: the joints are only damped."""
        self._share = np.zeros(NUM_JOINTS)
        self._speed = np.zeros(NUM_JOINTS)  # [rad/s]

    def update(self, command: JointCommand, lowstate: TrustedLowState) -> None:
        """Take one tick's ``command`` and the LowState that it was decided with."""
        torque = command.kp * (command.joint_pos - lowstate.joint_pos)
        torque += command.kd * (command.joint_vel - lowstate.joint_vel) + command.torque
        share = np.minimum(np.abs(torque) / JOINT_TORQUE_MAX, 1.0)
        self._share += self._gain * (share - self._share)
        self._speed += self._gain * (np.abs(lowstate.joint_vel) - self._speed)

    def violation(self) -> Violation | None:
        """Return the joint that works against something, None when none does."""
        limit = self._settings.blocked_torque
        blocked = np.where(self._speed < self._settings.blocked_speed, self._share, 0.0)
        joint = int(blocked.argmax())
        if blocked[joint] <= limit:
            return None
        cause = f"{JOINT_NAMES[joint]} is blocked, mean torque as a share of its motor's limit"
        return Violation(cause, float(blocked[joint]), limit, at_once=True)
