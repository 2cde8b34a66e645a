"""Whatever this project asks a judge for, the world answers it in the form that was asked for, and truly."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import judgegen
from judgegen.judge import build, lists, read, score
from judgegen.judge.build import Notes
from judgegen.llm.calls import Call
from judgegen.llm.manner import ways
from judgegen.llm.wire import reading
from judgegen.llm.wire.body import body as body_of_call
from judgegen.records import Candidate, Comparison, Prompt, Verdict
from judgegen.simulator.asked import asked
from judgegen.simulator.scripted import Problem, World, quality_of
from judgegen.spec import Scripted
from judgegen.templates import (
    CHECKLIST,
    LISTWISE,
    PAIRWISE,
    REFERENCE,
    RUBRIC,
    Kind,
    Template,
    parse,
    prompts_folder,
    read_text,
)

PROMPT = Prompt(id="p", messages=({"role": "user", "content": "Why is the sky blue?"},))
CHAT = Prompt(
    id="p",
    messages=(
        {"role": "user", "content": "Why is the sky blue?"},
        {"role": "assistant", "content": "It scatters.\n[quality 0.111]"},
        {"role": "user", "content": "What does?"},
    ),
)
FORMS = ("json_schema", "json_object", "words")
OWN_PAIRWISE = """\
+++
kind = "pairwise"
+++
# user
Frage: {{ request }}
{% if reference %}

Musterantwort:
{{ reference }}
{% endif %}

## Option {{ first_label }}
{{ first }}

## Option {{ second_label }}
{{ second }}

Antworte als JSON mit "verdict".
"""
OWN_RUBRIC = """\
+++
kind = "rubric"
[[aspects]]
name = "clear"
question = "Is it clear, and not merely \\"short\\"?"
anchors = ["No.", "In part: 3 things are not.", "Yes."]
[[aspects]]
name = "kind_to_readers"
question = "Is it kind?"
anchors = ["No.", "Yes."]
+++
# system
You give marks.
# user
{{ request }}
{% if reference %}

What was expected:
{{ reference }}
{% endif %}

Answer:
{{ answer }}

{% for aspect in aspects %}
* {{ aspect.name }} ({{ aspect.question }})
  {% for anchor in aspect.anchors %} {{ loop.index }} = {{ anchor }}{% endfor %}

{% endfor %}

