"""USD per correct pair: what each way of judging costs for every pair that humans agree with (PRD, Vicuna-80).

The library's own pipeline runs over recorded answers and verdicts: five models answer 80 questions, the judge compares
all five answers, or two of them (every couple in turn), and the best and the worst become a pair. A pair is correct
when the human majority prefers its chosen side; pairs that humans leave undecided count as often right as the others.
Tokens are those of the library's own judge prompt; sampling is not counted. The recordings have no logprobs, and one
answer to each question: nothing tells an early stop when to stop. They have no scores either: hybrid is not here. No
decision model was recorded: what stands as one is gpt35's verdicts, asked as typed questions on shared inputs.

    python benchmarks/cost_per_pair.py --clone ../PRD --write     # all eighty questions; the pages' tables again
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import cost_page
import numpy as np
import prd_clone
import recorded

from judgegen import pipeline, spec
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Usage
from judgegen.llm.tokens import count, count_messages
from judgegen.plan import run as plan
from judgegen.records import Prompt, Result
from judgegen.trust import Vote, majority

SEEDS = {5: range(5), 2: range(2)}
"""Which order is asked, and who meets first, falls by lot: how often all is played, by answers per question."""
RATES = {"gpt4": (2.5, 10.0), "gpt35": (0.15, 0.6)}
"""USD per million tokens in and out that the judges are taken to cost: a strong model and a small one of today."""
STRATEGIES: dict[str, dict[str, Any]] = {
    "one order": {"judge": {"orders": "one"}},
    "both orders": {"judge": {}},
    "min-max, one order": {"judge": {"orders": "one", "schedule": "min-max"}},
    "min-max, both orders": {"judge": {"schedule": "min-max"}},
    "gpt35 alone, one order": {"judge": {"model": "gpt35", "orders": "one"}},
    "gpt35 alone, both orders": {"judge": {"model": "gpt35"}},
    "gpt35 alone, min-max, one order": {"judge": {"model": "gpt35", "orders": "one", "schedule": "min-max"}},
    "gpt35 alone, min-max, both orders": {"judge": {"model": "gpt35", "schedule": "min-max"}},
    "gpt35, gpt4 on conflict": {"judge": {"model": "gpt35", "escalate": [{"model": "gpt4"}]}},
    "gpt35, gpt4 on conflict, min-max": {
        "judge": {"model": "gpt35", "escalate": [{"model": "gpt4"}], "schedule": "min-max"}
    },
    "gpt35 as a decision model": {"judge": {"model": "gpt35", "api": "decisions"}},
    "gpt35 as a decision model, gpt4 on conflict": {
        "judge": {"model": "gpt35", "api": "decisions", "escalate": [{"model": "gpt4"}]}
    },
}
DECISION = 0.10
"""USD per million tokens that typed questions are taken to cost, whoever's verdicts stand for their answers."""


def table(strategy: Mapping[str, Any], seed: int = 0, models: Sequence[str] = recorded.MODELS) -> spec.Spec:
    """The run file of a strategy: every model is a variant with one answer."""
    return spec.parse(
        {
            "prompts": "-",
            "seed": seed,
            "endpoints": {"replay": {"base_url": "http://recorded"}},
            "sampler": {
                "endpoint": "replay",
                "model": "gpt4",
                "variants": [{"name": model, "model": model} for model in models],
            },
            **strategy,
            "judge": {"endpoint": "replay", "model": "gpt4", **strategy["judge"]},
        }
    )


