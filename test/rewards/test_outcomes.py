"""Outcomes: one vocabulary; predicted or measured, a term does not know which; refused in words where it is missing."""

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, FOOT_RADIUS
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.rewards import following
from diffusion_mpc_ros.rewards.following import check_followed, reward_of, term_values, terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED, OUTCOMES, measure
from diffusion_mpc_ros.rewards.predictions import PREDICTED, PREDICTIONS, outcomes_of
from diffusion_mpc_ros.rewards.registry import TERMS, RewardTerm
from diffusion_mpc_ros.rewards.terms import Segment
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.rollout import Rollouts


def ticks():
    """Two rollouts of three ticks: the base sinks, the second robot lifts a foot."""
    feet = np.full((2, 3, 4, 3), FOOT_RADIUS)
    feet[1, :, 2, 2] += [0.0, 0.06, 0.03]
    return {
        "base_height": np.array([[0.3, 0.2, 0.1], [0.3, 0.3, 0.3]]),
        "mechanical_power": np.array([[10.0, 20.0, 60.0], [0.0, 0.0, 0.0]]),
        "base_lin_vel": np.tile([0.5, -0.1, 0.2], (2, 3, 1)),
        "foot_height": feet[..., 2],
        "foot_positions": feet,
    }


def test_what_is_measured_by_hand():
    outcomes = measure(ticks())
    assert outcomes.keys() == MEASURED
    np.testing.assert_allclose(outcomes["base_height"], [0.2, 0.3])
    np.testing.assert_allclose(outcomes["mechanical_power"], [30.0, 0.0])
    np.testing.assert_allclose(outcomes["foot_clearance"], [0.0, 0.03])
    np.testing.assert_allclose(outcomes["base_lin_vel"], [[0.5, -0.1]] * 2)


@pytest.mark.parametrize("outcomes", [measure(ticks()), outcomes_of(np.zeros((2, len(PREDICTIONS))))])
def test_measured_and_predicted_outcomes_have_the_shapes_of_the_vocabulary(outcomes):
    for name, values in outcomes.items():
        outcome = OUTCOMES[name]
        assert values.shape == (2, *((3,) if outcome.by_row else ()), *outcome.shape)
        assert outcome.unit and outcome.description


def test_the_outputs_of_a_reward_model_are_its_outcomes_in_order():
    assert list(PREDICTIONS)[:6] == [
        "base_height", "mechanical_power", "foot_clearance", "base_lin_vel_x", "base_lin_vel_y", "step_frequency",
    ]  # fmt: skip
    outcomes = outcomes_of(np.arange(float(len(PREDICTIONS)))[None])
    assert list(outcomes) == list(PREDICTED)
    assert outcomes["base_lin_vel"].tolist() == [[3.0, 4.0]] and outcomes["step_frequency"].tolist() == [5.0]


def test_a_term_takes_measured_outcomes_as_it_takes_predicted_ones():
    rows = np.zeros((2, 4, 57))
    settings = RewardSettings(
        weights={"base_height": 2.0, "learned_energy": 0.5, "posture": 0.0}, parameters={"base_height.target": [0.25]}
    )
    segment = Segment.of(rows, measure(ticks()))
    # -2 x (0.2 - 0.25)^2 - 0.5 x 30 W x 3 x 20 ms; -2 x (0.3 - 0.25)^2.
    np.testing.assert_allclose(reward_of(segment, settings), [-0.905, -0.005])
    assert term_values(["learned_energy"], segment, settings)["learned_energy"].tolist() == pytest.approx([-1.8, 0.0])
    assert reward_of(segment, RewardSettings()).tolist() == [0.0, 0.0]


