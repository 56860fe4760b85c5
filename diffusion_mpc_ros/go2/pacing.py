"""Which LowStates a node reads: not all 500 a second, each of which costs a wake-up, a decoding and a check.

A node that works in control ticks needs those around the beginning of a tick. In between its thread rests; what comes
meanwhile is looked at when it is back, and decoded where that is needed. Told from the robot's own clock in the sample,
which is foreign: whatever it says, a rest is short, and a clock that jumps makes a sample needed.
"""

from __future__ import annotations

from diffusion_mpc_ros.core.go2 import CONTROL_TICK_MS
from diffusion_mpc_ros.go2 import messages
from diffusion_mpc_ros.go2.profile import TICK, RobotProfile
from diffusion_mpc_ros.go2.wire import SampleError

# The thread is back this long [ms] before the sample that it waits for: scheduling, and the link's jitter.
MARGIN_MS = 1.5


class LowStatePace:
    """Tells a :class:`channels.Subscriber` of LowState which samples it has to decode, and how long it may rest.

    Needed are the first sample at or after every multiple of ``period_ms``, those of the last ``lead_ms`` before it,
    those that do not go on from the one before, and any whose remote (40 bytes) differs from it, where
    ``watch_remote``. For one thread, and a robot that fills in its clock.
    """

    def __init__(self, period_ms: int, lead_ms: int = 0, watch_remote: bool = False) -> None:
        self._period, self._lead, self._watch_remote = period_ms, lead_ms, watch_remote
        self._seen = self._due = 0  # [ms], the robot's clock: of the newest sample, of the next multiple
        self._remote = b""

    def needs(self, sample: bytes) -> bool:
        """Return whether ``sample`` is to be decoded; also one that is too short to tell: the decoder refuses it."""
        try:
            tick_ms, remote = messages.lowstate_tick_and_remote(sample)
        except SampleError:
            return True
        # Also one that repeats the robot's clock: whoever watches over the clock has to see that it stands still.
        odd = tick_ms <= self._seen
        self._seen = tick_ms
        needed = odd or tick_ms >= self._due - self._lead or (self._watch_remote and remote != self._remote)
        self._remote = remote
        if odd or tick_ms >= self._due:
            self._due = (tick_ms // self._period + 1) * self._period
        return needed

    def rest(self) -> float:
        """Return how long [s] it is until just before the next control tick, if samples go on coming as they do.

        What is needed before that is there by then, and early enough.
        """
        return max(0.0, CONTROL_TICK_MS - self._seen % CONTROL_TICK_MS - MARGIN_MS) * 1e-3


def lowstate_pace(
    profile: RobotProfile, period_ms: int, lead_ms: int = 0, watch_remote: bool = False
) -> LowStatePace | None:
    """Return the pace of a reader of this robot's LowState.

    None, to read every sample, where it does not tell the time.
    """
    return None if TICK in profile.missing else LowStatePace(period_ms, lead_ms, watch_remote)
