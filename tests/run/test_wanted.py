"""Runs that stop at so many pairs: which prompts they take, that none is asked beyond, whoever answers first."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from worlds import world

import judgegen
from judgegen.errors import BudgetReached, Incomplete
from judgegen.llm.journal import Journal

WORLD = {"accuracy": 0.8, "tie_rate": 0.1, "position_bias": 0.5}


def table(folder: Path, wanted: int | None, *, number: int = 60, **more: Any) -> dict[str, Any]:
    rows = [{"prompt": f"Question {i}: how does a river find the sea?"} for i in range(number)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given: dict[str, Any] = {
        "prompts": str(folder / "prompts.jsonl"),
        "endpoints": {"w": {"provider": "scripted", "scripted": WORLD, "price": {"input": 1, "output": 1}}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "w", "model": "j"},
        "gates": {"min_pairs": 0},
    }
    return given | ({} if wanted is None else {"pairs": {"wanted": wanted}}) | more


def generated(given: dict[str, Any], out: Path, **more: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(given, out=out, **more))


def rows(out: Path) -> list[str]:
    return (out / "preferences.jsonl").read_text().splitlines()


def prompts_asked(out: Path) -> set[str]:
    with Journal(out) as journal:
        return {row[0] for row in journal._db.execute("SELECT DISTINCT prompt_id FROM calls")}


def test_it_stops_at_the_pairs_and_asks_of_no_other_prompt(tmp_path: Path) -> None:
    """As many pairs as are wanted, in prompt order; what the journal holds is of the prompts taken alone."""
    run = generated(table(tmp_path, 12), tmp_path / "out")
    assert len(rows(tmp_path / "out")) == run.summary["pairs"] == 12
    said = run.summary["wanted"]
    assert (said["pairs"], said["prompts"]) == (12, 60)
    assert said["taken"] == run.summary["prompts"] == len(prompts_asked(tmp_path / "out")) < 60
    order = [json.loads(row)["prompt"][-1]["content"] for row in rows(tmp_path / "out")]
    assert order == sorted(order, key=lambda text: int(text.split()[1].rstrip(":")))


def test_the_same_pairs_come_whoever_answers_first(tmp_path: Path) -> None:
    """One request at a time, or a hundred; interrupted by a cap and continued; the same bytes."""
    generated(table(tmp_path, 12), tmp_path / "wide")
    narrow = table(tmp_path, 12)
    narrow["endpoints"]["w"] = {**narrow["endpoints"]["w"], "max_concurrency": 1}
    generated(narrow, tmp_path / "narrow")
    with pytest.raises(BudgetReached):
        generated(table(tmp_path, 12), tmp_path / "halted", max_usd=0.006)
    generated(table(tmp_path, 12), tmp_path / "halted", max_usd=10)
    assert rows(tmp_path / "wide") == rows(tmp_path / "narrow") == rows(tmp_path / "halted")
    assert prompts_asked(tmp_path / "wide") == prompts_asked(tmp_path / "narrow") == prompts_asked(tmp_path / "halted")


def test_a_batch_takes_the_same(tmp_path: Path) -> None:
    """Round after round through the Batch API: the prompts and pairs of the run that asked live."""
    with world("--accuracy", "0.8", "--tie-rate", "0.2", "--batch-seconds", "0") as url:
        given = table(tmp_path, 8)
        given["endpoints"]["w"] = {"base_url": url, "identity": "w", "price": {"input": 1, "output": 1}}
        generated(given, tmp_path / "live")
        generated(given, tmp_path / "batch", batch=True, wait=True, poll_s=0.02)
    assert len(rows(tmp_path / "live")) == 8
    assert [sides(row) for row in rows(tmp_path / "live")] == [sides(row) for row in rows(tmp_path / "batch")]
    assert prompts_asked(tmp_path / "live") == prompts_asked(tmp_path / "batch")


def sides(row: str) -> list[Any]:
    return [json.loads(row)[name] for name in ("prompt", "chosen", "rejected")]


def test_more_pairs_take_more_prompts_and_keep_those_taken(tmp_path: Path) -> None:
    """Twelve, then twenty in the same folder: the first prompts are not asked again, and their pairs stay."""
    generated(table(tmp_path, 12), tmp_path / "out")
    before, asked = set(rows(tmp_path / "out")), prompts_asked(tmp_path / "out")
    run = generated(table(tmp_path, 20), tmp_path / "out")
    assert run.summary["pairs"] == 20
    assert asked < prompts_asked(tmp_path / "out")
    prompts = {json.dumps(json.loads(row)["prompt"]) for row in before}
    assert prompts < {json.dumps(json.loads(row)["prompt"]) for row in rows(tmp_path / "out")}


def test_it_is_written_again_from_the_journal_as_it_was(tmp_path: Path) -> None:
    """The prompts that are taken are found anew, and nothing is asked."""
    generated(table(tmp_path, 9), tmp_path / "out")
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.json*")}
    for name in made:
        (tmp_path / "out" / name).unlink()
    judgegen.rewrite(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.json*")} == made


def test_too_few_prompts_are_told_of(tmp_path: Path) -> None:
    """All are taken; the run says that there are not enough."""
    told: list[str] = []

    class Watch(judgegen.Watch):
        def warned(self, message: str) -> None:
            told.append(message)

    run = generated(table(tmp_path, 50, number=20), tmp_path / "out", watch=Watch())
    assert run.summary["wanted"] == {"pairs": 50, "taken": 20, "prompts": 20}
    assert [one for one in told if "fewer than the 50 pairs" in one] != []


def test_several_pairs_of_one_prompt_are_not_waited_for_beyond(tmp_path: Path) -> None:
    """A prompt may give six: the last one's are all kept, and no prompt is begun that they make needless."""
    given = table(tmp_path, 14, pairs={"wanted": 14, "select": "all-above-margin"})
    given["sampler"]["variants"][0]["n"] = 4
    run = generated(given, tmp_path / "out")
    assert 14 <= run.summary["pairs"] < 14 + 6
    assert len(prompts_asked(tmp_path / "out")) == run.summary["wanted"]["taken"]


def test_shards_come_to_the_pairs_of_one_piece(tmp_path: Path) -> None:
    """Each takes its part of the pairs; merged and run on, what the whole lacks is asked, the bytes are the same."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    generated(table(tmp_path, 12), whole)
    for part in ("1/3", "2/3", "3/3"):
        assert generated(table(tmp_path, 12), parts, shard=part).summary["pairs"] == 4
    with suppress(Incomplete):
        judgegen.merge(parts)
    generated(table(tmp_path, 12), parts)
    assert rows(parts) == rows(whole)
    assert len(prompts_asked(parts)) <= len(prompts_asked(whole)) + 12


def test_the_estimate_is_of_the_prompts_that_the_pairs_take(tmp_path: Path) -> None:
    """After a pilot its yield says how many; what the run then takes lies within, and each pair's price with it."""
    given = table(tmp_path, 15, number=200)
    blind = judgegen.estimate(given, out=tmp_path / "out")
    assert blind.pairs is not None
    assert blind.prompts == round(15 / 0.7 + 0.5)
    generated(given | {"pairs": {}}, tmp_path / "out", limit=40)
    found = judgegen.estimate(given, out=tmp_path / "out")
    assert found.pairs is not None
    assert found.pairs.found["expected"] == pytest.approx(15, abs=1)
    run = generated(given, tmp_path / "out")
    taken = run.summary["wanted"]["taken"]
    assert found.prompts * 0.6 <= taken <= found.prompts * 1.6
    assert found.usd_per_pair() is not None
