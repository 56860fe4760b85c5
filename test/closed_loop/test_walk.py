"""The shipped artefact walks: the five processes in real time, as `diffusion-mpc run` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 180.0
REPORTED = {"fell", "duration", "command_rate_hz", "late_ticks", "ticks", "velocity_error", "plan_ms"}


def test_five_processes_walk(ros_domain, free_domain, tmp_path):
    report = tmp_path / "run.json"
    # One candidate and half the steps: the machine that runs the tests may be slow, and walking is what is tested.
    arguments = ["run", "--duration", "6", "--cmd-vel", "0.5", "0", "0", "--headless", "--json", str(report)]
    arguments += ["--domain-id", str(free_domain()), "--parameters", "planner.candidates=1"]
    arguments += ["planner.steps=5", "planner.sampler=ddim"]
    arguments += ["--reward-preset", "joint_velocity", "--reward-at", "2"]
    finished = subprocess.run(
        [sys.executable, "-m", "diffusion_mpc_ros.cli", *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    result = json.loads(report.read_text())
    assert set(result) >= REPORTED
    assert result["fell"] is False
    assert result["duration"] >= 6.0
    assert result["plan_followed"] > 0.9
    assert result["mean_vx"] > 0.25
    assert result["reward"]["preset"] == "joint_velocity"
    for part in ("before", "after"):
        assert result["reward"][part]["mean_vx"] > 0.2
        assert result["reward"][part]["mean_squared_joint_velocity"] > 0.5
