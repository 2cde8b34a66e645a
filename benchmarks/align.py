"""Whether what `judge align` keeps is better: its choice played on recorded verdicts, where better is known.

Each recorded way of asking a judge stands for a template. The plainest is the one that there is now, the others are
what was tried: half of the prompts choose the best, the other half, once, says whether it is kept, by the code of
`judge align`. What all prompts say stands for the truth. LLMBar has ways of asking; PRD's judges were asked one way
each, and the others stand for what was tried instead of one. Where nothing is better (of every prompt a lot deals which
template is which) what is kept is a false alarm, allowed in 2.5 %.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import recorded

from judgegen.trust import Judged
from judgegen.trust.between import gained

SPLITS = 100
RESAMPLES = 400
ALLOWED = 0.025
PLAIN = "Vanilla_NoRules"
Ways = Mapping[str, Sequence[Judged]]


def sets(data: Path) -> Iterator[tuple[str, Sequence[Judged], Ways]]:
    """A name, the rows of now, and of each that was tried: the same comparisons in the same places."""
    judged = recorded.prd_rows(data)
    for now, rows in judged.items():
        yield f"PRD, now {now}", rows, {name: tried for name, tried in judged.items() if name != now}
    llmbar = recorded.llmbar_rows(data)
    for judge in dict.fromkeys(judge for judge, _ in llmbar):
        ways = {way: subsets for (name, way), subsets in llmbar.items() if name == judge}
        plain = PLAIN if PLAIN in ways else "Vanilla"
        for subset, rows in ways[plain].items():
            tried = {way: found[subset] for way, found in ways.items() if way != plain and subset in found}
            whole = {way: found for way, found in tried.items() if _same(rows, found)}
            if whole:
                yield f"LLMBar {subset}, {judge} {plain}", rows, whole


def _same(one: Sequence[Judged], other: Sequence[Judged]) -> bool:
    return [(row.prompt_id, row.len_a) for row in one] == [(row.prompt_id, row.len_a) for row in other]


def aligned(
    now: Sequence[Judged], ways: Ways, learn: Sequence[int], held: Sequence[int]
) -> tuple[str | None, float, bool]:
    """What half of the places chooses, its gain there, and whether the other half keeps it."""

    def gain(way: str, places: Sequence[int], resamples: int) -> Any:
        return gained([now[i] for i in places], [ways[way][i] for i in places], resamples=resamples)

    learned = {way: gain(way, learn, 2).value or 0.0 for way in ways}
    best = max(learned, key=lambda way: learned[way])
    if learned[best] <= 0:
        return None, 0.0, False
    found = gain(best, held, RESAMPLES)
    return best, learned[best], found.low is not None and found.low > 0


def study(name: str, now: Sequence[Judged], ways: Ways, splits: int) -> dict[str, Any]:
    """Over so many halvings: what was kept, what it promised where it chose, what it is worth on all prompts."""
    rng = np.random.default_rng(0)
    truth = {way: gained(now, rows, resamples=2).value or 0.0 for way, rows in ways.items()}
    prompts = sorted({row.prompt_id for row in now})
    kept: list[tuple[float, float]] = []
    chosen = worse = alarms = 0
    for _ in range(splits):
        learn_prompts = set(rng.permutation(prompts)[: len(prompts) // 2])
        halves = [
            [i for i, row in enumerate(now) if (row.prompt_id in learn_prompts) == learns] for learns in (True, False)
        ]
        best, promised, keeps = aligned(now, ways, *halves)
        chosen += best is not None
        if best is not None and keeps:
            kept.append((promised, truth[best]))
            worse += truth[best] <= 0
        alarms += aligned(*dealt(now, ways, rng), *halves)[2]
    mean = np.mean(kept, axis=0) if kept else (float("nan"), float("nan"))
    return {
        "set": name,
        "tried": len(ways),
        "best": max(truth.values()),
        "chosen": chosen / splits,
        "kept": len(kept) / splits,
        "promised": float(mean[0]),
        "worth": float(mean[1]),
        "worse": worse / splits,
        "false": alarms / splits,
    }


def dealt(now: Sequence[Judged], ways: Ways, rng: np.random.Generator) -> tuple[list[Judged], dict[str, list[Judged]]]:
    """Now and one that was tried, of every prompt by lot which is which: neither can be better."""
    way = list(ways)[int(rng.integers(len(ways)))]
    turned = {prompt: bool(rng.integers(2)) for prompt in sorted({row.prompt_id for row in now})}
    couples = [(a, b)[:: -1 if turned[a.prompt_id] else 1] for a, b in zip(now, ways[way], strict=True)]
    return [a for a, _ in couples], {way: [b for _, b in couples]}


def main() -> None:
    """Print, per set, how often something was kept and what it was worth."""
    args = recorded.arguments(__doc__, "llmbar", splits=SPLITS)
    lines = [study(name, now, ways, args.splits) for name, now, ways in sets(args.data)]
    if args.json:
        print(json.dumps(lines))
        return
    header = ("set", "tried", "best there is", "chosen", "kept", "promised", "worth", "kept and worse", "false alarms")
    recorded.show(header, [(one["set"], one["tried"], *(f"{v:.3f}" for v in list(one.values())[2:])) for one in lines])
    print(f"\n{len(lines)} sets; kept though no better in {np.mean([one['worse'] for one in lines]):.2%} of halvings")
    false = [one["false"] for one in lines]
    print(
        f"false alarms where nothing is better: {np.mean(false):.2%} over all ({ALLOWED:.1%} allowed), "
        f"worst {max(false):.1%}"
    )


if __name__ == "__main__":
    main()
