"""Walks in real time for the tables: who walks, what counts as one, and what is said when none came about."""

import json

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.evaluation.experiments import finetune
from diffusion_mpc_ros.evaluation.experiments.finetune import Config, Methods
from diffusion_mpc_ros.evaluation.live_walk import LiveWalk, LiveWalkError, randomised_robot, walk_live
from diffusion_mpc_ros.policies.conditions import TABLE_I


def test_a_robot_is_drawn_from_the_ranges_and_the_same_by_the_same_seed():
    first, second = (randomised_robot(TABLE_I, np.random.default_rng(seed)) for seed in (1, 2))
    assert first == randomised_robot(TABLE_I, np.random.default_rng(1)) != second
    values = {name: np.array(json.loads(text)) for name, text in (each.split("=") for each in first)}
    assert values["go2_simulator.motor_strength"].shape == (NUM_JOINTS,)
    assert 1.0 <= values["go2_simulator.payload"] <= 3.0 and 0.2 <= values["go2_simulator.friction"] <= 2.0
    assert (np.abs(values["go2_simulator.payload_position"]) <= [0.2, 0.1, 0.05]).all()
    assert (np.abs(values["go2_simulator.motor_strength"] - 1.0) <= 0.1).all()


def test_what_the_processes_refuse_is_said():
    with pytest.raises(LiveWalkError, match="(?s)ended with 2.*go2_simulator.*friktion"):
        walk_live((0.5, 0.0, 0.0), 1.0, ("go2_simulator.friktion=0.5",))


def test_a_walk_counts_that_stood_and_came_far_enough(monkeypatch, tmp_path):
    asked = []
    walks = {0.5: (True, 10.4), 0.7: (True, 9.9), 1.0: (False, 10.4)}

    def walk(command, seconds, parameters):
        asked.append((command[0], seconds, parameters))
        stood, distance = walks[command[0]]
        return LiveWalk(stood, distance, 0.06, 0.012, 0.001)

    monkeypatch.setattr(finetune, "walk_live", walk)
    config = Config(
        tables=("V",), walks=2, methods=Methods(untuned="go2", finetuned="go2"), json=tmp_path / "live.json"
    )
    rows = config.measure()["rows"]
    assert [(row["method"], row["command"][0], row["survival"]) for row in rows] == [
        (method, speed, survival)
        for method in ("untuned", "finetuned")
        for speed, survival in ((0.5, 1.0), (0.7, 0.0), (1.0, 0.0))
    ]
    assert {(row["robots"], row["plan_p99"], row["velocity_error"]) for row in rows} == {(2, 0.012, 0.06)}
    assert [seconds for _, seconds, _ in asked[:6:2]] == pytest.approx([22.0, 15.714, 11.0], abs=1e-3)
    # The same robots for every method and speed, another one for every walk.
    robots = [parameters[1:] for _, _, parameters in asked]
    assert robots[0] != robots[1] and robots == robots[:2] * 6
