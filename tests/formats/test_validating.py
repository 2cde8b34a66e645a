"""What a consumer would refuse is found, with its line; what it takes is not; and a file can be freed of its faults."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from judgegen.cli.validate import validate as command
from judgegen.errors import SpecError
from judgegen.exchange.export import export
from judgegen.exchange.validate import Findings, validate
from judgegen.formats import rules
from judgegen.formats.consumers import CONSUMERS, consumer

PROVIDERS = ("openai-dpo", "azure-dpo", "together-dpo", "fireworks-dpo")
LINES = [name for name, form in CONSUMERS.items() if form.suffix == ".jsonl"]
PAIRED = [name for name in LINES if CONSUMERS[name].unit == "pair"]
Row = dict[str, Any]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look"}}


def first(row: Row) -> Row:
    """The first message of the input."""
    return row["input"]["messages"][0]  # type: ignore[no-any-return]


def put(row: Row, *path: Any, value: Any) -> Row:
    """A row with a value in it changed."""
    at = row
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return row


def called(*messages: Row) -> Callable[[Row], Row]:
    """A row whose input goes on with these messages."""
    return lambda row: put(row, "input", "messages", value=[first(row), *messages])


def said(**message: Any) -> Row:
    """A message of the assistant's."""
    return {"role": "assistant", **message}


