"""Words of a sentence: its clauses, what is denied, what is no request at all, and slips of the keyboard."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# Say how a thing is said, not what.
FILLERS = frozenset(
    "a an the please kindly just now ok okay hey hello robot go2 dog you your yourself can could would will should "
    "i me my we us want like need to of it its is be do does that this there so then and for with at by in on as "
    "bit little some somewhat slightly more much very really too let's lets must shall while when from".split()
)
DENIALS = frozenset("not don't dont never no without avoid cannot can't neither nor needn't won't".split())
# A sentence that begins so is a question, and one that ends with a question mark unless it is a polite request.
POLITE = frozenset("can could would will please".split())
QUESTIONS = frozenset("how what why when where who which whose is are am was were does did has have may should".split())
# What has been is told, not asked for.
TALES = frozenset(
    "yesterday was were had did ago walked turned went stopped moved ran stood fell jumped looked seemed".split()
)
# "so much", "so fast" belong together.
_SPLIT = re.compile(r"\s*(?:[;!?,]|\.(?!\d)|\b(?:and|but|then|plus)\b|\bso\b(?!\s+(?:much|fast|loud|high|low)))\s*")
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
# Shorter words are all too near to each other.
SHORTEST_SLIP = 4


def plain(sentence: str) -> str:
    """Return the sentence in lower case, with straight apostrophes and single spaces."""
    return " ".join(sentence.lower().replace("\u2019", "'").split())


def clauses(sentence: str) -> list[str]:
    """Return the parts of a plain sentence that ask for one thing each; a decimal comma or point parts nothing."""
    joined = re.sub(r"(?<=\d),(?=\d)", ".", sentence)
    return [part for part in _SPLIT.split(joined) if _WORD.search(part)]


def words(text: str) -> list[str]:
    """Return the words of a plain text."""
    return _WORD.findall(text)


def content(spoken: Iterable[str]) -> list[str]:
    """Return the words that say what; all of them where none does."""
    spoken = [word for word in spoken if word not in DENIALS]
    return [word for word in spoken if word not in FILLERS] or spoken


def is_denied(spoken: Collection[str]) -> bool:
    """Whether the words deny what they say."""
    return any(word in DENIALS for word in spoken)


def is_request(sentence: str) -> bool:
    """Whether a plain sentence asks for something, rather than ask a question or tell of the past."""
    spoken = words(sentence)
    if not spoken or TALES.intersection(spoken):
        return False
    if spoken[0] in QUESTIONS or spoken[:2] in (["do", "you"], ["do", "i"], ["do", "we"], ["do", "they"]):
        return False
    return not sentence.endswith("?") or spoken[0] in POLITE


def corrected(word: str, vocabulary: Collection[str]) -> str:
    """Return the one word of ``vocabulary`` that ``word`` is a slip of the keyboard away from, else the word itself.

    A slip is a letter too many, too few or wrong, or two that changed places (Damerau's four).
    """
    if len(word) < SHORTEST_SLIP or word in vocabulary:
        return word
    near = [other for other in vocabulary if len(other) >= SHORTEST_SLIP and one_slip(word, other)]
    return near[0] if len(near) == 1 else word


def one_slip(one: str, two: str) -> bool:
    """Whether exactly one slip makes ``two`` of ``one``."""
    if abs(len(one) - len(two)) > 1 or one == two:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
    one, two = one[start:], two[start:]
    swapped = one[:2] == two[1::-1] and len(one) > 1 and one[2:] == two[2:]
    return swapped or one[1:] == two[1:] or one[1:] == two or one == two[1:]
