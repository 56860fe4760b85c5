"""`evaluate demonstrator` on a few robots: rows for every gait and command, resumed, and true gait figures."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.experiments.demonstrator import RANDOM_GAIT, Config, GaitMeter
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.policies.gait import swing_progress
from diffusion_mpc_ros.simulation.batch import BatchSimulation

COMMANDS = ((0.5, 0.0, 0.0), (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrator")
    return Config(commands=COMMANDS, robots=2, ticks=150, threads=1, json=folder / "d.json", markdown=folder / "d.md")


@pytest.fixture(scope="module")
def report(config):
    assert config.conduct() == 0
    return json.loads(config.json.read_text())


def test_every_gait_and_command_has_its_row(report):
    parameters = DemonstratorPolicy(model_folder("demonstrator")).gait_parameters
    gaits = [row["gait"] for row in report["rows"]]
    assert len(gaits) == 2 + 2 * len(parameters) and gaits[0] == "default" and gaits[-1] == RANDOM_GAIT
    for row in report["rows"]:
        assert [tuple(entry["command"]) for entry in row["commands"]] == list(COMMANDS)
        for entry in row["commands"]:
            assert entry["survival"] == 1.0
            assert set(entry["gait_errors"]) == set(parameters)
            assert entry["gait_errors"]["base_height"] < 0.05
    walking, standing = report["rows"][0]["commands"]
    assert abs(walking["bias"][0]) <= walking["velocity_error"] < 0.15
    assert standing["velocity_error"] < 0.05


def test_what_is_there_is_not_walked_again(config, report, monkeypatch):
    monkeypatch.setattr(Config, "walk", lambda *_: pytest.fail("walked again"))
    assert config.measure()["rows"] == report["rows"]
    with pytest.raises(pytest.fail.Exception):
        replace(config, seed=1, json=None).measure()


def test_the_page_has_both_tables(config, report):
    text = config.markdown.read_text()
    assert "## By command" in text and "## By gait" in text
    assert "| +0.5 +0.0 +0.0 |" in text and "| random |" in text


def test_randomised_robots_are_pushed():
    config = Config(commands=COMMANDS[:1], robots=2, ticks=160, threads=1, randomized=True)
    calm, pushed = (replace(config, push_speed=speed).run("default") for speed in (0.0, 1.0))
    assert calm != pushed


def test_the_meter_reads_the_state_after_settling():
    simulation = BatchSimulation(2, seed=0, threads=1)
    meter = GaitMeter(np.array([[0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]))
    for tick in range(600):
        state = simulation.state
        state.base_pos[:, 2] = 0.25, 0.25 if tick < 300 else 0.05
        state.projected_gravity_b[:] = [np.sin(0.1), 0.0, -np.cos(0.1)]
        phase = np.full(2, tick * go2.CONTROL_DT * 2.0 % 1.0)
        state.foot_pos[..., 2] = go2.FOOT_RADIUS + 0.06 * np.sin(np.pi * swing_progress(phase)) ** 2
        meter(state)
    walked = meter.walked()
    assert walked["base_height"][0] == pytest.approx(0.25)
    assert walked["pitch"][0] == pytest.approx(0.1)
    assert walked["step_frequency"][0] == pytest.approx(2.0, rel=0.02)
    assert walked["swing_height"][0] == pytest.approx(0.06, rel=0.05)
    assert all(np.isnan(values[1]) for values in walked.values())


def test_too_short_a_walk_is_refused():
    with pytest.raises(ConfigurationError, match="more than 100 ticks"):
        Config(ticks=100)
