"""The base estimator against the simulator's truth while the shipped demonstrator walks."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.experiments.estimator import (
    Config,
    FootSensors,
    SensorNoise,
    demonstrator_walker,
    meets_requirement,
    score_walk,
)
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.robot import Go2Simulation

COMMANDS = ((0.5, 0.0, 0.0), (0.0, 0.4, 0.0), (-0.5, 0.2, 0.5))
NOISE = SensorNoise(0.02, 0.2, 0.05, 0.002, 0.1)
SENSORS = {
    "exact sensors": (),
    "noisy sensors without foot force": (NOISE, FootSensors(gain=(0.0,) * 4)),
    "noisy sensors, one dead": (NOISE, FootSensors(gain=(1.0, 0.0, 1.0, 1.0))),
    "one weak, one stuck, one noisy": (
        FootSensors(gain=(0.3, 0.0, 1.0, 1.0), offset=(0.0, 100.0, 0.0, 0.0), noise=(0.0, 0.0, 100.0, 0.0)),
    ),
    "half the gain": (FootSensors(gain=(0.5,) * 4),),
    "a cable breaks": (FootSensors(gain=(1.0, 1.0, 1.0, 0.0), start=2.0),),
}


@pytest.mark.parametrize("sensors", SENSORS.values(), ids=SENSORS)
def test_accuracy_on_a_mixed_walk(sensors):
    walker = demonstrator_walker(DemonstratorPolicy(model_folder("demonstrator")), base_height=0.28)
    scores = score_walk(walker, COMMANDS, 4.5, sensors, seed=0)
    assert scores.seconds == 4.5
    assert scores.restarts == 0
    assert max(scores.velocity_rmse) <= 0.08
    assert scores.height_rmse <= 0.015
    assert meets_requirement(asdict(scores))


def test_foot_sensors_by_hand():
    sensors = FootSensors(gain=(0.5, 0.0, 1.0, 1.0), offset=(0.0, 0.0, 30.0, -50.0), start=2.0)
    lowstate = Go2Simulation().lowstate(0.0)
    before, after = (replace(lowstate, tick_ms=tick, foot_force=np.full(4, 37.4)) for tick in (1999, 2000))
    rng = np.random.default_rng(0)
    assert sensors.apply(before, rng).foot_force.tolist() == [37.0] * 4
    # 18.7, 0, 67.4 and -12.6, rounded.
    assert sensors.apply(after, rng).foot_force.tolist() == [19.0, 0.0, 67.0, -13.0]


def test_a_walk_too_short_to_start_is_refused():
    with pytest.raises(ConfigurationError, match="never started"):
        score_walk(lambda *_: np.asarray(DEFAULT_JOINT_POS), COMMANDS, 0.04, (), seed=0)


@pytest.mark.parametrize("ground", ["slope_down:10", "stairs:0.05"])
def test_accuracy_off_flat_ground(ground):
    walker = demonstrator_walker(DemonstratorPolicy(model_folder("demonstrator")), base_height=0.28)
    scores = score_walk(walker, ((0.5, 0.0, 0.0),), 4.5, (), seed=0, ground=Ground.parse(ground))
    assert scores.restarts == 0
    assert meets_requirement(asdict(scores))


def test_the_command_measures_once_and_tells_what_is_missed(tmp_path, monkeypatch, capsys):
    config = Config(duration=2.0, json=tmp_path / "estimator.json", markdown=tmp_path / "estimator.md")
    assert config.conduct() == 0
    (row,) = json.loads(config.json.read_text())["rows"]
    assert row["seconds"] == 2.0 and len(row["velocity_rmse"]) == 3
    assert "| flat | 2 | 0.0" in config.markdown.read_text()
    monkeypatch.setattr(Config, "run", lambda *_: pytest.fail("walked again"))
    assert config.conduct() == 0
    for worse in ({"fell": True}, {"height_rmse": 0.0151}, {"velocity_rmse": [0.0, 0.081, 0.0]}):
        assert config.status({"rows": [{**row, **worse}]}) == 1
