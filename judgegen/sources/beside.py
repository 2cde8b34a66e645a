"""What the columns beside an answer say against taking it as a wanted one, or against its question being words alone.

A column counts by its name without what does not tell it from others: `response_is_safe` is `safe`. Knows nothing of
how answers are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from judgegen.sources import verdicts
from judgegen.sources.columns import CRITERIA, ColumnNames, answers_named, plain_name
from judgegen.sources.rows import RowError
from judgegen.sources.spellings import optional

_FILL = frozenset("is was are has have had if the answer response completion output model assistant final".split())
_PRAISE = frozenset(
    "safe harmless helpful valid factual true correctness verified approved accepted passed pass accurate high_quality "
    "liked upvoted acceptable success successful succeeded resolved solved chosen preferred selected good thumbs "
    "thumbs_up feedback user_feedback user_rating reaction vote like upvote pass winner best".split()
)
"""Names that, where they are false, say of an answer that it is a bad one."""
_BLAME = frozenset(
    "toxic harmful unsafe hallucination hallucinated hallucinations jailbroken bad wrong incorrect failed failure spam "
    "flagged deleted discarded rejected offensive low_quality error errored exception error_message dislike disliked "
    "truncated".split()
)
"""Names that, where they are true, say it."""
_OUTCOMES = frozenset("target outcome result".split())
"""Names that say it where they are false and no text or number, which may be a known answer."""
_MARKS = frozenset(
    "scores ratings evals evaluations feedback feedback_stats feedback_scores eval_scores grades".split()
)
"""Names of lists and objects that hold what an answer was given."""
_WORSE = re.compile(
    r"(?:\w+_)?(?:rejected|reject|denied|declined|inferior|dispreferred|unpreferred|nonpreferred|non_preferred|worse|worst|losing|loser|incorrect"
    r"|wrong|negative|neg|bad)(?:_\w+)?"
)
_NO_ANSWERS = frozenset("reason reasons score rating rank model id ids count rate prompt reward words type tag".split())
_COUNTS = frozenset({"n", "count", "total", "std", "stdev"})
_BY_RATING = (
    "pairs of several answers go by one rating, --map rating={name}, single answers by a label, "
    "--map label={name},wanted=1"
)
_ENDS = frozenset("finish_reason stop_reason done_reason".split())
_BROKEN = frozenset("length max_tokens max_output_tokens content_filter safety recitation error".split())
"""Ends of an answer that is not whole."""
_ASKING = frozenset("prompt instruction question query problem user_query user_prompt user_message history".split())
"""Columns that ask by themselves; where two say different things, there is no telling what is asked."""
_MORE = frozenset(
    "input context contexts choices options answer_choices documents passages retrieved_contexts retrieved_context "
    "evidence snippets passage document article schema instructions".split()
)
"""Columns that belong to what is asked where they stand beside a question that does not hold them."""
_CHOICE = re.compile(r"(?:option|choice)_?[a-h1-8]|[a-h]")
"""Such columns of choices, each in its own."""
NAME = 40  # characters: longer texts name no column
_GRADES = frozenset("grade mark marks toxicity harmfulness".split())
"""Names of what rates an answer by a scale whose best may be its least."""
_FAULTS = frozenset("error exception error_message".split())
"""Of these, such as say it in words, too."""
_ANSWERS = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}
_SEEN = frozenset(
    "image images img picture pictures photo video videos audio audios image_path image_paths image_url image_urls "
    "image_file image_bytes video_path audio_path".split()
)
"""Columns of what is asked besides words."""
_BEGUN = frozenset(
    "initial_reason_steps response_prefix answer_prefix assistant_prefix partial_response partial_answer "
    "partial_solution prefill".split()
)
"""Columns of the words with which every answer of the row begins."""


_SAYING = _PRAISE | _BLAME | CRITERIA | _OUTCOMES | _MARKS | _ENDS | _GRADES


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """A column's plain name without the words that many have."""
    words = plain_name(name).split("_")
    return "_".join(word for word in words if word not in _FILL)


def yes(value: Any) -> bool | None:
    """What a flag says; None where it is none."""
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1, -1)):
        return value == 1
    return _ANSWERS.get(value.strip().lower()) if isinstance(value, str) else None


