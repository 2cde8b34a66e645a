"""On Ray, killed with -9 at random, a run has the bytes of one piece, keeps its limits, and pays nothing twice."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shard_kills import AT_ONCE, billed, tokens, written
from worlds import derived, stats, world

if TYPE_CHECKING:  # with `make test` it is no module by that name
    from on_ray.conftest import Cluster

Popen = Callable[..., "subprocess.Popen[bytes]"]
RPM = 900


def outputs(folder: Path) -> dict[str, str]:
    return {name: sum_ for name, sum_ in derived(folder).items() if not name.startswith("shard-")}


def start(popen: Popen, environ: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "judgegen", "run", *words, "--yes"]
    return popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes], code: int = 0) -> str:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors.decode()
    return errors.decode()


def whole(popen: Popen, cluster: Cluster, path: Path, out: Path, url: str) -> dict[str, Any]:
    """The run in one piece, and what the server had answered then."""
    finish(start(popen, cluster.environ, str(path), "--out", str(out), "--quiet"))
    return stats(url)


def killed_now_and_then(cluster: Cluster, name: str, kills: int, over: threading.Event) -> list[int]:
    """Who was killed with -9, one at a time, at random, until it is `over`."""
    lot, found = random.Random(5), list[int]()
    while len(found) < kills and not over.wait(0.8 + lot.random()):
        if alive := cluster.pids(name):
            victim = lot.choice(alive)
            os.kill(victim, signal.SIGKILL)
            found.append(victim)
    return found


@pytest.mark.parametrize(("of", "kills"), [(1, 2), (2, 4), (4, 6), (16, 8)])
def test_killed_at_random_it_is_the_run(popen: Popen, cluster: Cluster, tmp_path: Path, of: int, kills: int) -> None:
    """Workers die with -9 while the pace binds: same bytes, and the server never saw more than the limits allow."""
    with world("--latency-s", "0.05") as url:
        once = whole(popen, cluster, written(tmp_path, url), tmp_path / "whole", url)
    with world("--latency-s", "0.05", "--rpm", str(RPM)) as url:
        path = written(tmp_path, url, rpm=RPM)
        words = ("--engine", "ray", "--address", cluster.address, "--shards", str(of), "--quiet")
        process = start(popen, cluster.environ, str(path), "--out", str(tmp_path / "parts"), *words)
        over, victims = threading.Event(), list[int]()
        killer = threading.Thread(
            target=lambda: victims.extend(killed_now_and_then(cluster, "::Worker", kills, over)), daemon=True
        )
        killer.start()
        said = finish(process)
        over.set()
        killer.join()
        now = stats(url)
    assert victims
    assert len(re.findall("was lost", said)) >= 1
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")
    assert now["throttled"] == 0
    assert now["peak"] <= AT_ONCE
    assert now["seen"] == once["seen"]
    assert now["repeats"] <= len(victims) * AT_ONCE  # what was in flight when its process died


def test_no_minute_sees_more_tokens_than_the_limit(popen: Popen, cluster: Cluster, tmp_path: Path) -> None:
    """A limit that binds, workers killed with -9 under it, and the server's own count of every minute."""
    with world("--latency-s", "0.05") as url:
        once = whole(popen, cluster, written(tmp_path, url), tmp_path / "whole", url)
    limit = tokens(once) * 2 // 3
    with world("--latency-s", "0.05") as url:
        path = written(tmp_path, url, tpm=limit)
        words = ("--engine", "ray", "--address", cluster.address, "--shards", "4", "--quiet")
        process = start(popen, cluster.environ, str(path), "--out", str(tmp_path / "parts"), *words)
        over, victims, seen = threading.Event(), list[int](), [(time.monotonic(), 0)]
        killer = threading.Thread(
            target=lambda: victims.extend(killed_now_and_then(cluster, "::Worker", 2, over)), daemon=True
        )
        killer.start()
        while process.poll() is None:
            time.sleep(0.1)
            seen.append((time.monotonic(), tokens(stats(url))))
        over.set()
        killer.join()
        finish(process)
    assert victims
    assert seen[-1][1] > limit  # so that it had to wait
    most = max(late - early for at, early in seen for then, late in seen if at <= then <= at + 60)
    assert limit / 2 < most <= limit
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


