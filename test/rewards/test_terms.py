"""Reward terms: values by hand, gradients by finite differences, one function for NumPy and torch."""

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.trajectory import (
    ACTION,
    BASE_ANG_VEL,
    COMMAND,
    FIELDS,
    JOINT_POS,
    JOINT_VEL,
    PROJECTED_GRAVITY,
)
from diffusion_mpc_ros.rewards.outcomes import COSTS_TO_GO, OUTCOMES
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS, outcomes_of
from diffusion_mpc_ros.rewards.registry import TERMS, composed_reward, get_term, term_parameters
from diffusion_mpc_ros.rewards.terms import Segment

DEFAULTS = {parameter.name: parameter.default_array for parameter in term_parameters(TERMS)}
# Below its target a share has no gradient.
ASKING = {**DEFAULTS, "leg_share.target": np.array([0.0])}


def still(rows=4):
    """One robot at the default pose, level and at rest; actions hold the pose. H = rows - 1."""
    trajectory = np.zeros((1, rows, 57))
    trajectory[..., PROJECTED_GRAVITY] = [0.0, 0.0, -1.0]
    trajectory[..., JOINT_POS] = trajectory[..., ACTION] = DEFAULTS["posture.target"]
    return trajectory


def outcomes(**values):
    """One robot at rest at the default height, feet lifted as asked; ``values`` override by name."""
    rest = {name: np.zeros((1, *outcome.shape)) for name, outcome in OUTCOMES.items()}
    rest |= {"base_height": np.array([0.27]), "foot_clearance": np.array([0.06])}
    return {**rest, **{name: np.array([value]) for name, value in values.items()}}


def value(name, trajectory, known=None, defaults=DEFAULTS, **parameters):
    overrides = {f"{name}.{key}": np.asarray(array) for key, array in parameters.items()}
    segment = Segment.of(trajectory, outcomes() if known is None else known)
    return TERMS[name](segment, {**defaults, **overrides})[0]


def test_a_segment_names_the_fields_of_all_rows_but_the_last():
    trajectory = np.arange(2 * 3 * 57.0).reshape(2, 3, 57)
    segment = Segment.of(trajectory)
    assert segment._fields == (*FIELDS, "outcomes") and not segment.outcomes
    np.testing.assert_array_equal(np.concatenate(segment[:-1], axis=-1), trajectory[:, :2])
    np.testing.assert_array_equal(segment.joint_pos, trajectory[:, :2, JOINT_POS])


@pytest.mark.parametrize("name", TERMS)
def test_a_robot_at_rest_costs_nothing(name):
    assert value(name, still()) == pytest.approx(0.0, abs=1e-8)


def test_posture_is_the_mean_squared_distance_of_the_masked_joints():
    trajectory = still()
    trajectory[0, 0, JOINT_POS] += 0.3
    mask = np.zeros(12)
    mask[:2] = 1.0
    # One of H = 3 rows is off by 0.3 in two joints that count: -(2 * 0.09) / 3 = -0.06.
    assert value("posture", trajectory, mask=mask) == pytest.approx(-0.06)


def test_the_last_row_is_beyond_the_horizon():
    trajectory = still()
    trajectory[0, 3, JOINT_POS] += 0.3
    assert value("posture", trajectory) == 0.0


def test_joint_range_counts_only_what_is_outside():
    trajectory = still()
    trajectory[..., JOINT_POS] = 0.0
    trajectory[0, 1, JOINT_POS][:3] = [0.7, -0.9, 0.2]
    # Range -0.5 .. 0.5, H = 3: -(0.2^2 + 0.4^2) / 3 = -0.2 / 3.
    assert value("joint_range", trajectory, min=[-0.5] * 12, max=[0.5] * 12) == pytest.approx(-0.2 / 3)


def test_joint_velocity_is_the_sum_of_squares():
    trajectory = still()
    trajectory[0, 1, JOINT_VEL] = 2.0
    assert value("joint_velocity", trajectory) == pytest.approx(-12 * 4.0)


def test_joint_acceleration_is_the_sum_of_squared_differences():
    trajectory = still()
    trajectory[0, 1, JOINT_VEL][0] = 0.1
    # Up and down again: (0.1 / 0.02)^2 = 25, twice.
    assert value("joint_acceleration", trajectory) == pytest.approx(-50.0)


def test_align_is_one_minus_the_cosine():
    trajectory = still()
    trajectory[0, :, PROJECTED_GRAVITY] = [0.0, 2.0, 0.0]  # on its side; the length does not count
    assert value("align", trajectory) == pytest.approx(-1.0)
    assert value("align", trajectory, direction=[0.0, 3.0, 0.0]) == pytest.approx(0.0, abs=1e-8)


def test_smooth_is_the_total_variation():
    trajectory = still()
    trajectory[0, 1, PROJECTED_GRAVITY] = [0.0, 0.6, -0.8]
    # To (0, .6, -.8) and back: 2 * (0.6 + 0.2).
    assert value("smooth", trajectory) == pytest.approx(-1.6)


def test_energy_is_the_work_of_the_pd_law_with_saturated_motors():
    trajectory = still()
    trajectory[0, 0, ACTION][0] += 0.2
    trajectory[0, 0, JOINT_VEL][0] = 3.0
    # Torque 40 * 0.2 - 1 * 3 = 5 N m, work |5 * 3| * 0.02 = 0.3 J.
    assert value("energy", trajectory) == pytest.approx(-0.3)
    trajectory[0, 0, ACTION][0] += 2.0
    # 40 * 2.2 - 3 = 85 N m saturates at 23.7: 23.7 * 3 * 0.02 = 1.422 J.
    assert value("energy", trajectory) == pytest.approx(-1.422)


