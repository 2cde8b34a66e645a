"""Typed questions against chats before a real model that vLLM serves both ways: labels, and tokens of a judged prompt.

    make decisions

SmolLM2 judges nothing as it comes: whatever the question, less than half of what it would say next is an option, which
is unreadable. So it is tuned first, here, to tell whether an answer is written in capital letters, asked in a chat and
as a typed question. Then vLLM's own server answers judgegen over the same four answers to each prompt, about kinds of
things that were not trained on; which of them are in capitals is known. The pairs that come of scores in chats and of
typed scores are held against the truth and one another. What comparing takes is counted besides, with the usual
templates and the model as it came, each question asked once: as vLLM counts it (the input anew for each question) and
as vLLM works on it (its prefix cache spares what it has read before).

vLLM 0.32 answers /v1/systemone for the architectures on a list of its own; SmolLM2's is put on it here.
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
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from stores_here import free, serving

from judgegen import api
from judgegen.judge import build, sheets
from judgegen.judge.build import Asking, Notes
from judgegen.llm.calls import Api, Call
from judgegen.llm.journal import Journal
from judgegen.llm.weights import folder_of
from judgegen.llm.wire import decisions
from judgegen.records import Candidate, Prompt
from judgegen.templates import RUBRIC, parse

WORDS = {
    "animal": "otter badger heron beetle salmon lizard donkey rabbit spider falcon turtle walrus camel monkey",
    "fruit": "apple cherry mango lemon peach plum grape melon banana orange papaya quince fig pear kiwi",
    "tool": "hammer chisel saw drill wrench pliers shovel rake axe knife needle brush ladder clamp file",
    "city": "Paris Cairo Oslo Lima Tokyo Delhi Madrid Dublin Rome Athens Berlin Vienna Prague Seoul Lagos",
    "job": "baker miner pilot nurse farmer painter tailor lawyer sailor singer teacher dancer butcher barber",
    "sport": "tennis rugby hockey cricket golf boxing rowing skiing sailing judo polo archery fencing cycling",
    "metal": "iron copper zinc tin lead nickel silver gold cobalt chrome titanium steel brass bronze mercury",
}
HELD = ("metal", "sport")
"""Kinds of things that nothing is trained on."""
FORMS = "the {}|I would say {}|{}, of course|my answer is {}|it is {}|let us take {}|how about {}|perhaps {}".split("|")
ASKS = "Name one {}, in capital letters.|Write down one {} in capital letters.|In capital letters: which {}?".split("|")
ANSWERS = 4
MARGIN = 0.5
"""Of two scores from 0 to 1: one answer is in capital letters and the other is not."""
FRONT = """+++
kind = "rubric"
summary = "Whether an answer is written in capital letters."
asks = ["request", "answer", "aspects"]
returns = "scores"

[[aspects]]
name = "form"
question = "Is the answer written in capital letters?"
anchors = ["No.", "Yes."]
+++
# user

Request: {{ request }}

Answer: {{ answer }}

"""
TEMPLATES: dict[Api, str] = {
    "chat": f"""{FRONT}{{% for aspect in aspects %}}{{{{ aspect.question }}}} 1 is no, 2 is yes.{{% endfor %}} \
Reply with JSON and nothing else: {{"form": 1}} or {{"form": 2}}
""",
    "systemone": f"{FRONT}Scored by its {{% for aspect in aspects %}}{{{{ aspect.name }}}}{{% endfor %}}.\n",
}
WAYS: tuple[Api, ...] = ("chat", "systemone")
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, four answers to it, and which of them do what was asked: some and not all."""

    prompt: str
    answers: tuple[str, ...]
    right: tuple[bool, ...]

    def couples(self) -> set[tuple[str, str, str]]:
        """(Prompt, right answer, wrong answer) of each such two."""
        sides = list(zip(self.answers, self.right, strict=True))
        return {(self.prompt, one, other) for one, yes in sides for other, no in sides if yes and not no}


def drawn(lot: random.Random, kinds: Sequence[str], number: int) -> Asked:
    """A prompt about one of the kinds; `number` tells it from others of the same words."""
    kind = lot.choice(kinds)
    right = [False] * ANSWERS
    while len(set(right)) == 1:
        right = [lot.random() < 0.5 for _ in right]
    words = lot.sample(WORDS[kind].split(), ANSWERS)
    texts = [lot.choice(FORMS).format(word) + "." for word in words]
    answers = [text.upper() if yes else text[0].upper() + text[1:] for text, yes in zip(texts, right, strict=True)]
    return Asked(f"{number}. {lot.choice(ASKS).format(kind)}", tuple(answers), tuple(right))


# Training: what the two APIs will ask, as the model will see it, each with its right answer.


def asking(how: Api) -> Asking:
    """A judge that scores by the template of an API."""
    template = parse(TEMPLATES[how], how, RUBRIC)
    return Asking(route="v", endpoint="v", model="j", template=template, max_tokens=64, api=how)