def test_the_servers_bill_stays_below_the_cap(popen: Popen, cluster: Cluster, tmp_path: Path) -> None:
    """Shards end where nothing more fits under the cap; under a higher one the run goes on, nothing is paid twice."""
    with world("--latency-s", "0.05") as url:
        once = whole(popen, cluster, written(tmp_path, url), tmp_path / "whole", url)
    cap = billed(once) * 0.6
    with world("--latency-s", "0.05") as url:
        words = [str(written(tmp_path, url)), "--out", str(tmp_path / "parts"), "--engine", "ray"]
        words += ["--address", cluster.address, "--shards", "4", "--quiet"]
        finish(start(popen, cluster.environ, *words, "--max-usd", f"{cap:.6f}"), 4)
        assert cap / 2 < billed(stats(url)) <= cap
        finish(start(popen, cluster.environ, *words, "--max-usd", "5"))
        assert stats(url)["repeats"] == 0
        assert stats(url)["seen"] == once["seen"]
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


def test_a_killed_ledger_is_followed_by_another(popen: Popen, cluster: Cluster, tmp_path: Path) -> None:
    """Every shard lands and goes on with another one; no process with answers was lost, so nothing is paid twice."""
    with world("--latency-s", "0.1") as url:
        path = written(tmp_path, url)
        words = ("--engine", "ray", "--address", cluster.address, "--shards", "2", "--quiet")
        process = start(popen, cluster.environ, str(path), "--out", str(tmp_path / "parts"), *words)
        while stats(url)["sampler"] < 20:
            time.sleep(0.05)
        for pid in cluster.pids("Hub"):
            os.kill(pid, signal.SIGKILL)
        assert "ledger of the run was lost" in finish(process)
        assert stats(url)["repeats"] == 0
        whole(popen, cluster, path, tmp_path / "whole", url)
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


def test_interrupted_it_lands_and_the_same_command_goes_on(popen: Popen, cluster: Cluster, tmp_path: Path) -> None:
    """Ctrl-C reaches every shard wherever it is; nothing that was in flight is asked again."""
    with world("--latency-s", "0.1") as url:
        path = written(tmp_path, url)
        words = (str(path), "--out", str(tmp_path / "parts"), "--engine", "ray", "--address", cluster.address)
        process = start(popen, cluster.environ, *words, "--shards", "2")
        while stats(url)["sampler"] < 20:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert "to continue:" in finish(process, 130)
        finish(start(popen, cluster.environ, *words))  # the folder says how many shards there are
        assert stats(url)["repeats"] == 0
        whole(popen, cluster, path, tmp_path / "whole", url)
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")


def test_the_head_may_be_restarted(popen: Popen, cluster: Cluster, tmp_path: Path) -> None:
    """All of Ray dies with -9 in the midst of a run; started again, the same command goes on from the journals."""
    with world("--latency-s", "0.1") as url:
        path = written(tmp_path, url)
        words = (str(path), "--out", str(tmp_path / "parts"), "--engine", "ray", "--address", cluster.address)
        process = start(popen, cluster.environ, *words, "--shards", "2", "--quiet")
        while stats(url)["sampler"] < 20:
            time.sleep(0.05)
        cluster.stop()
        process.communicate(timeout=120)
        assert process.returncode != 0
        cluster.start()
        finish(start(popen, cluster.environ, *words, "--quiet"))
        assert stats(url)["repeats"] <= AT_ONCE
        whole(popen, cluster, path, tmp_path / "whole", url)
    assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")
