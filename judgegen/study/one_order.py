"""What the second order is worth: the verdicts at hand as a run would have them that asks in one order, by lot.

So that who has asked in both learns what half the calls would have cost in agreement. Pure; asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judgegen.judge import decide, schedule
from judgegen.judge.judging import Judging
from judgegen.pipeline import Plan
from judgegen.records import Comparison, Result
from judgegen.study.worth import worth
from judgegen.trust import Judged
from judgegen.trust.between import gained
from judgegen.trust.figures import Figure

LOTS = 2
"""How often an order is drawn for each comparison; the order that was not drawn counts as often."""


def one_order(results: Sequence[Result], rows: Sequence[Judged], steps: Plan, *, resamples: int = 1000) -> Figure:
    """Agreement with people in one order less that in both, ties half; prompts resampled.

    No value where not all was asked in both orders, or where what is asked next depends on what was said in them.

    Args:
        results: what was said, in the order of `rows`.
        rows: the same as they stand, both orders counted.
        steps: the plan whose judges said it; in one order, too, its habits are taken off and its prompts pooled.
        resamples: of prompts.
    """
    if steps.judging is None or not _plain(steps.judging) or not all(_both(result) for result in results):
        return Figure()
    before, after = list[Judged](), list[Judged]()
    for seed in range(LOTS):
        for drawn in (True, False):
            found = worth([_cut(result, steps.judging.seed + seed, drawn=drawn) for result in results], steps).matches
            after += [replace(row, p=match.p, orders=()) for row, match in zip(rows, found, strict=True)]
            before += rows
    return gained(before, after, resamples=resamples)


def _plain(judging: Judging) -> bool:
    follows = judging.third, judging.early_stop, judging.grade_weight
    chats = bool(judging.panel) and all(asking.api == "chat" for asking in judging.panel)  # others have no choice
    return judging.both_orders and chats and not judging.escalate and follows == (None, None, None)


def _both(result: Result) -> bool:
    return len({shown.first.key for shown, _ in result.matches[0].shown}) == 2


def _cut(result: Result, seed: int, *, drawn: bool) -> Result:
    """The comparison as it was shown in the order that falls by lot; else in the other one."""
    match = result.matches[0]
    pair = Comparison(first=match.a, second=match.b)
    (display,) = schedule.orders(pair, both=False, seed=seed)
    shown = [(one, said) for one, said in match.shown if (one.first.key == display.first.key) is drawn]
    return replace(result, matches=(decide.match(match.a, match.b, shown),))
