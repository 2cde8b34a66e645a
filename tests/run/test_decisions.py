"""Runs whose judge is a decision model, beside the same run in chats: labels, tokens, trouble, resume, price."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, stats, world

import judgegen
from judgegen.errors import AttackWon, BudgetReached, GateFailed, PriceUnknown, SpecError
from judgegen.llm import prices
from judgegen.llm.journal import Journal
from judgegen.spec import Endpoint

ROOT = Path(__file__).parents[2]
APIS = ("chat", "decisions", "systemone")


def table(url: str, folder: Path, judge: Mapping[str, Any], *, number: int = 12, **more: Any) -> dict[str, Any]:
    rows = [{"prompt": f"Question {i}: how does a river find the sea?"} for i in range(number)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "prompts": str(folder / "prompts.jsonl"),
        "endpoints": {"w": {"base_url": url, "identity": "w", "price": {"input": 1, "output": 1}}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 4}]},
        "judge": {"endpoint": "w", "model": "j", **judge},
        **more,
    }


def generated(given: dict[str, Any], **more: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(given, **more))


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "preferences.jsonl").read_text().splitlines()]


def sides(out: Path) -> list[tuple[str, str, str]]:
    return [(str(r["prompt"]), str(r["chosen"]), str(r["rejected"])) for r in rows(out)]


def judged(out: Path) -> tuple[int, int]:
    """Calls and input tokens of the judge."""
    with Journal(out) as journal:
        found = [row for row in journal.answers() if row["role"] == "judge"]
    return len(found), sum(row["input"] for row in found)


@pytest.mark.slow
def test_labels_are_the_chats_where_truth_is_equal_and_tokens_a_third(tmp_path: Path) -> None:
    """A judge without flaw says the same by any API; n = 4 is two inputs, not twelve chats."""
    with world("--accuracy", "1") as url:
        for api in APIS:
            generated(table(url, tmp_path, {"api": api}), out=tmp_path / api)
    assert sides(tmp_path / "chat") == sides(tmp_path / "decisions") == sides(tmp_path / "systemone")
    assert len(sides(tmp_path / "chat")) == 12
    calls, tokens = judged(tmp_path / "chat")
    for api in ("decisions", "systemone"):
        fewer, less = judged(tmp_path / api)
        assert (calls, fewer) == (12 * 12, 12 * 2)
        assert less <= tokens / 3


@pytest.mark.slow
def test_a_decision_models_bias_for_a_place_flips_and_labels_nothing(tmp_path: Path) -> None:
    """One that always takes what stands first contradicts itself on the second input: there is no pair."""
    with world("--position-bias", "30") as url, pytest.raises(GateFailed, match="min_pairs"):
        generated(table(url, tmp_path, {"api": "decisions"}), out=tmp_path / "out")
    assert rows(tmp_path / "out") == []


@pytest.mark.slow
def test_refusals_and_faults_cost_no_label(tmp_path: Path) -> None:
    """Some questions refused, some requests failing: every label is the one of the world in which all goes well."""
    with world("--accuracy", "1") as url:
        generated(table(url, tmp_path, {"api": "decisions"}), out=tmp_path / "well")
    with world("--accuracy", "1", "--unreadable-rate", "0.3", "--fault-rate", "0.2") as url:
        generated(table(url, tmp_path, {"api": "decisions", "max_attempts": 6}), out=tmp_path / "ill")
    best = {row["prompt"][0]["content"]: quality(row["chosen"]) for row in rows(tmp_path / "ill")}
    assert len(best) >= 10
    for row in rows(tmp_path / "ill"):
        assert quality(row["chosen"]) > quality(row["rejected"])


def quality(side: Any) -> float:
    return float(str(side[-1]["content"]).rsplit("[quality ", 1)[1].split("]")[0])


@pytest.mark.slow
def test_an_input_cut_in_silence_is_judged_in_smaller_ones(tmp_path: Path) -> None:
    """Fewer answers go on an input until all were seen: labels are the world's own, and none is lost."""
    sampler = {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 6}]}
    with world("--accuracy", "1", "--cuts-at", "1024") as url:
        given = table(url, tmp_path, {"api": "decisions"}, sampler=sampler)
        asked = [{"prompt": f"Why is sea number {i} salt? " * 75} for i in range(6)]
        (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
        generated(given, out=tmp_path / "out")
        assert stats(url)["judge"] > 6 * 2
    assert len(rows(tmp_path / "out")) == 6
    for row in rows(tmp_path / "out"):
        assert quality(row["chosen"]) > quality(row["rejected"])


@pytest.mark.slow
def test_where_no_input_is_short_enough_there_is_no_label(tmp_path: Path) -> None:
    """What was never seen is judged by nobody."""
    with world("--accuracy", "1", "--cuts-at", "256") as url:
        given = table(url, tmp_path, {"api": "systemone"}, number=3)
        (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": "Why is the sea salt? " * 100}) + "\n")
        with pytest.raises(GateFailed):
            generated(given, out=tmp_path / "out")
    assert rows(tmp_path / "out") == []


@pytest.mark.slow
def test_a_run_is_resumed_and_written_again_without_a_call(tmp_path: Path) -> None:
    """What the journal has is not asked twice; deleting the outputs and writing them gives the same bytes."""
    out = tmp_path / "out"
    with world() as url:
        given = table(url, tmp_path, {"api": "decisions"})
        generated(given, out=out, limit=5)
        before = stats(url)
        generated(given, out=out)
        again = stats(url)
        assert (before["judge"], again["judge"], again["repeats"]) == (10, 24, 0)
    made = derived(out)
    for path in out.glob("*.jsonl"):
        path.unlink()
    judgegen.rewrite(out)
    assert derived(out) == made


@pytest.mark.slow
def test_the_estimate_and_the_cap_know_it(tmp_path: Path) -> None:
    """Calls are exact, output is nothing, the spend lies within; a cap below it stops before more is sent."""
    with world("--accuracy", "1") as url:
        given = table(url, tmp_path, {"api": "decisions"})
        expected = judgegen.estimate(given, out=tmp_path / "none")
        (judge,) = [row for row in expected.rows if row.role == "judge"]
        assert (judge.calls, set(judge.output.values())) == (24, {0})
        generated(given, out=tmp_path / "out")
        _, tokens = judged(tmp_path / "out")
        assert judge.input["low"] * 0.4 < tokens < judge.input["high"] * 2.5
        with pytest.raises(BudgetReached):
            generated(given, out=tmp_path / "capped", max_usd=0.002)


def test_there_is_no_batch_of_it_and_it_says_so(tmp_path: Path) -> None:
    """Before anything is sent, in words."""
    with pytest.raises(SpecError, match="--batch: the Batch API takes chats"):
        generated(table("http://127.0.0.1:9/v1", tmp_path, {"api": "decisions"}), out=tmp_path / "b", batch=True)


def test_the_price_is_the_one_listed_for_decisions() -> None:
    """Input alone, at OpenAI's and TypeSafe's; a chat with a model that only decides has no price."""
    openai = Endpoint(base_url="https://api.openai.com/v1")
    found = prices.rate(openai, "openai", "gpt-6-luna", decides=True)
    assert (found.input, found.output, found.cached) == (Decimal("1e-7"), Decimal(0), Decimal("1e-7"))
    assert "decisions" in found.source
    assert prices.rate(openai, "openai", "gpt-6-luna").output > 0
    typesafe = Endpoint(base_url="https://api.typesafe.ai/v1")
    assert prices.rate(typesafe, "t", "jev-1.14.0", decides=True).input == Decimal("4.2e-8")
    with pytest.raises(PriceUnknown):
        prices.rate(typesafe, "t", "jev-1.14.0")
    with pytest.raises(PriceUnknown):
        prices.rate(openai, "openai", "gpt-nobody", decides=True)


@pytest.mark.slow
def test_a_rubric_is_scored_by_questions_of_their_own(tmp_path: Path) -> None:
    """Each aspect's distribution over its levels; the best answer has the highest score, as in chats."""
    with world("--accuracy", "1") as url:
        for api in APIS:
            generated(table(url, tmp_path, {"api": api, "method": "rubric"}), out=tmp_path / api)
    found = {api: [quality(row["chosen"]) for row in rows(tmp_path / api)] for api in APIS}
    assert found["decisions"] == found["systemone"]
    assert len(found["decisions"]) == 12
    for row in rows(tmp_path / "decisions"):
        assert quality(row["chosen"]) > quality(row["rejected"])


@pytest.mark.slow
@pytest.mark.parametrize("api", ["decisions", "systemone"])
def test_a_checklist_is_a_question_an_item_all_the_way_through(api: str, tmp_path: Path) -> None:
    """Estimated and capped, resumed without a call, checked on labels and attacked: as any judge that scores."""
    judge = {"api": api, "method": "rubric", "checklist": ["Does it say how?", "Does it end well?"]}
    with world("--accuracy", "1", "--unreadable-rate", "0.05") as url:
        given = table(url, tmp_path, judge)
        (row,) = [one for one in judgegen.estimate(given, out=tmp_path / "none").rows if one.role == "judge"]
        assert (row.calls, set(row.output.values())) == (48, {0})
        with pytest.raises(BudgetReached):
            generated(given, out=tmp_path / "capped", max_usd=0.002)
        generated(given, out=tmp_path / "out", limit=5)
        run = generated(given, out=tmp_path / "out")
        seen = stats(url)["judge"]
        calls, tokens = judged(tmp_path / "out")
        generated(given, out=tmp_path / "out")
        assert stats(url)["judge"] == seen
        assert row.input["low"] * 0.4 < tokens * 48 / calls < row.input["high"]
        scored = [json.loads(one["scores"])[0] for one in run.candidates.to_dict("records")]
        told = [one for one in scored if "aspects" in one]  # not those of which a question was refused each time
        assert len(told) >= 40
        for one in told:
            aspects = one["aspects"]
            assert aspects["checklist-1"] == aspects["checklist-2"] == pytest.approx(one["score"], abs=1e-6)
        found = asyncio.run(judgegen.check(labelled(tmp_path, 12), run=given, out=tmp_path / "check"))
        assert all(one.label in (one.human, None) for one in found.rows)
        with pytest.raises(AttackWon, match="forged-score"):
            asyncio.run(judgegen.attack(given, out=tmp_path / "out"))
    assert len(rows(tmp_path / "out")) >= 11
    for kept in rows(tmp_path / "out"):
        assert quality(kept["chosen"]) > quality(kept["rejected"])


def labelled(folder: Path, number: int) -> Path:
    """Comparisons of the world's own answers, each with three votes for the better one."""
    path = folder / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in map(_row, range(number))))
    return path


