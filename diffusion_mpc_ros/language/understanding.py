"""A sentence -> what it asks for, which of its words said so, and how sure that is.

Each part of the sentence (between commas, "and", "then") is compared with the phrases of ``config/language.yaml``: the
cosine between the mean vectors of their words. The nearest phrase counts when it is near enough. Vectors know little of
left and right, lower and higher, and of "not": there the words themselves decide. What is not understood does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from diffusion_mpc_ros.core.errors import brief
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.language import measured
from diffusion_mpc_ros.language import words as spelling
from diffusion_mpc_ros.language.embedding import Embedding, WordVectors
from diffusion_mpc_ros.language.meaning import EMERGENCY_STOP, STOP, LanguageError, Meaning, combined
from diffusion_mpc_ros.language.phrases import Phrases, Wish, load_phrases
from diffusion_mpc_ros.language.quantities import Quantity, quantities

# A cosine from which a phrase is near enough.
NEAR = 0.62
# Longer sentences are not read.
MAX_LENGTH = 200
# How many known wishes are named where nothing was understood.
SUGGESTIONS = 3
_EMERGENCY = frozenset({"emergency", "estop", "mayday"})
_STOPS = frozenset({"stop", "halt", "whoa", "freeze"})


@dataclass(frozen=True)
class Finding:
    """What the part ``said`` of a sentence asks for; ``sureness``: the cosine to the known phrase, 1 for a number."""

    said: str
    wish: str
    meaning: Meaning
    sureness: float


@dataclass(frozen=True)
class Understood:
    """``meaning``: what to do, empty for nothing. ``unknown``: parts that were not understood. ``refusals``: why not.

    ``nearest``: the known wishes that come nearest to what was not understood.
    """

    meaning: Meaning
    findings: tuple[Finding, ...] = ()
    unknown: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


class _Known(NamedTuple):
    denied: bool
    wish: Wish | None


class Interpreter:
    """Understands sentences; ``bound (3,)``: largest vx, vy [m/s] and yaw rate [rad/s]."""

    def __init__(self, embedding: Embedding, phrases: Phrases, bound: Sequence[float]) -> None:
        self._embedding, self._bound = embedding, bound
        self._known: list[_Known] = []
        vectors, vocabulary = [], set()
        common = measured.MOVES | measured.TURNS | measured.FASTER | measured.SLOWER | measured.MANNERS.keys()
        self._moving: dict[str, set[str]] = {"": set(common)}
        sources = [(phrase, wish) for wish in phrases.wishes for phrase in wish.phrases]
        for phrase, wish in [*sources, *((phrase, None) for phrase in phrases.nothing)]:
            said = spelling.words(spelling.plain(phrase))
            self._known.append(_Known(spelling.is_denied(said), wish))
            vectors.append(embedding.embed(spelling.content(said)))
            if wish is not None:
                vocabulary.update(said)
            if wish is not None and wish.meaning.moves:
                self._moving.setdefault(wish.name, set(common)).update(said)
        self._vectors, self._vocabulary = np.array(vectors), vocabulary | common

    def understand(self, sentence: str) -> Understood:
        """Return what ``sentence`` asks for; nothing, with the reason, when that is not clear."""
        if len(sentence) > MAX_LENGTH:
            return Understood(Meaning(), refusals=(f"more than {MAX_LENGTH} characters are not read",))
        text = spelling.plain(sentence)
        parts = spelling.clauses(text)
        if not spelling.is_request(text) and spelling.words(text)[:1] not in [[word] for word in _STOPS]:
            why = f"{brief(sentence)} asks or tells something; say what to do, for example 'walk lower'"
            return Understood(Meaning(), unknown=(text,), refusals=(why,))
        understood = self._together(parts)
        if not understood.findings and not understood.refusals and len(parts) > 1:
            return self._together([text])
        return understood

    def _together(self, parts: Sequence[str]) -> Understood:
        whole, findings, unknown, refusals = Meaning(), [], [], []
        near: dict[str, float] = {}
        for part in parts:
            try:
                finding, nearest = self._part(part)
                if finding is None:
                    unknown.append(part)
                    near |= {name: max(cosine, near.get(name, -1.0)) for name, cosine in nearest.items()}
                    continue
                findings.append(finding)
                whole = combined(whole, finding.meaning)
            except LanguageError as error:
                refusals.append(str(error))
        if whole.moves and unknown:
            refusals.append("with a part that is not understood, nothing moves")
        if refusals and whole.action not in (STOP, EMERGENCY_STOP):
            whole = Meaning()
        names = sorted(near, key=near.__getitem__, reverse=True)[:SUGGESTIONS]
        return Understood(whole, tuple(findings), tuple(unknown), tuple(refusals), tuple(names))

    def _part(self, part: str) -> tuple[Finding | None, dict[str, float]]:
        """Return what a part asks for, or the cosines of the wishes that are near."""
        found, rest = quantities(part)
        said = [self._spelled(word) for word in spelling.words(rest)]
        denied = spelling.is_denied(said)
        if found:
            return self._quantified(part, found, said, denied), {}
        certain = None if denied else _certain(part, said)
        return (certain, {}) if certain is not None else self._guessed(part, said, denied)

    def _guessed(self, part: str, said: list[str], denied: bool) -> tuple[Finding | None, dict[str, float]]:
        """Return what the nearest phrase asks for, where it is near enough."""
        manners = [word for word in said if word in measured.MANNERS and measured.DIRECTIONS.intersection(said)]
        cosine, wish, near = self._nearest([word for word in said if word not in manners], denied)
        if cosine >= NEAR and wish is None and denied:
            return Finding(part, "nothing: it is denied", Meaning(), cosine), near
        if cosine >= NEAR and wish is not None:
            if wish.meaning.moves and not self._knows_all(said, wish.name):
                return None, near
            share = math.prod(measured.MANNERS[word] for word in manners)
            velocity = {axis: share * value for axis, value in wish.velocity.items()}
            return Finding(part, wish.name, replace(wish.meaning, velocity=velocity), cosine), near
        if said[:1] and said[0] in _STOPS and not denied:
            return Finding(part, "stop", Meaning(action=STOP), 1.0), near
        return None, near

    def _quantified(self, part: str, found: Sequence[Quantity], said: list[str], denied: bool) -> Finding | None:
        if denied:
            return Finding(part, "nothing: it is denied", Meaning(), 1.0)
        meaning = measured.meaning_of(found, set(said) - spelling.FILLERS | {"to", "at"} & set(said), self._bound)
        if meaning.moves and not self._knows_all(said):
            return None
        if meaning:
            return Finding(part, ", ".join(quantity.text for quantity in found), meaning, 1.0)
        cosine, wish, _ = self._nearest(said, denied)
        if wish is None or cosine < NEAR or wish.meaning.moves:
            return None
        return Finding(part, f"{wish.name} (how much cannot be promised)", wish.meaning, cosine)

    def _nearest(self, said: list[str], denied: bool) -> tuple[float, Wish | None, dict[str, float]]:
        """Return the nearest phrase's cosine and wish (None: none of them), and the cosines of the wishes near."""
        cosines = self._vectors @ self._embedding.embed(spelling.content(said))
        spoken = set(said)
        best, best_wish = 0.0, None
        near: dict[str, float] = {}
        for cosine, known in zip(cosines.tolist(), self._known, strict=True):
            wish = known.wish
            if wish is None or (known.denied and not denied):
                if wish is None and not denied and cosine > best:
                    best, best_wish = cosine, None
                continue
            near[wish.name] = max(near.get(wish.name, -1.0), cosine)
            if not wish.allows(spoken):
                continue
            # A phrase that is denied here and not there asks for nothing; one that is denied in both comes first.
            if cosine > best or (known.denied and cosine >= best):
                best, best_wish = cosine, wish if known.denied == denied else None
        return best, best_wish, near

    def _knows_all(self, said: Sequence[str], wish: str = "") -> bool:
        """Whether each word that says what is of moving, or of the wish's phrases: nothing moves on a near one."""
        return self._moving[wish].issuperset(spelling.content(said))

    def _spelled(self, word: str) -> str:
        return word if self._embedding.knows(word) else spelling.corrected(word, self._vocabulary)


def _certain(part: str, said: list[str]) -> Finding | None:
    """Return what single words decide: an emergency, a stop, a factor of the speed."""
    if _EMERGENCY.intersection(said):
        return Finding(part, "emergency stop", Meaning(action=EMERGENCY_STOP), 1.0)
    if said and _STOPS.issuperset(spelling.content(said)):
        return Finding(part, "stop", Meaning(action=STOP), 1.0)
    factor = measured.factor_of(set(said))
    return Finding(part, "a factor of the speed", factor, 1.0) if factor else None


def load_interpreter(bound: Sequence[float]) -> Interpreter:
    """Return the interpreter of ``config/language.yaml``; raises ConfigurationError where its packages are missing."""
    return Interpreter(WordVectors(), load_phrases(config_file("language.yaml")), bound)
