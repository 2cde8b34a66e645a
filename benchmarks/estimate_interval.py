"""How often an estimate without a pilot holds what a job then costs, and how wide it is.

    python benchmarks/estimate_interval.py [--jobs 200] [--data ../shared/data]

Each simulated job draws a run file (candidates, limits, orders, rationale, thought, prices) and who answers it: a model
whose recorded answers to its own prompts are taken, a judge whose recorded words are its rationale. The pipeline is run
to its end against them and the bill added up; the estimate of the same run file knows nothing of them. What is not
recorded is drawn: how much a judge thinks (a median of 700 tokens at medium effort, a third of it at low, 2.5 times at
high, between jobs by a factor of e to the 0.5, within one by e to the 0.6), how many verdicts are unreadable (none in
seven of ten jobs, else up to 15 %), how far the provider's tokenizer is from ours (8 %).
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from recorded import arguments, lines, show

from judgegen import pipeline, sources, spec
from judgegen.llm import prices
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.llm.guess import fill
from judgegen.llm.tokens import count_batch, count_messages
from judgegen.pipeline import windowed
from judgegen.plan.run import plan, texts
from judgegen.records import Prompt
from judgegen.run.estimate import count

ENCODING = "o200k_base"
LIMITS = (256, 512, 800, 1024, 2048, 4096)
EFFORTS = {"low": 1 / 3, "medium": 1.0, "high": 2.5}


@dataclass(frozen=True, slots=True)
class Corpus:
    """Prompts, and one model's recorded answers to them."""

    name: str
    prompts: Sequence[str]
    answers: Sequence[str]


def corpora(data: Path) -> list[Corpus]:
    """Every recorded model with its prompts."""
    asked = {row["idx"]: row["instruction"] for row in lines(data / "alpaca_eval" / "instructions.jsonl")}
    found = []
    for path in sorted((data / "alpaca_eval" / "outputs").glob("*.jsonl.gz")):
        if "NullModel" not in path.name:  # an attack on judges, and no model
            rows = [row for row in lines(path) if row["output"].strip()]
            found.append(Corpus(path.name, [asked[r["idx"]] for r in rows], [r["output"] for r in rows]))
    questions = {str(row["question_id"]): row["text"] for row in lines(data / "prd_vicuna80" / "questions.jsonl")}
    by_model: dict[str, list[tuple[str, str]]] = {}
    for row in lines(data / "prd_vicuna80" / "answers.jsonl"):
        by_model.setdefault(row["model"], []).append((questions[str(row["question_id"])], row["text"]))
    found += [Corpus(name, [q for q, _ in rows], [a for _, a in rows]) for name, rows in sorted(by_model.items())]
    return found


def rationales(data: Path) -> dict[str, list[str]]:
    """What every recorded judge said for its verdicts."""
    found: dict[str, list[str]] = {}
    for row in lines(data / "prd_vicuna80" / "llm_judgments.jsonl.gz"):
        found.setdefault(row["judge"], []).append(row["text"])
    for row in lines(data / "llmbar" / "judgments.jsonl.gz"):
        if row["strategy"] == "CoT":
            found.setdefault(row["judge"], []).append(row["completion"])
    return {judge: said[:400] for judge, said in found.items() if len(said) > 100}


