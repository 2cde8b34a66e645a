"""The laws for every method, panel and escalation, over the whole pipeline with judges that can say anything."""

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
from judgegen.llm.calls import REWARDS, Call, Choice, Failure, Outcome, Reply, Usage
from judgegen.pipeline import Plan
from judgegen.plan import judge as judge_plan
from judgegen.plan import run as plan
from judgegen.records import Prompt, Result, Score, Unreadable
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
GRADER = {"grader": "length", "options": {"max_words": 30}}
METHODS: list[dict[str, Any]] = [
    {"method": "rubric"},
    {"method": "rubric", "samples": 3, "panel": [{"model": "k", "weight": 2.0}]},
    {"method": "hybrid", "checklist": "judge", "rationale": "before"},
    {"method": "hybrid", "grade": {**GRADER, "weight": 0.5}, "escalate": [{"model": "k", "below": 0.1}]},
    {"panel": [{"model": "k", "weight": 0.7}, {"model": "j", "template": "style"}], "schedule": "min-max"},
    {"escalate": [{"model": "k"}, {"model": "l", "below": 0.3}], "reference": "judge"},
    {"samples": 3, "panel": [{"model": "k"}], "schedule": "swiss"},
    {"grade": {**GRADER, "veto": True}, "criteria": "Short is good.", "early_stop": 0.8},
    {"method": "python", **GRADER},
    {"api": "decisions"},
    {"api": "systemone", "schedule": "min-max", "escalate": [{"model": "k", "below": 0.3}]},
    {"panel": [{"model": "k", "api": "decisions", "weight": 0.7}], "third": {"model": "l", "api": "systemone"}},
    {"api": "systemone", "method": "rubric"},
    {"api": "rerank", "method": "reward", "escalate": [{"model": "k", "below": 0.3}]},
    {"api": "pooling", "method": "reward", "grade": {**GRADER, "weight": 0.5}},
    {"panel": [{"model": "k", "api": "rerank", "weight": 0.7}], "schedule": "min-max"},
    {"api": "decisions", "method": "hybrid", "grade": {**GRADER, "weight": 0.5}},
    {"method": "listwise"},
    {"method": "listwise", "lists": 2, "panel": [{"model": "k", "weight": 0.7}], "rationale": "before"},
    {"method": "listwise", "lists": 14, "grade": {**GRADER, "weight": 0.5}},
]


def planned(judge: dict[str, Any] | None = None, **more: Any) -> Plan:
    resolved = resolved_of(judge, **more)
    return plan.plan(resolved, plan.texts(resolved, Path()))


def resolved_of(judge: dict[str, Any] | None = None, **more: Any) -> spec.Spec:
    table = {**TABLE["judge"], **(judge or {})}
    return spec.parse({**TABLE, "judge": table, **more})


def prompts(number: int = 3, **more: Any) -> list[Prompt]:
    return [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},), **more) for i in range(number)]


