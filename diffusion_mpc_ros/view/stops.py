"""The emergency stops of several browsers behind one publisher: each releases its own and no other's."""

from __future__ import annotations

import threading
from collections.abc import Callable


class BrowserStops:
    """Says ``say(True)`` for a stop, ``say(False)`` when the last browser that asserts one has released it.

    One that leaves has released it, as a panel that leaves the ROS graph. ``delivered`` waits until what was said last
    has arrived: a stop that is still under way must not be replaced by its release. Any thread may call.
    """

    def __init__(self, say: Callable[[bool], object], delivered: Callable[[], object]) -> None:
        self._say, self._delivered = say, delivered
        self._asserting: set[int] = set()
        self._lock = threading.Lock()

    def stop(self, browser: int) -> None:
        """Assert a stop for ``browser``; waits for nobody."""
        with self._lock:
            self._asserting.add(browser)
            self._say(True)

    def release(self, browser: int) -> None:
        """Release that of ``browser``, if it asserts one. The fault stays until cleared."""
        with self._lock:
            if browser not in self._asserting:
                return
            self._asserting.discard(browser)
        self._delivered()
        with self._lock:
            if self._asserting:
                return
            self._say(False)

    def others(self, browser: int) -> int:
        """How many other browsers assert one."""
        with self._lock:
            return len(self._asserting - {browser})
