"""The task's terms and gait, worked out by hand on rollouts of a robot that does exactly what is written here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import FOOT_RADIUS
from diffusion_mpc_ros.planners.sampling.gait import Trot
from diffusion_mpc_ros.planners.sampling.objective import WEIGHTS, Walking

GAIT = Trot(frequency=2.0, stance_share=0.5, swing_height=0.08)
FORWARD, STAND = np.array([[0.5, 0.0, 0.2]]), np.zeros((1, 3))


def rolled_out(horizon: int = 2, **fields: object) -> SimpleNamespace:
    """One robot, one candidate: level, still and at 0.3 m, all feet on the ground, but for ``fields``."""
    still = {
        "base_height": 0.3,
        "base_quat_wxyz": [1.0, 0.0, 0.0, 0.0],
        "base_lin_vel_b": [0.0, 0.0, 0.0],
        "base_ang_vel_b": [0.0, 0.0, 0.0],
        "projected_gravity_b": [0.0, 0.0, -1.0],
        "foot_height": [FOOT_RADIUS] * 4,
        "mechanical_power": 0.0,
    }
    rows = {name: np.asarray(value, dtype=float) for name, value in {**still, **fields}.items()}
    return SimpleNamespace(
        **{name: np.broadcast_to(value, (1, 1, horizon, *value.shape)) for name, value in rows.items()}
    )


def terms(command: np.ndarray = STAND, begin: int = 0, **fields: object) -> dict[str, float]:
    found = Walking(GAIT, 0.3).terms(rolled_out(**fields), begin, command, np.zeros(1))
    return {name: value.item() for name, value in found.items()}


def test_who_stands_as_told_costs_nothing() -> None:
    assert terms() == pytest.approx(dict.fromkeys(WEIGHTS, 0.0))


def test_each_term_by_hand() -> None:
    half = np.sqrt(0.5)
    by_hand = {
        "height": ({"base_height": 0.2}, -0.01),  # (0.2 - 0.3)^2
        "upright": ({"base_quat_wxyz": [half, half, 0.0, 0.0]}, -2.0),  # on its side: |(0, 1, 0) - (0, 0, 1)|^2
        "heading": ({"base_quat_wxyz": [half, 0.0, 0.0, half]}, -((np.pi / 2) ** 2)),  # a quarter turn to the left
        "velocity": ({"base_lin_vel_b": [0.3, 0.4, 9.0]}, -0.25),  # up and down is free
        "yaw_rate": ({"base_ang_vel_b": [0.0, 0.0, 0.5]}, -0.25),
        "gait": ({"foot_height": [FOOT_RADIUS + 0.05, FOOT_RADIUS, FOOT_RADIUS, FOOT_RADIUS - 0.1]}, -5.0),  # 1 + 2^2
        "energy": ({"mechanical_power": 40.0}, -40.0),
        "sway": ({"base_ang_vel_b": [0.3, 0.4, 0.0]}, -0.25),
    }
    assert set(by_hand) == set(WEIGHTS)
    for name, (fields, expected) in by_hand.items():
        assert terms(**fields) == pytest.approx({**dict.fromkeys(WEIGHTS, 0.0), name: expected}), name


def test_the_command_moves_what_is_wanted() -> None:
    found = terms(FORWARD, begin=100)
    assert found["velocity"] == pytest.approx(-0.25) and found["yaw_rate"] == pytest.approx(-0.04)
    # 0.2 rad/s for 20 and 40 ms.
    assert found["heading"] == pytest.approx(-(0.004**2 + 0.008**2) / 2)


def test_the_weights_weigh() -> None:
    task = Walking(GAIT, 0.3, {**dict.fromkeys(WEIGHTS, 0.0), "height": 3.0, "velocity": 2.0})
    score = task.score(rolled_out(base_height=0.2), 0, FORWARD, np.zeros(1))
    assert score.item() == pytest.approx(3.0 * -0.01 + 2.0 * -0.25)


def test_a_trot_by_hand() -> None:
    # 25 ticks a cycle: at tick 0 FR and RL begin to stand and FL and RR to swing; half a swing is 6.25 ticks.
    heights = GAIT.clearance(np.array([0, 5, 25]), FORWARD)[0]
    np.testing.assert_allclose(heights[0], 0.0, atol=1e-12)
    lifted = 0.08 * np.sin(np.pi * (5 * 0.02 * 2.0) / 0.5)
    np.testing.assert_allclose(heights[1], [0.0, lifted, lifted, 0.0], atol=1e-12)
    np.testing.assert_allclose(heights[2], heights[0], atol=1e-12)
    assert GAIT.clearance(np.arange(50), FORWARD).max() == pytest.approx(0.08, abs=1e-3)


def test_who_is_told_to_stand_keeps_all_feet_down() -> None:
    heights = GAIT.clearance(np.arange(50), np.concatenate([STAND, FORWARD]))
    assert not heights[0].any() and heights[1].any()


def test_without_a_gait_clock_feet_and_heading_are_free() -> None:
    half = np.sqrt(0.5)
    turned = rolled_out(base_quat_wxyz=[half, 0.0, 0.0, half], foot_height=[0.2] * 4)
    found = Walking(None, 0.3).terms(turned, 0, STAND, np.zeros(1))
    assert found.keys() == WEIGHTS.keys() - {"gait", "heading"} and not any(value.any() for value in found.values())


def test_upright_is_parallel_to_the_ground() -> None:
    slope = np.deg2rad(20.0)
    nose_up = [np.cos(slope / 2), 0.0, -np.sin(slope / 2), 0.0]
    normal = np.array([-np.sin(slope), 0.0, np.cos(slope)])
    found = Walking(None, 0.3).terms(rolled_out(base_quat_wxyz=nose_up), 0, STAND, np.zeros(1), normal)
    assert found["upright"].item() == pytest.approx(0.0, abs=1e-12)
