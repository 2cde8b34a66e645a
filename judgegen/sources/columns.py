"""What the columns of a table say, by their names: one table for prompts, preferences, labelled comparisons and frames.

Names count without case, blanks, hyphens and dots: `Rejected Response` is `rejected_response`. A mapping of one's own
goes before the table. Knows nothing of what stands in the cells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

SCORES = (
    *("score", "rating", "avg_rating", "average_rating", "mean_rating", "overall_rating", "overall_score"),
    *("mean_score", "reward", "quality", "helpfulness"),
)
COUNTS = ("votes", "upvotes", "wins", "likes")
"""How many were for an answer, beside what they had to choose from."""
CRITERIA = frozenset(
    "relevance coherence fluency consistency empathy surprise engagement complexity correctness verbosity creativity "
    "clarity accuracy factuality groundedness completeness conciseness depth truthfulness honesty scores ratings "
    "instruction_following faithfulness relevancy answer_relevancy answer_relevance answer_correctness "
    "answer_similarity semantic_similarity factual_correctness exact_match".split()
) | frozenset(SCORES)
"""Names of columns that rate an answer, by one criterion or all in all."""
MEANINGS: dict[str, tuple[str, ...]] = {
    "chat": (
        "messages",
        "conversations",
        "conversation",
        "dialogue",
        "dialog",
        "convo",
        "context",
        "contents",
        "turns",
        "trajectory",
    ),
    "prompt": (
        *("prompt", "instruction", "question", "query", "problem", "user_query", "user_input", "user_prompt"),
        *("user_message", "user", "input", "request", "text", "history", "post"),
    ),
    "system": (
        *("system", "system_prompt", "system_message", "system_instruction", "sys_prompt", "system_instructions"),
        *("system_msg", "sys_message", "sys_msg", "system_text", "system_content", "custom_system_prompt"),
    ),
    "tools": ("tools", "functions"),
    "chosen": (
        *("chosen", "chosen_response", "chosen_answer", "chosen_output", "chosen_completion", "chosen_text"),
        *("chosen_messages", "chosen_message", "response_chosen", "answer_chosen", "preferred", "preferred_output"),
        "preferred_response",
        *("preferred_answer", "better", "better_response", "better_answer", "good", "good_response", "good_answer"),
        *("accepted", "accepted_response", "best_response", "winning_response", "positive", "positive_response"),
        *("chosen_conversations", "chosen_conversation"),
    ),
    "rejected": (
        *("rejected", "rejected_response", "rejected_answer", "rejected_output", "rejected_completion"),
        *("rejected_text", "rejected_messages", "rejected_message", "response_rejected", "answer_rejected"),
        "non_preferred",
        *("non_preferred_output", "nonpreferred_output", "dispreferred", "dispreferred_output", "unpreferred"),
        *("dispreferred_response", "non_preferred_response", "non_preferred_answer", "worse", "worse_response"),
        *("worse_answer", "bad", "bad_response", "bad_answer", "wrong", "wrong_answer", "worst_response"),
        *("losing_response", "negative", "negative_response", "rejected_conversations", "rejected_conversation"),
    ),
    "answer": (
        *("answer", "response", "output", "completion", "assistant", "assistant_response", "model_response"),
        *("generated_response", "generated_text", "generation", "model_output", "reply"),
    ),
    "reference": ("reference", "reference_answer"),
    "answers": (
        *("completions", "responses", "answers", "generations", "candidates", "samples", "outputs", "summaries"),
        *("all_generated_responses", "candidates_completions"),
    ),
    "scores": ("scores", "ratings", "rewards", "rating", "overall_scores", "all_rm_scores"),
    "ranks": ("ranks", "ranking", "rankings", "rank"),
    "winner": (
        *("winner", "votes", "vote", "preference", "choice", "verdict", "label", "labels", "overall_preference"),
        *("preference_strength", "better_response_id", "safer_response_id", "human_preference", "human_label"),
        *("preferred", "preferred_response", "preferred_answer", "better", "better_response", "better_answer", "best"),
        *("selected", "choose_best", "judgment", "majority_vote", "gold_label", "chosen", "comparison"),
        *("winner_model", "winning_model", "preferred_model", "chosen_model", "chosen_model_name"),
    ),
    "label": (
        *("label", "kto_tag", "is_correct", "correct", "is_chosen", "is_preferred", "desirable", "is_desirable"),
        *("thumbs_up", "is_good", "is_accepted", "wanted"),
    ),
    "rating": ("helpfulness", *(name for name in SCORES if name != "helpfulness"), "stars"),
    "turn": ("turn",),
    "margin": ("margin",),
    "p_chosen": ("p_chosen",),
    "id": ("prompt_id",),
}
"""Meanings, each with the names of the columns that may have it, the likeliest first."""

STRENGTHS = {"overall_preference": 3.0, "preference_strength": 3.0}
"""Labels with a strength, negative where the first answer is better, and the strongest there is."""

_STEMS = (
    "response answer output completion conversation generation summary reply candidate human_ref assistant "
    "assistant_response continuation model_output model_response result messages conv"
).split()
_TOKENS = ("a b", "0 1", "1 2", "left right", "first second", "one two")
_TOKEN = "|".join(dict.fromkeys(" ".join(_TOKENS).split())) + r"|[3-9]|[1-9]\d{1,2}"
_STEM = "|".join(sorted(_STEMS, key=len, reverse=True))
_SIDE = re.compile(
    rf"(?:(?P<stem>{_STEM})s?_?(?:model_)?(?P<token>{_TOKEN}))|(?:(?:model_)?(?P<t>{_TOKEN})_(?P<s>{_STEM}))"
)
_NAMED = re.compile(rf"(\w+?)_(?:{_STEM}|text)|(?:{_STEM}|option|choice)_(\w+)")
_BLANKS = re.compile(r"[\s.\-]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Mapped = tuple[tuple[str, str], ...]
"""A mapping of one's own: (meaning, column), as it can be a key."""
MAPPABLE = ("prompt", "system", "chosen", "rejected", "answer", "reference", "tools", "label", "rating", "winner")
SIDES = ("response_a", "response_b")
VALUES = ("A", "B", "tie", "wanted", "unwanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """Columns with answers to one prompt that are numbered or lettered: `tokens` are a, b or 0, 1 or 1, 2 and so on."""

    columns: tuple[str, ...]
    tokens: tuple[str, ...]
    stem: str

    @property
    def numbered_from(self) -> int | None:
        """The number of the first, None where they are lettered."""
        return int(self.tokens[0]) if self.tokens[0].isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNames:
    """What the columns of a row may say.

    Attributes:
        by: meaning to columns, the likeliest first.
        plain: the column of each plain name ("rejected_response").
        several: answers in lettered or numbered columns, None where there are none.
        twins: columns whose plain name another has, with that one.
        side_scores: columns with a score of the chosen and one of the rejected side, or of each of `several`.
        side_ranks: the same for ranks, of which 1 is best.
        side_models: the same for the names of models.
        own: the columns that a mapping names.
        values: what a value of the winner's or the label's column means, where a mapping says so.
    """

    by: Mapping[str, tuple[str, ...]]
    plain: Mapping[str, str]
    several: Several | None
    twins: tuple[tuple[str, str], ...] = ()
    side_scores: tuple[tuple[str, ...], ...] = ()
    side_ranks: tuple[tuple[str, ...], ...] = ()
    side_models: tuple[str | None, ...] = ()
    own: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)

    def of(self, meaning: str) -> tuple[str, ...]:
        """The columns that may have a meaning."""
        return self.by.get(meaning, ())


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A column's name without what does not count in it."""
    return _BLANKS.sub("_", _HUMP.sub("_", name.strip())).lower()


@lru_cache(maxsize=4096)
def known(names: tuple[str, ...], mapped: Mapped = ()) -> ColumnNames:
    """What the columns `names` may say."""
    own = dict(mapped)
    values = {value: key for key, value in own.items() if key in VALUES}
    taken = {column: meaning for meaning, column in own.items() if meaning not in VALUES}
    plain = {plain_name(name): name for name in reversed(names) if name not in taken}
    by = {meaning: tuple(plain[n] for n in table if n in plain) for meaning, table in MEANINGS.items()}
    by |= {meaning: (column,) for column, meaning in taken.items() if meaning not in SIDES}
    several = _several(plain)
    if set(SIDES) <= set(own):
        several = Several(columns=(own["response_a"], own["response_b"]), tokens=("a", "b"), stem="response")
    tokens = several.tokens if several else ("chosen", "rejected")
    stem = several.stem if several else "response"
    return ColumnNames(
        by={meaning: columns for meaning, columns in by.items() if columns},
        plain=plain,
        several=several,
        twins=tuple((name, plain[plain_name(name)]) for name in names if plain.get(plain_name(name), name) != name),
        side_scores=tuple(_attributes(plain, (*SCORES, *COUNTS), tokens, stem)),
        side_ranks=tuple(_attributes(plain, ("rank", "ranking"), tokens, stem)),
        side_models=next(iter(_attributes(plain, ("model", "model_name"), tokens, stem, most=True)), ()),
        own=frozenset(taken),
        values=values,
    )


@lru_cache(maxsize=4096)
def answers_named(names: tuple[str, ...]) -> Mapping[str, str]:
    """The columns that nobody knows, by their names as a label may say them: `llama_response` is also `llama`."""
    table = known(names)
    meant = {name for meaning, columns in table.by.items() if meaning not in ("answer", "winner") for name in columns}
    found = {}
    for plain, name in table.plain.items():
        if name not in meant:
            found[plain] = name
            if hit := _NAMED.fullmatch(plain):
                found[hit[1] or hit[2]] = name
    return found


def _several(plain: Mapping[str, str]) -> Several | None:
    """The first stem that two or more columns have."""
    found: dict[str, dict[str, str]] = {}
    for name, column in plain.items():
        if hit := _SIDE.fullmatch(name):
            stem, token = hit["stem"] or hit["s"], hit["token"] or hit["t"]
            found.setdefault(stem, {})[token] = column
    for stem in _STEMS:
        for pair in _TOKENS:
            first, second = pair.split()
            sides = found.get(stem, {})
            if first in sides and second in sides:
                tokens = _counted(sides, first) if first.isdigit() else (first, second)
                return Several(columns=tuple(sides[token] for token in tokens), tokens=tokens, stem=stem)
    return None


def _counted(sides: Mapping[str, str], first: str) -> tuple[str, ...]:
    """Numbers without a gap from the first on."""
    number = int(first)
    while str(number) in sides:
        number += 1
    return tuple(str(n) for n in range(int(first), number))


def _attributes(
    plain: Mapping[str, str], words: Sequence[str], tokens: Sequence[str], stem: str, *, most: bool = False
) -> list[tuple[str, ...]]:
    """For each word the columns that say it of every token; `most`: of any."""
    found = []
    for word in words:
        spelled = [_spelled(word, token, stem) for token in tokens]
        row = [next((plain[name] for name in names if name in plain), None) for names in spelled]
        if all(row) or (most and any(row)):
            found.append(tuple(row))
    return found  # type: ignore[return-value]  # None only with `most`, which is said where it is kept


def _spelled(word: str, token: str, stem: str) -> tuple[str, ...]:
    forms = (f"{word}_{token}", f"{token}_{word}", f"{word}{token}", f"{stem}_{token}_{word}", f"{word}_{stem}_{token}")
    head, _, tail = word.partition("_")
    between = (f"{head}_{token}_{tail}",) if tail else ()
    return (*forms, f"{stem}{token}_{word}", f"{word}_model_{token}", f"{word}s_{token}", *between)
