"""Labels as people write them: which of two answers is better, and whether one answer is wanted.

A word or number means what the answers are called: 1 is the first of `response_1` and the second of `response_0`. Where
the names say neither (a 1 beside A and B), there is no telling, and nothing is guessed. Knows nothing of columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from judgegen.sources.columns import Several

Vote = Literal["A", "B", "tie"]

_TIES = frozenset(
    "tie tied draw both equal equally_good same neither both_bad bothbad tie_bothbad tie_both_bad both_good a_b "
    "no_preference undecided similar none_is_better tievote bothbad_vote tie_vote".split()
)
_NOUN = (
    "(?:the_)?(?:model|response|assistant|answer|output|completion|conversation|candidate|option|system|summary"
    "|human_ref)"
)
_MUCH = "(?:slightly|somewhat|a_bit|a_little|marginally|moderately|much|far|clearly|significantly|strongly|definitely)"
_SIDE = re.compile(
    rf"(?:{_MUCH}_)?(?:better_|prefers?_)?(?:{_NOUN}_?)?(a|b|left|right|first|second|one|two|\d)"
    rf"(?:_?vote)?(?:_(?:is_)?(?:{_MUCH}_)?(?:better|wins|win|won|preferred))?(?:_{_MUCH})?"
)
_ORDER = re.compile(r"(?:model_|response_)?(a|b|1|2)\s*(>+|<+|=+|≻|≺|~)\s*(?:model_|response_)?(a|b|1|2)")
_GAPS = re.compile(r"[\s\-_()/]+")
_LABEL = 64  # characters: longer texts are no labels that come again
_RATING = re.compile(r"([-+]?\d+(?:[.,]\d{1,2})?)\s*(?:(/|out of|of)\s*(\d+)|(%|[a-z★]+))?", re.IGNORECASE)
_FIRST = {"a": "A", "left": "A", "first": "A", "one": "A"}
_SECOND = {"b": "B", "right": "B", "second": "B", "two": "B"}
_YES = frozenset(
    "true yes good correct desirable wanted chosen preferred accept accepted positive thumbs_up thumbsup up upvote "
    "like right y pos 👍".split()
)
_NO = frozenset(
    "false no bad incorrect wrong undesirable unwanted reject rejected dispreferred negative neg thumbs_down "
    "thumbsdown down downvote dislike n".split()
)

_DECISIONS = frozenset({"accept", "reject", "ignore", "accepted", "rejected"})

REFUSED = frozenset(
    "bad incorrect wrong undesirable unwanted reject rejected dispreferred thumbs_down thumbsdown dislike disliked "
    "discarded harmful unsafe unacceptable toxic unhelpful failed failure fail unsuccessful unresolved unsolved "
    "hallucinated".split()
) | {"👎"}
"""Words that say of an answer that it is a bad one, whatever the column is called."""


def word(value: Any) -> str:
    """A label as one word: without brackets, stars or a full stop, in lower case, blanks as underscores."""
    said = str(value)
    return _word(said) if len(said) < _LABEL else _spelled(said)


def _spelled(said: str) -> str:
    return _GAPS.sub("_", said.strip().strip("[]“”*.").lower()).strip("_")


_word = lru_cache(maxsize=4096)(_spelled)


def vote(value: Any, of: Several, values: Mapping[str, str], models: tuple[Any, ...] = ()) -> Vote | None:
    """Which of two answers a label prefers; None where it does not say so.

    Args:
        value: the label.
        of: the answers' columns, whose numbers or letters the label uses.
        values: what a value means, where a mapping or the shape says so.
        models: the models' names, which a label may be.
    """
    if (told := _told(value, values)) is not None:
        return told
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, str) and len(models) == 2 and models[0] != models[1] and value in models:
        return "A" if value == models[0] else "B"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _share(value, of) or _worded(value, of)


def _worded(value: Any, of: Several) -> Vote | None:
    """Which answer a word or a sign prefers."""
    said = word(value)
    if said in _TIES or str(value).strip() == "[[C]]":
        return "tie"
    if hit := _ORDER.fullmatch(str(value).strip().strip("[]").lower().replace(" ", "")):
        return _ordered(*hit.groups())
    hit = _SIDE.fullmatch(said)
    return _side(hit[1], of) if hit else None


def _share(value: Any, of: Several) -> Vote | None:
    """The nearer of answers 1 and 2, of a number between them, as weighted annotators of AlpacaEval say it."""
    found = number(value) if isinstance(value, float | str) and of.numbered_from == 1 else None
    if found is None or not 1 < found < 2:
        return None
    return "tie" if found == 1.5 else "A" if found < 1.5 else "B"


def _told(value: Any, values: Mapping[str, str]) -> Vote | None:
    for key in (str(value), str(value).lower()):
        if (found := values.get(key)) in ("A", "B", "tie"):
            return found  # type: ignore[return-value]  # just compared
    return None


def _ordered(first: str, sign: str, second: str) -> Vote | None:
    if first == second:
        return None
    if sign[0] in "=~":
        return "tie"
    better = first if sign[0] in ">≻" else second
    return "A" if better in ("a", "1") else "B"


def _side(token: str, of: Several) -> Vote | None:
    if token in _FIRST or token in _SECOND:
        return "A" if token in _FIRST else "B"
    start = of.numbered_from
    if start is None:
        return None
    return {start: "A", start + 1: "B"}.get(int(token))  # type: ignore[return-value]  # the two values are votes


def is_tie(value: Any) -> bool:
    """Whether a label says that neither answer is better."""
    return isinstance(value, str) and word(value) in _TIES


def wanted(value: Any, values: Mapping[str, str]) -> bool | None:
    """Whether a label says that an answer is wanted; None where it does not say."""
    told = values.get(str(value), values.get(str(value).lower()))
    if told in ("wanted", "unwanted"):
        return told == "wanted"
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value == 1 if value in (1, 0, -1) else None
    if not isinstance(value, str):
        return None
    said = word(value)
    if said in _YES | {"1"}:
        return True
    return False if said in _NO | {"0", "👎"} else None


def is_decision(words: Any) -> bool:
    """Whether a text is what an annotator says of another, and no answer by itself."""
    return isinstance(words, str) and words.strip() in _DECISIONS


def is_step(words: Any) -> bool:
    """Whether a text is the mark that a step is right or wrong, as data for process reward models have it."""
    return isinstance(words, str) and words.strip() in ("+", "-")


def rating(value: Any) -> tuple[float, str] | None:
    """A rating and what it is counted in: a number, or a text like 7/10, 85%, 4 stars or 4,5. None where it is none."""
    if (plain := number(value)) is not None:
        return plain, ""
    hit = _RATING.fullmatch(value.strip()) if isinstance(value, str) else None
    if hit is None:
        return None
    return float(hit[1].replace(",", ".")), f"/{hit[3]}" if hit[2] else (hit[4] or "").lower().rstrip("s")


def together(value: Any) -> tuple[float, str] | None:
    """A rating, or the mean of those in a list, which are of several people and counted in one thing."""
    if not isinstance(value, list):
        return rating(value)
    found = [one for each in value if (one := rating(each)) is not None]
    if not value or len(found) < len(value) or len({unit for _, unit in found}) > 1:
        return None
    return math.fsum(mark for mark, _ in found) / len(found), found[0][1]


def all_wanted(value: Any, values: Mapping[str, str]) -> bool | None:
    """Whether a label, or each of several people's in a list, says that an answer is wanted; None where they do not."""
    said = {wanted(one, values) for one in (value if isinstance(value, list) else [value])}
    return said.pop() if len(said) == 1 else None


def number(value: Any) -> float | None:
    """A finite number, or one that a text spells; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):  # an integer may be larger than any number with a point
        return None
    return found if math.isfinite(found) else None
