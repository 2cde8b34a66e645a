"""The alarm on anchors: how often a judge that is the same raises it, and how often one that changed does.

Recorded verdicts of a judge stand for it; a judge that is asked again says what it said but for `noise` of its verdicts
on a display, which are drawn from all of its own, so that nothing but chance moves. Prompts are resampled with
replacement, one comparison of each, `n` anchors; so often for every judge and set. Power: the judge is another of the
same set, or a share of its verdicts on anchors has become another for good. No verdict here has a probability.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import recorded

from judgegen.records import Label
from judgegen.trust import Judged, Showing, mean_p
from judgegen.trust.drift import Anchor, drift

NOISES = (0.02, 0.1, 0.3)
CORRUPTED = (0.1, 0.2, 0.3)
ALLOWED = 0.05
USUAL = 0.02
"""The noise at which power is counted: what a judge at temperature 0 is about."""
STRATEGY = "Vanilla_NoRules"
"""Of LLMBar's judges one way of asking each: another way is another judge."""
Rows = Mapping[str, Sequence[Judged]]


@dataclass(frozen=True)
class Recorded:
    """A judge's rows by prompt, and every label that it gave a display."""

    rows: Rows
    spoken: Sequence[Label | None]


def sets(data: Path) -> Iterator[tuple[str, dict[str, Recorded]]]:
    """Each set's judges, with their rows by prompt."""
    yield "PRD", {judge: _by_prompt(rows) for judge, rows in recorded.prd_rows(data).items()}
    found: defaultdict[str, dict[str, Recorded]] = defaultdict(dict)
    for (judge, strategy), subsets in recorded.llmbar_rows(data).items():
        for subset, rows in subsets.items():
            if strategy == STRATEGY:
                found[f"LLMBar {subset}"][judge] = _by_prompt(rows)
    yield from found.items()


def _by_prompt(rows: Sequence[Judged]) -> Recorded:
    found: defaultdict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        found[row.prompt_id].append(row)
    return Recorded(found, [order.label for row in rows for order in row.orders])


def said(row: Judged, spoken: Sequence[Label | None], noise: float, lots: random.Random) -> Any:
    """The label of a comparison, each of its displays redrawn with that chance."""
    orders = [replace(one, **_drawn(lots.choice(spoken))) if lots.random() < noise else one for one in row.orders]
    return replace(row, orders=tuple(orders), p=mean_p(orders)).label


def _drawn(label: Label | None) -> dict[str, Any]:
    return {"label": label, "p_first": {"first": 1.0, "second": 0.0, "tie": 0.5}.get(label or "")}


def alarmed(
    then: Recorded, now: Recorded, n: int, noise: float, lots: random.Random, *, corrupted: float = 0.0
) -> bool:
    """Whether anchors of one resampling raise it."""
    known = [prompt for prompt in then.rows if prompt in now.rows]
    rows = []
    for place, prompt in enumerate(lots.choices(known, k=n)):
        at = lots.randrange(min(len(then.rows[prompt]), len(now.rows[prompt])))
        before, after = then.rows[prompt][at], now.rows[prompt][at]
        after = _other(after, lots) if lots.random() < corrupted else after
        labels = said(before, then.spoken, noise, lots), said(after, now.spoken, noise, lots)
        row = Anchor(id=str(place), votes=before.votes, then=labels[0], now=labels[1], known=True)
        again = {"again": said(after, now.spoken, noise, lots), "asked_again": True} if row.moved else {}
        rows.append(replace(row, **again))
    return bool(drift(rows).alarms)


def _other(row: Judged, lots: random.Random) -> Judged:
    """The row with another label for good, said alike in both orders."""
    label = lots.choice([one for one in ("A", "B", "tie") if one != row.label])

    def display(order: Showing) -> Showing:
        first: Label = "tie" if label == "tie" else "first" if label == order.first else "second"
        return replace(order, **_drawn(first))

    orders = tuple(map(display, row.orders))
    return replace(row, orders=orders, p=mean_p(orders))


def measured(judges: Mapping[str, Recorded], n: int, times: int, name: str) -> Iterator[dict[str, Any]]:
    """Per judge: the share of false alarms by noise, and of alarms for every other judge and corruption."""

    def share(then: str, now: str, noise: float, corrupted: float = 0.0) -> float:
        lots = random.Random(f"{name}/{then}/{now}/{noise}/{corrupted}")
        fired = (alarmed(judges[then], judges[now], n, noise, lots, corrupted=corrupted) for _ in range(times))
        return sum(fired) / times

    for judge in sorted(judges):
        yield {
            "set": name,
            "judge": judge,
            "false": {str(noise): share(judge, judge, noise) for noise in NOISES},
            "swapped": {other: share(judge, other, USUAL) for other in sorted(judges) if other != judge},
            "corrupted": {str(part): share(judge, judge, USUAL, part) for part in CORRUPTED},
        }


def main() -> None:
    """Print both tables."""
    args = recorded.arguments(__doc__, "llmbar", n=50, times=200)
    lines = [line for name, judges in sets(args.data) for line in measured(judges, args.n, args.times, name)]
    if args.json:
        print(json.dumps(lines))
        return
    kinds = [f"same, {float(noise):.0%} noise" for noise in NOISES]
    header = ("set", "judge", *kinds, "another judge, least", "mean", *(f"{part:.0%} corrupted" for part in CORRUPTED))
    recorded.show(header, [_line(line) for line in lines])
    worst = max(rate for line in lines for rate in line["false"].values())
    print(
        f"\n{args.n} anchors, {args.times} resamplings each; false alarms at most {worst:.1%} (allowed {ALLOWED:.0%})"
    )


def _line(line: Mapping[str, Any]) -> tuple[str, ...]:
    swapped = list(line["swapped"].values())
    rates = [*line["false"].values(), min(swapped), sum(swapped) / len(swapped), *line["corrupted"].values()]
    return (line["set"], line["judge"], *(f"{rate:.1%}" for rate in rates))


if __name__ == "__main__":
    main()