def speaks(name: str) -> bool:
    """Whether a column of that name may say that an answer is a bad one, or be a worse one."""
    return bool({bare(name), plain_name(name)} & _SAYING) or is_worse(name)


def is_worse(name: str) -> bool:
    """Whether a column of that name, which no list knows, may hold a worse answer."""
    plain = plain_name(name)
    return _WORSE.fullmatch(plain) is not None and plain.rpartition("_")[2] not in _NO_ANSWERS


def seen(name: str) -> bool:
    """Whether a column of that name holds what is asked besides words."""
    return plain_name(name) in _SEEN


def adds(name: str) -> bool:
    """Whether a column of that name may belong to the question beside it."""
    plain = plain_name(name)
    return plain in _MORE or _CHOICE.fullmatch(plain) is not None


def asks(name: str) -> bool:
    """Whether a column of that name asks something by itself."""
    return plain_name(name) in _ASKING


def words_of(value: Any) -> str:
    """A cell as words: a text as it stands, a list of texts line by line, of an object its first; else empty."""
    if isinstance(value, Mapping):
        return next((words for inner in value.values() if isinstance(inner, list) and (words := words_of(inner))), "")
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return value if isinstance(value, str) else ""


def holds(asked: str, value: Any) -> bool:
    """Whether a question's words hold a cell's, each text of a list somewhere."""
    texts = value if isinstance(value, list) else [words_of(value)]
    folded = " ".join(asked.split())
    return all(isinstance(one, str) and " ".join(one.split()) in folded for one in texts)


def extends(name: str) -> bool:
    """Whether a column of that name holds what is asked besides words, or how the answers begin."""
    return plain_name(name) in _SEEN or plain_name(name) in _BEGUN


def check_whole(cells: Mapping[str, Any], table: ColumnNames) -> None:
    """Refuse a row that asks with pictures or sounds, or whose answers begin in a column of their own.

    Raises:
        RowError: which column, and the mapping that says that the words of the others are all.
    """
    for name in filter(extends, cells):
        if not isinstance(cells[name], str | list | Mapping | bytes) or name in table.own:
            continue
        meanings = ("prompt", "chat", "chosen", "rejected", "answer")
        found = [(meaning, column) for meaning in meanings for column in table.of(meaning)[:1] if column in cells]
        mend = "; if the other columns are enough by themselves: --map " + ",".join(f"{m}={c}" for m, c in found)
        if plain_name(name) in _SEEN:
            raise RowError(f"{name!r} belongs to what is asked, and words are all that is read{mend if found else ''}")
        raise RowError(f"every answer begins with what stands in {name!r}; join them{mend if found else ''}")


def names_another(value: Any, columns: tuple[str, ...]) -> str | None:
    """The column that a text names, None where it is more than a name."""
    if not isinstance(value, str) or len(value) > NAME:
        return None
    return answers_named(columns).get(plain_name(value))


def check_named(cells: Mapping[str, Any], table: ColumnNames, sides: tuple[str, ...]) -> None:
    """Refuse answers that are the names of other columns with words in them: they say which of those is the better.

    Raises:
        RowError: which.
    """
    for name in sides:
        other = names_another(cells[name], tuple(cells)) if name not in table.own else None
        if other is None or other in sides or speaks(other) or not isinstance(cells[other], str | list | Mapping):
            continue
        own = next((meaning for meaning in ("rejected", "chosen") if name in table.of(meaning)), "answer")
        raise RowError(
            f"{name} is {cells[name]!r}, which names the column {other!r} and is no answer itself; say which columns "
            f"are the answers: --map response_a={other},response_b=NAME,winner={name},A={cells[name]},B=NAME; if it is "
            f"one: --map {own}={name}"
        )


def check_alone(cells: Mapping[str, Any], table: ColumnNames, read: set[str]) -> None:
    """Refuse an answer without a label of which another column says that it is a bad one, or rates it in words.

    Raises:
        RowError: which, and how it is told what it means.
    """
    for name in (name for name in cells if name not in read and name not in table.own):
        for told in _against(name, cells[name], table):
            raise RowError(told)
    empty = [name for meaning in ("label", "rating") for name in table.of(meaning) if name not in cells]
    if empty and not table.own:
        raise RowError(
            f"{empty[0]} is empty: whether the answer is a good one, nothing says; leave the row out, or the "
            "column, or name the answer's column, like --map answer=response"
        )


