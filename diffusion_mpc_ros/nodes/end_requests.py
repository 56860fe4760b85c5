"""What asks a process to end in order: SIGINT, SIGTERM, SIGQUIT, SIGHUP (its terminal was closed), or its launcher."""

from __future__ import annotations

import signal
import time

from diffusion_mpc_ros.nodes.launcher import Launcher

# Signals closer together than this [s] have one cause: a terminal and a launcher both pass a single Ctrl-C on.
SAME_CAUSE = 0.5


class EndRequests:
    """Whether this process is asked to end; takes the signals over, in the main thread.

    A SIGHUP that is ignored already stays so: whoever starts with ``nohup`` wants to outlive the terminal. Raises
    ConfigurationError for a launcher that cannot be understood.
    """

    def __init__(self) -> None:
        self._first: float | None = None  # [s, monotonic]
        self._insisted = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)
        self._launcher = Launcher()

    @property
    def made(self) -> bool:
        """Whether it is to end."""
        return self._first is not None or self._launcher.gone

    @property
    def orphaned(self) -> str:
        """In words that the launcher has ended; ``""`` while it lives, or after a signal."""
        alone = self._first is None and self._launcher.gone
        return f"whoever launched this process (pid {self._launcher.pid}) has ended: ending in order" if alone else ""

    def insisted(self) -> bool:
        """Return whether somebody has asked again since this was last asked: the orderly end takes them too long."""
        insisted, self._insisted = self._insisted, False
        return insisted

    def _on_signal(self, number: int, _: object) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif number != signal.SIGHUP and now - self._first > SAME_CAUSE:
            self._insisted = True
