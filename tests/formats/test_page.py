"""docs/formats.md says what the code does: `python tests/formats/test_page.py > docs/formats.md` writes it anew.

Every loss on it is found by a round trip: a preference with everything goes out, comes back, and is compared.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export
from judgegen.exchange.import_ import imported
from judgegen.formats import fit
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.format import Format, Unfit
from judgegen.formats.origins import ORIGINS

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
    if form.back is None:
        yield "- not read back as a preference" if name not in ORIGINS else "- read back row by row"
        return
    lost = sorted(({*PLAIN, *BESIDE} | ({"tools"} if "tool definitions" not in refused else set())) - _kept(name, form))
    yield "- lost on the way out and back: " + (", ".join(f"`{key}`" for key in lost) or "nothing")


def _refused(pair: dict[str, Any], form: Format) -> str | None:
    try:
        fit.laid_out(pair, form)
    except Unfit as reason:
        return str(reason)
    return None


def _kept(name: str, form: Format) -> set[str]:
    """The fields that a round trip gives back as they were."""
    pair = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / ("out" if form.folder else f"out{form.suffix}")
        export([pair], name, out)
        (back,) = imported(out, name)
    return {key for key, value in pair.items() if isinstance(back, dict) and back.get(key) == value}


def _in() -> Iterator[str]:
    yield from ("", "## In", "", "| name | what it is | seen in |", "| --- | --- | --- |")
    for name, origin in ORIGINS.items():
        about, source = (text.replace("|", "\\|") for text in (origin.about, origin.source))
        yield f"| `{name}` | {about} | {source} |"


def test_the_page_says_what_the_code_does() -> None:
    """docs/formats.md is as `python tests/formats/test_page.py > docs/formats.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", [name for name, form in CONSUMERS.items() if form.back])
def test_what_a_format_carries_comes_back(name: str) -> None:
    """The fields that a format says it carries are the fields that a round trip keeps, no fewer."""
    form = CONSUMERS[name]
    pair = ALL | (KINDS["tool definitions"] if form.tools == "definitions" else {})
    assert _kept(name, form) >= (form.carries & pair.keys())


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
