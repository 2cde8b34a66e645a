"""Pairs per dollar: `[pairs] wanted` against a number of prompts fixed by a pilot, and how many answers to a prompt.

Jobs on the simulator, whose judge flips, ties and errs: `WANTED` pairs, by `--pairs` after a pilot of `FEW` pairs, or
by `--limit` after a pilot of `PILOT` prompts, whose yield says how many prompts. Asked: whether the pairs are there,
what each costs, and whether the estimate after the pilot holds what was still to pay. And for so many pairs, with two
to four answers to a prompt: what a pair costs, on the simulator and, of recorded answers and verdicts, on PRD (gpt35 in
both orders, min-max, sampling at its price), where a kept pair can be counted right.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cost_per_pair
import numpy as np
import recorded

import judgegen
from judgegen import pipeline, spec
from judgegen.llm.journal import Journal
from judgegen.llm.tokens import count
from judgegen.plan import run as plan

WANTED, FEW, PILOT, PROMPTS = 100, 20, 30, 300
WORLDS: Mapping[str, Mapping[str, Any]] = {
    "a good judge": {"accuracy": 0.9, "tie_rate": 0.05, "position_bias": 0.2},
    "one that flips": {"accuracy": 0.75, "tie_rate": 0.1, "position_bias": 1.0},
    "one that ties": {"accuracy": 0.8, "tie_rate": 0.4, "position_bias": 0.3},
}
ANSWERS: tuple[int | Mapping[str, int], ...] = (2, 3, 4, {"least": 2, "most": 4}, {"least": 2, "most": 8})
"""To a prompt: so many, or more only where nothing came of the least."""


def table(
    world: Mapping[str, Any], seed: int, *, answers: int | Mapping[str, int] = 2, wanted: int | None = None
) -> dict[str, Any]:
    """The run file of a job: one variant with so many answers, a strong judge."""
    price = {"input": 1.0, "output": 4.0}
    return {
        "prompts": "-",
        "seed": seed,
        "endpoints": {"w": {"provider": "scripted", "scripted": {**world, "logprobs": False}, "price": price}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": answers}]},
        "judge": {"endpoint": "w", "model": "j", "schedule": "min-max"},
        "gates": {"min_pairs": 0},
        **({} if wanted is None else {"pairs": {"wanted": wanted}}),
    }


def prompts(seed: int) -> list[dict[str, Any]]:
    """Other ones for every seed."""
    return [{"prompt": f"Question {seed}-{i}: how does a river find the sea?"} for i in range(PROMPTS)]


def job(world: Mapping[str, Any], seed: int, folder: Path) -> dict[str, float]:
    """One job both ways: pairs and USD of each, and whether the estimate's ends hold what was still to pay."""
    rows = prompts(seed)

    def generated(out: str, wanted: int | None, limit: int | None) -> Mapping[str, Any]:
        given = table(world, seed, wanted=wanted)
        return asyncio.run(judgegen.generate(given, prompts=rows, out=folder / out, limit=limit)).summary

    generated("wanted", FEW, None)
    estimate = judgegen.estimate(table(world, seed, wanted=WANTED), prompts=rows, out=folder / "wanted").cost_usd
    begun = _usd(folder / "wanted")
    by_pairs = generated("wanted", WANTED, None)
    rest = _usd(folder / "wanted") - begun
    pilot = generated("fixed", None, PILOT)
    by_prompts = generated("fixed", None, min(PROMPTS, math.ceil(WANTED * PILOT / max(1, pilot["pairs"]))))
    return {
        "wanted": by_pairs["pairs"],
        "wanted_usd": _usd(folder / "wanted"),
        "fixed": by_prompts["pairs"],
        "fixed_usd": _usd(folder / "fixed"),
        "held": float(float(estimate["low"]) <= rest <= float(estimate["high"])),
    }


def _usd(folder: Path) -> float:
    """What a folder cost in all."""
    with Journal(folder) as journal:
        return float(journal.spent())


def simulated(jobs: int) -> Iterator[dict[str, Any]]:
    """Per world: both ways over so many jobs."""
    for name, world in WORLDS.items():
        with tempfile.TemporaryDirectory() as folder:
            found = [job(world, seed, Path(folder) / str(seed)) for seed in range(jobs)]
        yield {"world": name, **{key: [one[key] for one in found] for key in found[0]}}


