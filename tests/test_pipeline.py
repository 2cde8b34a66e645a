"""The laws of label integrity, over the whole pipeline with a judge and a sampler that can do anything."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen import pipeline, spec
from judgegen.errors import Unanswered
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Usage
from judgegen.pipeline import Plan
from judgegen.plan import run as plan
from judgegen.records import Habit, Meaning, Prompt, Result
from judgegen.textual import normal

TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted"}},
    "sampler": {
        "endpoint": "w",
        "model": "s",
        "variants": [{"name": "a", "n": 2}, {"name": "b", "temperature": {"low": 0.5, "high": 1.5}}, {"name": "c"}],
    },
    "judge": {"endpoint": "w", "model": "j", "max_attempts": 2},
}
DROPS = {"too-few", "unreadable", "unconnected", "tie", "flip", "low-p", "identical", "incomplete"}


def planned(**changes: Any) -> Plan:
    resolved = spec.parse({**TABLE, **changes})
    return plan.plan(resolved, plan.texts(resolved, Path()))


PLAN = planned()


def prompts(count: int) -> list[Prompt]:
    return [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(count)]


class Chaos:
    """Answers anything: good texts, copies, nothing, half answers, failures, verdicts clear, torn or torn up."""

    def __init__(self, seed: int, *, missing: float = 0.0, trouble: float = 0.3) -> None:
        self.seed, self.missing, self.trouble = seed, missing, trouble

    async def __call__(self, call: Call, /) -> Outcome:
        lot = random.Random(f"{self.seed}{call.id}")
        await asyncio.sleep(lot.choice([0, 0, 0.0001]))
        if lot.random() < self.missing:
            raise Unanswered("not now")
        if lot.random() < self.trouble / 5:
            return Failure(reason=lot.choice(["content_filter", "too_long"]))
        text, finish = self._judged(call, lot) if call.tag.role == "judge" else self._drawn(call, lot)
        return Reply(choices=(Choice(text=text, finish=finish),), usage=Usage(input=1, output=1))

    def _drawn(self, call: Call, lot: random.Random) -> tuple[str, str]:
        question = str(call.messages[-1]["content"])
        if lot.random() < self.trouble:
            return lot.choice([("", "stop"), ("half", "length"), (f"{question} the same", "stop"), (" \n", "stop")])
        return f"{question} answered as {lot.getrandbits(64):x} {lot.getrandbits(64):x}", "stop"

    def _judged(self, call: Call, lot: random.Random) -> tuple[str, str]:
        labels = call.params["schema"]["properties"]["verdict"]["enum"]
        if lot.random() < self.trouble:
            torn = [
                "",
                "no idea",
                '{"verdict": "',
                json.dumps({"verdict": labels[0]}) + json.dumps({"verdict": labels[1]}),
            ]
            return lot.choice(torn), "stop"
        return json.dumps({"verdict": lot.choice(labels)}), "stop"


def run(send: Any, count: int = 6, steps: Plan = PLAN, window: int = 3) -> list[Result]:
    async def main() -> list[Result]:
        return [result async for result in pipeline.results(prompts(count), steps, send, window=window)]

    return asyncio.run(main())


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(), st.floats(0, 0.9), st.sampled_from([0.0, 0.05]), st.sampled_from(["stated", "direct", "pooled"]))
def test_labels_hold_whatever_is_answered(seed: int, trouble: float, missing: float, meaning: Meaning) -> None:
    """Every prompt comes out, in order, as pairs or with a reason; no pair breaks a law."""
    steps = replace(PLAN, meaning=meaning, habits={"": Habit(consistency=0.4, home=0.3)})
    results = run(Chaos(seed, trouble=trouble, missing=missing), steps=steps)
    assert [r.prompt.id for r in results] == [f"p{i}" for i in range(6)]
    for result in results:
        assert (result.drop is None) == bool(result.pairs)
        assert result.drop is None or result.drop in DROPS
        for pair in result.pairs:
            obeys(result, pair, stated=steps.meaning == "stated")


def obeys(result: Result, pair: Any, *, stated: bool) -> None:
    """The laws of one pair: its prompt's own text, two sides, readable verdicts of both orders, no flip, no tie."""
    assert pair.chosen.prompt_id == pair.rejected.prompt_id == result.prompt.id
    assert f"question {result.prompt.id[1:]}" in pair.chosen.text
    assert normal(pair.chosen.text) != normal(pair.rejected.text)
    assert pair.chosen.refused is None
    assert pair.rejected.refused is None
    assert 0.5 < pair.p_chosen <= 1
    assert 0 < pair.margin <= 1
    assert pair.consistent is True
    (match,) = [m for m in result.matches if {m.a.key, m.b.key} == {pair.chosen.key, pair.rejected.key}]
    own = match.p_of(pair.chosen)
    assert own == pair.p_chosen if stated else own is not None and own > 0.5
    assert {(c.first.key, c.second.key) for c, _ in match.shown} == {
        (pair.chosen.key, pair.rejected.key),
        (pair.rejected.key, pair.chosen.key),
    }
    assert set(pair.verdict_calls) <= {call.id for call, _ in result.calls}


