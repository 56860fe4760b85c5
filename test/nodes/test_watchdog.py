"""The watchdog as the process it is: whoever starts it is killed, hung, continued; who listens sees damping or nothing.

The timeout is a long one, so that a busy machine does not make a living parent look dead.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from diffusion_mpc_ros.control.heartbeats import ARMED, END, Heartbeats
from diffusion_mpc_ros.core.go2 import DAMPING_KD
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.link_options import LinkOptions
from diffusion_mpc_ros.nodes import watchdog as watchdog_process
from diffusion_mpc_ros.nodes.watchdog_handle import MAX_UNREAD, WatchdogHandle

ROOT = Path(__file__).parents[2]
WAIT = 30.0
TIMEOUT = 0.5
LABEL = "test watchdog"


def until(condition) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def domain(free_domain):
    """The domain and its id."""
    domain_id = free_domain()
    with open_domain("lo", domain_id) as opened:
        yield opened, domain_id


@pytest.fixture
def lowcmds(domain):
    subscriber = Subscriber(domain[0], LOWCMD)
    yield subscriber
    subscriber.close()


@pytest.fixture
def start_parent(domain, tmp_path):
    """A function that starts a parent and waits until its watchdog watches: its process, the watchdog's id, the log."""
    parents = []

    def start(armed: bool, *options: str) -> tuple[subprocess.Popen, int, Path]:
        log = tmp_path / "log"
        with log.open("wb") as output:
            parent = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("watchdog_parent.py")), str(domain[1]), LABEL]
                + [str(TIMEOUT), str(int(armed)), *options],
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            )
        parents.append(parent)
        word, pid = parent.stdout.readline().split()
        assert word == "ready"
        return parent, int(pid), log

    yield start
    for parent in parents:
        parent.send_signal(signal.SIGCONT)
        parent.kill()
        parent.wait()
        parent.stdout.close()


@contextmanager
def watchdog_in(domain_id: int, network_interface: str = "lo"):
    """A watchdog of this process, once it is ready; killed afterwards whatever has become of it."""
    watchdog = WatchdogHandle(LinkOptions(network_interface, domain_id, TIMEOUT), LABEL)
    try:
        yield watchdog
    finally:
        watchdog._process.kill()
        watchdog.close()


@pytest.mark.parametrize(("channel", "options"), [(LOWCMD, []), (LOWCMD_DRY_RUN, ["--dry-run"])])
def test_a_parent_killed_while_armed_is_followed_by_damping(domain, start_parent, channel, options):
    subscribers = [Subscriber(domain[0], topic) for topic in (LOWCMD, LOWCMD_DRY_RUN)]
    watched, other = subscribers if channel is LOWCMD else reversed(subscribers)
    parent, watchdog, log = start_parent(True, *options)
    until(lambda: watched.publisher_labels() == [LABEL])
    assert watched.received == 0
    parent.kill()
    command = watched.wait(WAIT, received=25)
    assert command is not None, watched.last_error
    assert command.kd.tolist() == [DAMPING_KD] * 12
    assert command.kp.tolist() == [0.0] * 12
    said = ["watchdog: command_publisher has died while armed: damping for 5 s"]
    if channel is LOWCMD:
        until(lambda: watched.publisher_labels() == [])
        said.append("watchdog: damping ends")
    else:  # once is enough to wait for the end
        os.kill(watchdog, signal.SIGKILL)
    assert watched.rejected == 0 and other.received == 0
    assert log.read_text().splitlines() == said
    for subscriber in subscribers:
        subscriber.close()


def test_a_parent_killed_while_not_armed_is_followed_by_nothing(lowcmds, start_parent):
    parent, _, log = start_parent(False)
    until(lambda: lowcmds.publisher_labels() == [LABEL])
    parent.kill()
    until(lambda: lowcmds.publisher_labels() == [])
    assert lowcmds.received == 0 and log.read_text() == ""


def test_a_parent_that_ends_in_order_while_armed_is_followed_by_nothing(lowcmds, start_parent):
    parent, _, log = start_parent(True)
    until(lambda: lowcmds.publisher_labels() == [LABEL])
    parent.terminate()
    assert parent.wait(WAIT) == 0
    until(lambda: lowcmds.publisher_labels() == [])
    assert lowcmds.received == 0 and log.read_text() == ""


