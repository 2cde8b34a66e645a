"""The Batch API against a simulated provider with every fault it has: nothing lost, nothing paid twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from worlds import stats, world

import judgegen
from judgegen.errors import BudgetReached, Incomplete, SpecError
from judgegen.llm import batch as batches
from judgegen.llm.calls import Call, Tag
from judgegen.llm.outbox import MOST_TRIES, Outbox, Size

FAULTS = (
    *("--batch-missing-rate", "0.1", "--batch-failed-rate", "0.1", "--batch-expired-rate", "0.2"),
    *("--batch-errors-only-rate", "0.1", "--batch-busy-rate", "0.2", "--batch-crash-rate", "0.3"),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a busy provider are short."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.01)


def table(url: str, **endpoint: Any) -> dict[str, Any]:
    given = {"base_url": url, "identity": "sim", "price": {"input": 1, "output": 4}, **endpoint}
    return {
        "prompts": "-",
        "endpoints": {"sim": given},
        "sampler": {"endpoint": "sim", "model": "small", "max_tokens": 200, "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "sim", "model": "judge"},
    }


ROWS = [f"Explain fact {i} about rivers." for i in range(8)]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]


def run(spec: dict[str, Any], out: Path, **options: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(spec, out=out, prompts=ROWS, **options))


def until_done(spec: dict[str, Any], out: Path, **options: Any) -> judgegen.Run:
    """The same command until it is done, as its user would."""
    for _ in range(60):
        try:
            return run(spec, out, batch=True, wait=True, poll_s=0.1, **options)
        except Incomplete:
            continue
    raise AssertionError("never done")


@contextmanager
def served(*flags: str) -> Iterator[str]:
    with world("--batch-seconds", "0.1", "--unreadable-rate", "0.1", *flags) as url:
        yield url


@pytest.mark.slow
def test_a_batch_run_makes_the_labels_of_a_live_one_at_half_the_price(tmp_path: Path) -> None:
    """Same rows but for the USD, which are halved to the last digit."""
    with served() as url:
        live = run(table(url), tmp_path / "live")
        cheap = until_done(table(url), tmp_path / "batch")
    for a, b in zip(rows(live.folder), rows(cheap.folder), strict=True):
        assert Decimal(b.pop("cost_usd")["total"]) * 2 == Decimal(a.pop("cost_usd")["total"])
        assert a == b
    assert Decimal(cheap.summary["cost_usd"]["total"]) * 2 == Decimal(live.summary["cost_usd"]["total"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_every_fault_at_once(tmp_path: Path, seed: str) -> None:
    """Missing, failed and expired rows are asked again, lost submissions adopted; nothing is paid twice."""
    with served(*FAULTS, "--seed", seed) as url:
        done = until_done(table(url, batch_tokens=2000), tmp_path / "batch")
        assert stats(url)["repeats"] == 0
        live = run(table(url), tmp_path / "live")
    assert [r["chosen"] for r in rows(done.folder)] == [r["chosen"] for r in rows(live.folder)]
    assert done.summary["drops"] == live.summary["drops"]


@pytest.mark.slow
def test_without_wait_it_submits_and_says_when_to_come_back(tmp_path: Path) -> None:
    """One invocation leaves its calls with the provider; the next goes on; nothing is submitted twice."""
    with served("--batch-seconds", "4") as url:
        for _ in range(2):
            with pytest.raises(Incomplete, match="16 calls are with the provider") as caught:
                run(table(url), tmp_path / "run", batch=True)
            assert caught.value.run.summary["drops"] == {"incomplete": 8}
        assert stats(url)["batches"] == 1
        assert until_done(table(url), tmp_path / "run").summary["prompts"] == 8


@pytest.mark.slow
def test_a_cap_holds_over_batches(tmp_path: Path) -> None:
    """What does not fit at its worst is not submitted; a higher cap continues to the uncapped end."""
    with served() as url:
        with pytest.raises(BudgetReached) as caught:
            until_done(table(url), tmp_path / "run", max_usd="0.004")
        seen = stats(url)
        billed = (seen["prompt_tokens"] * Decimal("0.5") + seen["completion_tokens"] * 2) / 10**6
        assert 0 < billed <= Decimal("0.004")
        assert Decimal(caught.value.run.summary["cost_usd"]["total"]) == billed
        done = until_done(table(url), tmp_path / "run", max_usd=100)
        assert done.summary["drops"].get("incomplete") is None


def test_an_endpoint_without_batches_is_refused_before_anything(tmp_path: Path) -> None:
    """The embedded and the scripted provider have no Batch API."""
    spec = {**table("-"), "endpoints": {"sim": {"provider": "scripted"}}}
    with pytest.raises(SpecError, match="no Batch API"):
        run(spec, tmp_path / "run", batch=True)


def call(number: int) -> Call:
    message = {"role": "user", "content": str(number)}
    tag = Tag(role="sampler", prompt_id=str(number), route="sim")
    return Call(endpoint="sim", model="m", messages=(message,), params={}, tag=tag)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "journal.sqlite") as found:
        yield found


def test_batches_stay_within_the_limits(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests, bytes, tokens and USD bound every batch, and every call is in exactly one."""
    monkeypatch.setattr("judgegen.llm.outbox.MOST_REQUESTS", 7)
    for number in range(20):
        outbox.add(call(number), Size(bytes=10, tokens=100, worst=Decimal(1)))
    made = []
    while found := outbox.write_down("sim", "m", most_tokens=500, most_usd=None):
        made.append([c.id for c in outbox.calls(found)])
    assert [len(ids) for ids in made] == [5, 5, 5, 5]
    assert sorted(i for ids in made for i in ids) == sorted(call(n).id for n in range(20))
    assert outbox.write_down("sim", "m", most_tokens=500, most_usd=None) is None


def test_usd_bound_a_batch(outbox: Outbox) -> None:
    """Only what fits at its worst is taken; a call too dear waits."""
    for number in range(5):
        outbox.add(call(number), Size(bytes=10, tokens=100, worst=Decimal(2)))
    found = outbox.write_down("sim", "m", most_tokens=1e9, most_usd=Decimal(5))
    assert found is not None
    assert len(list(outbox.calls(found))) == 2
    assert outbox.write_down("sim", "m", most_tokens=1e9, most_usd=Decimal(1)) is None


def test_a_call_that_fails_in_every_batch_is_given_up_for_now(outbox: Outbox) -> None:
    """After its tries it waits for the next invocation, which gives it new ones."""
    outbox.add(call(1), Size(bytes=1, tokens=1, worst=Decimal(0)))
    for _ in range(MOST_TRIES):
        found = outbox.write_down("sim", "m", most_tokens=10, most_usd=None)
        assert found is not None
        outbox.settled(found, [], [(call(1).id, "500")])
    assert outbox.waiting()["given_up"] == 1
    assert outbox.kinds() == []
    outbox.try_again()
    assert outbox.kinds() == [("sim", "m")]


def test_a_waiting_call_comes_back_as_it_was(outbox: Outbox) -> None:
    """What is read from the outbox has the same identity, tag and wishes."""
    outbox.add(call(1), Size(bytes=1, tokens=1, worst=Decimal(0)))
    found = outbox.call(call(1).id)
    assert found == call(1)
    assert found is not None
    assert found.tag == call(1).tag


def test_the_metadata_key_is_stable() -> None:
    """Batches of an older version are found by the same key."""
    assert batches.METADATA_KEY == "judgegen_batch"
