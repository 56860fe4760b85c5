"""How much of what people say is understood: the held-out list, written before anything that understands it.

    python -m pytest -s test/language/test_held_out.py

prints the score and every sentence that was got wrong.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import sentences

from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.language import words
from diffusion_mpc_ros.language.embedding import WordVectors
from diffusion_mpc_ros.language.phrases import Phrases, load_phrases
from diffusion_mpc_ros.language.understanding import Interpreter

HELD_OUT, TUNING = "held_out.yaml", "tuning.yaml"
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/say.md").read_text()


def told(row: str) -> tuple[int, int, int]:
    """What docs/say.md says of a list: how many are right, of how many, and how many move the robot unasked."""
    found = re.search(rf"\| {re.escape(row)} \| \**(\d+) of (\d+)\** \| (\d+) \|", PAGE)
    assert found, f"docs/say.md has no row {row!r}"
    return int(found[1]), int(found[2]), int(found[3])


@pytest.fixture(scope="module")
def vectors():
    pytest.importorskip("tokenizers", reason="make setup-say")
    return WordVectors()


@pytest.fixture(scope="module")
def phrases():
    return load_phrases(config_file("language.yaml"))


def content(sentence: str) -> tuple[str, ...]:
    """What a sentence says, without its fillers."""
    return tuple(words.content(words.words(words.plain(sentence))))


def without(phrases: Phrases, said: set[tuple[str, ...]]) -> Phrases:
    """The phrases but for those that say the same as a sentence."""
    kept = [
        dataclasses.replace(wish, phrases=tuple(phrase for phrase in wish.phrases if content(phrase) not in said))
        for wish in phrases.wishes
    ]
    return Phrases(tuple(kept), phrases.nothing)


def test_nine_of_ten_held_out_sentences_are_understood_and_none_moves_the_robot_unasked(vectors, phrases):
    right, wrong, unasked = sentences.score(Interpreter(vectors, phrases, MAX_COMMAND), HELD_OUT)
    print(f"\n{right} of {right + len(wrong)} right, {len(unasked)} would move the robot unasked", *wrong, sep="\n  ")
    assert right + len(wrong) == 100
    assert unasked == []
    assert right >= 90
    assert (right, 100, 0) == told("held-out list")
    changes = " ".join((ROOT / "CHANGELOG.rst").read_text().split())
    assert f"{right} of 100 held-out sentences are understood" in changes


def test_without_the_phrases_that_say_the_same_it_is_still_understood(vectors, phrases):
    held_out = {content(each["say"]) for each in sentences.read(HELD_OUT)}
    fewer = without(phrases, held_out)
    right, wrong, unasked = sentences.score(Interpreter(vectors, fewer, MAX_COMMAND), HELD_OUT)
    dropped = sum(len(wish.phrases) for wish in phrases.wishes) - sum(len(wish.phrases) for wish in fewer.wishes)
    print(f"\nwithout {dropped} phrases: {right} of {right + len(wrong)} right", *wrong, sep="\n  ")
    assert unasked == []
    assert right >= 70
    row = f"held-out list, without the {dropped} phrases that say the same as one of its sentences"
    assert (right, right + len(wrong), 0) == told(row)


def test_the_lists_are_kept_apart(phrases):
    held_out = {each["say"].lower() for each in sentences.read(HELD_OUT)}
    assert not held_out & {each["say"].lower() for each in sentences.read(TUNING)}
    known = {phrase.lower() for wish in phrases.wishes for phrase in wish.phrases} | set(phrases.nothing)
    assert [same for same in held_out & known if len(same.split()) > 2] == []


def test_what_it_was_tuned_on(vectors, phrases):
    right, wrong, unasked = sentences.score(Interpreter(vectors, phrases, MAX_COMMAND), TUNING)
    print(f"\n{right} of {right + len(wrong)} right", *wrong, sep="\n  ")
    assert unasked == []
    assert right >= 0.95 * (right + len(wrong))
    assert (right, right + len(wrong), 0) == told("the list it was tuned on")


def test_the_page_counts_the_phrases(phrases):
    known, none = re.search(r"nearest of (\d+) phrases.*?Another (\d+) stand for", PAGE, re.S).groups()
    assert (int(known), int(none)) == (sum(len(wish.phrases) for wish in phrases.wishes), len(phrases.nothing))
