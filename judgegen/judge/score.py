"""Reads a rubric's answer into a score. An answer that lacks an aspect, or gives one off its scale, is `Unreadable`.

Where logprobs came back, an aspect is the expected score at its token (G-Eval, arXiv 2303.16634); several answers to
one question are averaged. Knows nothing of what is asked or of other candidates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.judge.read import ENOUGH_MASS, alternatives, token_at, why
from judgegen.judge.said import Said, objects, under
from judgegen.llm import ends
from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.llm.thought import part
from judgegen.records import Score, Unreadable
from judgegen.templates import Aspect

_SCORE = re.compile(r"\s*(\d{1,3})(?:\.0{1,3})?(?:\s*/\s*(\d{1,3}))?\s*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One readable answer: mean and variance of each aspect on its own scale."""

    means: Mapping[str, float]
    variances: Mapping[str, float]


def heard(outcome: Outcome, aspects: Sequence[Aspect]) -> list[Heard | str]:
    """Every answer of one reply, or why it cannot be read."""
    if isinstance(outcome, Failure):
        return [outcome.reason]
    return [_heard(choice, aspects) for choice in outcome.choices]


def score(calls: Sequence[Call], found: Iterable[Heard | str], aspects: Sequence[Aspect]) -> Score | Unreadable:
    """The mean of all readable answers; none is Unreadable, with the last reason."""
    ids = tuple(call.id for call in calls)
    answers = list(found)
    readable = [answer for answer in answers if isinstance(answer, Heard)]
    if not readable:
        return Unreadable(reason=next((a for a in reversed(answers) if isinstance(a, str)), "empty"), call_ids=ids)
    values = [_value(answer.means, aspects) for answer in readable]
    mean = math.fsum(values) / len(values)
    # The law of total variance: within the answers, and between them.
    within = math.fsum(_variance(answer.variances, aspects) for answer in readable) / len(readable)
    between = math.fsum((value - mean) ** 2 for value in values) / len(values)
    averages = {a.name: math.fsum(answer.means[a.name] for answer in readable) / len(readable) for a in aspects}
    return Score(value=round(mean, 9), sd=round(math.sqrt(within + between), 9), aspects=averages, call_ids=ids)


def _value(means: Mapping[str, float], aspects: Sequence[Aspect]) -> float:
    whole = math.fsum(a.weight for a in aspects)
    return math.fsum(a.weight * (means[a.name] - a.levels[0]) / (len(a.anchors) - 1) for a in aspects) / whole


def _variance(variances: Mapping[str, float], aspects: Sequence[Aspect]) -> float:
    whole = math.fsum(a.weight for a in aspects)
    return math.fsum(variances[a.name] * (a.weight / whole / (len(a.anchors) - 1)) ** 2 for a in aspects)


def _heard(choice: Choice, aspects: Sequence[Aspect]) -> Heard | str:
    found = None if ends.why_cut(choice.finish) is not None else _said(choice.text)
    if found is None or found.value is None:
        return why(choice)
    said = _unwrapped(found.value, aspects)
    both: dict[str, tuple[float, float]] = {}
    for aspect in aspects:
        if len(given := under(said, aspect.name)) != 1:
            return "missing-aspect"
        if (level := _level(given[0], aspect)) is None:
            return "off-the-scale"
        both[aspect.name] = _moments(choice, aspect, level)
    return Heard(
        means={name: mean for name, (mean, _) in both.items()},
        variances={name: variance for name, (_, variance) in both.items()},
    )


def _unwrapped(said: Mapping[str, Any], aspects: Sequence[Aspect]) -> Mapping[str, Any]:
    """The object of the scores, out of the one that holds nothing but it."""
    while len(said) == 1 and not any(under(said, aspect.name) for aspect in aspects):
        (inner,) = said.values()
        if not isinstance(inner, Mapping):
            break
        said = inner
    return said


def _level(value: Any, aspect: Aspect) -> int | None:
    """A score as its scale has it: a whole number, as a number or a text, alone or of the scale's highest ("4/5")."""
    if isinstance(value, str):
        found = _SCORE.fullmatch(value)
        if found is None or (found[2] and int(found[2]) != aspect.levels[-1]):
            return None
        value = int(found[1])
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in aspect.levels:
        return None
    return int(value)


def _said(text: str) -> Said | None:
    """The one object that an answer ends with; None for anything else."""
    found = objects(text[part(text).begins :])
    if len(found) != 1 or found[0].value is None or found[0].after:
        return None
    return found[0]


def _moments(choice: Choice, aspect: Aspect, spoken: int) -> tuple[float, float]:
    """Mean and variance of an aspect by its token's distribution; of the spoken score where logprobs do not tell."""
    mass = _mass(choice, aspect)
    total = math.fsum(mass.values())
    if not ENOUGH_MASS <= total <= 1 + 1e-3:
        return float(spoken), 0.0
    mean = math.fsum(level * p for level, p in mass.items()) / total
    return mean, math.fsum(p * (level - mean) ** 2 for level, p in mass.items()) / total


def _mass(choice: Choice, aspect: Aspect) -> dict[int, float]:
    """Probability of each score at the token in which the aspect's value begins."""
    if not choice.logprobs:
        return {}
    text = "".join(entry["token"] for entry in choice.logprobs)
    begins, said = part(text).begins, _said(text)
    if said is None:
        return {}
    named = re.compile(rf'"\s*{re.escape(aspect.name)}\s*"\s*:\s*"?', re.IGNORECASE)
    places = list(named.finditer(text, begins + said.start, begins + said.end))
    found = token_at(choice.logprobs, text, places[-1].end()) if places else None
    if found is None:
        return {}
    entry, before = found
    mass: dict[int, float] = {}
    for token, logprob in alternatives(entry).items():
        rest = token.removeprefix(before) if before.strip() else token.lstrip()
        word = rest.strip().rstrip('",}').strip()
        if word.isascii() and word.isdigit() and int(word) in aspect.levels and token.startswith(before.rstrip(" ")):
            mass[int(word)] = mass.get(int(word), 0.0) + math.exp(logprob)
    return mass
