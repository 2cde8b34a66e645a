"""The laws of label integrity for every schedule, early stop, third opinion and selection, over the whole pipeline."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen import pipeline, spec
from judgegen.errors import SpecError
from judgegen.judge.decide import winner
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.pipeline import Plan
from judgegen.plan import run as plan
from judgegen.records import Prompt, Result, Verdict
from judgegen.run.estimate import count
from judgegen.textual import normal

TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted", "price": {"input": 1, "output": 1}}},
    "sampler": {
        "endpoint": "w",
        "model": "s",
        "variants": [
            {"name": "a", "n": 2},
            {"name": "b", "temperature": {"low": 0.5, "high": 1.5}, "n": 2},
            {"name": "c", "temperature": 0.2},
        ],
    },
    "judge": {"endpoint": "w", "model": "j", "max_attempts": 2},
}
JUDGES: list[dict[str, Any]] = [
    {"schedule": schedule, **more}
    for schedule in ("round-robin", "min-max", "swiss")
    for more in ({}, {"orders": "one"}, {"early_stop": 0.8}, {"third": {"model": "k"}, "early_stop": 0.9})
]
SELECTS: list[dict[str, Any]] = [
    {},
    {"select": "best-mu-2sigma"},
    {"select": "best-random", "require_consistent": False},
    {"select": "all-above-margin", "min_margin": 0.3, "length_correction": 0.5},
]


def planned(judge: dict[str, Any] | None = None, pairs: dict[str, Any] | None = None, **more: Any) -> Plan:
    resolved = spec.parse({**TABLE, "judge": {**TABLE["judge"], **(judge or {})}, "pairs": pairs or {}, **more})
    return plan.plan(resolved, plan.texts(resolved, Path()))


def prompts(count: int = 3) -> list[Prompt]:
    return [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(count)]


class Judge:
    """A soft judge of scripted mood, whose answers depend on the call alone and arrive in any order."""

    def __init__(self, seed: int, *, trouble: float = 0.1, arrival: int = 0) -> None:
        self.seed, self.trouble, self.arrival = seed, trouble, arrival

    async def __call__(self, call: Call, /) -> Outcome:
        for _ in range(random.Random(f"{self.arrival}{call.id}").choice([0, 1, 3])):
            await asyncio.sleep(0)
        lot = random.Random(f"{self.seed}{call.id}")
        if call.tag.role == "sampler":
            text = f"{call.messages[-1]['content']} answered as {lot.getrandbits(lot.choice([99, 999, 3999])):x}"
            return Reply(choices=(Choice(text=text),), usage=Usage(input=1, output=1))
        labels = call.params["schema"]["properties"]["verdict"]["enum"]
        if lot.random() < self.trouble:
            return Reply(choices=(Choice(text="Well."),), usage=Usage())
        p = [lot.choice([0.02, 0.3, 0.6, 0.9]) for _ in labels]
        p = [x / sum(p) for x in p]
        said = labels[p.index(max(p))]
        top = [{"token": word, "logprob": math.log(x)} for word, x in zip(labels, p, strict=True)]
        tokens = (
            {"token": '{"verdict": "', "logprob": 0.0, "top_logprobs": []},
            {"token": said, "logprob": math.log(max(p)), "top_logprobs": top},
            {"token": '"}', "logprob": 0.0, "top_logprobs": []},
        )
        return Reply(choices=(Choice(text=json.dumps({"verdict": said}), logprobs=tokens),), usage=Usage())


def run(send: Any, steps: Plan, window: int = 2) -> list[Result]:
    async def main() -> list[Result]:
        return [result async for result in pipeline.results(prompts(), steps, send, window=window)]

    return asyncio.run(main())


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.sampled_from(JUDGES), st.sampled_from(SELECTS), st.integers(), st.sampled_from([0.0, 0.3, 0.9]))
def test_labels_hold_for_every_schedule_and_selection(
    judge: dict[str, Any], pairs: dict[str, Any], seed: int, trouble: float
) -> None:
    """A pair or a reason; two different texts of the prompt's own; every readable call counted; nothing asked twice."""
    for result in run(Judge(seed, trouble=trouble), planned(judge, pairs)):
        assert (result.drop is None) == bool(result.pairs)
        assert max(Counter(call.id for call, _ in result.calls).values()) == 1
        for pair in result.pairs:
            assert f"question {result.prompt.id[1:]} answered" in pair.chosen.text
            assert normal(pair.chosen.text) != normal(pair.rejected.text)
            assert pair.p_chosen is not None
            assert 0.5 < pair.p_chosen <= 1
            assert pair.margin is not None
            assert 0 < pair.margin <= 1
            assert pair.consistent is not False or pairs.get("require_consistent") is False
            assert pair.verdict_calls
            assert set(pair.verdict_calls) <= {call.id for call, _ in result.calls}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(JUDGES), st.sampled_from(SELECTS), st.integers())
