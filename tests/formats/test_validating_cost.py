"""What training on a checked file costs is told beside its tokens, by the reckoning of `judgegen finetune cost`."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from judgegen.cli.validate import validate as command
from judgegen.exchange.export import export
from judgegen.exchange.validate import validate
from judgegen.finetune.cost import estimate

MODEL = "gpt-4.1-mini-2025-04-14"
DAY = date(2026, 11, 20)


def written(name: str, make: Any, folder: Path) -> Path:
    """A file for a consumer, with one example that is longer than the model's limit."""
    long = make.plain(0, chosen=[{"role": "assistant", "content": "word " * 70_000}])
    path = folder / f"{name}.jsonl"
    export([long, *(make.plain(n) for n in range(1, 13))], name, path)
    return path


@pytest.mark.parametrize("name", ["openai-dpo", "openai-sft"])
def test_the_cost_is_that_of_the_estimate(name: str, make: Any, tmp_path: Path) -> None:
    """Counting while checking comes to the same tokens and dollars as estimating alone does."""
    path = written(name, make, tmp_path)
    report = validate(path, name, model=MODEL, today=DAY)
    alone = estimate(path, MODEL, today=DAY, method="sft" if name.endswith("sft") else "dpo")
    assert report.cost == alone
    assert alone.usd is not None
    assert alone.usd[0] > 0
    assert alone.count.longest > 70_000


def test_what_is_not_known_is_not_nothing(make: Any, tmp_path: Path) -> None:
    """Azure's money, a model without a price and a day after the last are unknown and say why; tokens are counted."""
    azure = validate(written("azure-dpo", make, tmp_path), "azure-dpo", model=MODEL, today=DAY)
    assert azure.cost is not None
    assert azure.cost.usd is None
    assert azure.cost.count.examples == 13
    path = written("openai-dpo", make, tmp_path)
    for model, day, told in (("gpt-9", DAY, "no training price"), (MODEL, date(2027, 2, 1), "was shut down on")):
        report = validate(path, "openai-dpo", model=model, today=day)
        assert report.cost is None
        assert told in str(report.cost_unknown)
        assert report.tokens[-1] > 70_000
        assert not report.refused
    together = validate(written("together-dpo", make, tmp_path), "together-dpo", model=MODEL, today=DAY)
    assert (together.cost, together.cost_unknown) == (None, None)


def test_a_model_cuts_at_its_own_limit(make: Any, tmp_path: Path) -> None:
    """What is documented for the model goes before what is documented for the file; the cost cuts there too."""
    long = make.plain(0, chosen=[{"role": "assistant", "content": "word " * 20_000}])
    path = tmp_path / "sft.jsonl"
    export([long, *(make.plain(n) for n in range(1, 13))], "openai-sft", path)
    report = validate(path, "openai-sft", model="gpt-3.5-turbo", today=date(2026, 1, 1))
    assert [(each.words, each.lines) for each in report.findings] == [("more than 16,385 tokens: cut at the end", [1])]
    assert report.cost is not None
    assert (report.cost.count.cut, report.cost.count.tokens.high < 17_000) == (1, True)


def test_the_command_shows_the_cost(make: Any, tmp_path: Path) -> None:
    """Text and --json hold the dollars, or that they are unknown."""
    app = typer.Typer()
    app.command()(command)
    path = written("azure-dpo", make, tmp_path)
    args = [str(path), "--for", "azure-dpo", "--model", MODEL]
    text = CliRunner().invoke(app, args)
    assert text.exit_code == 0
    assert f"training cost, dpo of {MODEL}: unknown" in text.stdout
    assert "tokens in the file" in text.stdout
    told = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    assert told["cost"]["training_usd"] is None
    assert told["cost"]["examples"] == 13
    without = json.loads(CliRunner().invoke(app, [*args[:3], "--json"]).stdout)
    assert without["cost"] is None