BAD = "non_preferred_output"
DEFECTS: dict[str, tuple[Callable[[Row], Any], str]] = {
    "no input": (lambda r: {k: v for k, v in r.items() if k != "input"}, "input is missing"),
    "no chosen": (lambda r: {k: v for k, v in r.items() if k != "preferred_output"}, "preferred_output is missing"),
    "no rejected": (lambda r: {k: v for k, v in r.items() if k != BAD}, "non_preferred_output is missing"),
    "old name": (lambda r: {"preferred_completion": r.pop("preferred_output"), **r}, "called preferred_output now"),
    "extra key": (lambda r: r | {"id": 7}, "key 'id': a line has"),
    "extra input key": (lambda r: put(r, "input", "temperature", value=1), "key 'temperature' in input"),
    "list": (lambda r: [r], "not a JSON object"),
    "text": (lambda _: "row", "not a JSON object"),
    "input text": (lambda r: r | {"input": "Why?"}, "input is not an object"),
    "no messages": (lambda r: r | {"input": {}}, "input.messages is not a list"),
    "empty messages": (lambda r: r | {"input": {"messages": []}}, "input.messages is empty"),
    "message text": (lambda r: r | {"input": {"messages": ["Why?"]}}, "a message is not an object"),
    "no role": (lambda r: (first(r).pop("role"), r)[1], "a message has no role"),
    "unknown role": (lambda r: put(r, "input", "messages", 0, "role", value="human"), "role 'human'"),
    "developer": (called({"role": "developer", "content": "x"}, {"role": "user", "content": "x"}), "role 'developer'"),
    "list role": (lambda r: put(r, "input", "messages", 0, "role", value=["user"]), "role ['user']"),
    "number": (lambda r: put(r, "input", "messages", 0, "content", value=7), "content is not a text"),
    "no content": (lambda r: (first(r).pop("content"), r)[1], "neither content nor tool calls"),
    "empty question": (lambda r: put(r, "input", "messages", 0, "content", value=" "), "says nothing"),
    "image": (
        lambda r: put(r, "input", "messages", 0, "content", value=[{"type": "image_url", "image_url": {}}]),
        "content that is not text",
    ),
    "untyped part": (
        lambda r: put(r, "input", "messages", 0, "content", value=[{"text": "x"}]),
        "a content part is not an object with a type",
    ),
    "no parts": (lambda r: put(r, "input", "messages", 0, "content", value=[]), "empty list of parts"),
    "message key": (lambda r: put(r, "input", "messages", 0, "from", value="x"), "key 'from' in a message"),
    "weight": (called(said(content="x", weight=2), {"role": "user", "content": "y"}), "a weight that is not 0 or 1"),
    "user weight": (lambda r: put(r, "input", "messages", 0, "weight", value=1), "a weight on a message"),
    "name": (lambda r: put(r, "input", "messages", 0, "name", value=1), "a message's name is not a text"),
    "ends answered": (called(said(content="x")), "ends with a message of role 'assistant'"),
    "late system": (
        lambda r: put(r, "input", "messages", value=[first(r), {"role": "system", "content": "x"}, first(r)]),
        "a system message that is not the first",
    ),
    "chosen text": (lambda r: r | {"preferred_output": "So."}, "preferred_output is not a list"),
    "no answer": (lambda r: r | {BAD: []}, "non_preferred_output is empty"),
    "user answers": (lambda r: put(r, BAD, 0, "role", value="user"), "has no message of the assistant"),
    "blank answer": (lambda r: put(r, BAD, 0, "content", value="\n"), "an answer says nothing"),
    "null answer": (lambda r: put(r, BAD, 0, "content", value=None), "neither content nor tool calls"),
    "same": (lambda r: r | {BAD: r["preferred_output"]}, "chosen and rejected are the same"),
    "nearly same": (
        lambda r: put(copy.deepcopy(r | {BAD: r["preferred_output"]}), BAD, 0, "content", value=" It\nis 2.  "),
        "chosen and rejected are the same",
    ),
    "tools text": (lambda r: put(r, "input", "tools", value="look"), "tools is not a list"),
    "bare tool": (lambda r: put(r, "input", "tools", value=[{"name": "look"}]), "a tool is not {type: function"),
    "tool name": (
        lambda r: put(r, "input", "tools", value=[{"type": "function", "function": {"name": "look up"}}]),
        "a tool's name is not of",
    ),
    "twin tools": (lambda r: put(r, "input", "tools", value=[TOOL, TOOL]), "two tools have one name"),
    "many tools": (lambda r: put(r, "input", "tools", value=[TOOL] * 129), "more than 128 tools"),
    "parameters": (
        lambda r: put(r, "input", "tools", value=[{"type": "function", "function": {"name": "a", "parameters": []}}]),
        "parameters are not an object",
    ),
    "parallel": (lambda r: put(r, "input", "parallel_tool_calls", value="yes"), "parallel_tool_calls is not true"),
    "user calls": (
        lambda r: put(r, "input", "messages", 0, "tool_calls", value=[CALL]),
        "tool_calls on a message that is not the assistant's",
    ),
    "calls text": (called(said(tool_calls="look"), {"role": "user", "content": "y"}), "tool_calls is not a list"),
    "call id": (
        called(said(tool_calls=[{k: v for k, v in CALL.items() if k != "id"}]), {"role": "user", "content": "y"}),
        "a tool call has no id",
    ),
    "call type": (
        called(said(tool_calls=[CALL | {"type": "f"}]), {"role": "user", "content": "y"}),
        "type is not function",
    ),
    "call name": (
        called(said(tool_calls=[CALL | {"function": {}}]), {"role": "user", "content": "y"}),
        "names no function",
    ),
    "arguments": (
        called(
            said(tool_calls=[CALL | {"function": {"name": "look", "arguments": {}}}]), {"role": "user", "content": "y"}
        ),
        "arguments are not a text of JSON",
    ),
    "unanswered": (called(said(tool_calls=[CALL]), {"role": "user", "content": "y"}), "a tool call is not answered"),
    "unasked": (called({"role": "tool", "tool_call_id": "c9", "content": "x"}), "answers no call before it"),
    "tool without id": (
        called(said(tool_calls=[CALL]), {"role": "tool", "content": "x"}),
        "a tool's message has no tool_call_id",
    ),
}
RAW: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "blank line": (lambda line: b"\n" + line, "a blank line"),
    "torn": (lambda line: line[:-5] + b"\n", "not JSON"),
    "two rows": (lambda line: line.rstrip() + line, "not JSON"),
    "latin-1": (lambda line: line.replace(b"Nobody", b"Nob\xf6dy"), "not UTF-8"),
    "NaN": (lambda line: line.replace(b"}\n", b', "n": NaN}\n'), "NaN is no JSON"),
    "infinity": (lambda line: line.replace(b"}\n", b', "n": -Infinity}\n'), "-Infinity is no JSON"),
    "repr": (lambda line: repr(json.loads(line)).encode() + b"\n", "not JSON but Python's repr"),
    "repr of none": (lambda line: line.replace(b"}\n", b', "n": None}\n'), "not JSON but Python's repr"),
    "comma after": (lambda line: line.rstrip() + b",\n", "a comma after the object"),
    "comma inside": (lambda line: line.replace(b"}\n", b",}\n"), "a comma before a closing bracket"),
    "twin key": (
        lambda line: line.replace(b'{"role": "user"', b'{"role": "user", "role": "user"'),
        "'role' stands twice",
    ),
    "twin top key": (lambda line: line.replace(b'{"input"', b'{"input": 1, "input"', 1), "'input' stands twice"),
}


