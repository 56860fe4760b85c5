"""What a terminal shows, drawn by a thread of its own: output that is blocked holds up nobody else."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

# The line is drawn anew so often [s].
REFRESH_PERIOD = 0.1
# How long [s] the end waits for the last messages to be drawn, if they can be.
LAST_WORDS = 0.5
# So many messages may wait to be drawn; older ones are dropped.
MAX_WAITING = 100


class Screen:
    """A line that is kept up to date, and messages above it, while a ``with`` statement lasts.

    The thread that draws shares no lock with those that have something to say, and writes past the buffer of
    ``stream``, which the end of the program would wait for. Without a terminal there are only messages.
    """

    def __init__(self, stream: TextIO) -> None:
        self._descriptor, self._has_line = stream.fileno(), stream.isatty()
        self._messages: deque[str] = deque(maxlen=MAX_WAITING)
        self._line: Callable[[], str] = str
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join(LAST_WORDS)

    def say(self, text: str) -> None:
        """Show ``text`` above the line, from any thread; returns at once."""
        self._messages.append(text)

    def show(self, line: Callable[[], str]) -> None:
        """Keep the line at what ``line`` returns; it is called by the thread that draws."""
        self._line = line

    def _run(self) -> None:
        ended = False
        try:
            while not ended:
                ended = self._ended
                self._write(self._drawing() + ("\n" if ended and self._has_line else ""))
                time.sleep(REFRESH_PERIOD)
        except OSError:  # hung up
            return

    def _drawing(self) -> str:
        erase = "\r\x1b[K" if self._has_line else ""
        text = ""
        while self._messages:
            text += f"{erase}{_plain(self._messages.popleft())}\n"
        if not self._has_line:
            return text
        return f"{text}{erase}{_plain(self._line())[: shutil.get_terminal_size().columns - 1]}"

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self._descriptor, data) :]


def _plain(text: str) -> str:
    """``text`` without what a terminal would obey: part of it comes from other programs."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
