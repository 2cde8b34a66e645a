"""Results for the writer's tests: a few that can be checked by hand, and any number that nobody has seen."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from judgegen.judge import decide
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Tag, Usage
from judgegen.records import Candidate, Comparison, Label, Match, Prompt, Result, Unreadable, Verdict
from judgegen.textual import normal
from judgegen.writer.rows import Asked
from judgegen.writer.select import best_worst

DAY = "2026-11-21"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def words(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """A tokenizer one can count along with: a token per word, ten per tool."""
    return sum(len(str(message.get("content") or "").split()) for message in messages) + 10 * len(tools)


def each(texts: Sequence[str]) -> list[int]:
    """The same for texts."""
    return [len(text.split()) for text in texts]


def prompt(name: str, **given: Any) -> Prompt:
    """A question that names itself."""
    return Prompt(id=name, messages=given.pop("messages", ({"role": "user", "content": f"what is {name} ?"},)), **given)


def sampled(asked: Prompt, variant: str, answer: str | Failure, *, cost: str = "0.001", **choice: Any) -> Asked:
    """A sampler call and its answer; of one prompt and variant they differ by draw."""
    call = Call(
        endpoint="here",
        model=f"model-{variant}",
        messages=asked.messages,
        params={"max_tokens": 9, "of": asked.id},
        draw=choice.pop("draw", 0),
        tag=Tag(role="sampler", prompt_id=asked.id, variant=variant),
    )
    usage = Usage(input=10, output=5, cached=4, reasoning=1)
    if isinstance(answer, Failure):
        return call, replace(answer, usage=usage, cost=Decimal(cost), day=DAY)
    drawn = Choice(text=answer, **choice)
    return call, Reply(choices=(drawn,), usage=usage, model=f"{call.model}-0613", cost=Decimal(cost), day=DAY)


def candidate(call: Call, outcome: Outcome, refused: str | None = None) -> Candidate:
    """The candidate that a sampler call drew."""
    choice = Choice(text="", finish=outcome.reason) if isinstance(outcome, Failure) else outcome.first
    return Candidate(
        prompt_id=call.tag.prompt_id,
        variant=call.tag.variant,
        index=call.draw,
        model=call.model,
        text=choice.text,
        finish=choice.finish,
        call_id=call.id,
        settings={"max_tokens": 9},
        tool_calls=choice.tool_calls,
        refused=outcome.reason if isinstance(outcome, Failure) else refused,
    )


def judged(shown: Comparison, said: str, *, draw: int = 0, cost: str = "0.01") -> Asked:
    """A judge call and its answer."""
    asked = {"role": "user", "content": f"first: {shown.first.call_id} second: {shown.second.call_id}"}
    call = Call(
        endpoint="there",
        model="judge",
        messages=(asked,),
        params={"max_tokens": 1},
        draw=draw,
        tag=Tag(role="judge", prompt_id=shown.first.prompt_id),
    )
    usage = Usage(input=100, output=1)
    return call, Reply(choices=(Choice(text=said),), usage=usage, model="judge", cost=Decimal(cost), day=DAY)


def verdict(label: Label, *calls: Call, p: float | None = None) -> Verdict:
    """A verdict in words, or of that probability."""
    ids = tuple(call.id for call in calls)
    if p is not None:
        return Verdict(label=label, p_first=p, p_second=1 - p, p_tie=0.0, soft=True, call_ids=ids)
    first, second, tie = (float(label == name) for name in ("first", "second", "tie"))
    return Verdict(label=label, p_first=first, p_second=second, p_tie=tie, call_ids=ids)


def settled(asked: Prompt, candidates: Sequence[Candidate], matches: Sequence[Match], calls: Sequence[Asked]) -> Result:
    """What candidates and matches come to."""
    result = Result(prompt=asked, candidates=tuple(candidates), matches=tuple(matches), calls=tuple(calls))
    competing = [c for c in candidates if c.refused is None]
    if len(competing) < 2:
        return replace(result, drop="too-few", detail=f"{len(competing)} of {len(candidates)} may compete")

    def tiebreak(c: Candidate) -> str:
        return normal(c.text) + c.call_id

    ranking = decide.ranking(competing, matches, tiebreak)
    pairs, drop, detail = best_worst(ranking, matches, min_p_chosen=0.5, tiebreak=tiebreak)
    return replace(result, ranking=ranking, pairs=pairs, drop=drop, detail=detail)


def compared(asked: Prompt, drawn: Sequence[Asked], labels: Sequence[Label | None]) -> Result:
    """Two candidates, and what the judge said of each order; None is unreadable after two attempts."""
    a, b = (candidate(*one) for one in drawn)
    shown, calls = [], list(drawn)
    for display, label in zip((Comparison(first=a, second=b), Comparison(first=b, second=a)), labels, strict=True):
        attempts = [judged(display, label or "hm", draw=draw) for draw in range(1 if label else 2)]
        calls += attempts
        ids = [call for call, _ in attempts]
        unread = Unreadable(reason="no-verdict", call_ids=tuple(call.id for call in ids))
        shown.append((display, verdict(label, *ids) if label else unread))
    return settled(asked, (a, b), (decide.match(a, b, shown),), calls)


def two(asked: Prompt, better: str = "a good answer", worse: str = "bad") -> list[Asked]:
    """Two answers, the worse first."""
    return [sampled(asked, "loose", worse), sampled(asked, "terse", better)]


def known() -> list[Result]:
    """One prompt of each kind; a sampler call costs $0.001, a judge call $0.01."""
    full = prompt("p1", reference="good", metadata={"topic": "sums", "n": 1}, line=1)
    tools = prompt("p7", tools=(WEATHER,), line=7)
    called = ({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},)
    opened = prompt("p8", messages=({"role": "user", "content": "hi"}, {"role": "assistant", "content": "well"}))
    failed = prompt("p5")
    drawn = [sampled(failed, "loose", Failure(reason="content_filter", detail="no")), sampled(failed, "terse", "x")]
    waiting = prompt("p6")
    return [
        compared(full, two(full, "a good \ud800 answer", "bad\u2028one"), ("second", "first")),
        compared(p := prompt("p2"), two(p), ("tie", "tie")),
        compared(p := prompt("p3"), two(p), ("first", "first")),
        compared(p := prompt("p4"), two(p), ("second", None)),
        settled(failed, [candidate(*one) for one in drawn], (), drawn),
        Result(prompt=waiting, drop="incomplete", calls=(sampled(waiting, "loose", "so far"),)),
        compared(
            tools, [sampled(tools, "loose", "rain"), sampled(tools, "terse", "", tool_calls=called)], ("second", "tie")
        ),
        compared(opened, two(opened), ("second", "first")),
    ]


TEXTS = st.text(st.characters(), max_size=12)  # lone surrogates included
COSTS = st.decimals(min_value=0, max_value=10_000, allow_nan=False, allow_infinity=False).filter(
    lambda usd: -int(usd.as_tuple().exponent) <= 30
)
USAGES = st.builds(Usage, **{name: st.integers(0, 10**9) for name in ("input", "output", "cached", "reasoning")})


@st.composite
def generated(draw: st.DrawFn, most: int = 4) -> list[Result]:
    """Any results, in prompt order: every kind of answer, verdict and cost, calls asked twice, incomplete ones."""
    return [draw(_generated(f"p{number}")) for number in range(draw(st.integers(0, most)))]


@st.composite
def _generated(draw: st.DrawFn, name: str) -> Result:
    asked = prompt(name, reference=draw(st.none() | TEXTS), metadata=draw(st.just({}) | st.just({"k": "v"})))
    answers = draw(st.lists(st.just(Failure(reason="too_long")) | TEXTS, max_size=4))
    drawn = [_paid(draw, sampled(asked, "ab"[n % 2], _of(name, said), draw=n)) for n, said in enumerate(answers)]
    candidates = [candidate(*one, refused=draw(st.sampled_from([None, None, "empty"]))) for one in drawn]
    if draw(st.integers(0, 5)) == 0:
        return Result(prompt=asked, drop="incomplete", calls=tuple(drawn))
    calls, matches = [*drawn, *drawn[: draw(st.integers(0, 1))]], []
    for a, b in itertools.combinations([c for c in candidates if c.refused is None], 2):
        displays = (Comparison(first=a, second=b), Comparison(first=b, second=a))
        found = [_shown(draw, display) for display in displays]
        calls += [_paid(draw, one) for _, attempts in found for one in attempts]
        matches.append(decide.match(a, b, [said for said, _ in found]))
    return settled(asked, candidates, matches, calls)


def _of(name: str, said: str | Failure) -> str | Failure:
    return said if isinstance(said, Failure) else f"{name} says {said}"


def _paid(draw: st.DrawFn, one: Asked) -> Asked:
    call, outcome = one
    return call, replace(outcome, usage=draw(USAGES), cost=draw(COSTS))


def _shown(draw: st.DrawFn, display: Comparison) -> tuple[tuple[Comparison, Verdict | Unreadable], list[Asked]]:
    attempts = [judged(display, draw(TEXTS), draw=number) for number in range(draw(st.integers(1, 2)))]
    ids = [call for call, _ in attempts]
    p = draw(st.none() | st.sampled_from([0.0, 0.3, 0.5, 1.0]) | st.floats(0, 1))
    if p is None:
        return (display, Unreadable(reason="torn", call_ids=tuple(call.id for call in ids))), attempts
    label: Label = "tie" if p == 0.5 else "first" if p > 0.5 else "second"
    return (display, verdict(label, *ids, p=p)), attempts
