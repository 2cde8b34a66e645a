"""Prompts that quote an evaluation set and personal data are found by line, counted, and left out or masked on wish."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from judgegen.cli.validate import validate as command
from judgegen.errors import SpecError
from judgegen.exchange.contamination import Sets
from judgegen.exchange.export import export
from judgegen.exchange.validate import validate

QUESTION = (
    "A train leaves the station at noon, and it travels for three hours at sixty miles an hour; how far does it go?"
)
QUOTED = "the prompt shares a run of words with an evaluation set"
Row = dict[str, Any]


def asked(make: Any, n: int, words: str, **more: Any) -> Row:
    """A preference about a prompt of these words."""
    row: Row = make.plain(n, prompt=[{"role": "user", "content": words}]) | more
    return row


def answer(words: str) -> list[Row]:
    """A side."""
    return [{"role": "assistant", "content": words}]


@pytest.fixture
def good(make: Any) -> list[Row]:
    """Twelve preferences that every consumer takes."""
    return [make.plain(n) for n in range(1, 13)]


def written(found: list[Row], folder: Path, name: str = "openai-dpo") -> Path:
    """The consumer's file of them."""
    path = folder / f"{name}.jsonl"
    export(found, name, path)
    return path


def as_set(ending: str, folder: Path) -> Path:
    """An evaluation set of two questions in a format."""
    path = folder / f"set.{ending}"
    rows = [{"id": 1, "question": "Which of the planets is the largest?"}, {"id": 2, "question": QUESTION}]
    if ending == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "question"])
            writer.writeheader()
            writer.writerows(rows)
    elif ending == "parquet":
        import pandas as pd

        pd.DataFrame(rows).to_parquet(path)
    elif ending == "txt":
        path.write_text("".join(f"{row['question']}\n" for row in rows))
    elif ending == "json":
        path.write_text(json.dumps(rows))
    else:
        nested = "".join(json.dumps({"turns": [{"said": row["question"]}]}) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(nested) if ending.endswith("gz") else nested)
    return path


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json", "csv", "parquet", "txt"])
def test_a_quoted_evaluation_set_is_found(ending: str, make: Any, good: list[Row], tmp_path: Path) -> None:
    """In whatever format the set is, case and punctuation aside, the line, the run of words and the set are told."""
    quoting = f"Please help!\n{QUESTION.upper().replace(',', ' -')} Thanks."
    path = written([*good, asked(make, 13, quoting), asked(make, 14, "which of the planets is the largest")], tmp_path)
    against = as_set(ending, tmp_path)
    fixed = tmp_path / "fixed.jsonl"
    report = validate(path, "openai-dpo", against=[against], fixed=fixed)
    assert [(finding.words, finding.lines) for finding in report.findings] == [(QUOTED, [13, 14])]
    assert not report.refused
    first, second = report.overlaps
    assert (first.line, first.file) == (13, str(against))
    assert first.ngram == "a train leaves the station at noon and it travels for three hours"
    assert second.ngram == "which of the planets is the largest"
    assert report.left_out == 2
    assert fixed.read_bytes() == b"".join(path.read_bytes().splitlines(keepends=True)[:12])
    assert validate(fixed, "openai-dpo", against=[against]).findings == ()


def test_what_is_only_like_a_set_is_not_found(make: Any, good: list[Row], tmp_path: Path) -> None:
    """Twelve words in a row are no thirteen, and neither a system message nor an answer is a prompt."""
    twelve = " ".join(QUESTION.split()[:12]) + " and not three"
    system = [{"role": "system", "content": QUESTION}, {"role": "user", "content": "Well, what do you say?"}]
    rows = [*good, asked(make, 13, twelve), make.plain(14, prompt=system), make.plain(15, chosen=answer(QUESTION))]
    path, against = written(rows, tmp_path), [as_set("txt", tmp_path)]
    assert validate(path, "openai-dpo", against=against).findings == ()
    assert validate(path, "openai-dpo", against=against, ngram=12).overlaps[0].line == 13


WORDS = st.lists(st.sampled_from("one two three four five six".split()), min_size=1, max_size=12)


