"""Paces the calls to one endpoint: how many at once, per minute, tokens per minute, and pauses the server asks for.

One dispatcher per endpoint gives turns, first come, first served; it alone awaits a pace, whose every waiter polls.
Tokens are reserved before a call and settled after. Whatever is killed and begun again within a minute keeps the limit
of that minute without remembering it: nothing is there at first. Knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from judgegen.errors import Incomplete, Unanswered
from judgegen.llm.lent import Lent
from judgegen.llm.outage import Outage
from judgegen.llm.pace import Pace, Ration
from judgegen.llm.stop import Stop
from judgegen.llm.width import Width

_TOKENS = (0.03, 0.95)
"""Of a limit on tokens: what may lie in its bucket, and what flows. Together they are less than the limit, so that no
minute sees more, however the server cuts it: a full bucket, and all that flows while it lasts."""
_KEEPING = 4
"""Of so many places one is another call's while its answer is being kept."""
_LONG_S = 5.0
"""Seconds without room from which on it comes back by little."""
_FRESH_S = 0.3
"""Seconds that a turn lasts. The part of a limit that does not flow bears calls that leave 0.7 s after their turn among
others that leave at once; what that is more is for the way to the server."""


class Bucket:
    """Tokens a minute, at a steady pace; a call of more than it holds is waited for until all of it is there.

    Empty at first: a run before this one may have used all there was and been killed a moment ago. So nothing is owed
    that a kill could forget, but for what answers used beyond their reservations. A minute may see more than `tpm` only
    by part of one call that is larger than the capacity.
    """

    def __init__(self, tpm: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.capacity, self.rate = _TOKENS[0] * tpm, _TOKENS[1] * tpm / 60
        self.level = 0.0
        self._most = self.capacity
        self._at = clock()

    def wait_s(self, need: float) -> float:
        """Seconds until what the next call needs is there, unless more is given back; zero where it is."""
        now = self._clock()
        self._most = max(self.capacity, need)
        self.level = min(self._most, self.level + (now - self._at) * self.rate)
        self._at = now
        return max(0.0, (need - self.level) / self.rate)

    def take(self, need: float) -> None:
        """The next call goes."""
        self.level, self._most = self.level - need, self.capacity

    def add(self, tokens: float) -> None:
        """Give back what was reserved and not used, or take what was used beyond it (negative)."""
        self.level = min(self._most, self.level + tokens)


class Slot:
    """Leave to make one call, of which `tokens` are reserved, within an async block: from its turn to the block's end.

    Its place is free for another call as soon as the answer is there, which is kept while that one is asked; for a
    quarter of the places at once: so a slow disk slows the sending, and little is lost where the process is killed.

    Raises:
        Unanswered: on entering: turns are given no more; why, is what stops the run.
    """

    __slots__ = ("_began", "_first", "_gate", "_kept", "_tokens", "_told")

    def __init__(self, gate: Turnstile, tokens: float, *, first: bool) -> None:
        self._gate, self._tokens, self._first = gate, tokens, first
        self._began = 0.0
        self._told = self._kept = False

    async def __aenter__(self) -> Self:
        self._began = await self._gate.enter(self._tokens, first=self._first)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept:
            self._gate.keeping -= 1
        else:
            self._gate.leave()

    def answered(self) -> None:
        """The answer is there, and about to be kept."""
        gate, self._told = self._gate, True
        gate.width.answered(self._began, full=gate.filled_at >= self._began)
        if gate.keeping < gate.width.places // _KEEPING:
            self._kept = True
            gate.keeping += 1
            gate.leave()

    async def fresh(self) -> None:
        """Return when the call may be sent: now, unless something kept it since its turn; then it has to take another.

        Turns that were kept would go together, more in a minute than the pace allows. What the first one reserved is
        not given back: it has flowed.

        Raises:
            Unanswered: turns are given no more.
        """
        if self._gate.paced and self._gate.clock() - self._began > _FRESH_S:
            self._began = await self._gate.again(self._tokens)

    def settle(self, tokens: float) -> None:
        """The call was answered and used `tokens`; the rest of the reservation is given back."""
        if not self._told:
            self._gate.width.answered(self._began, full=self._gate.filled_at >= self._began)
        if self._gate.bucket is not None:
            self._gate.bucket.add(self._tokens - tokens)

    def slowed(self, *, late: bool) -> None:
        """The server shows that it has too much to do, by saying so or by coming too `late`."""
        self._gate.width.cut(self._began, late=late)

    def refused(self, retry_after: float | None) -> None:
        """The call was one too many for the server, who has room in `retry_after` seconds, if it says so.

        Where a pace is known by that, fewer at once would only keep it from being reached when there is room again;
        but for what is said to last so long that it has to be a minute's end, after which room comes as it went.
        """
        self._gate.ration.refused(self._began, retry_after)
        if retry_after is not None and retry_after > _LONG_S:
            self._gate.width.close()
        elif self._gate.ration.rpm is None:
            self.slowed(late=False)


class Waited:
    """Seconds that whoever is next had to wait, by what kept them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._now: tuple[str, float] | None = None

    @contextmanager
    def by(self, what: str) -> Iterator[None]:
        """Within the block, `what` keeps them."""
        began = self._clock()
        self._now = (what, began)
        try:
            yield
        finally:
            self._now = None
            self._seconds[what] = self._seconds.get(what, 0.0) + self._clock() - began

    def seconds(self) -> Mapping[str, float]:
        """Until now, the wait that goes on included; from any thread."""
        found, now = dict(self._seconds), self._now
        if now is not None:
            found[now[0]] = found.get(now[0], 0.0) + self._clock() - now[1]
        return found


_Waiting = tuple[asyncio.Future[float], float]
"""Who waits, to hear when its turn was, and the tokens to reserve."""


class Turnstile:
    """The way to one endpoint. `pause` holds everybody; a stopping run lets everybody through to see that it stops.

    As wide as the endpoint bears, `concurrency` at most; `timeout_s` is when an answer of it is late. What is `lent`
    goes in the place of a pace of its own: `rpm` and `tpm` are then those of the whole.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        rpm: float | None,
        tpm: float | None,
        stop: Stop,
        timeout_s: float = math.inf,
        lent: Lent | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lent, self.clock = lent, clock
        self.paced = rpm is not None or tpm is not None
        self.bucket = None if tpm is None else Bucket(tpm, clock) if lent is None else lent
        self._requests = None if rpm is None or lent is not None else Pace(rpm)
        self.width, self.outage = Width(concurrency, timeout_s=timeout_s), Outage()
        self.ration = Ration(clock)
        self.flying = 0
        self.keeping = 0  # answers that are there and not yet kept, and hold no place
        self._held = Waited()
        self._stop = stop
        self._until = 0.0
        self._again: deque[_Waiting] = deque()  # these have a place
        self._first: deque[_Waiting] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._arrived, self._left = asyncio.Event(), asyncio.Event()
        self.filled_at = -math.inf  # when a turn took the last place
        self._dispatcher: asyncio.Task[None] | None = None

    def slot(self, tokens: float, *, first: bool = False) -> Slot:
        """A turn that is waited for, before all that do not come `first`; its place is free when the block ends."""
        return Slot(self, tokens, first=first)

    async def enter(self, tokens: float, *, first: bool = False) -> float:
        """Wait for a turn and take a place, until `leave`; when the turn was.

        Raises:
            Unanswered: turns are given no more; why, is what stops the run.
        """
        if self._open() and not self._line() and not self._full():
            self.flying += 1
            return self._sent()
        turn = self._queued(self._first if first else self._waiting, tokens)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    async def again(self, tokens: float) -> float:
        """Wait for another turn with the place that a call has, before all that have none; when it was.

        Raises:
            Unanswered: as `slot`.
        """
        turn = self._queued(self._again, tokens)
        self._left.set()
        return await turn

    def _queued(self, line: deque[_Waiting], tokens: float) -> asyncio.Future[float]:
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        line.append((turn, tokens))
        self._arrived.set()
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.create_task(self._dispatch())
        return turn

    def leave(self) -> None:
        """Free a place. Where nothing but places is kept, who is next has it at once, without the dispatcher."""
        self.flying -= 1
        while self._open() and not self._full() and (line := self._line()):
            self._given(line)
        if not (self._open() and self._line()):
            self._left.set()

    def _open(self) -> bool:
        """Whether turns depend on places alone."""
        free = not self.paced and self.ration.rpm is None and self._lent is None
        return free and self._until <= self.clock()

    def _sent(self) -> float:
        """A call goes: when."""
        now = self.clock()
        self.ration.sent(now)
        if self.flying >= self.width.places:
            self.filled_at = now
        return now

    def _given(self, line: deque[_Waiting]) -> None:
        """Give the first of a line its turn, unless it was cancelled meanwhile."""
        turn, _ = line.popleft()
        if not turn.done():
            self.flying += line is not self._again
            turn.set_result(self._sent())

    def held(self) -> Mapping[str, float]:
        """Seconds that the next call had to wait, by what: rpm, tpm, concurrency, server (which bears no more)."""
        return self._held.seconds()

    def waiting(self) -> list[float]:
        """What those reserve who wait for a turn, in the order in which they get one."""
        return [tokens for turn, tokens in (*self._again, *self._first, *self._waiting) if not turn.done()]

    def wake(self) -> None:
        """Look again whether there is a place: what was lent has changed, or the run is stopping."""
        self._left.set()

    def pause(self, seconds: float) -> float:
        """Send nothing for `seconds`, as the server asked; how many seconds longer that is than before."""
        before = max(self._until, self.clock())
        self._until = max(self._until, self.clock() + seconds)
        return self._until - before

    async def aclose(self) -> None:
        """End the dispatcher."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)

    async def _dispatch(self) -> None:
        """Give turns; whatever ends that, nobody is left waiting for one."""
        try:
            while True:
                await self._next()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait have to hear of it
            self._stop.request(Incomplete(f"the pace of an endpoint cannot be kept ({error!r}); run again"))
            while line := self._line():
                turn, _ = line.popleft()
                if not turn.done():
                    turn.set_exception(Unanswered(f"not sent: {error!r}"))

    async def _next(self) -> None:
        """The next turn, when there is somebody waiting and a place free."""
        while not self._line():
            self._arrived.clear()
            await self._arrived.wait()
        while self._full() and not self._again:
            self._left.clear()
            with self._held.by("server" if self.width.narrowed else "concurrency"):
                await self._left.wait()
        if not (line := self._line()):  # who waited has had a place meanwhile
            return
        turn, tokens = line[0]
        if not turn.done():
            await self._pace(tokens)
        if line and line[0][0] is turn:
            self._given(line)

    def _full(self) -> bool:
        if self._lent is None:
            return self.flying >= self.width.places
        return self.flying >= min(self.width.places, self._lent.places) and not self._stop.requested

    def _line(self) -> deque[_Waiting]:
        """Whose turn is next; empty where nobody waits."""
        return self._again or self._first or self._waiting

    async def _pace(self, tokens: float) -> None:
        while (wait := self._until - self.clock()) > 0 and not self._stop.requested:
            with self._held.by("server"):
                await self._stop.sleep(wait)
        if self.ration.rpm is not None and not self._stop.requested:
            with self._held.by("server"):
                await self._stop.unless(self.ration.turn())
        if self._lent is not None:
            await self._lease(self._lent, tokens)
            return
        if self._requests is not None and not self._stop.requested:
            with self._held.by("rpm"):
                await self._stop.unless(self._requests.turn())
        if isinstance(self.bucket, Bucket):
            while (wait := self.bucket.wait_s(tokens)) > 0 and not self._stop.requested:
                with self._held.by("tpm"):
                    await self._stop.unless(self._given_back(wait))
            self.bucket.take(tokens)

    async def _given_back(self, within_s: float) -> None:
        """Until a call has ended, which may have given back some of what it reserved; `within_s` at most."""
        self._left.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), within_s)

    async def _lease(self, lent: Lent, tokens: float) -> None:
        """Wait until enough was lent for a call of so many tokens, and use it."""
        lent.head = tokens
        while (what := lent.lacks(tokens)) and not self._stop.requested:
            with self._held.by(what):
                await self._stop.unless(lent.more())
        lent.head = 0.0
        lent.take(tokens)
