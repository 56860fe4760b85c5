"""The composer: all or nothing, bounded, revisioned, ramped, undone; the shipped presets."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import Preset, load_presets
from diffusion_mpc_ros.rewards.registry import TERMS

PRESETS = load_presets(Path(__file__).parents[2] / "config" / "rewards.yaml")


@pytest.fixture
def composer():
    return RewardComposer(PRESETS, CONSTRAINTS, ramp_time=2.0)


def test_it_starts_with_the_prior_alone(composer):
    settings = composer.at(0.0)
    assert settings.revision == 0
    assert settings.weights == dict.fromkeys(TERMS, 0.0)
    assert settings.constraints == ()


def test_a_change_ramps_linearly_and_counts_one_revision(composer):
    composer.apply(10.0, {"energy": 0.4}, {"joint_velocity.max": 10.1})
    assert composer.at(10.0).weights["energy"] == 0.0
    # A quarter of the 2 s ramp: 0.25 * 0.4 = 0.1; 30.1 + 0.25 * (10.1 - 30.1) = 25.1.
    halfway = composer.at(10.5)
    assert halfway.weights["energy"] == pytest.approx(0.1)
    assert halfway.parameters["joint_velocity.max"][0] == pytest.approx(25.1)
    assert halfway.revision == 1
    assert composer.at(12.0).weights["energy"] == 0.4
    assert composer.at(1e6) is composer.target


def test_a_change_during_a_ramp_starts_from_what_is_in_effect(composer):
    composer.apply(0.0, {"energy": 0.4})
    composer.apply(1.0, {"energy": 0.0})  # 0.2 in effect
    assert composer.at(1.0).weights["energy"] == pytest.approx(0.2)
    assert composer.at(2.0).weights["energy"] == pytest.approx(0.1)
    assert composer.at(2.0).revision == 2


def test_undo_restores_the_settings_before_as_a_new_revision(composer):
    composer.apply(0.0, {"energy": 0.4}, constraints=["joint_range"])
    composer.apply(5.0, preset="balance")
    composer.undo(10.0, ramp_time=0.0)
    assert composer.target.revision == 3
    assert composer.target.weights == {**dict.fromkeys(TERMS, 0.0), "energy": 0.4}
    assert composer.target.constraints == ("joint_range",)
    composer.undo(10.0)
    assert composer.target.constraints == ()
    with pytest.raises(RewardError, match="no change to undo"):
        composer.undo(10.0)


def test_a_preset_replaces_everything(composer):
    composer.apply(0.0, {"energy": 0.4}, {"posture.mask": 0.0}, ["joint_velocity"])
    composer.apply(0.0, ramp_time=0.0, preset="joint_velocity")
    settings = composer.at(0.0)
    assert settings.weights["energy"] == 0.0
    assert settings.weights["joint_velocity"] > 0.0
    assert settings.parameters["posture.mask"].tolist() == [1.0] * 12
    assert settings.constraints == ()


BAD_CHANGES = [
    ({"weights": {"height": 1.0}}, "unknown reward term 'height'; valid terms: posture"),
    ({"weights": {"energy": float("nan")}}, "not within bounds"),
    ({"weights": {"energy": float("inf")}}, "not within bounds"),
    ({"weights": {"energy": -0.1}}, r"\[0, 3\] 1/\(J\) is valid"),
    ({"weights": {"energy": 20.1}}, "not within bounds"),
    ({"weights": {"energy": "much"}}, "must be a number"),
    ({"weights": {"energy": True}}, "must be a number"),
    ({"parameters": {"posture.goal": 0.0}}, "unknown parameter 'posture.goal'; valid parameters: posture.target"),
    ({"parameters": {"posture.target": [0.0, 1.0]}}, r"has shape \(12,\)"),
    ({"parameters": {"posture.mask": float("nan")}}, "must be finite"),
    ({"parameters": {"posture.mask": "all"}}, "must be 12 numbers"),
    ({"parameters": {"joint_velocity.max": 99.0}}, "out of bounds"),
    ({"parameters": {"joint_range.min": [1.0, 1, -1] * 4, "joint_range.max": [0.5, 2, -0.9] * 4}}, "above its '.max'"),
    ({"constraints": ["sitting"]}, r"unknown constraints \['sitting'\]; valid constraints: joint_range"),
    ({"ramp_time": float("nan")}, "ramp time"),
    ({"now": float("nan"), "weights": {"energy": 0.1}}, "time of a change"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CHANGES)
def test_a_bad_change_is_refused_as_a_whole(composer, change, message):
    composer.apply(0.0, {"align": 3.0})
    before, now = composer.target, change.get("now", 1.0)
    weights = {"joint_velocity": 0.01, **change.get("weights", {})}
    with pytest.raises(RewardError, match=message):
        composer.apply(now, weights, change.get("parameters"), change.get("constraints"), change.get("ramp_time"))
    assert composer.target is before
    composer.undo(1.0)
    with pytest.raises(RewardError, match="no change to undo"):
        composer.undo(1.0)


def test_an_unknown_preset_lists_the_valid_ones(composer):
    with pytest.raises(RewardError, match="valid presets: none, joint_velocity"):
        composer.apply(0.0, preset="gallop")


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.sampled_from(sorted(PRESETS))), max_size=6), st.floats(0.0, 20.0))
def test_what_is_in_effect_is_always_within_bounds(changes, later):
    composer, now = RewardComposer(PRESETS, CONSTRAINTS, ramp_time=2.0), 0.0
    for wait, preset in changes:
        now += wait
        composer.apply(now, preset=preset)
    settings = composer.at(now + later)
    assert settings.revision == len(changes)
    for name, weight in settings.weights.items():
        assert TERMS[name].min_weight <= weight <= TERMS[name].max_weight
    for name, value in settings.parameters.items():
        composer.parameters[name].validate(value)


@pytest.mark.parametrize("name", PRESETS)
def test_shipped_presets_are_described_and_feasible(composer, name):
    assert PRESETS[name].description
    settings = composer.apply(0.0, preset=name)
    check_feasible(settings.constraints, settings.parameters)


def test_constraints_that_contradict_each_other_change_nothing():
    composer = RewardComposer(PRESETS, CONSTRAINTS, check=check_feasible)
    ends = {"joint_range.min": -0.1, "joint_range.max": 0.1}
    calves = {"joint_range.min": [-0.1, 1.0, -1.5] * 4, "joint_range.max": [0.1, 1.2, -1.4] * 4}
    band = {"joint_band.min": [-0.2, 0.9, -1.6] * 4, "joint_band.max": [0.2, 1.3, -1.3] * 4}
    with pytest.raises(RewardError, match="out of bounds"):
        composer.apply(0.0, parameters=ends)
    with pytest.raises(RewardError, match="lies inside the band"):
        composer.apply(0.0, parameters={**calves, **band}, constraints=("joint_range", "joint_band"))
    assert composer.target.revision == 0 and composer.target.constraints == ()


def test_on_the_ramp_constraints_leave_something_too():
    """The range of the calf moves from one side of what is to be a forbidden band to the other.

    At the start of the ramp it lies inside the band: the band would leave nothing.
    """
    composer = RewardComposer(PRESETS, CONSTRAINTS, ramp_time=2.0, check=check_feasible)
    legs = {"joint_range.min": [-1.0, -0.5, -1.9] * 4, "joint_range.max": [1.0, 1.0, -1.6] * 4}
    composer.apply(0.0, parameters=legs, constraints=["joint_range"], ramp_time=0.0)
    across = {"joint_range.min": [-1.0, -0.5, -1.4] * 4, "joint_range.max": [1.0, 1.0, -1.0] * 4}
    band = {"joint_band.min": [0.0, 0.0, -2.0] * 4, "joint_band.max": [0.0, 0.0, -1.5] * 4}
    composer.apply(0.0, {"energy": 0.4}, {**across, **band}, ["joint_range", "joint_band"])
    for now in np.linspace(0.0, 2.0, 21):
        composer.validate(composer.at(float(now)))
    # What is no constraint's is on its way: a quarter of 0.4; constraints have switched.
    halfway = composer.at(0.5)
    assert halfway.weights["energy"] == pytest.approx(0.1)
    assert halfway.parameters["joint_band.max"][2] == -1.5 and halfway.parameters["joint_range.min"][2] == -1.4
    # Undone, they switch back at once.
    composer.undo(10.0)
    for now in np.linspace(10.0, 12.0, 21):
        composer.validate(composer.at(float(now)))
    assert composer.at(10.0).parameters["joint_range.min"][2] == -1.9


def test_several_presets_are_asked_for_at_once(composer):
    composer.apply(0.0, {"smooth": 1.0}, preset="joint_velocity+posture_negative")
    weights = {name: weight for name, weight in composer.target.weights.items() if weight}
    assert {"joint_velocity", "posture", "smooth"} <= set(weights)
    unconstrained = [name for name, preset in PRESETS.items() if not preset.constraints]
    for first, second in itertools.combinations(unconstrained, 2):
        composer.preset_settings(f"{first}+{second}")
    with pytest.raises(RewardError, match="ask for different 'joint_range.min'"):
        composer.preset_settings("joint_range+joint_wave")
    with pytest.raises(RewardError, match="unknown preset 'gallop'"):
        composer.apply(0.0, preset="energy+gallop")


def test_a_preset_that_does_not_fit_is_named():
    with pytest.raises(RewardError, match="preset 'wild': the weight of 'energy'"):
        RewardComposer({"wild": Preset("wild", "", {"energy": 99.0})}, CONSTRAINTS)


def test_settings_cannot_be_changed_from_outside(composer):
    with pytest.raises(ValueError, match="read-only"):
        composer.target.parameters["posture.target"][0] = np.nan


UPHILL = {
    "uphill": Preset("uphill", "", {"posture": 400.0, "base_height": 8000.0, "joint_range": 50.0, "smooth": 0.0},
                     {"base_height.target": 0.23, "joint_range.min": [-0.5, 0.2, -2.2] * 4}, ("torque",))
}  # fmt: skip


def test_a_preset_fills_what_the_operator_does_not_weigh():
    composer = RewardComposer(UPHILL, CONSTRAINTS, ramp_time=2.0)
    composer.apply(0.0, {"base_height": 500.0}, {"base_height.target": 0.3}, ["joint_range"], ramp_time=0.0)
    own = composer.target
    goal = composer.fill(10.0, "uphill")
    # His are the height and the range, which a constraint holds; the preset's constraint is not asked for.
    assert {name: weight for name, weight in goal.weights.items() if weight} == {"posture": 400.0, "base_height": 500.0}
    assert goal.parameters["base_height.target"] == pytest.approx(0.3)
    assert (goal.parameters["joint_range.min"] == own.parameters["joint_range.min"]).all()
    assert goal.constraints == ("joint_range",) and goal.revision == own.revision + 1
    # A quarter of the ramp of 2 s.
    assert composer.at(10.5).weights["posture"] == pytest.approx(100.0)
    assert composer.at(12.0) is goal is composer.goal
    assert composer.target.weights == own.weights and composer.target.revision == goal.revision
    composer.fill(20.0, "")
    assert composer.at(20.5).weights["posture"] == pytest.approx(300.0)
    assert composer.at(22.0) is composer.target and composer.target.weights == own.weights


def test_changes_and_undo_are_the_operators_alone_under_a_filling_preset():
    composer = RewardComposer(UPHILL, CONSTRAINTS, ramp_time=0.0)
    composer.apply(0.0, {"energy": 0.4})
    composer.fill(0.0, "uphill")
    composer.apply(0.0, {"base_height": 500.0})
    assert composer.goal.weights["base_height"] == 500.0 and composer.goal.weights["posture"] == 400.0
    assert composer.target.weights == {**dict.fromkeys(TERMS, 0.0), "energy": 0.4, "base_height": 500.0}
    composer.undo(0.0)
    assert composer.target.weights["base_height"] == 0.0 and composer.goal.weights["base_height"] == 8000.0
    composer.undo(0.0)
    with pytest.raises(RewardError, match="no change to undo"):
        composer.undo(0.0)
    before = composer.goal
    for now, preset, message in ((0.0, "gallop", "unknown preset"), (np.nan, "", "time of a change must be finite")):
        with pytest.raises(RewardError, match=message):
            composer.fill(now, preset)
    assert composer.goal is before