class Recordings:
    """Answers calls from the recorded answers and verdicts; as a `Send`."""

    def __init__(self, data: Path) -> None:
        """Read them once."""
        folder = data / "prd_vicuna80"
        self.questions = {str(row["question_id"]): row["text"] for row in recorded.lines(folder / "questions.jsonl")}
        self.answers: dict[str, dict[str, str]] = {}
        for row in recorded.lines(folder / "answers.jsonl"):
            self.answers.setdefault(str(row["question_id"]), {})[row["model"]] = row["text"]
        self.verdicts = recorded.prd_verdicts(data)
        self.human = {key: majority(votes) for key, votes in recorded.prd_votes(data).items()}
        self._tokens: dict[tuple[str, str, str], int] = {}

    def prompts(self) -> list[Prompt]:
        """The questions."""
        return [Prompt(id=i, messages=({"role": "user", "content": text},)) for i, text in self.questions.items()]

    async def __call__(self, call: Call, /) -> Outcome:
        """A recorded answer, or the recorded verdict on the two that the call shows."""
        question = call.tag.prompt_id
        if call.tag.role == "sampler":
            return Reply(choices=(Choice(text=self.answers[question][call.model]),), usage=Usage())
        if call.api != "chat":
            return self._decided(call)
        first, second = self.shown(call)
        said = self.verdicts[call.model][int(question), first, second]
        labels = call.params["schema"]["properties"]["verdict"]["enum"]
        label = labels[("first", "second", "tie").index(said)]
        choice = Choice(text=json.dumps({"verdict": label}))
        asked = self._tokens.setdefault((question, first, second), count_messages(call.messages))
        return Reply(choices=(choice,), usage=Usage(input=asked, output=count(choice.text)))

    def _decided(self, call: Call) -> Outcome:
        """The recorded verdict on the two answers that each typed question names."""
        question = call.tag.prompt_id
        labels = re.findall(r"^Answer ([A-Z]):$", str(call.messages[-1]["content"]), re.MULTILINE)
        models = dict(zip(labels, self.displayed(call), strict=True))
        said = []
        for one in call.params["questions"]:
            options = [option["value"] for option in one["options"]]
            verdict = self.verdicts[call.model][int(question), models[options[0]], models[options[1]]]
            said.append(Choice(text=options[("first", "second", "tie").index(verdict)]))
        return Reply(choices=tuple(said), usage=Usage(input=count_messages(call.said)))

    def shown(self, call: Call) -> tuple[str, str]:
        """The two models whose answers a call quotes, in the order shown."""
        first, second = self.displayed(call)
        return first, second

    def displayed(self, call: Call) -> list[str]:
        """The models whose answers a call quotes, in the order shown."""
        text = squeezed("\n".join(str(message["content"]) for message in call.messages))
        places = {model: _place(text, answer) for model, answer in self.answers[call.tag.prompt_id].items()}
        return sorted((model for model in places if places[model] >= 0), key=lambda model: places[model])

    def right(self, result: Result) -> list[bool | None]:
        """Per pair whether humans prefer the chosen side; None where they have no majority for a side."""
        return [self._right(result.prompt.id, pair.chosen.model, pair.rejected.model) for pair in result.pairs]

    def _right(self, question: str, chosen: str, rejected: str) -> bool | None:
        side: Vote | None = self.human[int(question), min(chosen, rejected), max(chosen, rejected)]
        return side == ("A" if chosen < rejected else "B") if side in ("A", "B") else None


@cache
def squeezed(text: str) -> str:
    """Letters and digits alone: what quoting and neutralising leave as it was."""
    return re.sub(r"[^0-9a-z]+", "", text.lower())


