"""Check and calibrate: labelled comparisons put to a run file's judge, and what its verdicts are worth beside votes.

Every call goes through the same sender as a run's and into a journal of its own, so a check can be stopped, continued
and capped like a run. What is measured is the judge's own P, before any calibration. Knows nothing of terminals.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen import pipeline
from judgegen.api import default_out, resolve, spread
from judgegen.errors import Incomplete, JudgegenError, SpecError, Unanswered
from judgegen.llm.calls import Send
from judgegen.llm.journal import Journal
from judgegen.llm.recording import recording
from judgegen.llm.senders import Once
from judgegen.llm.stop import Stop
from judgegen.pipeline import Plan
from judgegen.plan import run as plan
from judgegen.plan.fitting import judge_of
from judgegen.records import Result
from judgegen.run import live
from judgegen.sources.labelled import Labelled
from judgegen.spec import Spec
from judgegen.study import comparisons
from judgegen.study.comparisons import Rows
from judgegen.trust import Judged, Report, by_vote, evidence, fit_map, gate, judged, report
from judgegen.trust.figures import extra
from judgegen.watch import Watch
from judgegen.writer.calibrated import Calibration
from judgegen.writer.money import plain

if TYPE_CHECKING:
    from pandas import DataFrame

TARGET, CONFIDENCE = 0.9, 0.95
"""What is asked of kept pairs unless something else is: agreement with humans, and how sure that is to hold."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check came to.

    Attributes:
        report: every figure with its interval.
        rows: one judged pair per comparison that was answered, in the file's order; `ids` are the comparisons' own.
        judge: the models that may be asked, "grader" where there is none.
        incomplete: comparisons that lack an answer; they are in no figure.
        calls, from_journal: judge calls these figures rest on, and how many of them this invocation did not send.
        cost_usd: what those calls cost when they were sent.
        folder: where the journal is.
    """

    report: Report
    rows: tuple[Judged, ...] = field(repr=False)
    ids: tuple[str, ...] = field(repr=False)
    judge: str
    incomplete: int
    calls: int
    from_journal: int
    cost_usd: Decimal
    folder: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """JSON-able: the report's figures and tables, and what they took."""
        return {
            **self.report.to_dict(),
            "incomplete": self.incomplete,
            "judge": self.judge,
            "calls": {"judge": self.calls, "from_journal": self.from_journal},
            "cost_usd": plain(self.cost_usd),
        }

    @cached_property
    def figures(self) -> DataFrame:
        """One row per figure: value, low, high."""
        import pandas as pd

        from judgegen.trust.words import flat

        found = {name: figure.to_dict() for name, figure in flat(self.report).items()}
        return pd.DataFrame.from_dict(found, orient="index", columns=["value", "low", "high"], dtype="float64")

    @cached_property
    def frame(self) -> DataFrame:
        """One row per comparison: id, prompt, votes, the judge's p and label, both orders' verdicts, USD, seconds."""
        import pandas as pd

        return pd.DataFrame([_row(name, row) for name, row in zip(self.ids, self.rows, strict=True)])

    def _repr_html_(self) -> str:
        from judgegen.show.cards import Table, card
        from judgegen.trust import words

        found = self.report
        title = f"{self.judge}: {found.n:,} comparisons of {found.prompts:,} prompts"
        figures = Table(words.figures(found), head=words.FIGURES)
        reliability = Table(words.reliability(found), head=words.RELIABILITY)
        return card(title, figures, reliability, Table(words.risk(found), head=words.RISK))


def _row(name: str, row: Judged) -> dict[str, Any]:
    by_side = {order.first: order.winner for order in row.orders}
    return {
        "id": name,
        "prompt_id": row.prompt_id,
        "votes": list(row.votes),
        "human": row.human,
        "p": row.p,
        "label": row.label,
        "consistent": row.consistent,
        "a_first": by_side.get("A"),
        "b_first": by_side.get("B"),
        "cost_usd": row.cost_usd,
        "seconds": row.seconds,
    }


