"""A rehearsal plays a whole run file and sends nothing; what comes of it is never taken for data."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from worlds import derived

import judgegen
from judgegen.errors import BudgetReached, GateFailed, PriceUnknown, SpecError
from judgegen.simulator.scripted import quality_of

ROOT = Path(__file__).parent.parent.parent
STARTER = ROOT / "judgegen" / "starter" / "run.toml"
QUICKSTART = ROOT / "examples" / "quickstart" / "run.toml"
PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(6)]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key is set anywhere, and the working folder is an empty one."""
    for name in os.environ:
        if name.endswith(("_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def table(**judge: Any) -> dict[str, Any]:
    return {
        "prompts": "-",
        "endpoints": {
            "groq": {
                "base_url": "https://api.groq.com/openai/v1",
                "api_key_env": "GROQ_API_KEY",
                "price": {"input": 1, "output": 2},
            },
            "gemini": {
                "base_url": "https://generativelanguage.googleapis.com/v1beta/openai",
                "headers": {"x-secret": "env:NOT_SET"},
                "prices": {"judge": {"input": 3, "output": 4}, "higher": {"input": 5, "output": 6}},
            },
            "here": {"base_url": "http://127.0.0.1:1/v1", "price": {"input": 0, "output": 0}},
        },
        "sampler": {
            "endpoint": "groq",
            "model": "small",
            "variants": [{"name": "a", "n": 2}, {"name": "b", "endpoint": "here", "temperature": 1.3}],
        },
        "judge": {"endpoint": "gemini", "model": "judge", **judge},
    }  # fmt: skip


def rehearsed(spec: Any, out: Path | None = None, **options: Any) -> judgegen.Run:
    return asyncio.run(judgegen.rehearse(spec, out=out, **options))


def rows(run: judgegen.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", [QUICKSTART, STARTER], ids=lambda path: path.parent.name)
def test_what_one_begins_with_can_be_rehearsed(path: Path) -> None:
    """As it stands, without a key, into a folder of its own name; tests/docs/test_recipes.py rehearses the recipes."""
    run = rehearsed(path, limit=8)
    assert run.folder.parent == Path("rehearsals")
    assert run.summary["pairs"] > 0
    assert run.summary["rehearsal"] is True


JUDGES: dict[str, dict[str, Any]] = {
    "panel": {"panel": [{"model": "higher"}], "schedule": "swiss"},
    "cascade": {"escalate": [{"model": "higher", "below": 0.45}], "third": {"template": "style"}},
    "rubric": {"method": "rubric", "checklist": "judge"},
    "hybrid": {"method": "hybrid", "reference": "judge", "rationale": "before"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGES)
def test_every_way_of_judging_is_played_and_priced(name: str, tmp_path: Path) -> None:
    """The better answer is chosen; each model's calls cost what the run file says; again, nothing is asked."""
    run = rehearsed(table(**JUDGES[name]), prompts=PROMPTS)
    assert run.summary["pairs"] >= 4
    assert "incomplete" not in run.summary["drops"]
    prices = {"small": (1, 2), "judge": (3, 4), "higher": (5, 6)}
    calls = run.calls
    for route, model, role in (
        ("groq", "small", "sampler"),
        ("gemini", "judge", "judge"),
        ("gemini", "higher", "judge"),
    ):
        own = calls[(calls["endpoint"] == f"rehearsal:{route}") & (calls["model"] == model)]
        assert (len(own) > 0) == (model != "higher" or name in ("panel", "cascade")), model
        assert set(own["role"]) <= {role}
        low, high = prices[model]
        counted = int(own["input_tokens"].sum()) * low + int(own["output_tokens"].sum()) * high
        assert sum(own["cost_usd_exact"]) == Decimal(counted) / 1_000_000
    before = derived(run.folder)
    again = rehearsed(table(**JUDGES[name]), prompts=PROMPTS)
    assert again.summary["calls"]["from_journal"] == len(calls)
    assert derived(judgegen.rewrite(run.folder).folder) == before


@pytest.mark.slow
def test_no_row_is_taken_for_data(tmp_path: Path) -> None:
    """Rows and folder say what they are; what is written for consumers, then or later, is empty, with the reason."""
    run = rehearsed(table(), prompts=PROMPTS)
    assert all(row["rehearsal"] is True for row in rows(run))
    assert "made up" in (run.folder / "REHEARSAL.txt").read_text()
    assert (run.folder / "openai-dpo.jsonl").read_bytes() == b""
    left_out = run.summary["formats"]["openai-dpo"]["left_out"]
    assert left_out == {"a rehearsal: its answers and labels are made up": len(rows(run))}
    command = [sys.executable, "-m", "judgegen", "export", str(run.folder), "--to", "trl-dpo", "-o", "out.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not Path("out.jsonl").exists() or not Path("out.jsonl").read_bytes()
    assert "made up" in done.stdout + done.stderr


def test_runs_and_rehearsals_share_no_folder(tmp_path: Path) -> None:
    """Neither goes into the other's journal; a run file that calls itself a rehearsal asks nobody real."""
    run = rehearsed(table(), prompts=PROMPTS)
    with pytest.raises(SpecError, match="holds a rehearsal"):
        asyncio.run(judgegen.generate(table(), out=run.folder, prompts=PROMPTS))
    scripted = {
        **table(),
        "endpoints": {name: {"provider": "scripted"} for name in ("groq", "gemini", "here")},
    }
    real = asyncio.run(judgegen.generate(scripted, out=tmp_path / "real", prompts=PROMPTS))
    with pytest.raises(SpecError, match="holds a run"):
        rehearsed(table(), out=real.folder, prompts=PROMPTS)
    with pytest.raises(SpecError, match=r"endpoints\.gemini is real"):
        asyncio.run(judgegen.generate({**table(), "rehearsal": True}, prompts=PROMPTS))


def test_gates_caps_and_prices_are_the_runs_own(tmp_path: Path) -> None:
    """What would end the run ends its rehearsal."""
    with pytest.raises(GateFailed, match="min_pairs"):
        rehearsed({**table(), "gates": {"min_pairs": 100}}, out=tmp_path / "gates", prompts=PROMPTS)
    with pytest.raises(BudgetReached):
        rehearsed(table(), out=tmp_path / "cap", prompts=PROMPTS, max_usd=0.004)
    unknown = table()
    del unknown["endpoints"]["groq"]["price"]
    with pytest.raises(PriceUnknown, match="small"):
        rehearsed(unknown, out=tmp_path / "price", prompts=PROMPTS)
    own = tmp_path / "poor.md"
    own.write_text('+++\nkind = "pairwise"\n+++\n# user\n{{ first }} {{ second }}\n')
    with pytest.raises(SpecError, match="missing field"):
        rehearsed(table(template=str(own)), out=tmp_path / "template", prompts=PROMPTS)


@pytest.mark.parametrize("grader", ["numeric", "contains"])
def test_graders_find_what_is_right(grader: str, tmp_path: Path) -> None:
    """Where prompts bring references the world says them as often as an answer is good, and the pairs are true."""
    spec = {**table(), "judge": {"method": "python", "grader": grader}}
    asked = [{"id": f"n{i}", "prompt": f"What is {i} and {i}?", "reference": str(1000 + i)} for i in range(12)]
    run = rehearsed(spec, prompts=asked)
    assert run.summary["pairs"] >= 4
    for row in rows(run):
        assert row["chosen"][-1]["content"].endswith(row["reference"])
        assert not row["rejected"][-1]["content"].endswith(row["reference"])
        assert quality_of(row["chosen"][-1]["content"]) is not None


def test_a_prompt_without_a_reference_is_not_called_unreadable(tmp_path: Path) -> None:
    """A grader that has nothing to compare with is the reason, in the summary and of each prompt; the others go on."""
    spec = {**table(), "judge": {"method": "python", "grader": "numeric"}}
    asked = [{"id": f"n{i}", "prompt": f"What is {i} and {i}?", "reference": str(1000 + i)} for i in range(9)]
    run = rehearsed(spec, prompts=[*asked, {"id": "bare", "prompt": "What is it?"}])
    assert run.summary["drops"]["no-reference"] == 1
    assert "unreadable" not in run.summary["drops"]
    (row,) = run.prompts[run.prompts["prompt_id"] == "bare"].to_dict("records")
    assert (row["outcome"], "no reference" in row["detail"]) == ("no-reference", True)
