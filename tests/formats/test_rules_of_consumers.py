"""Every rule of the consumers whose rows hold no chat API: a sound row passes, and each fault is refused by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export
from judgegen.exchange.validate import validate
from judgegen.formats.consumers import CONSUMERS
from judgegen.sources import prompts

Row = dict[str, Any]
Change = Callable[[Row], object]
BROKEN: list[tuple[str, Change, str]] = [
    ("gemini-preference", lambda r: r.pop("completions"), "contents and completions are not both lists"),
    ("gemini-preference", lambda r: r["completions"][0].update(score=0), "with a score of 1 and of 0"),
    ("gemini-preference", lambda r: r["completions"][0].update(score=0.5), "with a score of 1 and of 0"),
    ("gemini-preference", lambda r: r["completions"].pop(), "with a score of 1 and of 0"),
    ("gemini-preference", lambda r: r["contents"][-1].update(role="model"), "ends with a message of role 'assistant'"),
    ("gemini-preference", lambda r: r["contents"][0].update(parts=[{"fileData": {}}]), "no list of text parts"),
    ("nemo-rl", lambda r: r["completions"].append(r["completions"][0]), "not a context with two completions"),
    ("nemo-rl", lambda r: r["completions"][1].update(rank=0), "the same rank: a tie"),
    ("nemo-rl", lambda r: r["completions"][1].update(rank="1"), "a rank is not a whole number"),
    ("nemo-rl", lambda r: r["completions"][1].update(completion=[]), "no rejected side"),
    ("nova-dpo", lambda r: r["messages"].pop(), "do not end with a turn that has candidates"),
    (
        "nova-dpo",
        lambda r: r["messages"][-1]["candidates"][0].update(preferenceLabel="non-preferred"),
        "not one preferred and one non-preferred",
    ),
    ("nova-dpo", lambda r: r["messages"][0]["content"][0].update(text="User: hello"), "a reserved word of Nova's"),
    ("nova-dpo", lambda r: r["messages"][0]["content"][0].update(text="an <image> here"), "a reserved word of Nova's"),
    ("nova-dpo", lambda r: r["messages"][0].update(content="text"), "content is not a list of texts"),
    ("tinker", lambda r: r.update(label="tie"), "label is not A, B or Tie"),
    ("tinker", lambda r: r["comparison"].pop("completion_A"), "comparison is not prompt_conversation"),
    ("trl-tpo", lambda r: r.pop("reference"), "reference is neither a text nor one message"),
    ("trl-prompts", lambda r: r.update(spread=3), "spread is not a number from 0 to 1"),
    ("trl-prompts", lambda r: r.update(prompt="Why?"), "prompt is not a list of messages"),
    ("candidates", lambda r: r["candidates"].pop(), "not a prompt with two candidates or more"),
    ("candidates", lambda r: r["candidates"][0].update(score=0.1), "a better rank has a lower score"),
    ("candidates", lambda r: r["candidates"][0].pop("rank"), "has not completion, score and rank"),
    ("ultrafeedback-completions", lambda r: r["completions"][0].pop("response"), "a completion has no response"),
    ("ultrafeedback-completions", lambda r: r["completions"][0].update(overall_score="9"), "is no number"),
    ("rubric-oumi", lambda r: r.update(rubrics=[]), "the rubric is not a list of criteria"),
    ("rubric-oumi", lambda r: r["rubrics"][0].pop("weight"), "a criterion has not description, name, weight"),
    ("rubric-rar", lambda r: r["rubric"][0].update(weight=9), "a weight outside of -2"),
    ("rubric-tinker", lambda r: r["rubric_items"][0].pop("rubric_str"), "an item has not the texts"),
    ("rubric-verifiers", lambda r: r["criteria"].append(r["criteria"][0]), "two criteria have one name"),
    ("rubric-verifiers", lambda r: r["criteria"][0].update(weight=0), "a weight is below 0, or none is above"),
    ("rubric-verifiers", lambda r: r["criteria"][0].update(choices=["yes"]), "choices are not two different texts"),
]


@pytest.mark.parametrize(
    ("name", "change", "words"), BROKEN, ids=[f"{name}-{n}" for n, (name, _, _) in enumerate(BROKEN)]
)
def test_each_fault_is_refused_by_name(name: str, change: Change, words: str, make: Any, tmp_path: Path) -> None:
    """A file of sound rows is in order; with one fault it is refused, on its line, in words that say what is wrong."""
    path = tmp_path / "rows.jsonl"
    export([make.plain(n) for n in range(1, 13)], name, path)
    assert validate(path, name).findings == ()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    broken = copy.deepcopy(rows[4])
    change(broken)
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:4], broken, *rows[5:]]), encoding="utf-8")
    report = validate(path, name)
    assert report.refused
    fatal = [finding for finding in report.findings if finding.fatal]
    assert any(words in finding.words and finding.lines == [5] for finding in fatal), fatal


@pytest.mark.parametrize(
    ("name", "train", "test", "taken"),
    [
        ("openai-rft", 50, 1000, True),
        ("openai-rft", 5000, 1001, False),
        ("gemini-preference", 10, 1000, True),
        ("gemini-preference", 3000, 1001, False),
        ("gemini-preference", 20_000, 5000, True),
        ("gemini-preference", 100_000, 5001, False),
        ("openai-dpo", 10, 10**6, True),
    ],
)
def test_a_file_to_test_on_has_its_own_length(name: str, train: int, test: int, taken: bool) -> None:
    """As the consumer documents it, alone or as a share of what is trained on."""
    assert bool(list(CONSUMERS[name].limits.test_faults(test, train))) is not taken


def test_a_file_that_is_too_long_to_test_on_is_told(make: Any, tmp_path: Path) -> None:
    """By `validate`, of the other side of the split, and by `export` as it writes both."""
    pairs = [make.plain(n) for n in range(1400)]
    done = export(pairs, "openai-rft", tmp_path / "a.jsonl", split=0.1)
    assert any("to test on" in why for why in done.refused_for)
    found = validate(done.paths[0], "openai-rft", other=done.paths[1])
    assert any("to test on" in one.words for one in found.findings), found


OF_PAIRS = [
    name for name, form in CONSUMERS.items() if form.suffix == ".jsonl" and form.unit == "pair" and name != "nova-dpo"
]
"""Nova's last turn is two candidates, and no chat of its own."""


@pytest.mark.parametrize("name", OF_PAIRS)
def test_a_file_for_a_consumer_asks_what_was_asked(name: str, make: Any, tmp_path: Path) -> None:
    """As prompts of a run: system messages, several turns, calls of tools; their ids are all that may be lost."""
    system = make.plain(1)
    system["prompt"] = [{"role": "system", "content": "Be brief."}, *system["prompt"]]
    pairs = [make.plain(0), system, make.several_turns(), make.with_tools()]
    done = export(pairs, name, tmp_path / "a.jsonl")
    asked = [_plain(one.messages) for one in prompts(done.paths[0], warn=lambda _: None)]
    assert len(asked) >= 2
    assert all(one in [_plain(pair["prompt"]) for pair in pairs] for one in asked)


def _plain(chat: Any) -> list[Any]:
    """What counts of messages: OpenAI's developer is the system, and some consumers have no place for ids of calls."""
    roles = {"developer": "system"}
    called = [[call["function"] for call in m.get("tool_calls") or ()] for m in chat]
    return [(roles.get(m["role"], m["role"]), m.get("content") or "", c) for m, c in zip(chat, called, strict=True)]
