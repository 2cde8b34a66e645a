"""A run in parts is the run: the same bytes when merged, no call paid for twice, no limit of the whole passed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_kills import AT_ONCE, written
from worlds import derived, stats, world

import judgegen
from judgegen.llm.journal import Journal
from judgegen.run.shards import Shard
from judgegen.spec.reading import parse
from judgegen.watch import Watch

PROMPTS = [f"Explain fact number {number} about rivers." for number in range(24)]
FILE: dict[str, Any] = {
    "prompts": "unused",
    "budget": {"max_usd": 5},
    "endpoints": {
        "here": {
            "provider": "scripted",
            "price": {"input": 1, "output": 4},
            "rpm": 100_000,
            "tpm": 50_000_000,
            "scripted": {"latency_s": 0.001},
        }
    },
    "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "v", "n": 3, "temperature": 1.0}]},
    "judge": {"endpoint": "here", "model": "judge"},
}


def run(out: Path, *, file: dict[str, Any] = FILE, prompts: list[str] = PROMPTS, **terms: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(file, prompts=prompts, out=out, **terms))


def sharded(out: Path, of: int, order: int = 0) -> judgegen.Run:
    numbers = list(range(1, of + 1))
    random.Random(order).shuffle(numbers)
    for number in numbers:
        run(out, shard=f"{number}/{of}")
    return judgegen.merge(out)


def outputs(folder: Path) -> dict[str, str]:
    return {name: sum_ for name, sum_ in derived(folder).items() if not name.startswith("shard-")}


@given(st.integers(1, 40), st.lists(st.text(), max_size=20))
def test_every_prompt_is_one_shards(of: int, texts: list[str]) -> None:
    """Whatever it says, exactly one of N takes it; the same one whatever its id and whichever prompts stand beside."""
    for text in texts:
        row = {"id": text[:3], "messages": [{"role": "user", "content": text}], "tools": []}
        takers = [number for number in range(1, of + 1) if Shard(number, of).takes(row)]
        assert len(takers) == 1
        assert Shard(takers[0], of).takes({**row, "id": "another", "reference": "r"})


@given(st.integers(1, 64), st.integers(64, 4096), st.floats(64, 1e6), st.floats(0.01, 1e4))
def test_all_shards_at_once_keep_every_limit_of_the_whole(of: int, at_once: int, rate: float, usd: float) -> None:
    """Connections, requests and tokens a minute, and money: N shares are the whole, of requests in whole numbers."""
    endpoint = {**FILE["endpoints"]["here"], "max_concurrency": at_once, "rpm": rate, "tpm": rate * 100}
    spec = parse({**FILE, "endpoints": {"here": endpoint}, "budget": {"max_usd": usd}})
    parts = [Shard(number, of).share(spec) for number in range(1, of + 1)]
    shares = [part.endpoints["here"] for part in parts]
    assert sum(share.max_concurrency for share in shares) == at_once
    assert sum(share.rpm or 0 for share in shares) == (rate if of == 1 else int(rate))
    assert all((share.rpm or 0) % 1 == 0 for share in shares) or of == 1  # a part of one would be one in some minute
    assert sum(share.tpm or 0 for share in shares) <= rate * 100.0001
    assert sum(part.budget.max_usd or 0 for part in parts) <= Decimal(repr(usd)) * Decimal("1.000001")
    assert all(part.meaning() == spec.meaning() for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("of", [1, 2, 4, 16])
def test_merged_it_has_the_bytes_of_one_piece(tmp_path: Path, of: int) -> None:
    """Some shards may be empty; the order they ran in is nowhere seen, and merging again changes nothing."""
    whole = run(tmp_path / "whole")
    merged = sharded(tmp_path / "parts", of, order=of)
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")
    assert merged.summary["pairs"] == whole.summary["pairs"] > 0
    with Journal(tmp_path / "whole") as one, Journal(tmp_path / "parts") as many:
        assert (many.count(), many.spent()) == (one.count(), one.spent())
        assert list(many.prompts()) == list(one.prompts())
    judgegen.merge(tmp_path / "parts")
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


@pytest.mark.slow
def test_a_limit_is_of_the_whole(tmp_path: Path) -> None:
    """The shards of a pilot take together the prompts that the pilot takes."""
    run(tmp_path / "whole", limit=7)
    for number in (1, 2, 3):
        run(tmp_path / "parts", limit=7, shard=f"{number}/3")
    judgegen.merge(tmp_path / "parts")
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


@pytest.mark.slow
def test_prompts_that_say_the_same_are_asked_by_one_shard(tmp_path: Path) -> None:
    """So what one run asks once is not paid for twice by two."""
    twice = [{"id": f"{name}{number}", "prompt": text} for name in "ab" for number, text in enumerate(PROMPTS[:6])]
    run(tmp_path / "whole", prompts=twice)  # type: ignore[arg-type]
    for number in (1, 2, 3):
        run(tmp_path / "parts", prompts=twice, shard=f"{number}/3")  # type: ignore[arg-type]
    judgegen.merge(tmp_path / "parts")
    with Journal(tmp_path / "whole") as one, Journal(tmp_path / "parts") as many:
        assert many.spent() == one.spent()
    parts = [Decimal(0)]
    for folder in (tmp_path / "parts").glob("shard-*"):
        with Journal(folder) as part:
            parts.append(part.spent())
    with Journal(tmp_path / "whole") as one:
        assert sum(parts) == one.spent()


@pytest.mark.slow
def test_a_merged_run_goes_on_as_any_run(tmp_path: Path) -> None:
    """It is a run folder: the run file's own command finds everything answered."""
    sharded(tmp_path, 2)
    before = outputs(tmp_path)
    again = run(tmp_path)
    assert again.summary["calls"]["from_journal"] == again.summary["calls"]["sampler"] + again.summary["calls"]["judge"]
    assert outputs(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda out: None, r"1 of 3 shards are missing \(3/3\)"),
        (lambda out: run(out, shard="3/3", prompts=PROMPTS[:-1]), "its prompts or limit are not those"),
        (lambda out: run(out, shard="3/3", limit=5), "its prompts or limit are not those"),
        (lambda out: run(out, shard="3/3", file={**FILE, "seed": 8}), "its run file is not that"),
        (lambda out: run(out, shard="1/2"), "shards of 2 and of 3 are here"),
        (lambda out: (out / "shard-3-of-3").mkdir(), "not a shard that began"),
    ],
)
def test_what_is_not_all_of_one_run_is_not_merged(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    """It says which shard is missing or of another kind, and makes no outputs."""
    for number in (1, 2):
        run(tmp_path, shard=f"{number}/3")
    spoil(tmp_path)
    with pytest.raises(judgegen.SpecError, match=words):
        judgegen.merge(tmp_path)
    assert not (tmp_path / "preferences.jsonl").exists()


@pytest.mark.slow
def test_a_shard_that_is_still_running_is_waited_for(tmp_path: Path) -> None:
    """Its journal is locked, and the merge says so."""
    for number in (1, 2):
        run(tmp_path, shard=f"{number}/2")
    with Journal(tmp_path / "shard-1-of-2"), pytest.raises(judgegen.JournalError, match="another run is writing here"):
        judgegen.merge(tmp_path)


@pytest.mark.parametrize("word", ["0/4", "5/4", "4", "1/0", "-1/4", "1/4/2", "a/b", "", "1.0/4"])
def test_what_names_no_part_is_refused(tmp_path: Path, word: str) -> None:
    """Before anything is made."""
    with pytest.raises(judgegen.SpecError, match="write K/N"):
        run(tmp_path / "out", shard=word)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["max_concurrency", "rpm"])