def by_answers(world: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a pair costs with more answers to a prompt, for the same number of pairs."""
    for answers in ANSWERS:
        with tempfile.TemporaryDirectory() as folder:
            given = table(world, 0, answers=answers, wanted=WANTED)
            done = asyncio.run(judgegen.generate(given, prompts=prompts(0), out=Path(folder) / "run"))
            usd = _usd(Path(folder) / "run")
        taken = int(done.summary["wanted"]["taken"])
        yield {"answers": _said(answers), "prompts": taken, "usd_per_pair": usd / int(done.summary["pairs"])}


def _said(answers: int | Mapping[str, int]) -> str:
    return str(answers) if isinstance(answers, int) else f"{answers['least']} to {answers['most']}"


def going_on(models: Sequence[str]) -> spec.Spec:
    """Two models answer every prompt; the others, one after the other, where nothing came of those that did."""
    others = [model for model in recorded.MODELS if model not in models]
    found = cost_per_pair.table({"judge": {"model": "gpt35", "schedule": "min-max"}}, 0, [*models, *others])
    later = [{"name": name, "model": name, "n": {"least": 0, "most": 1}} for name in others]
    row = found.model_dump(mode="json", exclude_unset=True)
    row["sampler"]["variants"] = [*row["sampler"]["variants"][:2], *later]
    return spec.parse(row)


async def replayed(data: Path, resamples: int) -> list[dict[str, Any]]:
    """On PRD, every set of so many models: pairs per prompt, USD per pair with sampling, how many are right."""
    recordings = cost_per_pair.Recordings(data)
    rate = [one / 1_000_000 for one in cost_per_pair.RATES["gpt35"]]
    lines = []
    for answers in ("2", "3", "4", "5", "2 to 5"):
        tallies = np.zeros((len(recordings.questions), 4))
        for models in itertools.combinations(recorded.MODELS, int(answers[0])):
            fixed = cost_per_pair.table({"judge": {"model": "gpt35", "schedule": "min-max"}}, 0, models)
            given = going_on(models) if "to" in answers else fixed
            steps = plan.plan(given, plan.texts(given, Path()))
            results = pipeline.results(recordings.prompts(), steps, recordings, window=1)
            tallies += [_tally(recordings, result, rate) async for result in results]
        lines.append({"answers": answers, **_figures(tallies, resamples)})
    return lines


def _tally(recordings: cost_per_pair.Recordings, result: Any, rate: Sequence[float]) -> tuple[float, ...]:
    drawn = sum(count(candidate.text) for candidate in result.candidates) * rate[1]
    judged = sum(
        answer.usage.input * rate[0] + answer.usage.output * rate[1]
        for call, answer in result.calls
        if call.tag.role == "judge"
    )
    right = [one for one in recordings.right(result) if one is not None]
    return len(result.pairs), drawn + judged, len(right), sum(right)


def _figures(tallies: Any, resamples: int) -> dict[str, Any]:
    drawn = np.random.default_rng(0).integers(len(tallies), size=(resamples, len(tallies)))

    def both(rows: Any) -> Any:
        pairs, usd, decided, right = np.moveaxis(tallies[rows].sum(axis=-2), -1, 0)
        return np.stack([1000 * usd / pairs, right / decided])

    (usd, right), spread = both(np.arange(len(tallies))), np.quantile(both(drawn), [0.025, 0.975], axis=1)
    return {"usd_per_1000": [usd, *spread[:, 0]], "right": [right, *spread[:, 1]]}


def main() -> None:
    """Print three tables."""
    args = recorded.arguments(__doc__, "prd_vicuna80", jobs=6)
    jobs, more = list(simulated(args.jobs)), {name: list(by_answers(world)) for name, world in WORLDS.items()}
    replay = asyncio.run(replayed(args.data, args.resamples))
    if args.json:
        print(json.dumps({"jobs": jobs, "answers": more, "replay": replay}))
        return
    print(f"\n{WANTED} pairs wanted, {args.jobs} jobs of each kind\n")
    header = (
        "judge",
        "pairs by wanted",
        "by a pilot's yield",
        "USD per pair",
        "by a pilot's yield",
        "estimate held the bill",
    )
    recorded.show(header, [_line(one) for one in jobs])
    print(f"\nUSD per pair by answers to a prompt, {WANTED} pairs, simulated\n")
    columns = ("judge", *(f"{_said(answers)} answers" for answers in ANSWERS))
    recorded.show(columns, [(name, *(f"{one['usd_per_pair']:.5f}" for one in lines)) for name, lines in more.items()])
    print("\nRecorded: PRD, gpt35 as judge\n")
    shown = "{:.3f} [{:.3f}, {:.3f}]"
    recorded.show(
        ("answers", "USD per 1,000 pairs", "right"),
        [(one["answers"], shown.format(*one["usd_per_1000"]), shown.format(*one["right"])) for one in replay],
    )


def _line(one: Mapping[str, Any]) -> tuple[str, ...]:
    each = {way: sum(one[f"{way}_usd"]) / sum(one[way]) for way in ("wanted", "fixed")}
    ends = {way: f"{min(one[way]):.0f} to {max(one[way]):.0f}" for way in each}
    usd = [f"{each[way]:.5f}" for way in each]
    return (one["world"], ends["wanted"], ends["fixed"], *usd, f"{sum(one['held']):.0f} of {len(one['held'])}")


if __name__ == "__main__":
    main()
