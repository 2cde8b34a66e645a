"""docs/formats.md says what the code does: `python tests/formats/test_page.py > docs/formats.md` writes it anew.

Every loss on it is found by a round trip: a preference with everything goes out, comes back, and is compared.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from judgegen.cli.export import export as export_command
from judgegen.cli.validate import validate as validate_command
from judgegen.exchange.export import export
from judgegen.exchange.import_ import imported
from judgegen.formats import fit
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.format import Format, Unfit
from judgegen.formats.origin import KINDS as KINDS_READ
from judgegen.formats.origin import Origin
from judgegen.formats.origins import ORIGINS
from judgegen.sources import prompts
from judgegen.sources.columns import MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
USER = [{"role": "user", "content": "What is two and two?"}]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "c1", "content": "4"}
ANSWERS = [
    {"completion": [{"role": "assistant", "content": "Four."}], "score": 0.75, "rank": 1, "model": "a"},
    {"completion": [{"role": "assistant", "content": "Five."}], "score": 0.25, "rank": 2, "model": "b"},
]
PLAIN: dict[str, Any] = {
    "prompt_id": "p-1",
    "prompt": USER,
    "chosen": [{"role": "assistant", "content": "Four."}],
    "rejected": [{"role": "assistant", "content": "Five."}],
}
BESIDE: dict[str, Any] = {
    "p_chosen": 0.75,
    "margin": 0.5,
    "consistent": True,
    "reference": "Four.",
    "tokens": {"prompt": 6, "chosen": 2, "rejected": 2},
    "chosen_from": {"model": "a"},
    "rejected_from": {"model": "b"},
    "cost_usd": {"total": "0.001"},
    "metadata": {"topic": "sums"},
}
ALL = {
    **PLAIN,
    **BESIDE,
    "candidates": ANSWERS,
    "rubric": [{"name": "right", "description": "Is it right?", "weight": 1.0}],
}
KINDS: dict[str, dict[str, Any]] = {
    "a system message": {"prompt": [{"role": "system", "content": "Be terse."}, *USER]},
    "several turns": {
        "prompt": [*USER, {"role": "assistant", "content": "Four."}, {"role": "user", "content": "Sure?"}]
    },
    "a name in a message": {"prompt": [{"role": "user", "name": "Ann", "content": "What is two and two?"}]},
    "tool definitions": {"tools": [TOOL]},
    "calls of tools and their answers": {"prompt": [*USER, CALLED, TOLD]},
    "a call of a tool as a side": {"chosen": [CALLED]},
    "sides of several messages": {"chosen": [CALLED, TOLD, {"role": "assistant", "content": "Four."}]},
    "ties": {"tie": True},
    "half a character": {"chosen": [{"role": "assistant", "content": "half \ud83d"}]},
}


SAYS = {
    "chat": "what is asked, as messages; one that ends with an answer is a chosen side",
    "prompt": "what is asked, as a text or as messages",
    "system": "the system message",
    "tools": "the definitions of tools, as a list or as JSON in a text",
    "chosen": "the better answer, or a whole chat with it",
    "rejected": "the worse answer, or a whole chat with it",
    "answer": "an answer; beside a rejected one the better",
    "reference": "the known answer",
    "answers": "several answers, as texts or objects",
    "scores": "a rating of each of those",
    "ranks": "a rank of each, 1 the best",
    "winner": "which of two answers is better, by letter, number, model or name; or votes",
    "label": "whether an answer is wanted",
    "rating": "the rating of one answer",
    "turn": "the turn of two conversations that was judged",
    "margin": "the gap of two scores, where it is in 0..1 and our own",
    "p_chosen": "the probability that the chosen side is better",
    "id": "the prompt's name",
}
OF_READING = (
    "chats as lists, as JSON or Python's repr in a cell, as {from, value}, {role, parts}, transcripts of two speakers",
    "answers in lettered or numbered columns (response_a, output_1, answer0, conversation_b and their like)",
    "ratings of the sides (score_chosen, chosen-rating, rejected_avg_rating): equal or reversed ones are refused",
    "Label Studio's, Argilla's, Prodigy's and Mechanical Turk's answers and votes; what was not submitted is no vote",
    "LangSmith's and MLflow's inputs and outputs, batches of requests; Anthropic's calls of tools as the chat API's",
    "a flag, thumb or score beside one answer, in an object too: what speaks against it is asked about, see --map",
    "a name of another column, or a letter of choices, is no answer, and is asked about, see --map",
    "Alpaca's input belongs to its instruction; any other text beside a prompt is asked about, see --map",
)
MARGIN = "of votes and ranks, their share"
KINDS_OF_ROWS = {kind: words.removeprefix("one ") for kind, words in KINDS_READ.items()}


def page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_out(), *_in()]) + "\n"


def _head() -> Iterator[str]:
    yield from ("# Formats", "", "<!-- Written by `python tests/formats/test_page.py > docs/formats.md`. -->", "")
    yield "What `judgegen export --to` writes, `judgegen validate --for` checks and `judgegen import --from` reads."
    yield "What is kept and lost was found by writing a preference that has everything, and reading it back."


def _out() -> Iterator[str]:
    yield from ("", "## Out")
    for name, form in CONSUMERS.items():
        yield from _consumer(name, form)


def _consumer(name: str, form: Format) -> Iterator[str]:
    yield from ("", f"### {name}", "", f"{form.about[0].upper()}{form.about[1:]}.", "")
    kind = "a folder with Parquet" if form.folder else {".jsonl": "JSONL", ".parquet": "Parquet"}[form.suffix]
    mark = ", with a byte order mark" if form.bom else ""
    about = "answer" if not form.sides and form.unit == "pair" else form.unit
    yield f"- file: {kind}{mark}; a row for each {about}"
    for each, words in ((form, "keys"), (form.standard, "keys with --standard")):
        if each is not None:
            yield f"- {words}: {', '.join(f'`{key}`' for key in _keys(each))}"
    yield from (f"- {rule}" for rule in form.rules)
    yield from _limits(form)
    yield from _losses(name, form)
    yield f"- source, as of {form.as_of}: {form.source}"


def _keys(form: Format) -> list[str]:
    """Of the rows of a preference that has everything the consumer takes."""
    given = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    return list(form.rows(given)[0])


def _limits(form: Format) -> Iterator[str]:
    limits = form.limits
    told = [f"at least {limits.rows:,} rows"] if limits.rows > 1 else []
    told += [f"at most {limits.most_rows:,} rows"] if limits.most_rows is not None else []
    told += [f"at most {limits.size:,} bytes"] if limits.size is not None else []
    told += [f"{limits.tokens:,} tokens an example"] if limits.tokens is not None else []
    if told:
        yield f"- limits: {', '.join(told)}"


def _losses(name: str, form: Format) -> Iterator[str]:
    refused = {kind: reason for kind, change in KINDS.items() if (reason := _refused(ALL | change, form))}
    if refused:
        yield "- left out, with the reason: " + ", ".join(refused)
    backs = _backs(name, form)
    if name not in ORIGINS and not any("chosen" in back and "rejected" in back for back in backs):
        yield f"- {_prompts_alone(name)}"
        return
    if len(backs) > 1:
        yield f"- comes back as {len(backs)} rows, of one answer each"
    lost = sorted(({*PLAIN, *BESIDE} | ({"tools"} if "tool definitions" not in refused else set())) - _kept(name, form))
    yield "- lost on the way out and back: " + (", ".join(f"`{key}`" for key in lost) or "nothing")


def _prompts_alone(name: str) -> str:
    """What comes back of a consumer whose rows hold no pair."""
    with tempfile.TemporaryDirectory() as folder:
        export([ALL], name, Path(folder) / "out.jsonl")
        asked = list(prompts(Path(folder) / "out.jsonl", warn=lambda _: None))
    assert [list(each.messages) for each in asked] == [USER], name
    return "no pair comes back; as a file of prompts it asks what was asked"


def _refused(pair: dict[str, Any], form: Format) -> str | None:
    try:
        fit.laid_out(pair, form)
    except Unfit as reason:
        return str(reason)
    return None


def _kept(name: str, form: Format) -> set[str]:
    """The fields that a round trip gives back as they were, in one of the rows that came back."""
    pair = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    return {key for key, value in pair.items() if any(back.get(key) == value for back in _backs(name, form))}


def _backs(name: str, form: Format) -> list[dict[str, Any]]:
    """What comes back of a preference that has everything, by the consumer's name where it is one to import from."""
    pair = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / ("out" if form.folder else f"out{form.suffix}")
        export([pair], name, out)
        return [back for back in imported(out, name if name in ORIGINS else None) if isinstance(back, dict)]


