"""Keys from a pseudo-terminal, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from contextlib import contextmanager

import pytest

from diffusion_mpc_ros.commands.keyboard import Keyboard, emergency_stop_key, is_terminal
from diffusion_mpc_ros.core.errors import ConfigurationError

WAIT = 60.0


class Terminal:
    """A pseudo-terminal: what the test types, and the stream that the program reads."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "r")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def settings(self) -> list:
        return termios.tcgetattr(self.stream.fileno())

    @contextmanager
    def blocked_output(self):
        """Whoever writes to the terminal waits, as after Ctrl-S; a thread of the test's own does already."""
        descriptor = self.stream.fileno()
        termios.tcflow(descriptor, termios.TCOOFF)
        writer = threading.Thread(target=os.write, args=(descriptor, b"never drawn"), daemon=True)
        writer.start()
        try:
            yield
            assert writer.is_alive()
        finally:
            termios.tcflow(descriptor, termios.TCOON)
            writer.join(WAIT)

    def hang_up(self) -> None:
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        self.stream.close()
        if self._master >= 0:
            os.close(self._master)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_keys_come_without_enter_and_all_at_once(terminal):
    with Keyboard(terminal.stream) as keyboard:
        assert keyboard.read(0.0) == ""
        terminal.type("w")
        assert keyboard.read(WAIT) == "w"
        terminal.type("www ")
        assert keyboard.read(WAIT) == "www "
        terminal.type("é")
        assert len(keyboard.read(WAIT)) == 2
        assert keyboard.read(0.01) == ""


def test_the_terminal_is_restored(terminal):
    before = terminal.settings()
    with Keyboard(terminal.stream):
        assert not terminal.settings()[3] & (termios.ECHO | termios.ICANON)
        assert terminal.settings()[3] & termios.ISIG
    assert terminal.settings() == before


def test_ctrl_s_and_ctrl_q_are_keys_and_block_nothing(terminal):
    assert terminal.settings()[0] & termios.IXON
    with Keyboard(terminal.stream) as keyboard:
        terminal.type("\x13")
        assert keyboard.read(WAIT) == "\x13"
        assert os.write(terminal.stream.fileno(), b"shown") == 5
        terminal.type("\x11")
        assert keyboard.read(WAIT) == "\x11"
    assert terminal.settings()[0] & termios.IXON


def test_the_terminal_is_restored_while_its_output_is_blocked(terminal):
    before = terminal.settings()
    with terminal.blocked_output(), Keyboard(terminal.stream):
        assert terminal.settings() != before
    assert terminal.settings() == before


def test_the_terminal_is_restored_after_an_exception(terminal):
    before = terminal.settings()
    with pytest.raises(KeyboardInterrupt), Keyboard(terminal.stream):
        raise KeyboardInterrupt
    assert terminal.settings() == before


def test_keys_not_read_are_not_left_to_the_shell(terminal):
    with Keyboard(terminal.stream):
        terminal.type("rm\n")
    with Keyboard(terminal.stream) as keyboard:
        assert keyboard.read(0.05) == ""


def test_a_terminal_that_hangs_up_is_told(terminal):
    with Keyboard(terminal.stream) as keyboard:
        terminal.hang_up()
        with pytest.raises(EOFError, match="gone"):
            keyboard.read(WAIT)
        # Restoring a terminal that is gone is no error of its own.


def test_what_is_no_terminal_is_refused(tmp_path):
    with (tmp_path / "file").open("w+") as file:
        assert not is_terminal(file)
        with pytest.raises(ConfigurationError, match="terminal"):
            Keyboard(file)
    assert not is_terminal(file)
    assert not is_terminal(None)


FOREGROUND_AND_BACKGROUND = """
import fcntl, os, sys, termios
from diffusion_mpc_ros.commands.keyboard import is_terminal
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
foreground = is_terminal(sys.stdin)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os._exit(int(is_terminal(sys.stdin)))
background = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(int(foreground), background)
"""


def test_a_job_in_the_background_reads_no_keys(terminal):
    program = [sys.executable, "-c", FOREGROUND_AND_BACKGROUND]
    done = subprocess.run(
        program, stdin=terminal.stream, stdout=subprocess.PIPE, start_new_session=True, timeout=WAIT, text=True
    )
    assert done.stdout.split() == ["1", "0"]


def test_the_space_bar_stops_from_any_thread(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdin", terminal.stream)
    before, pressed = terminal.settings(), threading.Event()
    with emergency_stop_key(pressed.set) as has_key:
        assert has_key
        terminal.type("wasd")
        assert not pressed.is_set()
        terminal.type("x ")
        assert pressed.wait(WAIT)
    assert terminal.settings() == before


BLOCKED = """
import os, sys, termios
from diffusion_mpc_ros.commands.keyboard import emergency_stop_key
with emergency_stop_key(lambda: os.write(int(sys.argv[1]), b"stop")):
    termios.tcflow(sys.stdout.fileno(), termios.TCOOFF)
    os.write(int(sys.argv[1]), b"ready")
    print("never drawn", flush=True)
"""


def test_the_space_bar_stops_while_the_program_is_stuck_in_its_output(terminal):
    ours, its = os.pipe()
    program = [sys.executable, "-c", BLOCKED, str(its)]
    child = subprocess.Popen(program, stdin=terminal.stream, stdout=terminal.stream, pass_fds=[its])
    os.close(its)
    try:
        assert os.read(ours, 5) == b"ready"
        for _ in range(2):
            terminal.type(" ")
            assert os.read(ours, 4) == b"stop"
        assert child.poll() is None
    finally:
        child.kill()
        child.wait(WAIT)
        os.close(ours)


def test_without_a_terminal_there_is_no_key(monkeypatch, tmp_path):
    with (tmp_path / "file").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with emergency_stop_key(lambda: pytest.fail("nobody pressed it")) as has_key:
            assert not has_key
