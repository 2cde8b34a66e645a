"""Typed questions against chats before a real model that vLLM serves both ways: labels, and tokens of a judged prompt.

    make decisions

What comparing takes is counted with the usual templates before SmolLM2, each question asked once: as vLLM counts it
(the input anew for each question) and as vLLM works on it (its prefix cache spares what it has read before). SmolLM2
judges nothing: whatever the question, less than half of what it would say next is an option, which is unreadable.

So labels come of a model that is trained here from nothing to a judgment with a plain truth (tiny_judge.py): which of
two answers is in capital letters. vLLM's own server answers judgegen over the same four answers to each prompt, about
kinds of things that were not trained on. The pairs that come of comparisons in chats and of typed comparisons on shared
inputs, and of scores both ways, are held against the truth and one another.

vLLM 0.32 answers /v1/systemone for the architectures on a list of its own; Llama's is put on it here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from lessons import ANSWERS, COMPARED, HELD, SCORED, Asked, drawn
from stores_here import free, serving
from tiny_judge import taught

from judgegen import api
from judgegen.llm.calls import Api
from judgegen.llm.journal import Journal
from judgegen.llm.weights import folder_of

WAYS: tuple[Api, ...] = ("chat", "systemone")
MARGIN = 0.5
"""Of two scores from 0 to 1, whose gap is 1 where scored and 2/3 where compared if one is right and the other wrong."""
Line = dict[str, Any]


# vLLM's server, and one that gives the answers to be judged.

ENVIRON = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "no_proxy": "127.0.0.1",
}
SERVER = """
import runpy
from vllm.entrypoints.generate.structured_decisions import strategies
strategies.READ_STRATEGIES["LlamaForCausalLM"] = strategies.NextTokenStrategy
if __name__ == "__main__":
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
"""
"""A file, since vLLM starts processes that load it again."""


@contextmanager
def served(model: str, folder: Path) -> Iterator[str]:
    """VLLM's server of a model, from when it listens until the block ends."""
    port, script = free(), folder / "server.py"
    script.write_text(SERVER, encoding="utf-8")
    words = f"--served-model-name j --enforce-eager --max-model-len 2048 --host 127.0.0.1 --port {port}"
    command = [sys.executable, str(script), "--model", model, *words.split()]
    with serving(command, port, ENVIRON):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def answering(every: Sequence[Asked]) -> Iterator[str]:
    """A chat server whose model "2" gives the third answer to each prompt."""
    known = {asked.prompt: asked.answers for asked in every}

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = {"role": "assistant", "content": known[sent["messages"][-1]["content"]][int(sent["model"])]}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            choice = {"index": 0, "finish_reason": "stop", "message": said}
            row = {"id": "x", "object": "chat.completion", "created": 0, "model": sent["model"]}
            body = json.dumps({**row, "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def worked(url: str) -> float:
    """Tokens of input that vLLM has worked on so far: those it was asked to read less those its cache spared."""
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()

    def total(name: str) -> float:
        return sum(float(value) for value in re.findall(rf"^vllm:{name}_total{{[^}}]*}} (\S+)", text, re.MULTILINE))

    return total("prompt_tokens") - total("prefix_cache_hits")


def table(judge: Line, gates: Line, answers: str, url: str) -> Line:
    """The run file: each answer is a variant's; every two whose scores differ by `MARGIN` are a pair."""
    at = {"price": {"input": 0, "output": 0}, "timeout_s": 600}
    return {
        "prompts": "-",
        "endpoints": {"a": {"base_url": f"{answers}/v1", **at}, "v": {"base_url": f"{url}/v1", "identity": "v", **at}},
        "sampler": {
            "endpoint": "a",
            "model": "0",
            "variants": [{"name": f"answer-{i}", "model": str(i)} for i in range(ANSWERS)],
        },
        "judge": {"endpoint": "v", "model": "j", "max_attempts": 1, **judge},
        "pairs": {"select": "all-above-margin", "min_margin": MARGIN},
        "gates": gates,
    }


async def played(judge: Line, gates: Line, every: Sequence[Asked], url: str, out: Path) -> Line:
    """What a judge takes by prompt, and its pairs as `Asked.couples` writes them."""
    before = worked(url)
    with answering(every) as answers:
        await api.generate(
            table(judge, gates, answers, url), out=out, prompts=[{"prompt": one.prompt} for one in every]
        )
    with Journal(out) as journal:
        judged = [row for row in journal.answers() if row["role"] == "judge"]
    rows = [json.loads(line) for line in (out / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = {tuple(row[side][-1]["content"] for side in ("prompt", "chosen", "rejected")) for row in rows}
    return {
        "calls": len(judged) / len(every),
        "input": sum(row["input"] for row in judged) / len(every),
        "output": sum(row["output"] for row in judged) / len(every),
        "worked on": (worked(url) - before) / len(every),
        "pairs": pairs,
    }


async def both_ways(
    more: Mapping[Api, Line], gates: Line, every: Sequence[Asked], url: str, folder: Path
) -> dict[Api, Line]:
    """The same in chats and by typed questions."""
    return {
        how: await played({"api": how, **more[how]}, {"min_pairs": 0, **gates}, every, url, folder / how)
        for how in ("chat", "systemone")
    }


def told(found: Mapping[Api, Line]) -> Iterator[str]:
    """Calls and tokens by prompt."""
    whole = found["chat"]["input"]
    for how, line in found.items():
        tokens = f"{line['input']:6,.0f} tokens of input counted ({line['input'] / whole:.0%})"
        spared = f"{line['worked on']:6,.0f} worked on ({line['worked on'] / whole:.0%})"
        yield f"  {how:10} {line['calls']:4.0f} calls, {tokens}, {spared}, {line['output']:3.0f} of output"


def judged(found: Mapping[Api, Line], every: Sequence[Asked]) -> Iterator[str]:
    """What both ways take and which pairs come of it, beside those that are so."""
    truth = set().union(*(one.couples() for one in every))
    yield from told(found)
    for how, line in found.items():
        yield f"  {how:10} {len(line['pairs'])} pairs, {len(line['pairs'] & truth)} of the {len(truth)} that are so"
    both, of_either = (set.intersection, set.union)
    pairs = [line["pairs"] for line in found.values()]
    yield f"  the same pairs both ways: {len(both(*pairs))} of {len(of_either(*pairs))}"


def asked_as(folder: Path, name: str, templates: Mapping[Api, str], judge: Line, key: str) -> dict[Api, Line]:
    """The judge by each way, its template in a file."""
    for how in WAYS:
        (folder / f"{name}-{how}.md").write_text(templates[how], encoding="utf-8")
    return {how: {**judge, key: str(folder / f"{name}-{how}.md")} for how in WAYS}


def main() -> None:
    """Count, train, serve, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=30, help="that are judged; by the usual templates a fifth")
    parser.add_argument("--steps", type=int, default=1500, help="of training, on one core")
    parser.add_argument("--taught", type=Path, help="a folder that this made before: nothing is trained")
    args = parser.parse_args()
    lot = random.Random(1)
    every = [drawn(lot, HELD, i) for i in range(args.prompts)]
    some = every[: -(-len(every) // 5)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder_of("smollm2-135m-instruct", folder / "model")
        any_rate = {"max_unreadable_rate": 1.0}
        with served(source, folder) as url:
            found = asyncio.run(both_ways({"chat": {}, "systemone": {}}, any_rate, some, url, folder / "usual"))
        print(f"every two of {ANSWERS} answers, both orders, usual templates; {len(some)} prompts, tokens by prompt:")
        print("\n".join(told(found)), flush=True)
        judge = args.taught or folder / "judge"
        if not judge.exists():
            taught(judge, args.steps)
        kinds = {
            f"every two of {ANSWERS} answers compared, both orders": asked_as(
                folder, "compared", COMPARED, {"method": "pairwise"}, "template"
            ),
            "each answer scored by itself": asked_as(folder, "scored", SCORED, {"method": "rubric"}, "rubric"),
        }
        with served(str(judge), folder) as url:
            for place, (what, more) in enumerate(kinds.items()):
                found = asyncio.run(both_ways(more, {}, every, url, folder / f"judged-{place}"))
                print(f"{what}, by the judge that was taught to; {len(every)} prompts, tokens by prompt:")
                print("\n".join(judged(found, every)), flush=True)


if __name__ == "__main__":
    main()