Reply with
{% for aspect in aspects %}"{{ aspect.name }}": {{ aspect.levels[0] }}-{{ aspect.levels[-1] }} {% endfor %}
as JSON.
"""


def shipped(name: str, kind: Kind) -> Template:
    return parse(read_text(prompts_folder() / "judge" / f"{name}.md"), name, kind)


def asking(template: Template, **more: Any) -> build.Asking:
    return build.Asking(route="r", endpoint="e", model="j", template=template, max_tokens=900, **more)


def candidate(quality: float, name: str = "one", length: int = 320) -> Candidate:
    text = f"{'word ' * (length // 5)}\n[quality {quality:.3f}]"
    return Candidate(prompt_id="p", variant=name, index=0, model="m", text=text, finish="stop", call_id=f"b2:{name}")


def sent(call: Call, form: str) -> dict[str, Any]:
    """The body of a call to a server that takes a form of answer in this way, with logprobs where there is a schema."""
    manner = {wish: choice[0] for wish, choice in ways(call).items()}
    return body_of_call(call, {**manner, **({"schema": form} if "schema" in manner else {})})


def answered(call: Call, form: str, world: Scripted) -> Any:
    answer = World(world).answer(sent(call, form))
    assert not isinstance(answer, Problem), answer
    return reading.reply(call, answer)


REFERENCES = [
    None,
    "The truth of it.",
    "A written reference.\n[quality 0.512]",  # of a judge that was asked without a fence
]
CHECKLISTS = [None, "Does it say why?\nDoes it say how?"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        *itertools.product(("pairwise", "pairwise-reference", "style", "correctness"), (PROMPT, CHAT)),
        (OWN_PAIRWISE, PROMPT),  # without a fence nothing says where a chat ends and its answers begin
    ],
)
def test_verdicts_are_on_the_two_answers_whatever_stands_beside_them(form: str, template: str, prompt: Prompt) -> None:
    """A reference with a mark of its own, a checklist, earlier answers in the chat: the odds are the two answers'."""
    world = Scripted(accuracy=1.0)
    parsed = parse(template, "own", PAIRWISE) if template == OWN_PAIRWISE else shipped(template, PAIRWISE)
    one, two = candidate(0.9), candidate(0.2, "two")
    for reference in REFERENCES:
        for checklist in CHECKLISTS:
            for pair, label in (
                (Comparison(first=one, second=two), "first"),
                (Comparison(first=two, second=one), "second"),
            ):
                notes = Notes(reference=reference, checklist=checklist, criteria='Be "kind".')
                call = build.call(prompt, pair, asking(parsed), seed=0, draw=0, notes=notes)
                frame = build.framed(prompt, pair, seed=0, draw=0, notes=notes)
                found = read.verdict(call, answered(call, form, world), frame)
                assert isinstance(found, Verdict), (reference, checklist)
                assert found.label == label


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rationale", ["none", "before", "after"])
@pytest.mark.parametrize("text", ["rubric", OWN_RUBRIC], ids=["shipped", "own"])
@pytest.mark.parametrize("soft", [True, False])
def test_scores_are_the_quality(form: str, rationale: Any, text: str, soft: bool) -> None:
    """Every aspect is there and on its scale; their mean is the quality, exactly where logprobs say it."""
    own = text == OWN_RUBRIC
    template = parse(text, "own", RUBRIC) if own else shipped(text, RUBRIC)
    fixed = {"top_logprobs": 20} if soft else {}
    rubric = asking(template, fixed=fixed, rationale="none" if own else rationale)
    found: list[float] = []
    for draw in range(1 if soft else 60):
        notes = Notes(reference=REFERENCES[draw % 3], checklist=CHECKLISTS[draw % 2])
        call = build.scoring(PROMPT, candidate(0.7), rubric, seed=0, draw=draw, notes=notes)
        outcome = answered(call, form, Scripted(accuracy=1.0))
        given = score.score([call], list(score.heard(outcome, template.aspects)), template.aspects)
        assert isinstance(given, judgegen.records.Score), given
        found.append(given.value)
    assert math.fsum(found) / len(found) == pytest.approx(0.7, abs=1e-9 if soft else 0.08)


@given(quality=st.floats(0, 1), accuracy=st.floats(0, 1), levels=st.integers(2, 9))
@settings(max_examples=60)
def test_a_score_of_half_accuracy_tells_nothing_and_one_of_none_the_reverse(
    quality: float, accuracy: float, levels: int
) -> None:
    """The mean of what a score can be is accuracy x quality + (1 - accuracy) x (1 - quality), on its scale."""
    body = {
        "model": "j",
        "messages": [{"role": "user", "content": f"Answer:\n{'x' * 319}.\n[quality {quality:.3f}]\nScore it."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "s",
                "schema": {"type": "object", "properties": {"good": {"enum": list(range(1, levels + 1))}}},
            },
        },
        "logprobs": True,
        "top_logprobs": 20,
    }
    answer = World(Scripted(accuracy=accuracy)).answer(body)
    assert not isinstance(answer, Problem)
    entry = next(one for one in answer["choices"][0]["logprobs"]["content"] if one["token"].isdigit())
    mean = math.fsum(int(one["token"]) * math.exp(one["logprob"]) for one in entry["top_logprobs"])
    shown = round(quality, 3)
    expected = 1 + (levels - 1) * (accuracy * shown + (1 - accuracy) * (1 - shown))
    assert mean == pytest.approx(expected, abs=1e-6)


def test_long_answers_score_higher_where_the_judge_likes_them() -> None:
    """length_bias is per doubling, in logits, from an answer of 320 characters."""
    world = World(Scripted(accuracy=1.0, length_bias=0.5))
    heights = []
    for length in (160, 320, 640):
        call = build.scoring(
            PROMPT, candidate(0.5, length=length), asking(shipped("rubric", RUBRIC)), seed=0, draw=0, notes=Notes()
        )
        (shown,) = asked(sent(call, "json_schema")).shown
        heights.append(world.heights(shown)[0][1])
    assert heights == sorted(heights)
    assert heights[1] == pytest.approx(0.5, abs=0.01)
    assert heights[2] == pytest.approx(1 / (1 + math.exp(-0.5)), abs=0.01)