def _place(text: str, answer: str) -> int:
    """Where `answer` stands in `text`, by most of a few windows of it; -1 where it does not."""
    flat = squeezed(answer)
    found = [text.find(flat[at : at + 60]) for at in range(0, max(1, len(flat) - 59), max(1, len(flat) // 6))]
    seen = [place for place in found if place >= 0]
    return min(seen) if len(seen) * 2 > len(found) else -1


async def play(data: Recordings, strategy: Mapping[str, Any], answers: int) -> np.ndarray[Any, Any]:
    """Per question: prompts, judge calls, USD, pairs, pairs that humans decide, and those that are right."""
    tallies = np.zeros((len(data.questions), 6))
    for seed, models in itertools.product(SEEDS[answers], itertools.combinations(recorded.MODELS, answers)):
        resolved = table(strategy, seed, models)
        steps = plan.plan(resolved, plan.texts(resolved, Path()))
        results = [result async for result in pipeline.results(data.prompts(), steps, data, window=1)]
        tallies += [_tally(result, data.right(result)) for result in results]
    return tallies


def _tally(result: Result, right: list[bool | None]) -> tuple[float, ...]:
    judged = [(call, answer) for call, answer in result.calls if call.tag.role == "judge"]
    usd = sum((_usd(call, answer) for call, answer in judged), Decimal(0))
    decided = [verdict for verdict in right if verdict is not None]
    return 1, len(judged), float(usd), len(right), len(decided), sum(decided)


def _usd(call: Call, answer: Outcome) -> Decimal:
    known = RATES[call.model] if call.api == "chat" else (DECISION, 0.0)
    rates = [Decimal(str(rate)) / 1_000_000 for rate in known]
    return answer.usage.input * rates[0] + answer.usage.output * rates[1]


def figures(tallies: np.ndarray[Any, Any], resamples: int) -> dict[str, Any]:
    """Calls per prompt, prompts with a pair, accuracy, USD per 1,000 correct pairs; intervals over questions."""
    drawn = np.random.default_rng(0).integers(len(tallies), size=(resamples, len(tallies)))

    def both(rows: Any) -> Any:
        _, _, usd, pairs, decided, right = np.moveaxis(tallies[rows].sum(axis=-2), -1, 0)
        return np.stack([right / decided, 1000 * usd * decided / (pairs * right)])

    accuracy, price = both(np.arange(len(tallies)))
    spread = np.quantile(both(drawn), [0.025, 0.975], axis=1)
    prompts, calls, _, pairs, _, _ = tallies.sum(axis=0)
    return {
        "prompts": len(tallies),
        "calls": round(float(calls / prompts), 6),
        "coverage": round(float(pairs / prompts), 6),
        "accuracy": [round(float(value), 6) for value in (accuracy, *spread[:, 0])],
        "usd": [round(float(value), 6) for value in (price, *spread[:, 1])],
    }


def splits(questions: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each split of the questions: all, those at hand while judgegen was made, and those held back."""
    held = [row for row, question in enumerate(questions) if prd_clone.held_back(int(question))]
    seen = sorted(set(range(len(questions))) - set(held))
    named = {"all": list(range(len(questions))), "seen": seen, "held back": held}
    return {name: rows for name, rows in named.items() if rows}


async def way(data: Recordings, name: str, answers: int, resamples: int) -> dict[str, dict[str, Any]]:
    """Each split's figures of one way of judging."""
    tallies = await play(data, STRATEGIES[name], answers)
    return {split: figures(tallies[rows], resamples) for split, rows in splits(list(data.questions)).items()}


async def study(data: Path, resamples: int, answers: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Every strategy, given so many answers a question; a schedule says nothing about two."""
    recordings = Recordings(data)
    names = [name for name, found in STRATEGIES.items() if answers > 2 or "schedule" not in found["judge"]]
    return {name: await way(recordings, name, answers, resamples) for name in names}


def main() -> None:
    """Print the tables, or write them where they stand."""
    args = recorded.arguments(__doc__, "prd_vicuna80", further=_further)
    with tempfile.TemporaryDirectory() as folder:
        data = args.data if args.clone is None else prd_clone.laid_out(args.clone, Path(folder))
        found = {str(answers): asyncio.run(study(data, args.resamples, answers)) for answers in SEEDS}
    if args.write:
        cost_page.write(found)
    elif args.json:
        print(json.dumps(found))
    else:
        print(
            "\n".join(f"\n{answers} answers to a prompt\n\n{cost_page.table(ways)}" for answers, ways in found.items())
        )


def _further(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clone", type=Path, help="of bcdnlp/PRD: all eighty questions, not those of --data")
    parser.add_argument("--write", action="store_true", help="the figures and the tables that the pages show")


if __name__ == "__main__":
    main()
