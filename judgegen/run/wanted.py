"""So many pairs and no more prompts than they take: which prompts are taken, found while they are asked about.

Prompts are taken by lots of the seed, one after another, until what they gave is enough. One is begun only where those
before it could not be enough whatever they come to, so that nothing is asked that the pairs do not take, and what is
taken is the same whoever answers first, in however many goes. Knows a session; nothing of what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from judgegen import pipeline
from judgegen.judge.belief import Habits
from judgegen.llm import senders
from judgegen.llm.calls import Send
from judgegen.pipeline import Plan
from judgegen.records import Prompt, Result
from judgegen.run.lots import by_lot
from judgegen.run.session import Session
from judgegen.spec import Spec


def most_pairs(spec: Spec) -> int:
    """How many pairs one prompt may give."""
    n = sum(variant.most for variant in spec.sampler.variants)
    return max(1, n * (n - 1) // 2) if spec.pairs.select == "all-above-margin" else 1


@dataclass(slots=True)
class Taking:
    """Prompts as they are taken.

    Attributes:
        ids: those taken.
        pairs: what those of them came to that are answered.
        open: how many are not: each may still give as many pairs as a prompt can.
        lacks: why, by prompt.
        over: whether no prompt is left.
    """

    opened: Session[Prompt, Result]
    send: Send
    see: Callable[[Result], None]
    ids: set[str] = field(default_factory=set)
    pairs: int = 0
    open: int = 0
    lacks: dict[str, str] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    over: bool = False
    _left: Iterator[Prompt] = field(init=False)

    def __post_init__(self) -> None:
        self._left = by_lot(self.opened.items, self.opened.job.spec.seed)

    async def until(self, aim: int) -> None:
        """Take prompts until they gave so many pairs, or could give them if all were answered, or none is left."""
        pending: set[asyncio.Task[Result]] = set()
        try:
            while True:
                self._begin(pending, aim)
                if not pending:
                    return
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._add(task.result())
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _begin(self, pending: set[asyncio.Task[Result]], aim: int) -> None:
        each, window = most_pairs(self.opened.job.spec), self.opened.window
        while len(pending) < window and self.pairs + each * (len(pending) + self.open) < aim:
            prompt = next(self._left, None)
            if prompt is None:
                self.over = True
                return
            self.ids.add(prompt.id)
            pending.add(asyncio.create_task(self.opened.job.through(prompt, self.send)))

    def _add(self, result: Result) -> None:
        self.see(result)
        self.habits.add(result.matches)
        self.pairs += len(result.pairs)
        if result.drop == "incomplete":
            self.open += 1
            self.lacks[result.prompt.id] = result.detail

    def of(self, plan: Plan) -> Session[Prompt, Result]:
        """The session of what is taken alone, under a plan."""
        job = replace(self.opened.job, plan=plan, through=partial(pipeline.through, plan=plan))
        return replace(self.opened, job=job, only=frozenset(self.ids))

    async def kept(self) -> int:
        """Pairs once the judges' habits are taken off: what they are is known when all is answered."""
        if not self.opened.job.plan.wants_habits:
            return self.pairs
        plan = replace(self.opened.job.plan, habits=self.habits.found())
        async with aclosing(self.of(plan).results(senders.recorded(self.opened.journal))) as results:
            return sum([len(result.pairs) async for result in results])


async def taken(opened: Session[Prompt, Result], send: Send, see: Callable[[Result], None]) -> Taking:
    """The prompts that the wanted pairs take; more of them where habits cost some of the pairs."""
    wanted = opened.job.spec.pairs.wanted or 0
    taking, aim = Taking(opened, send, see), wanted
    while True:
        await taking.until(aim)
        if taking.over or taking.open:
            return taking
        if (missing := wanted - await taking.kept()) <= 0:
            return taking
        aim += missing


async def asked(opened: Session[Prompt, Result], send: Send) -> AsyncGenerator[object, None]:
    """All that is to be answered, for a sender that notes what it lacks."""
    yield await taken(opened, send, lambda _: None)
