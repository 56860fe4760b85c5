"""The 50 Hz loop from the newest LowState and the plans to ``rt/lowcmd``; it needs neither planner nor ROS graph."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diffusion_mpc_ros.control.authority import REMOTE, Holding
from diffusion_mpc_ros.control.ending import RESTS_WITHIN, Ending
from diffusion_mpc_ros.control.freshness import Freshness
from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode, next_mode
from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.control.rest import Rest
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput, SupervisorOutput
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, CONTROL_TICK_MS, DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand, LowState, Plan, Timing
from diffusion_mpc_ros.go2.channels import Subscriber, lowstate_of
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.pacing import lowstate_pace
from diffusion_mpc_ros.go2.profile import SENSOR_NOISE
from diffusion_mpc_ros.go2.remote import decode_remote
from diffusion_mpc_ros.nodes.control_step import ControlStep
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs, Request
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer, ExecutedRow
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.measurement import LATE
from diffusion_mpc_ros.realtime.periodic import Deadline, PeriodicLoop
from diffusion_mpc_ros.realtime.tick_clock import TickClock

# The loop wakes this long [s] after a tick begins: by then the tick's first LowState is there, and a small error of
# the clock cannot put the command into the tick before.
PHASE = 1e-3
# LowStates of this long [ms] before a tick are read as well, should its first one be lost.
LEAD_MS = 3
# How often it is looked whether commands may begin [s].
WAIT_PERIOD = 0.05
# Longer than a step of the loop, or than damping after it has failed [s].
STOP_TIMEOUT = RESTS_WITHIN + 2.0
PASSIVE = (Mode.DAMPING, Mode.FAULT)
NOBODY = Holding("", False, np.zeros(3))


class ControlLoop:
    """Owns the loop's thread. Whatever ends it, the last LowCmd on the wire is damping.

    Nothing is sent before the robot has said that its own controller has let go of the motors, and the watchdog is
    there; ``waiting_for`` tells what is missing. ``margin_from_plans``: each plan says its replan margin D, else it has
    to be that of ``timing``. ``artefact_error``: why the planner's model artefact must not be used,
    "" when it may. In the loop's thread run ``read_operator(lowstate, walking)``, at the beginning of each turn, which
    tells who holds the robot; ``read_stops`` right before the command is sent; ``on_step`` after it was sent. What the
    first and the last one raise is counted in ``operator_failures`` and ``report_failures`` and stops nothing.
    ``on_failure`` gets the exception that ended the loop.
    """

    def __init__(
        self,
        domain: Go2Domain,
        link: RobotLink,
        settings: SafetySettings,
        timing: Timing,
        on_step: Callable[[ControlStep], None],
        on_failure: Callable[[Exception], None],
        artefact_error: str = "",
        inputs: OperatorInputs | None = None,
        read_operator: Callable[[LowState | None, bool], Holding] = lambda lowstate, walking: NOBODY,
        read_stops: Callable[[], None] = lambda: None,
        margin_from_plans: bool = False,
    ) -> None:
        profile = link.profile
        self.inputs = OperatorInputs() if inputs is None else inputs
        self.lateness = LatencyStatistics(LATE)
        self.report_failures = self.operator_failures = 0
        self.report_times = LatencyStatistics(LATE)  # how long the next tick waits for the report of this one
        self.link_status = LinkStatus()  # of the last step
        self._link, self._settings, self._artefact_error = link, settings, artefact_error
        self._read_operator, self._read_stops = read_operator, read_stops
        self._buffer = ActionBuffer(timing)
        self._replan_margin = None if margin_from_plans else timing.replan_margin
        self._supervisor = Supervisor(settings)
        self._clock, self._freshness = TickClock(), Freshness(SENSOR_NOISE not in profile.missing)
        self._rest, self._ending = Rest(), Ending()
        self._on_step, self._on_failure = on_step, on_failure
        self._now_tick, self._last_step = 0, math.nan
        self._ended = False
        self._aged = False  # the last command came too late for the state that it was decided on
        self._remote = b""
        self._jump = 0.0  # [s], of the robot's clock since the last step
        self._damped = True  # the last step's command was damping
        pace = lowstate_pace(profile, CONTROL_TICK_MS, LEAD_MS, watch_remote=True)
        self._lowstates = Subscriber(domain, lowstate_of(profile), self._on_lowstate, single_source=True, pace=pace)
        self._stopped = threading.Event()
        self._loop = PeriodicLoop(CONTROL_DT, self._step, between=self._repeat, parts=profile.commands_per_tick)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    @property
    def waiting_for(self) -> str:
        """What must happen before the first command is sent; "" once commands are sent."""
        return self._link.waiting_for

    @property
    def skipped(self) -> int:
        """Deadlines that passed without a command since the start."""
        return self._loop.skipped

    @property
    def rejected_lowstates(self) -> int:
        """LowStates refused since the start: another layout, a wrong CRC, numbers that are not finite."""
        return self._lowstates.rejected

    @property
    def ended(self) -> bool:
        """Whether the orderly end that :meth:`end` has begun is over, or commands never began."""
        return self._ended or bool(self.waiting_for) or not self._thread.is_alive()

    def add(self, plan: Plan) -> None:
        """Take a plan; raises PlanError when it cannot be executed."""
        check_plan(plan, self._now_tick, self._replan_margin, self._settings.plan_position_margin)
        self._buffer.add(plan)

    def request(self, event: Event, timeout: float = 0.2) -> tuple[bool, str]:
        """Hand the operator's request to the next tick; whether it was accepted, and why not or what changed."""
        if self.waiting_for:
            return False, f"{event.value} refused: waiting for {self.waiting_for}"
        return self.inputs.request(event, timeout)

    def end(self) -> None:
        """Begin to let the robot down: sit down where its state can be trusted, else damp until it lies."""
        self._ending.begin(clock.now())

    def hurry(self) -> None:
        """Damp at once instead of sitting down."""
        self._ending.hurry()

    def close(self) -> None:
        """Stop the loop, damp, let go of the motors; a robot that does not lie yet is left to the watchdog."""
        self._stopped.set()
        self._loop.stop()
        self._thread.join(timeout=STOP_TIMEOUT)
        self._lowstates.close()
        lies = self._rest.reached and self._supervisor.mode is Mode.DAMPING
        self._link.close(at_rest=self._rest.reached or bool(self.waiting_for), may_restore=lies)

    def _run(self) -> None:
        try:
            while self.waiting_for:
                if self._stopped.wait(WAIT_PERIOD):
                    return
                self._wait()
            self._loop.run()
        except Exception as error:  # noqa: BLE001 - whoever owns the process ends it
            self._on_failure(error)
            self._damp_until_rest()

    def _wait(self) -> None:
        """Keep stops, and drop requests: what is asked for now must not be carried out when commands begin."""
        self._holding(self._lowstates.latest())
        while (request := self.inputs.take()) is not None:
            request.answer(False, f"{request.event.value} refused: waiting for {self.waiting_for}")

    def _damp_until_rest(self) -> None:
        """Do what is left to do when the loop has failed: without the supervisor, at its rate, for a bounded time."""
        until = clock.now() + RESTS_WITHIN
        while clock.now() < until and not self._rest.reached:
            self._link.damp(armed=True)
            self._rest.update(True, self._lowstates.latest())
            self._stopped.wait(CONTROL_DT)

    def _step(self, deadline: Deadline) -> None:
        lowstate = self._lowstates.latest()
        holding = self._holding(lowstate)
        now = clock.now()
        tick = self._now_tick = self._tick(lowstate, now)
        self._note_age(lowstate)
        jump, self._jump = self._jump, 0.0
        row = self._buffer.row(tick)
        request = self._request()
        before = self._supervisor.mode
        output = self._supervisor.step(self._input(tick, now, lowstate, row, request, holding, jump))
        self._last_step, self._aged = now, False
        damped = self._damped = output.mode in PASSIVE
        armed = not (damped and self._rest.reached)
        if not self._link.send(output.command, armed, lambda: damped or self._in_time(now)):
            output = self._not_sent(output)
        self._rest.update(damped, lowstate if self._fresh(clock.now()) else None)
        self._ended = self._ending.done(output.mode, self._rest.reached, now)
        lateness = clock.now() - deadline.time
        self.lateness.add(lateness)
        if request is not None:
            request.answer(next_mode(before, request.event) is output.mode, output.message)
        self._report(ControlStep(tick, output, row if output.following_plan else None, lowstate, holding, lateness))

    def _repeat(self) -> None:
        """Between two steps: say the last command again, to a robot whose profile asks for more than one a tick."""
        self._note_age(self._lowstates.latest())
        if not self._link.repeat(lambda: self._damped or self._in_time(self._last_step)):
            self._remember_not_sent()

    def _input(
        self,
        tick: int,
        now: float,
        lowstate: LowState | None,
        row: ExecutedRow | None,
        request: Request | None,
        holding: Holding,
        jump: float,
    ) -> SupervisorInput:
        self.link_status = self._link.status(
            foreign_lowstate=self._lowstates.foreign_source(),
            clock_error=self._clock_error(lowstate),
            artefact_error=self._artefact_error,
            rejected=self._lowstates.last_error,
        )
        return SupervisorInput(
            tick=tick,
            lowstate=lowstate,
            lowstate_age=math.inf if self._aged else self._freshness.age(now),
            joint_targets=row.joint_targets if row else None,
            request=self._ending.request(self._supervisor.mode, now) or (request.event if request else None),
            e_stop=self.inputs.stops.take(now),
            link=self.link_status,
            held=holding.alive,
            clock_jump=jump,
            since_last_step=CONTROL_DT if math.isnan(self._last_step) else now - self._last_step,
            watchdog_took_over=self._link.watchdog_took_over(),
        )

    def _holding(self, lowstate: LowState | None) -> Holding:
        """Read the operator's topics; where a foreign message breaks that, nobody holds the robot."""
        try:
            return self._read_operator(lowstate, self._supervisor.mode is Mode.WALKING)
        except Exception:  # noqa: BLE001
            self.operator_failures += 1
            return NOBODY

    def _request(self) -> Request | None:
        """Return the operator's next request; while the robot is let down nobody else is asked."""
        request = self.inputs.take()
        if request is not None and self._ending.begun:
            request.answer(False, f"{request.event.value} refused: command_publisher ends and lets the robot down")
            return None
        return request

    def _note_age(self, lowstate: LowState | None) -> None:
        """Take the newest LowState for its age; a jump of the robot's clock is kept for the next step."""
        if lowstate is not None:
            self._jump = self._freshness.update(lowstate) or self._jump

    def _fresh(self, now: float) -> bool:
        return abs(self._freshness.age(now)) <= self._settings.lowstate_age_max

    def _in_time(self, begun: float) -> bool:
        """Whether a command that was decided at ``begun`` [s] may still move the robot; the last check there is.

        A process that was stopped within its turn must not send what it meant to say before.
        """
        self._read_stops()
        now = clock.now()
        return now - begun <= self._settings.loop_stall_max and self._fresh(now) and not self.inputs.stops.pending()

    def _not_sent(self, output: SupervisorOutput) -> SupervisorOutput:
        """Return what left instead of ``output``."""
        self._remember_not_sent()
        return replace(output, command=JointCommand.damping(DAMPING_KD), following_plan=False)

    def _remember_not_sent(self) -> None:
        """The next turn makes a fault of why a command came too late, whatever it sees then."""
        self._aged = not self._fresh(clock.now())
        if not self._aged and not self.inputs.stops.pending():
            self._last_step = -math.inf

    def _report(self, step: ControlStep) -> None:
        start = clock.now()
        try:
            self._on_step(step)
            self.report_times.add(clock.now() - start)
        except Exception:  # noqa: BLE001 - a report that fails must not drop the robot
            self.report_failures += 1

    def _on_lowstate(self, lowstate: LowState) -> None:
        """In the thread that receives: look at every state of the remote, however short a button was pressed."""
        if lowstate.wireless_remote != self._remote:
            self._remote = lowstate.wireless_remote
            state = decode_remote(lowstate.wireless_remote)
            if state is not None:
                self.inputs.gamepad(REMOTE, state, math.inf)

    def _tick(self, lowstate: LowState | None, now: float) -> int:
        if lowstate is None:
            return 0
        if self._clock.update(lowstate.tick_ms, lowstate.receive_time).restarted:
            self._buffer.clear()
        tick = self._clock.tick_at(now)
        self._loop.align(self._clock.time_of(tick) + PHASE)
        return max(tick, 0)

    def _clock_error(self, lowstate: LowState | None) -> str:
        if lowstate is None:
            return ""
        try:
            self._clock.check_rate(lowstate.receive_time)
        except TimingError as error:
            return str(error)
        return ""
