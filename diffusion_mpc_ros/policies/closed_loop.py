"""A controller in closed loop with the batch simulator, and the scores of the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.control.motions import PoseMotion
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import PlanError, TimingError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan, RewardSettings, RobotState
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow
from diffusion_mpc_ros.realtime.measurement import TRACKING_WIDTH
from diffusion_mpc_ros.realtime.session import DueRequest, PlanSession
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState

# Ticks that the robots have to get up to speed before errors count.
SETTLING_TICKS = 100
# What a walk is measured at: (vx, vy) [m/s], yaw rate [rad/s].
COMMANDS = (
    (0.5, 0.0, 0.0),
    (0.7, 0.0, 0.0),
    (1.0, 0.0, 0.0),
    (-0.5, 0.0, 0.0),
    (0.0, 0.4, 0.0),
    (0.0, 0.0, 0.8),
    (0.0, 0.0, 0.0),
    (-0.5, 0.2, 0.5),
)


class BatchController(Protocol):
    """Joint targets for B robots, tick by tick."""

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """States of B robots and velocity commands ``(B, 3)`` -> joint targets ``(B, 12)`` [rad] for that tick."""


class AsynchronousController:
    """The planner behind the plan session of the real nodes, with the same delays.

    A plan is known ``latency_ticks`` after the planner began with it, however fast this machine computes it. It plans
    one at a time: meanwhile the newest request waits, with the state of its own tick (realtime/planning_loop.py). What
    is executed is the row that the :class:`PlanSession` picks among the plans known so far; without one the robot
    settles into the default pose, as ``command_publisher`` lets it. Latency 0: a plan is known at its own tick.
    A batch follows joint targets alone: a plan with a feed-forward raises PlanError.
    """

    def __init__(
        self,
        planner: Planner,
        settings: Callable[[int], RewardSettings] | None = None,
        latency_ticks: int = 0,
        velocity_feedback: float = 0.0,
    ) -> None:
        if latency_ticks < 0:
            raise TimingError(f"a plan cannot be known before it is begun: latency_ticks = {latency_ticks}, not >= 0")
        self._planner, self._settings = planner, settings or (lambda tick: RewardSettings())
        self._latency = latency_ticks
        self._session = PlanSession(planner.timing, velocity_feedback)
        self._waiting: DueRequest | None = None  # the newest request
        self._running: tuple[int, Plan] | None = None  # the plan being made, and the tick from which it is known
        self._settle_time = load_safety_settings(config_file("safety.yaml")).settle_time
        self._settling: PoseMotion | None = None
        self._settled = 0.0  # [s]
        self._targets: np.ndarray | None = None  # (B, 12) [rad] of the last tick
        self.executed: ExecutedRow | None = None  # of the last tick; None while settling

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`BatchController`."""
        tick = state.tick
        # The settings are those of the tick, as a node has them when it plans.
        request = self._session.due(state, command, self._settings(tick))
        self._finish(tick)
        self._waiting = request or self._waiting
        if self._running is None and self._waiting is not None:
            plan = self._planner.plan(self._session.complete(self._waiting))
            self._waiting, self._running = None, (tick + self._latency, plan)
            self._finish(tick)
        self.executed = self._session.row(tick)
        if self.executed is None:
            self._targets = self._settle(len(command))
        else:
            self._settling, self._targets = None, self.executed.joint_targets
        return self._targets

    def _finish(self, tick: int) -> None:
        if self._running is not None and tick >= self._running[0]:
            plan, self._running = self._running[1], None
            if any(values is not None for values in plan.feed_forward):
                raise PlanError(
                    f"plans of {plan.planner!r} have a feed-forward: command_publisher follows it, a batch of robots "
                    "follows joint targets alone; evaluate it in `diffusion-mpc run`"
                )
            self._session.add(plan)

    def _settle(self, robots: int) -> np.ndarray:
        if self._settling is None:
            start = np.tile(go2.DEFAULT_JOINT_POS, (robots, 1)) if self._targets is None else self._targets
            self._settling = PoseMotion(start, [(go2.DEFAULT_JOINT_POS, self._settle_time)])
            self._settled = 0.0
        self._settled += go2.CONTROL_DT
        return np.broadcast_to(self._settling.at(self._settled), (robots, go2.NUM_JOINTS)).copy()


