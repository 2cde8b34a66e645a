"""What was asked for one prompt, with its answers, in the order of asking, whichever answer came first.

Inside `recording()` every answer that passes `ask` is noted. What is asked at once by `together` is noted branch by
branch: a branch writes into a list of its own, and the lists follow one another as the branches were given. Knows
nothing of prompts or of who answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from judgegen.errors import Unanswered
from judgegen.llm.calls import Call, Outcome, Send

T = TypeVar("T")
Asked = list[tuple[Call, Outcome]]
_here: ContextVar[Asked] = ContextVar("asked")


@contextmanager
def recording() -> Iterator[Asked]:
    """A list that holds, when the block ends in whatever way, what was answered within it."""
    asked: Asked = []
    token = _here.set(asked)
    try:
        yield asked
    finally:
        _here.reset(token)


async def ask(send: Send, call: Call) -> Outcome:
    """Answer one call, and note it."""
    outcome = await send(call)
    _here.get().append((call, outcome))
    return outcome


def remembering(send: Send) -> Send:
    """A sender that asks for each call once, and has its answer from then on."""
    known: dict[str, Outcome] = {}

    async def once(call: Call) -> Outcome:
        if call.id not in known:
            known[call.id] = await send(call)
        return known[call.id]

    return once


def once_each(asked: Asked) -> tuple[tuple[Call, Outcome], ...]:
    """What was asked without what was asked before."""
    found: dict[str, tuple[Call, Outcome]] = {}
    for call, outcome in asked:
        found.setdefault(call.id, (call, outcome))
    return tuple(found.values())


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all to their end, note what was answered in the order of asking, then raise what went wrong first.

    Unlike a TaskGroup this does not cancel the others: which answers an incomplete prompt has must not depend on which
    of its calls failed first. An error that ends the run goes before one that only leaves a prompt unanswered.
    """
    work = list(work)
    if len(work) < 2:  # what is asked alone needs no branch
        return [await one for one in work]
    branches: list[tuple[Coroutine[Any, Any, T], Asked]] = [(one, []) for one in work]
    done = await asyncio.gather(*(_branch(one, kept) for one, kept in branches), return_exceptions=True)
    for _, kept in branches:
        _here.get().extend(kept)
    errors = [answer for answer in done if isinstance(answer, BaseException)]
    for error in sorted(errors, key=lambda e: isinstance(e, Unanswered)):
        raise error
    return [answer for answer in done if not isinstance(answer, BaseException)]


async def _branch(work: Coroutine[Any, Any, T], kept: Asked) -> T:
    """One branch in a task of its own, whose context begins as its parent's and is seen by nobody else."""
    _here.set(kept)
    return await work
