"""Emergency stops: each one that arrives has happened, and stands for as long as its source asserts it.

Any thread may say or release a stop; one thread, the control loop's, takes them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Container
from dataclasses import dataclass

# Publishers of one topic that are remembered; far more than a robot has panels.
MAX_SENDERS = 256


class EmergencyStops:
    """Stops by source. Times [s] are those of one clock that does not go back.

    A source is a name for people, such as ``remote``. A stop stays *pending* until the control loop has taken it, even
    if it is released before; it is *standing* while its source asserts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, None] = {}  # in order of arrival
        self._standing: dict[str, float] = {}  # source -> until when

    def stop(self, source: str, until: float = -math.inf) -> None:
        """Say that ``source`` has stopped the robot, and asserts the stop until ``until`` [s]."""
        with self._lock:
            self._pending[source] = None
            self._standing[source] = max(until, self._standing.get(source, -math.inf))

    def release(self, source: str) -> None:
        """Say that ``source`` asserts its stop no more; what has happened stays."""
        with self._lock:
            self._standing.pop(source, None)

    def standing(self, now: float) -> list[str]:
        """Return the sources that assert a stop at ``now``, sorted."""
        with self._lock:
            return sorted(source for source, until in self._standing.items() if now <= until)

    def take(self, now: float) -> str:
        """Return who has stopped the robot since the last call or asserts a stop at ``now``: names, or ""."""
        with self._lock:
            standing = {source: until for source, until in self._standing.items() if now <= until}
            taken = sorted({*self._pending, *standing})
            self._pending, self._standing = {}, standing
        return ", ".join(taken)

    def pending(self) -> bool:
        """Return whether a stop has arrived that was not taken yet."""
        return bool(self._pending)


class TopicStops:
    """What publishers of one topic say, told apart: only who asserted a stop can release it.

    A message may come several times and out of order, once through each quality of service that it is listened to
    with: ``number`` counts the messages of a sender, later ones are higher.
    """

    def __init__(self, stops: EmergencyStops, topic: str) -> None:
        self._stops, self._topic = stops, topic
        self._lock = threading.Lock()
        self._senders: dict[str, _Sender] = {}  # the one heard last comes last

    def source(self, sender: str) -> str:
        """Return the name under which the stops of ``sender`` are kept."""
        return f"{self._topic} {sender}"

    def hear(self, sender: str, number: int, stop: bool, now: float) -> None:
        """Take message ``number`` of ``sender`` at ``now`` [s]: whether it asserts a stop."""
        with self._lock:
            known = self._senders.pop(sender, _Sender())
            if stop and number > known.last_stop:
                self._stops.stop(self.source(sender), math.inf if number > known.newest else -math.inf)
                known.last_stop = number
            elif number > known.newest:
                self._stops.release(self.source(sender))
            known.newest, known.heard = max(known.newest, number), now
            self._senders[sender] = known
            if len(self._senders) > MAX_SENDERS:
                self._forget(next(iter(self._senders)))

    def keep(self, alive: Container[str], before: float) -> None:
        """Release the stops of senders that are not ``alive``: nobody else could ever release them.

        Those heard after ``before`` [s] are left: they may be too new to be known as alive.
        """
        with self._lock:
            for sender, known in list(self._senders.items()):
                if sender not in alive and known.heard <= before:
                    self._forget(sender)

    def _forget(self, sender: str) -> None:
        del self._senders[sender]
        self._stops.release(self.source(sender))


@dataclass
class _Sender:
    """Numbers of a sender's newest message and newest stop, and when it was heard [s]."""

    newest: int = -1
    last_stop: int = -1
    heard: float = -math.inf
