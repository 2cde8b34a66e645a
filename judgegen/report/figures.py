"""What the charts are drawn from: small tables of numbers, each a pure function of a run's audit.

Knows nothing of how a chart looks.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from judgegen.report.intervals import Share, share
from judgegen.report.tables import Row, Tables

Rows = list[dict[str, Any]]
PACE_STEPS = 60
LENGTHS = (1.0, 1.25, 1.5, 2.0, 3.0, math.inf)
"""How many times as long the longer answer is: the bins of the length effect."""


def confidence(tables: Tables, column: str, step: float = 0.05) -> Rows:
    """How many pairs lie in each step of `p_chosen` or `margin`; nothing of what nobody judged."""
    bins = Counter(min(int(row[column] / step + 1e-9), round(1 / step) - 1) for row in _known(tables.pairs, column))
    return [
        {"from": round(number * step, 6), "to": round((number + 1) * step, 6), "pairs": count}
        for number, count in sorted(bins.items())
    ]


def _known(rows: Iterable[Row], column: str) -> Iterator[Row]:
    return (row for row in rows if row[column] is not None)


def flow(tables: Tables) -> Rows:
    """From all prompts down to those with pairs, the commonest reason first; `low` and `high` bound each bar."""
    outcomes = Counter(row["outcome"] for row in tables.prompts)
    kept, left = outcomes.pop("pairs", 0), len(tables.prompts)
    found: Rows = [{"step": "all prompts", "kind": "prompts", "prompts": left, "low": 0, "high": left}]
    for reason, count in sorted(outcomes.items(), key=lambda one: (-one[1], one[0])):
        found.append({"step": reason, "kind": "dropped", "prompts": count, "low": left - count, "high": left})
        left -= count
    return [*found, {"step": "with a pair", "kind": "pairs", "prompts": kept, "low": 0, "high": kept}]


def wins(tables: Tables) -> Rows:
    """Win share by variant, model and temperature, with its interval over prompts; ties are half."""
    seen: defaultdict[tuple[str, str], list[tuple[Hashable, float]]] = defaultdict(list)
    for candidate in _known(tables.candidates, "score"):
        at = json.loads(candidate["settings"]).get("temperature")
        groups = {"variant": candidate["variant"], "model": candidate["model"], "temperature": _tenth(at)}
        for kind, group in groups.items():
            seen[kind, group].append((candidate["prompt_id"], candidate["score"]))
    several = Counter(kind for kind, _ in seen)
    return [
        {"label": f"{kind} {group}", **_row(share(values)), "candidates": len(values)}
        for (kind, group), values in sorted(seen.items())
        if several[kind] > 1 or kind == "variant"
    ]


def _tenth(temperature: object) -> str:
    return f"{temperature:.1f}" if isinstance(temperature, int | float) else "unset"


def _row(found: Share | None) -> dict[str, float]:
    return {} if found is None else {"share": found.value, "low": found.low, "high": found.high}


def positions(tables: Tables) -> Rows:
    """What judges said by place: verdicts per judge for the first shown, the second, ties and unreadable ones."""
    said = Counter((row["judge"] or "the judge", row["label"] or "unreadable") for row in tables.verdicts)
    judges = Counter[str]()
    for (judge, _), count in said.items():
        judges[judge] += count
    return [
        {"judge": judge, "verdict": label, "verdicts": said[judge, label], "share": said[judge, label] / count}
        for judge, count in sorted(judges.items())
        for label in ("first", "tie", "second", "unreadable")
    ]


def lengths(tables: Tables) -> Rows:
    """How often the longer answer of a decided verdict won, by how many times as long it is."""
    size = {(c["prompt_id"], c["candidate"]): len(c["text"] or "") for c in tables.candidates}
    bins: defaultdict[int, list[tuple[Hashable, float]]] = defaultdict(list)
    for row in tables.verdicts:
        if row["label"] not in ("first", "second"):
            continue
        first, second = (size[row["prompt_id"], row[place]] for place in ("first", "second"))
        if first != second and min(first, second):
            times = max(first, second) / min(first, second)
            number = next(i for i, (low, high) in enumerate(pairwise(LENGTHS)) if low <= times < high)
            bins[number].append((row["prompt_id"], float((row["label"] == "first") == (first > second))))
    return [
        {"times": _between(*LENGTHS[number : number + 2]), "order": number, **_row(share(bins[number]))}
        | {"verdicts": len(bins[number])}
        for number in sorted(bins)
    ]


def _between(low: float, high: float) -> str:
    return f"over {low:g} times" if math.isinf(high) else f"{low:g} to {high:g} times"


def costs(summary: Mapping[str, Any]) -> Rows:
    """USD by role and model; models of unknown price are told of by `unpriced`. Nothing where nothing cost anything."""
    rows = [(row["role"], row["model"], row["cost_usd"]) for row in summary["by_model"]]
    known = [{"role": role, "model": model, "usd": float(usd)} for role, model, usd in rows if usd is not None]
    return known if any(row["usd"] for row in known) else []


def spending(tables: Tables, cap: Decimal | None) -> Rows:
    """USD spent, what was expected of it with its ends, and the cap; nothing where only the spend is known."""
    usd, said = tables.summary["cost_usd"]["total"], tables.expected
    if usd is None or (said is None and cap is None):
        return []
    found: Rows = [{"what": "spent", "usd": float(usd)}]
    if said is not None:
        bounds = {"low": float(said.low), "high": float(said.high)}
        found.append({"what": "expected", "usd": float(said.expected), **bounds})
    return [*found, {"what": "cap", "usd": float(cap)}] if cap is not None else found


def unpriced(summary: Mapping[str, Any]) -> list[str]:
    """Models whose price is not known."""
    return sorted({row["model"] for row in summary["by_model"] if row["cost_usd"] is None})


def pace(tables: Tables) -> Rows:
    """Answers over time by role, and the requests that had to be sent again, in at most `PACE_STEPS` steps."""
    timed = [(datetime.fromisoformat(row["when"]).timestamp(), row) for row in tables.timings]
    if not timed:
        return []
    began = min(at for at, _ in timed)
    step = _round_step(max(at for at, _ in timed) - began)
    found: Counter[tuple[int, str]] = Counter()
    for at, row in timed:
        call = tables.calls.get(row["id"])
        if call is not None:
            number = int((at - began) / step)
            found[number, call["role"]] += 1
            found[number, "sent again"] += row["attempts"] - 1
    unit, per = ("seconds", 1) if step * PACE_STEPS <= 300 else ("minutes", 60)
    return [
        {"from": number * step / per, "to": (number + 1) * step / per, "unit": unit, "kind": kind, "calls": count}
        for (number, kind), count in sorted(found.items())
        if count
    ]


def _round_step(span: float) -> int:
    """Seconds per step, a number that people count in."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    return next((step for step in steps if span / step < PACE_STEPS), steps[-1])


