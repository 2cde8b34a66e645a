"""Caps of 1, 10, 50 and 99 % of the full cost at several concurrencies, with faults: what the server itself billed.

    python benchmarks/caps.py --shared ../shared [--concurrency 1 64 512]

Runs 40 recorded prompts on the replay server (4 sampler models, judge gpt35), one server per run, and reads the
server's own count of tokens. Each capped run is then continued and its files compared with an uncapped run's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

MODELS = ("bard", "claude", "gpt35", "vicuna-13b")
PRICE = {"input": Decimal(1) / 10**6, "output": Decimal(4) / 10**6}


@contextmanager
def served(shared: Path, faults: float) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tool, data = shared / "tools" / "replay_server.py", shared / "data" / "prd_vicuna80"
    command = [sys.executable, str(tool), str(data), "--port", str(port), "--fault-rate", str(faults)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait(port)
            yield port
        finally:
            process.terminate()


def wait(port: int) -> None:
    for _ in range(100):
        try:
            stats(port)
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the replay server did not start")


def stats(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        return dict(json.load(answer))


def billed(port: int) -> Decimal:
    seen = stats(port)
    return seen["prompt_tokens"] * PRICE["input"] + seen["completion_tokens"] * PRICE["output"]


def run_file(folder: Path, shared: Path, port: int, at_once: int) -> Path:
    questions = shared / "data" / "prd_vicuna80" / "questions.jsonl"
    lines = [
        f"prompts = {json.dumps(str(questions.resolve()))}",
        "[endpoints.replay]",
        f'base_url = "http://127.0.0.1:{port}/v1"',
        'identity = "replay"',
        f"max_concurrency = {at_once}",
        "max_retries = 12",
        "price = { input = 1, output = 4 }",
        '[sampler]\nendpoint = "replay"\nmodel = "bard"',
        *(f'[[sampler.variants]]\nname = "{model}"\nmodel = "{model}"' for model in MODELS),
        '[judge]\nendpoint = "replay"\nmodel = "gpt35"',
    ]
    path = folder / "replay.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def judgegen(path: Path, out: Path, *flags: str) -> int:
    command = [sys.executable, "-m", "judgegen", "run", str(path), "--out", str(out), "--yes", "--quiet", *flags]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def derived(out: Path) -> dict[str, str]:
    kept = ("journal", "run.toml", "run.log")
    files = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(kept)]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 64, 512])
    parser.add_argument("--faults", type=float, default=0.1)
    options = parser.parse_args()
    if not options.shared.is_dir():
        raise SystemExit(f"{options.shared}: not there; give the folder with tools/ and data/ as --shared")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(options.shared, 0.0) as port:
            assert judgegen(run_file(folder, options.shared, port, 64), folder / "free") == 0
            full = billed(port)
        print(
            f"full cost {full:.6f} USD; cap, concurrency, billed by the server, share of the cap, exit code, same bytes"
        )
        for at_once in options.concurrency:
            for percent in (1, 10, 50, 99):
                row(folder, options, full, at_once, percent)


def row(folder: Path, options: argparse.Namespace, full: Decimal, at_once: int, percent: int) -> None:
    cap, out = full * percent / 100, folder / f"{at_once}-{percent}"
    with served(options.shared, options.faults) as port:
        path = run_file(folder, options.shared, port, at_once)
        code = judgegen(path, out, "--max-usd", format(cap, "f"))
        paid = billed(port)
        again = judgegen(path, out, "--max-usd", "100")
        same = derived(out) == derived(folder / "free")
    verdict = "held" if paid <= cap else "EXCEEDED"
    ends = f"exit {code}, then {again}, same bytes {same}"
    print(f"{percent:3d} %  {at_once:4d}  {paid:.6f}  {paid / cap:6.1%}  {verdict}  {ends}", flush=True)


if __name__ == "__main__":
    main()
