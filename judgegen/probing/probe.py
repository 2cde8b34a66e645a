"""Probe: every need of a run file put to its models once, and what their answers show.

The calls go through a run's own sender, ledger and journal, in the run's folder: what is learned of a model is known
to the run, and what was answered is not asked again. Each need has a sender of its own, so that one that is refused
ends nothing for the others. Knows nothing of terminals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from judgegen.errors import BudgetReached, Incomplete, JudgegenError, ProviderRefused, Unanswered
from judgegen.llm import dialects
from judgegen.llm.calls import Call, Failure, Outcome, Send
from judgegen.llm.facts import Facts
from judgegen.llm.journal import Journal
from judgegen.llm.learned import Learned
from judgegen.llm.recording import recording
from judgegen.llm.stop import Stop
from judgegen.pipeline import Plan
from judgegen.plan.run import plan, texts
from judgegen.probing.findings import Grounds, Trait, findings
from judgegen.probing.needs import PROMPT, Drawing, Draws, Need, NeedAnswer, Opinion, Place, needs
from judgegen.probing.report import Model, Probe, lacks
from judgegen.records import Candidate, Prompt, Result
from judgegen.run import live
from judgegen.run.estimate import count
from judgegen.run.session import Given, aside, ended, resolve
from judgegen.spec import Spec
from judgegen.watch import Watch

if TYPE_CHECKING:
    from judgegen.run.expected import Estimate

RETRIES = 3
"""Times that a call is sent again which failed in passing, where the run file allows more: a probe is not patient."""


@dataclass(slots=True)
class _Answered:
    """What came of one need."""

    need: Need
    calls: list[tuple[Call, Outcome]] = field(default_factory=list)
    answer: NeedAnswer | None = None
    error: JudgegenError | None = None

    @property
    def lacks(self) -> list[tuple[str, str, str]]:
        """Why what came is of no use to a run, as (role, why, mend)."""
        words = [outcome.detail for _, outcome in self.calls if isinstance(outcome, Failure) and outcome.final]
        return [] if self.answer is None else lacks(self.need, self.answer, "; ".join(dict.fromkeys(words)))


class _Once(Watch):
    """Passes on what happens, and each warning once: every need has a sender of its own, which would say it again."""

    def __init__(self, watch: Watch) -> None:
        self._said: set[str] = set()
        self.sent, self.landed, self.retried = watch.sent, watch.landed, watch.retried  # type: ignore[method-assign]
        self._warned = watch.warned

    def warned(self, message: str) -> None:
        """Say it, unless that was said."""
        if message not in self._said:
            self._said.add(message)
            self._warned(message)


@dataclass(slots=True, kw_only=True)
class _Desk:
    """Where needs are put: the journal, the prices, the cap, and who watches."""

    spec: Spec
    journal: Journal
    rates: live.Rates
    cap: Decimal | None
    watch: Watch
    stop: Stop
    from_journal: int = 0

    async def heard(self, need: Need, answers: Sequence[Candidate]) -> _Answered:
        """Put one need; what goes wrong with it stays with it, unless it would go wrong with all."""
        found = _Answered(need)
        with recording() as asked:
            try:
                async with self._sender(need) as send:
                    found.answer = await need.ask(send, answers)
            except Unanswered as lack:
                found.error = found.error or Incomplete(str(lack))
            except JudgegenError as error:
                found.error = error
        found.calls = list(asked)
        return found

    @asynccontextmanager
    async def _sender(self, need: Need) -> AsyncIterator[Send]:
        """A run's sender to those whom this need asks.

        Raises:
            JudgegenError: what ended it, where something did.
        """
        known = {place: self.rates[place] for place in need.places}
        own = Stop()
        passing = asyncio.ensure_future(_passed_on(self.stop, own))
        try:
            async with live.live(self.spec, self.journal, known, self.cap, self.watch, own) as once:
                yield once
                self.from_journal += once.from_journal
        except Unanswered:
            if own.error is not None:
                raise own.error from None
            raise
        finally:
            passing.cancel()
            if isinstance(own.error, BudgetReached):
                self.stop.request(own.error)


async def _passed_on(outer: Stop, inner: Stop) -> None:
    """Stop the one when the other is stopped."""
    await outer.unless(_for_ever())
    if outer.error is not None:
        inner.request(outer.error)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def probe(
    spec: Given,
    *,
    out: str | Path | None = None,
    max_usd: Decimal | float | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Probe:
    """Ask every model of a run file a few tiny things, and say what it does and what a run will do about it.

    What the journal answers is not sent again; a probe into another folder asks anew.

    Args:
        spec: a run file's path, its table, or a Spec.
        out: the run folder, runs/<name> unless given.
        max_usd: the most the folder may cost in all, instead of the run file's budget.max_usd.
        watch: sees the calls go.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused: a run could not work; the Probe is there as `run`, as it is on the others.
        BudgetReached, Incomplete, Interrupted: something was not found out.
    """
    resolved, base, folder = resolve(spec, out, judging=True)
    steps = plan(resolved, texts(resolved, base), base)
    rates, watch, stop = _rates(resolved, steps), watch or Watch(), stop or Stop()
    cap = resolved.budget.max_usd if max_usd is None else Decimal(str(max_usd))
    with live.opened(folder) as journal:
        desk = _Desk(spec=_impatient(resolved), journal=journal, rates=rates, cap=cap, watch=_Once(watch), stop=stop)
        every = needs(steps)
        watch.started(prompts=len(every), folder=str(folder))
        heard = await _all(desk, every, watch)
        contexts = await _contexts(resolved, rates)
        done = _report(resolved, heard, desk, contexts, folder)
    return ended(done, stop.error, done.refused, done.lacking)


def expected(spec: Given, *, out: str | Path | None = None) -> Estimate:
    """What `probe` will take beyond what its journal answers. Sends and writes nothing.

    Raises:
        SpecError, PriceUnknown, JournalError: as `probe` would.
    """
    return aside(partial(_counted, spec, out))


def _counted(spec: Given, out: str | Path | None) -> Estimate:
    resolved, base, folder = resolve(spec, out, judging=True)
    steps = plan(resolved, texts(resolved, base), base)
    _rates(resolved, steps)
    with Journal.if_any(folder) as journal:
        return count(resolved, steps, [PROMPT], journal, partial(_through, steps=steps))


async def _through(_: Prompt, send: Send, steps: Plan) -> None:
    """Every need, before one sender."""
    answers: list[Candidate] = []
    with recording():
        for need in needs(steps):
            answers += _competing(await need.ask(send, answers))


def _rates(resolved: Spec, steps: Plan) -> live.Rates:
    return live.rates(resolved, live.samplers(steps) | live.judges(steps))


def _impatient(resolved: Spec) -> Spec:
    fewer = {
        name: one.model_copy(update={"max_retries": min(one.max_retries, RETRIES)})
        for name, one in resolved.endpoints.items()
    }
    return resolved.model_copy(update={"endpoints": fewer})


async def _all(desk: _Desk, every: Sequence[Need], watch: Watch) -> list[_Answered]:
    """One need after the other: what the first shows of a model is known to the next."""
    heard: list[_Answered] = []
    answers: list[Candidate] = []
    for need in every:
        if desk.stop.requested:
            break
        if isinstance(need, Draws) and any(one.error and one.need.place == need.place for one in heard):
            continue  # nothing can be drawn from a model that refuses, or does not answer, a variant
        found = await desk.heard(need, answers)
        if found.answer is not None:
            answers += _competing(found.answer)
        heard.append(found)
        watch.finished(Result(prompt=PROMPT, calls=tuple(found.calls)))
    return heard


def _competing(answer: NeedAnswer) -> list[Candidate]:
    return [one for one in answer.candidates if one.refused is None]


async def _contexts(resolved: Spec, rates: live.Rates) -> dict[Place, int]:
    """Tokens of each model's context, of those whose servers say it."""
    found: dict[Place, int] = {}
    for name in sorted({route for route, _ in rates}):
        endpoint = resolved.endpoints[name]
        if endpoint.listing.contexts is not None:
            by_model = await endpoint.listing.contexts(endpoint, name)
            found |= {(name, model): size for model, size in by_model.items()}
    return found


