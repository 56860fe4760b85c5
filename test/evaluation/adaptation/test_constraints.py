"""Violation of constraints in the realised walk: by hand, and the command on a small artefact."""

import dataclasses
import json

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.constraints import ViolationMeter, restricted_joints
from diffusion_mpc_ros.evaluation.experiments.constraints import Config
from diffusion_mpc_ros.simulation.batch import BatchSimulation


@pytest.fixture(scope="module")
def standing():
    return BatchSimulation(1, seed=0, threads=1).state


def settings(name, **parameters):
    arrays = {key.replace("__", "."): np.broadcast_to(value, (12,)) for key, value in parameters.items()}
    return RewardSettings(constraints=(name,), parameters=arrays)


def measured(preset, states, first=0):
    meter = ViolationMeter({"x": preset}, states[0], first)
    for state in states:
        meter.add(state)
    return meter.means()


def with_joints(state, **arrays):
    return dataclasses.replace(state, **{name: np.broadcast_to(value, (1, 12)) for name, value in arrays.items()})


def test_torque_beyond_the_limit_counts(standing):
    preset = settings("torque", torque__max=10.0)
    states = [with_joints(standing, joint_torque=value) for value in (4.0, -13.0, 10.2, 12.0)]
    scores = measured(preset, states)
    # 0, 3, 0.2, 2 N m too many: two of four ticks past the tolerance of 0.5 N m.
    assert scores["x excess"] == pytest.approx(5.2 / 4)
    assert scores["x share"] == pytest.approx(0.5)


def test_ticks_before_the_first_do_not_count(standing):
    preset = settings("joint_velocity", joint_velocity__max=3.0)
    states = [with_joints(standing, joint_vel=value) for value in (-9.0, 5.0, 1.0)]
    assert measured(preset, states, first=1)["x excess"] == pytest.approx(2.0 / 2)


def test_depth_in_the_band_is_the_way_to_its_nearer_end_on_its_own_joints(standing):
    calves = np.tile([0.0, 0.0, 1.0], 4)
    preset = settings("joint_band", joint_band__min=-1.8 * calves, joint_band__max=-1.5 * calves)
    assert restricted_joints(preset).tolist() == calves.astype(bool).tolist()
    states = [with_joints(standing, joint_pos=value * calves) for value in (-1.79, -1.55, -1.4)]
    scores = measured(preset, states)
    assert scores["x excess"] == pytest.approx((0.01 + 0.05) / 3)
    assert scores["x share"] == pytest.approx(1 / 3)  # 0.01 rad is within the tolerance


def test_a_moving_range_is_that_of_the_tick(standing):
    hips = np.tile([1.0, 0.0, 0.0], 4)
    limits = {f"joint_range.{end}": np.tile([sign * 0.1, sign * 3.0, sign * 3.0], 4) for end, sign in
              (("min", -1.0), ("max", 1.0))}  # fmt: skip
    wave = {**limits, "joint_range_wave.amplitude": 0.2 * hips, "joint_range_wave.period": np.array([0.08])}
    preset = RewardSettings(constraints=("joint_range_wave",), parameters=wave)
    # Four ticks a period: the first state belongs to tick 1, where the hips may be from 0.1 to 0.3.
    scores = measured(preset, [with_joints(standing, joint_pos=0.0)] * 4)
    by_joint = 0.1 * 2 / 4  # 0.1 rad outside at ticks 1 and 3
    assert restricted_joints(preset).sum() >= 4
    assert scores["x excess"] * restricted_joints(preset).sum() == pytest.approx(4 * by_joint)


def test_the_command_measures_prints_and_resumes(random_artefact, tmp_path, capsys):
    path = tmp_path / "constraints.json"
    config = Config(
        artefact=str(random_artefact), presets=("torque_limit", "calf_band"), robots=2, ticks=30, candidates=2,
        threads=1, json=path, markdown=tmp_path / "constraints.md",
    )  # fmt: skip
    assert config.conduct() == 0
    report = json.loads(path.read_text())
    assert [row["preset"] for row in report["rows"]] == ["torque_limit", "calf_band"]
    for row in report["rows"]:
        assert 0.0 <= row["share"] <= 1.0 and row["survival"] == 1.0 and row["settings"]["constraints"]
    assert "torque_limit" in capsys.readouterr().out
    assert "| calf_band | joint_band |" in (tmp_path / "constraints.md").read_text()
    before = path.read_text()
    assert config.conduct() == 0
    assert path.read_text() == before


def test_a_preset_without_a_constraint_is_refused(random_artefact):
    with pytest.raises(ConfigurationError, match=r"no presets with one constraint: \['energy'\]; valid"):
        Config(artefact=str(random_artefact), presets=("energy",)).conduct()