@pytest.fixture
def good(make: Any) -> list[Row]:
    """Twelve preferences that every consumer takes."""
    return [make.plain(n) for n in range(1, 13)]


def written(found: list[Row], name: str, folder: Path) -> Path:
    """The consumer's file of them."""
    path = folder / f"{name}.jsonl"
    export(found, name, path)
    return path


def words(report: Findings) -> dict[str, list[int]]:
    """What was found, with the lines."""
    return {finding.words: finding.lines for finding in report.findings}


@pytest.mark.parametrize("name", LINES)
def test_what_is_exported_is_in_order(name: str, make: Any, good: list[Row], tmp_path: Path) -> None:
    """No rule finds anything in a file that was exported for its consumer, tools and turns included."""
    report = validate(written([*good, make.several_turns(20), make.with_tools(21)], name, tmp_path), name)
    assert report.findings == ()
    assert report.rows >= 12


@pytest.mark.parametrize("name", ["trl-dpo", "trl-kto", "trl-reward"])
def test_the_string_form_is_in_order_too(name: str, good: list[Row], tmp_path: Path) -> None:
    """Rows of strings are checked as what they are."""
    export(good, name, tmp_path / "out.jsonl", standard=True)
    assert validate(tmp_path / "out.jsonl", name).findings == ()


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found_on_its_line(name: str, defect: str, good: list[Row], tmp_path: Path) -> None:
    """One wrong row among good ones is refused, by that line alone and for that reason."""
    path = written(good, name, tmp_path)
    plant, told = DEFECTS[defect]
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    row = json.loads(lines.pop(0))
    lines[3] = json.dumps(plant(row))
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8-sig" if CONSUMERS[name].bom else "utf-8")
    report = validate(path, name)
    assert report.refused
    fatal = {finding.words: finding.lines for finding in report.findings if finding.fatal}
    assert any(told in sentence for sentence in fatal), fatal
    assert all(found == [4] for found in fatal.values()), fatal


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("defect", RAW)
def test_a_broken_line_is_found(name: str, defect: str, good: list[Row], tmp_path: Path) -> None:
    """What is wrong with the bytes of a line is told with its number, and the lines around it are still read."""
    path = written(good, name, tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    plant, told = RAW[defect]
    path.write_bytes(b"".join([*lines[:4], plant(lines[4]), *lines[5:]]))
    report = validate(path, name)
    assert report.refused
    assert any(told in sentence and found == [5] for sentence, found in words(report).items()), words(report)


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_wrong_with_the_file_is_found(name: str, good: list[Row], tmp_path: Path) -> None:
    """A mark that is missing or too much, and too few rows, are told of the file."""
    path = written(good, name, tmp_path)
    data = path.read_bytes()
    mark = b"\xef\xbb\xbf"
    path.write_bytes(data.removeprefix(mark) if data.startswith(mark) else mark + data)
    assert any("byte order mark" in sentence for sentence in words(validate(path, name)))
    path.write_bytes(b"")
    assert any("needs at least" in sentence for sentence in words(validate(path, name)))


@pytest.mark.parametrize(
    ("name", "defect", "told"),
    [
        ("together-dpo", called({"role": "user", "content": "x"}), "two messages of one role in a row"),
        ("together-dpo", lambda r: put(r, "input", "tools", value=[TOOL]), "no place for them"),
        ("fireworks-dpo", lambda r: put(r, "input", "tools", value=[TOOL]), "no place for them"),
        (
            "fireworks-dpo",
            called(said(tool_calls=[CALL]), {"role": "tool", "tool_call_id": "c1", "content": "x"}),
            "role 'tool'",
        ),
        (
            "fireworks-dpo",
            lambda r: put(r, "input", "messages", 0, "content", value=[{"type": "text", "text": "x"}]),
            "takes a string",
        ),
        ("openai-dpo", lambda r: put(r, BAD, value=[said(content="a"), said(content="b")]), "more than one message"),
    ],
)
def test_what_one_provider_alone_refuses(
    name: str, defect: Callable[[Row], Row], told: str, good: list[Row], tmp_path: Path
) -> None:
    """Each provider's own limits are its own."""
    path = written(good, name, tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], json.dumps(defect(json.loads(lines[-1])))]) + "\n")
    assert any(told in sentence for sentence in words(validate(path, name)))