async def check(
    labelled: Rows,
    *,
    run: str | Path | Spec | Mapping[str, Any],
    source: str | None = None,
    out: str | Path | None = None,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    resamples: int = 1000,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Check:
    """Ask a run file's judge about labelled comparisons and compare its verdicts with the votes.

    What the journal in `out` answers is not sent again.

    Args:
        labelled: a file of rows {prompt or messages, response_a, response_b, winner or votes}, or such rows.
        run: the run file, its table, or a Spec; only its judge is asked, and only that endpoint's key is needed.
        source: the shape of `labelled` where it can be imported; the chosen side is the winner, ties are left out.
        out: the folder of the journal; runs/<name>-check unless given.
        limit: take this many comparisons, spread over them all.
        max_usd: the most that folder may cost in all, instead of the run file's budget.max_usd.
        resamples: of prompts, for the intervals.
        watch: sees the calls go.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused, BudgetReached, Incomplete, Interrupted: with the Check over what was answered as `run`.
    """
    watch, stop = watch or Watch(), Stop() if stop is None else stop
    extra("scipy.stats")  # what is missing is said before money is spent
    resolved, base, folder = _resolved(run, out)
    steps = _judging(resolved, base)
    rates = live.rates(resolved, live.judges(steps))
    cap = resolved.budget.max_usd if max_usd is None else Decimal(str(max_usd))
    tally = _Tally()
    with live.opened(folder) as journal:
        rows = map(asdict, comparisons.labelled(labelled, source, watch.warned))
        count = journal.keep_prompts(rows, which=None if limit is None else partial(spread, most=limit))
        watch.started(prompts=count, folder=str(folder))
        async with live.live(resolved, journal, rates, cap, watch, stop) as send:
            window = 4 * max([64, *(resolved.endpoints[route].max_concurrency for route, _ in rates)])
            await tally.fill(_answered(journal, steps, send, window), watch)
        tally.after(journal, send)
    done = tally.check(_named(steps), folder, resamples)
    if error := stop.error or _incomplete(done):
        error.run = done
        raise error
    return done


def _judging(resolved: Spec, base: Path) -> Plan:
    steps = plan.plan(resolved, plan.texts(resolved, base), base)
    if steps.judging is None:
        raise SpecError(f'pairs.select = "{resolved.pairs.select}" asks no judge, so there is none to check')
    return steps


def _named(steps: Plan) -> str:
    """The models that judge, or "grader" where none does."""
    return " + ".join(dict.fromkeys(asking.model for asking in steps.judges)) or "grader"


def _resolved(run: str | Path | Spec | Mapping[str, Any], out: str | Path | None) -> tuple[Spec, Path, Path]:
    """The run file, the folder its paths are relative to, and the folder of the check."""
    resolved, base, folder = resolve(run, out)
    bare = resolved.judge.model_copy(update={"calibration": None})  # what is measured is the judge, not its calibration
    resolved = resolved.model_copy(update={"judge": bare})
    if out is None:
        name = default_out(Path(run)) if isinstance(run, str | Path) else folder
        folder = name.with_name(f"{name.name}-check")
    return resolved, base, folder


Answered = tuple[Labelled, Judged | None, Result]


async def _answered(journal: Journal, steps: Plan, send: Send, window: int) -> AsyncGenerator[Answered, None]:
    """Every comparison with its judgment, None where calls lack; in order, at most `window` under way."""
    waiting: deque[asyncio.Task[Answered]] = deque()
    try:
        for kept in journal.prompts():
            if len(waiting) >= window:
                yield await waiting.popleft()
            waiting.append(asyncio.create_task(_through(comparisons.again(kept), steps, send)))
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _through(row: Labelled, steps: Plan, send: Send) -> Answered:
    """Ask about one comparison."""
    prompt = comparisons.prompt(row)
    with recording() as asked:
        try:
            match = await pipeline.compare(prompt, comparisons.sides(prompt, row), steps, send)
        except Unanswered:
            return row, None, Result(prompt=prompt, drop="incomplete", calls=tuple(asked))
    costs = [outcome.cost for _, outcome in asked]
    usd = None if None in costs else float(sum((c for c in costs if c is not None), Decimal(0)))
    result = Result(prompt=prompt, matches=(match,), calls=tuple(asked))
    return row, judged(match, votes=row.votes, cost_usd=usd), result


@dataclass(slots=True)
class _Tally:
    """What was answered so far, by comparison and by call."""

    ids: list[str] = field(default_factory=list)
    rows: list[Judged] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    costs: dict[str, Decimal] = field(default_factory=dict)
    seconds: dict[str, float | None] = field(default_factory=dict)
    lacking: int = 0
    from_journal: int = 0

    async def fill(self, answered: AsyncGenerator[Answered, None], watch: Watch) -> None:
        """Count all of them."""
        async with aclosing(answered):
            async for row, found, result in answered:
                self.add(row, found, result)
                watch.finished(result)

    def after(self, journal: Journal, send: Once) -> None:
        """What is only known when all is answered."""
        self.from_journal = send.from_journal
        self.seconds = {row["id"]: row["seconds"] for row in journal.timings()}

    def add(self, row: Labelled, found: Judged | None, result: Result) -> None:
        """Count one comparison."""
        self.costs |= {call.id: outcome.cost or Decimal(0) for call, outcome in result.calls}
        if found is None:
            self.lacking += 1
            return
        self.ids.append(row.id)
        self.rows.append(found)
        self.calls.append(tuple(call.id for call, _ in result.calls))

    def check(self, judge: str, folder: Path, resamples: int) -> Check:
        """The report over all that was answered."""
        timed = [
            replace(row, seconds=_sum([self.seconds.get(call) for call in calls]))
            for row, calls in zip(self.rows, self.calls, strict=True)
        ]
        return Check(
            report=report(timed, resamples=resamples),
            rows=tuple(timed),
            ids=tuple(self.ids),
            judge=judge,
            incomplete=self.lacking,
            calls=len(self.costs),
            from_journal=self.from_journal,
            cost_usd=sum(self.costs.values(), Decimal(0)),
            folder=folder,
        )


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _incomplete(done: Check) -> Incomplete | None:
    if not done.incomplete:
        return None
    total = done.incomplete + len(done.rows)
    return Incomplete(
        f"{done.incomplete} of {total} comparisons lack answers and are in no figure; "
        f"the same command asks for those again"
    )


async def calibrate(
    labelled: Rows,
    *,
    run: str | Path | Spec | Mapping[str, Any],
    target: float = TARGET,
    confidence: float = CONFIDENCE,
    source: str | None = None,
    out: str | Path | None = None,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Calibration:
    """Fit a judge's confidence to human votes and find the threshold above which its pairs agree with them.

    That there is none is an answer: `threshold` is None then. The arguments of `check` are the same here, and so is the
    folder of the journal: what a check asked is not asked again.

    Args:
        labelled: as for `check`.
        run: as for `check`.
        target: the agreement wanted of the kept pairs, in (0, 1).
        confidence: that it holds.
        source: as for `check`.
        out: as for `check`.
        limit: as for `check`.
        max_usd: as for `check`.
        watch: as for `check`.
        stop: as for `check`.

    Raises:
        SpecError: as `check`; or the target cannot be one, or there are fewer than two prompts.
        JudgegenError: as `check`; nothing is fitted to half of the comparisons.
    """
    _possible(target, confidence)
    extra("sklearn.isotonic")
    resolved, base, folder = _resolved(run, out)
    kept = plan.texts(resolved, base)
    table, template = judge_of(resolved, kept)
    try:
        done = await check(
            labelled, run=run, source=source, out=folder, limit=limit, max_usd=max_usd, watch=watch, stop=stop
        )
    except JudgegenError as error:
        error.run = None
        raise
    return Calibration(
        map=fit_map(*by_vote(done.rows)),
        gate=gate(*evidence(done.rows), target, confidence),
        n=len(done.rows),
        prompts=len({row.prompt_id for row in done.rows}),
        judge=table,
        template=template,
        fingerprint=plan.plan(resolved, kept, base).fingerprint,
    )


def _possible(target: float, confidence: float) -> None:
    for name, value in (("target", target), ("confidence", confidence)):
        if not 0 < value < 1:
            raise SpecError(f"{name} = {value:g} cannot be met by any sample; it must lie between 0 and 1")
