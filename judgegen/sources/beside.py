"""What the columns beside an answer say against taking it as a wanted one, or against its question being words alone.

A column counts by its name without what does not tell it from others: `response_is_safe` is `safe`. Knows nothing of
how answers are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from judgegen.sources import verdicts
from judgegen.sources.columns import CRITERIA, ColumnNames, plain_name
from judgegen.sources.rows import RowError
from judgegen.sources.spellings import optional

_FILL = frozenset("is was are has have had if the answer response completion output model assistant final".split())
_PRAISE = frozenset(
    "safe harmless helpful valid factual true correctness verified approved accepted passed pass accurate high_quality "
    "liked upvoted acceptable success successful succeeded resolved solved chosen preferred selected good".split()
)
"""Names that, where they are false, say of an answer that it is a bad one."""
_BLAME = frozenset(
    "toxic harmful unsafe hallucination hallucinated hallucinations jailbroken bad wrong incorrect failed failure spam "
    "flagged deleted discarded rejected offensive low_quality error errored exception error_message".split()
)
"""Names that, where they are true, say it."""
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


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """A column's plain name without the words that many have."""
    words = plain_name(name).split("_")
    return "_".join(word for word in words if word not in _FILL)


def yes(value: Any) -> bool | None:
    """What a flag says; None where it is none."""
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    return _ANSWERS.get(value.strip().lower()) if isinstance(value, str) else None


def speaks(name: str) -> bool:
    """Whether a column of that name may say that an answer is a bad one."""
    return bare(name) in _PRAISE or bare(name) in _BLAME or bare(name) in CRITERIA


def seen(name: str) -> bool:
    """Whether a column of that name holds what is asked besides words."""
    return plain_name(name) in _SEEN


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
    if bare(name) in _PRAISE and yes(value) is False:
        yield f"{name} is {_spelled(value)}; if such answers are not wanted, say so: --map label={name}"
    if bare(name) in _BLAME and yes(value):
        yield (
            f"{name} is {_spelled(value)}; if such answers are not wanted, say so: "
            f"--map label={name},unwanted={_spelled(value)}"
        )
    if bare(name) in _FAULTS and isinstance(value, str) and optional(value) and yes(value) is None:
        yield f"{name} is {value[:20]!r}: the answer is what a failure left; leave the row out"
    if name in table.of("rating"):
        told = str(value)[:20]
        yield f"{name} is {told!r}, no number; say what it means: --map label={name},wanted={told}"
    elif _graded(name, value):
        yield (
            f"{name!r} rates the answer: pairs go by one rating, --map rating={name}, and `judgegen "
            "judge check` takes all; if it rates something else, leave the column out"
        )
    if name in table.of("ranks") and verdicts.number(value) is not None:
        yield (
            f"{name} ranks the answer among others that stand in other rows; put them into one row as a list, or leave "
            "the column out"
        )


def _graded(name: str, value: Any) -> bool:
    """Whether a number rates the answer by a criterion; of what may be a flag 0 and 1 are one."""
    rates = bare(name) in CRITERIA and verdicts.number(value) is not None
    return rates and (bare(name) not in _PRAISE or yes(value) is None)


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
