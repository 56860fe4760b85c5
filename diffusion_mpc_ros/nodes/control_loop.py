"""The 50 Hz loop from the newest LowState and the plans to ``rt/lowcmd``; it needs neither planner nor ROS graph."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.control.modes import Event, next_mode
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput, SupervisorOutput
from diffusion_mpc_ros.core.errors import InterfaceError, TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand, LowState, Timing
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Go2Domain, Publisher, Subscriber
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer, ExecutedRow
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.measurement import LATE
from diffusion_mpc_ros.realtime.periodic import Deadline, PeriodicLoop
from diffusion_mpc_ros.realtime.tick_clock import TickClock

# The loop wakes this long [s] after a tick begins: by then the tick's first LowState is there, and a small error of
# the clock cannot put the command into the tick before.
PHASE = 1e-3
# How long one answer of the motion switcher may take, and how often it is asked until it is there [s].
SWITCHER_TIMEOUT = 0.5
# The last word is said this often: the topic is not a reliable one.
LAST_COMMANDS = 3
# Longer than a step of the loop and an answer of the motion switcher with its retries [s].
STOP_TIMEOUT = 4.0
RELEASE_FIRST = (
    "the robot's own controller {!r} commands the motors; lay the robot down and release it first: "
    "diffusion-mpc release --network-interface NAME"
)


@dataclass(frozen=True)
class ControlStep:
    """One turn of the loop: what was sent for ``tick``, from which row, ``lateness`` [s] after the deadline."""

    tick: int
    output: SupervisorOutput
    row: ExecutedRow | None
    lowstate: LowState | None
    lateness: float


@dataclass
class _Request:
    event: Event
    done: threading.Event
    accepted: bool = False
    message: str = ""


class ControlLoop:
    """Owns the loop's thread. Whatever ends it, the last LowCmd on the wire is damping.

    Nothing is sent before the robot has said that its own controller has let go of the motors; ``waiting_for`` tells
    what is missing. A robot whose controller is active ends the loop with an InterfaceError, without a LowCmd.
    ``on_step`` runs in that thread after the command was sent; ``on_failure`` gets the exception that ended the loop.
    """

    def __init__(
        self,
        domain: Go2Domain,
        settings: SafetySettings,
        timing: Timing,
        on_step: Callable[[ControlStep], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.waiting_for = "the robot's motion switcher"
        self.buffer = ActionBuffer(timing)
        self.lateness = LatencyStatistics(LATE)
        self._supervisor = Supervisor(settings)
        self._clock = TickClock()
        self._on_step, self._on_failure = on_step, on_failure
        self._request: _Request | None = None
        self._lowstates = Subscriber(domain, LOWSTATE)
        # Counts who commands the motors; its samples are this loop's own.
        self._lowcmds = Subscriber(domain, LOWCMD)
        self._publisher = Publisher(domain, LOWCMD)
        self._switcher = MotionSwitcher(domain, SWITCHER_TIMEOUT)
        self._stopped = threading.Event()
        self._loop = PeriodicLoop(CONTROL_DT, self._step)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    @property
    def skipped(self) -> int:
        """Deadlines that passed without a command since the start."""
        return self._loop.skipped

    def request(self, event: Event, timeout: float = 0.2) -> tuple[bool, str]:
        """Hand the operator's request to the next tick; whether it was accepted, and why not or what changed."""
        obstacle = f"waiting for {self.waiting_for}" if self.waiting_for else ""
        if event is Event.STAND_UP and not obstacle:
            obstacle = self._obstacle()
        if obstacle:
            return False, f"{event.value} refused: {obstacle}"
        request = self._request = _Request(event, threading.Event())
        if not request.done.wait(timeout):
            return False, f"{event.value}: the control loop did not take the request within {timeout} s"
        return request.accepted, request.message

    def close(self) -> None:
        """Stop the loop, damp, release the topics."""
        self._stopped.set()
        self._loop.stop()
        self._thread.join(timeout=STOP_TIMEOUT)
        for entity in (self._lowstates, self._lowcmds, self._publisher, self._switcher):
            entity.close()

    def _run(self) -> None:
        try:
            if self._await_release():
                self._command()
        except Exception as error:  # whoever owns the process ends it
            self._on_failure(error)

    def _await_release(self) -> bool:
        """Wait until the robot says that no controller of its own is active; False when stopped. Raises if one is."""
        while not self._stopped.is_set():
            try:
                mode = self._switcher.active_mode()
            except InterfaceError as error:
                self.waiting_for = str(error)
                self._stopped.wait(SWITCHER_TIMEOUT)
                continue
            if mode:
                raise InterfaceError(RELEASE_FIRST.format(mode))
            self.waiting_for = ""
            return True
        return False

    def _command(self) -> None:
        try:
            self._loop.run()
        finally:
            for _ in range(LAST_COMMANDS):
                self._publisher.publish(JointCommand.damping(DAMPING_KD))

    def _step(self, deadline: Deadline) -> None:
        now = time.monotonic()
        lowstate = self._lowstates.latest()
        tick = self._tick(lowstate, now)
        row = self.buffer.row(tick)
        request, self._request = self._request, None
        before = self._supervisor.mode
        output = self._supervisor.step(
            SupervisorInput(
                tick=tick,
                lowstate=lowstate,
                lowstate_age=now - lowstate.receive_time if lowstate else math.inf,
                joint_targets=row.joint_targets if row else None,
                request=request.event if request else None,
            )
        )
        self._publisher.publish(output.command)
        lateness = time.monotonic() - deadline.time
        self.lateness.add(lateness)
        if request:
            request.accepted = next_mode(before, request.event) is output.mode
            request.message = output.message
            request.done.set()
        self._on_step(ControlStep(tick, output, row if output.following_plan else None, lowstate, lateness))

    def _tick(self, lowstate: LowState | None, now: float) -> int:
        if lowstate is None:
            return 0
        if self._clock.update(lowstate.tick_ms, lowstate.receive_time).restarted:
            self.buffer.clear()
        tick = self._clock.tick_at(now)
        self._loop.align(self._clock.time_of(tick) + PHASE)
        return max(tick, 0)

    def _obstacle(self) -> str:
        """Why standing up must not begin: somebody else commands the motors, or the robot's clock is no clock."""
        commanders = self._lowcmds.num_publishers()
        if commanders > 1:
            return f"{commanders - 1} other program(s) publish rt/lowcmd; stop them first (two controllers, one robot)"
        lowstate = self._lowstates.latest()
        try:
            mode = self._switcher.active_mode()
            if mode:
                return RELEASE_FIRST.format(mode)
            if lowstate is not None:
                self._clock.check_rate(lowstate.receive_time)
        except (InterfaceError, TimingError) as error:
            return str(error)
        return ""
