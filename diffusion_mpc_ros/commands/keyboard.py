"""Single key presses from the terminal, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from diffusion_mpc_ros.core.errors import ConfigurationError

E_STOP_KEY = " "
# Indices in what termios.tcgetattr returns.
INPUT_FLAGS, LOCAL_FLAGS, CHARACTERS = 0, 3, 6
# How long [s] a thread that waits for keys may take to notice that it shall end.
POLL_PERIOD = 0.1


class Keyboard:
    """Keys as they are pressed, without Enter and without echo, while a ``with`` statement lasts.

    Ctrl-S and Ctrl-Q are keys as well, instead of stopping and starting the output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Begin; raises ConfigurationError when ``stream`` (standard input) is no terminal or of another job."""
        stream = stream or sys.stdin
        if not is_terminal(stream):
            raise ConfigurationError(
                "keys are read from a terminal, but standard input is none (a pipe, a file, a job in the background)"
            )
        self._descriptor = stream.fileno()

    def __enter__(self) -> Keyboard:
        self._saved = termios.tcgetattr(self._descriptor)
        settings = termios.tcgetattr(self._descriptor)
        settings[INPUT_FLAGS] &= ~termios.IXON
        # Ctrl-C goes on to interrupt.
        settings[LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
        settings[CHARACTERS][termios.VMIN], settings[CHARACTERS][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSANOW, settings)
        return self

    def __exit__(self, *_: object) -> None:
        # A terminal that is gone has nothing to restore.
        with suppress(termios.error):
            # Neither waits for output to drain; keys not read yet are not meant for the shell.
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)

    def read(self, timeout: float) -> str:
        """All keys pressed since the last call, waiting at most ``timeout`` [s] for one; raises EOFError at the end.

        All of them, so that an emergency stop does not queue up behind a key that repeats itself.
        """
        if not select.select([self._descriptor], [], [], timeout)[0]:
            return ""
        try:
            keys = os.read(self._descriptor, 4096)
        except OSError:  # hung up
            keys = b""
        if not keys:
            raise EOFError("the terminal is gone")
        return keys.decode("ascii", errors="replace")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether keys can be read from ``stream``: a terminal, unless reading it would suspend a job in the background."""
    if stream is None or stream.closed or not stream.isatty():
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:  # not this session's own terminal: nobody is suspended
        return True


@contextmanager
def emergency_stop_key(stop: Callable[[], None]) -> Iterator[bool]:
    """Call ``stop`` whenever the space bar is pressed, from a thread of its own, while the context lasts.

    ``stop`` must not write to the terminal: while its output is blocked, further presses would wait. Yields whether
    keys are read at all: only where standard input is a terminal.
    """
    if not is_terminal(sys.stdin):
        yield False
        return
    ended = threading.Event()

    def watch() -> None:
        try:
            while not ended.is_set():
                if E_STOP_KEY in keyboard.read(POLL_PERIOD):
                    stop()
        except EOFError:
            return

    with Keyboard() as keyboard:
        thread = threading.Thread(target=watch, name="keyboard", daemon=True)
        thread.start()
        try:
            yield True
        finally:
            ended.set()
            thread.join()