def _in() -> Iterator[str]:
    yield from ("", "## In", "")
    yield "A row is read as what its columns say it is, or refused with its line and the mend. What is read:"
    yield from ("", *(f"- {words}" for words in OF_READING), "")
    yield from ("| a column named | says | also |", "| --- | --- | --- |")
    for meaning, names in MEANINGS.items():
        yield f"| `{names[0]}` | {SAYS[meaning]} | {', '.join(f'`{each}`' for each in names[1:]) or '-'} |"
    yield ""
    yield "Names count without case, blanks, hyphens and dots. `--map WHAT=COLUMN` names what no list knows."
    yield from ("", "| name | what it is | rows are | known by the columns | margin | seen in |")
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, origin in ORIGINS.items():
        yield f"| `{name}` | {' | '.join(_cell(each) for each in _origin(origin))} |"


def _origin(origin: Origin) -> Iterator[str]:
    yield origin.about
    kinds = [KINDS_OF_ROWS[kind] for kind in KINDS_OF_ROWS if kind in origin.kinds]
    yield "preferences" if origin.read is not None else "whatever they say" if len(kinds) > 5 else "; ".join(kinds)
    yield "; or ".join(", ".join(f"`{each}`" for each in sorted(columns)) for columns in origin.columns) or "-"
    votes = {"comparison", "ranked"} & origin.kinds
    yield (
        "its own" if origin.ours else f"gap of ratings / {origin.scale:g}" if origin.scale else MARGIN if votes else "-"
    )
    yield origin.source


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


