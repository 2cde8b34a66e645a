from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import Interrupted
from judgegen.llm.calls import Call, Tag
from judgegen.llm.secrets import remember
from judgegen.llm.stop import Stop
from judgegen.run.events import Event, Events
from judgegen.run.log import Log, logged
from judgegen.watch import Watch

SPEC: dict[str, Any] = {
    "prompts": "none",
    "endpoints": {"world": {"provider": "scripted", "scripted": {"fault_rate": 0.3}}},
    "sampler": {"endpoint": "world", "model": "scripted-small", "variants": [{"name": "plain", "n": 2}]},
    "judge": {"endpoint": "world", "model": "scripted-judge"},
}
ASKED = Call(
    endpoint="http://me:word@host/v1?key=mine",
    model="m",
    messages=({"role": "user", "content": "?"},),
    params={},
    tag=Tag(role="judge", prompt_id="p", route="r"),
)


def rows(folder: Path, name: str = "run.log") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_a_run_keeps_a_log(tmp_path: Path) -> None:
    """What was sent again stands in the folder by call, with address and reason; each run adds its lines."""
    for _ in range(2):
        asyncio.run(judgegen.generate(SPEC, out=tmp_path / "run", prompts=["One?", "Two?", "Three?"]))
    found = rows(tmp_path / "run")
    kinds = [row["event"] for row in found]
    assert kinds.count("started") == kinds.count("ended") == 2
    again = [row for row in found if row["event"] == "retried"]
    assert again
    calls = {call for run in [judgegen.load(tmp_path / "run")] for call in run.calls.call_id}
    assert {row["call_id"] for row in again} <= calls
    assert all(row["address"] and row["why"] and row["wait_s"] >= 0 and row["at"].endswith("+00:00") for row in again)


def test_the_log_says_why_a_run_ended(tmp_path: Path) -> None:
    """What stopped it, or the error that came through; nothing where it is whole."""
    stop = Stop()
    with logged(tmp_path, Watch(), stop):
        stop.request(Interrupted("by Ctrl-C"))
    with pytest.raises(RuntimeError), logged(tmp_path, Watch(), Stop()):
        raise RuntimeError("no more")
    assert [row["why"] for row in rows(tmp_path)] == ["Interrupted: by Ctrl-C", "RuntimeError: no more"]


def test_the_log_holds_no_secret(tmp_path: Path) -> None:
    """Known keys are masked in a server's words, and an address is without what is for the server alone."""
    remember("sk-another-key-for-nobody")
    with logged(tmp_path, Watch(), Stop()) as watch:
        watch.retried(ASKED, "not with sk-another-key-for-nobody", 1.0)
        watch.lost(ASKED, "sk-another-key-for-nobody")
        watch.warned("sk-another-key-for-nobody")
        watch.adapted("sk-another-key-for-nobody")
        watch.waits("sk-another-key-for-nobody")
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "sk-another" not in text
    assert "word" not in text
    assert "mine" not in text
    assert text.count("[secret]") == 5


def test_a_log_does_not_grow_without_end(tmp_path: Path) -> None:
    """Beyond its size it begins anew; the lines before stand beside it, and no line is lost between the two."""
    log = Log(tmp_path, pytest.fail, most_bytes=2000)
    for number in range(60):
        log.add(Event("retried", {"number": number}, ""))
    log.close()
    assert (tmp_path / "run.log").stat().st_size <= 2200
    kept = [row["number"] for name in ("run.log.1", "run.log") for row in rows(tmp_path, name)]
    assert kept == list(range(kept[0], 60))
    assert sorted(os.listdir(tmp_path)) == ["run.log", "run.log.1"]  # noqa: PTH208 - names alone


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    """It is told of once, with the reason."""
    said: list[str] = []
    (tmp_path / "run.log").mkdir()
    log = Log(tmp_path, said.append)
    for _ in range(3):
        log.add(Event("retried", {}, ""))
    log.close()
    assert len(said) == 1
    assert "the run goes on without its log" in said[0]


def test_a_long_reason_is_kept_in_part() -> None:
    """A server's page of words is no line of a log."""
    told: list[Event] = []
    Events(told.append).retried(ASKED, "x" * 100_000, 1.0)
    assert len(json.dumps(told[0].row())) < 3000
