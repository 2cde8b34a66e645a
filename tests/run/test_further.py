"""Variants with `n = { least, most }`: more is drawn only where nothing came of what there is, and judged alone."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, world

import judgegen
from judgegen.errors import BudgetReached, SpecError
from judgegen.llm.journal import Journal
from judgegen.show.words import figures
from judgegen.spec import parse

WORLD = {"accuracy": 0.75, "tie_rate": 0.1, "position_bias": 1.0, "logprobs": False}
RANGE = {"least": 2, "most": 5}


def table(n: Any = RANGE, *, number: int = 10, schedule: str = "min-max", **more: Any) -> dict[str, Any]:
    return {
        "prompts": "-",
        "endpoints": {"w": {"provider": "scripted", "scripted": WORLD, "price": {"input": 1, "output": 1}}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": n}]},
        "judge": {"endpoint": "w", "model": "j", "schedule": schedule},
        "gates": {"min_pairs": 0},
        **more,
    }


def run(given: dict[str, Any], out: Path, **more: Any) -> judgegen.Run:
    prompts = [f"Question {i}: how does a river find the sea?" for i in range(10)]
    return asyncio.run(judgegen.generate(given, prompts=prompts, out=out, **more))


def asked(out: Path) -> set[str]:
    with Journal(out) as journal:
        return {row[0] for row in journal._db.execute("SELECT id FROM calls")}


@pytest.mark.parametrize("schedule", ["min-max", "round-robin"])
def test_more_is_drawn_only_while_nothing_comes_of_what_there_is(tmp_path: Path, schedule: str) -> None:
    """What the least gives is asked as ever; the rest is for prompts without a pair, until they have one."""
    run(table(2, schedule=schedule), tmp_path / "few")
    done = run(table(schedule=schedule), tmp_path / "more")
    few = judgegen.load(tmp_path / "few")
    assert asked(tmp_path / "few") < asked(tmp_path / "more")
    kept = few.prompts.set_index("prompt_id")["outcome"].to_dict()
    drawn = Counter(done.candidates["prompt_id"])
    for row in done.prompts.to_dict("records"):
        first = kept[row["prompt_id"]]
        assert (drawn[row["prompt_id"]] > 2) == (first in ("tie", "flip", "too-few"))
        assert drawn[row["prompt_id"]] == 5 or row["outcome"] == "pairs"
    said = done.summary["further"]
    assert said["prompts"] == sum(count > 2 for count in drawn.values()) > 0
    assert said["candidates"] == sum(drawn.values()) - 2 * len(drawn)
    assert 0 < said["pairs"] == done.summary["pairs"] - few.summary["pairs"]
    assert "more for" in figures(done.summary)["drawn on"]
    with Journal(tmp_path / "more") as journal:  # nothing is asked, or counted, twice
        assert journal.count() == done.summary["calls"]["sampler"] + done.summary["calls"]["judge"]


def test_the_same_is_drawn_whoever_answers_first_and_however_often_it_is_halted(tmp_path: Path) -> None:
    """One request at a time or many, halted by a cap and gone on with, written again: the same bytes."""
    run(table(), tmp_path / "wide")
    narrow = table()
    narrow["endpoints"]["w"] = {**narrow["endpoints"]["w"], "max_concurrency": 1}
    run(narrow, tmp_path / "narrow")
    for usd in (0.002, 0.006):
        with pytest.raises(BudgetReached):
            run(table(), tmp_path / "halted", max_usd=usd)
    run(table(), tmp_path / "halted", max_usd=10)
    names = ("preferences.jsonl", "summary.json")
    wide, *others = ([(tmp_path / out / name).read_bytes() for name in names] for out in ("wide", "narrow", "halted"))
    assert all(other == wide for other in others)
    assert asked(tmp_path / "wide") == asked(tmp_path / "narrow") == asked(tmp_path / "halted")
    before = derived(tmp_path / "wide")
    (tmp_path / "wide" / "summary.json").unlink()
    judgegen.rewrite(tmp_path / "wide")
    assert derived(tmp_path / "wide") == before


def test_shards_merged_are_the_run(tmp_path: Path) -> None:
    """Each draws on for its own prompts."""
    run(table(), tmp_path / "whole")
    for part in ("1/2", "2/2"):
        run(table(), tmp_path / "parts", shard=part)
    judgegen.merge(tmp_path / "parts")
    for name in ("preferences.jsonl", "summary.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_batch_draws_the_same(tmp_path: Path) -> None:
    """Round after round through the Batch API."""
    given = table()
    given["endpoints"]["w"] |= {"identity": "w"}
    run(given, tmp_path / "live")
    flags = ("--accuracy", "0.75", "--tie-rate", "0.1", "--position-bias", "1", "--no-logprobs", "--batch-seconds", "0")
    with world(*flags) as url:
        given["endpoints"]["w"] = {"base_url": url, "identity": "w", "price": {"input": 1, "output": 1}}
        run(given, tmp_path / "batch", batch=True, wait=True, poll_s=0.02)
    assert asked(tmp_path / "batch") == asked(tmp_path / "live")
    live, batch = (judgegen.load(tmp_path / out).summary for out in ("live", "batch"))
    assert live["further"] == batch["further"]


def test_the_estimate_knows_the_range(tmp_path: Path) -> None:
    """Between the least and the most for all, and after a run nothing is left to pay."""
    prompts = [f"Question {i}: how does a river find the sea?" for i in range(10)]
    usd = [
        judgegen.estimate(table(n), prompts=prompts, out=tmp_path / "none").cost_usd["expected"] for n in (2, RANGE, 5)
    ]
    assert usd[0] <= usd[1] < usd[2]
    run(table(), tmp_path / "out")
    assert judgegen.estimate(table(), prompts=prompts, out=tmp_path / "out").cost_usd["expected"] == 0


@pytest.mark.parametrize(
    ("n", "judge", "why"),
    [
        ({"least": 3, "most": 3}, {}, "least = 3 is not below most = 3"),
        ({"least": 2, "mst": 3}, {}, "did you mean 'most'"),
        (0, {}, "above 0"),
        (RANGE, {"method": "listwise"}, "shown all of a prompt at once"),
    ],
)
def test_what_cannot_be_is_said(n: Any, judge: dict[str, Any], why: str) -> None:
    """A range that is none, a key that is none, a judge that sees all at once."""
    given = table(n)
    given["judge"] = {"endpoint": "w", "model": "j", **judge}
    with pytest.raises(SpecError, match=why):
        parse(given)


def test_other_variants_are_asked_only_then_and_wanted_pairs_take_the_same(tmp_path: Path) -> None:
    """A variant with least = 0 answers only prompts of which nothing came; to so many pairs it is the same."""
    given = table({"least": 2, "most": 3})
    given["sampler"]["variants"].append({"name": "b", "n": {"least": 0, "most": 2}})
    whole = run(given, tmp_path / "whole")
    drawn = Counter((row["prompt_id"], row["variant"]) for row in whole.candidates.to_dict("records"))
    later = [prompt for prompt, variant in drawn if variant == "b"]
    assert all(drawn[prompt, "a"] == 3 for prompt in later)
    few = run(given | {"pairs": {"wanted": 4}}, tmp_path / "few")
    assert few.summary["pairs"] == 4
    assert asked(tmp_path / "few") < asked(tmp_path / "whole")
    rows = [(tmp_path / out / "preferences.jsonl").read_text().splitlines() for out in ("few", "whole")]
    assert len(rows[0]) == 4
    assert {json.loads(row)["prompt_id"] for row in rows[0]} < {json.loads(row)["prompt_id"] for row in rows[1]}