def test_warnings_do_not_refuse(make: Any, good: list[Row], tmp_path: Path) -> None:
    """Duplicates, contradictions and leaks are told, with the lines, and the file is still taken."""
    swapped = good[3] | {"chosen": good[3]["rejected"], "rejected": good[3]["chosen"]}
    path = written([*good, good[0], swapped], "openai-dpo", tmp_path)
    other = tmp_path / "test.jsonl"
    asked = "WHAT is 5  + 5?\n"
    export([make.plain(77, prompt=[{"role": "user", "content": asked}])], "openai-dpo", other)
    report = validate(path, "openai-dpo", other=other)
    assert not report.refused
    assert words(report) == {
        "the row stands in the file before": [13],
        "an answer to one prompt is chosen in one row and rejected in another": [4, 14],
        "the prompt stands in the other file too: the split leaks": [5],
    }


def test_a_fixed_file_is_in_order_and_says_what_it_left_out(good: list[Row], tmp_path: Path) -> None:
    """--fix leaves out what is wrong, repeated or contradictory, adds Azure's mark, and keeps the rest's bytes."""
    path = written([*good, good[0]], "openai-dpo", tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\n".join([*(line.rstrip() for line in lines), b"", b"{", b""]))
    fixed = tmp_path / "fixed.jsonl"
    assert validate(path, "azure-dpo", fixed=fixed).left_out == 3
    assert fixed.read_bytes() == b"\xef\xbb\xbf" + b"".join(lines[:12])
    assert validate(fixed, "azure-dpo").findings == ()


def test_gzip_and_tokens(good: list[Row], tmp_path: Path) -> None:
    """A gzipped file is read; a model's tokens are counted, and what its limit cuts is told of."""
    long = good[0] | {"chosen": [{"role": "assistant", "content": "word " * 70_000}]}
    path = written([long, *good[1:]], "openai-dpo", tmp_path)
    report = validate(path, "openai-dpo", model="gpt-4.1-mini-2025-04-14")
    assert words(report) == {"more than 65,536 tokens: cut at the end": [1]}
    assert report.tokens[-1] > 70_000
    assert not report.refused
    zipped = tmp_path / "trl.jsonl.gz"
    zipped.write_bytes(gzip.compress(written(good, "trl-dpo", tmp_path).read_bytes()))
    assert validate(zipped, "trl-dpo").findings == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(value=json_values, place=st.integers(0, 8), name=st.sampled_from(LINES))
@settings(deadline=None, max_examples=300)
def test_no_row_is_too_odd_to_be_judged(value: Any, place: int, name: str) -> None:
    """Any JSON in any place is a fault or none; it never breaks the check, and the quick answer is never wrong."""
    message = {"role": "user", "content": "Why?"}
    row: Any = {
        "input": {"messages": [message]},
        "preferred_output": [said(content="So.")],
        BAD: [said(content="No.")],
        "messages": [message, said(content="So.")],
        "prompt": [message],
        "chosen": [said(content="So.")],
        "rejected": [said(content="No.")],
    }
    keys = [*row, None, "tools"]
    row = value if keys[place] is None else row | {keys[place]: value}
    found = list(rules.faults(row, consumer(name)))
    if rules.sound(row):
        assert not [fault for fault in rules.faults(row, consumer("openai-dpo")) if fault.fatal]
    assert all(fault.words for fault in found)


def test_the_command_ends_with_two_when_refused(good: list[Row], tmp_path: Path) -> None:
    """Exit code 0 in order or with warnings, 2 when refused; --json holds the findings, the lengths and the verdict."""
    app = typer.Typer()
    app.command()(command)
    run = CliRunner()
    path = written(good, "openai-dpo", tmp_path)
    fine = run.invoke(app, [str(path), "--for", "openai-dpo"])
    assert fine.exit_code == 0
    assert "in order; 12 rows" in fine.stdout
    path.write_bytes(path.read_bytes() + b"{\n")
    bad = run.invoke(app, [str(path), "--for", "openai-dpo", "--fix", str(tmp_path / "f.jsonl")])
    assert bad.exit_code == 2
    several = "not JSON: an object over several lines, where each line holds one"
    assert f"1  {several} (line 13; line 13, column 2: " in bad.stdout
    assert "without 1 lines" in bad.stdout
    told = json.loads(run.invoke(app, [str(path), "--for", "openai-dpo", "--json"]).stdout)
    assert told["refused"]
    first = told["findings"][0]
    assert (first["words"], first["fatal"], first["count"], first["lines"]) == (several, True, 1, [13])
    assert first["first"].startswith("line 13, column 2: ")


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("verl", "pairs.jsonl", "reads Parquet"),
        ("openai", "pairs.jsonl", "is no format"),
        ("trl-dpo", "missing.jsonl", "cannot be read"),
    ],
)
def test_what_cannot_be_checked_says_why(name: str, file: str, told: str, good: list[Row], tmp_path: Path) -> None:
    """Parquet, an unknown consumer and a missing file are errors with their mend."""
    export(good, "trl-dpo", tmp_path / "pairs.jsonl")
    with pytest.raises(SpecError, match=told):
        validate(tmp_path / file, name)


