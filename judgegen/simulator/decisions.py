"""The known-truth world as a decision model: typed questions about one input, answered by true probabilities.

    POST /v1/decisions   {model, input: a text or messages, questions: [{type, name, instructions, choices | levels}]}
    POST /v1/systemone   {model, state: a text or JSON, questions: {name: {type, instructions, criteria}}}

A choice between labels is a verdict on the answers that carry them, the one that stands first in the input being the
one shown first, with the odds that a chat's verdict has; its third option, where there is one, is the tie. A score is
on its levels as a chat's is, a predicate (noul) true with the mean height. `unreadable_rate` of all questions are
refused, each by itself. An input that is longer than `cuts_at` tokens, questions included, is cut in silence, and
counted as it was cut: of an answer that was cut off nothing is known.

Pure; knows nothing of HTTP.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from judgegen.llm.calls import digest
from judgegen.simulator.bodies import Problem, text_of
from judgegen.simulator.lots import Lots
from judgegen.simulator.quoted import Displayed, quoted
from judgegen.simulator.verdicts import Level, Odds
from judgegen.spec import Scripted

MOST_QUESTIONS = 400
CHARACTERS_PER_TOKEN = 4
_TYPES = {"predicate": "predicate", "noul": "predicate", "choice": "choice", "score": "score"}


class Truth(Protocol):
    """What the world knows of answers."""

    @property
    def settings(self) -> Scripted:
        """Its flaws."""
        ...

    def odds(self, first: Displayed, second: Displayed) -> Odds:
        """The true probabilities of a verdict on two answers as shown."""
        ...

    def heights(self, shown: Displayed) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where on its scale a score falls, each height with its share."""
        ...


