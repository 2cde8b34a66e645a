"""What was asked for one prompt, with its answers, in the order of asking, whichever answer came first.

Inside `recording()` every answer that passes `ask` is noted. What is asked at once by `together` is noted branch by
branch: a branch writes into a list of its own, and the lists follow one another as the branches were given. Knows
nothing of prompts or of who answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
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
    kept: list[Asked] = [[] for _ in work]
    branches = [asyncio.create_task(_branch(one, asked)) for one, asked in zip(work, kept, strict=True)]
    errors = await _over(branches)
    here = _here.get()
    for asked in kept:
        here.extend(asked)
    if errors:
        try:
            raise min(errors, key=lambda error: isinstance(error, Unanswered))
        finally:  # an error holds this frame, and what the frame holds would hold the error
            del errors, branches
    return [branch.result() for branch in branches]


async def _over(branches: Sequence[asyncio.Task[Any]]) -> list[BaseException]:
    """Wait for all of them; what went wrong, in their order. Whoever is cancelled meanwhile cancels them first.

    What `asyncio.gather` does in Python for each of them is a good part of what a call costs.
    """
    errors = list[BaseException]()
    for branch in branches:
        try:
            await branch
        except BaseException as error:
            if (mine := asyncio.current_task()) is not None and mine.cancelling():
                await _given_up(branches)
                raise
            errors.append(error.with_traceback(None) if isinstance(error, Unanswered) else error)
    return errors


async def _given_up(branches: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel all of them."""
    for branch in branches:
        branch.cancel()
    await asyncio.gather(*branches, return_exceptions=True)


async def _branch(work: Coroutine[Any, Any, T], kept: Asked) -> T:
    """One branch in a task of its own, whose context begins as its parent's and is seen by nobody else."""
    _here.set(kept)
    return await work