def test_base_height_is_the_squared_distance_of_the_predicted_height():
    assert value("base_height", still(), outcomes(base_height=0.25), target=[0.18]) == pytest.approx(-(0.07**2))


def test_learned_energy_is_the_predicted_power_over_the_plan():
    # 50 W over H = 3 ticks of 20 ms.
    assert value("learned_energy", still(), outcomes(mechanical_power=50.0)) == pytest.approx(-3.0)
    assert value("learned_energy", still(), outcomes(mechanical_power=-1.0)) == 0.0


def test_foot_lifting_counts_only_what_is_missing():
    assert value("foot_lifting", still(), outcomes(foot_clearance=0.05), clearance=[0.08]) == pytest.approx(-9e-4)
    assert value("foot_lifting", still(), outcomes(foot_clearance=0.09), clearance=[0.08]) == 0.0


def test_step_frequency_is_the_squared_error_of_who_is_told_to_walk():
    trajectory, predicted = still(), outcomes(step_frequency=1.8)
    assert value("step_frequency", trajectory, predicted, target=[2.5]) == 0.0
    trajectory[..., COMMAND] = [0.2, 0.0, 0.0]
    assert value("step_frequency", trajectory, predicted, target=[2.5]) == pytest.approx(-0.49)


def test_velocity_tracking_is_the_squared_error_of_velocity_and_yaw_rate():
    trajectory = still()
    trajectory[..., COMMAND] = [0.5, 0.0, 1.0]
    trajectory[0, :, BASE_ANG_VEL] = [0.0, 0.0, 0.9]
    predicted = outcomes(base_lin_vel=[0.3, -0.1])
    # 0.2^2 + 0.1^2 + 0.1^2
    assert value("velocity_tracking", trajectory, predicted) == pytest.approx(-0.06)


@pytest.mark.parametrize("name", COSTS_TO_GO)
def test_a_cost_to_go_is_what_is_predicted_above_the_target(name):
    trajectory = still()
    trajectory[..., COMMAND] = [0.3, 0.0, 0.4]  # half a m/s, a rad/s counted as one
    assert value(name, trajectory, outcomes(**{name: 3.5}), target=[2.0]) == pytest.approx(-2.5, abs=1e-6)
    assert value(name, trajectory, outcomes(**{name: 0.5}), target=[2.0]) == 0.0


@pytest.mark.parametrize("name", TERMS)
def test_terms_are_penalties_and_equal_in_numpy_and_torch(name):
    trajectory = np.random.default_rng(5).normal(size=(6, 12, 57))
    predicted = np.random.default_rng(6).normal(size=(6, len(PREDICTIONS)))
    values = TERMS[name](Segment.of(trajectory, outcomes_of(predicted)), DEFAULTS)
    segment = Segment.of(torch.as_tensor(trajectory), outcomes_of(torch.as_tensor(predicted)))
    in_torch = TERMS[name](segment, {k: torch.as_tensor(v) for k, v in DEFAULTS.items()})
    assert values.shape == (6,)
    assert TERMS[name].sign == -1
    assert (values <= 0.0).all()
    np.testing.assert_allclose(in_torch.numpy(), values, rtol=1e-12)


def gradients_of(name, trajectory, predicted, parameters):
    """With respect to the rows, and to a reward model's outputs."""

    def total(trajectory, predicted):
        return TERMS[name](Segment.of(trajectory, outcomes_of(predicted)), parameters).sum()

    return torch.func.grad(total, argnums=(0, 1))(trajectory, predicted)


@pytest.mark.parametrize("name", TERMS)
def test_gradient_equals_finite_differences(name):
    rng = np.random.default_rng(7)
    trajectory = rng.normal(size=(1, 5, 57))
    parameters = {key: torch.as_tensor(array) for key, array in ASKING.items()}
    predicted = np.array([[0.3, 2.0, 0.01, 0.4, -0.2, 1.9, 400.0, 3e5, 400.0, 0.01]])
    gradients = gradients_of(name, torch.as_tensor(trajectory), torch.as_tensor(predicted), parameters)
    assert any(gradient.abs().max() > 0.0 for gradient in gradients)
    for direction, other in zip(rng.normal(size=(4, 1, 5, 57)), rng.normal(size=(4, *predicted.shape))):
        h = 1e-6
        plus, minus = (
            value(name, trajectory + s * h * direction, outcomes_of(predicted + s * h * other), ASKING) for s in (1, -1)
        )
        slope = sum((g.numpy() * d).sum() for g, d in zip(gradients, (direction, other)))
        assert slope == pytest.approx((plus - minus) / (2 * h), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("fill", [0.0, 1e4])
def test_gradient_is_finite_everywhere(name, fill):
    parameters = {key: torch.as_tensor(array, dtype=torch.float32) for key, array in DEFAULTS.items()}
    rows, predicted = torch.full((2, 12, 57), fill), torch.full((2, len(PREDICTIONS)), fill)
    gradients = gradients_of(name, rows, predicted, parameters)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_the_composed_reward_is_the_weighted_sum():
    segment = Segment.of(np.random.default_rng(9).normal(size=(3, 12, 57)))
    names, weights = ("posture", "align", "energy"), np.array([2.0, 0.0, 0.5])
    expected = 2.0 * TERMS["posture"](segment, DEFAULTS) + 0.5 * TERMS["energy"](segment, DEFAULTS)
    np.testing.assert_allclose(composed_reward(names, segment, weights, DEFAULTS), expected)


def test_an_unknown_term_lists_the_valid_ones():
    with pytest.raises(RewardError, match="valid terms: posture, joint_range"):
        get_term("height")
    with pytest.raises(RewardError, match="at least one term"):
        composed_reward((), Segment.of(np.zeros((1, 2, 57))), np.zeros(0), {})
