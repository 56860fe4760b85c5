"""Which process may end the others."""

import sys
from pathlib import Path

import pytest

from diffusion_mpc_ros.commands.launch import RobotProcesses

SURVIVES = "import time; time.sleep({seconds}); open({path!r}, 'w').close()"


def run(tmp_path: Path, dying: str, status: int, surviving: str, seconds: float) -> bool:
    """Whether ``surviving``, which takes so many ``seconds``, reached its end after ``dying`` ended with ``status``."""
    reached = tmp_path / "reached"
    manager = RobotProcesses()
    programs = {dying: f"raise SystemExit({status})", surviving: SURVIVES.format(path=str(reached), seconds=seconds)}
    for name, program in programs.items():
        script = tmp_path / f"{name}.py"
        script.write_text(program)
        manager.add_process(name, f"exec {sys.executable} {script}")
    manager.loop()
    return reached.exists()


@pytest.mark.parametrize("dying", ["planner", "state_estimator", "reward_composer"])
def test_command_publisher_outlives_the_others(tmp_path, dying):
    assert run(tmp_path, dying, 1, "command_publisher", seconds=1.0)


@pytest.mark.parametrize(("dying", "status"), [("go2_simulator", 1), ("command_publisher", 0), ("planner", 2)])
def test_a_missing_robot_side_and_refused_settings_end_all(tmp_path, dying, status):
    assert not run(tmp_path, dying, status, "state_estimator", seconds=60.0)