def _row(i: int) -> dict[str, Any]:
    better, worse = (
        f"Well said, number {i}.\n[quality 0.{90 - i % 30}0]",
        f"Badly put, {i}.\n[quality 0.{10 + i % 30}0]",
    )
    a_wins = i % 2 == 0
    sides = {"response_a": better, "response_b": worse} if a_wins else {"response_a": worse, "response_b": better}
    return {"prompt": f"Question {i}?", **sides, "votes": ["A" if a_wins else "B"] * 3}


@pytest.mark.slow
def test_the_recipe_runs_certified(tmp_path: Path) -> None:
    """examples/decisions: calibrated on labelled pairs, run with its promise; the next judge is asked in doubt."""
    given = tomllib.loads((ROOT / "examples" / "decisions" / "run.toml").read_text(encoding="utf-8"))
    given["endpoints"] = {"openai": {"provider": "scripted", "scripted": {"accuracy": 0.9, "length_bias": 3.0}}}
    given["prompts"] = str(ROOT / "examples" / "decisions" / "prompts.jsonl")
    found = asyncio.run(judgegen.calibrate(labelled(tmp_path, 150), run=given, out=tmp_path / "check", target=0.85))
    assert found.threshold is not None
    (tmp_path / "calibration.json").write_text(found.text())
    given["judge"]["calibration"] = str(tmp_path / "calibration.json")
    run = asyncio.run(judgegen.generate(given, out=tmp_path / "run"))
    assert run.summary["pairs"]
    models = [row["model"] for row in run.calls.to_dict("records") if row["role"] == "judge"]
    assert models.count("gpt-6-luna") == 8 * 2
    assert 0 < models.count("gpt-6.1-sol") < 8 * 12


@pytest.mark.slow
def test_a_probe_says_of_it_what_there_is_to_say(tmp_path: Path) -> None:
    """Probabilities, the system message, the counts; nothing of keys that it is not sent."""
    with world() as url:
        found = asyncio.run(judgegen.probe(table(url, tmp_path, {"api": "decisions"}), out=tmp_path / "probe"))
    (judge,) = [one for one in found.models if one.model == "j"]
    assert [(one.what, one.state) for one in judge.findings] == [
        ("decisions", "honoured"),
        ("system", "taken"),
        ("usage", "sane"),
        ("context", "not known"),
    ]
