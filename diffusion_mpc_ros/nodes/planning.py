"""From robot states to plans: when to plan, from what, and with which actions already committed. No ROS here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer
from diffusion_mpc_ros.realtime.asynchronous_planner import AsynchronousPlanner, PlannerFailure
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.replan import ReplanSchedule

# A joint target on the wire further than this [rad] from the mirrored buffer's is somebody else's (standing, sitting).
FOLLOWED_WITHIN = 0.2


@dataclass(frozen=True)
class _Request(PlanRequest):
    """``followed``: whether the robot followed the plans at this request's tick."""

    followed: bool = False


class PlanningLoop:
    """Starts a plan from the robot states that the replan schedule picks; keeps a mirror of the publisher's buffer.

    ``publish`` gets every plan. Only what it has sent without an exception is mirrored, and then goes to ``show``.
    They and ``on_failure`` run in the planner's thread.
    """

    def __init__(
        self,
        planner: Planner,
        publish: Callable[[Plan], None],
        on_failure: Callable[[PlannerFailure], None],
        show: Callable[[Plan], None] = lambda plan: None,
    ) -> None:
        timing = planner.timing
        self.latency = LatencyStatistics(timing.plan_time_limit)
        self._planner, self._publish, self._show = planner, publish, show
        self._buffer = ActionBuffer(timing)
        self._schedule = ReplanSchedule(timing)
        self._tick = -1
        self._worker = AsynchronousPlanner(self, self._take, on_failure, self.latency)

    def update(self, state: RobotState, command: np.ndarray, rewards: RewardSettings) -> None:
        """Take the robot's state at a tick; plans from it when a plan is due."""
        if state.tick < self._tick:
            self._restart()
        self._tick = state.tick
        if not self._schedule.due(state.tick):
            return
        observation = observe(state, command, state.previous_action)
        self._schedule.start(state.tick)
        self._worker.request(_Request(state.tick, observation, None, rewards, followed=self._is_followed(state)))

    def plan(self, request: _Request) -> Plan:
        """Called in the planner's thread: what is committed is asked for only now, when the last plan is known."""
        committed = self._buffer.committed(request.tick) if request.followed else None
        plan = self._planner.plan(dataclasses.replace(request, committed_actions=committed))
        return dataclasses.replace(plan, velocity=request.observation[COMMAND])

    def close(self) -> None:
        """Stop planning."""
        self._worker.close()

    def _take(self, plan: Plan) -> None:
        self._publish(plan)
        self._buffer.add(plan)
        self._show(plan)

    def _restart(self) -> None:
        """The robot's clock began anew: nothing planned before has a meaning."""
        self._worker.discard()
        self._buffer.clear()
        self._schedule.reset()

    def _is_followed(self, state: RobotState) -> bool:
        """Whether the publisher executes the plans; while it stands or sits, nothing of them is committed to."""
        row = self._buffer.row(state.tick - 1)
        return row is not None and bool(np.abs(row.joint_targets - state.previous_action).max() <= FOLLOWED_WITHIN)
