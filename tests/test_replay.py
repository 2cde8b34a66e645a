"""A run on recordings of real models and a real judge: what the labels rest on, and that nothing is asked twice."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, stats

import judgegen

MODELS = ("bard", "claude", "gpt35", "vicuna-13b")


@pytest.fixture(scope="module")
def replay(shared: Path) -> Iterator[str]:
    """The replay server over forty recorded questions."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(shared / "tools" / "replay_server.py"), str(shared / "data" / "prd_vicuna80")]
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            until_up(url)
            yield url
        finally:
            process.terminate()


def until_up(url: str) -> None:
    for _ in range(200):
        try:
            stats(url)
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the replay server did not start")


def table(url: str, shared: Path, **endpoint: Any) -> dict[str, Any]:
    given = {"base_url": url, "identity": "replay", "price": {"input": 1, "output": 4}, **endpoint}
    return {
        "prompts": str(shared / "data" / "prd_vicuna80" / "questions.jsonl"),
        "endpoints": {"replay": given},
        "sampler": {
            "endpoint": "replay",
            "model": "bard",
            "variants": [{"name": model, "model": model} for model in MODELS],
        },
        "judge": {"endpoint": "replay", "model": "gpt4"},
        "pairs": {"p_chosen": "direct"},
    }


def run(spec: dict[str, Any], out: Path, **options: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(spec, out=out, **options))


@pytest.fixture(scope="module")
def done(replay: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> judgegen.Run:
    return run(table(replay, shared), tmp_path_factory.mktemp("replay"))


def recorded(shared: Path) -> dict[tuple[str, str, str], str]:
    """(question text, first shown, second shown) -> the recorded verdict of gpt4."""
    folder = shared / "data" / "prd_vicuna80"
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {row["question_id"]: row["text"] for row in questions}
    found: dict[tuple[str, str, str], str] = {}
    for line in gzip.decompress((folder / "llm_judgments.jsonl.gz").read_bytes()).decode("utf-8").splitlines():
        row = json.loads(line)
        if row["judge"] == "gpt4":
            found.setdefault((texts[row["question_id"]], row["model_1"], row["model_2"]), str(row["verdict"]))
    return found


@pytest.mark.slow
def test_every_request_is_matched(done: judgegen.Run, replay: str) -> None:
    """Forty prompts, four models, both orders of every comparison, and nothing the recordings do not hold."""
    assert stats(replay)["unmatched"] == 0
    assert (done.summary["calls"]["sampler"], done.summary["calls"]["judge"]) == (160, 480)
    assert done.summary["pairs"] + sum(done.summary["drops"].values()) == done.summary["prompts"] == 40


def test_every_label_is_backed_by_recorded_verdicts_in_both_orders(done: judgegen.Run, shared: Path) -> None:
    """P(chosen) is the mean of what the judge was recorded to say of the two, each order once; no flip is a label.

    A verdict without a probability counts as far as the judge says the same in both orders, over all that it was asked.
    """
    verdicts = recorded(shared)
    share = {"1": 1.0, "2": 0.0, "3": 0.5}
    questions = {question for question, _, _ in verdicts}
    both = [
        (share[verdicts[question, one, other]], share[verdicts[question, other, one]])
        for question in questions
        for one, other in itertools.combinations(MODELS, 2)
    ]
    believed = (1 + sum(there + back == 1 for there, back in both)) / (2 + len(both))
    assert done.summary["habits"][0]["consistency"] == pytest.approx(believed, abs=1e-6)
    assert done.summary["pairs"] > 20
    for row in done.preferences.to_dict("records"):
        question = row["prompt"][0]["content"]
        chosen, rejected = row["chosen_from"]["model"], row["rejected_from"]["model"]
        there = share[verdicts[question, chosen, rejected]]
        back = 1 - share[verdicts[question, rejected, chosen]]
        assert row["p_chosen"] == pytest.approx(0.5 + believed * ((there + back) / 2 - 0.5))
        assert row["p_chosen"] > 0.5
        assert {there, back} != {0.0, 1.0}
        assert len(row["verdict_calls"]) == 2


@pytest.mark.slow
def test_a_second_run_sends_nothing_and_writing_makes_the_same_bytes(
    done: judgegen.Run, replay: str, shared: Path
) -> None:
    """The journal answers everything; what is derived can be deleted."""
    asked, first = stats(replay), derived(done.folder)
    again = run(table(replay, shared), done.folder)
    assert again.summary["calls"]["from_journal"] == 160 + 480
    assert derived(done.folder) == first
    for name in first:
        (done.folder / name).unlink()
    judgegen.rewrite(done.folder)
    assert derived(done.folder) == first
    assert stats(replay) == asked


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 7])
def test_concurrency_changes_no_byte(
    done: judgegen.Run, replay: str, shared: Path, tmp_path: Path, at_once: int
) -> None:
    """One at a time or seven: the same files."""
    other = run(table(replay, shared, max_concurrency=at_once), tmp_path)
    assert derived(other.folder) == derived(done.folder)


def test_the_servers_own_count_is_the_summarys(done: judgegen.Run) -> None:
    """USD are usage times price, to the last digit, and the parts add up to the total."""
    summary, calls = done.summary, done.calls
    asked, answered = (Decimal(int(calls[name].sum())) for name in ("input_tokens", "output_tokens"))
    usd = (asked * 1 + answered * 4) / 10**6
    assert Decimal(summary["cost_usd"]["total"]) == usd == sum(calls["cost_usd_exact"])
    assert sum(Decimal(row["cost_usd"]) for row in summary["spend"]) == usd
    assert sum(Decimal(row["cost_usd"]["total"]) for row in done.preferences.to_dict("records")) <= usd


@pytest.mark.slow
def test_the_estimate_holds_the_cost(done: judgegen.Run, replay: str, shared: Path, tmp_path: Path) -> None:
    """Calls to the call; the interval without a pilot holds the cost; after ten prompts it is expected within 5 %."""
    actual = Decimal(done.summary["cost_usd"]["total"])
    before = judgegen.estimate(table(replay, shared), out=tmp_path)
    assert before.calls == {"sampler": 160, "judge": 480, "from_journal": 0}
    assert before.cost_usd["low"] <= actual <= before.cost_usd["high"]
    pilot = Decimal(run(table(replay, shared), tmp_path, limit=10).summary["cost_usd"]["total"])
    after = judgegen.estimate(table(replay, shared), out=tmp_path)
    assert (after.calls["sampler"], after.calls["from_journal"]) == (160, 160)
    assert after.calls["judge"] == 480
    assert abs(pilot + after.cost_usd["expected"] - actual) < actual * Decimal("0.05")
    assert abs(after.cost_usd["expected"] - (actual - pilot)) < (actual - pilot) * Decimal("0.05")
    assert after.cost_usd["low"] <= actual - pilot <= after.cost_usd["high"]
