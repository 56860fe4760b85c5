"""``rt/lowstate`` listened to for a while."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2.profile import RobotProfile

if TYPE_CHECKING:
    from diffusion_mpc_ros.go2.domain import Go2Domain

# States that are kept: 2 s.
RECENT = 1000


@dataclass(frozen=True)
class Observation:
    """Samples of ``duration`` [s]: their ``ticks_ms`` and receive ``times`` [s]; ``refused`` others, the last why."""

    ticks_ms: Sequence[int]
    times: Sequence[float]
    duration: float
    refused: int = 0
    last_error: str = ""

    @property
    def samples(self) -> int:
        """All that came."""
        return len(self.times) + self.refused


class LowStateListener:
    """Takes down when each LowState came, and keeps the last ones."""

    def __init__(self, domain: Go2Domain, profile: RobotProfile) -> None:
        # Only here: without the Unitree SDK the other checks still run.
        from diffusion_mpc_ros.go2.channels import Subscriber, lowstate_of

        self._domain = domain
        self._arrivals: list[tuple[int, float]] = []
        self._recent: deque[LowState] = deque(maxlen=RECENT)
        self._subscriber = Subscriber(domain, lowstate_of(profile), self._on_lowstate)

    def _on_lowstate(self, state: LowState) -> None:
        self._recent.append(state)
        self._arrivals.append((state.tick_ms, state.receive_time))

    def first(self, timeout: float) -> LowState | None:
        """Wait at most ``timeout`` [s] for a sample that can be read."""
        return self._subscriber.wait(timeout)

    def latest(self) -> LowState:
        """Return the newest one; only after :meth:`first` has found one."""
        return self._subscriber.latest()

    def recent(self) -> tuple[LowState, ...]:
        """Those of the last two seconds, oldest first; only after :meth:`first` has found one."""
        return tuple(self._recent)

    def publishers(self) -> list[str]:
        """Return the programs that publish it, as far as they say who they are."""
        from diffusion_mpc_ros.go2.channels import LOWSTATE
        from diffusion_mpc_ros.go2.participants import topic_publishers

        return [str(publisher) for publisher in topic_publishers(self._domain.participant, LOWSTATE.topic)]

    def refusals(self) -> tuple[int, str]:
        """How many samples were refused so far, and why the last one was."""
        return self._subscriber.rejected, self._subscriber.last_error

    def observe(self, duration: float) -> Observation:
        """Listen for ``duration`` [s]."""
        begin, refused_before, start = len(self._arrivals), self._subscriber.rejected, time.monotonic()
        time.sleep(duration)
        arrivals, elapsed = self._arrivals[begin:], time.monotonic() - start
        refused, last_error = self.refusals()
        ticks, times = [tick for tick, _ in arrivals], [receive_time for _, receive_time in arrivals]
        return Observation(ticks, times, elapsed, refused - refused_before, last_error)

    def close(self) -> None:
        """Stop listening."""
        self._subscriber.close()
