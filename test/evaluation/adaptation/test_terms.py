"""Reward terms in the realised walk: by hand on states that are given, and the command on a small artefact."""

import dataclasses
import json

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, FOOT_RADIUS
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.realised_terms import TermMeter, asked_terms
from diffusion_mpc_ros.evaluation.experiments.terms import Config
from diffusion_mpc_ros.simulation.batch import BatchSimulation


class Standing:
    """Holds the default pose."""

    def joint_targets(self, state, command):
        return np.tile(DEFAULT_JOINT_POS, (len(command), 1))


def test_the_terms_of_a_preset_are_those_that_a_walk_shows():
    settings = RewardSettings(
        weights={"energy": 1.0, "tilt_to_go": 5.0, "posture": 0.0},
        parameters={"leg_speed.joints": np.zeros(12), "posture.mask": np.ones(12)},
    )
    assert asked_terms(settings) == ["energy", "leg_speed"]


def test_a_walk_is_measured_window_by_window_with_its_commands_actions_and_outcomes():
    presets = {
        "x": RewardSettings(
            weights={"base_height": 1.0, "velocity_tracking": 1.0, "learned_energy": 1.0, "foot_lifting": 1.0,
                     "leg_speed": 1.0, "energy": 1.0},
            parameters={"base_height.target": np.array([0.2]), "leg_speed.joints": np.repeat([1.0, 0.0], [3, 9])},
        )
    }  # fmt: skip
    start = BatchSimulation(1, seed=0, threads=1).state
    feet = np.full((1, 4, 3), FOOT_RADIUS + 0.04)
    at_rest = {"base_lin_vel_b": np.zeros((1, 3)), "base_ang_vel_b": np.zeros((1, 3)), "foot_pos": feet}
    state = dataclasses.replace(
        start, **at_rest, base_pos=np.array([[0.0, 0.0, 0.3]]), joint_vel=np.full((1, 12), 2.0),
        joint_pos=DEFAULT_JOINT_POS[None], mechanical_power=np.array([50.0]),
    )  # fmt: skip
    meter = TermMeter(Standing(), presets, state, first=1, horizon=2)
    for tick in range(6):  # one before the first, two windows of two, and a half one
        meter.joint_targets(state.robot_state(tick, DEFAULT_JOINT_POS[None]), np.array([[0.3, 0.0, 0.4]]))
        meter.add(state)
    means = {term: float(value[0]) for (_, term), value in meter.means().items()}
    assert means == pytest.approx(
        {
            "base_height": 0.1**2,
            "velocity_tracking": 0.3**2 + 0.4**2,
            "learned_energy": 50.0 * 2 * 0.02,
            "foot_lifting": 0.02**2,  # 0.06 m asked, 0.04 m lifted
            "leg_speed": 3 * 4.0,
            # Held where it is: the torque is the damping, 2 N m against 2 rad/s in 12 joints, two ticks.
            "energy": 12 * 4.0 * 2 * 0.02,
        }
    )


def test_the_command_measures_prints_and_resumes(random_artefact, tmp_path, capsys):
    path = tmp_path / "terms.json"
    config = Config(
        artefact=str(random_artefact), presets=("limp", "soft_range+velocity_tracking"), robots=2, ticks=30,
        candidates=2, threads=1, json=path, markdown=tmp_path / "terms.md",
    )  # fmt: skip
    assert config.conduct() == 0
    rows = json.loads(path.read_text())["rows"]
    assert {"limp", "soft_range+velocity_tracking"} == {row["preset"] for row in rows}
    assert {"leg_share", "leg_speed", "velocity_tracking"} <= {row["term"] for row in rows}
    assert all(row["penalty"] >= 0.0 and row["unit"] for row in rows)
    assert "leg_share" in capsys.readouterr().out and "| limp | leg_share |" in (tmp_path / "terms.md").read_text()
    before = path.read_text()
    assert config.conduct() == 0
    assert path.read_text() == before


def test_what_cannot_be_measured_is_refused(random_artefact):
    with pytest.raises(ConfigurationError, match="without a term that a walk can be measured by: none"):
        Config(artefact=str(random_artefact), presets=("none",)).conduct()
    with pytest.raises(ConfigurationError, match="a walk of 5 ticks holds no window of 11"):
        Config(artefact=str(random_artefact), presets=("limp",), ticks=5).conduct()
