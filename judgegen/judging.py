"""Judging one prompt: round after round of the comparisons that the schedule wants, each in the orders it needs.

A comparison may be settled by its first order, may need a third opinion, and is asked again while it is unreadable.
What is asked depends on what was answered and on lots drawn by seed, never on which answer came first. Knows nothing of
how candidates came about or what becomes of the matches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from judgegen.errors import Unanswered
from judgegen.judge import build, decide, read, schedule
from judgegen.judge.build import Asking
from judgegen.judge_plan import Judging
from judgegen.llm.calls import Call, Failure, Outcome, Send
from judgegen.records import Candidate, Comparison, Match, Prompt, Unreadable, Verdict

T = TypeVar("T")
Asked = list[tuple[Call, Outcome]]
Work = Callable[[Asked], Coroutine[Any, Any, T]]
"""Something that asks; it keeps what was answered in the list it is given."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One prompt before its judges."""

    prompt: Prompt
    plan: Judging
    send: Send
    lot: schedule.Lot

    async def matches(self, competing: Sequence[Candidate], asked: Asked) -> tuple[Match, ...]:
        """Every match that the schedule wants, round by round."""
        wanted = schedule.SCHEDULES[self.plan.schedule]
        found: list[Match] = []
        while pairs := wanted(competing, found, self.lot):
            found += await together([self._comparing(pair) for pair in pairs], asked)
        return tuple(found)

    def _comparing(self, pair: Comparison) -> Work[Match]:
        return lambda asked: self._compare(pair, asked)

    async def _compare(self, pair: Comparison, asked: Asked) -> Match:
        """One match: the orders the plan asks for, and the third opinion where they conflict."""
        shown = await self._orders(pair, asked)
        found = decide.match(pair.first, pair.second, shown)
        if found.consistent is False and self.plan.third is not None:
            (display,) = schedule.orders(pair, both=False, seed=self.plan.seed)
            verdict = await self._ask(display, self.plan.third, asked)
            found = decide.with_third(found, (display, verdict))
        return decide.corrected(found, self.plan.length_correction, self.plan.length_scale)

    async def _orders(self, pair: Comparison, asked: Asked) -> list[decide.Shown]:
        if self.plan.early_stop is None:
            displays = schedule.orders(pair, both=self.plan.both_orders, seed=self.plan.seed)
            return await self._displays(displays, asked)
        displays = schedule.orders(pair, both=False, seed=self.plan.seed)
        shown = await self._displays(displays, asked)
        if decide.settles(shown, self.plan.early_stop):
            return shown
        return [*shown, *await self._displays([displays[0].swap()], asked)]

    async def _displays(self, displays: Sequence[Comparison], asked: Asked) -> list[decide.Shown]:
        """The verdicts on some displays, asked for at once."""
        verdicts = await together([self._asking(shown, self.plan.asking) for shown in displays], asked)
        return list(zip(displays, verdicts, strict=True))

    def _asking(self, shown: Comparison, asking: Asking) -> Work[Verdict | Unreadable]:
        return lambda asked: self._ask(shown, asking, asked)

    async def _ask(self, shown: Comparison, asking: Asking, asked: Asked) -> Verdict | Unreadable:
        """One verdict, asked for until it is readable, `max_attempts` times at most."""
        before: tuple[str, ...] = ()
        for draw in range(self.plan.max_attempts):
            call = build.call(self.prompt, shown, asking, seed=self.plan.seed, draw=draw)
            outcome = await self.send(call)
            asked.append((call, outcome))
            frame = build.framed(self.prompt, shown, seed=self.plan.seed, draw=draw)
            verdict = read.verdict(call, outcome, frame, before=before, judge=asking.name, weight=asking.weight)
            if isinstance(outcome, Failure) or not isinstance(verdict, Unreadable):
                break
            before = verdict.call_ids
        return verdict


def saved(competing: Sequence[Candidate], matches: Sequence[Match], plan: Judging) -> dict[str, int]:
    """What was spared, against every two in the orders the run file asks for; empty where nothing can be."""
    if plan.schedule == "round-robin" and plan.early_stop is None and plan.third is None:
        return {}
    orders = 2 if plan.both_orders else 1
    every = len(competing) * (len(competing) - 1) // 2
    counts = Counter(comparisons=len(matches), of_every_two=every)
    for match in matches:
        first = plan.asking.name
        displays = sum(verdict.judge == first for _, verdict in match.shown)
        counts["settled_by_one_order"] += plan.early_stop is not None and displays == 1
        counts["third_opinions"] += any(verdict.judge != first for _, verdict in match.shown)
    counts["verdicts_saved"] = orders * (every - len(matches)) + counts["settled_by_one_order"]
    return dict(counts)


async def together(work: Sequence[Work[T]], asked: Asked) -> list[T]:
    """Run all to their end, keep what was answered in the order of asking, then raise what went wrong first.

    Unlike a TaskGroup this does not cancel the others: which answers an incomplete prompt has must not depend on which
    of its calls failed first. An error that ends the run goes before one that only leaves a prompt unanswered.
    """
    own: list[Asked] = [[] for _ in work]
    done = await asyncio.gather(*(one(kept) for one, kept in zip(work, own, strict=True)), return_exceptions=True)
    for kept in own:
        asked.extend(kept)
    errors = [answer for answer in done if isinstance(answer, BaseException)]
    for error in sorted(errors, key=lambda e: isinstance(e, Unanswered)):
        raise error
    return [answer for answer in done if not isinstance(answer, BaseException)]
