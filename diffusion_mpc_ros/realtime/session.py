"""When a plan is made, from what, what is committed meanwhile, and which row is followed (arXiv 2510.04234, IV-D).

The node ``planner`` and the batch evaluation plan by the same session; no thread, no clock and no ROS here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer, ExecutedRow
from diffusion_mpc_ros.realtime.replan import ReplanSchedule
from diffusion_mpc_ros.realtime.velocity_feedback import VelocityFeedback


@dataclass(frozen=True)
class DueRequest(PlanRequest):
    """A request whose committed actions are not known yet.

    ``followed``: the robot followed the plans at its tick. ``margin``: so many actions will be committed, the replan
    margin D of the timing that it is planned by.
    """

    followed: bool = True
    margin: int = 0


class PlanSession:
    """One robot's, or one batch's, sequence of plans; :attr:`timing` may change between two, the horizon stays.

    ``velocity_feedback`` [1/s]: gain of the :class:`VelocityFeedback`, 0 for none.
    :meth:`complete` and :meth:`add` may run in the planner's thread while another one calls the rest.
    """

    def __init__(self, timing: Timing, velocity_feedback: float = 0.0) -> None:
        self.timing = timing
        self._feedback = VelocityFeedback(velocity_feedback)
        self._buffer = ActionBuffer(timing)
        self._schedule = ReplanSchedule(timing)
        self._tick = -1

    def goes_back(self, tick: int) -> bool:
        """Tell whether ``tick`` is before the last one: the robot's clock began anew, and a :meth:`restart` is due."""
        return tick < self._tick

    def restart(self) -> None:
        """Forget every plan: nothing planned before has a meaning."""
        self._buffer.clear()
        self._schedule.reset()
        self._feedback.reset()
        self._tick = -1

    def due(
        self, state: RobotState, command: np.ndarray, rewards: RewardSettings, followed: bool = True
    ) -> DueRequest | None:
        """Return the request to plan from ``state``, None when no plan is due at its tick; arguments as of PlanRequest.

        Raises :class:`PlanError` for a state that no plan can start from.
        """
        self._tick = state.tick
        self._buffer.advance(state.tick)
        added = self._feedback(state, command, followed)
        self._schedule.interval = self.timing.replan_interval
        if not self._schedule.due(state.tick):
            return None
        margin = self.timing.replan_margin
        request = DueRequest(state, command, rewards, added=added, followed=followed, margin=margin)
        self._schedule.start(state.tick)
        return request

    def complete(self, request: DueRequest) -> PlanRequest:
        """Return ``request`` with what is committed by the plans known now; to be called when planning begins.

        While somebody else moves the joints (the robot stands, sits, is damped) nothing is committed to.
        """
        committed = self._buffer.committed(request.tick, request.margin) if request.followed else None
        return dataclasses.replace(request, committed_actions=committed)

    def add(self, plan: Plan) -> None:
        """Take a plan that whoever commands the robot has as well. Raises :class:`PlanError` for another shape."""
        self._buffer.add(plan)

    def row(self, tick: int) -> ExecutedRow | None:
        """Return the row that is executed at ``tick``, now the present one; None when no plan has one."""
        return self._buffer.row(tick)
