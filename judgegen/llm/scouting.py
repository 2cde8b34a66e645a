"""The first calls to a model go one at a time until it has answered, so that what it refuses is found out once.

A call that is refused without a known reason waits for what the model answers to others: sent again after that, it is
refused for its own sake. Where no others are left the model is asked for a word: a key that ran out midway must not be
taken for the fault of all the rows that are left; and so it is where the last call fails without a reason, thrice,
which shows whether a server is there that breaks over it. While calls are refused the next to be tried is drawn from
all that wait, and after `PATIENCE` of them nobody is asked any more; else they go in the order in which they came. What
was answered in full before is not waited for. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judgegen.errors import ProviderRefused, Unanswered
from judgegen.llm.calls import PROBE, Call, Outcome, Reply, Send
from judgegen.llm.learned import Learned
from judgegen.llm.retry import Doubtful, Rejected, Transient
from judgegen.llm.stop import Stop

PATIENCE = 10
"""After so many calls in a row that were refused, each sent by itself, a model is taken to refuse everything."""
HOPELESS = 8
"""After so many of a judge's first answers that were cut off, and none that was whole, no more are paid for."""
_MOST_TURNS = 4
_OFTEN = 3
"""So often a call fails before its model is asked for a word: that is paid for, and most failures pass."""
_GRACE_S = 0.2
"""Seconds in which an answer that has just come may lead to another call."""

_WORD = ({"role": "user", "content": "Say yes."},)
_WORD_TOKENS = 32

Settled = Callable[[Call], bool]
_Decided = Literal["answered", "alone", "hopeless", "unknown"]


@dataclass(slots=True)
class _Line:
    """The calls to one model: those under way, those that wait for their turn, those that were refused and wait.

    `refused` counts those in a row, `alone` the ones of them that were under way by themselves; those that were
    `doubted` wait with the number of the last call that was sent by then. `good` was answered, `word` is asked for now.
    """

    flying: int = 0
    open: bool = False
    refused: int = 0
    alone: int = 0
    waiting: dict[asyncio.Future[None], str] = field(default_factory=dict)
    doubted: dict[asyncio.Future[_Decided], int] = field(default_factory=dict)
    good: Call | None = None
    word: asyncio.Task[_Decided] | None = None


class Scouts:
    """Lets calls through: freely where their manner is known to be taken, else one at a time."""

    def __init__(self, send: Send, learned: Learned, settled: Settled, stop: Stop) -> None:
        self._send, self._learned, self._settled, self._stop = send, learned, settled, stop
        self._lines: dict[tuple[str, str], _Line] = defaultdict(_Line)
        self._failed: Counter[str] = Counter()
        self._looked: set[str] = set()

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer one call; one that is refused for an unknown reason is sent again when others were answered."""
        line = self._lines[call.tag.route, call.model]
        for turn in range(_MOST_TURNS):
            try:
                return await self._sent(line, call)
            except Transient as trouble:
                if self._last(line, call, trouble):
                    await self._word(line, call)
                raise
            except Doubtful as doubt:
                decided = await self._decided(line, call)
                known = self._learned.of(call)
                if decided in ("alone", "hopeless") and known.answered:
                    decided = await self._word(line, call)
                lost = decided in ("hopeless", "unknown") or not known.answered or turn == _MOST_TURNS - 1
                if lost and doubt.means is not None and (decided == "hopeless" or not known.answers):
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
            line.good = call
            _decide(line, "answered", self._learned.of(call).alive)
            self._check_hope(call)
            return outcome
        finally:
            line.flying -= 1
            self._next(line)

    def _last(self, line: _Line, call: Call, trouble: Transient) -> bool:
        """Whether a call failed so often without a reason, and nobody else is asked, who might show it; told once."""
        if not trouble.unexplained or not self._learned.of(call).answered:
            return False
        self._failed[call.id] += 1
        if line.flying or call.id in self._looked or self._failed[call.id] < _OFTEN:
            return False
        self._looked.add(call.id)
        return True

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
        elif not line.flying and self._idle():
            asyncio.get_running_loop().call_later(_GRACE_S, self._end_of_waiting)

    def _idle(self) -> bool:
        busy = any(line.flying or line.waiting for line in self._lines.values())
        return not busy and any(line.doubted for line in self._lines.values())

    def _end_of_waiting(self) -> None:
        if self._idle():
            for line in self._lines.values():
                _decide(line, "alone")

    async def _word(self, line: _Line, call: Call) -> _Decided:
        """Whether the model, asked for a word, answers; all that were refused share what it comes to."""
        if line.word is None:
            line.word = asyncio.create_task(self._asked_for_a_word(line, call))
            line.word.add_done_callback(lambda _: setattr(line, "word", None))
        word = line.word
        await self._stop.unless(_awaited(word))
        return word.result() if word.done() else "unknown"

    async def _asked_for_a_word(self, line: _Line, call: Call) -> _Decided:
        """It is paid for and kept like any call; one that is no chat is asked what it has answered before."""
        if call.api != "chat" and line.good is None:
            return "unknown"
        tag = replace(call.tag, role="sampler", prompt_id=PROBE, variant="")
        like = replace(line.good or call, tag=tag, draw=random.getrandbits(48))
        if call.api == "chat":
            like = replace(like, messages=_WORD, params={"max_tokens": _WORD_TOKENS}, wishes=frozenset(), room=0)
        try:
            answered = isinstance(await self._send(like), Reply)
        except Rejected:
            return "hopeless"
        except (Transient, Unanswered):
            return "unknown"
        line.refused = line.alone = 0
        return "answered" if answered else "unknown"

    async def _decided(self, line: _Line, call: Call) -> _Decided:
        """Wait until the model has answered a call that was sent later, or nobody is left to be answered."""
        decision: asyncio.Future[_Decided] = asyncio.get_running_loop().create_future()
        line.doubted[decision] = self._learned.of(call).begun
        self._next(line)
        await self._stop.unless(_awaited(decision))
        return decision.result() if decision.done() else "hopeless"


def _decide(line: _Line, how: _Decided, alive: int | None = None) -> None:
    """Tell those that were refused before call number `alive` was sent; None for all."""
    for decision in [one for one, at in line.doubted.items() if alive is None or at < alive]:
        del line.doubted[decision]
        if not decision.done():
            decision.set_result(how)


async def _awaited(future: asyncio.Future[Any]) -> None:
    await asyncio.wait({future})