@given(known=WORDS, prompt=WORDS, n=st.integers(1, 6))
@settings(deadline=None)
def test_runs_are_compared_as_a_search_would(
    known: list[str], prompt: list[str], n: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Digests find what comparing every run of words with every other finds, and nothing else."""

    def runs(words: list[str]) -> set[tuple[str, ...]]:
        size = n if len(words) >= n else len(words) if len(words) >= 4 else 0
        return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)} if size else set()

    path = tmp_path_factory.mktemp("sets") / "set.txt"
    path.write_text(" ".join(known))
    if not runs(known):
        with pytest.raises(SpecError, match="holds no text"):
            Sets([path], n)
        return
    found = Sets([path], n).overlap([{"role": "user", "content": ", ".join(prompt)}], 1)
    shared = runs(known) & runs(prompt)
    assert (found is not None) == bool(shared)
    assert found is None or tuple(found.ngram.split()) in shared


@pytest.mark.parametrize(
    ("text", "n", "told"),
    [("a b\n", 13, "holds no text"), (None, 13, "cannot be read"), (QUESTION, 0, "at least one word")],
)
def test_a_set_that_cannot_be_compared_is_told(
    text: str | None, n: int, told: str, good: list[Row], tmp_path: Path
) -> None:
    """Nothing to compare with, no file and no run are errors; none of them is an empty answer."""
    if text is not None:
        (tmp_path / "set.txt").write_text(text)
    with pytest.raises(SpecError, match=told):
        validate(written(good, tmp_path), "openai-dpo", against=[tmp_path / "set.txt"], ngram=n)


@pytest.fixture
def checked() -> None:
    """The libraries that check personal data; without them there is nothing to test."""
    pytest.importorskip("phonenumbers")
    pytest.importorskip("stdnum")


PERSONAL = {
    "Write to jo.doe+x@mail.example.org, please.": "Write to [EMAIL], please.",
    "Ring (415) 555-2671 or +44 20 7946 0958!": "Ring [PHONE] or [PHONE]!",
    "Pay to GB82 WEST 1234 5698 7654 32 NOW": "Pay to [IBAN] NOW",
    "Card 4111 1111 1111 1111, or 378282246310005.": "Card [CARD], or [CARD].",
    "From 8.8.8.8 and 2001:4860:4860::8888.": "From [IP] and [IP].",
}
HARMLESS = [
    "GB83 WEST 1234 5698 7654 32, 4111 1111 1111 1112: wrong sums.",
    "At 127.0.0.1, 192.168.0.1 and ::1; version 3.11.2; 12:30:45.",
    "In 1999-2001, on 2025-11-21 10:00, 3.14159265358979 or 1,000,000,000.",
    "me@home, @someone, a@b",
]


@pytest.mark.parametrize("text", [*PERSONAL, *HARMLESS])
def test_what_is_personal_is_masked_and_nothing_else(text: str, checked: None) -> None:
    """Values that pass their checks become their kind; wrong checksums, private addresses and dates stay."""
    from judgegen.exchange.personal import Seeker

    assert Seeker().mask(text) == PERSONAL.get(text, text)


def test_a_region_reads_its_own_numbers(checked: None) -> None:
    """A number without a country code is one where the region has it; a region that is none is an error."""
    from judgegen.exchange.personal import Seeker

    assert Seeker("GB").mask("Ring 020 7946 0958.") == "Ring [PHONE]."
    assert Seeker("US").mask("Ring 020 7946 0958.") == "Ring 020 7946 0958."
    with pytest.raises(SpecError, match="no region"):
        Seeker("Mars")


def test_personal_data_is_counted_and_masked_in_all_of_a_row(
    make: Any, good: list[Row], tmp_path: Path, checked: None
) -> None:
    """Prompt and both sides; lines and counts without values; a row whose sides become the same is left out."""
    leaky = asked(make, 13, "Is ann@mail.example.org yours?", chosen=answer("No: bob@mail.example.org and 8.8.8.8."))
    same = asked(make, 14, "Whose?", chosen=answer("ann@mail.example.org"), rejected=answer("bob@mail.example.org"))
    path, fixed = written([*good, leaky, same], tmp_path, "azure-dpo"), tmp_path / "fixed.jsonl"
    report = validate(path, "azure-dpo", pii="mask", fixed=fixed)
    assert report.personal is not None
    kinds = {kind: (each.count, each.rows, each.lines) for kind, each in report.personal.items()}
    assert kinds == {"EMAIL": (4, 2, [13, 14]), "IP": (1, 1, [13])}
    assert report.left_out == 1
    before, after = path.read_bytes().splitlines(), fixed.read_bytes().splitlines()
    assert after[:12] == before[:12]
    assert len(after) == 13
    assert b"example.org" not in after[12]
    assert "No: [EMAIL] and [IP]." in after[12].decode()
    again = validate(fixed, "azure-dpo", pii="report")
    assert again.personal == {}
    assert again.findings == ()


def test_arguments_stay_json_and_what_ties_a_chat_stays(checked: None) -> None:
    """Masking a tool call's arguments leaves JSON, numbers in it included; ids and names are no texts."""
    from judgegen.exchange.personal import Seeker

    arguments = json.dumps({"card": 4111111111111111, "n": 3, "name": "ann@mail.example.org"})
    call = {"id": "a@mail.example.org", "type": "function", "function": {"name": "f", "arguments": arguments}}
    masked = Seeker().masked({"tool_calls": [call]})["tool_calls"][0]
    assert masked["id"] == call["id"]
    assert json.loads(masked["function"]["arguments"]) == {"card": "[CARD]", "n": 3, "name": "[EMAIL]"}


def test_what_looking_needs_is_told(good: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not installed is named with the command that installs it, and a mask asks for its file."""
    path = written(good, tmp_path)
    with pytest.raises(SpecError, match="--fix OUT"):
        validate(path, "openai-dpo", pii="mask")
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(SpecError, match=r"pip install 'judgegen\[pii\]'"):
        validate(path, "openai-dpo", pii="report")


def test_the_command_tells_where_and_never_what(make: Any, good: list[Row], tmp_path: Path, checked: None) -> None:
    """The text and --json hold lines, runs and counts; no value of personal data; and the exit code stays 0."""
    app = typer.Typer()
    app.command()(command)
    rows = [*good, asked(make, 13, f"{QUESTION} Tell ann@mail.example.org.")]
    path, against = written(rows, tmp_path), as_set("txt", tmp_path)
    given_ = [str(path), "--for", "openai-dpo", "--against", str(against), "--pii", "report"]
    text = CliRunner().invoke(app, given_)
    assert text.exit_code == 0
    assert f"line 13 shares with {against}: a train leaves" in text.stdout
    assert "1  EMAIL (line 13)" in text.stdout
    told = json.loads(CliRunner().invoke(app, [*given_, "--json"]).stdout)
    assert told["overlaps"][0]["line"] == 13
    assert told["personal"] == {"EMAIL": {"count": 1, "rows": 1, "lines": [13]}}
    assert "ann@" not in text.stdout + json.dumps(told)
