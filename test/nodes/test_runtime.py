"""How a node process ends: every way that asks it to, what fails meanwhile, and with nobody who reads its output."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diffusion_mpc_ros.bringup import KILL_WAIT
from diffusion_mpc_ros.nodes import end_requests, launcher
from diffusion_mpc_ros.nodes.end_requests import SAME_CAUSE, EndRequests
from diffusion_mpc_ros.nodes.go2_simulator import Go2SimulatorNode
from diffusion_mpc_ros.nodes.managed_node import END_TIMEOUT

NODE = Path(__file__).with_name("ending_node.py")
WAIT = 60.0
ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IN_ORDER = ["started", "end", "worked, close"]


class Ending:
    """The node of ``ending_node.py`` as a process, and what it has noted."""

    def __init__(self, folder: Path, *does: str, **popen: object) -> None:
        self._notes, self._log = folder / "notes", folder / "log"
        self._notes.touch()
        streams = {"stdout": self._log.open("wb"), "stderr": subprocess.STDOUT} | popen
        self.process = subprocess.Popen([sys.executable, NODE, self._notes, *does], **streams)

    @property
    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines()

    @property
    def output(self) -> str:
        return self._log.read_text()

    def until(self, word: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        deadline = time.monotonic() + WAIT
        while word not in self.notes:
            assert time.monotonic() < deadline and self.process.poll() is None, self.output
            meanwhile()
            time.sleep(0.05)

    def wait(self) -> int:
        return self.process.wait(WAIT)


@pytest.fixture
def start(ros_domain, tmp_path):
    """A function that starts a node; all are killed at the end."""
    nodes = []

    def start_node(*does: str, **popen: object) -> Ending:
        nodes.append(Ending(tmp_path, *does, **popen))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.process.kill()
        node.process.wait(WAIT)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_ends_it_in_order(start, number):
    node = start("work")
    node.until("started")
    node.process.send_signal(number)
    assert node.wait() == 0, node.output
    assert node.notes == IN_ORDER
    assert node.output == ""


@pytest.mark.parametrize(
    ("does", "status", "said"),
    [("raise", 1, "Error: a callback's"), ("refuse", 2, "error: a setting's"), ("fail", 1, "Error: a thread's")],
)
def test_a_failure_ends_it_in_order_too(start, does, status, said):
    node = start(does)
    assert node.wait() == status
    assert [note.removeprefix("worked, ") for note in node.notes] == ["started", "end", "close"]
    assert said in node.output


def test_an_error_during_the_ending_is_told_and_changes_nothing(start):
    node = start("raise_late")
    node.until("started")
    node.process.terminate()
    assert node.wait() == 0
    assert node.notes == IN_ORDER
    assert "ValueError: late" in node.output


def test_an_ending_is_bounded(start):
    node = start("hang")
    node.until("started")
    node.process.terminate()
    assert node.wait() == 0
    assert node.notes[:2] == ["started", "end"] and node.notes[-1].endswith("close")
    assert "no orderly end within" in node.output


def test_whoever_asks_again_is_in_a_hurry(start):
    node = start("hurry")
    node.until("started")
    node.until("hurry", lambda: node.process.send_signal(signal.SIGINT))
    assert node.wait() == 0
    assert node.notes.count("hurry") == node.notes.count("end") == 1


def test_the_end_of_the_launcher_ends_it_in_order(start):
    launching = subprocess.Popen(["sleep", "600"])
    fields = Path(f"/proc/{launching.pid}/stat").read_text().split()
    node = start("work", env={**os.environ, launcher.VARIABLE: f"{launching.pid}:{fields[21]}"})
    node.until("started")
    launching.kill()  # and nobody waits for it yet: a zombie has ended, too
    assert node.wait() == 0
    assert node.notes == IN_ORDER
    assert node.output == f"whoever launched this process (pid {launching.pid}) has ended: ending in order\n"
    launching.wait()


def test_a_launcher_that_was_never_there(start):
    for lease, status in (("1:999999999999", 0), ("my shell", 2)):
        node = start("work", env={**os.environ, launcher.VARIABLE: lease})
        assert node.wait() == status
    assert "'my shell' is no PID:STARTTIME" in node.output and "Traceback" not in node.output


def test_a_terminal_that_closes(start, tmp_path):
    """The kernel's SIGHUP, and from then on EIO for every write."""
    master, terminal = pty.openpty()
    node = start("work", "chatter", stdout=terminal, stderr=terminal, stdin=terminal, preexec_fn=_own_terminal)
    os.close(terminal)
    node.until("started")
    os.close(master)
    assert node.wait() == 0
    assert node.notes == IN_ORDER


def _own_terminal() -> None:
    os.setsid()
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # a session's first terminal becomes its controlling one


def test_full_pipes_behind_its_streams_hold_up_nothing(start):
    """1.2 MB on each in 500 turns, and nobody reads: the turns go on, and so does the ending."""
    reader, writer = os.pipe()
    node = start("work", "chatter", stdout=writer, stderr=writer)
    node.until("chattered")
    node.process.terminate()
    assert node.wait() == 0
    assert node.notes == ["started", "chattered", "end", "worked, close"]
    for end in (reader, writer):
        os.close(end)


@pytest.fixture
def handlers():
    """Puts the handlers of the signals back."""
    before = {number: signal.getsignal(number) for number in ASKING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("signals", "insisted"),
    [
        (((0.0, signal.SIGINT),), False),
        # A terminal and a launcher both pass one Ctrl-C on.
        (((0.0, signal.SIGINT), (0.9 * SAME_CAUSE, signal.SIGTERM)), False),
        (((0.0, signal.SIGTERM), (1.1 * SAME_CAUSE, signal.SIGTERM)), True),
        (((0.0, signal.SIGHUP), (2.0 * SAME_CAUSE, signal.SIGHUP)), False),
        (((0.0, signal.SIGHUP), (2.0 * SAME_CAUSE, signal.SIGINT)), True),
    ],
)
def test_which_signals_are_a_second_request(handlers, monkeypatch, signals, insisted):
    requests = EndRequests()
    assert not requests.made
    for at, number in signals:
        monkeypatch.setattr(end_requests.time, "monotonic", lambda at=at: at)
        signal.raise_signal(number)
    assert requests.made and not requests.orphaned
    assert (requests.insisted(), requests.insisted()) == (insisted, False)


def test_nohup_is_respected(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    requests = EndRequests()
    signal.raise_signal(signal.SIGHUP)
    assert not requests.made


@pytest.mark.parametrize("has_pidfd", [True, False])
def test_a_launcher_is_gone_when_it_ends_or_is_another_process(monkeypatch, has_pidfd):
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    own = launcher.lease_environment()
    pid, start_time = own[launcher.VARIABLE].split(":")
    assert not launcher.Launcher(own).gone
    assert not launcher.Launcher({}).gone
    assert launcher.Launcher({launcher.VARIABLE: f"{pid}:{int(start_time) + 1}"}).gone
    child = subprocess.Popen(["sleep", "600"])
    started = Path(f"/proc/{child.pid}/stat").read_text().split()[21]
    watched = launcher.Launcher({launcher.VARIABLE: f"{child.pid}:{started}"})
    assert not watched.gone
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert watched.gone
    child.wait()
    assert watched.gone


def test_the_simulator_outlives_command_publisher_and_the_launcher_both():
    assert END_TIMEOUT < Go2SimulatorNode.end_timeout < KILL_WAIT
