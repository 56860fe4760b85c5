"""What the control loop does at each tick: the newest LowState and the plans in, one command out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from diffusion_mpc_ros.control.ending import Ending
from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode, next_mode
from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.control.rest import Rest
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand, LowState, Plan, Timing
from diffusion_mpc_ros.nodes.control_step import ControlStep, StepReports
from diffusion_mpc_ros.nodes.lowstate_input import LowStateInput
from diffusion_mpc_ros.nodes.operator_side import OperatorSide
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer, ExecutedRow
from diffusion_mpc_ros.realtime.periodic import Deadline, PeriodicLoop

# The loop wakes this long [s] after a tick begins: by then the tick's first LowState is there, and a small error of
# the clock cannot put the command into the tick before.
PHASE = 1e-3
LETS_DOWN = "command_publisher ends and lets the robot down"
PASSIVE = (Mode.DAMPING, Mode.FAULT)


class ControlTurns:
    """The turns, and their period; :attr:`periodic` runs them in the thread that calls it.

    ``margin_from_plans``: each plan says its replan margin D, else it has to be that of ``timing``. ``artefact_error``:
    why the planner's artefact must not be used, "" when it may. ``read_plans``: hands on the plans that have come.
    """

    def __init__(
        self,
        link: RobotLink,
        lowstates: LowStateInput,
        operator: OperatorSide,
        settings: SafetySettings,
        timing: Timing,
        reports: StepReports,
        artefact_error: str = "",
        margin_from_plans: bool = False,
        read_plans: Callable[[Callable[[Plan], object]], object] = lambda receive: None,
    ) -> None:
        self.supervisor, self.rest, self.ending = Supervisor(settings), Rest(), Ending()
        self.link_status, self.ended = LinkStatus(), False  # of the last turn; the orderly end is over
        self.periodic = PeriodicLoop(CONTROL_DT, self._step, between=self._repeat, parts=link.profile.commands_per_tick)
        self._link, self._lowstates, self._operator, self._report = link, lowstates, operator, reports.add
        self._settings, self._artefact_error, self._stops = settings, artefact_error, operator.inputs.stops
        self._buffer, self.read_plans = ActionBuffer(timing), read_plans
        self._replan_margin = None if margin_from_plans else timing.replan_margin
        self._now_tick, self._last_step = 0, math.nan
        self._damped, self._aged = True, False  # the last turn's command was damping; came too late for its state

    def add(self, plan: Plan) -> None:
        """Take a plan, from any thread; raises PlanError when it cannot be executed."""
        check_plan(plan, self._now_tick, self._replan_margin, self._settings.plan_position_margin)
        self._buffer.add(plan)

    def _step(self, deadline: Deadline) -> None:
        # Before the topics, so that what its sender said earlier is read: a stop released, then the fault cleared.
        request = self._operator.request(LETS_DOWN if self.ending.begun else "")
        lowstate = self._lowstates.newest()
        holding = self._operator.holding(lowstate, self.supervisor.mode is Mode.WALKING)
        now = clock.now()
        tick = self._now_tick = self._tick(lowstate, now)
        self._lowstates.note_age_of(lowstate)
        self.read_plans(self.add)
        row = self._buffer.row(tick)
        event, before = (request.event if request else None), self.supervisor.mode
        output = self.supervisor.step(self._input(tick, now, lowstate, row, event, holding.alive))
        self._last_step, self._aged = now, False
        damped = self._damped = output.mode in PASSIVE
        if not self._link.send(output.command, not (damped and self.rest.reached), lambda: damped or self._timely(now)):
            self._remember_not_sent()
            output = replace(output, command=JointCommand.damping(DAMPING_KD), following_plan=False)
        self.rest.update(damped, lowstate if self._fresh(clock.now()) else None)
        self.ended = self.ending.done(output.mode, self.rest.reached, now)
        lateness = clock.now() - deadline.time
        if request is not None:
            request.answer(next_mode(before, request.event) is output.mode, output.message)
        self._report(ControlStep(tick, output, row if output.following_plan else None, lowstate, holding, lateness))

    def _repeat(self) -> None:
        """Between two turns: say the last command again, to a robot whose profile asks for more than one a tick."""
        self._lowstates.note_age()
        if not self._link.repeat(lambda: self._damped or self._timely(self._last_step)):
            self._remember_not_sent()

    def _input(
        self, tick: int, now: float, lowstate: LowState | None, row: ExecutedRow | None, asked: Event | None, held: bool
    ) -> SupervisorInput:
        self.link_status = self._link.status(
            foreign_lowstate=self._lowstates.foreign_source(),
            clock_error=self._lowstates.clock_error(lowstate),
            artefact_error=self._artefact_error,
            rejected=self._lowstates.last_error,
        )
        return SupervisorInput(
            tick=tick,
            lowstate=lowstate,
            lowstate_age=math.inf if self._aged else self._lowstates.age(now),
            joint_targets=row.joint_targets if row else None,
            feed_forward=FeedForward.of(*row.feed_forward) if row else NONE,
            request=self.ending.request(self.supervisor.mode, now) or asked,
            e_stop=self._stops.take(now),
            link=self.link_status,
            held=held,
            clock_jump=self._lowstates.take_jump(),
            since_last_step=CONTROL_DT if math.isnan(self._last_step) else now - self._last_step,
            watchdog_took_over=self._link.watchdog_took_over(),
        )

    def _tick(self, lowstate: LowState | None, now: float) -> int:
        if lowstate is None:
            return 0
        tick, begun, restarted = self._lowstates.tick(lowstate, now)
        if restarted:
            self._buffer.clear()
        self.periodic.align(begun + PHASE)
        return max(tick, 0)

    def _fresh(self, now: float) -> bool:
        return self._lowstates.fresh(now, self._settings.lowstate_age_max)

    def _timely(self, begun: float) -> bool:
        """Return whether a command that was decided at ``begun`` [s] may still move the robot; the last check there is.

        A process that was stopped within its turn must not send what it meant to say before, nor one that was paused
        with its whole computer.
        """
        self._operator.read_stops()
        self._lowstates.look_for_pause()
        now = clock.now()
        late = now - begun > self._settings.loop_stall_max or not self._fresh(now) or self._lowstates.jumped
        return not (late or self._stops.pending())

    def _remember_not_sent(self) -> None:
        """Make the next turn a fault of why a command came too late; a jump and a stop are remembered already."""
        self._aged = not self._fresh(clock.now())
        if not (self._aged or self._lowstates.jumped or self._stops.pending()):
            self._last_step = -math.inf
