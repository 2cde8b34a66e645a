from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judgegen.cli.finetune import app
from judgegen.errors import PriceUnknown, SpecError

NOVEMBER = ("--today", "2026-11-21")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ten pairs."""
    said = {"input": {"messages": [{"role": "user", "content": "Name a colour."}]}}
    sides = {side: [{"role": "assistant", "content": side}] for side in ("preferred_output", "non_preferred_output")}
    path = tmp_path / "dpo.jsonl"
    path.write_text(f"{json.dumps(said | sides)}\n" * 10)
    return path


def cost(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    done = CliRunner().invoke(app, ["cost", *map(str, arguments)], env={"COLUMNS": "120", "NO_COLOR": "1"})
    return done.exit_code, done.stdout, done.stderr


def as_json(*arguments: object) -> dict[str, Any]:
    """The one object that --json prints."""
    code, out, _ = cost(*arguments, "--json")
    assert code == 0
    assert out.count("\n") == 1
    row: dict[str, Any] = json.loads(out)
    return row


def test_a_table_for_people(file: Path) -> None:
    """Tokens, training and running cost, the dates, and below them what to beware of and what was assumed."""
    load = ("--requests-per-day", 1000, "--input-tokens", 500, "--output-tokens", 200)
    code, out, err = cost(file, "--model", "gpt-4.1-mini", *load, *NOVEMBER)
    assert (code, err) == (0, "")
    for words in ("dpo of gpt-4.1-mini: 10 examples", "epochs: 10", "$1.04", "$31.20", "2027-01-06", "2027-01-14"):
        assert words in out
    assert "beware: training ends soon: no new jobs from 2027-01-06 on, in 46 days" in out
    assert "beware: inference ends soon: gpt-4.1-mini and its tunes are shut down on 2027-01-14, in 54 days" in out
    assert "assumed: the file is read as dpo" in out


def test_an_object_for_scripts(file: Path) -> None:
    """Every option has its effect on it."""
    plain = as_json(file, "--model", "gpt-4.1", *NOVEMBER)
    assert (plain["epochs"], plain["load"], plain["method"]) == (10, None, "dpo")
    load = ("--requests-per-day", 3, "--input-tokens", 5, "--output-tokens", 7)
    asked = as_json(file, "--model", "gpt-4.1", "--epochs", 2, "--method", "dpo", *load, *NOVEMBER)
    assert asked["epochs"] == 2
    assert asked["load"] == {"requests_per_day": 3, "input_tokens": 5, "output_tokens": 7}
    assert asked["running_usd"]["per_day"] == "0.000297"
    assert len(asked["assumptions"]) == len(plain["assumptions"]) + 1 - 2
    assert asked["tokens"]["trained"]["low"] * 5 == plain["tokens"]["trained"]["low"]


def test_errors_end_with_their_code(file: Path) -> None:
    """In words on stderr; nothing that looks like an answer on stdout."""
    for arguments, words, kind in [
        ((file, "--model", "gpt-6-luna"), "no training price is known for 'gpt-6-luna'", PriceUnknown),
        ((file, "--model", "gpt-4.1-nano"), "gpt-4.1-nano was shut down on 2026-10-23", SpecError),
        ((file, "--model", "gpt-4.1", "--today", "2027-01-06"), "no new fine-tuning jobs since 2027-01-06", SpecError),
        ((file, "--model", "gpt-4.1", "--method", "sft"), f"{file}:1: messages is missing", SpecError),
        ((file, "--model", "gpt-4.1", "--input-tokens", 3), "needs all of --requests-per-day", SpecError),
        ((file.parent / "gone", "--model", "gpt-4.1"), "cannot be read", SpecError),
    ]:
        code, out, err = cost(*NOVEMBER, *arguments)
        assert (code, out) == (kind.exit_code, "")
        assert words in err
        code, out, _ = cost(*NOVEMBER, *arguments, "--json")
        assert code == kind.exit_code
        assert json.loads(out)["error"]["type"] == kind.__name__


@pytest.mark.parametrize("wrong", [("--epochs", "0"), ("--epochs", "51"), ("--method", "ppo"), ("--today", "soon")])
def test_options_that_cannot_be_are_refused(file: Path, wrong: tuple[str, str]) -> None:
    """Epochs outside what the API takes, a method it has not, a day that is none."""
    code, out, err = cost(file, "--model", "gpt-4.1", *wrong)
    assert (code, out) == (2, "")
    assert wrong[0] in err
