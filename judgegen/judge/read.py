"""Reads an outcome into a verdict. What cannot be read is `Unreadable`, never a tie.

The label is read only from where it was asked for: a JSON object with a `verdict`, or a reply that is nothing but a
label. Where logprobs came back, the probability of each label is read at the verdict's token (G-Eval, arXiv
2303.16634; averaging distributions beats counting verdicts, arXiv 2503.03064).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.judge.guard import Frame
from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.records import Label, Unreadable, Verdict

ENOUGH_MASS = 0.5
"""Probability on the three labels below which it is no distribution over verdicts; the spoken label counts then."""

_NAMES: tuple[Label, Label, Label] = ("first", "second", "tie")
_OBJECT = re.compile(r"\{[^{}]*\}")
_PLACE = re.compile(r'"verdict"\s*:\s*"')


def verdict(
    call: Call, outcome: Outcome, shown: Frame, *, before: tuple[str, ...] = (), judge: str = "", weight: float = 1.0
) -> Verdict | Unreadable:
    """The verdict of one reply, in display order; `before` are the calls whose answers could not be read."""
    ids = (*before, call.id)
    spoken = None if isinstance(outcome, Failure) else label(outcome.first.text, shown)
    if isinstance(outcome, Failure) or spoken is None:
        reason = outcome.reason if isinstance(outcome, Failure) else why(outcome.first)
        return Unreadable(reason=reason, call_ids=ids, judge=judge, weight=weight)
    p = probabilities(outcome.first, shown)
    soft = p is not None
    p = p or [float(name == spoken) for name in _NAMES]
    likeliest = max(zip(p, _NAMES, strict=True), key=lambda pair: (pair[0], pair[1] == spoken))[1]
    return Verdict(
        label=likeliest,
        p_first=p[0],
        p_second=p[1],
        p_tie=p[2],
        soft=soft,
        call_ids=ids,
        judge=judge,
        weight=weight,
    )


def why(choice: Choice) -> str:
    """Why a reply gives nothing that can be read."""
    if choice.finish == "length":
        return "truncated"
    if choice.finish in ("content_filter", "refusal"):
        return choice.finish.replace("_", "-")
    return "no-verdict" if choice.text.strip() else "empty"


def label(text: str, shown: Frame) -> Label | None:
    """Which label a reply gives; None where it gives none, or two that differ."""
    whole = _said(text)
    said = {whole} if whole is not None else {v for v in map(_said, _OBJECT.findall(text)) if v is not None}
    if not said:
        said = {text.strip().strip("\"'`*[]().").strip()}
    found: set[Label] = {name for name, word in zip(_NAMES, shown.labels, strict=True) if word in said}
    return found.pop() if len(found) == 1 and len(said) == 1 else None


def text(outcome: Outcome) -> str | None:
    """The whole text of a reference or a checklist; None for a failure, an empty answer or one that was cut off."""
    if isinstance(outcome, Failure) or outcome.first.finish != "stop":
        return None
    return outcome.first.text.strip() or None


def _said(text: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    value = found.get("verdict") if isinstance(found, dict) else None
    return value.strip() if isinstance(value, str) else None


def probabilities(choice: Choice, shown: Frame) -> list[float] | None:
    """P(first), P(second), P(tie) at the verdict's token, summing to 1; None where logprobs do not tell."""
    if not choice.logprobs:
        return None
    found = _verdict_token(choice.logprobs)
    if found is None:
        return None
    entry, before = found
    mass = dict.fromkeys(shown.labels, 0.0)
    for token, logprob in alternatives(entry).items():
        if (word := _stands_for(token, before, shown.labels)) is not None:
            mass[word] += math.exp(logprob)
    total = math.fsum(mass.values())
    if not ENOUGH_MASS <= total <= 1 + 1e-3:
        return None
    return [mass[word] / total for word in shown.labels]


def alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    """Token to logprob, the sampled token included where the server left it out of the top."""
    found = {alternative["token"]: alternative["logprob"] for alternative in entry.get("top_logprobs") or ()}
    return {entry["token"]: entry["logprob"], **found}


def _verdict_token(tokens: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], str] | None:
    """The token in which the verdict's label begins, and what of that token stands before the label."""
    text = "".join(entry["token"] for entry in tokens)
    places = list(_PLACE.finditer(text))
    at = places[-1].end() if places else len(text) - len(text.lstrip(" \n\"'`*[("))
    return token_at(tokens, text, at)


def token_at(tokens: Sequence[Mapping[str, Any]], text: str, at: int) -> tuple[Mapping[str, Any], str] | None:
    """The token that covers character `at` of `text`, all tokens joined, and what of that token stands before it."""
    start = 0
    for entry in tokens:
        end = start + len(entry["token"])
        if start <= at < end:
            return entry, text[start:at]
        start = end
    return None


def _stands_for(token: str, before: str, labels: Sequence[str]) -> str | None:
    """The label that an alternative token begins, None for anything else."""
    rest = token.removeprefix(before) if before.strip() else token.lstrip()
    word = rest.strip().rstrip("\"'}")
    if not word or (before.strip() and not token.startswith(before)):
        return None
    fitting = [name for name in labels if name == word or (len(word) < len(name) and name.startswith(word))]
    return fitting[0] if len(fitting) == 1 else None
