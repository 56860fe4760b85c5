"""The standard output and error of a process that must never wait for whoever reads them.

A terminal held by Ctrl-S, a pager, a stalled ssh: none of them reads, and a write to a full pipe waits. C code waits
with Python's interpreter lock in its hands, and with it every thread. So both descriptors become pipes of the
process's own whose write ends do not block; a thread of each carries on what comes out as far as somebody takes it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import io
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

# What waits for the reader; of more the oldest lines go.
CAPACITY = 256 * 1024  # [bytes]
# What the process may write before the thread gets the processor; the most that Linux allows everybody.
PIPE_SIZE = 1024 * 1024  # [bytes]
READ_SIZE = 64 * 1024  # [bytes]
# How long the end of the process waits for the reader.
FLUSH_TIMEOUT = 0.3  # [s]
STDOUT, STDERR = 1, 2


class Relay:
    """Takes over the file descriptor ``fd`` of this process; a thread hands on what is written to it.

    ``original`` is the descriptor of what stood there before. What it refuses (EIO, EPIPE, ENOSPC) is dropped as well;
    how many bytes were, is said there as soon as it takes something again.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            self.original = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, STDERR + 1)
        except OSError:  # closed by whoever started the process
            self.original = os.open(os.devnull, os.O_WRONLY)
        self._source, sink = os.pipe()
        os.set_blocking(sink, False)
        with contextlib.suppress(OSError):  # then it has the usual size
            fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        os.dup2(sink, fd)
        os.close(sink)
        self._backlog = bytearray()
        self._dropped = 0
        self._thread = threading.Thread(target=self._carry, name=f"output {fd}", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Write what there is room for and drop the rest; never waits, never raises for want of a reader."""
        try:
            written = os.write(self._fd, data)
        except OSError:
            written = 0
        self._dropped += len(data) - written

    def close(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Hand on what is left, for at most ``timeout`` [s]; what is written from now on is dropped."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._fd)  # the thread sees the end of its pipe
        os.close(nowhere)
        self._thread.join(timeout)

    def _carry(self) -> None:
        poller = select.poll()
        poller.register(self._source, select.POLLIN)
        is_open = True
        while is_open or self._backlog:
            if self._backlog:
                poller.register(self.original, select.POLLOUT)
            # Read only while nobody takes: a burst waits in the pipe instead of being dropped.
            if self.original in dict(poller.poll()):
                self._hand_on()
                if not self._backlog:
                    poller.unregister(self.original)
                continue
            data = os.read(self._source, READ_SIZE)
            self._keep(data)
            if not data:
                is_open = False
                poller.unregister(self._source)

    def _keep(self, data: bytes) -> None:
        self._backlog += data
        excess = len(self._backlog) - CAPACITY
        if excess > 0:
            end_of_line = self._backlog.find(b"\n", excess)
            excess = excess if end_of_line < 0 else end_of_line + 1
            del self._backlog[:excess]
            self._dropped += excess

    def _hand_on(self) -> None:
        """Write no more than a pipe that can be written to takes at once."""
        try:
            if self._dropped:
                notice = f"\n[{self._dropped} bytes of output were dropped: nobody took them]\n"
                os.write(self.original, notice.encode())
                self._dropped = 0
            else:
                written = os.write(self.original, self._backlog[: select.PIPE_BUF])
                del self._backlog[:written]
        except BlockingIOError:
            pass
        except OSError:
            self._dropped += len(self._backlog)
            self._backlog.clear()


class _RelayFile(io.RawIOBase):
    """A relay as the file below ``sys.stdout`` and ``sys.stderr``."""

    def __init__(self, fd: int, relay: Relay) -> None:
        super().__init__()
        self._fd, self._relay = fd, relay

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        """Return whether it is a terminal that reads at last."""
        return os.isatty(self._relay.original)

    def write(self, data: Buffer) -> int:
        content = bytes(data)
        self._relay.write(content)
        return len(content)


_relays: dict[int, Relay] = {}


def never_block() -> None:
    """From now on nothing in this process waits for, or fails because of, a reader of its standard output and error.

    What is there at the end of the process is handed on for at most :data:`FLUSH_TIMEOUT`. Processes started
    afterwards inherit descriptors that do not block; give them others, such as :func:`original_stderr`.
    """
    if _relays:
        return
    for fd, name in ((STDOUT, "stdout"), (STDERR, "stderr")):
        with contextlib.suppress(OSError, AttributeError):  # no reader, no stream
            getattr(sys, name).flush()
        _relays[fd] = Relay(fd)
        # A text file asks no more of the file below it than to write whole.
        raw = cast("io.BufferedWriter", _RelayFile(fd, _relays[fd]))
        file = io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", line_buffering=True)
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)
    atexit.register(_close_all)


def original_stderr() -> int:
    """Return the descriptor that the standard error has, or had before :func:`never_block`: writing to it may block."""
    return _relays[STDERR].original if _relays else STDERR


def _close_all() -> None:
    deadline = time.monotonic() + FLUSH_TIMEOUT
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    for relay in _relays.values():
        relay.close(max(deadline - time.monotonic(), 0.0))
