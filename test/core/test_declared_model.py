"""What is declared of the robot: numbers and back, words, geometry by hand, refusals that name the range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.declared_model import NOMINAL, NUMBERS, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError


def test_a_slope_by_hand() -> None:
    # 30 degrees towards the left: a metre to the left is tan 30 up, ahead it is level.
    left = DeclaredModel(slope=30.0, slope_direction=90.0)
    np.testing.assert_allclose(left.normal, [0.0, -0.5, math.sqrt(0.75)], atol=1e-12)
    heights = left.ground_height(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -2.0]]))
    np.testing.assert_allclose(heights, [0.0, math.tan(math.pi / 6), -2.0 * math.tan(math.pi / 6)], atol=1e-12)
    assert not NOMINAL.ground_height(np.ones((3, 2))).any()


@given(st.floats(0.0, 30.0), st.floats(-180.0, 180.0), st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_the_normal_stands_on_the_ground(slope: float, direction: float, x: float, y: float) -> None:
    declared = DeclaredModel(slope=slope, slope_direction=direction)
    point = np.array([x, y, declared.ground_height(np.array([x, y]))])
    assert abs(point @ declared.normal) < 1e-9 and np.linalg.norm(declared.normal) == pytest.approx(1.0)


def test_numbers_there_and_back() -> None:
    declared = NOMINAL.with_numbers({"payload_mass": 6, "payload_z": 0.2, "FL_calf": 0.4, "slope": 15})
    assert declared == DeclaredModel(
        6.0, (0.0, 0.0, 0.2), (1.0,) * 5 + (0.4,) + (1.0,) * 6, slope=15.0
    )  # FR hip, thigh, calf, FL hip, thigh: the FL calf is the sixth
    assert tuple(declared.numbers) == NUMBERS
    assert NOMINAL.with_numbers(declared.numbers) == declared


def test_what_is_declared_in_words() -> None:
    assert str(NOMINAL) == "nothing but the robot as it was built"
    declared = NOMINAL.with_numbers({"payload_mass": 6, "FL_calf": 0.4, "friction": 0.3, "slope": 5})
    assert str(declared) == (
        "payload 6 kg at (0, 0, 0.1) m, FL_calf at 40% of its torque, friction 0.3, slope of 5 deg towards 0 deg"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"payload_mass": 40.0}, r"payload_mass = 40.0: needed is a number in 0 .. 15 kg"),
        ({"payload_x": 2.0}, "payload_position = .*-0.5 .. 0.5 m"),
        ({"FL_calf": 0.0}, "motor_strength = .*0.1 .. 1.5"),
        ({"slope": math.nan}, "slope = nan: needed is a number in 0 .. 30 deg"),
        ({"FL_calv": 0.5}, "nothing called 'FL_calv' can be declared; did you mean FL_calf.*payload_mass"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        NOMINAL.with_numbers(changes)


def test_a_file_declares(tmp_path) -> None:
    file = tmp_path / "declared.yaml"
    file.write_text("payload_mass: 3\npayload_position: [0.1, 0, 0.05]\n")
    assert config_files.load(DeclaredModel, file) == DeclaredModel(3.0, (0.1, 0.0, 0.05))
    file.write_text("payload: 3\n")
    with pytest.raises(ConfigurationError, match="no setting 'payload'; did you mean payload_mass"):
        config_files.load(DeclaredModel, file)