class Anything:
    """Candidates, verdicts, scores and texts of any kind, by the call alone, arriving in any order."""

    def __init__(self, seed: int, *, trouble: float = 0.1, arrival: int = 0, soft: bool = True) -> None:
        self.seed, self.trouble, self.arrival, self.soft = seed, trouble, arrival, soft

    async def __call__(self, call: Call, /) -> Outcome:
        for _ in range(random.Random(f"{self.arrival}{call.id}").choice([0, 1, 3])):
            await asyncio.sleep(0)
        lot = random.Random(f"{self.seed}{call.id}")
        if call.tag.role == "judge" and lot.random() < self.trouble:
            empty: Outcome = Reply(choices=(Choice(text=""),), usage=Usage())
            return empty if lot.random() < 0.5 else Failure(reason="content_filter")
        if call.api in REWARDS:
            scored = [one for one in call.messages if one["role"] == "assistant"]
            return Reply(choices=tuple(self._scored(lot) for _ in scored), usage=Usage(input=1))
        if call.api != "chat":
            decided = tuple(self._decided(question, lot) for question in call.params["questions"])
            return Reply(choices=decided, usage=Usage(input=1))
        choices = [self._choice(call, lot) for _ in range(call.params.get("n", 1))]
        return Reply(choices=tuple(choices), usage=Usage(input=1, output=1))

    def _scored(self, lot: random.Random) -> Choice:
        if lot.random() < self.trouble / 2:
            return Choice(text="", finish="malformed_response")
        return Choice(text=str(lot.choice([lot.random(), 0.5])))

    def _decided(self, question: dict[str, Any], lot: random.Random) -> Choice:
        if lot.random() < self.trouble / 2:
            return Choice(text="", finish="refusal")
        values = [option["value"] for option in question["options"]]
        shares = [lot.random() ** 3 for _ in values]
        top = [{"token": v, "logprob": math.log(p / sum(shares))} for v, p in zip(values, shares, strict=True)]
        likeliest = max(top, key=lambda one: float(str(one["logprob"])))
        tokens = ({**likeliest, "top_logprobs": top},) if self.soft else None
        return Choice(text=str(likeliest["token"]), logprobs=tokens)

    def _choice(self, call: Call, lot: random.Random) -> Choice:
        if call.tag.role == "sampler":
            words = " ".join(f"{lot.getrandbits(40):x}" for _ in range(lot.choice([10, 25, 50])))
            return Choice(text=f"{call.messages[-1]['content']} answered as {words}")
        if "schema" not in call.params:
            return Choice(text=f"text {lot.random()}")
        said = {name: self._value(shape, lot) for name, shape in call.params["schema"]["properties"].items()}
        if lot.random() < self.trouble:
            said.popitem()
        return Choice(text=json.dumps(said), logprobs=self._logprobs(said, lot) if self.soft else None)

    def _value(self, shape: dict[str, Any], lot: random.Random) -> Any:
        if "properties" in shape:
            places = list(shape["properties"])
            names = shape["properties"][places[0]]["enum"]
            return dict(zip(places, lot.sample(names, len(names)), strict=True))
        return lot.choice(shape["enum"]) if "enum" in shape else 'Because {of} "that".'

    def _logprobs(self, said: dict[str, Any], lot: random.Random) -> tuple[dict[str, Any], ...]:
        tokens: list[dict[str, Any]] = [{"token": "{", "logprob": 0.0, "top_logprobs": []}]
        for i, (name, value) in enumerate(said.items()):
            quote = '"' if isinstance(value, str) else ""
            head = f'{", " if i else ""}"{name}": {quote}'
            text = json.dumps(value)[1:-1] if quote else str(value)
            p = lot.choice([0.6, 0.9, 0.99])
            other = str(value % 5 + 1) if isinstance(value, int) else "tie"
            top = [{"token": text, "logprob": math.log(p)}, {"token": other, "logprob": math.log(1 - p)}]
            tokens.append({"token": head, "logprob": 0.0, "top_logprobs": []})
            tokens.append({"token": text, "logprob": math.log(p), "top_logprobs": top})
            tokens.append({"token": quote, "logprob": 0.0, "top_logprobs": []})
        return (*tokens, {"token": "}", "logprob": 0.0, "top_logprobs": []})


def run(send: Any, steps: Plan, window: int = 2, asked: list[Prompt] | None = None) -> list[Result]:
    found: list[Result] = []

    async def main() -> None:  # it returns nothing: on 3.11 asyncio writes out, when it ends, all that it returned
        found.extend([result async for result in pipeline.results(asked or prompts(), steps, send, window=window)])

    asyncio.run(main())
    return found


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.sampled_from(METHODS), st.integers(), st.sampled_from([0.0, 0.2, 0.9]), st.booleans())
def test_labels_hold_for_every_method(judge: dict[str, Any], seed: int, trouble: float, soft: bool) -> None:
    """A pair or a reason; two different texts of the prompt; every call of its evidence was asked, none twice."""
    for result in run(Anything(seed, trouble=trouble, soft=soft), planned(judge)):
        assert (result.drop is None) == bool(result.pairs)
        assert not result.calls or max(Counter(call.id for call, _ in result.calls).values()) == 1
        for pair in result.pairs:
            assert f"question {result.prompt.id[1:]} answered" in pair.chosen.text
            assert normal(pair.chosen.text) != normal(pair.rejected.text)
            assert pair.p_chosen is not None
            assert 0.5 < pair.p_chosen <= 1
            assert pair.margin is not None
            assert 0 < pair.margin <= 1
            assert pair.consistent is not False
            assert set(pair.verdict_calls) <= {call.id for call, _ in result.calls}
            assert pair.verdict_calls or judge.get("method") == "python"


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(METHODS), st.integers())
def test_arrival_changes_nothing(judge: dict[str, Any], seed: int) -> None:
    """In whatever order answers land, the results are the same."""
    steps = planned(judge)
    assert run(Anything(seed, arrival=1), steps, window=1) == run(Anything(seed, arrival=2), steps, window=9)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.sampled_from(METHODS), st.integers(), st.permutations([0, 1, 2]))
