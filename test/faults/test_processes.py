"""One real node, started, stopped, killed and restarted by name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.faults.domains import free_domains
from diffusion_mpc_ros.faults.processes import ProcessError, RobotProcesses, memory

NAME = "reward_composer"
ROOT = Path(__file__).parents[2]
WAIT = 30.0


def spec(**parameters: float) -> bringup.ProcessSpec:
    options = bringup.BringupOptions(parameters={NAME: parameters})
    return next(found for found in bringup.processes(options) if found.name == NAME)


@pytest.fixture
def processes(ros_domain, tmp_path):
    processes = RobotProcesses([spec()], {}, tmp_path)
    yield processes
    processes.stop()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_kill_pause_restart(processes):
    assert not processes.alive(NAME)
    assert processes.start_missing() == [NAME] and processes.start_missing() == []
    first = processes.pid(NAME)
    processes.send(NAME, signal.SIGSTOP)
    until(lambda: state(first) == "T")
    processes.send(NAME, signal.SIGCONT)
    until(lambda: state(first) != "T")
    processes.kill(NAME)
    with pytest.raises(ProcessError, match=NAME):
        processes.pid(NAME)
    assert processes.start_missing() == [NAME]
    assert processes.pid(NAME) != first
    # A stopped process ends too.
    processes.send(NAME, signal.SIGSTOP)
    processes.stop()
    assert not processes.alive(NAME)


def test_only_what_is_started_in_another_way_is_stopped(processes):
    processes.start_missing()
    assert processes.configure([spec()], {}) == []
    assert processes.configure([spec(ramp_time=2.0)], {}) == [NAME]
    processes.start_missing()
    assert processes.configure([spec(ramp_time=2.0)], {"SOME_VARIABLE": "1"}) == [NAME]


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_nothing_outlives_a_harness_that_is_killed():
    code = (
        "import subprocess, sys; from diffusion_mpc_ros.faults.processes import bound;"
        "print(subprocess.Popen(bound(['sleep', '600'])).pid, flush=True); sys.stdin.read()"
    )
    harness = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    child = int(harness.stdout.readline())
    until(lambda: Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep"))
    harness.kill()
    harness.wait(WAIT)
    # Gone, or a zombie that nobody has waited for.
    until(lambda: not Path(f"/proc/{child}").exists() or state(child) == "Z")


def test_memory_and_children():
    assert 1.0 < memory(os.getpid()) < 1e5
    assert memory(2**22 + 1) is None


def test_free_domains_are_different():
    found = free_domains(3)
    assert len(set(found)) == 3 and all(10 <= domain < 100 for domain in found)
