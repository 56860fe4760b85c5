"""Presets: what the file may hold, and the sum of several of them by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ConfigurationError, RewardError
from diffusion_mpc_ros.rewards.presets import Preset, combine, load_presets
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters

PARAMETERS = {parameter.name: parameter for parameter in term_parameters(TERMS)}


def height(name, weight, target, **more):
    return Preset(name, name, {"base_height": weight, **more}, {"base_height.target": target})


WEIGHT, HEIGHT = st.floats(1.0, 1000.0), st.floats(0.18, 0.32)


@given(WEIGHT, WEIGHT, HEIGHT, HEIGHT, st.floats(0.1, 0.4))
def test_the_sum_of_two_heights_over_a_root_differs_from_the_preset_by_a_constant(first, second, low, high, walked):
    both = combine([height("a", first, low), height("b", second, high)], TERMS, PARAMETERS)
    weight, target = both.weights["base_height"], both.parameters["base_height.target"][0]
    reward = (-first * (walked - low) ** 2 - second * (walked - high) ** 2) / 2**0.5
    constant = (-first * (target - low) ** 2 - second * (target - high) ** 2) / 2**0.5
    assert reward == pytest.approx(-weight * (walked - target) ** 2 + constant, abs=1e-6)


def test_weights_are_added_up_to_their_bound_and_constraints_joined():
    bound = TERMS["energy"].max_weight
    first = Preset("a", "A.", {"energy": 0.75 * bound, "align": 2.0}, {}, ("torque",))
    second = Preset("b", "B.", {"energy": 0.75 * bound, "smooth": 6.0}, {}, ("joint_range", "torque"))
    both = combine([first, second], TERMS, PARAMETERS)
    # 1.5 over the root of 2 is more than 1.
    assert both.weights == pytest.approx({"energy": bound, "align": 2.0 / 2**0.5, "smooth": 6.0 / 2**0.5})
    assert both.constraints == ("torque", "joint_range")
    assert (both.name, both.description) == ("a+b", "A. B.")
    assert combine([first], TERMS, PARAMETERS) is first


def test_as_many_count_as_weigh_something():
    weights = {"a": 1.0, "b": 2.0, "c": 3.0}
    first, second, third = (Preset(name, "", {"smooth": weight}) for name, weight in weights.items())
    nothing, zero = Preset("d", "", {}, {}, ("torque",)), Preset("e", "", {"energy": 0.0})
    assert combine([first, nothing, zero], TERMS, PARAMETERS).weights == {"smooth": 1.0, "energy": 0.0}
    assert combine([nothing, zero], TERMS, PARAMETERS).weights == {"energy": 0.0}
    assert combine([first, second, third], TERMS, PARAMETERS).weights == pytest.approx({"smooth": 6.0 / 3**0.5})


def test_a_preset_that_leaves_a_parameter_at_its_default_counts_with_it():
    default = PARAMETERS["posture.target"].default_array
    first = Preset("a", "", {"posture": 3.0}, {"posture.target": default + 0.4})
    both = combine([first, Preset("b", "", {"posture": 1.0})], TERMS, PARAMETERS)
    np.testing.assert_allclose(both.parameters["posture.target"], default + 0.3)


def test_parameters_that_nothing_weighs_must_agree():
    first, second = (Preset(name, "", {}, {"base_height.target": target}) for name, target in (("a", 0.2), ("b", 0.3)))
    with pytest.raises(RewardError, match="a and b ask for different 'base_height.target'"):
        combine([first, second], TERMS, PARAMETERS)
    same = combine([first, first], TERMS, PARAMETERS)
    assert same.parameters["base_height.target"].tolist() == [0.2]
    # One of them weighs the term, the other only sets its parameter: not a sum of rewards.
    with pytest.raises(RewardError, match="ask for one of them"):
        combine([height("c", 1.0, 0.2), second], TERMS, PARAMETERS)


@pytest.mark.parametrize(
    "text",
    [
        "presets: [",
        "terms: {}",
        "presets: {a: {weight: 1}}",
        "presets: {a+b: {}}",
        "presets: {a: {constraints: torque}}",
        "presets: {a: {weights: {energy: much}}}",
        "presets: {a: {name: b}}",
    ],
)
def test_an_unreadable_preset_file_is_refused(tmp_path, text):
    path = tmp_path / "rewards.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=str(path)):
        load_presets(path)


def test_a_missing_preset_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_presets(tmp_path / "absent.yaml")
