"""Control ticks numbered from the robot's own clock, and their place on the local monotonic clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, CONTROL_TICK_MS

# Robot and local clock may disagree this much [s] before it counts as a jump of the robot's clock ...
JUMP = 0.5
# ... and a robot clock that lags must do so for this long [s]: a burst of late messages passes faster.
LAG_PERSISTENCE = 0.2
# The offset is the smallest delay of the last one to two windows [s]: jitter only adds delay, drift is followed.
OFFSET_WINDOW = 5.0
# The unit of tick_ms is checked over at least this long [s], within this relative error.
RATE_WINDOW, RATE_TOLERANCE = 1.0, 0.05


@dataclass(frozen=True)
class TickSample:
    """``tick`` of one LowState; not ``fresh`` when a newer one was seen before; ``restarted``: numbering began anew."""

    tick: int
    fresh: bool
    restarted: bool


class TickClock:
    """Tick = ``tick_ms // 20``; a late message keeps its number. A tick's local time follows the quickest messages."""

    def __init__(self) -> None:
        self.restarts = 0
        self._latest_ms: int | None = None
        self._offset = self._window_offset = math.inf  # [s], receive_time - robot time
        self._window_start = 0.0
        self._lag_since: float | None = None
        self._anchor = (0, 0.0)  # (tick_ms, receive_time) of the first message since the last restart

    def update(self, tick_ms: int, receive_time: float) -> TickSample:
        """Take one LowState: ``tick_ms`` [ms] of the robot's clock, ``receive_time`` [s] of the local monotonic clock.

        ``restarted`` is True when the robot's clock jumped against the local one (reboot, paused simulation): whoever
        keeps plans or filters by tick has to drop them.
        """
        if self._latest_ms is None:
            self._begin(tick_ms, receive_time)
            return TickSample(tick_ms // CONTROL_TICK_MS, True, False)
        if self._jumped(tick_ms, receive_time):
            self.restarts += 1
            self._begin(tick_ms, receive_time)
            return TickSample(tick_ms // CONTROL_TICK_MS, True, True)
        self._track_offset(receive_time - tick_ms * 1e-3, receive_time)
        fresh = tick_ms > self._latest_ms
        self._latest_ms = max(self._latest_ms, tick_ms)
        return TickSample(tick_ms // CONTROL_TICK_MS, fresh, False)

    @property
    def started(self) -> bool:
        """Whether any message was seen; before that no time can be told."""
        return self._latest_ms is not None

    def time_of(self, tick: int) -> float:
        """Local monotonic time [s] at which ``tick`` begins. Raises :class:`TimingError` before the first message."""
        self._require_started()
        return tick * CONTROL_DT + self._offset

    def tick_at(self, time: float) -> int:
        """Return the tick that runs at local monotonic ``time`` [s].

        Raises :class:`TimingError` before the first message.
        """
        self._require_started()
        # 20 ns of slack keep tick_at(time_of(t)) == t despite rounding.
        return math.floor((time - self._offset) / CONTROL_DT + 1e-6)

    def check_rate(self, receive_time: float) -> None:
        """Raise :class:`TimingError` when the robot's tick is not in milliseconds (judged after one second).

        A clock that has just jumped is not trusted for a second either: one that stands still seems to jump on and on.
        """
        latest_ms = self._require_started()
        elapsed = receive_time - self._anchor[1]
        if elapsed < RATE_WINDOW:
            if self.restarts:
                raise TimingError(
                    f"LowState.tick jumped or stood still {elapsed:.1f} s ago ({self.restarts} times so far); "
                    f"it has to advance in milliseconds for {RATE_WINDOW:.0f} s"
                )
            return
        rate = (latest_ms - self._anchor[0]) * 1e-3 / elapsed
        if abs(rate - 1.0) > RATE_TOLERANCE:
            raise TimingError(
                f"LowState.tick advances by {rate * 1e3:.0f} a second of the local clock, "
                "1000 (milliseconds) are needed; a simulator must run in real time"
            )

    def _begin(self, tick_ms: int, receive_time: float) -> None:
        self._latest_ms = tick_ms
        self._offset = self._window_offset = receive_time - tick_ms * 1e-3
        self._window_start = receive_time
        self._lag_since = None
        self._anchor = (tick_ms, receive_time)

    def _jumped(self, tick_ms: int, receive_time: float) -> bool:
        delay = receive_time - tick_ms * 1e-3 - self._offset
        if delay < -JUMP:
            return True
        if delay < JUMP:
            self._lag_since = None
            return False
        if self._lag_since is None:
            self._lag_since = receive_time
        return receive_time - self._lag_since >= LAG_PERSISTENCE

    def _track_offset(self, offset: float, receive_time: float) -> None:
        self._window_offset = min(self._window_offset, offset)
        if receive_time - self._window_start >= OFFSET_WINDOW:
            self._offset, self._window_offset = self._window_offset, offset
            self._window_start = receive_time
        self._offset = min(self._offset, offset)

    def _require_started(self) -> int:
        """Return the newest tick of the robot [ms]; raises TimingError before the first message."""
        if self._latest_ms is None:
            raise TimingError("no LowState was received yet, so no tick has a time; update() the clock first")
        return self._latest_ms
