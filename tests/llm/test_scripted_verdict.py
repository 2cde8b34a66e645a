from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from judgegen.judge import build, read
from judgegen.llm.calls import Call
from judgegen.llm.wire import reading
from judgegen.llm.wire.body import body as body_of_call
from judgegen.records import Candidate, Comparison, Prompt, Unreadable, Verdict
from judgegen.simulator.scripted import Problem, World
from judgegen.spec import Scripted
from judgegen.templates import PAIRWISE, parse, prompts_folder, read_text

FIRST = "A sound answer.\n[quality 0.900]"
SECOND = "A poor answer.\n[quality 0.100]"


def body(schema: Any = None, tail: str = "Which?", *, draw: int = 0, **params: Any) -> dict[str, Any]:
    asked = f"<q>\n{FIRST}\n</q>\n<q>\n{SECOND}\n</q>\n{tail}"
    row = {"model": "j", "messages": [{"role": "user", "content": asked}], "seed": draw, **params}
    if schema is not None:
        row["response_format"] = {"type": "json_schema", "json_schema": {"name": "v", "schema": schema}}
    return row


def choice(settings: Scripted, asked: dict[str, Any]) -> dict[str, Any]:
    answer = World(settings).answer(asked)
    assert not isinstance(answer, Problem), answer
    found: dict[str, Any] = answer["choices"][0]
    return found


def said(settings: Scripted, asked: dict[str, Any]) -> str:
    text: str = choice(settings, asked)["message"]["content"]
    return text


FIRST_WINS = Scripted(accuracy=1.0)
SECOND_WINS = Scripted(accuracy=0.0)
TIES = Scripted(tie_rate=1.0)


def enum(*values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def wrapped(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@pytest.mark.parametrize(("settings", "label"), [(FIRST_WINS, "X"), (SECOND_WINS, "Y"), (TIES, "none")])
def test_enums_get_the_verdict(settings: Scripted, label: str) -> None:
    """Value 0 is the first shown, value 1 the second, the last of three or more the tie; everywhere in a schema."""
    schema = wrapped(verdict=enum("X", "Y", "none"), each=wrapped(correct=enum("X", "Y", "equal", "none")))
    found = json.loads(said(settings, body(schema)))
    assert found == {"verdict": label, "each": {"correct": label}}


def test_without_a_tie_on_offer_none_is_given() -> None:
    """A tie's share goes to the two labels there are, in proportion."""
    settings = Scripted(accuracy=0.8, tie_rate=0.5)
    found = [json.loads(said(settings, body(wrapped(v=enum("X", "Y")), draw=draw)))["v"] for draw in range(1000)]
    assert found.count("X") + found.count("Y") == 1000
    assert found.count("X") / 1000 == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / 1000))
    assert json.loads(said(TIES, body(enum("X", "Y")))) in ("X", "Y")


def test_the_rest_of_a_schema_is_filled() -> None:
    """Strings hold a reason, numbers the middle, booleans true; references and alternatives are followed."""
    schema = {
        **wrapped(
            reason={"type": "string"},
            score={"type": "integer", "minimum": 1, "maximum": 5},
            weight={"type": "number", "minimum": 0, "maximum": 3},
            sure={"type": "boolean"},
            steps={"type": "array", "items": {"type": "string"}},
            nothing={"type": "null"},
            kind={"const": "pairwise"},
            level={"enum": [1, 2, 3]},
            alone=enum("only"),
            either={"anyOf": [{"type": ["boolean", "null"]}, {"type": "null"}]},
            verdict={"$ref": "#/$defs/label"},
        ),
        "$defs": {"label": enum("X", "Y", "tie")},
    }
    found = json.loads(said(FIRST_WINS, body(schema)))
    reason = found.pop("reason")
    assert reason
    assert found == {
        "score": 3,
        "weight": 1.5,
        "sure": True,
        "steps": [reason],
        "nothing": None,
        "kind": "pairwise",
        "level": 2,
        "alone": "only",
        "either": True,
        "verdict": "X",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"enum": []},
        {"type": "object", "properties": {"a": 3}},
    ],
)
def test_a_schema_without_a_value_is_refused(schema: Any) -> None:
    """400, naming the response format."""
    answer = World(Scripted()).answer(body(schema))
    assert isinstance(answer, Problem)
    assert answer.param == "response_format"


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ('{"verdict": "C"} or {"verdict": "D"} or {"verdict": "even"}', ("C", "D", "even")),
        ('Reply {"verdict": "C" | "D" | "even"}', ("C", "D", "even")),
        ('{"verdict": "C", "D" or "even", "reason": "why"}', ("C", "D", "even")),
        ('{"reason": "why", "verdict": "C"} or {"reason": "why", "verdict": "D"}', ("C", "D", None)),
    ],
)
def test_labels_are_read_from_the_instruction(tail: str, words: tuple[str, str, str | None]) -> None:
    """In the order first, second, tie, as a JSON object."""
    found = [json.loads(said(settings, body(tail=tail)))["verdict"] for settings in (FIRST_WINS, SECOND_WINS)]
    assert found == [words[0], words[1]]
    assert json.loads(said(TIES, body(tail=tail)))["verdict"] in ((words[2],) if words[2] else words[:2])


