"""Several votes where a verdict has no logprobs: what they come to, what is asked for them, and when it is enough."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen import pipeline, spec
from judgegen.judge.decide import winner
from judgegen.judge.read import vote
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.plan import run as plan
from judgegen.records import Label, Prompt, Result, Unreadable, Verdict

TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted", "price": {"input": 1, "output": 1}}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 3}]},
    "judge": {"endpoint": "w", "model": "j", "max_attempts": 2},
}
LABELS: tuple[Label, ...] = ("first", "second", "tie")


def said(label: Label) -> Verdict:
    return Verdict(label=label, p_first=label == "first", p_second=label == "second", p_tie=label == "tie")


class Judge:
    """A judge without logprobs, of another mind each time it is asked, as its call alone decides."""

    def __init__(self, seed: int, *, first: float = 0.7, trouble: float = 0.0, logprobs: bool = False) -> None:
        self.seed, self.first, self.trouble, self.logprobs = seed, first, trouble, logprobs

    async def __call__(self, call: Call, /) -> Outcome:
        lot = random.Random(f"{self.seed}{call.id}")
        if call.tag.role == "sampler":
            return Reply(choices=(Choice(text=f"answer {lot.random()}"),), usage=Usage())
        if lot.random() < self.trouble:
            return Reply(choices=(Choice(text="Well."),), usage=Usage())
        labels = call.params["schema"]["properties"]["verdict"]["enum"]
        word = labels[0] if lot.random() < self.first else lot.choice(labels[1:])
        top = [{"token": name, "logprob": -0.1 if name == word else -3.05} for name in labels]
        tokens = (
            {"token": '{"verdict": "', "logprob": 0.0, "top_logprobs": []},
            {"token": word, "logprob": -0.1, "top_logprobs": top},
            {"token": '"}', "logprob": 0.0, "top_logprobs": []},
        )
        text = json.dumps({"verdict": word})
        return Reply(choices=(Choice(text=text, logprobs=tokens if self.logprobs else None),), usage=Usage())


def run(send: Any, **judge: Any) -> list[Result]:
    resolved = spec.parse({**TABLE, "judge": {**TABLE["judge"], **judge}})
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    prompts = [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(4)]

    async def main() -> list[Result]:
        return [result async for result in pipeline.results(prompts, steps, send, window=2)]

    return asyncio.run(main())


def verdicts(results: list[Result]) -> list[Verdict | Unreadable]:
    return [verdict for result in results for match in result.matches for _, verdict in match.shown]


def asked(results: list[Result]) -> list[Call]:
    return [call for result in results for call, _ in result.calls if call.tag.role == "judge"]


@given(st.lists(st.sampled_from(LABELS), min_size=2, max_size=12))
def test_votes_come_to_laplaces_share_and_never_to_a_certainty(labels: list[Label]) -> None:
    """Of k votes v for the first give it (v + 1) / (k + 2), ties half; swapped votes give the swapped verdict."""
    found = vote([said(label) for label in labels], ("b2:x",))
    v = labels.count("first") + labels.count("tie") / 2
    assert found.share == pytest.approx((v + 1) / (len(labels) + 2))
    assert found.p_first + found.p_second + found.p_tie == pytest.approx(1)
    assert 0 < found.p_first < 1
    assert 0 < found.p_second < 1
    mirrored = vote([said(label).swap() for label in labels], ("b2:x",))
    assert mirrored == found.swap()
    most = Counter(labels).most_common(2)
    alone = len(most) == 1 or most[0][1] > most[1][1]
    assert found.label == (most[0][0] if alone else "tie")


@pytest.mark.parametrize("k", [2, 3, 5])
def test_every_display_is_voted_on_under_fresh_labels_and_the_first_vote_is_the_call_without_samples(k: int) -> None:
    """So many calls a display, no two alike; those without samples are among them, so that a journal answers."""
    once, often = run(Judge(1)), run(Judge(1), samples=k)
    calls = asked(often)
    assert len(calls) == k * len(asked(once)) == len({call.id for call in calls})
    assert {call.id for call in asked(once)} == {call.id for call in calls if call.draw == 0}
    for verdict in verdicts(often):
        assert isinstance(verdict, Verdict)
        assert (verdict.votes, len(verdict.call_ids)) == (k, k)
    names = {tuple(call.params["schema"]["properties"]["verdict"]["enum"]) for call in calls}
    assert len(names) > len(calls) / 2


def test_votes_are_free_to_differ_unless_the_run_file_says_how_warm() -> None:
    """What repeats a question asks it at temperature 1, where the temperature is not written."""
    warm = [call.params["temperature"] for call in asked(run(Judge(1), samples=3)) if call.draw > 0]
    written = [call.params["temperature"] for call in asked(run(Judge(1), samples=3, temperature=0.3))]
    assert (set(warm), set(written)) == ({1.0}, {0.3})


def test_a_judge_that_gives_logprobs_is_asked_once() -> None:
    """Votes stand in for logprobs; where they come nothing is asked twice."""
    assert asked(run(Judge(1, logprobs=True), samples=5)) == asked(run(Judge(1, logprobs=True)))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(), st.sampled_from([0.3, 0.8]))
def test_a_vote_that_cannot_be_read_is_asked_for_again_and_is_never_a_vote(seed: int, trouble: float) -> None:
    """What is counted was read; a display without a readable first verdict is unreadable, its calls all counted."""
    results = run(Judge(seed, trouble=trouble), samples=3)
    outcomes = {call.id: outcome for result in results for call, outcome in result.calls}
    for verdict in verdicts(results):
        heard = [outcomes[i] for i in verdict.call_ids]
        read = sum(isinstance(one, Reply) and one.first.text != "Well." for one in heard)
        if isinstance(verdict, Unreadable):
            assert read == 0
        else:
            assert verdict.votes == read
            assert read <= 3


def test_an_early_stop_works_on_votes() -> None:
    """The second order is asked where the votes on the first do not reach the threshold, and nowhere else."""
    results = run(Judge(3, first=0.8), samples=4, early_stop=0.7)
    shown = [match.shown for result in results for match in result.matches]
    sure = [max(s[0][1].share, 1 - s[0][1].share) >= 0.7 for s in shown]  # type: ignore[union-attr]
    assert [len(s) == 1 for s in shown] == sure
    assert 0 < sum(sure) < len(sure)


def test_two_votes_apart_are_no_winner() -> None:
    """One vote each way is a tie, not a preference."""
    found = vote([said("first"), said("second")], ())
    results = run(Judge(1), samples=2)
    comparison = results[0].matches[0].shown[0][0]
    assert (found.label, winner(comparison, found)) == ("tie", None)