def _against(name: str, value: Any, table: ColumnNames) -> Iterator[str]:
    if isinstance(value, str) and verdicts.word(value) in verdicts.REFUSED:
        yield f"{name} is {value!r}; if it is of the answer, say so: --map label={name},unwanted={value}"
    if bare(name) in _PRAISE and (yes(value) is False or verdicts.wanted(value, {}) is False):
        yield f"{name} is {_spelled(value)}; if such answers are not wanted, say so: --map label={name}"
    yield from _otherwise(name, value)
    yield from _inside(name, value)
    if bare(name) in _BLAME and yes(value):
        yield (
            f"{name} is {_spelled(value)}; if such answers are not wanted, say so: "
            f"--map label={name},unwanted={_spelled(value)}"
        )
    if bare(name) in _FAULTS and isinstance(value, str) and optional(value) and yes(value) is None:
        yield f"{name} is {value[:20]!r}: the answer is what a failure left; leave the row out"
    if name in table.of("rating"):
        told = str(value)[:20]
        yield f"{name} is {told!r}, no number; say what its words mean: --map label={name},wanted=WORD,unwanted=WORD"
    elif _graded(name, value):
        yield (
            f"{name!r} rates the answer: {_BY_RATING.format(name=name)}; `judgegen judge check` takes all ratings; "
            "if it rates something else, leave the column out"
        )
    if name in table.of("ranks") and verdicts.number(value) is not None:
        yield (
            f"{name} ranks the answer among others that stand in other rows; put them into one row as a list, or leave "
            "the column out"
        )


def _otherwise(name: str, value: Any) -> Iterator[str]:
    """What an outcome, a worse answer under an unknown name, and the end of the answer say against it."""
    if plain_name(name) in _OUTCOMES and value is False:
        yield f"{name} is false; if such answers are not wanted, say so: --map label={name}"
    if is_worse(name) and not isinstance(value, int | float) and yes(value) is None and verdicts.number(value) is None:
        yield f"{name!r} may be a worse answer: --map rejected={name}; if it is none, leave the column out"
    if bare(name) in _GRADES and isinstance(value, str | int | float):
        yield (
            f"{name} is {value!r}: if it is of the answer and more is better, --map rating={name}; if a word or one "
            f"number is good, --map label={name},wanted=WORD; else leave the column out"
        )
    if plain_name(name) in _ENDS and isinstance(value, str) and verdicts.word(value) in _BROKEN:
        yield f"{name} is {value!r}: the answer is not whole; leave the row out"


def _inside(path: str, value: Any, depth: int = 3, *, rates: bool = False) -> Iterator[str]:
    """What flags inside an object say against the answer, and what it was given there."""
    rates = rates or bare(path.rpartition(".")[2]) in _MARKS | CRITERIA
    if isinstance(value, list) and rates and any(isinstance(one, Mapping) for one in value):
        yield f"{path} holds what the answer was given; put the rating that counts into a column of its own"
    if not isinstance(value, Mapping) or not depth:
        return
    for key, inner in value.items():
        name = f"{path}.{key}"
        if isinstance(inner, bool) and (inner is False if bare(key) in _PRAISE else inner and bare(key) in _BLAME):
            told = "" if inner is False else ",unwanted=true"
            yield f"{name} is {_spelled(inner)}; if such answers are not wanted, say so: --map label={name}{told}"
        elif isinstance(inner, str) and verdicts.word(inner) in verdicts.REFUSED:
            yield f"{name} is {inner!r}; if it is of the answer, say so: --map label={name},unwanted={inner}"
        elif rates and key not in _COUNTS and verdicts.number(inner) is not None:
            yield f"{name!r} rates the answer: {_BY_RATING.format(name=name)}"
        yield from _inside(name, inner, depth - 1, rates=rates)


def _graded(name: str, value: Any) -> bool:
    """Whether a number rates the answer by a criterion; of what may be a flag 0 and 1 are one."""
    rates = bare(name) in CRITERIA and verdicts.number(value) is not None
    return rates and (bare(name) not in _PRAISE or yes(value) is None)


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
