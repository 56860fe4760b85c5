"""Each program in examples/ does what it says."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run_to_the_end

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
LIMIT = 180.0


def load(name: str):
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # its dataclasses look there
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "velocity"),
    [((0.3, 0.0, 0.0), (0.18, 0.0, 0.0)), ((0.0, 0.15, 0.0), (0.0, 0.11, 0.0)), ((0.0, 0.0, 0.4), (0.0, 0.0, 0.35))],
)
def test_the_new_planner_trots_as_it_is_told(command, velocity):
    planner = load("new_planner").Trot(Timing())
    simulation = BatchSimulation(4, seed=3, threads=1)
    walked = run_closed_loop(AsynchronousController(planner), simulation, np.tile(command, (4, 1)), 300)
    assert walked.survived().all()
    # A simple gait: near what it is told, not more.
    np.testing.assert_allclose(walked.velocity[100:].mean(axis=(0, 1)), velocity, atol=0.1)


def test_the_new_planner_walks_in_the_five_processes(ros_domain, free_domain, tmp_path):
    report = tmp_path / "run.json"
    arguments = ["run", "--planner", "new_planner:make", "--cmd-vel", "0.3", "0", "0", "--duration", "4", "--headless"]
    arguments += ["--json", str(report), "--domain-id", str(free_domain())]
    run_to_the_end(arguments, EXAMPLES, timeout=LIMIT)
    result = json.loads(report.read_text())
    assert result["fell"] is False and result["plan_followed"] > 0.9
    assert 0.05 < result["mean_vx"] < 0.35


def test_the_new_planner_is_evaluated_as_any(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    report = tmp_path / "walk.json"
    small = "--robots 2 --ticks 150 --delays 3 --replans 2 --threads 1 --no-with-demonstrator".split()
    assert not cli.main(["evaluate", "walk", "--planner", "new_planner:make", *small, "--json", str(report)])
    rows = json.loads(report.read_text())["rows"]
    assert {(row["controller"], row["delay"], row["replan"]) for row in rows} == {("trot", 3, 2)}
    assert rows[0]["survival"] == 1.0


def test_walking_in_lockstep_follows_a_reward(capsys):
    before, after = load("walk_in_lockstep").main()
    distance = float(capsys.readouterr().out.split(" m in ")[0])
    assert 3.0 < distance < 4.5  # 8 s at 0.5 m/s, from a stand
    assert after < 0.9 * before


def test_a_new_reward_term_acts_at_once():
    # In a process of its own: a planner knows the terms that are registered when it is imported.
    command = [sys.executable, str(EXAMPLES / "new_reward_term.py")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT, check=True).stdout
    before, after = (float(number) for number in re.findall(r"-?\d+\.\d+", said))
    assert after > before + 0.05