def test_a_rollout_is_worth_what_its_measured_outcomes_say():
    simulation = BatchSimulation(1, seed=0, threads=1)
    targets = np.tile(DEFAULT_JOINT_POS, (1, 2, 5, 1))
    targets[:, 1, :, 2::3] -= 0.5  # the second candidate folds its calves: the base sinks
    command, standing = np.array([[0.4, 0.0, 0.0]]), simulation.state
    rollout = Rollouts(simulation.nominal, threads=1).run(simulation.full_state, targets)
    rows = rollout.trajectory(standing.observation(command, DEFAULT_JOINT_POS[None]), command)[0]
    measured = {name: values[0] for name, values in rollout.measured().items()}
    settings = RewardSettings(
        weights={"base_height": 1.0, "velocity_tracking": 1.0, "leg_excursion": 1.0},
        parameters={"base_height.target": np.array([0.3])},
    )
    check_followed(settings, "rollouts", terms_reading(MEASURED), MEASURED)
    segment = Segment.of(rows, measure(measured))
    values = term_values(settings.weights, segment, settings)
    heights = measured["base_height"].mean(axis=1)
    assert heights[1] < heights[0] - 0.005
    np.testing.assert_allclose(values["base_height"], -((heights - 0.3) ** 2))
    assert values["leg_excursion"][1] < values["leg_excursion"][0] <= 0.0
    np.testing.assert_allclose(reward_of(segment, settings), sum(values.values()))


def test_terms_are_followed_where_their_outcomes_are_known():
    without = terms_reading(())
    assert "posture" in without and "leg_share" in without and "base_height" not in without
    measured = terms_reading(MEASURED)
    assert "base_height" in measured and "velocity_tracking" in measured and "step_frequency" not in measured
    assert terms_reading(PREDICTED) == tuple(TERMS)


@pytest.mark.parametrize(
    ("name", "terms", "provides", "message"),
    [
        ("base_height", (), {"foot_positions"}, "'base_height' reads the outcome 'base_height', which the planner "
         "'own' does not provide; it provides: foot_positions"),
        ("tilt_to_go", tuple(TERMS), MEASURED, "'tilt_to_go' reads the outcome 'tilt_to_go'.*provides: base_height, "),
        ("posture", (), (), "the planner 'own' does not follow the reward term 'posture'; it follows: none"),
        ("hopping", ("posture",), (), "does not follow the reward term 'hopping'; it follows: posture"),
    ],
)  # fmt: skip
def test_a_term_that_cannot_be_followed_is_refused_in_words(name, terms, provides, message):
    check_followed(RewardSettings(weights={name: 0.0}), "own", terms, provides)
    with pytest.raises(RewardError, match=message):
        check_followed(RewardSettings(weights={name: 1.0}), "own", terms, provides)


def test_a_term_that_reads_what_does_not_exist_is_refused():
    with pytest.raises(
        RewardError, match="'base_height' reads an unknown outcome 'height'; valid outcomes: base_height"
    ):
        dataclasses.replace(TERMS["base_height"], reads=("height",))


class Measuring(Planner):
    """A planner that rolls out."""

    name, timing = "rollouts", Timing()
    provides, reward_terms = MEASURED, terms_reading(MEASURED)


def test_a_planner_says_what_it_provides_and_a_new_term_reaches_it_alone(monkeypatch):
    lifted = RewardTerm(
        "hind_feet", lambda segment, parameters: -segment.outcomes["foot_positions"][..., 2:, 2].mean(axis=(1, 2)),
        "m", 1.0, "hind feet on the ground", reads=("foot_positions",),
    )  # fmt: skip
    monkeypatch.setitem(following.TERMS, lifted.name, lifted)
    settings = RewardSettings(weights={"hind_feet": 1.0})
    planner = Measuring()
    planner.reward_terms = terms_reading(planner.provides)
    planner.check(settings)
    # Mean over three rows and two feet: 0.09 / 6.
    measured = reward_of(Segment.of(np.zeros((2, 4, 57)), measure(ticks())), settings)
    np.testing.assert_allclose(measured + FOOT_RADIUS, [0.0, -0.015], atol=1e-12)
    assert "hind_feet" not in terms_reading(PREDICTED)
    with pytest.raises(RewardError, match="'foot_positions', which the planner 'diffusion_mpc' does not provide"):
        check_followed(settings, "diffusion_mpc", TERMS, PREDICTED)


def test_a_planner_without_rewards_and_constraints_says_so():
    class Own(Planner):
        name, timing = "own", Timing()

    Own().check(RewardSettings(weights={"energy": 0.0}))
    with pytest.raises(RewardError, match="'own' does not follow the reward term 'energy'"):
        Own().check(RewardSettings(weights={"energy": 1.0}))
    with pytest.raises(RewardError, match="'own' keeps to no constraints: torque"):
        Own().check(RewardSettings(constraints=("torque",)))
