"""What reward models say of answers: a score of each by itself, and of two the P that their difference comes to.

P is the logistic of the difference (Bradley and Terry 1952, by whose likelihood such models are trained), of scores in
logits as they come, of probabilities by their logits. A score knows no order: both displays of two answers come to the
same, a tie where the scores are equal. Pure; knows nothing of who answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.judge import build, read
from judgegen.judge.build import Asking, Notes
from judgegen.judge.guard import neutral
from judgegen.llm import ends
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Tag
from judgegen.records import Candidate, Comparison, Label, Prompt, Unreadable, Verdict

EDGE = 1e-6
"""A probability is cut here before its logit is taken."""
NO_PROBABILITY = "no-probability"
"""The reason of a score beyond 0 and 1 where all are to lie between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What one model gives one answer, in logits; None where it gave nothing, for a `reason`."""

    value: float | None
    reason: str = ""
    call_ids: tuple[str, ...] = ()


def groups(among: Sequence[Candidate], asking: Asking) -> list[tuple[Candidate, ...]]:
    """The answers of each call: all are texts to one query, a conversation has one."""
    return [tuple(among)] if asking.api == "rerank" else [(one,) for one in among]


def call(prompt: Prompt, shown: Sequence[Candidate], asking: Asking, *, draw: int, notes: Notes) -> Call:
    """The call that has these answers scored."""
    answers = tuple({"role": "assistant", "content": neutral(build.answer(one))[0]} for one in shown)
    if asking.api == "pooling":
        asked = prompt.messages
    else:
        asked = asking.template.messages({**notes.values(), "request": build.request(prompt)})
    raw: dict[str, Any] = {"raw": True} if asking.rewards == "logits" else {}
    return Call(
        endpoint=asking.endpoint,
        model=asking.model,
        messages=(*asked, *answers),
        params={"api": asking.api, **raw, **asking.fixed},
        draw=draw,
        tag=Tag(role="judge", prompt_id=prompt.id, variant=asking.template.kind.variant, route=asking.route),
    )


def heard(asked: Call, outcome: Outcome, asking: Asking, count: int) -> list[Reward]:
    """The reward of each of `count` answers."""
    if isinstance(outcome, Failure):
        return [Reward(value=None, reason=outcome.reason, call_ids=(asked.id,))] * count
    nothing = Choice(text="", finish="malformed_response")
    choices = [*outcome.choices[:count], *[nothing] * (count - len(outcome.choices))]
    return [_reward(choice, asking, asked.id) for choice in choices]


def _reward(choice: Choice, asking: Asking, call_id: str) -> Reward:
    if ends.why_cut(choice.finish) is not None:
        return Reward(value=None, reason=read.why(choice), call_ids=(call_id,))
    value = number(choice.text)
    if value is not None and asking.rewards == "probabilities":
        if not 0 <= value <= 1:
            return Reward(value=None, reason=NO_PROBABILITY, call_ids=(call_id,))
        inside = min(1 - EDGE, max(EDGE, value))
        value = math.log(inside / (1 - inside))
    return Reward(value=value, reason="" if value is not None else "no-score", call_ids=(call_id,))


def number(text: str) -> float | None:
    """The number that a score's text is; None where it is none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def verdict(shown: Comparison, found: Mapping[str, Reward], asking: Asking) -> Verdict | Unreadable:
    """What two rewards say of a display; P of its swap is the mirror of its own, to the last digit."""
    first, second = found[shown.first.key], found[shown.second.key]
    ids = tuple(dict.fromkeys((*first.call_ids, *second.call_ids)))
    reasons = [one.reason for one in (first, second) if one.value is None]
    if any(one.reason == NO_PROBABILITY for one in found.values()):  # then the others are none, either
        reasons = [NO_PROBABILITY]
    if first.value is None or second.value is None or reasons:
        reason = reasons[0]
        return Unreadable(reason=reason, call_ids=ids, judge=asking.name, weight=asking.weight)
    half = 0.5 * math.tanh((first.value - second.value) / 2)
    label: Label = "first" if half > 0 else "second" if half < 0 else "tie"
    return Verdict(
        label=label,
        p_first=0.5 + half,
        p_second=0.5 - half,
        p_tie=0.0,
        soft=True,
        call_ids=ids,
        judge=asking.name,
        weight=asking.weight,
    )