@pytest.mark.slow
def test_the_page_says_what_the_code_does() -> None:
    """docs/formats.md is as `python tests/formats/test_page.py > docs/formats.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", [name for name in CONSUMERS if name in ORIGINS])
def test_what_a_format_carries_comes_back(name: str) -> None:
    """The fields that a format says it carries are the fields that a round trip keeps, no fewer."""
    form = CONSUMERS[name]
    pair = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    assert _kept(name, form) >= (form.carries & pair.keys())


@pytest.mark.parametrize("name", CONSUMERS)
def test_old_rules_say_how_old_they_are_and_where_to_look(name: str) -> None:
    """After ninety days; each consumer has a source and a day, and both are on the page."""
    form = CONSUMERS[name]
    assert f"source, as of {form.as_of}: {form.source}" in PAGE.read_text(encoding="utf-8")
    assert list(form.aged(form.as_of + timedelta(days=90))) == []
    (told,) = form.aged(form.as_of + timedelta(days=91))
    assert told.endswith(f"are known as of {form.as_of}, 91 days ago: look at {form.source}")


def test_the_commands_say_that_rules_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes or checks a file by old rules is told."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(PLAIN) + "\n", encoding="utf-8")
    monkeypatch.setitem(CONSUMERS, "trl-dpo", replace(CONSUMERS["trl-dpo"], as_of=date(2020, 1, 1)))
    app = typer.Typer()
    app.command("export")(export_command)
    app.command("validate")(validate_command)
    for arguments in (("export", "--to"), ("validate", "--for")):
        done = CliRunner().invoke(app, [arguments[0], str(path), arguments[1], "trl-dpo"])
        assert "beware: the rules of trl-dpo are known as of 2020-01-01" in done.stdout, done.output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name, form in CONSUMERS.items() if form.back])
def test_each_kind_of_preference_comes_back_or_is_left_out(name: str, kind: str, tmp_path: Path) -> None:
    """No kind is changed in silence: its texts and calls come back as they were, or the row is left out."""
    form = CONSUMERS[name]
    out = tmp_path / ("out" if form.folder else f"out{form.suffix}")
    pair = ALL | KINDS[kind]
    if _refused(pair, form):
        return
    export([pair], name, out)
    (back,) = imported(out, name)
    assert isinstance(back, dict), back
    fields = {"prompt", "chosen", "rejected", "tools", "tie"} & form.carries & pair.keys()
    changed = {key for key in fields if back.get(key) != pair[key]}
    assert changed <= ({"prompt"} if kind == "a name in a message" and "name" in form_loses(form) else set())


def form_loses(form: Format) -> set[str]:
    """Keys of messages that a consumer has no place for."""
    return {"name"} if form.name in ("gemini-preference", "nova-dpo", "axolotl", "llama-factory") else set()


if __name__ == "__main__":
    sys.stdout.write(page())
