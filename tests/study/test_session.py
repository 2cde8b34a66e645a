"""A check and an attack have what a run has: their cost before it is spent, and the Batch API."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from worlds import stats, world

import judgegen
from judgegen.errors import AttackWon, SpecError
from judgegen.study import attack, check

pytest.importorskip("scipy", reason="the extra `trust` is not installed")

LABELLED = [
    {
        "prompt": f"What is worth knowing about {i}?",
        "response_a": f"Much.\n[quality 0.{3 + i % 5}00]",
        "response_b": "Little.\n[quality 0.100]",
        "winner": "A",
    }
    for i in range(6)
]


def table(folder: Path, endpoint: dict[str, Any]) -> dict[str, Any]:
    """A run file's table with four prompts beside it."""
    (folder / "prompts.txt").write_text("".join(f"What is {i}?\n" for i in range(4)), encoding="utf-8")
    return {
        "prompts": str(folder / "prompts.txt"),
        "endpoints": {"e": {"price": {"input": 1, "output": 4}, **endpoint}},
        "sampler": {"endpoint": "e", "model": "small", "max_tokens": 200, "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "e", "model": "judge"},
    }


def attacked(run: dict[str, Any], out: Path, **more: Any) -> attack.Attack:
    """An attack, whether one won or not."""
    try:
        return asyncio.run(attack.attack(run, out=out, **more))
    except AttackWon as error:
        found: attack.Attack = error.run
        return found


def test_what_a_check_will_take_is_counted_without_a_call(tmp_path: Path) -> None:
    """As many calls as it then makes, the sampler in no row; a check that is done is expected to cost nothing."""
    run = table(tmp_path, {"provider": "scripted"})
    found = check.expected(LABELLED, run=run, out=tmp_path / "check")
    assert not (tmp_path / "check").exists()
    assert {row.role for row in found.rows} == {"judge"}
    done = asyncio.run(judgegen.check(LABELLED, run=run, out=tmp_path / "check"))
    assert found.calls["judge"] == done.calls
    assert 0 < done.cost_usd <= found.cost_usd["high"]
    assert check.expected(LABELLED, run=run, out=tmp_path / "check").cost_usd["high"] == 0


@pytest.mark.slow
def test_what_an_attack_will_take_is_counted_without_a_call(tmp_path: Path) -> None:
    """Its calls are counted; the answers that the run's journal has are in no row."""
    run = table(tmp_path, {"provider": "scripted"})
    asyncio.run(judgegen.generate(run, out=tmp_path / "run"))
    found = attack.expected(run, out=tmp_path / "run")
    done = attacked(run, tmp_path / "run")
    assert found.calls == {"sampler": 0, "judge": done.calls["judge"], "from_journal": 0}
    assert attack.expected(run, out=tmp_path / "run").cost_usd["high"] == 0


@pytest.mark.slow
def test_a_check_and_an_attack_go_through_the_batch_api(tmp_path: Path) -> None:
    """The same figures as live, at half the price, and no chat request is made."""
    with world() as url:
        run = table(tmp_path, {"base_url": url, "identity": "sim"})
        live = asyncio.run(judgegen.check(LABELLED, run=run, out=tmp_path / "live"))
        batch: dict[str, Any] = {"batch": True, "wait": True, "poll_s": 0.1}
        done = asyncio.run(judgegen.check(LABELLED, run=run, out=tmp_path / "batch", **batch))
        assert stats(url)["batch_rows"] == done.calls == live.calls
        assert done.summary["accuracy"] == live.summary["accuracy"]
        assert done.cost_usd == live.cost_usd / 2 > 0
        assert {row.attack for row in attacked(run, tmp_path / "run", **batch).rows if row.n} != set()


def test_a_provider_without_batches_says_so_to_a_check(tmp_path: Path) -> None:
    """The endpoint is named before anything is sent."""
    with pytest.raises(SpecError, match=r"endpoints\.e.*no Batch API"):
        asyncio.run(judgegen.check(LABELLED, run=table(tmp_path, {"provider": "scripted"}), out=tmp_path, batch=True))


def test_a_cap_holds_in_a_check(tmp_path: Path) -> None:
    """What was spent stays under it, and a higher one goes on."""
    run = table(tmp_path, {"provider": "scripted"})
    with pytest.raises(judgegen.BudgetReached) as caught:
        asyncio.run(judgegen.check(LABELLED, run=run, out=tmp_path / "check", max_usd=Decimal("0.004")))
    assert caught.value.run.cost_usd <= Decimal("0.004")
    assert asyncio.run(judgegen.check(LABELLED, run=run, out=tmp_path / "check")).incomplete == 0