@dataclass
class WalkScores:
    """Per-tick records of one run, ``(ticks, B)`` each unless stated; NaN after a fall."""

    planar_error: np.ndarray  # [m/s], norm of (vx, vy) - command
    yaw_rate_error: np.ndarray  # [rad/s], absolute
    base_height: np.ndarray  # [m]
    torque: np.ndarray  # [N m], root mean square over the joints
    power: np.ndarray  # [W], mechanical
    joint_vel_squared: np.ndarray  # [rad^2/s^2], mean over the joints
    velocity: np.ndarray  # (ticks, B, 3), vx, vy [m/s] and yaw rate [rad/s], base frame

    def survived(self) -> np.ndarray:
        """Robots that never fell, ``(B,)`` bool."""
        return np.isfinite(self.planar_error[-1])

    def summary(self, robots: np.ndarray) -> dict[str, float]:
        """Scores over the robots of the mask ``robots (B,)``, after the settling time.

        Errors are those of every tick: the sway of the trot counts.
        """
        settled = slice(min(SETTLING_TICKS, len(self.planar_error) - 1), None)
        mean = lambda values: mean_of_finite(values[settled][:, robots])  # noqa: E731
        return {
            "robots": int(robots.sum()),
            "survival": float(self.survived()[robots].mean()),
            "velocity_error": mean(self.planar_error),
            "yaw_rate_error": mean(self.yaw_rate_error),
            "tracking_score": mean(np.exp(-(self.planar_error**2) / TRACKING_WIDTH)),
            "base_height": mean(self.base_height),
            "torque_rms": mean(self.torque),
            "power": mean(self.power),
            "joint_vel_squared": mean(self.joint_vel_squared),
        }


def mean_of_finite(values: np.ndarray) -> float:
    """Mean over the robots and ticks before a fall; NaN when there is none."""
    finite = np.isfinite(values)
    return float(values[finite].mean()) if finite.any() else float("nan")


def run_closed_loop(
    controller: BatchController,
    simulation: BatchSimulation,
    commands: np.ndarray,
    ticks: int,
    label: str = "walk",
    watch: Callable[[BatchState], None] = lambda state: None,
) -> WalkScores:
    """Walk ``simulation`` under ``controller`` for ``ticks`` with commands ``(B, 3)``, or ``(ticks, B, 3)``.

    ``watch`` is called with the state after every tick.
    """
    robots = simulation.robots
    commands = np.broadcast_to(commands, (ticks, robots, 3))
    previous = np.tile(go2.DEFAULT_JOINT_POS, (robots, 1))
    alive = np.ones(robots, dtype=bool)
    record: dict[str, list[np.ndarray]] = {}
    for tick in tqdm(range(ticks), desc=label, unit="tick", leave=False):
        robots_now = simulation.state.robot_state(tick, previous)
        targets = go2.clip_joint_targets(controller.joint_targets(robots_now, commands[tick]))
        state = simulation.step(targets)
        watch(state)
        previous = targets
        alive &= ~state.fallen()
        for name, value in _measure(state, commands[tick]).items():
            upright = alive.reshape(-1, *[1] * (value.ndim - 1))
            record.setdefault(name, []).append(np.where(upright, value, np.nan))
    return WalkScores(**{name: np.stack(values) for name, values in record.items()})


def _measure(state: BatchState, commands: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "planar_error": np.linalg.norm(state.base_lin_vel_b[:, :2] - commands[:, :2], axis=1),
        "yaw_rate_error": np.abs(state.base_ang_vel_b[:, 2] - commands[:, 2]),
        "base_height": state.base_height,
        "torque": np.sqrt(np.mean(state.joint_torque**2, axis=1)),
        "power": state.mechanical_power,
        "joint_vel_squared": np.mean(state.joint_vel**2, axis=1),
        "velocity": np.column_stack([state.base_lin_vel_b[:, :2], state.base_ang_vel_b[:, 2]]),
    }
