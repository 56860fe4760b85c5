"""The side of ``command_publisher``: starts the watchdog process, sends its heartbeats, knows whether it watches."""

from __future__ import annotations

import array
import fcntl
import os
import subprocess
import sys
import termios
from typing import IO, cast

from diffusion_mpc_ros.control.heartbeats import ARMED, DISARMED, END
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.nodes.watchdog import READY, TOOK_OVER
from diffusion_mpc_ros.realtime import output

# More heartbeats than these unread (0.2 s): the process hangs and would not see that they stop.
MAX_UNREAD = 10
# How long a process may take to join the DDS domain before it counts as hung [s].
STARTS_WITHIN = 15.0
# How long the orderly end may take before the process is killed [s].
CLOSE_TIMEOUT = 2.0
# So many bytes of its replies are read at once; far more than come in a tick.
MAX_REPLIES = 64


class WatchdogHandle:
    """The process :mod:`watchdog` as a child; it damps when armed heartbeats stop for ``options.watchdog_timeout``.

    ``label`` is that of its publisher. Nothing here waits but :meth:`close`; a process that cannot be started raises
    OSError, one that fails later says why on the standard error and is not ``ready``.
    """

    def __init__(self, options: LinkOptions, label: str) -> None:
        self._joined = False
        self._took_over = False
        self._dead = False
        self._started = clock.now()
        arguments = (
            options.network_interface, options.domain_id, label, options.watchdog_timeout, options.watchdog_priority,
            options.damping_kd, *(["--dry-run"] * options.dry_run),
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diffusion_mpc_ros.nodes.watchdog", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output.original_stderr(),
            bufsize=0,
            start_new_session=True,
        )
        # Pipes, as asked for.
        self._beats, self._replies = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        for pipe in (self._beats, self._replies):
            os.set_blocking(pipe.fileno(), False)

    @property
    def ready(self) -> bool:
        """Whether it lives, has joined the DDS domain and reads its heartbeats."""
        if self._dead:
            return False
        self._read_replies()
        return self._joined and not self._dead and self._unread() <= MAX_UNREAD

    @property
    def useless(self) -> bool:
        """Whether the process has ended, or hangs: another one has to take its place."""
        if self._process.poll() is not None or self._dead:
            return True
        if self._joined:
            return self._unread() > MAX_UNREAD
        # Until it has joined nobody reads its heartbeats.
        return clock.now() - self._started > STARTS_WITHIN

    def took_over(self) -> bool:
        """Return whether it has begun to damp since this was last asked."""
        if not self._dead:
            self._read_replies()
        took_over, self._took_over = self._took_over, False
        return took_over

    def beat(self, armed: bool) -> None:
        """Say that this process lives, and whether the command just sent moves or holds the robot.

        Neither waits nor raises; whether somebody reads it, :attr:`ready` tells.
        """
        self._write(ARMED if armed else DISARMED)

    def close(self) -> None:
        """End the process in order: it does not damp; killed if it does not end; may be called twice."""
        self._write(END)
        self._dead = True
        self._beats.close()
        try:
            self._process.wait(CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
        self._replies.close()

    def leave(self) -> None:
        """Close this end without a word: a process that was told last that the robot is held damps it, then ends."""
        self._dead = True
        self._beats.close()
        self._replies.close()

    def kill(self) -> None:
        """End a process that hangs, at once; may be called twice."""
        self._dead = True
        self._beats.close()
        self._process.kill()
        self._process.wait()
        self._replies.close()

    def _read_replies(self) -> None:
        try:
            replies = self._replies.read(MAX_REPLIES)  # None: nothing new; empty: its end is closed
        except ValueError:  # closed by the thread that puts another process in its place
            replies = b""
        self._dead = self._dead or replies == b""
        self._joined = self._joined or READY in (replies or b"")
        self._took_over = self._took_over or TOOK_OVER in (replies or b"")

    def _write(self, beat: bytes) -> None:
        try:
            self._beats.write(beat)  # a full pipe takes nothing and raises nothing
        except (OSError, ValueError):  # dead, or closed
            self._dead = True

    def _unread(self) -> int:
        """Heartbeats in the pipe."""
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._beats.fileno(), termios.FIONREAD, count)
        except (OSError, ValueError):  # closed meanwhile
            return 0
        return count[0]
