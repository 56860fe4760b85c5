"""Processes with one output that end together: honcho runs and prints each, the rules here say when they end."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime

from honcho.colour import get_colours
from honcho.printer import Message, Printer
from honcho.process import Process

from diffusion_mpc_ros.bringup import KILL_WAIT, RECORDER
from diffusion_mpc_ros.nodes.end_requests import EndRequests

# Without one of these the others have nothing to do.
VITAL = ("command_publisher", "go2_simulator")
# Exit status of a node that refuses its settings.
REFUSED = 2
# Of a process that was asked to end, or was by somebody else: no failure.
STOPPED = (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)
POLL_PERIOD = 0.1  # [s]
# What SIGKILL does not end within this [s] is somebody else's child that holds the output open.
GIVE_UP_WAIT = 2.0
NAME = "system"
# What is said of the process that ended first: its last lines.
LAST_WORDS = 3


class ProcessGroup:
    """Runs processes until ``requests`` ask for the end, one of ``vital`` ends or one refuses its settings.

    All then get SIGTERM, a second one if somebody insists, and SIGKILL after ``kill_wait`` [s]. A dead planner never
    ends command_publisher.
    """

    def __init__(self, requests: EndRequests, kill_wait: float = KILL_WAIT, vital: Iterable[str] = VITAL) -> None:
        self._requests, self._kill_wait, self._vital = requests, kill_wait, frozenset(vital)
        self._words: dict[str, deque[str]] = {}
        self._events: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._colours = get_colours()
        self._printer = Printer(sys.stdout)
        self._processes: dict[str, Process] = {}
        self._pids: dict[str, int] = {}
        self._statuses: dict[str, int] = {}  # in the order in which they ended
        self._ending: float | None = None  # since when [s, monotonic]
        self._killed: Collection[str] = ()

    def add(self, name: str, command: str, environment: dict[str, str]) -> None:
        """Have :meth:`run` start the shell's ``command`` as ``name``, in a session of its own."""
        self._processes[name] = Process(command, name=name, colour=next(self._colours), env=environment)
        self._printer.width = max(self._printer.width, len(NAME), len(name))

    def run(self) -> int:
        """Run all until they have ended; the exit status of the first that did, 1 when one had to be killed."""
        for process in self._processes.values():
            threading.Thread(target=self._run_process, args=(process,), daemon=True).start()
        while self._running() and not self._given_up():
            self._take_event()
            self._end_if_due()
        if self._killed:
            self._say(f"killed after {self._kill_wait:.0f} s: {', '.join(self._killed)}")
            return 1
        self._say("done: all processes have ended")
        first = next(iter(self._statuses.values()), 0)
        if not self._requests.made:
            self._tell_first()
        return 0 if self._requests.made or first in STOPPED else first

    def _run_process(self, process: Process) -> None:
        """In a thread of its own."""
        try:
            process.run(self._events)
        except OSError as error:  # not started
            self._say(f"{process.name}: {error}")
            self._events.put(Message("stop", {"returncode": 1}, datetime.now(), process.name, None))

    def _take_event(self) -> None:
        try:
            event = self._events.get(timeout=POLL_PERIOD)
        except queue.Empty:
            return
        if event.type == "line":
            self._printer.write(event)
            self._words.setdefault(event.name, deque(maxlen=LAST_WORDS)).append(_text(event.data))
        elif event.type == "start":
            self._pids[event.name] = event.data["pid"]
            self._say(f"{event.name} started (pid={event.data['pid']})")
            if self._ending is not None:
                self._signal(signal.SIGTERM, [event.name])
        else:
            self._statuses[event.name] = event.data["returncode"]
            self._say(f"{event.name} ended (exit status {event.data['returncode']})")

    def _end_if_due(self) -> None:
        if self._ending is None:
            if self._requests.made or self._must_end():
                self._ending = time.monotonic()
                self._say(self._requests.orphaned or "ending all processes in order")
                self._signal(signal.SIGTERM, self._running())
        elif self._requests.insisted():
            self._say("asked again: ending at once")
            self._signal(signal.SIGTERM, self._running())
        elif not self._killed and time.monotonic() - self._ending > self._kill_wait:
            self._killed = self._running()
            self._signal(signal.SIGKILL, self._killed)

    def _must_end(self) -> bool:
        """Whether one of them has ended without which the others shall not go on."""
        return any(
            name in self._vital or (status == REFUSED and name != RECORDER) for name, status in self._statuses.items()
        )

    def _given_up(self) -> bool:
        return self._ending is not None and time.monotonic() - self._ending > self._kill_wait + GIVE_UP_WAIT

    def _tell_first(self) -> None:
        """Say which process ended by itself before the others, and its last words."""
        for name, status in list(self._statuses.items())[:1]:
            self._say(f"{name} ended first, by itself (exit status {status}); its last words:")
            for line in self._words.get(name, ()):
                self._say(f"  {line}")

    def _running(self) -> list[str]:
        return [name for name in self._processes if name not in self._statuses]

    def _signal(self, number: signal.Signals, names: Collection[str]) -> None:
        """Signal these and what they started in their sessions."""
        for name in names:
            if name in self._pids:
                try:
                    os.killpg(self._pids[name], number)
                except ProcessLookupError:  # it has just ended
                    continue

    def _say(self, text: str) -> None:
        self._printer.write(Message("line", text, datetime.now(), NAME, None))


def _text(line: bytes | str) -> str:
    text = line.decode(errors="replace") if isinstance(line, bytes) else line
    return text.rstrip()