def test_permuted_candidates_change_nothing(judge: dict[str, Any], seed: int, order: list[int]) -> None:
    """Variants in another order: the same calls, the same pairs, the same reasons."""
    variants = [TABLE["sampler"]["variants"][i] for i in order]
    permuted = planned(judge, sampler={**TABLE["sampler"], "variants": variants})
    for one, other in zip(run(Anything(seed), planned(judge)), run(Anything(seed), permuted), strict=True):
        assert {call.id for call, _ in one.calls} == {call.id for call, _ in other.calls}
        assert told(one) == told(other)


def told(result: Result) -> tuple[str | None, list[tuple[object, ...]]]:
    rows = [(p.chosen.key, p.rejected.key, p.p_chosen, p.margin, p.consistent) for p in result.pairs]
    return result.drop, sorted(rows, key=repr)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(), st.permutations([0, 1, 2]), st.booleans())
def test_the_order_of_a_panel_changes_nothing(seed: int, order: list[int], rubric: bool) -> None:
    """Its members listed in another order say the same."""
    members = [{"model": "k", "weight": 0.7}, {"model": "l"}, {"model": "m", "weight": 0.3}]
    method = {"method": "rubric"} if rubric else {"schedule": "swiss"}
    one, other = (planned({"model": "", "panel": panel, **method}) for panel in (members, [members[i] for i in order]))
    for a, b in zip(run(Anything(seed), one), run(Anything(seed), other), strict=True):
        assert told(a) == told(b)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(), st.sampled_from([0.0, 0.5]))
def test_an_unread_score_is_none_and_no_pair_rests_on_it(seed: int, trouble: float) -> None:
    """A candidate whose rubric lacks an aspect in every attempt has no score, and is on no side."""
    for result in run(Anything(seed, trouble=trouble), planned({"method": "rubric"})):
        for key, given_ in result.scores.items():
            (score,) = given_
            ranked = None if result.ranking is None else result.ranking.scores[key]
            assert (ranked is None) == isinstance(score, Unreadable)
            if isinstance(score, Score):
                assert 0 <= score.value <= 1
                assert set(score.aspects) == {"instruction_following", "honesty", "truthfulness", "helpfulness"}
            else:
                assert all(key not in (p.chosen.key, p.rejected.key) for p in result.pairs)


def test_samples_are_asked_for_at_once_and_averaged() -> None:
    """Three answers to one call, free to differ; a server that gives one at a time is asked three times."""
    steps = planned({"method": "rubric", "samples": 3, "logprobs": False})
    for result in run(Anything(1, trouble=0.0, soft=False), steps):
        scoring = [call for call, _ in result.calls if call.tag.variant == "rubric"]
        assert len(scoring) == 5
        assert all(call.params["n"] == 3 and call.params["temperature"] == 1.0 for call in scoring)

    class OneByOne(Anything):
        async def __call__(self, call: Call, /) -> Outcome:
            outcome = await super().__call__(call)
            assert isinstance(outcome, Reply)
            return Reply(choices=outcome.choices[:1], usage=outcome.usage)

    for result in run(OneByOne(1, trouble=0.0, soft=False), steps):
        scoring = [call for call, _ in result.calls if call.tag.variant == "rubric"]
        assert (len(scoring), {call.draw for call in scoring}) == (15, {0, 1, 2})


class Steady(Anything):
    """Scores by the answer's length, compares by it too."""

    def _choice(self, call: Call, lot: random.Random) -> Choice:
        if call.tag.variant != "rubric":
            return super()._choice(call, lot)
        level = {10: 1, 25: 3, 50: 3}[
            round(len(str(call.messages[-1]["content"]).split("answered as")[1].split("</")[0].split()))
        ]
        return Choice(text=json.dumps(dict.fromkeys(call.params["schema"]["properties"], level)))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers())