def test_arrival_changes_nothing(judge: dict[str, Any], pairs: dict[str, Any], seed: int) -> None:
    """In whatever order answers land, and however many prompts are under way, the results are the same."""
    steps = planned(judge, pairs)
    assert run(Judge(seed, arrival=1), steps, window=1) == run(Judge(seed, arrival=2), steps, window=9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(JUDGES), st.sampled_from(SELECTS), st.integers(), st.permutations([0, 1, 2]))
def test_the_order_of_variants_changes_nothing_but_its_own(
    judge: dict[str, Any], pairs: dict[str, Any], seed: int, order: list[int]
) -> None:
    """Candidates in another order meet the same others, and the same pairs come out."""
    variants = [TABLE["sampler"]["variants"][i] for i in order]
    permuted = planned(judge, pairs, sampler={**TABLE["sampler"], "variants": variants})
    for one, other in zip(run(Judge(seed), planned(judge, pairs)), run(Judge(seed), permuted), strict=True):
        assert {call.id for call, _ in one.calls} == {call.id for call, _ in other.calls}
        assert [{(p.chosen.key, p.rejected.key, p.p_chosen, p.margin) for p in r.pairs} for r in (one,)] == [
            {(p.chosen.key, p.rejected.key, p.p_chosen, p.margin) for p in r.pairs} for r in (other,)
        ]
        assert one.drop == other.drop


@pytest.mark.parametrize("trouble", [0.0, 0.5])
def test_min_max_makes_exactly_so_many_comparisons(trouble: float) -> None:
    """Five candidates meet in ceil(15/2) - 2 = 6 comparisons instead of 10, each in both orders."""
    for result in run(Judge(1, trouble=trouble), planned({"schedule": "min-max"})):
        assert len(result.matches) == 6
        assert all(len(match.shown) == 2 for match in result.matches)
        assert result.judging == {
            "comparisons": 6,
            "of_every_two": 10,
            "settled_by_one_order": 0,
            "third_opinions": 0,
            "escalated": 0,
            "escalations_saved": 0,
            "verdicts_saved": 8,
        }


def test_an_early_stop_asks_the_second_order_where_the_first_is_not_sure() -> None:
    """One display where P(winner) is at the threshold, both where not; the first is drawn by lot."""
    shown = [m.shown for r in run(Judge(5, trouble=0.0), planned({"early_stop": 0.7})) for m in r.matches]
    sure = [max(s[0][1].share, 1 - s[0][1].share) >= 0.7 for s in shown]  # type: ignore[union-attr]
    assert [len(s) == 1 for s in shown] == sure
    assert 0 < sum(sure) < len(sure)
    assert len({s[0][0].first.key < s[0][0].second.key for s in shown}) == 2


