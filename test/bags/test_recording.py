"""A recording never makes its source wait, and leaves a readable file however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from bag_files import BEGIN, state, time_of
from rclpy.serialization import serialize_message

from diffusion_mpc_ros.bags import recording
from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.bags.reader import BagReader
from diffusion_mpc_ros.bags.recording import Message, Recording
from diffusion_mpc_ros.core.errors import BagError, ConfigurationError

TYPE = "diffusion_mpc_msgs/msg/RobotState"
# Records messages until it is killed, or the file may not become larger than the limit.
RECORD = """
import resource, signal, sys, time
from pathlib import Path
from bag_files import BEGIN, state, time_of
from rclpy.serialization import serialize_message
from diffusion_mpc_ros.bags import recording
from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.bags.recording import Message, Recording
recording.FLUSH_PERIOD = 0.05
path, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
running = Recording(path, Manifest(BEGIN), 0)
for tick in range(1, 20_000):
    data = serialize_message(state(tick))
    running.add(Message("/robot_state", "diffusion_mpc_msgs/msg/RobotState", time_of(tick), time_of(tick), data))
    if tick % 100 == 0:
        time.sleep(0.05)
        print(tick, flush=True)
    if running.ended:
        break
print(running.close({}), flush=True)
"""


def message(tick: int) -> Message:
    return Message("/robot_state", TYPE, time_of(tick), time_of(tick), serialize_message(state(tick)), tick)


def ticks_of(path) -> list[int]:
    return [record.source.decode(record.data).tick for record in BagReader(path)]


def test_everything_is_in_the_file_and_the_end_is_told(tmp_path):
    running = Recording(tmp_path / "a.mcap", Manifest(BEGIN), 0)
    for tick in range(100):
        running.add(message(tick))
    running.manifest = running.manifest.with_node("planner", {"artefact": "go2"})
    running.lose("/plan", 2)
    report = running.close({"rewards": {"0": {}}})
    assert report.whole and not report.failure and report.messages == {"/robot_state": 100}
    # 99 ticks of 20 ms lie between the first and the last.
    assert "a.mcap: 2.0 s, 100 messages of 1 topics" in str(report) and "2 dropped (/plan 2)" in str(report)
    assert ticks_of(report.path) == list(range(100)) and report.size == report.path.stat().st_size
    reader = BagReader(report.path)
    list(reader)
    assert [content.get("nodes") for _, content in reader.metadata][-2:] == [{"planner": {"artefact": "go2"}}, None]
    assert reader.metadata[-1][1] == {
        "messages": {"/robot_state": 100}, "dropped": {"/plan": 2}, "end": "asked", "rewards": {"0": {}}
    }  # fmt: skip


def test_what_comes_faster_than_the_disk_takes_it_is_dropped_and_counted(tmp_path, monkeypatch):
    data = message(1).data
    monkeypatch.setattr(recording, "MAX_WAITING", 10 * len(data))
    monkeypatch.setattr(recording, "POLL_PERIOD", 0.5)
    running = Recording(tmp_path / "a.mcap", Manifest(BEGIN), 0)
    for tick in range(1, 101):
        running.add(message(tick))
    report = running.close({})
    assert 10 <= report.messages["/robot_state"] < 100
    assert report.messages["/robot_state"] + report.dropped["/robot_state"] == 100


def test_without_room_it_does_not_begin_and_ends_whole(tmp_path, monkeypatch):
    with pytest.raises(BagError, match="make room"):
        Recording(tmp_path / "a.mcap", Manifest(BEGIN), 2**62)
    assert not (tmp_path / "a.mcap").exists()
    monkeypatch.setattr(recording, "FLUSH_PERIOD", 0.0)
    running = Recording(tmp_path / "a.mcap", Manifest(BEGIN), 0)
    running.add(message(1))
    running._min_free = 2**62  # as if others had filled the disk
    deadline = time.monotonic() + 20.0
    while not running.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    running.add(message(2))
    report = running.close({})
    assert "the disk has only" in report.failure and report.whole and report.dropped == {"/robot_state": 1}
    assert ticks_of(report.path) == [1]
    reader = BagReader(report.path)
    list(reader)
    assert reader.damage == [] and "the disk has only" in reader.metadata[-1][1]["end"]


def test_a_file_that_is_there_is_kept(tmp_path):
    (tmp_path / "a.mcap").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists"):
        Recording(tmp_path / "a.mcap", Manifest(BEGIN), 0)
    assert (tmp_path / "a.mcap").read_text() == "mine"


def start(path, limit: int) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RECORD, str(path), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_recorder_leaves_all_but_its_last_chunk(tmp_path):
    process = start(tmp_path / "a.mcap", 0)
    for _ in range(10):
        told = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    ticks = ticks_of(tmp_path / "a.mcap")
    # Chunks end each 50 ms or a little later, in which a hundred ticks come.
    assert ticks == list(range(1, len(ticks) + 1)) and len(ticks) >= told - 500
    reader = BagReader(tmp_path / "a.mcap")
    list(reader)
    assert "cut off" in reader.damage[0]


def test_a_full_disk_leaves_what_was_written_and_is_told(tmp_path):
    process = start(tmp_path / "a.mcap", 60_000)
    *_, last = process.communicate()[0].splitlines()
    assert "ended early: File too large" in last and process.returncode == 0
    ticks = ticks_of(tmp_path / "a.mcap")
    assert ticks == list(range(1, len(ticks) + 1)) and len(ticks) > 100
    assert (tmp_path / "a.mcap").stat().st_size <= 60_000
