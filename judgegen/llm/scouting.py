"""The first calls to a model go one at a time until it has answered, so that what it refuses is found out once.

A call that is refused without a known reason waits for what the model answers to others: sent again after that, it is
refused for its own sake. While calls are refused the next to be tried is drawn from all that wait, and after `PATIENCE`
of them nobody is asked any more; else they go in the order in which they came. What was answered in full before is not
waited for. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Outcome, Send
from judgegen.llm.learned import Learned
from judgegen.llm.retry import Doubtful, Transient
from judgegen.llm.stop import Stop

PATIENCE = 10
"""After so many calls in a row that were refused, each sent by itself, a model is taken to refuse everything."""
HOPELESS = 8
"""After so many of a judge's first answers that were cut off, and none that was whole, no more are paid for."""
_MOST_TURNS = 4
_GRACE_S = 0.2
"""Seconds in which an answer that has just come may lead to another call."""

Settled = Callable[[Call], bool]
_Decided = Literal["answered", "alone", "hopeless"]


@dataclass(slots=True)
class _Line:
    """The calls to one model: those under way, those that wait for their turn, those that were refused and wait.

    `refused` counts those in a row, `alone` the ones of them that were under way by themselves.
    """

    flying: int = 0
    open: bool = False
    refused: int = 0
    alone: int = 0
    waiting: dict[asyncio.Future[None], str] = field(default_factory=dict)
    doubted: list[asyncio.Future[_Decided]] = field(default_factory=list)


class Scouts:
    """Lets calls through: freely where their manner is known to be taken, else one at a time."""

    def __init__(self, send: Send, learned: Learned, settled: Settled, stop: Stop) -> None:
        self._send, self._learned, self._settled, self._stop = send, learned, settled, stop
        self._lines: dict[tuple[str, str], _Line] = defaultdict(_Line)

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer one call; one that is refused for an unknown reason is sent again when others were answered."""
        line = self._lines[call.tag.route, call.model]
        for turn in range(_MOST_TURNS):
            try:
                return await self._sent(line, call)
            except Doubtful as doubt:
                decided = await self._decided(line)
                lost = decided == "hopeless" or not self._learned.of(call).answered or turn == _MOST_TURNS - 1
                if lost and doubt.means is not None and not self._learned.of(call).answers:
                    raise doubt.means from None
                if lost:
                    raise
        raise AssertionError("unreachable")

    async def _sent(self, line: _Line, call: Call) -> Outcome:
        await self._turn(line, call)
        line.flying += 1
        alone = line.flying == 1
        try:
            outcome = await self._send(self._roomy(call))
        except Transient:
            line.open = True  # it is not what is asked that fails: waiting for one another would only take longer
            raise
        except Doubtful:
            line.refused += 1
            line.alone += alone
            raise
        else:
            line.refused = line.alone = 0
            _decide(line, "answered")
            self._check_hope(call)
            return outcome
        finally:
            line.flying -= 1
            self._next(line)

    def _roomy(self, call: Call) -> Call:
        room = self._learned.room(call)
        return call if room <= call.room else replace(call, room=room)

    def _check_hope(self, call: Call) -> None:
        """Stop a run whose judge is cut off every time."""
        known = self._learned.of(call)
        if call.tag.role == "judge" and known.cut >= HOPELESS and not known.whole:
            had = (call.max_tokens or 0) + self._learned.room(call)
            self._stop.request(
                ProviderRefused(
                    f"the first {known.cut} answers of the judge {call.model} were cut off within {had} tokens, "
                    f"thought included, and all are billed; set judge.max_tokens to more, or a lower reasoning_effort"
                )
            )

    async def _turn(self, line: _Line, call: Call) -> None:
        """Wait until this call may go."""
        while not self._stop.requested and not self._may_go(line, call):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line.waiting[turn] = call.id
            try:
                await self._stop.unless(_awaited(turn))
            finally:
                line.waiting.pop(turn, None)

    def _may_go(self, line: _Line, call: Call) -> bool:
        if not line.flying:
            return True
        return line.refused < PATIENCE and (line.open or self._settled(call))

    def _next(self, line: _Line) -> None:
        """Wake all that wait, by lot after a refusal: who may go goes. Where nobody is left, those refused are told."""
        for turn in sorted(line.waiting, key=line.waiting.__getitem__) if line.refused else list(line.waiting):
            if not turn.done():
                turn.set_result(None)
        if line.alone >= PATIENCE and not line.flying:
            _decide(line, "hopeless")
        elif self._idle():
            asyncio.get_running_loop().call_later(_GRACE_S, self._end_of_waiting)

    def _idle(self) -> bool:
        busy = any(line.flying or line.waiting for line in self._lines.values())
        return not busy and any(line.doubted for line in self._lines.values())

    def _end_of_waiting(self) -> None:
        if self._idle():
            for line in self._lines.values():
                _decide(line, "alone")

    async def _decided(self, line: _Line) -> _Decided:
        """Wait until the model has answered another call, or nobody is left to be answered."""
        decision: asyncio.Future[_Decided] = asyncio.get_running_loop().create_future()
        line.doubted.append(decision)
        self._next(line)
        await self._stop.unless(_awaited(decision))
        return decision.result() if decision.done() else "hopeless"


def _decide(line: _Line, how: _Decided) -> None:
    for decision in line.doubted:
        if not decision.done():
            decision.set_result(how)
    line.doubted.clear()


async def _awaited(future: asyncio.Future[Any]) -> None:
    await asyncio.wait({future})