def lessons(asked: Asked) -> Iterator[tuple[Sequence[Any], str]]:
    """(Messages, reply) of each answer, by both APIs."""
    prompt = Prompt(id=asked.prompt, messages=({"role": "user", "content": asked.prompt},))
    for text, right in zip(asked.answers, asked.right, strict=True):
        one = Candidate(prompt_id=prompt.id, variant="a", index=0, model="a", text=text, finish="stop", call_id=text)
        chat = build.scoring(prompt, one, asking("chat"), seed=0, draw=0, notes=Notes())
        typed = sheets.scoring(prompt, one, asking("systemone"), seed=0, draw=0, notes=Notes())
        yield chat.messages, json.dumps({"form": 1 + right})
        yield [{"role": "user", "content": as_vllm_asks(typed)}], str(int(right))


def as_vllm_asks(call: Call) -> str:
    """The one question of a call as vLLM puts it to a chat model."""
    from vllm.entrypoints.generate.structured_decisions.question_types import build_question

    row = decisions.body(call)
    ((name, question),) = row["questions"].items()
    built = build_question(name, question["type"], question["instructions"], question["criteria"], 10)
    return f"{row['state']}\n\n{built.type.prompt(built)}"


def tuned(source: str, folder: Path, steps: int, rate: float) -> None:
    """The model in `source`, taught; into `folder`. Whole in float32, worked on in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer, lot = AutoTokenizer.from_pretrained(source), random.Random(0)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    kinds = [kind for kind in WORDS if kind not in HELD]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min((step + 1) / 20, 2 * (1 - step / steps), 1)
        taught = [lesson for i in range(3) for lesson in lessons(drawn(lot, kinds, 3 * step + i))]
        ids, labels = batch(tokenizer, taught)
        learned = labels[:, 1:] != -100
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.model(input_ids=ids).last_hidden_state  # what pads stands behind
            foretold = model.lm_head(seen[:, :-1][learned]).float()
        loss = torch.nn.functional.cross_entropy(foretold, labels[:, 1:][learned])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 9:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", file=sys.stderr, flush=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def batch(tokenizer: Any, taught: Sequence[tuple[Sequence[Any], str]]) -> tuple[Any, Any]:
    """Token ids, padded behind, and the same with -100 wherever nothing is to be learned."""
    import torch

    rows = []
    for messages, reply in taught:
        said = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        rows.append((said, tokenizer.encode(reply, add_special_tokens=False)))
    longest = max(len(said) + len(reply) for said, reply in rows)
    ids = torch.full((len(rows), longest), 0)
    labels = torch.full((len(rows), longest), -100)
    for i, (said, reply) in enumerate(rows):
        ids[i, : len(said) + len(reply)] = torch.tensor([*said, *reply])
        labels[i, len(said) : len(said) + len(reply)] = torch.tensor(reply)
    return ids, labels


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


def main() -> None:
    """Tune, serve, judge, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=30, help="that are scored; a fifth of them are compared")
    parser.add_argument("--steps", type=int, default=60, help="of training, 24 examples each")
    parser.add_argument("--rate", type=float, default=5e-5, help="of learning")
    parser.add_argument("--tuned", type=Path, help="a folder that this made before: nothing is trained")
    args = parser.parse_args()
    lot = random.Random(1)
    every = [drawn(lot, HELD, i) for i in range(args.prompts)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder_of("smollm2-135m-instruct", folder / "model")
        any_rate = {"max_unreadable_rate": 1.0}
        some = every[: -(-len(every) // 5)]
        with served(source, folder) as url:
            found = asyncio.run(both_ways({"chat": {}, "systemone": {}}, any_rate, some, url, folder / "compared"))
        print(f"every two of {ANSWERS} answers compared, in both orders; {len(some)} prompts, tokens by prompt:")
        print("\n".join(told(found)), flush=True)
        taught = args.tuned or folder / "tuned"
        if not taught.exists():
            tuned(source, taught, args.steps, args.rate)
        for how in WAYS:
            (folder / f"{how}.md").write_text(TEMPLATES[how], encoding="utf-8")
        scored: dict[Api, Line] = {how: {"method": "rubric", "rubric": str(folder / f"{how}.md")} for how in WAYS}
        with served(str(taught), folder) as url:
            found = asyncio.run(both_ways(scored, {}, every, url, folder / "scored"))
    truth = set().union(*(one.couples() for one in every))
    print(f"each answer scored by itself, by the model tuned to it; {len(every)} prompts, tokens by prompt:")
    print("\n".join(told(found)))
    for how, line in found.items():
        print(f"  {how:10} {len(line['pairs'])} pairs, {len(line['pairs'] & truth)} of the {len(truth)} that are so")
    print(f"  the same pairs both ways: {found['chat']['pairs'] == found['systemone']['pairs']}")


if __name__ == "__main__":
    main()