def test_a_limit_that_cannot_be_shared_is_refused(tmp_path: Path, key: str) -> None:
    """Sixteen shards with one connection each, or one request in some minute, are not ten."""
    few = {**FILE, "endpoints": {"here": {**FILE["endpoints"]["here"], key: 10}}}
    with pytest.raises(judgegen.SpecError, match=f"{key} = 10 cannot be shared by 16 shards; take 10 shards at most"):
        run(tmp_path, file=few, shard="1/16")


class Told(Watch):
    """Keeps what a shard is told of its share."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def divided(self, message: str) -> None:
        self.said.append(message)


def test_a_shard_says_what_it_may_use(tmp_path: Path) -> None:
    """Connections, requests, tokens and USD of the whole divided; a run in one piece has nothing to say of that."""
    endpoint = {**FILE["endpoints"]["here"], "max_concurrency": 10, "rpm": 100_001, "tpm": 50_000_000}
    told, whole = Told(), Told()
    run(
        tmp_path / "parts", file={**FILE, "endpoints": {"here": endpoint}}, shard="2/4", prompts=PROMPTS[:4], watch=told
    )
    run(tmp_path / "whole", prompts=PROMPTS[:1], watch=whole)
    limits = "here: 3 at once, 25,000 requests a minute, 12,500,000 tokens a minute"
    assert told.said == [f"shard 2/4 has its share of the limits; {limits}; $1.25 in all"]
    assert whole.said == []


SHARDS = 4


@pytest.mark.slow
def test_killed_at_random_the_shards_pay_for_nothing_twice(
    popen: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """All at once against one server, each killed with -9 and begun again: the bytes of one piece."""

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "judgegen", *arguments, "--quiet"]
        return popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    lot, kills = random.Random(3), 0
    with world("--latency-s", "0.02", "--fault-rate", "0.05") as url:
        path = written(tmp_path, url, prompts=len(PROMPTS))
        whole = start("run", str(path), "--out", str(tmp_path / "whole"), "--yes")
        assert whole.wait(120) == 0
        once = stats(url)["seen"]
    with world("--latency-s", "0.02", "--fault-rate", "0.05") as url:
        path = written(tmp_path, url, prompts=len(PROMPTS))
        left = set(range(1, SHARDS + 1))
        while left:
            words = [f"{number}/{SHARDS}" for number in sorted(left)]
            out = str(tmp_path / "parts")
            running = {word: start("run", str(path), "--out", out, "--yes", "--shard", word) for word in words}
            if kills < 2 * SHARDS:
                time.sleep(1.0 + lot.random())
                victim = running[lot.choice(words)]
                if victim.poll() is None:
                    os.kill(victim.pid, signal.SIGKILL)
                    kills += 1
            for word, process in running.items():
                if process.wait(120) == 0:
                    left.discard(int(word.split("/")[0]))
        assert start("merge", str(tmp_path / "parts")).wait(60) == 0
        assert stats(url)["repeats"] <= kills * AT_ONCE // SHARDS
        assert stats(url)["seen"] == once
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")