@dataclass(slots=True)
class World:
    """Who answers a job: recorded words, drawn thought; it adds up what the answers cost."""

    lot: random.Random
    answers: Mapping[str, str]
    others: Sequence[str]
    said: Sequence[str]
    rates: Mapping[str, prices.Rate]
    thought: float
    unreadable: float
    tokenizer: float
    usd: Decimal = Decimal(0)
    seen: dict[str, int] = field(default_factory=dict)

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer, and bill it."""
        text, tokens = self._candidate(call) if call.tag.role == "sampler" else self._verdict(call)
        most = call.most_tokens or 10**9
        asked = round(self.tokenizer * count_messages(call.messages, ENCODING))
        billed = min(most, round(self.tokenizer * tokens))
        rate = self.rates[call.model]
        self.usd += rate.input * asked + rate.output * billed
        finish = "length" if billed >= most else "stop"
        return Reply(choices=(Choice(text=text, finish=finish),), usage=Usage(input=asked, output=billed))

    def _candidate(self, call: Call) -> tuple[str, int]:
        asked = str(call.messages[-1]["content"]).strip()
        number = self.seen[asked] = self.seen.get(asked, 0) + 1
        text = self.answers[asked] if number == 1 else self.lot.choice(self.others)
        return text, count_batch([text], ENCODING)[0]

    def _verdict(self, call: Call) -> tuple[str, int]:
        schema = call.params.get("schema")
        row = fill(schema, self.lot) if schema else "A"
        if isinstance(row, dict):
            row = {key: self.lot.choice(self.said) if isinstance(v, str) and " " in v else v for key, v in row.items()}
        text = json.dumps(row)
        thought = self.thought and self.lot.lognormvariate(math.log(self.thought), 0.6)
        tokens = count_batch([text], ENCODING)[0] + round(thought)
        return ("I cannot say." if self.lot.random() < self.unreadable else text), tokens


def run_file(lot: random.Random, usual: float) -> dict[str, Any]:
    """A run file as people write them; its limit is above `usual` tokens, so that four of five answers are whole."""
    cheap, dear = (10 ** lot.uniform(-1, 0.5), 10 ** lot.uniform(-0.5, 1.2))
    effort = lot.choice([None, None, "low", "medium", "high"])
    judge = {"model": "thinking-judge" if effort else "judge", "orders": lot.choice(["both", "both", "one"])}
    more = {"reasoning_effort": effort} if effort else {"rationale": lot.choice(["none", "none", "before"])}
    price = {"writer": {"input": cheap / 4, "output": cheap}, judge["model"]: {"input": dear / 4, "output": dear}}
    return {
        "prompts": "none",
        "seed": lot.randrange(10**6),
        "endpoints": {"server": {"base_url": "http://127.0.0.1:9/v1", "prices": price}},
        "sampler": {
            "endpoint": "server",
            "model": "writer",
            "max_tokens": lot.choice([limit for limit in LIMITS if limit > usual]),
            "variants": [{"name": "a", "n": lot.choice([1, 2, 3])}, {"name": "b", "temperature": 1.0}],
        },
        "judge": {"endpoint": "server", **judge, **more},
    }


def job(number: int, known: Sequence[Corpus], said: Mapping[str, Sequence[str]]) -> tuple[float, float, float, float]:
    """USD of one simulated job: what it cost, and what was estimated at the low end, as expected, at the high end."""
    lot = random.Random(number)
    corpus = lot.choice(known)
    usual = statistics.quantiles(count_batch(list(corpus.answers), ENCODING), n=10)[7]
    table = run_file(lot, usual)
    resolved = spec.parse(table)
    which = lot.sample(range(len(corpus.prompts)), min(len(corpus.prompts), round(math.exp(lot.uniform(2.0, 3.0)))))
    rows = [corpus.prompts[i] for i in which]
    items = list(sources.prompts_from_rows(rows, where="job", warn=lambda _: None))
    steps = plan(resolved, texts(resolved, Path()))
    rates = {m: prices.rate(resolved.endpoints["server"], "server", m) for m in ("writer", table["judge"]["model"])}
    effort = table["judge"].get("reasoning_effort")
    world = World(
        lot,
        answers={corpus.prompts[i].strip(): corpus.answers[i] for i in which},
        others=corpus.answers,
        said=said[lot.choice(sorted(said))],
        rates=rates,
        thought=700 * EFFORTS[effort] * lot.lognormvariate(0, 0.5) if effort else 0,
        unreadable=lot.choice([0.0] * 7 + [lot.uniform(0, 0.15)] * 3),
        tokenizer=lot.lognormvariate(0, 0.08),
    )
    asyncio.run(_run(items, steps, world))
    cost = count(resolved, steps, items, None, partial(pipeline.through, plan=steps)).cost_usd
    return float(world.usd), float(cost["low"]), float(cost["expected"]), float(cost["high"])


async def _run(items: Sequence[Prompt], steps: pipeline.Plan, world: World) -> None:
    async for _ in windowed(items, partial(pipeline.through, plan=steps), world, window=1):
        pass


def main() -> None:
    """Print how many of the jobs were held, and how wide the intervals are."""
    given = arguments(__doc__, "alpaca_eval/instructions.jsonl", jobs=200)
    known, said = corpora(given.data), rationales(given.data)
    found = [job(number, known, said) for number in range(given.jobs)]
    held = [low <= actual <= high for actual, low, _, high in found]
    widths = sorted(high / low for _, low, _, high in found)
    off = sorted(actual / expected for actual, _, expected, _ in found)
    figures = {
        "jobs": len(found),
        "held": sum(held),
        "above": sum(actual > high for actual, _, _, high in found),
        "below": sum(actual < low for actual, low, _, _ in found),
        "width_median": round(statistics.median(widths), 2),
        "width_most": round(widths[-1], 2),
        "actual_to_expected": [round(off[len(off) * part // 40], 2) for part in (1, 20, 39)],
    }
    if given.json:
        print(json.dumps(figures))
        return
    show(("figure", "value"), list(figures.items()))


if __name__ == "__main__":
    main()
