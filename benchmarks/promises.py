"""Whether a promise holds: of calibrations on resampled prompts, those whose threshold keeps too few right pairs.

A set of recorded comparisons stands for all there are: so many prompts as it has are drawn from it with replacement,
the gate finds a threshold on them, and the whole set says what pairs above it are worth. A promise at confidence .95
may be broken in one of twenty. Each judge, set, target and way of counting pairs (`over`) by itself; some minutes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import recorded

from judgegen.trust import Judged, Over, evidence, gate

TARGETS = (0.8, 0.9)
RESAMPLES = 200
ALLOWED = 0.05


def sets(data: Path) -> Iterator[tuple[str, Over, Sequence[Judged]]]:
    """Every judge's rows on every set, with the ways of counting that differ there."""
    for judge, rows in recorded.prd_rows(data).items():
        yield f"PRD {judge}", "majority", rows
        yield f"PRD {judge}", "all", rows
    for name, subsets in recorded.llmbar_rows(data).items():
        for subset, rows in subsets.items():
            yield f"LLMBar {subset} {' '.join(name)}", "majority", rows


def broken(rows: Sequence[Judged], target: float, over: Over) -> tuple[int, int]:
    """Of `RESAMPLES` calibrations those that found a threshold, and those of them that it breaks."""
    sure, right, prompts = evidence(rows, over)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        places[prompt].append(place)
    every = [np.array(one) for one in places.values()]
    rng = np.random.default_rng(0)
    found = lost = 0
    for _ in range(RESAMPLES):
        drawn = [every[i] for i in rng.integers(len(every), size=len(every))]
        rows_ = np.concatenate(drawn)
        groups = [str(i) for i, one in enumerate(drawn) for _ in one]  # one drawn twice is two prompts
        cut = gate(sure[rows_], right[rows_], groups, target).threshold
        if cut is not None:
            found += 1
            lost += float(np.mean(right[np.round(sure, 12) >= cut])) < target
    return found, lost


def main() -> None:
    """Print how often promises are given and broken."""
    args = recorded.arguments(__doc__, "llmbar")
    lines: list[dict[str, Any]] = []
    for name, over, rows in sets(args.data):
        for target in TARGETS:
            found, lost = broken(rows, target, over)
            lines.append({"set": name, "over": over, "target": target, "given": found, "broken": lost / RESAMPLES})
    if args.json:
        print(json.dumps(lines))
        return
    worst = sorted(lines, key=lambda line: -float(line["broken"]))[:8]
    header = ("judge and set", "over", "target", f"given of {RESAMPLES}", "broken")
    recorded.show(header, [tuple(line.values()) for line in worst])
    within = sum(float(line["broken"]) <= ALLOWED for line in lines)
    print(f"\n{len(lines)} judges x sets x targets x ways of counting; {within} broken in {ALLOWED:.0%} or less")


if __name__ == "__main__":
    main()
