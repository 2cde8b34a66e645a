"""Anchors: judged again with every run, told where the judge is another, the same however the run goes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, world

import judgegen
from judgegen.errors import BudgetReached, GateFailed, SpecError
from judgegen.llm.journal import Journal
from judgegen.show.words import figures
from judgegen.spec import parse
from judgegen.train import rounds as room
from judgegen.train.order import Order
from judgegen.train.places import Here, Learner

GOOD, OTHER = {"accuracy": 0.95, "tie_rate": 0.02}, {"accuracy": 0.05, "tie_rate": 0.02}


def labelled(folder: Path, number: int = 30) -> Path:
    """Comparisons whose quality is marked as the scripted judge reads it; two of some prompts."""
    rows = [
        {
            "prompt": f"Anchor {i % 25}: why?",
            "response_a": f"Since {i}. [quality {0.9 if i % 2 else 0.2:.3f}]",
            "response_b": f"Because of {i}. [quality {0.2 if i % 2 else 0.9:.3f}]",
            "votes": ["A" if i % 2 else "B"] * 3,
        }
        for i in range(number)
    ]
    path = folder / "anchors.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(folder: Path, anchors: Any, *, scripted: dict[str, Any] = GOOD, **more: Any) -> dict[str, Any]:
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(6)))
    served = {"provider": "scripted", "scripted": scripted, "identity": json.dumps(scripted)}
    return {
        "prompts": str(folder / "prompts.jsonl"),
        "endpoints": {"w": {**served, "price": {"input": 1, "output": 1}}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "w", "model": "j", **({} if anchors is None else {"anchors": anchors})},
        "gates": {"min_pairs": 0},
    } | more


class Heard(judgegen.Watch):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warned(self, message: str) -> None:
        self.said.append(message)


def run(given: dict[str, Any], out: Path, **more: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(given, out=out, **more))


def test_another_judge_is_told_and_the_same_one_is_not(tmp_path: Path) -> None:
    """The first run leaves the reference; the same judge is silent, one that errs raises the alarm and the gate."""
    file = labelled(tmp_path)
    first = run(table(tmp_path, str(file)), tmp_path / "first").summary["anchors"]
    assert (first["judged"], first["known"], first["alarms"], first["reference"]) == (25, 0, None, None)
    told = {"file": str(file), "reference": str(tmp_path / "first" / "anchors.json")}
    gates = {"min_pairs": 0, "max_drifts": 0}
    same, heard = run(table(tmp_path, told, gates=gates, seed=7), tmp_path / "same"), Heard()
    assert (same.summary["anchors"]["known"], same.summary["anchors"]["alarms"]) == (25, [])
    with pytest.raises(GateFailed, match="max_drifts = 0: the judge moved on its anchors") as failed:
        run(table(tmp_path, told, gates=gates, scripted=OTHER), tmp_path / "other", watch=heard)
    found = failed.value.run.summary["anchors"]
    assert {"agreement", "moved"} == set(found["alarms"])
    assert found["stayed"] > found["returned"]
    assert len([one for one in heard.said if "the judge is not the one" in one]) == 1
    assert "another judge than then" in figures(failed.value.run.summary)["anchors"]
    moved = json.loads((tmp_path / "other" / "anchors.json").read_text())["moved"]
    assert len(moved) == found["moved"]
    with pytest.raises(GateFailed, match="not known"):
        run(table(tmp_path, str(file), gates=gates), tmp_path / "alone")


def test_pairs_are_those_of_a_run_without_anchors(tmp_path: Path) -> None:
    """And a run file that names none any more leaves no anchors.json of another."""
    run(table(tmp_path, None), tmp_path / "bare")
    run(table(tmp_path, str(labelled(tmp_path))), tmp_path / "out")
    name = "preferences.jsonl"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "bare" / name).read_bytes()
    run(table(tmp_path, None), tmp_path / "out")
    assert not (tmp_path / "out" / "anchors.json").exists()


def test_they_are_journaled_capped_estimated_and_written_again(tmp_path: Path) -> None:
    """Halted by a cap and gone on with, no call is paid for twice; the same bytes come from the journal alone."""
    given = table(tmp_path, {"file": str(labelled(tmp_path)), "n": 10})
    bare = judgegen.estimate(table(tmp_path, None), out=tmp_path / "none").calls["judge"]
    found = judgegen.estimate(given, out=tmp_path / "out")
    assert found.calls["judge"] == bare + 20
    run(given, tmp_path / "whole")
    with pytest.raises(BudgetReached):
        run(given, tmp_path / "out", max_usd=0.003)
    done = run(given, tmp_path / "out", max_usd=10)
    assert done.summary["calls"]["judge"] >= 20
    with Journal(tmp_path / "out") as journal:
        assert journal.count() == done.summary["calls"]["sampler"] + done.summary["calls"]["judge"]
    assert derived(tmp_path / "out") == derived(tmp_path / "whole")
    before = derived(tmp_path / "out")
    for path in (tmp_path / "out").glob("*.json"):
        path.unlink()
    (tmp_path / "anchors.jsonl").unlink()
    judgegen.rewrite(tmp_path / "out")
    assert derived(tmp_path / "out") == before
    left = judgegen.estimate(table(tmp_path, {"file": str(labelled(tmp_path)), "n": 10}), out=tmp_path / "out")
    assert left.cost_usd["expected"] == 0


def test_of_shards_the_first_judges_them(tmp_path: Path) -> None:
    """Merged, the run is that of one piece."""
    given = table(tmp_path, str(labelled(tmp_path)))
    run(given, tmp_path / "whole")
    for part in ("2/2", "1/2"):
        found = run(given, tmp_path / "parts", shard=part).summary
        assert ("anchors" in found) == (part == "1/2")
    judgegen.merge(tmp_path / "parts")
    names = ("summary.json", "anchors.json", "preferences.jsonl")
    whole, parts = (
        [(folder / name).read_bytes() for name in names] for folder in (tmp_path / "whole", tmp_path / "parts")
    )
    assert whole == parts


def test_a_batch_judges_the_same(tmp_path: Path) -> None:
    """Through the Batch API, in the rounds of the run."""
    given = table(tmp_path, {"file": str(labelled(tmp_path)), "n": 6})
    run(given, tmp_path / "live")
    with world("--accuracy", "0.95", "--tie-rate", "0.02", "--batch-seconds", "0") as url:
        given["endpoints"]["w"] = {"base_url": url, "identity": json.dumps(GOOD), "price": {"input": 1, "output": 1}}
        run(given, tmp_path / "batch", batch=True, wait=True, poll_s=0.02)
    live, batch = (json.loads((tmp_path / out / "anchors.json").read_text()) for out in ("live", "batch"))
    assert live == batch
    assert len(live["verdicts"]) == 6


def test_a_calibration_is_the_reference_of_a_run_that_has_one(tmp_path: Path) -> None:
    """What it saw of the anchors is in the file; the run asks by its seed, and the same judge is silent."""
    pytest.importorskip("sklearn", reason="the extra `trust` is not installed")
    file = labelled(tmp_path, 60)
    found = asyncio.run(judgegen.calibrate(file, run=table(tmp_path, None), target=0.6, out=tmp_path / "check"))
    assert len(found.to_dict()["verdicts"]) == 60
    (tmp_path / "calibration.json").write_text(found.text())
    given = table(tmp_path, str(file), seed=5)
    given["judge"]["calibration"] = str(tmp_path / "calibration.json")
    said = run(given, tmp_path / "out").summary["anchors"]
    assert (said["known"], said["moved"], said["alarms"]) == (25, 0, [])
    assert said["reference"].endswith("calibration.json")


@pytest.mark.parametrize(
    ("anchors", "more", "why"),
    [
        ("nowhere.jsonl", {}, "nowhere.jsonl"),
        ({"file": "anchors.jsonl", "reference": "none.json"}, {}, "take `reference` out"),
        ({"file": "anchors.jsonl", "reference": "prompts.jsonl"}, {}, "holds no verdicts"),
        ("anchors.jsonl", {"pairs": {"select": "delta", "stronger": "a", "weaker": "b"}}, "none is asked here"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(
    tmp_path: Path, anchors: Any, more: dict[str, Any], why: str
) -> None:
    """A file that is not there, a reference that is none, a run that asks no judge."""
    labelled(tmp_path)
    given = table(tmp_path, anchors, **more)
    given["sampler"]["variants"] = [{"name": "a"}, {"name": "b"}]
    told = {"file": anchors} if isinstance(anchors, str) else dict(anchors)
    given["judge"]["anchors"] = {key: str(tmp_path / value) for key, value in told.items()}
    with pytest.raises(SpecError, match=why):
        run(given, tmp_path / "out")


def test_from_the_second_round_on_anchors_are_held_against_the_first(tmp_path: Path) -> None:
    """Round 1 makes the reference; where the run file names one, it stays; between rounds none are judged."""
    order = Order(method="dpo", model="any")
    course = room.Course(file=tmp_path / "mine.toml", rounds=3, order=order, out=tmp_path / "out")
    here, model = Here(order=order, out=course.out, slots=1), Learner(name="/m", asked="m", told="/m")
    world = {"provider": "scripted", "price": {"input": 1, "output": 1}}
    file: dict[str, Any] = {
        "prompts": "p.jsonl",
        "endpoints": {"w": world},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "w", "model": "j", "anchors": "a.jsonl"},
    }
    first, second = (room._sampling(parse(file), here, model, course, number).judge.anchors for number in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.reference, first.looks) == (None, 1)
    assert (second.reference, second.looks) == (str(tmp_path / "out" / "round-1" / "run" / "anchors.json"), 2)
    file["judge"]["anchors"] = {"file": "a.jsonl", "reference": "mine.json"}
    named = room._sampling(parse(file), here, model, course, 2).judge.anchors
    assert named is not None
    assert named.reference == "mine.json"
    assert room._comparing(parse(file), here, [model, model]).judge.anchors is None
