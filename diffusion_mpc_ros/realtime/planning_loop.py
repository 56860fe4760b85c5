"""Plan for one robot as it lives: a :class:`PlanSession` with a thread that plans. No ROS here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.realtime.asynchronous_planner import AsynchronousPlanner, PlannerFailure
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.session import DueRequest, PlanSession


class TimedPlanner(Protocol):
    """What is needed of a planner here; ``timing`` may change between two plans."""

    @property
    def timing(self) -> Timing:
        """That of the next plan."""
        ...

    def plan(self, request: PlanRequest) -> Plan:
        """Plan from ``request``; may raise."""
        ...


class PlanningLoop:
    """Plans for one robot from the states for which a plan is due; keeps a mirror of the publisher's buffer.

    ``publish`` gets every plan. Only what it has sent without an exception is mirrored, and then goes to ``show``.
    They and ``on_failure`` run in the planner's thread. ``velocity_feedback``: see :class:`PlanSession`.
    """

    def __init__(
        self,
        planner: TimedPlanner,
        publish: Callable[[Plan], None],
        on_failure: Callable[[PlannerFailure], None],
        show: Callable[[Plan], None] = lambda plan: None,
        velocity_feedback: float = 0.0,
    ) -> None:
        self.latency = LatencyStatistics(planner.timing.plan_time_limit)
        self._planner, self._publish, self._show = planner, publish, show
        self._session = PlanSession(planner.timing, velocity_feedback)
        self._worker = AsynchronousPlanner(self, self._take, on_failure, self.latency)

    def update(self, state: RobotState, command: np.ndarray, rewards: RewardSettings, followed: bool) -> None:
        """Take the robot's state at a tick and the velocity ``command (3,)``; plans from it when a plan is due.

        ``followed``: the robot follows the plans; else nothing of them is committed to.
        """
        if self._session.goes_back(state.tick):
            self._worker.discard()
            self._session.restart()
        self._session.timing = timing = self._planner.timing
        self.latency.limit = timing.plan_time_limit
        request = self._session.due(state.batched(), command[None], rewards, followed)
        if request is not None:
            self._worker.request(request)

    def plan(self, request: DueRequest) -> Plan:
        """Plan, in the planner's thread: what is committed is asked for only now, when the last plan is known."""
        return self._planner.plan(self._session.complete(request))

    def close(self) -> None:
        """Stop planning."""
        self._worker.close()

    def _take(self, plan: Plan) -> None:
        plan_of_robot = plan.of(0)
        self._publish(plan_of_robot)
        self._session.add(plan)
        self._show(plan_of_robot)