def test_hybrid_compares_both_ends_and_never_breaks_a_score_tie_by_chance(seed: int) -> None:
    """Only those that are among, or tie with, the best two or the worst two meet; equal ends are always compared."""
    for result in run(Steady(seed, trouble=0.0), planned({"method": "hybrid"})):
        values = {key: score.value for key, (score,) in result.scores.items() if isinstance(score, Score)}
        ranked = sorted(values.values())
        for match in result.matches:
            one, other = values[match.a.key], values[match.b.key]
            ends = min(one, other) >= ranked[-2] or max(one, other) <= ranked[1]
            assert bool(match.shown) == ends
            assert not match.shown or len(match.shown) == 2
        for pair in result.pairs:
            direct = {(m.a.key, m.b.key): m for m in result.matches}
            match = direct.get((pair.chosen.key, pair.rejected.key)) or direct[pair.rejected.key, pair.chosen.key]
            assert match.shown or values[pair.chosen.key] > values[pair.rejected.key]


def test_a_reference_and_a_checklist_are_written_once_per_prompt_and_shown_to_all() -> None:
    """One call each per prompt; comparisons show both, and the checklist is written with the reference."""
    steps = planned({"reference": "judge", "checklist": "judge"})
    for result in run(Anything(1, trouble=0.0), steps):
        kinds = Counter(call.tag.variant for call, _ in result.calls if call.tag.role == "judge")
        assert (kinds["reference"], kinds["checklist"], kinds[""]) == (1, 1, 20)
        texts = {c.tag.variant: o.first.text for c, o in result.calls if isinstance(o, Reply) and c.tag.role == "judge"}
        for call, _ in result.calls:
            shown = str(call.messages[-1]["content"])
            if call.tag.role == "judge" and call.tag.variant in ("", "checklist"):
                assert texts["reference"] in shown
            if call.tag.role == "judge" and not call.tag.variant:
                assert texts["checklist"] in shown


def test_a_given_reference_is_shown_unless_it_is_off_and_never_written_again() -> None:
    """The prompt's own comes first; off shows none."""
    asked = prompts(1, reference="the truth of it")
    for policy, shown in (("given", True), ("judge", True), ("off", False)):
        (result,) = run(Anything(1, trouble=0.0), planned({"reference": policy}), asked=asked)
        judged = [str(c.messages[-1]["content"]) for c, _ in result.calls if c.tag.role == "judge"]
        assert {"the truth of it" in text for text in judged} == {shown}
        assert {c.tag.variant for c, _ in result.calls if c.tag.role == "judge"} == {""}


def test_without_a_readable_reference_nothing_is_compared() -> None:
    """A reference that was cut off is none: the prompt is dropped and says why."""

    class Cut(Anything):
        def _choice(self, call: Call, lot: random.Random) -> Choice:
            return (
                Choice(text="half", finish="length") if call.tag.variant == "reference" else super()._choice(call, lot)
            )

    for result in run(Cut(1, trouble=0.0), planned({"reference": "judge"})):
        assert (result.drop, result.matches, result.pairs) == ("unreadable", (), ())
        assert "reference" in result.detail
        assert sum(call.tag.variant == "reference" for call, _ in result.calls) == 2


def test_criteria_are_the_prompts_own_or_the_run_files() -> None:
    """metadata.criteria goes before judge.criteria."""
    asked = [*prompts(1), Prompt(id="q", messages=prompts(1)[0].messages, metadata={"criteria": "Of its own."})]
    results = run(Anything(1, trouble=0.0), planned({"criteria": "Of the run."}), asked=asked)
    for result, wanted in zip(results, ("Of the run.", "Of its own."), strict=True):
        assert all(wanted in str(c.messages[-1]["content"]) for c, _ in result.calls if c.tag.role == "judge")


