"""Typed questions on one shared input: which stand together, how they are asked and how they are read."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen import pipeline, spec
from judgegen.errors import SpecError
from judgegen.judge import sheets
from judgegen.judge.build import Asking, Notes
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Usage
from judgegen.plan import run as plan
from judgegen.records import Candidate, Comparison, Prompt, Result, Unreadable, Verdict
from judgegen.templates import DECISION, parse, text_of

PROMPT = Prompt(id="p", messages=({"role": "user", "content": "why?"},))
TEMPLATE = parse(text_of("decision", DECISION, Path()), "decision", DECISION)
ASKING = Asking(route="w", endpoint="w", model="j", template=TEMPLATE, max_tokens=1, api="decisions")


def answers(number: int, characters: int = 20) -> list[Candidate]:
    texts = [f"answer number {i} ".ljust(characters, "x") for i in range(number)]
    return [
        Candidate(prompt_id="p", variant="v", index=i, model="m", text=text, finish="stop", call_id="c")
        for i, text in enumerate(texts)
    ]


def lot(one: Candidate) -> str:
    return str(random.Random(one.key).random())


def both_orders(field: list[Candidate]) -> list[Comparison]:
    return [Comparison(first=a, second=b) for a, b in itertools.permutations(field, 2)]


def names(displays: Any) -> Counter[tuple[str, str]]:
    return Counter((one.first.key, one.second.key) for one in displays)


@pytest.mark.slow
@given(st.integers(2, 20), st.integers(2, 9), st.sampled_from([20, 9_000, 70_000]), st.randoms())
def test_every_display_is_asked_once_and_as_it_is_shown(
    number: int, most: int, characters: int, random_: random.Random
) -> None:
    """On one sheet each, its first before its second; no sheet is fuller than it may be; some displays alone do too."""
    field = answers(number, characters)
    displays = [one for one in both_orders(field) if random_.random() < 0.7]
    found = sheets.sheets(displays, lot, most)
    assert names(one for sheet in found for one in sheet.comparisons) == names(displays)
    for sheet in found:
        place = {one.key: i for i, one in enumerate(sheet.shown)}
        assert all(place[one.first.key] < place[one.second.key] for one in sheet.comparisons)
        assert {key for one in sheet.comparisons for key in (one.first.key, one.second.key)} == set(place)
        room = len(place) <= most and len(place) * characters <= 60_000
        assert len(place) == 2 or room


@given(st.integers(2, 9), st.randoms())
def test_which_sheets_there_are_does_not_depend_on_the_order_of_arrival(number: int, random_: random.Random) -> None:
    """The displays shuffled: the same calls."""
    displays = both_orders(answers(number))
    shuffled = random_.sample(displays, len(displays))
    told = [
        {
            sheets.call(PROMPT, sheet, ASKING, seed=1, draw=0, notes=Notes()).id
            for sheet in sheets.sheets(given_, lot, 4)
        }
        for given_ in (displays, shuffled)
    ]
    assert told[0] == told[1]


def test_all_of_a_few_answers_stand_on_two_inputs_the_second_in_reverse() -> None:
    """Four answers, twelve displays: two calls of six questions, each answer twice in all."""
    found = sheets.sheets(both_orders(answers(4)), lot)
    assert [len(sheet.comparisons) for sheet in found] == [6, 6]
    assert found[0].shown == found[1].shown[::-1]
    for sheet in found:
        call = sheets.call(PROMPT, sheet, ASKING, seed=1, draw=0, notes=Notes())
        shown = str(call.messages[-1]["content"])
        assert all(shown.count(one.text) == 1 for one in sheet.shown)


@given(st.integers(2, 6), st.integers(0, 3), st.integers())
def test_a_question_names_what_stands_under_its_labels(number: int, draw: int, seed: int) -> None:
    """Labels are letters, one for each answer, and each stands above the answer that the frame gives it to."""
    (sheet, _) = sheets.sheets(both_orders(answers(number)), lot)
    call = sheets.call(PROMPT, sheet, ASKING, seed=seed, draw=draw, notes=Notes())
    frames = sheets.framed(PROMPT, sheet, seed=seed, draw=draw, notes=Notes())
    shown = str(call.messages[-1]["content"])
    for comparison, frame, question in zip(sheet.comparisons, frames, call.params["questions"], strict=True):
        assert [option["value"] for option in question["options"]] == [frame.first, frame.second, "tie"]
        for candidate, label in ((comparison.first, frame.first), (comparison.second, frame.second)):
            assert f"Answer {label}:\n\n<{frame.fence}>\n{candidate.text}\n</{frame.fence}>" in shown
    assert len({question["name"] for question in call.params["questions"]}) == len(call.params["questions"])


TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted"}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 4}]},
    "judge": {"endpoint": "w", "model": "j", "api": "decisions"},
}


class Decider:
    """Prefers the longer of two answers by nine to one; what it does not answer is what `no` says of a call."""

    def __init__(self, no: Any = None, refuses: Any = None) -> None:
        self.no, self.refuses = no or (lambda _: None), refuses or (lambda *_: False)
        self.judged: list[Call] = []

    async def __call__(self, call: Call, /) -> Outcome:
        if call.tag.role == "sampler":
            lot = random.Random(call.id)
            words = " ".join(f"{lot.getrandbits(40):x}" for _ in range(lot.randrange(5, 200)))
            return Reply(choices=(Choice(text=words),), usage=Usage())
        self.judged.append(call)
        if (failure := self.no(call)) is not None:
            return Failure(reason=failure)
        return Reply(choices=tuple(self._one(call, one) for one in call.params["questions"]), usage=Usage(input=1))

    def _one(self, call: Call, question: dict[str, Any]) -> Choice:
        if self.refuses(call, question):
            return Choice(text="", finish="refusal")
        a, b, tie = (option["value"] for option in question["options"])
        sizes = {label: len(_shown(call, label)) for label in (a, b)}
        better, worse = (a, b) if sizes[a] > sizes[b] else (b, a)
        top = [{"token": v, "logprob": math.log(p)} for v, p in ((better, 0.85), (worse, 0.1), (tie, 0.05))]
        return Choice(text=better, logprobs=({**top[0], "top_logprobs": top},))


def _shown(call: Call, label: str) -> str:
    return str(call.messages[-1]["content"]).split(f"Answer {label}:", 1)[1].split("</quote-")[0]


def run(decider: Decider, **judge: Any) -> list[Result]:
    resolved = spec.parse({**TABLE, "judge": {**TABLE["judge"], **judge}})
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    asked = [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(5)]

    async def main() -> list[Result]:
        return [result async for result in pipeline.results(asked, steps, decider, window=2)]

    return asyncio.run(main())


def verdicts(results: list[Result]) -> list[Verdict | Unreadable]:
    return [verdict for result in results for match in result.matches for _, verdict in match.shown]


def test_probabilities_are_taken_as_they_come_in_both_orders() -> None:
    """P(first), P(second), P(tie) of every display; the longer answer wins, wherever it stands."""
    results = run(decider := Decider())
    assert len(decider.judged) == 2 * len(results)
    for result in results:
        assert len(result.matches) == 6
        for match in result.matches:
            assert len(match.shown) == 2
            for shown, verdict in match.shown:
                assert isinstance(verdict, Verdict)
                first = len(shown.first.text) > len(shown.second.text)
                assert (verdict.p_first, verdict.p_second, verdict.p_tie) == pytest.approx(
                    (0.85, 0.1, 0.05) if first else (0.1, 0.85, 0.05)
                )
                assert verdict.soft
        (pair,) = result.pairs
        assert len(pair.chosen.text) == max(len(one.text) for one in result.candidates)


def test_a_refused_question_is_unreadable_and_takes_no_other_with_it() -> None:
    """It alone is asked again under fresh labels, up to max_attempts; all others have their verdicts."""
    keep: list[frozenset[str]] = []

    def refuses(call: Call, question: dict[str, Any]) -> bool:
        a, b, _ = (option["value"] for option in question["options"])
        two = frozenset((_shown(call, a), _shown(call, b)))
        sizes = sorted(len(one) for one in two)
        if not keep and len(call.params["questions"]) == 6 and len(sizes) == 2:
            keep.append(frozenset(text.split("\n")[3] for text in two))
        return frozenset(text.split("\n")[3] for text in two) in keep

    results = run(decider := Decider(refuses=refuses), max_attempts=2)
    unread = [verdict for verdict in verdicts(results) if isinstance(verdict, Unreadable)]
    assert [verdict.reason for verdict in unread] == ["refusal", "refusal"]
    assert all(len(verdict.call_ids) == 2 for verdict in unread)
    again = [call for call in decider.judged if call.draw == 1]
    assert [len(call.params["questions"]) for call in again] == [1, 1]
    assert len(verdicts(results)) == 5 * 12


@pytest.mark.parametrize("reason", ["too_long", "content_filter"])
def test_a_final_no_to_many_answers_is_asked_with_fewer(reason: str) -> None:
    """Down to two; what two are refused for is unreadable, and every call that was made is in the evidence."""
    results = run(decider := Decider(no=lambda c: reason if len(c.params["questions"]) > 1 else None))
    assert all(isinstance(verdict, Verdict) for verdict in verdicts(results))
    assert {len(call.params["questions"]) for call in decider.judged} == {1, 6}
    assert all(len(verdict.call_ids) == 2 for verdict in verdicts(results))
    refused = run(Decider(no=lambda _: reason))
    assert {v.reason for v in verdicts(refused) if isinstance(v, Unreadable)} == {reason}
    assert all(result.drop == "unreadable" for result in refused)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"early_stop": 0.9}, "early_stop"),
    ({"orders": "one"}, "orders"),
    ({"temperature": 0.0}, "temperature"),
    ({"logprobs": True}, "logprobs"),
    ({"max_tokens": 5}, "max_tokens"),
    ({"schema": "off"}, "schema"),
    ({"rationale": "before"}, "rationale"),
    ({"samples": 3}, "samples"),
    ({"checklist": "judge"}, "checklist"),
    ({"reference": "judge"}, "reference"),
    ({"template": "style"}, "kind"),
    ({"method": "python", "grader": "exact", "model": ""}, "api"),
    ({"escalate": [{"model": "k", "api": "decisions", "temperature": 1.0}]}, "temperature"),
]


@pytest.mark.parametrize(("judge", "word"), REFUSED)
def test_keys_that_a_decision_model_would_ignore_are_refused(judge: dict[str, Any], word: str) -> None:
    """With the key, before anything is sent."""
    with pytest.raises(SpecError, match=word):
        run(Decider(), **judge)


def test_judges_after_it_are_asked_in_a_chat_unless_they_say_otherwise() -> None:
    """Each by the template of its own kind."""
    table = {**TABLE["judge"], "escalate": [{"model": "k"}, {"model": "l", "api": "systemone"}]}
    resolved = spec.parse({**TABLE, "judge": table})
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    kinds = [(asking.model, asking.api, asking.template.kind.name) for asking in steps.judges]
    assert kinds == [("j", "decisions", "decision"), ("k", "chat", "pairwise"), ("l", "systemone", "decision")]
    chat = {**TABLE["judge"], "api": "chat", "template": "style", "panel": [{"model": "k", "api": "decisions"}]}
    resolved = spec.parse({**TABLE, "judge": chat})
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    assert [asking.template.name for asking in steps.judges] == ["judge/style", "judge/decision"]
