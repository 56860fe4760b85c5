"""Which process may end the others, and that all end in order however their launcher ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diffusion_mpc_ros.commands.process_group import ProcessGroup
from diffusion_mpc_ros.nodes import launcher
from diffusion_mpc_ros.nodes.end_requests import EndRequests

# Processes have to be up, and to end, within times that hold on a machine with nothing else to do.
pytestmark = pytest.mark.real_time

WAIT = 60.0
SURVIVES = "import time; time.sleep({seconds}); open({path!r}, 'w').close()"
LAUNCH = """
import sys
from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands import launch
from diffusion_mpc_ros.realtime import output
bringup.PACKAGE = "stand_in"
output.never_block()
sys.exit(launch.run_processes([bringup.ProcessSpec(name, name, {}) for name in sys.argv[1:]], {}))
"""
IN_ORDER = ["started", "ending", "ended"]
NODES = ("command_publisher", "planner", "go2_simulator")


@pytest.fixture(autouse=True)
def handlers():
    """Puts the handlers of the signals back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


def run(tmp_path: Path, dying: str, status: int, surviving: str, seconds: float) -> bool:
    """Whether ``surviving``, which takes so many ``seconds``, reached its end after ``dying`` ended with ``status``."""
    reached = tmp_path / "reached"
    group = ProcessGroup(EndRequests())
    programs = {dying: f"raise SystemExit({status})", surviving: SURVIVES.format(path=str(reached), seconds=seconds)}
    for name, program in programs.items():
        script = tmp_path / f"{name}.py"
        script.write_text(program)
        group.add(name, f"exec {sys.executable} {script}", dict(os.environ))
    assert group.run() == status
    return reached.exists()


@pytest.mark.parametrize("dying", ["planner", "state_estimator", "reward_composer"])
def test_command_publisher_outlives_the_others(tmp_path, dying):
    assert run(tmp_path, dying, 1, "command_publisher", seconds=1.0)


@pytest.mark.parametrize("status", [1, 2])
def test_nothing_ends_for_a_recorder_that_cannot_record(tmp_path, status):
    assert run(tmp_path, "recorder", status, "command_publisher", seconds=1.0)


@pytest.mark.parametrize(("dying", "status"), [("go2_simulator", 1), ("command_publisher", 0), ("planner", 2)])
def test_a_missing_robot_side_and_refused_settings_end_all(tmp_path, dying, status):
    assert not run(tmp_path, dying, status, "state_estimator", seconds=60.0)


def test_what_does_not_end_is_killed_and_told(tmp_path, capsys):
    group = ProcessGroup(EndRequests(), kill_wait=0.5)
    deaf = tmp_path / "deaf"
    group.add("command_publisher", f"until [ -e {deaf} ]; do sleep 0.05; done", dict(os.environ))
    group.add("planner", f"trap '' TERM; touch {deaf}; while :; do sleep 0.1; done", dict(os.environ))
    assert group.run() == 1
    printed = capsys.readouterr().out
    assert "killed after 0 s: planner" in printed and "done" not in printed


class Launched:
    """A launcher of stand-in nodes as a process, and what the nodes have noted."""

    def __init__(self, folder: Path, names: tuple[str, ...], **popen: object) -> None:
        self._notes, self._log, self._names = folder / "notes", folder / "log", names
        self._notes.mkdir()
        nodes = folder / "stand_in" / "nodes"
        nodes.mkdir(parents=True)
        for package in (nodes, nodes.parent):
            (package / "__init__.py").touch()
        for name in names:
            shutil.copy(Path(__file__).with_name("stand_in_node.py"), nodes / f"{name}.py")
        path = os.pathsep.join([str(folder), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, **popen.pop("env", {}), "NOTES": str(self._notes), "PYTHONPATH": path}
        streams = {"stdout": self._log.open("wb"), "stderr": subprocess.STDOUT} | popen
        self.process = subprocess.Popen([sys.executable, "-c", LAUNCH, *names], env=environment, **streams)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def notes(self, name: str) -> list[str]:
        path = self._notes / name
        return path.read_text().splitlines() if path.exists() else []

    def until(self, word: str, meanwhile=lambda: None) -> None:
        """Until every node has noted ``word``."""
        deadline = time.monotonic() + WAIT
        while not all(word in self.notes(name) for name in self._names):
            assert time.monotonic() < deadline, self.output
            meanwhile()
            time.sleep(0.05)


@pytest.fixture
def start(tmp_path):
    """A function that starts a launcher; killed at the end, and with it all that it has started."""
    launched = []

    def start_nodes(*names: str, **popen: object) -> Launched:
        launched.append(Launched(tmp_path, names, **popen))
        launched[-1].until("started")
        return launched[-1]

    yield start_nodes
    for group in launched:
        group.process.kill()
        group.process.wait(WAIT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_all_in_order_and_done_is_said_last(start, number):
    group = start(*NODES)
    group.process.send_signal(number)
    assert group.process.wait(WAIT) == 0
    assert [group.notes(name) for name in NODES] == [IN_ORDER] * len(NODES)
    assert group.output.splitlines()[-1].endswith("done: all processes have ended")


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL])
def test_all_end_in_order_when_their_launcher_dies(start, number):
    group = start(*NODES)
    group.process.send_signal(number)
    assert group.process.wait(WAIT) == -number
    group.until("ended")
    assert [group.notes(name) for name in NODES] == [IN_ORDER] * len(NODES)


def test_a_launcher_ends_with_its_own_launcher(start):
    """``diffusion-mpc run`` launches the launcher."""
    launching = subprocess.Popen(["sleep", "600"])
    started = Path(f"/proc/{launching.pid}/stat").read_text().split()[21]
    group = start(*NODES, env={launcher.VARIABLE: f"{launching.pid}:{started}"})
    launching.kill()
    launching.wait()
    assert group.process.wait(WAIT) == 0
    assert [group.notes(name) for name in NODES] == [IN_ORDER] * len(NODES)


def test_a_second_ctrl_c_reaches_the_nodes(start):
    group = start("command_publisher", "state_estimator")
    group.until("ended", lambda: group.process.send_signal(signal.SIGINT))
    assert group.process.wait(WAIT) == 0
    assert "asked again" in group.output


def test_a_launcher_that_nobody_reads_ends_all_in_order(start):
    reader, writer = os.pipe()
    group = start(*NODES, stdout=writer, stderr=writer)
    group.process.send_signal(signal.SIGTERM)
    assert group.process.wait(WAIT) == 0
    assert [group.notes(name) for name in NODES] == [IN_ORDER] * len(NODES)
    for end in (reader, writer):
        os.close(end)
