"""The text box: what waits for a yes, what is done at once, what is refused. With a real interpreter and composer."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.language.changes import RewardChange
from diffusion_mpc_ros.language.meaning import LanguageError
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.view.browser.panel import targets
from diffusion_mpc_ros.view.said import NO_VELOCITY, NOT_HEARD, Said, Wanted

# Browsers.
ME, OTHER = 3, 4


@pytest.fixture(scope="module")
def interpreter():
    pytest.importorskip("tokenizers", reason="make setup-say")
    from diffusion_mpc_ros.language.understanding import load_interpreter

    return load_interpreter(MAX_COMMAND)


@pytest.fixture
def said(interpreter):
    return Said(lambda: interpreter)


@pytest.fixture
def now():
    return make_composer().target


def test_a_change_waits_for_a_yes_and_is_done_once(said, now):
    assert said.take(ME, "save energy", now) is False
    assert "'save energy' -> save energy" in said.text and "Asks for the preset energy" in said.text
    assert said.answered(ME, said.asks, True) == Wanted(RewardChange(preset="energy"))
    assert said.answered(ME, 1, True) is None


def test_a_no_and_another_sentence_forget_it(said, now):
    said.take(ME, "save energy", now)
    assert said.answered(ME, 1, False) is None and said.answered(ME, 1, True) is None
    said.take(ME, "save energy", now)
    said.take(ME, "make tea", now)
    assert "not understood" in said.text and said.answered(ME, 3, True) is None


def test_a_stop_is_at_once_and_an_emergency_stop_is_asked_for(said, now):
    assert said.take(ME, "stop", now) is True and said.wanted is None
    assert said.take(ME, "emergency stop", now) is False
    assert said.answered(ME, 2, True) == Wanted(RewardChange(), "emergency_stop")


def test_an_answer_is_for_one_sentence_and_from_who_said_it(said, now):
    said.take(ME, "walk lower", now)
    mine = said.asks
    said.take(OTHER, "emergency stop", now)
    # Clicked before the other sentence was seen, and after.
    for number, reason in ((mine, "something else has been said"), (said.asks, "in another browser")):
        for agreed in (True, False):
            with pytest.raises(LanguageError, match=reason):
                said.answered(ME, number, agreed)
    assert said.answered(OTHER, said.asks, True) == Wanted(RewardChange(), "emergency_stop")
    assert said.asks == 0


@pytest.mark.parametrize("sentence", ["turn left", "faster", "save energy and walk forward at 0.3 m/s"])
def test_a_velocity_is_refused_with_all_that_is_said_beside_it(said, now, sentence):
    assert said.take(ME, sentence, now) is False
    assert NO_VELOCITY in said.text and said.wanted is None


def test_nothing_is_asked_of_a_controller_that_is_not_heard(said):
    said.take(ME, "walk lower", None)
    assert NOT_HEARD in said.text and said.wanted is None


def test_a_missing_package_is_told_and_does_no_harm(now):
    def missing():
        raise ConfigurationError("run `make setup-say`")

    said = Said(missing)
    assert said.take(ME, "stop", now) is False
    assert said.text == "run `make setup-say`" and said.wanted is None


def test_targets_are_parameters_of_one_number_with_ends():
    names = [
        parameter.name for parameter in targets(["base_height", "energy", "energy_to_go", "step_frequency", "own"])
    ]
    assert names == ["base_height.target", "step_frequency.target"]
