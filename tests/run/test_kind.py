"""A run beside what its calibration saw: silent on prompts of one kind, told and stopped on another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import GateFailed
from judgegen.plan.fitting import parse
from judgegen.show.words import figures

pytest.importorskip("sklearn", reason="the extra `trust` is not installed")


def table(folder: Path, **scripted: Any) -> dict[str, Any]:
    world = {"accuracy": 0.9, "length_bias": 0.3, **scripted}
    return {
        "prompts": str(folder / "prompts.jsonl"),
        "endpoints": {"w": {"provider": "scripted", "scripted": world, "identity": json.dumps(scripted)}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "w", "model": "j"},
        "gates": {"min_pairs": 0},
    }


def asked(folder: Path, first: int, number: int, words: str = "") -> None:
    rows = [{"prompt": f"Question {i}: why? {words}"} for i in range(first, first + number)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """A calibration on answers of the sampler that the runs have, each pair voted on by its marks."""
    asked(tmp_path, 1000, 150)
    run = asyncio.run(judgegen.generate(table(tmp_path), out=tmp_path / "drawn"))
    texts: dict[str, list[str]] = {}
    for row in run.candidates.to_dict("records"):
        texts.setdefault(row["prompt_id"], []).append(row["text"])
    asked_of = {row["prompt_id"]: json.loads(row["messages"])[0]["content"] for row in run.prompts.to_dict("records")}
    rows = []
    for prompt_id, (a, b) in texts.items():
        winner = "A" if a.rsplit("[quality ")[-1] > b.rsplit("[quality ")[-1] else "B"
        rows.append({"prompt": asked_of[prompt_id], "response_a": a, "response_b": b, "votes": [winner] * 3})
    found = asyncio.run(judgegen.calibrate(rows, run=table(tmp_path), target=0.7, out=tmp_path / "check"))
    assert found.threshold is not None
    path = tmp_path / "calibration.json"
    path.write_text(found.text())
    assert parse(found.text(), "it").seen == found.seen
    return path


class Heard(judgegen.Watch):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warned(self, message: str) -> None:
        self.said.append(message)


def run(folder: Path, calibration: Path, out: str, **more: Any) -> tuple[judgegen.Run, list[str]]:
    given = table(folder, **more.pop("scripted", {}))
    given["judge"]["calibration"] = str(calibration)
    given["gates"] |= more
    watch = Heard()
    try:
        return asyncio.run(judgegen.generate(given, out=folder / out, watch=watch)), watch.said
    except GateFailed as error:
        ended: judgegen.Run = error.run
        ended.summary["failed"] = str(error)
        return ended, watch.said


@pytest.mark.slow
def test_prompts_of_one_kind_raise_no_alarm_and_another_kind_does(tmp_path: Path, calibrated: Path) -> None:
    """The same world is silent; a judge that has come to favour the first place is told, or ends the run."""
    asked(tmp_path, 0, 120)
    done, said = run(tmp_path, calibrated, "same", max_shifts=0)
    assert done.summary["shift"] == []
    assert "failed" not in done.summary
    assert not any("calibration was fitted on" in one for one in said)
    moved, said = run(tmp_path, calibrated, "moved", scripted={"position_bias": 3.0})
    names = {row["name"] for row in moved.summary["shift"]}
    assert "flips" in names
    assert sum("calibration was fitted on" in one for one in said) == 1
    assert "failed" not in moved.summary
    assert "not what the calibration saw" in figures(moved.summary)["shift"]
    ended, _ = run(tmp_path, calibrated, "ended", scripted={"position_bias": 3.0}, max_shifts=0)
    assert "gates.max_shifts = 0" in ended.summary["failed"]


@pytest.mark.slow
def test_what_is_not_known_cannot_hold_a_gate(tmp_path: Path, calibrated: Path) -> None:
    """Too few prompts tell of nothing; a calibration of an older file saw nothing."""
    asked(tmp_path, 0, 5)
    few, said = run(tmp_path, calibrated, "few", max_shifts=0)
    assert few.summary["shift"] is None
    assert "not known" in few.summary["failed"]
    older = json.loads(calibrated.read_text())
    del older["seen"]
    calibrated.write_text(json.dumps(older))
    old, said = run(tmp_path, calibrated, "old")
    assert "shift" not in old.summary
    assert not any("calibration was fitted on" in one for one in said)