def coverage(tables: Tables) -> Rows:
    """If only the surer pairs were kept: the share that is left, and the share of them expected to be wrong.

    Only of calibrated probabilities: by those alone, 1 - p is the chance that people would say otherwise.
    """
    if tables.spec is None or tables.spec.judge.calibration is None:
        return []
    sure = sorted((row["p_chosen"] for row in _known(tables.pairs, "p_chosen")), reverse=True)
    found: Rows = []
    doubt = 0.0
    for count, p in enumerate(sure, start=1):
        doubt += 1 - p
        if count == len(sure) or sure[count] != p:
            found.append({"kept": count / len(sure), "wrong": doubt / count, "p_chosen": p})
    return found if len(found) <= 200 else [*found[:: len(found) // 200 + 1], found[-1]]


def rounds(tables: Tables) -> Rows:
    """What rounds of training came to on held-out prompts, with 95 % intervals; of the run that compares them.

    Right, by the grader of --truth, and the share of wins against round 0: one row per round and figure that is known.
    """
    try:
        done = json.loads((tables.folder.parent / "rounds.json").read_text(encoding="utf-8"))["rounds"]
    except (OSError, ValueError, KeyError):
        return []
    if tables.folder.name != "held":
        return []
    known = [(one["round"], "right", one["right"]) for one in done]
    known += [(one["round"], "wins against round 0", one["first"]["rate"]) for one in done if one["first"]]
    return [
        {"round": number, "figure": name, "share": found["value"], "low": found["low"], "high": found["high"]}
        for number, name, found in known
        if found["value"] is not None
    ]
