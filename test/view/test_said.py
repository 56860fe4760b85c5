"""The text box: what waits for a yes, what is done at once, what is refused. With a real interpreter and composer."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.language.changes import RewardChange
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.view.browser.panel import targets
from diffusion_mpc_ros.view.said import BOUND, NO_VELOCITY, NOT_HEARD, Said, Wanted


@pytest.fixture(scope="module")
def interpreter():
    pytest.importorskip("tokenizers", reason="make setup-say")
    from diffusion_mpc_ros.language.understanding import load_interpreter

    return load_interpreter(BOUND)


@pytest.fixture
def said(interpreter):
    return Said(lambda: interpreter)


@pytest.fixture
def now():
    return make_composer().target


def test_a_change_waits_for_a_yes_and_is_done_once(said, now):
    assert said.take("save energy", now) is False
    assert "'save energy' -> save energy" in said.text and "Asks for the preset energy" in said.text
    assert said.answered(True) == Wanted(RewardChange(preset="energy"))
    assert said.answered(True) is None


def test_a_no_and_another_sentence_forget_it(said, now):
    said.take("save energy", now)
    assert said.answered(False) is None and said.answered(True) is None
    said.take("save energy", now)
    said.take("make tea", now)
    assert "not understood" in said.text and said.answered(True) is None


def test_a_stop_is_at_once_and_an_emergency_stop_is_asked_for(said, now):
    assert said.take("stop", now) is True and said.wanted is None
    assert said.take("emergency stop", now) is False
    assert said.answered(True) == Wanted(RewardChange(), "emergency_stop")


@pytest.mark.parametrize("sentence", ["turn left", "faster", "save energy and walk forward at 0.3 m/s"])
def test_a_velocity_is_refused_with_all_that_is_said_beside_it(said, now, sentence):
    assert said.take(sentence, now) is False
    assert NO_VELOCITY in said.text and said.wanted is None


def test_nothing_is_asked_of_a_controller_that_is_not_heard(said):
    said.take("walk lower", None)
    assert NOT_HEARD in said.text and said.wanted is None


def test_a_missing_package_is_told_and_does_no_harm(now):
    def missing():
        raise ConfigurationError("run `make setup-say`")

    said = Said(missing)
    assert said.take("stop", now) is False
    assert said.text == "run `make setup-say`" and said.wanted is None


def test_targets_are_parameters_of_one_number_with_ends():
    names = [
        parameter.name for parameter in targets(["base_height", "energy", "energy_to_go", "step_frequency", "own"])
    ]
    assert names == ["base_height.target", "step_frequency.target"]
