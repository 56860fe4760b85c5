"""What is asked of the reward service, and which velocity, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.language.changes import RewardChange, reward_change, target_height, velocity_of
from diffusion_mpc_ros.language.meaning import Height, LanguageError, Meaning
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.rewards.presets import load_presets

TARGET = "base_height.target"


@pytest.fixture
def presets():
    return load_presets(config_file("rewards.yaml"))


@pytest.fixture
def nothing():
    return make_composer().target


def test_a_preset_is_asked_for_by_name(presets, nothing):
    change = reward_change(Meaning(presets=("energy", "balance")), nothing, presets)
    assert change == RewardChange(preset="energy+balance")
    assert "in the place of" in change.words()


def test_a_height_alone_weighs_it_and_leaves_the_rest(presets, nothing):
    change = reward_change(Meaning(height=Height(by=-0.03)), nothing, presets)
    assert change.preset == "" and change.parameters[TARGET] == (0.27,)
    assert change.weights == presets["height"].weights


def test_a_height_that_is_weighed_already_moves_alone(presets):
    now = make_composer().preset_settings("balance")  # 0.25 m
    change = reward_change(Meaning(height=Height(factor=0.8)), now, presets)
    assert change == RewardChange(parameters={TARGET: (0.2,)})


def test_a_height_beside_a_preset(presets, nothing):
    assert reward_change(Meaning(presets=("energy",), height=Height(to=0.25)), nothing, presets) == RewardChange(
        "energy", {}, {TARGET: (0.25,)}
    )
    # This one does not weigh the height.
    beside = reward_change(Meaning(presets=("quick_steps",), height=Height(to=0.25)), nothing, presets)
    assert beside.preset == "quick_steps+height"


@pytest.mark.parametrize("name", ["quick_steps+height", "energy", "joint_acceleration+energy"])
def test_the_composer_takes_what_is_asked_for(name, nothing, presets):
    composer = make_composer()
    change = reward_change(Meaning(presets=tuple(name.split("+")), height=Height(by=-0.05)), nothing, presets)
    applied = composer.apply(0.0, change.weights, {TARGET: change.parameters[TARGET][0]}, preset=change.preset)
    assert applied.parameters[TARGET][0] == pytest.approx(0.25)
    assert applied.weights["base_height"] > 0.0


def test_heights_end_at_their_bounds():
    assert target_height(Height(by=-0.03), 0.17) == 0.15
    with pytest.raises(LanguageError, match="already"):
        target_height(Height(by=-0.03), 0.15)
    with pytest.raises(LanguageError, match=r"0\.15 to 0\.35"):
        target_height(Height(to=0.5), 0.3)


def test_a_velocity_is_what_is_named_and_zero_elsewhere():
    assert velocity_of(Meaning(velocity={"vy": -0.2}), np.ones(3), MAX_COMMAND).tolist() == [0.0, -0.2, 0.0]
    assert velocity_of(Meaning(speed=0.5), np.array([0.4, 0.0, -0.2]), MAX_COMMAND).tolist() == [0.2, 0.0, -0.1]
    assert velocity_of(Meaning(velocity={"vx": 0.4}, speed=2.0), np.zeros(3), MAX_COMMAND).tolist() == [0.8, 0.0, 0.0]


@pytest.mark.parametrize(("speed", "before", "reason"), [(2.0, 0.8, "beyond"), (1.25, 0.0, "no velocity")])
def test_a_share_of_nothing_or_too_much_is_refused(speed, before, reason):
    with pytest.raises(LanguageError, match=reason):
        velocity_of(Meaning(speed=speed), np.array([before, 0.0, 0.0]), MAX_COMMAND)


def test_settings_without_the_term_are_those_of_no_height(presets):
    change = reward_change(Meaning(height=Height(to=0.2)), RewardSettings(), presets)
    assert change.parameters[TARGET] == (0.2,)
