"""The shipped artefact walks: the five processes in real time, as `diffusion-mpc run` starts them."""

from __future__ import annotations

import json

from command_line import run_to_the_end

LIMIT = 180.0
REPORTED = {"fell", "duration", "command_rate_hz", "late_ticks", "ticks", "velocity_error", "plan_ms"}


def test_five_processes_walk(ros_domain, free_domain, tmp_path):
    report = tmp_path / "run.json"
    # One candidate and half the steps: the machine that runs the tests may be slow, and walking is what is tested.
    arguments = ["run", "--duration", "6", "--cmd-vel", "0.5", "0", "0", "--headless", "--json", str(report)]
    arguments += ["--domain-id", str(free_domain()), "--parameters", "planner.candidates=1"]
    arguments += ["planner.steps=5", "planner.sampler=ddim"]
    arguments += ["--reward-preset", "joint_velocity", "--reward-at", "2"]
    run_to_the_end(arguments, timeout=LIMIT)
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