class FirstShown(Chaos):
    """A judge that always takes the first shown."""

    def _judged(self, call: Call, lot: random.Random) -> tuple[str, str]:
        return json.dumps({"verdict": call.params["schema"]["properties"]["verdict"]["enum"][0]}), "stop"


class Tied(Chaos):
    """A judge that always says tie."""

    def _judged(self, call: Call, lot: random.Random) -> tuple[str, str]:
        return json.dumps({"verdict": "tie"}), "stop"


class Mute(Chaos):
    """A judge nobody can read."""

    def _judged(self, call: Call, lot: random.Random) -> tuple[str, str]:
        return "Well.", "stop"


@pytest.mark.parametrize(("judge", "drop"), [(FirstShown, "flip"), (Tied, "tie"), (Mute, "unreadable")])
def test_a_judge_without_evidence_makes_no_pairs(judge: type[Chaos], drop: str) -> None:
    """Position alone, ties alone and noise alone are no labels."""
    results = run(judge(0, trouble=0.0))
    assert {(r.drop, r.pairs) for r in results} == {(drop, ())}


def test_an_unreadable_verdict_is_asked_again_as_a_new_call() -> None:
    """Each attempt is a call of its own; all are kept, and the limit holds."""
    for result in run(Mute(0, trouble=0.0), count=1):
        judged = [call for call, _ in result.calls if call.tag.role == "judge"]
        assert len({call.id for call in judged}) == len(judged) == 6 * 2 * 2
        assert {call.draw for call in judged} == {0, 1}
        labels = {tuple(call.params["schema"]["properties"]["verdict"]["enum"]) for call in judged}
        assert len(labels) > 1


@pytest.mark.slow
@settings(max_examples=15)
@given(st.integers(), st.sampled_from([0.0, 0.1]))
def test_neither_window_nor_arrival_changes_a_result(seed: int, missing: float) -> None:
    """One prompt at a time or all at once, in whatever order answers land."""
    assert run(Chaos(seed, missing=missing), window=1) == run(Chaos(seed, missing=missing), window=50)


def test_an_incomplete_prompt_says_nothing_else() -> None:
    """A prompt that lacks an answer has no candidates, no pairs, and keeps the calls that were answered."""
    results = run(Chaos(3, missing=0.2))
    incomplete = [r for r in results if r.drop == "incomplete"]
    assert incomplete
    assert all(not r.candidates and not r.pairs and r.ranking is None for r in incomplete)
    assert any(r.calls for r in incomplete)


def test_editing_the_judge_asks_judges_only() -> None:
    """A changed judge leaves every sampler call as it was, and changes every judge call."""
    assert PLAN.judging is not None
    (asking,) = PLAN.judging.panel
    asking = replace(asking, max_tokens=asking.max_tokens + 1)
    replaced = replace(PLAN, judging=replace(PLAN.judging, panel=(asking,)))
    before, after = run(Chaos(1, trouble=0.0)), run(Chaos(1, trouble=0.0), steps=replaced)
    for role, same in (("sampler", True), ("judge", False)):
        ids = [{c.id for r in results for c, _ in r.calls if c.tag.role == role} for results in (before, after)]
        assert (ids[0] == ids[1]) is same
        assert same or not ids[0] & ids[1]


def test_a_threshold_costs_nothing() -> None:
    """Changing what is kept asks no new call."""
    strict = planned(pairs={"min_p_chosen": 0.9})
    calls = [{c.id for r in run(Chaos(2), steps=steps) for c, _ in r.calls} for steps in (PLAN, strict)]
    assert calls[0] == calls[1]


def test_one_order_asks_half() -> None:
    """With orders = "one" each comparison is shown once, and consistency is unknown."""
    single = planned(judge={**TABLE["judge"], "orders": "one"})
    results = run(Chaos(2, trouble=0.0), steps=single)
    assert all(len(m.shown) == 1 and m.consistent is None for r in results for m in r.matches)


def test_n_in_one_call_makes_the_same_number_of_candidates() -> None:
    """Whether the endpoint gives all, some or one of the choices asked for, n candidates are drawn."""
    variants = [{"name": "a", "n": 3, "n_in_one_call": True}, {"name": "b"}]
    steps = planned(sampler={**TABLE["sampler"], "variants": variants})

    class Choosy(Chaos):
        """Gives at most two choices a call."""

        async def __call__(self, call: Call, /) -> Outcome:
            outcome = await super().__call__(call)
            if call.params.get("n") and isinstance(outcome, Reply):
                return replace(outcome, choices=tuple(Choice(text=f"{outcome.first.text} {i}") for i in range(2)))
            return outcome

    for result in run(Choosy(1, trouble=0.0), steps=steps):
        assert [c.key for c in result.candidates] == ["a/0", "a/1", "a/2", "b/0"]
        assert sum(call.tag.role == "sampler" for call, _ in result.calls) == 3
