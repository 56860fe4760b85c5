"""A recording under way: whoever hands a message over never waits; a thread writes, and says how it ended. No ROS."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.bags.manifest import MANIFEST, SUMMARY, Manifest
from diffusion_mpc_ros.bags.writer import BagWriter
from diffusion_mpc_ros.core.errors import BagError

# So much may wait to be written [bytes]: minutes of all topics. What comes beyond it is dropped and counted.
MAX_WAITING = 64 * 2**20
# A chunk ends so often [s]: a process that is killed loses no more.
FLUSH_PERIOD = 1.0
# The disk has what was flushed so often [s]: a machine that stops loses no more.
SYNC_PERIOD = 5.0
POLL_PERIOD = 0.1  # [s]
# Of the thread that compresses and writes: it takes what others leave of the processor.
NICENESS = 10
MEGABYTE = 2**20


@dataclass(frozen=True)
class Message:
    """A serialized message; times in ns since 1970, ``sequence`` is its number among those of its publisher."""

    topic: str
    type_name: str
    log_time: int
    publish_time: int
    data: bytes
    sequence: int = 0


@dataclass
class Report:
    """How a recording ended: ``failure`` says why before it was asked to, ``whole``: the file has its index."""

    path: Path
    duration: float = 0.0  # [s], from the first message to the last one
    size: int = 0  # [bytes]
    messages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    failure: str = ""
    whole: bool = True

    def __str__(self) -> str:
        total, lost = sum(self.messages.values()), sum(self.dropped.values())
        by_topic = ", ".join(f"{topic} {count}" for topic, count in sorted(self.dropped.items()) if count)
        text = (
            f"recorded {self.path}: {self.duration:.1f} s, {total} messages of {len(self.messages)} topics, "
            f"{self.size / MEGABYTE:.1f} MB, {lost} dropped{f' ({by_topic})' if by_topic else ''}"
        )
        if not self.failure:
            return text
        index = "" if self.whole else ", without an index"
        return f"{text}; ended early: {self.failure}. What came before is in the file{index}"


class Recording:
    """Writes to the new file ``path`` from a thread of its own until :meth:`close`.

    It ends by itself when the disk has less than ``min_free`` [bytes] left or refuses to take more. Raises
    ConfigurationError where ``path`` exists, OSError where it cannot be made, BagError where there is no room.
    """

    def __init__(self, path: Path, manifest: Manifest, min_free: int) -> None:
        free = shutil.disk_usage(path.parent).free
        if free < min_free:
            raise BagError(
                f"{path.parent} has {free / MEGABYTE:.0f} MB left, a recording ends at {min_free / MEGABYTE:.0f} MB: "
                "make room, or name a file on another disk"
            )
        self._report = Report(path)
        self._min_free = min_free
        self._writer = BagWriter(path)
        self._waiting: deque[Message] = deque()
        # Each belongs to one thread: what was handed over and what was written [bytes].
        self._taken, self._written = 0, 0
        self._manifest, self._manifest_written = manifest, False
        self._facts: dict[str, Any] = {}
        self._times: list[int] = []  # of the first message and of the last one
        self._closing, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def manifest(self) -> Manifest:
        """Return what is known of the bag so far."""
        return self._manifest

    @manifest.setter
    def manifest(self, manifest: Manifest) -> None:
        self._manifest, self._manifest_written = manifest, False

    @property
    def ended(self) -> bool:
        """Whether nothing more is written: it is closed, or has failed."""
        return self._ended.is_set()

    def add(self, message: Message) -> None:
        """Hand ``message`` over, in the thread of whoever receives; never waits."""
        if self.ended or self._taken - self._written > MAX_WAITING:
            self._report.dropped[message.topic] += 1
            return
        self._taken += len(message.data)
        self._waiting.append(message)

    def lose(self, topic: str, count: int) -> None:
        """Count messages that did not arrive."""
        self._report.dropped[topic] += count

    def close(self, facts: Mapping[str, Any], failure: str = "") -> Report:
        """Write what waits, and ``facts`` for the summary, and end; waits for the disk.

        ``failure``: why it is closed before anybody asked for it.
        """
        self._facts, self._report.failure = dict(facts), self._report.failure or failure
        self._closing.set()
        self._thread.join()
        return self._report

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            # Linux: of this thread alone. Those that receive have to keep up with the robot.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            self._write_until_closed()
            self._finish()
        except OSError as error:
            self._fail(error.strerror or str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, what was written stays and the reason is told
            self._fail(repr(error))
        finally:
            self._ended.set()

    def _write_until_closed(self) -> None:
        flushed = synced = time.monotonic()
        while not self._closing.is_set():
            self._closing.wait(POLL_PERIOD)
            self._write_waiting()
            now = time.monotonic()
            if now - flushed < FLUSH_PERIOD:
                continue
            flushed = now
            self._writer.flush()
            if now - synced >= SYNC_PERIOD:
                synced = now
                self._writer.sync()
            free = shutil.disk_usage(self._report.path.parent).free
            if free < self._min_free:
                self._report.failure = f"the disk has only {free / MEGABYTE:.0f} MB left"
                return

    def _write_waiting(self) -> None:
        if not self._manifest_written:
            self._manifest_written = True
            self._writer.add_metadata(MANIFEST, self._manifest.to_json())
        while self._waiting:
            message = self._waiting.popleft()
            self._written += len(message.data)
            self._writer.add(
                message.topic, message.type_name, message.log_time, message.publish_time, message.data, message.sequence
            )
            self._report.messages[message.topic] += 1
            self._times = [*self._times[:1], message.log_time]

    def _finish(self) -> None:
        self._write_waiting()
        report = self._report
        summary = {"messages": dict(report.messages), "dropped": dict(report.dropped), "end": report.failure or "asked"}
        self._writer.add_metadata(SUMMARY, {**summary, **self._facts})
        self._writer.close()
        self._measure()

    def _fail(self, reason: str) -> None:
        self._report.failure = reason
        self._report.whole = self._writer.abandon()
        self._measure()

    def _measure(self) -> None:
        report = self._report
        report.size = self._writer.size
        report.duration = (self._times[-1] - self._times[0]) * 1e-9 if self._times else 0.0
