"""A prompt through the three stages: candidates, matches, pairs. Concurrency lives here, answers come through `send`.

Results leave in prompt order whatever the order in which calls are answered. A prompt for which some call has no answer
now is `incomplete` and says nothing else, so that what is written depends on the journal and not on the clock. Knows
nothing of who answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from judgegen.errors import Unanswered
from judgegen.judge import build as judge
from judgegen.judge import decide, read, schedule
from judgegen.judge.build import suspicions
from judgegen.llm.calls import Call, Failure, Outcome, Send, digest
from judgegen.plan import Plan
from judgegen.records import Candidate, Comparison, Match, Prompt, Result, Unreadable, Verdict
from judgegen.sampler import build as sampler
from judgegen.sampler.read import candidate
from judgegen.sampler.screen import screen
from judgegen.textual import normal
from judgegen.writer.select import best_worst

Prompts = Iterable[Prompt]
Asked = list[tuple[Call, Outcome]]


async def results(prompts: Prompts, plan: Plan, send: Send, *, window: int) -> AsyncIterator[Result]:
    """One Result per prompt, in order, with at most `window` prompts under way or waiting for an earlier one."""
    waiting: deque[asyncio.Task[Result]] = deque()
    try:
        for prompt in prompts:
            if len(waiting) >= window:
                yield await waiting.popleft()
            waiting.append(asyncio.create_task(through(prompt, plan, send)))
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def through(prompt: Prompt, plan: Plan, send: Send) -> Result:
    """Sample, screen, judge, decide, select: one prompt."""
    asked: Asked = []
    try:
        candidates = await sample(prompt, plan, send, asked)
        competing = [c for c in candidates if c.refused is None]
        matches = await compare(prompt, competing, plan, send, asked)
    except Unanswered:
        return Result(prompt=prompt, drop="incomplete", calls=tuple(asked))
    result = Result(prompt=prompt, candidates=candidates, matches=matches, calls=tuple(asked))
    return settle(result, competing, plan)


async def sample(prompt: Prompt, plan: Plan, send: Send, asked: Asked) -> tuple[Candidate, ...]:
    """Every candidate of every variant, screened."""
    calls = sampler.calls(prompt, plan.settings, plan.seed)
    answered = await together([_keep(call, send) for call in calls], asked)
    drawn = [candidate(call, outcome) for ((call, outcome),) in answered]
    screened = screen(drawn, near_identical=plan.near_identical)
    return tuple(replace(one, suspicions=suspicions(one)) for one in screened)


async def compare(
    prompt: Prompt, competing: list[Candidate], plan: Plan, send: Send, asked: Asked
) -> tuple[Match, ...]:
    """Every two competing candidates, in the orders the plan asks for."""
    pairs = schedule.round_robin(competing)
    displays = [schedule.orders(pair, both=plan.both_orders, seed=plan.seed) for pair in pairs]
    flat = [shown for group in displays for shown in group]
    verdicts = iter(await together([ask(prompt, shown, plan, send) for shown in flat], asked))
    return tuple(
        decide.match(
            pair.first, pair.second, [(shown, _verdict(next(verdicts), prompt, shown, plan)) for shown in group]
        )
        for pair, group in zip(pairs, displays, strict=True)
    )


async def ask(prompt: Prompt, shown: Comparison, plan: Plan, send: Send) -> Asked:
    """Ask for one verdict until it is readable, `max_attempts` times at most; every call asked with its answer."""
    asked: Asked = []
    for draw in range(plan.max_attempts):
        call = judge.call(prompt, shown, plan.asking, seed=plan.seed, draw=draw)
        try:
            asked.append((call, await send(call)))
        except Unanswered as error:
            raise Partly(asked, error) from None
        final = isinstance(asked[-1][1], Failure)
        if final or not isinstance(_verdict(asked, prompt, shown, plan), Unreadable):
            break
    return asked


def _verdict(asked: Asked, prompt: Prompt, shown: Comparison, plan: Plan) -> Verdict | Unreadable:
    call, outcome = asked[-1]
    frame = judge.framed(prompt, shown, seed=plan.seed, draw=call.draw)
    return read.verdict(call, outcome, frame, before=tuple(earlier.id for earlier, _ in asked[:-1]))


def settle(result: Result, competing: list[Candidate], plan: Plan) -> Result:
    """What the matches come to: pairs, or why there are none."""
    if len(competing) < 2:
        reasons = ", ".join(f"{c.key} {c.refused}" for c in result.candidates if c.refused)
        detail = f"{len(competing)} of {len(result.candidates)} may compete ({reasons})"
        return replace(result, drop="too-few", detail=detail)

    def tiebreak(c: Candidate) -> str:
        return digest([plan.seed, result.prompt.id, normal(c.text), c.call_id])

    ranking = decide.ranking(competing, result.matches, tiebreak)
    pairs, drop, detail = best_worst(ranking, result.matches, min_p_chosen=plan.min_p_chosen, tiebreak=tiebreak)
    return replace(result, ranking=ranking, pairs=pairs, drop=drop, detail=detail)


class Partly(Unanswered):
    """No answer for one call of several; carries those that were answered before it."""

    def __init__(self, asked: Asked, error: Unanswered) -> None:
        super().__init__(str(error), reason=error.reason)
        self.asked = asked


async def _keep(call: Call, send: Send) -> Asked:
    return [(call, await send(call))]


async def together(asking: list[Coroutine[Any, Any, Asked]], asked: Asked) -> list[Asked]:
    """Run all to their end, keep what was answered in the order of asking, then raise what went wrong first.

    Unlike a TaskGroup this does not cancel the others: which answers an incomplete prompt has must not depend on which
    of its calls failed first.
    """
    answers = await asyncio.gather(*asking, return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    for answer in answers:
        asked.extend(answer.asked if isinstance(answer, Partly) else answer if isinstance(answer, list) else ())
    for error in sorted(errors, key=lambda e: isinstance(e, Unanswered)):
        raise error
    return [answer for answer in answers if isinstance(answer, list)]