def test_a_parent_that_hangs_is_damped_until_it_is_back(lowcmds, start_parent):
    parent, _, log = start_parent(True)
    until(lambda: lowcmds.publisher_labels() == [LABEL])
    parent.send_signal(signal.SIGSTOP)
    assert lowcmds.wait(WAIT, received=25) is not None
    silent = re.search(r"has been silent for (\d+) ms while armed: damping", log.read_text())
    assert silent and int(silent[1]) >= TIMEOUT * 1e3, log.read_text()
    parent.send_signal(signal.SIGCONT)
    until(lambda: "command_publisher is back: damping ends" in log.read_text())
    parent.send_signal(signal.SIGSTOP)
    again = lowcmds.received + 25
    assert lowcmds.wait(WAIT, received=again) is not None
    # Hung and then killed: damping goes on to its end.
    parent.kill()
    until(lambda: lowcmds.publisher_labels() == [])
    assert [line.rsplit(": ", 1)[1] for line in log.read_text().splitlines()] == [
        "damping",
        "damping ends",
        "damping",
        "damping ends",
    ]


def test_signals_to_everybody_do_not_end_it(domain, lowcmds):
    """Not Ctrl-C, not SIGTERM: only its parent ends it."""
    with watchdog_in(domain[1]) as watchdog:
        until(lambda: watchdog.ready)
        for number in (signal.SIGINT, signal.SIGTERM):
            watchdog._process.send_signal(number)
        watchdog.beat(True)
        assert lowcmds.wait(WAIT, received=2) is not None
        assert watchdog.ready and os.getsid(watchdog._process.pid) != os.getsid(0)
        watchdog.close()
        assert watchdog._process.returncode == 0
        assert not watchdog.ready
        watchdog.beat(True)
        watchdog.close()


def test_a_watchdog_that_is_killed_is_not_ready(domain):
    with watchdog_in(domain[1]) as watchdog:
        until(lambda: watchdog.ready)
        watchdog._process.kill()
        until(lambda: not watchdog.ready)
        watchdog.beat(True)
        watchdog.close()
        assert watchdog._process.returncode == -signal.SIGKILL


def test_a_watchdog_that_hangs_is_not_ready_and_blocks_nobody(domain):
    with watchdog_in(domain[1]) as watchdog:
        until(lambda: watchdog.ready)
        watchdog._process.send_signal(signal.SIGSTOP)
        for _ in range(MAX_UNREAD):
            watchdog.beat(True)
        until(lambda: watchdog._unread() == MAX_UNREAD)
        assert watchdog.ready
        watchdog.beat(True)
        assert not watchdog.ready
        # More than a pipe holds.
        for _ in range(70_000):
            watchdog.beat(True)
        # Once it goes on it reads them all, and watches again.
        watchdog._process.send_signal(signal.SIGCONT)
        until(lambda: watchdog.ready)
        watchdog._process.send_signal(signal.SIGSTOP)
        watchdog.close()
        assert watchdog._process.returncode == -signal.SIGKILL


def test_a_watchdog_that_cannot_join_the_domain_says_why(domain, capfd):
    with watchdog_in(domain[1], "eth99") as watchdog:
        assert watchdog._process.wait(WAIT) == 2
        until(lambda: watchdog._dead or watchdog.ready)
        assert not watchdog.ready
        watchdog.beat(True)
    assert "watchdog: network interface 'eth99' does not exist" in capfd.readouterr().err


def test_a_parent_that_dies_in_the_moment_of_taking_over_is_followed_by_damping(monkeypatch):
    """Its end of the replies is closed already, that of its heartbeats not yet."""
    (beats, parent), (replies, told) = os.pipe(), os.pipe()
    os.close(replies)
    monkeypatch.setattr(watchdog_process, "STDIN", beats)
    monkeypatch.setattr(watchdog_process, "STDOUT", told)
    os.write(parent, ARMED)
    sent = []

    def send_damping() -> None:
        sent.append(time.monotonic())
        if len(sent) == 5:
            os.write(parent, END)

    watchdog_process.watch(Heartbeats(0.05), send_damping)
    assert len(sent) == 5
    for end in (beats, parent, told):
        os.close(end)