WRAPPINGS: dict[str, tuple[Callable[[list[Any]], bytes], str]] = {
    "utf-16": (lambda rows: "\n".join(map(json.dumps, rows)).encode("utf-16"), "the file is UTF-16"),
    "utf-16, no mark": (lambda rows: "\n".join(map(json.dumps, rows)).encode("utf-16-le"), "the file is UTF-16"),
    "utf-16, the other way": (lambda rows: "\n".join(map(json.dumps, rows)).encode("utf-16-be"), "the file is UTF-16"),
    "list": (lambda rows: json.dumps(rows).encode(), "the file is one JSON list"),
    "list over lines": (lambda rows: json.dumps(rows, indent=1).encode(), "the file is one JSON list"),
    "pretty": (lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(), "pretty-printed"),
}


@pytest.mark.parametrize("kind", WRAPPINGS)
def test_a_file_that_is_something_else_is_named_once(kind: str, good: list[Row], tmp_path: Path) -> None:
    """A wrapping is told of in one sentence and not line by line, and --fix does not copy it."""
    made, words = WRAPPINGS[kind]
    path = written(good, "openai-dpo", tmp_path)
    path.write_bytes(made([json.loads(line) for line in path.read_text().splitlines()]))
    report = validate(path, "openai-dpo")
    assert report.refused
    assert [words in finding.words for finding in report.findings] == [True]
    with pytest.raises(SpecError, match="the file is"):
        validate(path, "openai-dpo", fixed=tmp_path / "fixed.jsonl")


@pytest.mark.parametrize("cell", ["nan", "None", " NaN", "<NA>", "null"])
@pytest.mark.parametrize("name", PAIRED)
def test_empty_cells_as_answers_are_warned_of(name: str, cell: str, good: list[Row], tmp_path: Path) -> None:
    """What an empty cell of a table becomes is no answer to learn."""
    found = [*good, good[0] | {"prompt": good[3]["prompt"], "chosen": [{"role": "assistant", "content": cell}]}]
    report = validate(written(found, name, tmp_path), name)
    assert not report.refused
    told = [finding.words for finding in report.findings]
    assert (
        name == "openai-rft" or f"an answer says {cell.strip()!r}, as an empty cell of a table becomes a text" in told
    )


@pytest.mark.parametrize("name", [name for name in LINES if CONSUMERS[name].tools == "definitions"])
def test_calls_of_tools_that_nobody_defined_are_warned_of(name: str, make: Any, tmp_path: Path) -> None:
    """A call without definitions, or of another function, is told of; a sound one is not."""
    sound = make.with_tools(30)
    renamed = [{"type": "function", "function": sound["tools"][0]["function"] | {"name": "subtract"}}]
    found = [*(make.plain(n) for n in range(1, 13)), sound]
    assert validate(written(found, name, tmp_path), name).findings == ()
    for tools in (None, renamed):
        odd = make.with_tools(31) | {"tools": tools}
        report = validate(written([*found, odd], name, tmp_path), name)
        told = [finding.words for finding in report.findings]
        assert any(words.startswith("a tool is called") for words in told) or name == "llama-factory"
        assert not report.refused
