"""When the watchdog of ``command_publisher`` takes over: heartbeats and times in, whether to damp out."""

from __future__ import annotations

from diffusion_mpc_ros.core.go2 import CONTROL_DT

# One byte every control tick: whether the command just sent moves or holds the robot; or the orderly end.
ARMED, DISARMED, END = b"A", b"D", b"Q"
# How long damping goes on after command_publisher has died armed [s]: the robot has come to lie long before.
LAST_DAMPING = 5.0


class Heartbeats:
    """Damping is due while armed and silent for ``timeout`` [s], or gone while armed; see :meth:`damping`.

    Beats that come back end it. All times are of one monotonic clock [s].
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._armed = False
        self._ended = False
        self._last_beat = 0.0
        self._gone_since: float | None = None

    @property
    def gone(self) -> bool:
        """Whether command_publisher has closed its end: no more beats can come."""
        return self._gone_since is not None

    def heard(self, beats: bytes, now: float) -> None:
        """Take the bytes read at ``now``, oldest first, or none at end-of-file; the newest says whether it is armed."""
        if not beats:
            self._gone_since = now
            return
        self._ended = self._ended or END in beats
        self._armed = beats[-1:] != DISARMED
        self._last_beat = now

    def silence(self, now: float) -> float:
        """Time [s] since the newest beat."""
        return now - self._last_beat

    def damping(self, now: float) -> bool:
        """Return whether damping is to be sent at ``now``."""
        return self._armed and not self.finished(now) and (self.gone or self.silence(now) >= self._timeout)

    def finished(self, now: float) -> bool:
        """Tell whether all is over: the orderly end, gone while not armed, or gone and damped long enough."""
        if self._gone_since is None:
            return self._ended
        return self._ended or not self._armed or now - self._gone_since >= LAST_DAMPING

    def wait(self, now: float) -> float | None:
        """Return how long to wait for beats at most [s] before asking :meth:`damping` again; None: until some come."""
        if self.damping(now):
            return CONTROL_DT
        return max(self._timeout - self.silence(now), 0.0) if self._armed else None
