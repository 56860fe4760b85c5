"""What is drawn in a pseudo-terminal, and that nobody waits where nothing can be drawn."""

from __future__ import annotations

import os
import pty
import select
import termios
from contextlib import suppress

import pytest

from diffusion_mpc_ros.commands.screen import MAX_WAITING, Screen

WAIT = 60.0


@pytest.fixture
def terminal():
    """What it shows, as a descriptor, and the stream that the program writes to."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        yield master, stream
    os.close(master)


def read_until(master: int, text: str) -> str:
    seen = ""
    while text not in seen:
        assert select.select([master], [], [], WAIT)[0], f"waited in vain for {text!r} after {seen!r}"
        seen += os.read(master, 4096).decode()
    return seen


def test_messages_stand_above_a_line_that_is_kept_up_to_date(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    master, stream = terminal
    with Screen(stream) as screen:
        screen.say("refused\nand why")
        screen.show(lambda: "standing, at rest")
        read_until(master, "refused\r\nand why\r\n")
        # Cut before the edge of the terminal: a line that wraps cannot be rewritten.
        read_until(master, "\r\x1b[Kstanding, a\r")
        screen.show(lambda: "walking")
        read_until(master, "\r\x1b[Kwalking")
        screen.say("last words")
    assert "last words" in read_until(master, "walking\r\n")


def test_what_others_say_does_not_command_the_terminal(terminal):
    master, stream = terminal
    with Screen(stream) as screen:
        screen.say("fault \x1b]0;title\x07 \r over")
        read_until(master, "fault ?]0;title? ? over\r\n")


def stopped(descriptor: int) -> None:
    """As by Ctrl-S."""
    termios.tcflow(descriptor, termios.TCOOFF)


def full(descriptor: int) -> None:
    """As when whoever shows the terminal reads no more."""
    os.set_blocking(descriptor, False)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"." * 1000)
    os.set_blocking(descriptor, True)


@pytest.mark.parametrize("block", [stopped, full])
def test_blocked_output_holds_up_neither_who_speaks_nor_the_end(terminal, block):
    master, stream = terminal
    block(stream.fileno())
    with Screen(stream) as screen:
        for number in range(10 * MAX_WAITING):
            screen.say(f"message {number}")
    # The newest are drawn once they can be.
    termios.tcflow(stream.fileno(), termios.TCOON)
    read_until(master, f"message {10 * MAX_WAITING - 1}")


def test_a_terminal_that_is_gone_is_no_error():
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream, Screen(stream) as screen:
        os.close(master)
        screen.say("to nobody")


def test_a_file_gets_the_messages_alone(tmp_path):
    with (tmp_path / "output").open("w") as stream, Screen(stream) as screen:
        screen.show(lambda: "line")
        screen.say("message")
    assert (tmp_path / "output").read_text() == "message\n"
