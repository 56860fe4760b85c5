"""`bag check` tells what is in a bag, `bag plot` draws it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bag_files import BEGIN, BagFile, Sent, changed, time_of, walk
from std_msgs.msg import Bool

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.bags.manifest import Manifest
from diffusion_mpc_ros.commands.bag import plot
from diffusion_mpc_ros.core.errors import ConfigurationError

MANIFEST = Manifest(BEGIN).with_node("command_publisher", {"robot": "go2", "sim": True}).with_artefact("cd" * 32)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    """A terminal in which no line is broken."""
    monkeypatch.setenv("COLUMNS", "250")


def check(path, capsys) -> tuple[int, str]:
    status = cli.main(["bag", "check", str(path)])
    return status, capsys.readouterr().out


def test_a_walk_is_fit_for_training(tmp_path, capsys):
    status, text = check(BagFile(tmp_path, MANIFEST).write(walk(range(10, 60))), capsys)
    assert status == 0
    assert "walk.mcap: 1.5 s from 2023-11-14 22:13:19 UTC" in text
    assert "from robot go2, simulated" in text and "(cdcdcdcdcdcd)" in text
    line = next(line for line in text.splitlines() if "/robot_state" in line)
    assert "50.0" in line and "0.02" in line
    assert "ticks: 50 in the bag, 0 missing" in text and "clock: +0 ppm" in text
    assert "fit for training: 1.0 s of 1.0 s, in 1 episodes" in text


def test_gaps_refusals_and_damage_are_told(tmp_path, capsys):
    sent = [each for each in walk(range(10, 60)) if getattr(each.message, "tick", 0) not in (30, 31)]
    sent = changed(sent, "/robot_state", 40, lambda message: setattr(message, "base_height", float("nan")))
    path = BagFile(tmp_path).write(sent)
    path.write_bytes(path.read_bytes()[:-1000])
    status, text = check(path, capsys)
    assert status == 1 and "damaged: walk.mcap: cut off" in text
    assert "1 refused: base_height nan is not within" in text
    assert "ticks: 47 in the bag, 3 missing" in text and "ends: 2 ticks are missing" in text


def test_a_foreign_bag_is_told_apart(tmp_path, capsys):
    status, text = check(BagFile(tmp_path, manifest=None).write([Sent("/go", time_of(0), Bool())]), capsys)
    assert status == 1 and "no manifest: another recorder wrote it" in text
    assert "not fit for training" in text and "no /robot_state (diffusion_mpc_msgs/msg/RobotState)" in text
    assert "It holds: /go (std_msgs/msg/Bool)" in text


def test_what_is_no_bag_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "bag.db3").write_bytes(b"SQLite format 3\0" + bytes(100))
    assert cli.main(["bag", "check", str(tmp_path / "bag.db3")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "ros2 bag convert" in error


def test_a_walk_is_drawn_with_or_without_all_topics(tmp_path):
    path = BagFile(tmp_path).write(walk(range(10, 60)))
    assert cli.main(["bag", "plot", str(path)]) == 0
    assert (tmp_path / "walk.png").read_bytes().startswith(b"\x89PNG")
    states = [each for each in walk(range(10, 60)) if each.topic == "/robot_state"]
    path = BagFile(tmp_path).write(states, "states.mcap")
    assert cli.main(["bag", "plot", str(path), "--output", str(tmp_path / "states.svg")]) == 0
    assert "no odometry in the bag" in (tmp_path / "states.svg").read_text()
    with pytest.raises(ConfigurationError, match="png, svg, pdf"):
        plot.Config(path, Path("states.gif"))
