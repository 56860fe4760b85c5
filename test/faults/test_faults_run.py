"""Some of the catalogue for real: the command, the five processes, the relay, the audit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 240.0
FAULTS = ("planner killed, restarted", "LowState CRC broken, all", "emergency stop by remote")
FAULTS += ("command_publisher killed",)


@pytest.mark.real_time
def test_faults_are_survived(tmp_path):
    report = tmp_path / "faults.json"
    arguments = ["evaluate", "faults", "--only", *FAULTS, "--json", str(report)]
    # As in the closed-loop test: the machine that runs the tests may be slow, and safety is what is tested.
    arguments += ["--parameters", "planner.candidates=1", "planner.steps=5", "planner.sampler=ddim"]
    finished = subprocess.run(
        [sys.executable, "-m", "diffusion_mpc_ros.cli", *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    rows = {row["fault"]: row for row in json.loads(report.read_text())["rows"]}
    assert set(rows) == set(FAULTS)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for row in rows.values():
        assert row["passed"] is True and row["unsafe_commands"] == 0
        assert row["reaction_ms"] > 0.0
    assert "walks again" in rows["emergency stop by remote"]["recovery"]
    assert "restart command_publisher" in rows["command_publisher killed"]["recovery"]
