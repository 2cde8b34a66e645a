"""What a map that weighs length is worth beside one of P alone, and how little of either is left by people themselves.

The library's own maps, on prompts that they were not fitted on: five folds of PRD's forty questions (P pooled over all
ten comparisons of a question), of PandaLM (GPT-3.5's verdict in one order, three votes) and of LLMBar; and, with
--clone, fitted on PRD's forty questions and stated of the other forty. "Length alone" is the same map with P = 1/2
everywhere: no judge. "Floor" is what votes leave among themselves, of pairs that have several.

    python benchmarks/length_map.py --clone ../PRD        # a clone of bcdnlp/PRD, which holds all eighty questions
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import prd_beliefs
import prd_clone
import recorded

from judgegen.trust import CalibrationMap, Judged, Vote, by_vote, fit_map, longer_by_vote, report

WAYS = ("mapped", "with length", "length alone")
Line = dict[str, Any]


def fitted(rows: Sequence[Judged], way: str) -> CalibrationMap:
    """The map of one way."""
    longer = None if way == "mapped" else longer_by_vote(rows)
    return fit_map(*by_vote(blind(rows) if way == "length alone" else rows), longer=longer)


def blind(rows: Sequence[Judged]) -> list[Judged]:
    """The rows without what the judge says."""
    return [row if row.p is None else replace(row, p=0.5) for row in rows]


def folded(rows: Sequence[Judged]) -> Line:
    """Each way's Brier score on questions in other folds."""
    return {way: fitted(rows, way).brier_after for way in WAYS} | {"floor": report(rows, resamples=2).brier_floor.value}


def held_back(seen: Sequence[Judged], unseen: Sequence[Judged], resamples: int) -> Line:
    """Fitted on the one, stated of the other; the interval is of what length takes off, over questions."""
    longer, squares = longer_by_vote(unseen), {}
    for way in WAYS:
        p, y, prompts = by_vote(blind(unseen) if way == "length alone" else unseen)
        squares[way] = (fitted(seen, way).many(p, longer) - y) ** 2
    _, place = np.unique(prompts, return_inverse=True)
    less = np.bincount(place, squares["with length"] - squares["mapped"])
    votes = np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(votes), size=(resamples, len(votes)))
    ends = np.quantile(less[drawn].sum(axis=1) / votes[drawn].sum(axis=1), [0.025, 0.975])
    found = {way: float(value.mean()) for way, value in squares.items()}
    return found | {"less": [float(end) for end in ends], "floor": report(unseen, resamples=2).brier_floor.value}


def prd(data: Path) -> Iterator[tuple[str, list[Judged]]]:
    """Each judge's rows and the panel's, P pooled; habits are of the questions in other folds."""
    base, shown = recorded.prd_rows(data)["gpt4"], recorded.prd_verdicts(data)
    keys = list(recorded.prd_votes(data))
    for judges in [*((judge,) for judge in sorted(shown)), prd_beliefs.PANEL]:
        found = prd_beliefs.matches({judge: shown[judge] for judge in judges}, None)
        yield " + ".join(judges), prd_beliefs.rows(base, keys, prd_beliefs.worth(found, "pooled"))


def pandalm(data: Path) -> list[Judged]:
    """GPT-3.5's verdicts, where they are one; three votes to each."""
    said = {"1": 1.0, "2": 0.0, "Tie": 0.5}
    votes: dict[int, Vote] = {0: "tie", 1: "A", 2: "B"}
    return [
        Judged(
            prompt_id=item["instruction"] + item["input"],
            votes=tuple(votes[item[f"annotator{i}"]] for i in (1, 2, 3)),
            p=said[item["gpt35_result"]],
            len_a=len(item["response1"]),
            len_b=len(item["response2"]),
        )
        for item in recorded.lines(data / "pandalm" / "pairs.jsonl")
        if item["gpt35_result"] in said
    ]


def study(args: argparse.Namespace) -> list[Line]:
    """A line for each set and judge."""
    seen = dict(prd(args.data))
    found = [{"set": "PRD", "judge": judge, **folded(rows)} for judge, rows in seen.items()]
    if args.clone is not None:
        with tempfile.TemporaryDirectory() as folder:
            whole = dict(prd(prd_clone.laid_out(args.clone, Path(folder))))
        known = {row.prompt_id for row in seen["gpt4"]}
        for judge, rows in whole.items():
            unseen = [row for row in rows if row.prompt_id not in known]
            found.append({"set": "PRD, held back", "judge": judge, **held_back(seen[judge], unseen, args.resamples)})
    found.append({"set": "PandaLM", "judge": "gpt35", **folded(pandalm(args.data))})
    subsets = defaultdict[str, list[Line]](list)
    for (judge, strategy), by_subset in recorded.llmbar_rows(args.data).items():
        for subset, rows in by_subset.items():
            subsets[subset].append({"judge": f"{judge} {strategy}", **folded(rows)})
    return found + [_summed(subset, lines) for subset, lines in sorted(subsets.items())]


def _summed(subset: str, lines: Sequence[Line]) -> Line:
    """The means over judges and strategies, and the most and the least that length takes off."""
    less = [line["with length"] - line["mapped"] for line in lines]
    means = {way: float(np.mean([line[way] for line in lines])) for way in WAYS}
    return {"set": f"LLMBar {subset}", "judge": f"{len(lines)} ways", **means, "less": [min(less), max(less)]}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clone", type=Path, help="a clone of bcdnlp/PRD, for the forty questions held back")


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "prd_vicuna80", _options)
    found = study(args)
    if args.json:
        print(json.dumps(found))
        return
    rows = [
        (line["set"], line["judge"], *(recorded.number(line[way]) for way in WAYS), _span(line), _floor(line))
        for line in found
    ]
    recorded.show(("set", "judge", *WAYS, "length takes off", "floor"), rows)


def _span(line: Line) -> str:
    gap = f"{line['with length'] - line['mapped']:+.3f}"
    return gap if "less" not in line else "{} [{:+.3f}, {:+.3f}]".format(gap, *line["less"])


def _floor(line: Line) -> str:
    return recorded.number(line.get("floor"))


if __name__ == "__main__":
    main()
