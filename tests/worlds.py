"""Simulators for tests to run against, and what a run folder holds when they are done."""

from __future__ import annotations

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from judgegen.cli import load
from judgegen.cli.simulate import serving


@contextmanager
def world(*flags: str) -> Iterator[str]:
    """What `judgegen simulate` with these flags serves, on a thread of its own: its base URL."""
    given = load("simulate").make_context("simulate", ["--port", "0", *flags]).params
    loop, ready = asyncio.new_event_loop(), SimpleQueue[str]()
    task = loop.create_task(serving(given, ready.put))

    def serve() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = Thread(target=serve, name="world", daemon=True)
    thread.start()
    try:
        yield ready.get(timeout=20)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
        return dict(json.load(answer))


def derived(out: Path) -> dict[str, str]:
    """Digest of every derived file by name."""
    kept = ("journal", "run.toml", "run.log", "expected.jsonl")
    files = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(kept)]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}