def test_a_third_opinion_is_asked_on_conflict_only() -> None:
    """Another model sees the comparisons whose orders conflict, once each, and no others."""
    for result in run(Judge(8, trouble=0.0), planned({"third": {"model": "k"}})):
        thirds = [call for call, _ in result.calls if call.model == "k"]
        assert len(thirds) == sum(len(m.shown) == 3 for m in result.matches)
        for match in result.matches:
            if len(match.shown) == 3:
                comparison, verdict = match.shown[2]
                assert isinstance(verdict, Verdict)
                assert (match.consistent is None) == (winner(comparison, verdict) is not None)
        assert all(m.consistent is True for m in result.matches if len(m.shown) == 2)


def test_delta_asks_no_judge() -> None:
    """Pairs from the stronger variant over the weaker, without a judge in the run file or in the calls."""
    table = {**TABLE, "pairs": {"select": "delta", "stronger": "b", "weaker": "c"}}
    del table["judge"]
    resolved = spec.parse(table)
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    for result in run(Judge(1), steps):
        ((pair,), calls) = result.pairs, result.calls
        assert (pair.chosen.key, pair.rejected.key, pair.p_chosen) == ("b/0", "c/0", None)
        assert {call.tag.role for call, _ in calls} == {"sampler"}


@pytest.mark.parametrize("judge", JUDGES)
def test_an_estimate_counts_at_least_what_is_asked(judge: dict[str, Any]) -> None:
    """The expected calls of a schedule are those of a run in which nothing is settled early."""
    resolved = spec.parse({**TABLE, "judge": {**TABLE["judge"], **judge}})
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    found = count(resolved, steps, prompts(), None, partial(pipeline.through, plan=steps))
    asked = [call for r in run(Judge(2, trouble=0.0), steps) for call, _ in r.calls if call.tag.role == "judge"]
    comparisons = {"round-robin": 10, "min-max": 6, "swiss": 6}[judge["schedule"]]
    orders = 1 if judge.get("orders") == "one" else 2
    first = next(row.calls for row in found.rows if (row.role, row.model) == ("judge", "j"))
    assert first == 3 * comparisons * orders
    assert len([c for c in asked if c.model == "j"]) <= first


BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"orders": "one", "early_stop": 0.9}, {}, "early_stop is about a second order"),
    ({"orders": "one", "third": {"model": "x"}}, {}, "third is about a second order"),
    ({"third": {}}, {}, "judge.third: name another model"),
    ({"third": {"model": "x", "endpoint": "nowhere"}}, {}, "judge.third.endpoint = 'nowhere'"),
    ({"early_stop": 0.4}, {}, "judge.early_stop"),
    ({"early_stop": 0.9, "logprobs": False}, {}, "logprobs = false asks for none; samples = 8 can reach 0.9"),
    ({"early_stop": 0.9, "model": "gpt-6.1-sol"}, {}, "gpt-6.1-sol gives no logprobs; samples = 8 can reach 0.9"),
    ({"early_stop": 0.9, "model": "gpt-6.1-sol", "samples": 3}, {}, "samples = 3 of one mind make it 0.8"),
    ({"early_stop": 0.5, "panel": [{"model": "o3"}]}, {}, "o3 gives no logprobs"),
    ({"early_stop": 1.0, "logprobs": False, "samples": 64}, {}, "make it 0.985; or remove early_stop"),
    ({"schedule": "elo"}, {}, "judge.schedule"),
    ({}, {"select": "delta"}, "needs stronger and weaker"),
    ({}, {"stronger": "a", "weaker": "b"}, "are for select"),
    ({}, {"select": "delta", "stronger": "a", "weaker": "z"}, "pairs.weaker = 'z' is not one of the variants"),
    ({"model": ""}, {}, "missing key 'judge.model'"),
]


@pytest.mark.parametrize(("judge", "pairs", "message"), BAD)
def test_what_does_not_fit_together_is_refused(judge: dict[str, Any], pairs: dict[str, Any], message: str) -> None:
    """No flag is read and ignored: what cannot be done is said before the run."""
    with pytest.raises(SpecError) as caught:
        planned(judge, pairs)
    assert message in str(caught.value)