def _report(resolved: Spec, heard: Sequence[_Answered], desk: _Desk, contexts: dict[Place, int], folder: Path) -> Probe:
    facts = Facts(desk.journal.path)
    learned = Learned(facts)
    places = dict.fromkeys(one.need.place for one in heard)
    asked = {call.id: outcome for one in heard for call, outcome in one.calls}
    by_place = {place: [one for one in heard if one.need.place == place] for place in places}
    rows = [_model(resolved, place, mine, learned, contexts) for place, mine in by_place.items()]
    facts.close()
    costs = [outcome.cost or Decimal(0) for outcome in asked.values()]
    return Probe(
        models=tuple(rows),
        calls=len(asked),
        from_journal=desk.from_journal,
        cost_usd=sum(costs, Decimal(0)),
        folder=folder,
        unfit=_unfit(heard),
    )


def _model(
    resolved: Spec, place: Place, heard: Sequence[_Answered], learned: Learned, contexts: dict[Place, int]
) -> Model:
    route, model = place
    return Model(
        endpoint=route,
        address=resolved.endpoints[route].address,
        model=model,
        roles=tuple(dict.fromkeys(one.need.role for one in heard if not isinstance(one.need, Draws))),
        findings=_findings(resolved, place, heard, learned, contexts),
        refused=tuple(dict.fromkeys(str(one.error) for one in heard if isinstance(one.error, ProviderRefused))),
        unanswered=tuple(dict.fromkeys(str(one.error) for one in heard if isinstance(one.error, Incomplete))),
        lacks=tuple(lack for one in heard for lack in one.lacks),
    )


def _findings(
    resolved: Spec, place: Place, heard: Sequence[_Answered], learned: Learned, contexts: dict[Place, int]
) -> tuple[Trait, ...]:
    endpoint = resolved.endpoints[place[0]]
    mine = [(one.need, call, outcome) for one in heard for call, outcome in one.calls if call.model == place[1]]
    if not mine:
        return ()
    drawn = {draw.call.id: draw for one in heard if isinstance(one.need, Draws) for draw in one.need.draws}
    known = learned.of(mine[0][1])
    family = dialects.spoken_at(endpoint.base_url or "")
    return findings(
        Grounds(
            samples=[(call, outcome) for need, call, outcome in mine if isinstance(need, Drawing)],
            verdicts=[(call, outcome) for need, call, outcome in mine if isinstance(need, Opinion)],
            draws=[(drawn[call.id], outcome) for _, call, outcome in mine if call.id in drawn],
            known=known,
            limit=dialects.limit_name(endpoint.base_url or ""),
            system_role=endpoint.system_role,
            silent=frozenset() if family is None else frozenset(family.ignores),
            context=contexts.get(place) or known.context or None,
        )
    )


def _unfit(heard: Sequence[_Answered]) -> str | None:
    """Why there could be no candidates at all; None where there are some, or it was not found out."""
    drawn = [one for one in heard if isinstance(one.need, Drawing)]
    if not drawn or any(one.answer is None or not one.lacks for one in drawn):
        return None
    return "no variant gives an answer that may compete"
