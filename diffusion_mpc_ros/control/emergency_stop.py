"""Emergency stops: each one that arrives has happened, and stands for as long as its source asserts it.

Any thread may say or release a stop; one thread, the control loop's, takes them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass

# Publishers of one topic that are remembered; far more than a robot has panels.
MAX_SENDERS = 256
# Stops that wait for the control loop are told by so many names; one of them is enough to stop the robot.
MAX_PENDING = 512


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
            if len(self._pending) < MAX_PENDING:
                self._pending[source] = None
            if until > self._standing.get(source, -math.inf):
                self._standing[source] = until

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

    Who asserts nothing is forgotten first. Stops of senders beyond :data:`MAX_SENDERS` that all assert one are kept
    under one name, :attr:`others`, until nobody is there who may have said one of them (:meth:`keep`).
    """

    def __init__(self, stops: EmergencyStops, topic: str) -> None:
        self._stops, self._topic = stops, topic
        self._lock = threading.Lock()
        # In each, the one heard last comes last.
        self._asserting: dict[str, _Sender] = {}
        self._silent: dict[str, _Sender] = {}
        self.others, self._others_heard = f"{topic} others", -math.inf

    def source(self, sender: str) -> str:
        """Return the name under which the stops of ``sender`` are kept."""
        return f"{self._topic} {sender}"

    def hear(self, sender: str, number: int, stop: bool, now: float) -> None:
        """Take message ``number`` of ``sender`` at ``now`` [s]: whether it asserts a stop."""
        with self._lock:
            known = self._take_out(sender)
            if known is None:
                if stop:
                    self._stops.stop(self.others, math.inf)
                    self._others_heard = now
                return
            newest = number > known.newest
            if stop and number > known.last_stop:
                self._stops.stop(self.source(sender), math.inf if newest else -math.inf)
                known.last_stop = number
            elif newest:
                self._stops.release(self.source(sender))
            known.asserts = stop if newest else known.asserts
            known.newest, known.heard = max(known.newest, number), now
            (self._asserting if known.asserts else self._silent)[sender] = known

    def keep(self, alive: Collection[str], before: float) -> None:
        """Release the stops of senders that are not ``alive``: nobody else could ever release them.

        Those heard after ``before`` [s] are left: they may be too new to be known as alive. The stops of :attr:`others`
        are left, too, while somebody is alive who is not remembered.
        """
        with self._lock:
            for senders in (self._asserting, self._silent):
                for sender, known in list(senders.items()):
                    if sender not in alive and known.heard <= before:
                        del senders[sender]
                        self._stops.release(self.source(sender))
            remembered = self._asserting.keys() | self._silent.keys()
            if self._others_heard <= before and remembered >= set(alive):
                self._stops.release(self.others)

    def _take_out(self, sender: str) -> _Sender | None:
        """Return what is known of ``sender``, for whom there is room; None where all that are remembered assert."""
        known = self._asserting.pop(sender, None) or self._silent.pop(sender, None)
        if known is not None:
            return known
        if len(self._asserting) + len(self._silent) >= MAX_SENDERS:
            if not self._silent:
                return None
            del self._silent[next(iter(self._silent))]
        return _Sender()


@dataclass
class _Sender:
    """Numbers of a sender's newest message and newest stop, whether it asserts one, and when it was heard [s]."""

    newest: int = -1
    last_stop: int = -1
    asserts: bool = False
    heard: float = -math.inf
