"""The data sheet of a dataset made by hand."""

import json

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import CONTROL_DT, FOOT_RADIUS
from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND, OBSERVATION_DIM, PROJECTED_GRAVITY
from diffusion_mpc_ros.policies.gait import swing_progress
from diffusion_mpc_ros.training import data_sheet
from diffusion_mpc_ros.training.dataset import TrajectoryDataset

TICKS = 200
ATTRIBUTES = {
    "demonstrator_sha256": ["ab" * 32],
    "gait": {"base_height": [0.18, 0.32], "step_frequency": [1.6, 3.2]},
}


def make_part() -> dict[str, np.ndarray]:
    """Two trajectories of 4 s: one walks to the left at 0.5 m/s in a perfect 2.5 Hz trot, one stands and falls once."""
    shape = (2, TICKS)
    observation = np.zeros((*shape, OBSERVATION_DIM))
    observation[..., PROJECTED_GRAVITY] = [np.sin(0.05), 0.0, -np.cos(0.05)]
    observation[0, :, COMMAND] = [0.0, 0.6, 0.1]
    observation[0, :, BASE_ANG_VEL] = [0.0, 0.0, 0.12]
    fresh = np.zeros(shape, dtype=bool)
    fresh[:, 0] = True
    fresh[1, 60:110] = True
    velocity = np.zeros((*shape, 3))
    velocity[0, :, 1] = 0.5
    # A sway of whole periods within 50 ticks is no speed.
    velocity[0, :, 0] = 0.3 * np.sin(2 * np.pi * np.arange(TICKS) / 10)
    foot_height = np.full((*shape, 4), FOOT_RADIUS)
    phase = np.arange(TICKS) * CONTROL_DT * 2.5 % 1.0
    foot_height[0] += 0.06 * np.sin(np.pi * swing_progress(phase)) ** 2
    base_height = np.full(shape, 0.29)
    base_height[0] = 0.22
    return {
        "observation": observation, "action": np.zeros((*shape, 12)), "executed": np.zeros((*shape, 12)),
        "fresh": fresh, "base_height": base_height, "foot_height": foot_height, "base_lin_vel": velocity,
        "mechanical_power": np.full(shape, 80.0), "gait": np.array([[0.20, 2.4], [0.29, 2.0]]),
        "payload_mass": np.array([0.0, 2.0]), "payload_position": np.array([[0.0, 0.0, 0.0], [0.1, -0.05, 0.02]]),
        "friction": np.array([0.8, 1.5]), "motor_strength": np.full((2, 12), [[1.0], [0.95]]),
        "latency": np.array([0.0, 0.02]), "noise": np.array([0.0, 0.4]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    dataset = TrajectoryDataset(tmp_path_factory.mktemp("sheet") / "data", ATTRIBUTES)
    dataset.append(make_part())
    dataset.append(make_part())
    data_sheet.write(dataset)
    return dataset


@pytest.fixture(scope="module")
def sheet(dataset):
    return json.loads((dataset.path / "data_sheet.json").read_text())


def test_counts_and_falls(sheet):
    assert (sheet["trajectories"], sheet["ticks"]) == (4, 800)
    # Two falls in 800 ticks of 0.02 s, 16 s: 450 an hour.
    falls = {"count": 2, "per_hour": 450.0, "trajectories_without": 2, "settling_ticks": 100}
    assert sheet["falls"] == pytest.approx(falls)


def test_source(sheet, dataset):
    assert sheet["source"]["demonstrator_sha256"] == ["ab" * 32]
    assert list(sheet["source"]["parts"]) == ["part_0000.npz", "part_0001.npz"]
    assert all(len(digest) == 64 for digest in sheet["source"]["parts"].values())
    assert sheet["source"]["settings"] == ATTRIBUTES


def test_velocities_are_means_over_blocks_without_a_reset(sheet):
    dimensions = sheet["dimensions"]
    # Each part: four blocks of the walking robot; of the standing one 0-49 and 150-199, not those with a fresh row.
    assert dimensions["vy"]["count"] == dimensions["mechanical power"]["count"] == 2 * (4 + 2)
    assert dimensions["vx"]["percentiles"]["max"] == pytest.approx(0.0, abs=1e-6)
    assert dimensions["vy"]["mean"] == pytest.approx(0.5 * 8 / 12)
    assert dimensions["yaw rate"]["percentiles"]["max"] == pytest.approx(0.12)
    assert dimensions["commanded vy"]["percentiles"]["max"] == pytest.approx(0.6)
    assert dimensions["mechanical power"]["percentiles"]["50"] == pytest.approx(80.0)
    # Eight blocks to the left at 0.5 m/s: the second bin, 0.3 to 0.6. Four blocks of standing.
    assert sheet["speeds"]["counts"]["left"] == [0, 8, 0, 0, 0] and sheet["speeds"]["standing"] == 4
    assert sum(map(sum, sheet["speeds"]["counts"].values())) == 8


def test_gaits_as_commanded_and_as_walked(sheet):
    dimensions, errors = sheet["dimensions"], sheet["gait_errors"]
    assert dimensions["commanded base_height"]["percentiles"]["min"] == pytest.approx(0.20)
    assert dimensions["base_height"]["percentiles"]["min"] == pytest.approx(0.22)
    # 0.02 m off and 0: on average 0.01.
    assert errors["base_height"] == pytest.approx({"mean_absolute_error": 0.01, "bias": 0.01}, abs=1e-5)
    assert dimensions["pitch"]["percentiles"]["50"] == pytest.approx(0.05, abs=1e-4)
    # The standing robots have no steps. 3.98 s are counted: the first tick is fresh.
    assert dimensions["step_frequency"]["count"] == 2
    assert dimensions["step_frequency"]["mean"] == pytest.approx(2.5, rel=0.03)
    assert errors["step_frequency"]["bias"] == pytest.approx(0.1, abs=0.08)
    assert dimensions["swing_height"]["mean"] == pytest.approx(0.06, rel=0.05)
    assert list(errors) == ["base_height", "step_frequency"]


def test_robots_as_randomised(sheet):
    dimensions = sheet["dimensions"]
    assert dimensions["payload mass"]["percentiles"]["max"] == pytest.approx(2.0)
    assert dimensions["payload y"]["percentiles"]["min"] == pytest.approx(-0.05)
    assert dimensions["friction"]["mean"] == pytest.approx(1.15)
    assert dimensions["motor strength"]["percentiles"]["min"] == pytest.approx(0.95)
    assert dimensions["latency"]["percentiles"]["max"] == pytest.approx(0.02)
    assert sum(dimensions["action noise"]["histogram"]["counts"]) == 4


def test_the_page_has_a_row_for_every_dimension(sheet, dataset):
    text = (dataset.path / "data_sheet.md").read_text()
    assert "4 trajectories, 800 control ticks" in text and "Falls: 2, 450 an hour" in text
    for name, entry in sheet["dimensions"].items():
        assert f"| {name} | {entry['unit']} |" in text
    assert "| left | 0 | 8 | 0 | 0 | 0 |" in text


def test_nothing_measured_is_said_so():
    empty = data_sheet.summary(np.array([np.nan, np.nan]))
    assert empty == {"count": 0, "mean": None, "percentiles": None, "histogram": None}