def test_labels_may_stand_before_the_answers() -> None:
    """An instruction in the system prompt counts where the end names none."""
    asked = body()
    rule = 'Reply {"verdict": "L"} or {"verdict": "R"} or {"verdict": "tie"}.'
    asked["messages"] = [{"role": "system", "content": rule}, *asked["messages"]]
    assert said(FIRST_WINS, asked) == '{"verdict":"L"}'


def test_without_labels_the_reply_is_a_letter() -> None:
    """A, B or tie; as a JSON object where one is asked for."""
    assert [said(settings, body()) for settings in (FIRST_WINS, SECOND_WINS, TIES)] == ["A", "B", "tie"]
    asked = body(response_format={"type": "json_object"})
    assert json.loads(said(SECOND_WINS, asked)) == {"verdict": "B"}


def test_logprobs_are_the_odds() -> None:
    """The label is one token; its alternatives have the true probabilities, the likeliest first."""
    settings = Scripted(accuracy=0.2, position_bias=0.3, tie_rate=0.1)
    found = choice(settings, body(wrapped(verdict=enum("Answer 1", "Answer 2", "tie")), logprobs=True, top_logprobs=5))
    tokens = found["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == found["message"]["content"]
    (label,) = [token for token in tokens if token["token"] in ("Answer 1", "Answer 2", "tie")]
    top = {entry["token"]: math.exp(entry["logprob"]) for entry in label["top_logprobs"]}
    p = World(settings).p_first(0.9, 0.1)
    assert top == pytest.approx({"Answer 1": 0.9 * p, "Answer 2": 0.9 * (1 - p), "tie": 0.1})
    assert list(top.values()) == sorted(top.values(), reverse=True)
    assert math.exp(label["logprob"]) == pytest.approx(top[label["token"]])


def test_only_the_alternatives_asked_for_are_given() -> None:
    """top_logprobs = 1 gives one, none gives none, and without logprobs there is nothing."""
    schema = wrapped(verdict=enum("X", "Y", "tie"))
    for top in (0, 1, 2):
        entries = choice(Scripted(), body(schema, logprobs=True, top_logprobs=top))["logprobs"]["content"]
        assert max(len(entry["top_logprobs"]) for entry in entries) == top
    assert choice(Scripted(), body(schema))["logprobs"] is None


def test_the_impossible_is_written_as_openai_writes_it() -> None:
    """A probability of zero is -9999 in JSON, which has no infinity."""
    found = choice(FIRST_WINS, body(enum("X", "Y", "tie"), logprobs=True, top_logprobs=5))
    label = next(entry for entry in found["logprobs"]["content"] if entry["token"] == "X")
    assert {entry["token"]: entry["logprob"] for entry in label["top_logprobs"]} == {"X": 0, "Y": -9999, "tie": -9999}


def question(text_a: str, text_b: str) -> tuple[Prompt, Comparison]:
    prompt = Prompt(id="p", messages=({"role": "user", "content": "Why is the sky blue?"},))
    one, two = (
        Candidate(prompt_id="p", variant=name, index=0, model="m", text=text, finish="stop", call_id=f"b2:{name}")
        for name, text in (("one", text_a), ("two", text_b))
    )
    return prompt, Comparison(first=one, second=two)


def verdict(settings: Scripted, comparison: Comparison, prompt: Prompt, draw: int, **fixed: Any) -> Any:
    """What this project's own judge reads from the world's reply to its own template."""
    template = parse(read_text(prompts_folder() / "judge" / "pairwise.md"), "pairwise", PAIRWISE)
    asking = build.Asking(route="r", endpoint="e", model="j", template=template, max_tokens=64, fixed=fixed)
    call: Call = build.call(prompt, comparison, asking, seed=0, draw=draw)
    answer = World(settings).answer(body_of_call(call))
    assert not isinstance(answer, Problem), answer
    return read.verdict(call, reading.reply(call, answer), build.framed(prompt, comparison, seed=0, draw=draw))


@pytest.mark.slow
def test_the_shipped_template_is_answered_and_read_both_ways_round() -> None:
    """The probabilities that the judge reads are the world's, in either order, with and without logprobs."""
    settings = Scripted(accuracy=0.9, position_bias=0.5)
    prompt, comparison = question(FIRST, SECOND)
    for shown, qualities in ((comparison, (0.9, 0.1)), (comparison.swap(), (0.1, 0.9))):
        p = World(settings).p_first(*qualities)
        soft = verdict(settings, shown, prompt, 0, top_logprobs=5)
        assert (soft.soft, soft.p_first) == (True, pytest.approx(p))
        hard = [verdict(settings, shown, prompt, draw) for draw in range(400)]
        assert all(isinstance(one, Verdict) and not one.soft for one in hard)
        assert sum(one.label == "first" for one in hard) / 400 == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 400))


def test_garbage_is_read_as_unreadable() -> None:
    """Whatever the world says instead of a verdict, the judge reads no verdict from it."""
    prompt, comparison = question(FIRST, SECOND)
    for draw, fixed in itertools.product(range(20), ({}, {"top_logprobs": 5})):
        assert isinstance(verdict(Scripted(unreadable_rate=1.0), comparison, prompt, draw, **fixed), Unreadable)
