"""Judges beside one another on labelled comparisons, and on what a run compared."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.cli import judge_compare, main
from judgegen.errors import SpecError
from judgegen.study import rivals

pytest.importorskip("scipy", reason="the extra `trust` is not installed")


def table(folder: Path, accuracy: float, *, usd: float = 1.0, **judge: Any) -> dict[str, Any]:
    scripted = {
        "provider": "scripted",
        "scripted": {"accuracy": accuracy, "logprobs": False},
        "price": {"input": usd, "output": usd},
    }
    return {
        "prompts": str(folder / "prompts.jsonl"),
        "endpoints": {"w": scripted},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 3}]},
        "judge": {"endpoint": "w", "model": "j", **judge},
    }


def labelled(number: int = 60) -> list[dict[str, Any]]:
    """Three answers to a prompt, every two compared; people prefer the better one."""
    rows = []
    for i in range(number):
        quality = {f"Answer {k} to {i}.\n[quality 0.{q}00]": q for k, q in enumerate((2, 5, 8))}
        texts = list(quality)
        a, b = texts[i % 3], texts[(i + 1) % 3]
        winner = "A" if quality[a] > quality[b] else "B"
        rows.append({"prompt": f"What of {i // 3}?", "response_a": a, "response_b": b, "votes": [winner] * 3})
    return rows


def compared(folder: Path, *judges: dict[str, Any], **more: Any) -> rivals.Rivals:
    given = {"on": labelled(), "out": folder / "out", "resamples": 100, **more}
    return asyncio.run(rivals.compare(list(judges), **given))


@pytest.mark.slow
def test_the_better_judge_is_told_and_what_a_correct_pair_costs(tmp_path: Path) -> None:
    """Against people, beside each other, in dollars; the disagreements are those on which their labels differ."""
    found = compared(tmp_path, table(tmp_path, 0.95), table(tmp_path, 0.55, usd=0.1))
    one, other = (check.report.accuracy.non_tie.value or 0 for check in found.checks)
    assert one > other
    (versus,) = found.versus
    assert versus.found.judged == 60
    assert len(found.disputes) == len(versus.found.opposed)
    for dispute in found.disputes:
        p, q = dispute.p
        assert p is not None
        assert q is not None
        assert (p - 0.5) * (q - 0.5) < 0
    right = sum(r.label == r.human and r.consistent is not False for r in found.checks[0].rows)
    assert found.usd[0].value == pytest.approx(1000 * float(found.checks[0].cost_usd) / right)
    assert (found.usd[1].value or 0) < (found.usd[0].value or 0)
    told = json.loads(json.dumps(found.summary))
    assert [row["name"] for row in told["judges"]] == ["judge-1", "judge-2"]
    assert told["against"] == "votes"


@pytest.mark.slow
def test_the_same_judge_twice_agrees_in_all(tmp_path: Path) -> None:
    """Agreement 1, nothing to read; a decision model of the same truth is the same judge."""
    found = compared(tmp_path, table(tmp_path, 1.0), table(tmp_path, 1.0, api="decisions"))
    (versus,) = found.versus
    assert versus.found.agreement.value == 1.0
    assert found.disputes == ()


@pytest.mark.slow
def test_judges_that_score_are_compared_by_their_ranks_within_a_prompt(tmp_path: Path) -> None:
    """Both by the quality: the same ranks; a judge that only compares has none."""
    rubric: dict[str, Any] = {"method": "rubric"}
    found = compared(tmp_path, table(tmp_path, 1.0, **rubric), table(tmp_path, 0.9, **rubric), table(tmp_path, 1.0))
    by_pair = {one.judges: one.ranks.value for one in found.versus}
    assert by_pair[0, 1] == pytest.approx(1.0, abs=0.1)
    assert by_pair[0, 2] is None


def test_judges_that_score_stand_beside_peoples_ratings(tmp_path: Path) -> None:
    """The one that sees the quality ranks as people do, its reverse the other way round; a judge that compares not."""
    rows = [
        {"prompt": f"What of {i}?", "response": f"Answer to {i}.\n[quality 0.{q}00]", "relevance": q / 2, "rater": who}
        for i in range(4)
        for q in (2, 5, 8)
        for who in ("ann", "bo")
    ]
    judges = (table(tmp_path, 1.0, method="rubric"), table(tmp_path, 0.0, method="rubric"), table(tmp_path, 1.0))
    found = compared(tmp_path, *judges, on=rows)
    good, bad, none = (one["ranks"] for one in json.loads(json.dumps(found.summary))["judges"])
    assert good["tau"]["value"] == good["ceiling"]["value"] == -bad["tau"]["value"] == 1.0
    assert (none["tau"]["value"], none["left_out"], good["prompts"], good["answers"]) == (None, 4, 4, 12)
    assert "ranks as ratings" in "\n".join(judge_compare.lines(found))


@pytest.mark.slow
def test_a_run_is_judged_again(tmp_path: Path) -> None:
    """What it compared, with its labels where votes would be: the judge of the run agrees with itself."""
    rows = [{"prompt": f"Question {i}: why?"} for i in range(8)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asyncio.run(judgegen.generate(table(tmp_path, 1.0), out=tmp_path / "run"))
    found = compared(tmp_path, table(tmp_path, 1.0), table(tmp_path, 0.0), on=tmp_path / "run")
    assert not found.voted
    assert [check.report.accuracy.non_tie.value for check in found.checks] == [1.0, 0.0]
    assert {one.found.judged for one in found.versus} == {8 * 3}


def test_two_run_files_at_least_and_no_two_of_one_name(tmp_path: Path) -> None:
    """Their journals would be one; of two that are called alike the folders tell them apart."""
    with pytest.raises(SpecError, match="two run files at least"):
        compared(tmp_path, table(tmp_path, 1.0))
    with pytest.raises(SpecError, match="rename one of them"):
        rivals.names_of(["a/run.toml", "a/../a/run.toml"])
    assert rivals.names_of(["a/run.toml", "b/run.toml", "c.toml"]) == ("a", "b", "c")
    assert rivals.names_of(["a/run.toml", "c.toml"]) == ("run", "c")


@pytest.mark.slow
def test_the_command_prints_what_to_use_and_what_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two tables and so many disagreements; --json is one object; again it costs nothing more."""
    import tomli_w

    monkeypatch.chdir(tmp_path)
    for name, accuracy in (("good", 0.95), ("poor", 0.5)):
        Path(f"{name}.toml").write_text(tomli_w.dumps(table(tmp_path, accuracy)))
    Path("labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled()))
    command = ["judge", "compare", "good.toml", "poor.toml", "--on", "labelled.jsonl", "--yes", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--read", "2"])
    assert not ended.value.code
    told = capsys.readouterr().out
    assert "good | poor" in told
    assert "USD per 1,000 right" in told
    assert told.count("votes:") == 2
    with pytest.raises(SystemExit):
        main([*command, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["judges"]] == ["good", "poor"]
    assert found["disputes"] == found["pairs"][0]["opposed"] > 0
