"""LowState as the control loop reads it: the newest one, its tick, and how old what it measured is."""

from __future__ import annotations

import time
from collections.abc import Callable

from diffusion_mpc_ros.control.freshness import AHEAD, Freshness
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.core.go2 import CONTROL_TICK_MS
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2 import messages
from diffusion_mpc_ros.go2.channels import NewestSample, Subscriber, lowstate_of
from diffusion_mpc_ros.go2.domain import Go2Domain
from diffusion_mpc_ros.go2.pacing import lowstate_pace
from diffusion_mpc_ros.go2.profile import SENSOR_NOISE, RobotProfile
from diffusion_mpc_ros.go2.remote import decode_remote
from diffusion_mpc_ros.go2.wire import SampleError
from diffusion_mpc_ros.realtime.tick_clock import TickClock

# LowStates of this long [ms] before a tick are read as well, should its first one be lost.
LEAD_MS = 3
# The DDS library's thread is given so long [s] to read what waits in the kernel, looked at so often [s]. In 2 ms it
# reads hundreds of LowStates; after a pause a few dozens tell.
CATCH_UP, CATCH_UP_POLL = 2e-3, 1e-4


class LowStateInput:
    """Receives LowState in a thread of its own; all but :attr:`rejected` is for the control loop's thread.

    ``on_remote`` gets every new state of the remote in the thread that receives, however short a button was pressed.
    """

    def __init__(self, domain: Go2Domain, profile: RobotProfile, on_remote: Callable[[GamepadState], object]) -> None:
        self._clock, self._freshness = TickClock(), Freshness(SENSOR_NOISE not in profile.missing)
        self._jump = 0.0  # [s], of the robot's clock since it was last taken
        self._domain = domain
        self._on_remote, self._remote = on_remote, b""
        pace = lowstate_pace(profile, CONTROL_TICK_MS, LEAD_MS, watch_remote=True)
        channel = lowstate_of(profile)
        self._decode, self._newest = channel.decode, NewestSample(domain, channel)
        self._subscriber = Subscriber(domain, channel, self._receive, single_source=True, pace=pace)

    @property
    def rejected(self) -> int:
        """LowStates refused since the start: another layout, a wrong CRC, numbers that are not finite."""
        return self._subscriber.rejected

    @property
    def last_error(self) -> str:
        """Why one was refused last."""
        return self._subscriber.last_error

    def newest(self) -> LowState | None:
        """Return the newest one, None before the first."""
        return self._subscriber.latest()

    def foreign_source(self) -> str:
        """Return who else sends LowState, "" when nobody does."""
        return self._subscriber.foreign_source()

    def tick(self, lowstate: LowState, now: float) -> tuple[int, float, bool]:
        """Take ``lowstate``; the tick at ``now``, when it began [s], and whether the robot's clock has begun anew."""
        restarted = self._clock.update(lowstate.tick_ms, lowstate.receive_time).restarted
        tick = self._clock.tick_at(now)
        return tick, self._clock.time_of(tick), restarted

    def note_age(self) -> None:
        """Take the newest LowState for its age; a jump of the robot's clock is kept until it is taken."""
        self.note_age_of(self.newest())

    def note_age_of(self, lowstate: LowState | None) -> None:
        """As :meth:`note_age`, for the LowState that the caller works with."""
        if lowstate is not None:
            self._jump = self._freshness.update(lowstate) or self._jump

    @property
    def jumped(self) -> bool:
        """Whether the robot's clock has jumped since :meth:`take_jump`."""
        return self._jump != 0.0

    def look_for_pause(self) -> None:
        """Note as a jump that the robot's clock has run on while every clock of this computer stood still.

        After the pause of a virtual machine only the robot tells that time has passed, and of what it has said
        meanwhile the kernel gives the oldest first. So all that waits there is read, for at most :data:`CATCH_UP`.
        """
        until = clock.now() + CATCH_UP
        while True:
            unread = self._domain.unread()
            ahead = self._ahead()
            if ahead > AHEAD:
                self._jump = self._jump or ahead
                return
            if not unread or clock.now() >= until:
                return
            time.sleep(CATCH_UP_POLL)

    def take_jump(self) -> float:
        """Return by how much the robot's clock has jumped [s] since this was last asked."""
        jump, self._jump = self._jump, 0.0
        return jump

    def age(self, now: float) -> float:
        """Return the age [s] at ``now`` of what was measured last; infinite before the first LowState."""
        return self._freshness.age(now)

    def fresh(self, now: float, age_max: float) -> bool:
        """Return whether what was measured last is at most ``age_max`` [s] old at ``now``."""
        return abs(self.age(now)) <= age_max

    def clock_error(self, lowstate: LowState | None) -> str:
        """Return why the robot's clock cannot be followed, "" when it can."""
        if lowstate is None:
            return ""
        try:
            self._clock.check_rate(lowstate.receive_time)
        except TimingError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Leave the topic."""
        self._subscriber.close()
        self._newest.close()

    def _ahead(self) -> float:
        """Return by how much [s] the newest sample of the robot is ahead; 0 for one that is not, or tells nothing."""
        try:
            taken = self._newest.take()
            if taken is None or not self._subscriber.is_source(taken[1]):
                return 0.0
            now = clock.now()
            if self._freshness.ahead(messages.lowstate_tick(taken[0]), now) <= AHEAD:
                return 0.0
            return self._freshness.ahead(self._decode(taken[0], now).tick_ms, now)
        except SampleError:
            return 0.0

    def _receive(self, lowstate: LowState) -> None:
        if lowstate.wireless_remote != self._remote:
            self._remote = lowstate.wireless_remote
            state = decode_remote(lowstate.wireless_remote)
            if state is not None:
                self._on_remote(state)
