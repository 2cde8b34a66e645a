"""Agents' recorded trajectories, from a file of others to every consumer: written whole, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from judgegen.cli.export import export
from judgegen.cli.import_ import import_
from judgegen.formats.consumers import CONSUMERS

app = typer.Typer()
app.command("export")(export)
app.command("import")(import_)

Row = dict[str, Any]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks a number up.",
            "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    }
]
ASKED = [{"role": "system", "content": "Use the tool."}, {"role": "user", "content": "Is 91 prime?"}]


def step(number: int, n: int, told: str) -> list[Row]:
    """A call of the tool, and what it answered."""
    call = {"id": f"c{number}", "type": "function", "function": {"name": "look", "arguments": f'{{"n": {n}}}'}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [called, {"role": "tool", "tool_call_id": f"c{number}", "content": told}]


def says(words: str) -> list[Row]:
    return [{"role": "assistant", "content": words}]


SHARED = [*ASKED, *step(1, 91, "7 * 13")]
LONG, SHORT = [*step(2, 7, "prime"), *says("No: it is 7 times 13.")], says("Yes.")
TAGS = {"system": "system", "user": "human", "tool": "observation"}


def tagged(chat: list[Row]) -> list[Row]:
    """The chat as ShareGPT's family writes it, where ids of calls are counted."""
    turns = []
    for message in chat:
        call = (message.get("tool_calls") or [{}])[0].get("function")
        if call is not None:
            value = json.dumps({"name": call["name"], "arguments": json.loads(call["arguments"])})
            turns.append({"from": "function_call", "value": value})
        else:
            turns.append({"from": TAGS.get(message["role"], "gpt"), "value": message["content"]})
    return turns


RECORDED: dict[str, Row] = {
    "whole chats": {"chosen": [*SHARED, *LONG], "rejected": [*SHARED, *SHORT], "tools": TOOLS},
    "prompt and sides": {"prompt": SHARED, "chosen": LONG, "rejected": SHORT, "tools": json.dumps(TOOLS)},
    "compared": {
        "conversation_a": [*SHARED, *SHORT],
        "conversation_b": [*SHARED, *LONG],
        "winner": "B",
        "tools": TOOLS,
    },
    "sharegpt": {"chosen": tagged([*SHARED, *LONG]), "rejected": tagged([*SHARED, *SHORT]), "tools": TOOLS},
}
STEPS = {"azure-dpo", "huggingface", "ms-swift", "trl-dpo", "trl-kto", "trl-reward", "trl-tpo"}
Command = Callable[..., Any]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def made(command: Command, recorded: Row, tmp_path: Path) -> Row:
    """The one preference that a recording comes in as."""
    (tmp_path / "recorded.jsonl").write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    done = command("import", "recorded.jsonl", "-o", "p.jsonl")
    assert done.exit_code == 0, done.output
    (row,) = rows(tmp_path / "p.jsonl")
    return row


def calls_alike(chat: list[Row]) -> list[Row]:
    """Messages without the names of their calls, which not every spelling has."""
    plain = json.loads(json.dumps(chat))
    for message in plain:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls") or ():
            call.pop("id", None)
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return list(plain)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_trajectory_comes_in_whole(name: str, command: Command, tmp_path: Path) -> None:
    """The pair begins at the first step that differs; calls, results and tools are as they were, however spelled."""
    row = made(command, RECORDED[name], tmp_path)
    assert [calls_alike(row[key]) for key in ("prompt", "chosen", "rejected")] == [
        calls_alike(SHARED),
        calls_alike(LONG),
        calls_alike(SHORT),
    ]
    assert row["tools"] == TOOLS


@pytest.mark.parametrize("name", CONSUMERS)
def test_each_consumer_gets_it_or_refuses_it_by_name(name: str, command: Command, tmp_path: Path) -> None:
    """What is written comes back with every step; what is not says which consumer, and why."""
    row = made(command, RECORDED["whole chats"] | {"reference": "No."}, tmp_path) | {"p_chosen": 0.9, "margin": 0.8}
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    form = CONSUMERS[name]
    out = tmp_path / ("out" if form.folder else f"out{form.suffix}")
    done = command("export", "p.jsonl", "--to", name, "-o", out)
    if name not in STEPS:
        assert done.exit_code == 2
        assert f"no preference fits {name}" in done.output.replace("\n", " ")
        return
    back = command("import", out, "--from", name, "-o", "back.jsonl")
    assert (done.exit_code, back.exit_code) == (0, 0), done.output + back.output
    found = [one.get(side) for one in rows(tmp_path / "back.jsonl") for side in ("chosen", "rejected")]
    assert [calls_alike(chat) for chat in found if chat] == [calls_alike(LONG), calls_alike(SHORT)]