@pytest.mark.parametrize(("name", "kind"), [("reference", REFERENCE), ("checklist", CHECKLIST)])
@pytest.mark.parametrize("prompt", [PROMPT, CHAT], ids=["question", "chat"])
def test_what_a_judge_writes_for_itself_is_no_answer(name: str, kind: Kind, prompt: Prompt) -> None:
    """It has no quality, is counted as a judge's, and a checklist is a few lines that ask."""
    if prompt is CHAT:
        prompt = Prompt(id="p", messages=(CHAT.messages[0], {"role": "assistant", "content": "Yes."}, CHAT.messages[2]))
    call = build.note(prompt, asking(shipped(name, kind)), seed=0, draw=0, notes=Notes(criteria="Be brief."))
    text = read.text(answered(call, "words", Scripted()))
    assert text is not None
    assert quality_of(text) is None
    assert asked(sent(call, "words")).role == "judge"
    assert all(line.endswith("?") for line in text.splitlines()) == (name == "checklist")


def test_a_sampler_is_a_sampler_whatever_it_is_asked() -> None:
    """Words about checklists, JSON and verdicts in somebody's prompt, or an earlier answer, make no judge of it."""
    for content in ('Write a checklist as JSON with "verdict".', "Score it from 1 to 5.", "Which is better, A or B?"):
        earlier = {"role": "assistant", "content": "Before.\n[quality 0.400]"}
        body = {"model": "m", "messages": [earlier, {"role": "user", "content": content}]}
        assert asked(body).role == "sampler"
        answer = World(Scripted()).answer(body)
        assert not isinstance(answer, Problem)
        assert quality_of(answer["choices"][0]["message"]["content"]) is not None


def test_an_answer_that_claims_a_quality_is_taken_at_its_own() -> None:
    """Of several marks within one fence the last counts: that is the one the world wrote."""
    claims = Candidate(
        prompt_id="p", variant="c", index=0, model="m", text="[quality 1.000]\nFine.\n[quality 0.100]", finish="stop",
        call_id="b2:c",
    )  # fmt: skip
    pair = Comparison(first=claims, second=candidate(0.5))
    call = build.call(PROMPT, pair, asking(shipped("pairwise", PAIRWISE)), seed=0, draw=0)
    assert [one.quality for one in asked(sent(call, "json_schema")).shown] == [0.1, 0.5]


def test_a_judge_of_texts_without_a_mark_is_refused() -> None:
    """Their quality is not known; no label is made up, whether the form is a schema or stands in words."""
    plain = [Candidate(prompt_id="p", variant=v, index=0, model="m", text=f"Text {v}", finish="stop", call_id=f"b2:{v}")
             for v in "ab"]  # fmt: skip
    pair = Comparison(first=plain[0], second=plain[1])
    for form in FORMS:
        call = build.call(PROMPT, pair, asking(shipped("pairwise", PAIRWISE)), seed=0, draw=0)
        assert isinstance(World(Scripted()).answer(sent(call, form)), Problem)
        scoring = build.scoring(PROMPT, plain[0], asking(shipped("rubric", RUBRIC)), seed=0, draw=0, notes=Notes())
        assert isinstance(World(Scripted()).answer(sent(scoring, form)), Problem)


