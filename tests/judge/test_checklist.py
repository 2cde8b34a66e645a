"""A checklist's items asked of a decision model as questions of their own, and what they count."""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen import pipeline, spec
from judgegen.errors import SpecError
from judgegen.judge.checklist import items
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.plan import run as plan
from judgegen.records import Prompt, Result, Score, Unreadable

QUESTIONS = ("Does it say how?", "Does it name its source?", "Is it short?")
RUBRIC = ("instruction_following", "honesty", "truthfulness", "helpfulness")
LINES = st.lists(st.text("abc ?", min_size=1, max_size=9).map(str.strip).filter(bool), min_size=1, max_size=9)


@given(LINES, st.sampled_from(["{}", "- {}", "* {}", "• {}", "1. {}", "2) {}", "(3) {}", "  -  {}"]))
def test_items_are_the_lines_without_their_marks(lines: list[str], mark: str) -> None:
    """However a list is written; empty lines are none, and marks alone are no checklist."""
    assert items("\n\n".join(mark.format(line) for line in lines)) == lines
    assert items("\n - \n1.\n") == []


class Decider:
    """Gives each question a share by lot, says no to those that `refuses` names, and writes a checklist when asked."""

    def __init__(self, refuses: frozenset[str] = frozenset()) -> None:
        self.refuses = refuses
        self.judged: list[Call] = []
        self.shares: dict[str, list[list[float]]] = {}

    async def __call__(self, call: Call, /) -> Outcome:
        if call.tag.role == "sampler":
            return Reply(choices=(Choice(text=f"an answer {call.id}"),), usage=Usage())
        self.judged.append(call)
        if call.api == "chat":
            text = '{"' + '": 3, "'.join(RUBRIC) + '": 3}' if "schema" in call.params else "- Is it so?\n- Is it fine?"
            return Reply(choices=(Choice(text=text),), usage=Usage())
        return Reply(choices=tuple(self._one(call, one) for one in call.params["questions"]), usage=Usage(input=1))

    def _one(self, call: Call, question: dict[str, Any]) -> Choice:
        if question["name"] in self.refuses:
            return Choice(text="", finish="refusal")
        lot = random.Random(call.id + question["name"])
        values = [option["value"] for option in question["options"]]
        drawn = [0.01 + lot.random() for _ in values]
        shares = [one / sum(drawn) for one in drawn]
        self.shares.setdefault(call.id, []).append(shares)
        top = [{"token": value, "logprob": math.log(p)} for value, p in zip(values, shares, strict=True)]
        return Choice(text=values[0], logprobs=({**top[0], "top_logprobs": top},))


def run(decider: Decider, **judge: Any) -> list[Result]:
    resolved = spec.parse(
        {
            "prompts": "-",
            "endpoints": {"w": {"provider": "scripted"}},
            "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
            "judge": {"endpoint": "w", "model": "j", "api": "decisions", "method": "rubric", **judge},
        }
    )
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    asked = [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(3)]

    async def main() -> list[Result]:
        return [result async for result in pipeline.results(asked, steps, decider, window=2)]

    return asyncio.run(main())


def scores(results: list[Result]) -> list[Score | Unreadable]:
    return [one for result in results for given_ in result.scores.values() for one in given_]


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_every_item_is_a_predicate_and_all_together_weigh_as_the_checklist(weight: float) -> None:
    """P(yes) of each is an aspect from 0 to 1, beside the rubric's four, which weigh one each."""
    results = run(decider := Decider(), checklist=list(QUESTIONS), weights={"checklist": weight})
    for call in decider.judged:
        asked = call.params["questions"]
        assert [one["type"] for one in asked] == ["score"] * 4 + ["predicate"] * 3
        assert tuple(one["instructions"] for one in asked[4:]) == QUESTIONS
    for one in scores(results):
        assert isinstance(one, Score)
        shares = decider.shares[one.call_ids[-1]]
        own = [sum(level * p for level, p in enumerate(each)) / (len(each) - 1) for each in shares]
        whole = sum(own[:4]) + weight * sum(own[4:]) / 3
        assert one.value == pytest.approx(whole / (4 + weight))
        assert [one.aspects[f"checklist-{i}"] for i in (1, 2, 3)] == pytest.approx(own[4:])


def test_what_is_asked_by_its_items_is_not_shown_as_well() -> None:
    """The input holds none of it for a decision model; a chat beside it is shown it, and asked its aspects alone."""
    run(decider := Decider(), checklist=list(QUESTIONS), panel=[{"model": "k"}])
    deciding = [call for call in decider.judged if call.api == "decisions"]
    chats = [call for call in decider.judged if call.api == "chat"]
    assert len(deciding) == len(chats) == 6
    assert not any(question in str(call.messages) for call in deciding for question in (*QUESTIONS, "checklist-1"))
    assert all(question in str(call.messages) for call in chats for question in QUESTIONS)


def test_a_judge_in_a_chat_writes_it_and_a_decision_model_is_asked_it() -> None:
    """One call a prompt writes it; its lines are the questions."""
    run(decider := Decider(), checklist="judge", panel=[{"model": "k"}])
    assert sum(call.tag.variant == "checklist" for call in decider.judged) == 3
    for call in decider.judged:
        if call.api == "decisions":
            asked = [one["instructions"] for one in call.params["questions"] if one["type"] == "predicate"]
            assert asked == ["Is it so?", "Is it fine?"]


def test_an_item_that_is_refused_leaves_no_score() -> None:
    """It is asked again up to max_attempts; an answer without one of its items is not scored by the others."""
    results = run(decider := Decider(frozenset({"checklist-2"})), checklist=list(QUESTIONS), max_attempts=2)
    assert {one.reason for one in scores(results) if isinstance(one, Unreadable)} == {"refusal"}
    assert not any(isinstance(one, Score) for one in scores(results))
    assert len(decider.judged) == 3 * 2 * 2


def test_the_checklist_alone_may_count() -> None:
    """Aspects without weight are asked and count nothing."""
    results = run(Decider(), checklist=list(QUESTIONS), weights=dict.fromkeys(RUBRIC, 0.0))
    for one in scores(results):
        assert isinstance(one, Score)
        assert one.value == pytest.approx(sum(one.aspects[f"checklist-{i}"] for i in (1, 2, 3)) / 3)


@pytest.mark.parametrize(
    ("judge", "word"),
    [
        ({"weights": {"checklist": 2.0}}, "nobody is asked any"),
        ({"api": "chat", "checklist": list(QUESTIONS), "weights": {"checklist": 2.0}}, "nobody is asked any"),
        ({"checklist": list(QUESTIONS), "weights": dict.fromkeys((*RUBRIC, "checklist"), 0.0)}, "an aspect must count"),
        ({"checklist": []}, "checklist"),
        ({"checklist": ["one\ntwo"]}, "checklist"),
        ({"checklist": ["  "]}, "checklist"),
        ({"checklist": ["- "]}, "checklist"),
    ],
)
def test_what_would_be_ignored_or_is_no_list_is_refused(judge: dict[str, Any], word: str) -> None:
    """Before anything is sent."""
    with pytest.raises(SpecError, match=word):
        run(Decider(), **judge)