@pytest.mark.parametrize("rationale", ["before", "after"])
def test_a_rationale_stands_where_it_was_asked_for(rationale: str) -> None:
    """In the schema's order, in the words of the template; the verdict is read beside it, braces and all."""
    for result in run(Anything(1, trouble=0.0), planned({"rationale": rationale})):
        for call, _ in result.calls:
            if call.tag.role == "judge":
                names = list(call.params["schema"]["properties"])
                assert names == (["rationale", "verdict"] if rationale == "before" else ["verdict", "rationale"])
                assert f"{rationale} the verdict" in str(call.messages[-1]["content"])
        assert all(not isinstance(v, Unreadable) for m in result.matches for _, v in m.shown)


def test_an_escalation_is_asked_in_doubt_only_and_decides() -> None:
    """The next judge sees what conflicts or lies within `below` of a half, in both orders; its verdict counts."""
    for result in run(Anything(4, trouble=0.0), planned({"escalate": [{"model": "k", "below": 0.2}]})):
        stronger = [call for call, _ in result.calls if call.model == "k"]
        escalated = [m for m in result.matches if m.since]
        assert len(stronger) == 2 * len(escalated) == 2 * result.judging["escalated"]
        assert result.judging["escalations_saved"] == 2 * (len(result.matches) - len(escalated))
        for match in result.matches:
            if match.since:
                assert [v.judge for _, v in match.shown] == ["j", "j", "k", "k"]
            else:
                assert match.consistent is True
                assert match.p is not None
                assert abs(match.p - 0.5) >= 0.2


def test_a_panel_counts_by_weight_and_without_those_it_cannot_read() -> None:
    """A member that nobody can read is left out; the others go on."""

    class Mute(Anything):
        async def __call__(self, call: Call, /) -> Outcome:
            return Failure(reason="content_filter") if call.model == "k" else await super().__call__(call)

    alone = run(Anything(3, trouble=0.0), planned())
    beside = run(Mute(3, trouble=0.0), planned({"panel": [{"model": "k", "weight": 9.0}]}))
    for one, other in zip(alone, beside, strict=True):
        assert [(m.p, m.consistent) for m in one.matches] == [(m.p, m.consistent) for m in other.matches]
        assert told(one) == told(other)


def test_a_grader_alone_costs_nothing_and_is_right() -> None:
    """No judge in the run file or the calls, the score is the label; a candidate that has no grade is on no side."""
    table = {**TABLE, "judge": {"method": "python", "grader": "numeric"}}
    resolved = spec.parse(table)
    steps = plan.plan(resolved, plan.texts(resolved, Path()))

    class Sums(Anything):
        def _choice(self, call: Call, lot: random.Random) -> Choice:
            return Choice(
                text=f"{lot.choice(['So', 'Thus', 'Hence', 'Then'])} {lot.random()} it is {lot.choice([4, 5])}"
            )

    for reference in ("4", "no number", None):
        for result in run(Sums(1), steps, asked=prompts(4, reference=reference)):
            assert {call.tag.role for call, _ in result.calls} == {"sampler"}
            assert reference == "4" or (result.drop, result.pairs) == ("no-reference", ())
            for pair in result.pairs:
                assert pair.chosen.text.endswith("4")
                assert pair.rejected.text.endswith("5")
                assert (pair.p_chosen, pair.margin) == (1.0, 1.0)


@pytest.mark.slow
def test_a_veto_drops_what_the_grader_knows_better() -> None:
    """With veto no pair has a rejected that is graded above its chosen; without, some do."""
    counts = {}
    for veto in (False, True):
        grade = {"grade": {"grader": "length", "options": {"max_words": 30}, "veto": veto, "weight": 1e-6}}
        results = [r for seed in range(12) for r in run(Anything(seed, trouble=0.0), planned(grade))]
        worse = 0
        for result in results:
            for pair in result.pairs:
                grades = [
                    s.value
                    for side in (pair.chosen, pair.rejected)
                    for s in result.scores[side.key]
                    if isinstance(s, Score)
                ]
                worse += grades[0] < grades[1]
        counts[veto] = (worse, sum(r.drop == "veto" for r in results))
    assert counts[True][0] == 0 < counts[True][1]
    assert counts[False][0] > 0 == counts[False][1]