GRADER = {"grader": "judgegen.simulator.truth:quality"}
JUDGES: dict[str, dict[str, Any]] = {
    "pairwise": {},
    "rubric": {"method": "rubric", "samples": 2, "rationale": "before"},
    "hybrid": {"method": "hybrid", "checklist": "judge", "reference": "judge"},
    "reference": {"reference": "judge", "template": "pairwise-reference", "third": {"template": "correctness"}},
    "checklist": {"checklist": "judge", "schedule": "swiss", "early_stop": 0.9},
    "panel": {"panel": [{"model": "k"}, {"model": "l", "weight": 2.0}], "escalate": [{"model": "m", "below": 0.4}]},
    "listwise": {"method": "listwise", "lists": 4, "rationale": "after"},
    "grade": {"grade": {**GRADER, "weight": 0.5, "veto": True}},
    "python": {"method": "python", **GRADER},
}


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("schema", ["json_schema", "off"])
def test_every_method_finds_the_better_answer(name: str, schema: str, tmp_path: Path) -> None:
    """Over the whole of a run, with a judge without flaw: no pair is the wrong way round, and no call is refused."""
    judge = {"endpoint": "w", "model": "j", **JUDGES[name]}
    if name == "python":
        judge = JUDGES[name]
    elif schema == "off":
        judge |= {"schema": "off"}
    spec = {
        "prompts": "-",
        "endpoints": {"w": {"provider": "scripted", "scripted": {"accuracy": 1.0}}},
        "sampler": {
            "endpoint": "w",
            "model": "s",
            "variants": [{"name": "a", "n": 2}, {"name": "b", "temperature": 1.2}],
        },
        "judge": judge,
    }
    prompts = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(4)]
    run = asyncio.run(judgegen.generate(spec, out=tmp_path / "run", prompts=prompts))
    assert run.summary["pairs"] >= 3
    assert not run.summary["diagnostics"]["unreadable_rate"]
    assert "incomplete" not in run.summary["drops"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "preferences.jsonl").read_text().splitlines()]
    for row in rows:
        chosen, rejected = (quality_of(row[side][-1]["content"]) for side in ("chosen", "rejected"))
        assert chosen is not None
        assert rejected is not None
        assert chosen >= rejected


LISTWISE_TEMPLATE = shipped("listwise", LISTWISE)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 5])
def test_a_list_is_put_in_its_true_order_in_whatever_form(form: str, n: int) -> None:
    """By a judge without flaw, however many stand on it and however it is asked for."""
    field = [candidate(0.1 * (i + 1), f"v{i}") for i in range(n)]
    for listed in lists.lists(field, lambda one: one.key, 2):
        call = lists.call(PROMPT, listed, asking(LISTWISE_TEMPLATE), seed=1, draw=0, notes=Notes())
        names = lists.labels(PROMPT, listed, seed=1, draw=0)
        found = lists.order(call, answered(call, form, Scripted(accuracy=1.0, middle_bias=3.0)), listed, names)
        assert found.keys == tuple(one.key for one in reversed(field))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(-2, 2), st.floats(-1, 1), st.permutations([0.2, 0.6, 0.6, 0.9]))
def test_a_list_of_two_is_a_comparison_and_its_flaws_are_of_places(
    accuracy: float, place: float, length: float, qualities: list[float]
) -> None:
    """Of two the odds of a verdict; of more every place further on costs the same, the middle what is said."""
    world = World(Scripted(accuracy=accuracy, position_bias=place, length_bias=length))
    two = [candidate(quality, f"v{i}", 80 * (i + 1)) for i, quality in enumerate(qualities[:2])]
    listed = lists.lists(two, lambda one: one.key, 2)[0]
    call = lists.call(PROMPT, listed, asking(LISTWISE_TEMPLATE), seed=1, draw=0, notes=Notes())
    what = asked(sent(call, "json_schema"))
    first, second = (world.strengths(what)[name] for name in lists.labels(PROMPT, listed, seed=1, draw=0))
    assert 1 / (1 + math.exp(second - first)) == pytest.approx(world.odds(*what.shown).first)
    blind = World(Scripted(accuracy=0.5, position_bias=place, middle_bias=1.0))
    four = lists.lists([candidate(q, f"v{i}") for i, q in enumerate(qualities)], lambda one: one.key, 2)[0]
    call = lists.call(PROMPT, four, asking(LISTWISE_TEMPLATE), seed=1, draw=0, notes=Notes())
    found = blind.strengths(asked(sent(call, "json_schema")))
    places = [found[name] for name in lists.labels(PROMPT, four, seed=1, draw=0)]
    assert places == pytest.approx([3 * place, 2 * place - 2 / 3, place - 2 / 3, 0.0])
