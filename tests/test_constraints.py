"""Rules that a chosen answer must not break: who may be chosen, what is asked, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_methods import METHODS, Anything, planned, prompts, resolved_of, run

from judgegen.errors import SpecError
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.records import Result
from judgegen.writer.summary import Summary

SHORT = {"name": "short", "grader": "length", "options": {"max_words": 30}}
KIND = {"name": "kind", "rule": "The answer is kind."}
ASKED = [method for method in METHODS if method.get("method") not in ("python", "reward") or "escalate" in method]


def ruled(*constraints: dict[str, Any], **judge: Any) -> Any:
    return planned(judge, pairs={"constraints": list(constraints)})


def counted(results: list[Result]) -> dict[str, Any]:
    summary = Summary()
    for result in results:
        summary.add(result, [])
    found: dict[str, Any] = summary.row()
    return found


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ASKED), st.integers(), st.sampled_from([0.0, 0.5]))
def test_no_chosen_answer_breaks_a_rule(judge: dict[str, Any], seed: int, trouble: float) -> None:
    """Whoever judges, the chosen keeps every rule for certain, and a drop for a rule names one."""
    for result in run(Anything(seed, trouble=trouble), ruled(SHORT, KIND, **judge)):
        for pair in result.pairs:
            assert len(pair.chosen.text.split()) <= 30
            assert pair.chosen.key not in result.breaches
        assert result.drop != "constraint" or "break" in result.detail


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(METHODS), st.integers())
def test_a_rule_that_all_keep_changes_nothing(judge: dict[str, Any], seed: int) -> None:
    """The pairs are those of the run without it."""
    kept = {"name": "some", "grader": "length", "options": {"min_words": 1}}
    with_it, without = run(Anything(seed), ruled(kept, **judge)), run(Anything(seed), planned(judge))
    assert [(one.pairs, one.drop) for one in with_it] == [(one.pairs, one.drop) for one in without]


def test_all_rules_in_words_are_one_call_an_answer() -> None:
    """Every answer that may compete is asked about once, by the first judge, beside what is asked anyway."""
    steps = ruled(KIND, {"name": "plain", "rule": "The answer is plain."}, SHORT, panel=[{"model": "k"}])
    for result in run(Anything(3, trouble=0.0), steps):
        about = [call for call, _ in result.calls if call.tag.variant == "constraints"]
        assert len(about) == sum(one.refused is None for one in result.candidates)
        assert {call.model for call in about} == {"j"}
        assert {tuple(call.params["schema"]["properties"]) for call in about} == {("kind", "plain")}
        assert all("The answer is kind." in str(call.messages) for call in about)


class Mute(Anything):
    """Says nothing about rules."""

    async def __call__(self, call: Call, /) -> Outcome:
        if call.tag.variant == "constraints":
            return Reply(choices=(Choice(text="I would rather not."),), usage=Usage())
        return await super().__call__(call)


def test_what_nobody_could_tell_is_not_kept() -> None:
    """A rule that cannot be read about keeps an answer from being chosen, under another count than a broken one."""
    results = run(Mute(1, trouble=0.0), ruled(KIND))
    assert not [pair for result in results for pair in result.pairs]
    rules = counted(results)["constraints"]["kind"]
    assert (rules["broken"], rules["unknown"] > 0) == (0, True)
    assert any("may break kind (" in result.detail for result in results if result.drop == "constraint")


def test_the_summary_says_how_often_each_rule_was_the_reason() -> None:
    """Answers that break it, prompts whose best it kept from being chosen, and those that it left without a pair."""
    brief = {**SHORT, "options": {"max_words": 16}}
    results = [one for seed in range(12) for one in run(Anything(seed, trouble=0.0), ruled(brief))]
    said, found = counted(results)["constraints"]["short"], [one for one in results if one.drop == "constraint"]
    long = [c for one in results for c in one.candidates if c.refused is None and len(c.text.split()) > 16]
    assert (said["broken"], said["dropped"]) == (len(long), len(found))
    assert 0 < said["dropped"] < said["vetoed"]
    assert counted(results)["drops"]["constraint"] == len(found)
    assert "constraints" not in counted(run(Anything(1), planned()))


@pytest.mark.parametrize(
    ("judge", "pairs", "says"),
    [
        ({}, {"constraints": [{"name": "a"}]}, "rule .* or grader"),
        ({}, {"constraints": [{**SHORT, "rule": "Be short."}]}, "one of the two"),
        ({}, {"constraints": [{**KIND, "least": 0.5}]}, "told to a grader"),
        ({}, {"constraints": [KIND, KIND]}, "'kind' stands twice"),
        ({}, {"constraints": [{**KIND, "name": "Not a word"}]}, "a name is a word"),
        ({}, {"constraints": [SHORT], "select": "delta", "stronger": "a", "weaker": "b"}, "judges none"),
        ({"method": "python", "grader": "exact", "model": ""}, {"constraints": [KIND]}, "asks no model"),
    ],
)
def test_a_rule_that_would_not_be_looked_at_is_refused(judge: dict[str, Any], pairs: dict[str, Any], says: str) -> None:
    """With what is wrong, before anything is asked."""
    with pytest.raises(SpecError, match=says):
        resolved_of(judge, pairs=pairs)


def test_graders_alone_need_no_judge() -> None:
    """Where a grader judges, another may forbid."""
    steps = ruled(SHORT, method="python", grader="length", options={"min_words": 15})
    for result in run(Anything(5, trouble=0.0), steps, asked=prompts(4)):
        assert all(len(pair.chosen.text.split()) <= 30 for pair in result.pairs)
