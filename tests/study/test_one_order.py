"""What the second order is worth: counted from verdicts in both, and not where one alone would have been asked more."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen import spec
from judgegen.judge import decide
from judgegen.pipeline import Plan
from judgegen.plan import run as plan
from judgegen.records import Candidate, Comparison, Label, Prompt, Result, Verdict
from judgegen.study.one_order import one_order
from judgegen.trust import words
from judgegen.trust.figures import Figure
from judgegen.trust.judged import Judged, judged

pytest.importorskip("sklearn", reason="the extra `trust` is not installed")
TABLE: dict[str, Any] = {"prompts": "-", "endpoints": {"w": {"provider": "scripted"}}}


def steps(**judge: Any) -> Plan:
    sampler = {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]}
    resolved = spec.parse({**TABLE, "sampler": sampler, "judge": {"endpoint": "w", "model": "j", **judge}})
    return plan.plan(resolved, plan.texts(resolved, Path()))


def said(prompt: str, onward: Label, backward: Label) -> Result:
    """Two responses, the first of them better, and what a judge says with either shown first."""
    a, b = (
        Candidate(prompt_id=prompt, variant=side, index=0, model="", text=side, finish="stop", call_id=prompt + side)
        for side in ("response_a", "response_b")
    )
    shown = [(Comparison(first=a, second=b), spoken(onward)), (Comparison(first=b, second=a), spoken(backward))]
    asked = Prompt(id=prompt, messages=({"role": "user", "content": prompt},))
    return Result(prompt=asked, matches=(decide.match(a, b, shown),))


def spoken(label: Label) -> Verdict:
    return Verdict(label=label, p_first=label == "first", p_second=label == "second", p_tie=label == "tie")


def figure(results: list[Result], **judge: Any) -> Figure:
    rows: list[Judged] = [judged(result.matches[0], votes=("A",)) for result in results]
    return one_order(results, rows, steps(**judge), resamples=50)


def test_an_order_and_its_reverse_come_to_what_both_do_where_no_tie_is_called() -> None:
    """Right both times, wrong both times, or a flip: what one order wins by lot the other loses."""
    kinds: list[tuple[Label, Label]] = [("first", "second"), ("second", "first"), ("first", "first")]
    found = figure([said(f"p{i}", *kind) for i, kind in enumerate(kinds * 5)])
    assert found == Figure(value=0.0)
    ((name, _, _, meaning),) = words.one_order(found)
    assert (name, meaning.rpartition(": ")[2]) == ("one_order", "no comparison differs")


def test_a_tie_in_one_order_costs_what_the_other_knew() -> None:
    """A right verdict beside a tie is right in both, and in one order half the time half right: a quarter less."""
    results = [said(f"p{i}", "first", "tie" if i % 2 else "second") for i in range(40)]
    found = figure(results)
    assert found.value == pytest.approx(-1 / 8)
    ((_, _, _, meaning),) = words.one_order(found)
    assert meaning.endswith("the second order is worth its calls")


@pytest.mark.parametrize(
    "judge",
    [
        {"orders": "one"},
        {"escalate": [{"model": "k"}]},
        {"third": {"model": "k"}},
        {"early_stop": 0.9},
        {"api": "decisions"},
    ],
)
def test_where_one_order_would_have_been_asked_otherwise_nothing_is_said(judge: dict[str, Any]) -> None:
    """Whom else a run asks depends on both orders, so what is at hand does not show it."""
    assert figure([said("p", "first", "tie"), said("q", "first", "second")], **judge) == Figure()
    assert list(words.one_order(Figure())) == []


def test_what_was_shown_once_says_nothing_of_twice() -> None:
    """A comparison without its second order leaves the figure without a value."""
    whole = said("p", "first", "second")
    match = whole.matches[0]
    half = replace(whole, matches=(decide.match(match.a, match.b, match.shown[:1]),))
    assert figure([whole, half]) == Figure()


def test_every_two_of_three_answers_are_checked_in_one_order_too(tmp_path: Path) -> None:
    """They are pooled as in both; a check in both says beside it what one would have come to."""
    texts = [f"answer {i}\n[quality 0.{i + 1}00]" for i in range(3)]
    rows = [
        {"prompt": f"q {p}", "response_a": a, "response_b": b, "winner": "B"}
        for p in range(4)
        for a, b in itertools.combinations(texts, 2)
    ]
    for orders, known in (("one", False), ("both", True)):
        run = {**TABLE, "judge": {"endpoint": "w", "model": "j", "orders": orders}}
        done = asyncio.run(judgegen.check(rows, run=run, out=tmp_path / orders, resamples=20))
        assert (done.worth.kind, done.one_order.value is not None) == ("pooled", known)
        assert done.summary["one_order"]["value"] == done.one_order.value
