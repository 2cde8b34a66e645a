from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from judgegen.cli import ending
from judgegen.run.result import Run
from judgegen.show import alone
from judgegen.show.words import shortened

SUMMARY: dict[str, Any] = {
    "prompts": 2,
    "pairs": 1,
    "candidates": {"total": 4, "refused": {}},
    "drops": {"tie": 1},
    "calls": {"sampler": 4, "judge": 4, "from_journal": 0},
    "tokens": {"input": 10, "output": 20},
    "cost_usd": {"sampler": "0.1", "judge": "0.2", "total": "0.3"},
    "diagnostics": {"flip_rate": None, "p_first": 0.5},
}
RUN_FILE = """\
prompts = "p"
[endpoints.here]
provider = "local"
[sampler]
endpoint = "here"
model = "smollm2-135m-instruct"
[[sampler.variants]]
name = "v"
n = 2
[judge]
endpoint = "here"
model = "{judge}"
"""


def run_with(folder: Path, answer: str, *, judge: str = "other.gguf") -> Run:
    """A run whose one pair has `answer` on both sides."""
    said = [{"role": "assistant", "content": answer}]
    row = {"prompt": [{"role": "user", "content": answer}], "chosen": said, "rejected": said, "p_chosen": 0.75}
    folder.mkdir(exist_ok=True)
    (folder / "preferences.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (folder / "run.toml").write_text(RUN_FILE.format(judge=judge), encoding="utf-8")
    return Run(folder, SUMMARY)


def test_the_small_model_is_called_a_poor_judge(tmp_path: Path) -> None:
    """Where the packaged model judged, the end says what its labels are for; where another did, it does not."""
    assert "poor judge" in "\n".join(ending.text(run_with(tmp_path, "a", judge="smollm2-135m-instruct")))
    assert "poor judge" not in "\n".join(ending.text(run_with(tmp_path, "a", judge="other.gguf")))


@pytest.mark.parametrize(("provider", "made_up"), [("scripted", True), ("local", False)])
def test_made_up_answers_are_called_so(tmp_path: Path, provider: str, made_up: bool) -> None:
    """They look like any, and nobody should train on them."""
    run = run_with(tmp_path, "a")
    kept = tmp_path / "run.toml"
    kept.write_text(kept.read_text().replace('"local"', f'"{provider}"'))
    assert (ending.MADE_UP in "\n".join(ending.text(run))) is made_up


def test_the_quickstart_ends_with_where_to_go(tmp_path: Path) -> None:
    """After the small model, what to look at and how to begin with one's own."""
    lines = list(ending.text(run_with(tmp_path, "a", judge="smollm2-135m-instruct")))
    assert lines[-2].endswith(f" show {tmp_path}")
    assert lines[-1].endswith(" init mine")


def test_what_the_judge_alone_would_have_said_is_counted(tmp_path: Path) -> None:
    """Of comparisons whose answers have different grades: right, wrong, torn; no others, nor uncounted verdicts."""
    grades = {"good": 1.0, "fair": 0.5, "bad": 0.0, "poor": 0.0}
    scores = {name: json.dumps([{"judge": "grader", "score": grade}]) for name, grade in grades.items()}
    candidates = [{"prompt_id": "p", "candidate": name, "scores": text} for name, text in scores.items()]
    said = [("good", "bad", "first"), ("bad", "good", "second")]  # right
    said += [("fair", "bad", "second"), ("bad", "fair", "tie")]  # wrong, by what it said at all
    said += [("good", "fair", "first"), ("fair", "good", "first")]  # torn
    said += [("bad", "poor", "first"), ("poor", "bad", "second")]  # the grader cannot tell
    verdicts = [
        {"prompt_id": "p", "match": n // 2, "first": one, "second": two, "label": label, "counted": True}
        for n, (one, two, label) in enumerate(said)
    ]
    verdicts.append({**verdicts[0], "label": "second", "counted": False})
    (tmp_path / "audit").mkdir()
    parquet.write_table(pa.Table.from_pylist(candidates), tmp_path / "audit" / "candidates.parquet")
    parquet.write_table(pa.Table.from_pylist(verdicts), tmp_path / "audit" / "verdicts.parquet")
    found = alone.alone(tmp_path)
    assert found == {"right": 1, "wrong": 1, "undecided": 1}
    assert alone.sentence(found) == ("alone right in 1 of 3 comparisons that the grader decides, wrong in 1, torn in 1")
    assert alone.sentence(alone.alone(tmp_path / "nowhere")) == ""


@pytest.mark.slow
@given(st.text() | st.sampled_from(["\x1b]0;owned\x07", "\x1b[2J", "a\rb", "\ud800", "\u202egnp.exe", "\x9b31m"]))
def test_a_candidate_cannot_drive_the_terminal(tmp_path_factory: Any, answer: str) -> None:
    """Whatever a model says, what is printed of it is printable, on its line, and can be written as UTF-8."""
    folder = tmp_path_factory.getbasetemp() / "terminal"
    lines = list(ending.text(run_with(folder, answer)))
    assert all(line.isprintable() for line in lines)
    assert "\n".join(lines).encode("utf-8")
    assert [line for line in lines if line.startswith("   rejected")]


@example(" " * 8 + "a", 1)
@given(st.text(), st.integers(1, 200))
def test_shortened_keeps_what_fits(words: str, width: int) -> None:
    """At most `width` characters; what is cut says so, what fits is there but for its white space."""
    line = shortened(words, width)
    assert len(line) <= width
    plain = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    assert line == plain or (line.endswith("…") and plain.startswith(line[:-1].rstrip()))


@pytest.mark.parametrize("program", ["/nowhere/bin/judgegen", "judgegen"])
def test_the_command_is_one_that_can_be_pasted(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A console script that is not on the path is named by its own; arguments are quoted for a shell."""
    monkeypatch.setattr(sys, "argv", [program, "run", "my file.toml", "--out", "$HOME"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert ending.same_command() == f"{program} run 'my file.toml' --out '$HOME'"


def test_a_console_script_on_the_path_goes_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the shell finds is named as the user typed it."""
    script = tmp_path / "judgegen"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "run", "x.toml"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ending.same_command() == "judgegen run x.toml"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk is full"),
        (OSError(errno.EIO, "Input/output error", "out/x.parquet"), 2, "out/x.parquet"),
        (OSError(errno.EACCES, "Permission denied", "out/x"), 2, "out/x: Permission denied"),
        (OSError("an error of pyarrow's"), 2, "pyarrow"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
        (KeyError("choices"), 1, "fault of judgegen's own"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), 1, "fault of judgegen's own"),
    ],
)
def test_whatever_is_left_is_a_sentence_and_a_code(
    error: Exception, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: trouble of the disk says its mend, a fault of ours where it happened and that nothing is lost."""
    with pytest.raises(typer.Exit) as caught, ending.told():
        raise error
    said = capsys.readouterr().err
    assert caught.value.exit_code == code
    assert words in said
    assert "journal" in said or "out/x:" in said or "nothing is lost" in said
    assert "Traceback" not in said


def test_a_pair_that_nobody_judged_is_shown_without_a_probability(tmp_path: Path) -> None:
    """A grader alone made it: there is no P, and none is made up."""
    run = run_with(tmp_path / "run", "an answer")
    path = run.folder / "preferences.jsonl"
    row = json.loads(path.read_text(encoding="utf-8"))
    assert [line for line in ending.text(run) if line.startswith("   p ")]
    path.write_text(json.dumps({**row, "p_chosen": None}) + "\n", encoding="utf-8")
    lines = list(ending.text(run))
    assert [line for line in lines if line.startswith("   rejected")]
    assert not [line for line in lines if line.startswith("   p ")]
