"""A planner of one's own in the five processes: a trot whose steps are longer where the robot is slower than asked for.

    PYTHONPATH=examples .venv/bin/diffusion-mpc run --planner new_planner:make --cmd-vel 0.3 0 0 --duration 10

docs/planners.md says what a planner is given and what becomes of its plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.core.types import Plan, PlanRequest, Timing
from diffusion_mpc_ros.estimation.kinematics import leg_kinematics
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.base import Planner

LIFT, LEAN, GAIN = 0.08, 0.03, 1.5  # [m] of a foot, [m] behind where it stands, of the error of the velocity
PHASES = np.array([0.0, 0.5, 0.5, 0.0])  # of FR FL RR RL: diagonal legs swing together
FEET = leg_kinematics(DEFAULT_JOINT_POS)
INVERSE_JACOBIANS = np.linalg.inv(FEET.jacobian_b)  # (4, 3, 3), joint angles for a shift of a foot


@dataclass(frozen=True)
class TrotSettings(Settings):
    frequency: float = setting("Steps of each leg.", 3.0, unit="Hz", low=1.0, high=4.0)


class Trot(Planner):
    name = "trot"

    def __init__(self, timing: Timing, settings: TrotSettings = TrotSettings()) -> None:
        self.timing, self.frequency = timing, settings.frequency

    def plan(self, request: PlanRequest) -> Plan:
        """Feet go back at the commanded velocity while they carry, and forward through the air."""
        time = (request.tick + np.arange(self.timing.horizon)) * CONTROL_DT
        phase = (time[:, None] * self.frequency + PHASES) % 1.0  # (H, 4); a foot is in the air in the second half
        swings = phase >= 0.5
        # From half a step ahead to half a step behind, and back: (H, 4), 1 is half a step.
        share = np.where(swings, 4.0 * phase - 3.0, 1.0 - 4.0 * phase)
        velocity = np.column_stack([request.state.base_lin_vel[:, :2], request.state.base_ang_vel[:, 2]])
        stride = request.command + GAIN * (request.command - velocity)
        (vx, vy, yaw_rate), (x, y, _) = np.moveaxis(stride, -1, 0)[..., None], FEET.foot_pos_b.T  # (B, 1), (4,)
        half_step = np.stack([vx - yaw_rate * y, vy + yaw_rate * x, 0.0 * (vx + x)], axis=-1) / (4.0 * self.frequency)
        shift = share[:, None, :, None] * half_step  # (H, B, 4, 3) [m]
        shift[..., 0] -= LEAN
        shift[..., 2] += LIFT * np.where(swings, np.sin(2.0 * np.pi * (phase - 0.5)), 0.0)[:, None]
        angles = np.einsum("lij,hblj->hbli", INVERSE_JACOBIANS, shift)
        targets = DEFAULT_JOINT_POS + angles.reshape(*angles.shape[:2], -1)
        margin = self.timing.replan_margin
        return Plan(request.tick, targets, command=request.command, planner=self.name, replan_margin=margin)


def make(settings: TrotSettings, timing: Timing, budgeted: bool) -> Ladder:
    """What ``--planner new_planner:make`` calls, with the parameters of the node planner that TrotSettings declare."""
    return Ladder([Trot(timing, settings)])
