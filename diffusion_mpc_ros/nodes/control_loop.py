"""The 50 Hz loop from the newest LowState and the plans to ``rt/lowcmd``; it needs neither planner nor ROS graph."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.control.arming import LinkStatus
from diffusion_mpc_ros.control.modes import Event, Mode, next_mode
from diffusion_mpc_ros.control.plans import check_plan
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput, SupervisorOutput
from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import LowState, Plan, Timing
from diffusion_mpc_ros.go2.channels import LOWSTATE, Go2Domain, Subscriber
from diffusion_mpc_ros.go2.remote import decode_remote
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.robot_link import RobotLink
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer, ExecutedRow
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.measurement import LATE
from diffusion_mpc_ros.realtime.periodic import Deadline, PeriodicLoop
from diffusion_mpc_ros.realtime.tick_clock import TickClock

# The loop wakes this long [s] after a tick begins: by then the tick's first LowState is there, and a small error of
# the clock cannot put the command into the tick before.
PHASE = 1e-3
# How often it is looked whether commands may begin [s].
WAIT_PERIOD = 0.05
# Longer than a step of the loop [s].
STOP_TIMEOUT = 2.0
PASSIVE = (Mode.DAMPING, Mode.FAULT)


@dataclass(frozen=True)
class ControlStep:
    """One turn of the loop: what was sent for ``tick``, from which row, ``lateness`` [s] after the deadline."""

    tick: int
    output: SupervisorOutput
    row: ExecutedRow | None
    lowstate: LowState | None
    lateness: float


class ControlLoop:
    """Owns the loop's thread. Whatever ends it, the last LowCmd on the wire is damping.

    Nothing is sent before the robot has said that its own controller has let go of the motors, and the watchdog is
    there; ``waiting_for`` tells what is missing. ``artefact_error``: why the planner's model artefact must not be used,
    "" when it may. ``on_step`` runs in the loop's thread after the command was sent, and what it raises is counted in
    ``report_failures`` and stops nothing; ``on_failure`` gets the exception that ended the loop.
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
    ) -> None:
        self.inputs = OperatorInputs()
        self.lateness = LatencyStatistics(LATE)
        self.report_failures = 0
        self.report_times = LatencyStatistics(LATE)  # how long the next tick waits for the report of this one
        self.link_status = LinkStatus()  # of the last step
        self._link, self._settings, self._artefact_error = link, settings, artefact_error
        self._buffer = ActionBuffer(timing)
        self._supervisor = Supervisor(settings)
        self._clock = TickClock()
        self._on_step, self._on_failure = on_step, on_failure
        self._now_tick, self._last_step = 0, math.nan
        self._lowstates = Subscriber(domain, LOWSTATE)
        self._stopped = threading.Event()
        self._loop = PeriodicLoop(CONTROL_DT, self._step)
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

    def add(self, plan: Plan) -> None:
        """Take a plan; raises PlanError when it cannot be executed."""
        check_plan(plan, self._now_tick, self._settings.plan_position_margin)
        self._buffer.add(plan)

    def request(self, event: Event, timeout: float = 0.2) -> tuple[bool, str]:
        """Hand the operator's request to the next tick; whether it was accepted, and why not or what changed."""
        if self.waiting_for:
            return False, f"{event.value} refused: waiting for {self.waiting_for}"
        return self.inputs.request(event, timeout)

    def close(self) -> None:
        """Stop the loop, damp, let go of the motors."""
        self._stopped.set()
        self._loop.stop()
        self._thread.join(timeout=STOP_TIMEOUT)
        self._lowstates.close()
        self._link.close(safe_to_restore=self._supervisor.mode is Mode.DAMPING)

    def _run(self) -> None:
        try:
            while self.waiting_for:
                if self._stopped.wait(WAIT_PERIOD):
                    return
            try:
                self._loop.run()
            finally:
                self._link.damp()
        except Exception as error:  # whoever owns the process ends it
            self._on_failure(error)

    def _step(self, deadline: Deadline) -> None:
        now = time.monotonic()
        lowstate = self._lowstates.latest()
        tick = self._now_tick = self._tick(lowstate, now)
        row = self._buffer.row(tick)
        if lowstate is not None:
            self.inputs.gamepad("remote", decode_remote(lowstate.wireless_remote))
        request = self.inputs.take()
        before = self._supervisor.mode
        self.link_status = self._link.status(
            self._clock_error(lowstate), self._artefact_error, self._lowstates.last_error
        )
        output = self._supervisor.step(
            SupervisorInput(
                tick=tick,
                lowstate=lowstate,
                lowstate_age=now - lowstate.receive_time if lowstate else math.inf,
                joint_targets=row.joint_targets if row else None,
                request=request.event if request else None,
                e_stop=self.inputs.asserted_stop(),
                link=self.link_status,
                since_last_step=CONTROL_DT if math.isnan(self._last_step) else now - self._last_step,
                watchdog_took_over=self._link.watchdog_took_over(),
            )
        )
        self._last_step = now
        self._link.send(output.command, armed=output.mode not in PASSIVE)
        lateness = time.monotonic() - deadline.time
        self.lateness.add(lateness)
        if request:
            request.answer(next_mode(before, request.event) is output.mode, output.message)
        self._report(ControlStep(tick, output, row if output.following_plan else None, lowstate, lateness))

    def _report(self, step: ControlStep) -> None:
        start = time.monotonic()
        try:
            self._on_step(step)
            self.report_times.add(time.monotonic() - start)
        except Exception:  # noqa: BLE001 - a report that fails must not drop the robot
            self.report_failures += 1

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
