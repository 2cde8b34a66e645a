"""Simulators for tests to run against, and what a run folder holds when they are done."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def world(*flags: str) -> Iterator[str]:
    """A simulator of its own: its base URL."""
    command = [sys.executable, "-m", "judgegen", "simulate", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(20)


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
        return dict(json.load(answer))


def derived(out: Path) -> dict[str, str]:
    """Digest of every derived file by name."""
    kept = ("journal", "run.toml", "run.log", "expected.jsonl")
    files = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(kept)]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}