def decided(truth: Truth, body: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """The response to a body of either route, or why there is none."""
    try:
        questions = list(_questions(body))
        text = _text(body)
    except ValueError as error:
        return Problem(message=str(error), param="questions", code="invalid_value")
    cuts_at = truth.settings.cuts_at
    asked = sum(_tokens(one) for one in questions)
    seen = text if cuts_at is None else text[: max(0, cuts_at - asked) * CHARACTERS_PER_TOKEN]
    shown = quoted(seen).answers
    key = digest(dict(body))
    try:
        answers = [
            _answer(truth, one, shown, Lots("decision", truth.settings.seed, key, i)) for i, one in enumerate(questions)
        ]
    except ValueError as error:
        return Problem(message=f"Scripted: {error}", param="questions", code="invalid_value")
    tokens = -(-len(seen) // CHARACTERS_PER_TOKEN) + asked
    return {"id": key, "model": body["model"], "answers": _said(body, questions, answers), "usage": _usage(tokens)}


def _usage(tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens,
    }


def _tokens(question: Mapping[str, Any]) -> int:
    row = question["words"]
    meant = (one.get("description") for one in row.get("choices", row.get("levels")) or ())
    words = [str(row["instructions"]), *question["options"], *(str(one) for one in meant if one is not None)]
    return -(-sum(map(len, words)) // CHARACTERS_PER_TOKEN)


def _text(body: Mapping[str, Any]) -> str:
    given = body.get("state", body.get("input"))
    if not isinstance(body.get("model"), str) or given is None:
        raise ValueError("Missing required parameter: 'model', 'input' or 'state'.")
    if isinstance(given, str):
        return given
    if "state" in body:
        return json.dumps(given, ensure_ascii=False)
    return "\n\n".join(text_of(message) for message in given)


def _questions(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every question with its options, in one spelling.

    Raises:
        ValueError: one of them is none.
    """
    given = body["questions"]
    rows = [{"name": name, **one} for name, one in given.items()] if isinstance(given, Mapping) else given
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_QUESTIONS:
        raise ValueError(f"Invalid 'questions': expected 1 to {MOST_QUESTIONS} of them.")
    for row in rows:
        kind = _TYPES.get(str(row.get("type")))
        if kind is None or not row.get("instructions"):
            raise ValueError(f"Invalid question {row.get('name')!r}: expected a type and instructions.")
        options = _options(kind, row)
        if len(options) < 2:
            raise ValueError(f"Invalid question {row.get('name')!r}: expected two options at least.")
        yield {"name": row.get("name"), "type": row["type"], "kind": kind, "options": options, "words": dict(row)}


def _options(kind: str, row: Mapping[str, Any]) -> list[str]:
    if kind == "predicate":
        return ["true", "false"]
    if isinstance(criteria := row.get("criteria"), Mapping | list):
        return list(map(str, criteria))
    listed = row.get("choices", row.get("levels")) or []
    return [str(one["value"] if kind == "choice" else one["label"]) for one in listed]


def _answer(truth: Truth, question: Mapping[str, Any], shown: Sequence[Displayed], lots: Lots) -> list[float] | None:
    """The probability of each option; None where the question is refused."""
    if lots.unit() < truth.settings.unreadable_rate:
        return None
    if question["kind"] == "choice":
        return _compared(truth, question["options"], shown)
    if not shown:
        raise ValueError("the input shows no answer with a [quality 0.000] mark; a score needs one.")
    if question["kind"] == "score":
        return list(Level(values=tuple(range(len(question["options"])))).chances(truth.heights(shown[-1])).values())
    mean = math.fsum(share * height for share, height in truth.heights(shown[-1]))
    return [mean, 1 - mean]


def _compared(truth: Truth, options: Sequence[str], shown: Sequence[Displayed]) -> list[float]:
    """The odds of two answers that the first two options name; where they name none, of the two that are shown."""
    places = [next((i for i, one in enumerate(shown) if one.called(label)), None) for label in options[:2]]
    if places == [None, None] and len(shown) == 2:
        places = [0, 1]
    a, b = places
    if a is None and b is None:
        if truth.settings.cuts_at is None:
            raise ValueError("no two answers of the input carry the labels of a choice.")
        found = Odds(first=0.5, second=0.5, tie=0.0)
    elif a is None or b is None:  # what was cut off is taken for nothing
        unseen = Displayed(quality=-1.0, length=1)
        found = truth.odds(unseen if a is None else shown[a], unseen if b is None else shown[b])
    elif a < b:
        found = truth.odds(shown[a], shown[b])
    else:
        turned = truth.odds(shown[b], shown[a])
        found = Odds(first=turned.second, second=turned.first, tie=turned.tie)
    found = found if len(options) > 2 else found.without_tie()
    rest = [0.0] * max(0, len(options) - 3)
    return [found.first, found.second, *rest, *([found.tie] if len(options) > 2 else [])]


def _said(
    body: Mapping[str, Any], questions: Sequence[Mapping[str, Any]], answers: Sequence[list[float] | None]
) -> Any:
    """The answers in the words of the route."""
    both = zip(questions, answers, strict=True)
    if isinstance(body["questions"], Mapping):
        return {one["name"]: _of_system_one(one, shares) for one, shares in both}
    return [_of_decisions(one, shares) for one, shares in both]


def _of_decisions(question: Mapping[str, Any], shares: list[float] | None) -> dict[str, Any]:
    if shares is None:
        return {"type": "refusal", "name": question["name"]}
    head = {"type": question["type"], "name": question["name"]}
    both = list(zip(question["options"], shares, strict=True))
    if question["kind"] == "predicate":
        return {**head, "probability": shares[0]}
    if question["kind"] == "choice":
        rows = [{"value": value, "probability": p} for value, p in both]
        return {**head, "choice": _likeliest(both), "confidence": max(shares), "probabilities": rows}
    rows = [{"value": i, "label": label, "probability": p} for i, (label, p) in enumerate(both)]
    return {**head, "score": _mean(shares), "confidence": max(shares), "probabilities": rows}


def _of_system_one(question: Mapping[str, Any], shares: list[float] | None) -> dict[str, Any]:
    head = {"type": question["type"]}
    if shares is None:
        return {"type": "refusal"}
    both = list(zip(question["options"], shares, strict=True))
    if question["kind"] == "predicate":
        return {**head, "noul": shares[0]}
    if question["kind"] == "choice":
        return {**head, "choice": _likeliest(both), "confidence": max(shares), "probabilities": dict(both)}
    numbers = list(map(str, itertools.islice(itertools.count(), len(both))))
    told = {
        "legend": dict(zip(numbers, question["options"], strict=True)),
        "probabilities": dict(zip(numbers, shares, strict=True)),
    }
    return {**head, "score": _mean(shares), "confidence": max(shares), **told}


def _likeliest(both: Sequence[tuple[str, float]]) -> str:
    return max(both, key=lambda pair: pair[1])[0]


def _mean(shares: Sequence[float]) -> float:
    return math.fsum(i * p for i, p in enumerate(shares))
