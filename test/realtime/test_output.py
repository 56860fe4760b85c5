"""Nothing that nobody reads holds up a process, and what is read arrives whole."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.realtime import output
from diffusion_mpc_ros.realtime.output import CAPACITY, PIPE_SIZE, Relay

WAIT = 30.0
LINE = b"x" * 99 + b"\n"
# Writes 3 MB in Python and in C to each stream, then a file: whoever waits for a reader never gets there.
WRITER = """
import ctypes, os, sys
from diffusion_mpc_ros.realtime import output
output.never_block()
line = "x" * 999
for _ in range(1500):
    print(line)
    print(line, file=sys.stderr)
    for fd in (1, 2):
        ctypes.CDLL(None).write(fd, line.encode(), len(line))
print("\\udcff is no text", flush=True)
open(sys.argv[1], "w").close()
"""


def fill(writer: int) -> None:
    """Write to a pipe until it takes nothing more."""
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, LINE)
    os.set_blocking(writer, True)


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """The file that the writer makes at its end."""
    return tmp_path / "done"


def write_all(done: Path, **streams: object) -> None:
    """Run the writer to its end."""
    assert subprocess.run([sys.executable, "-c", WRITER, done], timeout=WAIT, **streams).returncode == 0
    assert done.exists()


def test_a_full_pipe_that_nobody_reads(done):
    reader, writer = os.pipe()
    fill(writer)
    write_all(done, stdout=writer, stderr=writer)
    for end in (reader, writer):
        os.close(end)


def test_a_pipe_whose_reader_has_left(done):
    reader, writer = os.pipe()
    os.close(reader)
    write_all(done, stdout=writer, stderr=writer)
    os.close(writer)


def test_a_full_disk(done):
    with open("/dev/full", "wb") as full:
        write_all(done, stdout=full, stderr=full)


def test_a_terminal_that_has_hung_up(done):
    master, terminal = pty.openpty()
    os.close(master)
    write_all(done, stdout=terminal, stderr=terminal)
    os.close(terminal)


def test_a_terminal_that_nobody_reads(done):
    master, terminal = pty.openpty()
    write_all(done, stdout=terminal, stderr=terminal)
    for end in (master, terminal):
        os.close(end)


def test_no_streams_at_all(done):
    """Closed by whoever started it: ``>&- 2>&-``."""
    shell = ["sh", "-c", 'exec "$0" -c "$1" "$2" >&- 2>&-', sys.executable, WRITER, str(done)]
    assert subprocess.run(shell, timeout=WAIT).returncode == 0
    assert done.exists()


def test_what_is_printed_last_arrives():
    program = (
        "import sys; from diffusion_mpc_ros.realtime import output; output.never_block()\n"
        "print('to stdout'); print('to stderr', file=sys.stderr); sys.stdout.write('no newline')\n"
        "assert output.original_stderr() > 2 and not sys.stdout.isatty() and sys.stdout.fileno() == 1\n"
        "raise ValueError('last words')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT)
    assert run.stdout == "to stdout\nno newline"
    assert run.stderr.startswith("to stderr\nTraceback") and run.stderr.endswith("ValueError: last words\n")


def test_a_terminal_is_still_one():
    master, terminal = pty.openpty()
    program = (
        "import sys; from diffusion_mpc_ros.realtime import output; output.never_block(); print(sys.stdout.isatty())"
    )
    subprocess.run([sys.executable, "-c", program], stdout=terminal, timeout=WAIT, check=True)
    assert os.read(master, 100).strip() == b"True"
    for end in (master, terminal):
        os.close(end)


def test_before_anything_is_taken_over_the_standard_error_is_itself():
    assert output.original_stderr() == 2


class Pipe:
    """A relay that writes to a pipe of the test's own."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.fd = os.dup(writer)
        os.close(writer)
        self.relay = Relay(self.fd)

    def close_and_read(self) -> bytes:
        """All that arrives from now to the end."""
        received = bytearray()

        def read() -> None:
            while data := os.read(self.reader, 65536):
                received.extend(data)

        thread = threading.Thread(target=read)
        thread.start()
        self.relay.close(WAIT)
        for end in (self.fd, self.relay.original):
            os.close(end)
        thread.join(WAIT)
        os.close(self.reader)
        return bytes(received)


@given(st.lists(st.binary(min_size=1, max_size=5_000), max_size=30))
def test_with_a_reader_every_byte_arrives_in_order(chunks):
    pipe = Pipe()
    for chunk in chunks:
        pipe.relay.write(chunk)
    assert pipe.close_and_read() == b"".join(chunks)


def test_without_a_reader_the_oldest_lines_go_and_their_bytes_are_told():
    pipe = Pipe()
    # Ten times what all buffers hold, so slowly that the thread empties its pipe: only its own rule drops anything.
    total = 10 * (CAPACITY + PIPE_SIZE) // len(LINE)
    for number in range(total):
        while _unread(pipe.relay) > PIPE_SIZE // 2:
            pass
        pipe.relay.write(b"%09d" % number + LINE[9:])
    text = pipe.close_and_read().decode()
    notice = re.search(r"\n\[(\d+) bytes of output were dropped: nobody took them\]\n", text)
    kept = text[: notice.start()] + text[notice.end() :]
    assert len(kept) + int(notice[1]) == total * len(LINE)
    # What the reader's own pipe held came first; then whole lines, the newest of them the last that was written.
    newest = text[notice.end() :].splitlines(keepends=True)
    assert [int(line[:9]) for line in newest] == list(range(total - len(newest), total))
    assert all(len(line) == len(LINE) for line in newest)


def _unread(relay: Relay) -> int:
    """Bytes that wait for the relay's thread."""
    count = array.array("i", [0])
    fcntl.ioctl(relay._source, termios.FIONREAD, count)
    return count[0]
