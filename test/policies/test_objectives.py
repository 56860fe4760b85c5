"""Penalties of the objectives worked out by hand, and the settings that ask for them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.policies.objectives import (
    OBJECTIVES,
    describe_settings,
    get_objective,
    make_composer,
    posture,
    range_round_target,
    reward_settings,
    tick_penalties,
)
from diffusion_mpc_ros.policies.scoring import PenaltyMeter

LEVEL = np.array([[0.0, 0.0, -1.0]])


def state(**fields):
    """One robot; the fields of a BatchState that a penalty reads."""
    values = {"joint_pos": DEFAULT_JOINT_POS[None], "joint_vel": np.zeros((1, 12)), "projected_gravity_b": LEVEL,
              "mechanical_power": np.zeros(1)}  # fmt: skip
    return SimpleNamespace(**{**values, **fields})


@pytest.fixture(scope="module")
def composer():
    return make_composer()


@pytest.fixture(scope="module")
def penalties(composer):
    return tick_penalties(composer)


def of_one_tick(penalties, name, before, now):
    return float(penalties[name](before, now)[0])


def test_joint_velocity_is_the_mean_over_the_joints(penalties):
    joint_vel = np.zeros((1, 12))
    joint_vel[0, :2] = 3.0, -1.0
    # (9 + 1) / 12
    assert of_one_tick(penalties, "joint_velocity", state(), state(joint_vel=joint_vel)) == pytest.approx(10.0 / 12.0)


def test_joint_acceleration_is_the_difference_over_one_tick(penalties):
    before, now = np.zeros((1, 12)), np.zeros((1, 12))
    before[0, 4], now[0, 4] = 0.1, 0.5
    # (0.4 / 0.02)^2 / 12 = 400 / 12
    value = of_one_tick(penalties, "joint_acceleration", state(joint_vel=before), state(joint_vel=now))
    assert value == pytest.approx(400.0 / 12.0)


def test_posture_counts_the_joints_of_the_mask_alone():
    target, mask = np.zeros(12), np.zeros(12)
    target[8], target[11], mask[8], mask[11] = -1.8, -1.8, 1.0, 0.5
    joint_pos = np.ones((1, 12))
    joint_pos[0, 8], joint_pos[0, 11] = -1.5, -2.0
    # 0.3^2 + (0.5 x 0.2)^2
    value = posture(state(), state(joint_pos=joint_pos), {"posture.target": target, "posture.mask": mask})
    np.testing.assert_allclose(value, [0.1])


def test_balancing_is_tilt_and_total_variation(penalties):
    assert of_one_tick(penalties, "balancing", state(), state()) == pytest.approx(0.0)
    tilted = np.array([[0.6, 0.0, -0.8]])
    # Steady: 1 - 0.8. Tilting within the tick: 0.05 x (0.6 + 0.2) more.
    steady = of_one_tick(penalties, "balancing", state(projected_gravity_b=tilted), state(projected_gravity_b=tilted))
    assert steady == pytest.approx(0.2)
    moving = of_one_tick(penalties, "balancing", state(), state(projected_gravity_b=tilted))
    assert moving == pytest.approx(0.24)


def test_energy_is_the_mechanical_power(penalties):
    assert of_one_tick(penalties, "energy", state(), state(mechanical_power=np.array([95.0]))) == 95.0


def test_the_meter_leaves_out_the_ticks_before_settling():
    power = {"energy": lambda before, now: now.mechanical_power - before.mechanical_power}
    meter = PenaltyMeter(power, state(), first=2)
    for value in (50.0, 51.0, 53.0, 59.0):
        meter.add(state(mechanical_power=np.array([value])))
    # Of the differences 50, 1, 2, 6 the last two count.
    assert meter.means()["energy"] == pytest.approx([4.0])


def test_every_objective_has_settings_with_and_without_its_constraint(composer):
    for objective in OBJECTIVES.values():
        plain, projected = (reward_settings(composer, objective, constraint) for constraint in (False, True))
        assert plain.constraints == () and len(projected.constraints) == 1
        assert plain.weights == projected.weights and any(plain.weights.values())
        described = describe_settings(composer, plain)
        assert described["weights"] == composer.presets[objective.preset].weights
        assert described["parameters"] == {
            name: np.atleast_1d(values).astype(float).tolist()
            for name, values in composer.presets[objective.preset].parameters.items()
        }


def test_the_posture_projection_is_a_range_round_the_target_of_the_masked_joints(composer):
    target, mask = DEFAULT_JOINT_POS.copy(), np.zeros(12)
    target[7:9], mask[7:9] = (1.2, -0.9), 1.0
    projection = range_round_target({"posture.target": target, "posture.mask": mask})
    settings = composer.apply(0.0, parameters=projection.parameters, constraints=projection.constraints)
    lower, upper = settings.parameters["joint_range.min"], settings.parameters["joint_range.max"]
    np.testing.assert_allclose(lower[7:9], [0.7, -1.4])
    # The calf's own limit is nearer than the range's.
    np.testing.assert_allclose(upper[7:9], [1.7, -0.83776])
    np.testing.assert_array_equal(lower[:7], JOINT_POS_MIN[:7])
    np.testing.assert_array_equal(upper[:7], JOINT_POS_MAX[:7])


def test_an_unknown_objective_is_refused_with_the_valid_ones():
    with pytest.raises(ConfigurationError, match="unknown objective 'height'; valid objectives: joint_velocity, "):
        get_objective("height")