def test_a_floor_under_the_chosens_score_is_kept() -> None:
    """min_score drops pairs whose chosen is not good enough by itself."""
    steps = planned({"method": "rubric"}, pairs={"min_score": 0.6})
    results = [r for seed in range(6) for r in run(Anything(seed, trouble=0.0), steps)]
    scores = [s.value for r in results for p in r.pairs for s in r.scores[p.chosen.key] if isinstance(s, Score)]
    assert scores
    assert min(scores) >= 0.6
    assert any(r.drop == "low-score" for r in results)


@pytest.mark.slow
@pytest.mark.parametrize("judge", METHODS)
def test_every_kind_of_call_is_estimated(judge: dict[str, Any]) -> None:
    """The estimate runs through, and counts at least the calls of a run without trouble and without escalation."""
    resolved = resolved_of(judge)
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    found = count(resolved, steps, prompts(), None, partial(pipeline.through, plan=steps))
    models = {row.model for row in found.rows if row.role == "judge"}
    assert models == {asking.model for asking in steps.judges}
    asked = Counter(
        call.model
        for r in run(Anything(2, trouble=0.0, soft=False), steps)
        for call, _ in r.calls
        if call.tag.role == "judge"
    )
    for row in found.rows:
        in_doubt = judge.keys() & {"escalate", "third"}  # how many conflict is assumed
        if row.role == "judge" and not in_doubt and judge.get("method") != "hybrid":
            assert row.calls == asked[row.model]


BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"method": "rubric", "schedule": "swiss"}, {}, 'schedule is for method = "pairwise"'),
    ({"method": "rubric", "template": "style"}, {}, "template is for method"),
    ({"method": "python", **GRADER, "samples": 3}, {}, 'samples is for method = "hybrid" or "pairwise" or "rubric"'),
    ({"method": "python"}, {}, "go together"),
    ({"grader": "exact"}, {}, 'grader is for method = "python"'),
    ({"method": "python", "grader": "nothing"}, {}, "not known"),
    ({"grade": {"grader": "exact"}}, {}, "neither weighs in nor vetoes"),
    ({"method": "rubric", "weights": {"beauty": 1.0}}, {}, "'beauty' is no aspect of rubric"),
    ({"panel": [{"model": "k", "wieght": 1}]}, {}, "did you mean 'weight'"),
    ({"escalate": [{"model": "k", "endpoint": "nowhere"}]}, {}, "judge.escalate.endpoint = 'nowhere'"),
    ({}, {"min_score": 0.5}, "pairs.min_score needs a score"),
]


@pytest.mark.parametrize(("judge", "pairs", "message"), BAD)
def test_what_does_not_fit_together_is_refused(judge: dict[str, Any], pairs: dict[str, Any], message: str) -> None:
    """No key is read and ignored: what cannot be done is said before the run."""
    with pytest.raises(SpecError) as caught:
        planned(judge, pairs=pairs)
    assert message in str(caught.value)


def test_a_template_must_have_a_place_for_what_is_asked(tmp_path: Path) -> None:
    """Criteria, checklist, reference and rationale are shown, or the run does not begin."""
    (tmp_path / "own.md").write_text(
        '+++\nkind = "pairwise"\n+++\n# user\n'
        "{{ request }} {{ first_label }} {{ first }} {{ second_label }} {{ second }}\n"
    )
    for key, value in {"criteria": "x", "checklist": "judge", "reference": "judge", "rationale": "after"}.items():
        resolved = resolved_of({"template": "own.md", key: value})
        with pytest.raises(SpecError, match=f"no place for judge.{key}"):
            plan.plan(resolved, plan.texts(resolved, tmp_path))


def test_a_judge_of_the_generators_family_is_named() -> None:
    """Judges favour their own; another family, or a name that tells nothing, is not warned about."""

    def said(generator: str, judge: str, **more: Any) -> list[str]:
        sampler = {**TABLE["sampler"], "model": generator}
        return list(judge_plan.warnings(resolved_of({"model": judge, **more}, sampler=sampler)))

    assert "gpt-4o and the generator openai/gpt-4.1-mini are of one family" in said("openai/gpt-4.1-mini", "gpt-4o")[0]
    assert said("llama-3-8b", "gpt-4o") == []
    assert said("mine", "mine") == []
    assert len(said("qwen3-8b", "gpt-4o", escalate=[{"model": "Qwen/Qwen3-235B"}])) == 1
