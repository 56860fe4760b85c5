"""What is refused, combined and denied; words, numbers and bounds by hand. Vectors where words alone do not decide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.language import embedding, measured, words
from diffusion_mpc_ros.language.meaning import Height, LanguageError, Meaning, combined
from diffusion_mpc_ros.language.phrases import Wish
from diffusion_mpc_ros.language.report import report
from diffusion_mpc_ros.language.understanding import MAX_LENGTH, load_interpreter


@pytest.fixture(scope="module")
def interpreter():
    pytest.importorskip("tokenizers", reason="make setup-say")
    return load_interpreter(MAX_COMMAND)


def test_two_parts_ask_for_both():
    one = combined(Meaning(presets=("energy",)), Meaning(velocity={"vx": 0.4}))
    assert one == Meaning(presets=("energy",), velocity={"vx": 0.4})
    assert combined(one, Meaning(action="stop")) == Meaning(action="stop")
    assert combined(Meaning(action="stop"), Meaning(action="emergency_stop")).action == "emergency_stop"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Meaning(height=Height(by=0.03)), Meaning(height=Height(by=-0.03))),
        (Meaning(velocity={"yaw_rate": 0.5}), Meaning(velocity={"yaw_rate": -0.5})),
        (Meaning(presets=("none",)), Meaning(presets=("energy",))),
    ],
)
def test_contradictions_are_refused(first, second):
    with pytest.raises(LanguageError):
        combined(first, second)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [("trun", "turn", True), ("enrgy", "energy", True), ("sava", "save", True), ("left", "lift", True),
     ("turn", "turn", False), ("trnu", "trun", True), ("lower", "slow", False), ("abcd", "badc", False)],
)  # fmt: skip
def test_one_slip_of_the_keyboard(one, two, same):
    assert words.one_slip(one, two) is same is words.one_slip(two, one)


def test_a_slip_that_could_be_two_words_is_left_alone():
    assert words.corrected("slwer", {"slower", "lower"}) == "slower"
    assert words.corrected("lowr", {"lower", "lows"}) == "lowr"
    assert words.corrected("lo", {"low"}) == "lo"


@pytest.mark.parametrize(
    ("sentence", "asks"),
    [("can you walk lower?", True), ("walk lower?", False), ("how low can you go", False), ("do you walk", False),
     ("do not walk", True), ("do a turn", True), ("it walked lower", False), ("", False)],
)  # fmt: skip
def test_questions_and_tales_are_no_requests(sentence, asks):
    assert words.is_request(sentence) is asks


def test_a_wish_that_moves_names_words_that_must_be_said():
    with pytest.raises(ConfigurationError, match="words it needs"):
        Wish("run", ("run",), velocity={"vx": 1.0})
    with pytest.raises(ConfigurationError, match="vz"):
        Wish("fly", ("fly",), velocity={"vz": 1.0}, needs=frozenset({"fly"}))


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("walk forward at 5 m/s", "-1 to 1 m/s"),
        ("sidestep left at 0.6 m/s", "-0.5 to 0.5 m/s"),
        ("turn left at 90 deg/s", "-1 to 1 rad/s"),
        ("walk at 50 cm", "0.15 to 0.35 m"),
        ("walk at 0.5", "unit"),
        ("turn at 20 deg/s", "left or right"),
        ("higher and lower", "contradict"),
        ("brew tea and turn left", "nothing moves"),
        ("a" * (MAX_LENGTH + 1), "characters"),
    ],
)
def test_what_is_refused_does_nothing_and_says_why(interpreter, sentence, reason):
    understood = interpreter.understand(sentence)
    assert not understood.meaning
    assert reason in report(understood)


@pytest.mark.parametrize(
    "sentence", ["stop and run at 9 m/s", "halt! what are you doing?", "turn left, no, stop", "stop the juggling now"]
)
def test_a_stop_is_heard_beside_whatever_else_is_said(interpreter, sentence):
    assert interpreter.understand(sentence).meaning == Meaning(action="stop")


def test_it_tells_which_words_led_to_what(interpreter):
    text = report(interpreter.understand("Walk LOWER, and save energy!"))
    assert "'walk lower' -> walk lower: base height -0.03 m" in text
    assert "'save energy' -> save energy: preset energy" in text
    text = report(interpreter.understand("energetic juggling"))
    assert "not understood" in text and "nearest that are known: " in text and "Nothing is done" in text


def test_manners_scale_a_velocity(interpreter):
    plain, slow = (interpreter.understand(f"walk forward{how}").meaning.velocity["vx"] for how in ("", " slowly"))
    assert slow == 0.5 * plain


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_no_text_breaks_it_or_moves_the_robot(interpreter, text):
    meaning = interpreter.understand(text).meaning
    if meaning.moves:
        movement = measured.MOVES | measured.TURNS | measured.FASTER | measured.SLOWER
        assert movement.intersection(words.words(words.plain(text)))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from("not turn left right walk forward 3 m/s cm and the lower , faster jump".split())))
def test_no_velocity_beyond_its_bounds_and_none_that_is_denied(interpreter, spoken):
    sentence = " ".join(spoken)
    meaning = interpreter.understand(sentence).meaning
    assert all(abs(value) <= bound for value, bound in zip(_velocity(meaning), MAX_COMMAND))
    if meaning.moves and "not" in spoken:
        assert any("not" not in part.split() for part in words.clauses(sentence))


def _velocity(meaning):
    return [meaning.velocity.get(axis, 0.0) for axis in ("vx", "vy", "yaw_rate")]


def test_without_its_packages_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr(embedding.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="make setup-say"):
        embedding.WordVectors()
