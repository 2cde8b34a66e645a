"""Check and calibrate: labelled comparisons put to a run file's judge, and what its verdicts are worth beside votes.

Every call goes through the same sender as a run's and into a journal of its own, so a check can be stopped, continued
and capped like a run. What is measured is the judge's own P, before any calibration. Knows nothing of terminals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import Incomplete, SpecError
from judgegen.exchange import comparisons
from judgegen.exchange.comparisons import Rows
from judgegen.judge.methods import METHODS
from judgegen.llm.calls import Send
from judgegen.llm.stop import Stop
from judgegen.pipeline import Plan
from judgegen.plan.run import plan, texts
from judgegen.records import Result, Score
from judgegen.run import live
from judgegen.run.compared import compared, key
from judgegen.run.rounds import POLL_S
from judgegen.run.session import Given, Inquiry, Session, Terms, Warn, ended, estimated, lacking, resolve, session
from judgegen.show.notebook import stoppable, usual_watch
from judgegen.sources.columns import plain_name
from judgegen.sources.labelled import Labelled
from judgegen.spec import Spec
from judgegen.study.one_order import one_order
from judgegen.study.worth import Worth, worth
from judgegen.trust import Judged, Report, Vote, judged, report
from judgegen.trust.figures import Figure, extra
from judgegen.trust.rated import Ranks, Rating, rated
from judgegen.watch import Watch
from judgegen.writer.money import plain

if TYPE_CHECKING:
    from pandas import DataFrame

    from judgegen.run.expected import Estimate


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check came to.

    Attributes:
        report: every figure with its interval.
        rows: one judged pair per comparison that was answered, in the file's order; `ids` are the comparisons' own.
        judge: the models that may be asked, "grader" where there is none.
        worth: the comparisons as a run would believe them, and what was taken off them.
        incomplete: comparisons that lack an answer; they are in no figure. `lacking` counts them by reason.
        calls, from_journal: judge calls these figures rest on, and how many of them this invocation did not send.
        cost_usd: what those calls cost when they were sent.
        folder: where the journal is.
        scores: by a prompt's id and a response's text the score that it has by itself, of judges that score.
        ranks: how the scores rank the answers beside people's ratings; None where the comparisons come of none.
        verdicts: by what `compared.key` calls a comparison the side that the judge itself names; None: unreadable.
        one_order: agreement had each been asked in one order, less that in both (see `study.one_order`).
    """

    report: Report
    rows: tuple[Judged, ...] = field(repr=False)
    ids: tuple[str, ...] = field(repr=False)
    judge: str
    worth: Worth = field(repr=False)
    incomplete: int
    lacking: Mapping[str, int] = field(repr=False)
    calls: int
    from_journal: int
    cost_usd: Decimal
    folder: Path
    scores: Mapping[tuple[str, str], float] = field(repr=False, default_factory=dict)
    ranks: Ranks | None = None
    verdicts: Mapping[str, Vote | None] = field(repr=False, default_factory=dict)
    one_order: Figure = field(repr=False, default=Figure())

    @cached_property
    def summary(self) -> dict[str, Any]:
        """JSON-able: the report's figures and tables, and what they took."""
        return {
            **self.report.to_dict(),
            "one_order": self.one_order.to_dict(),
            "ranks": None if self.ranks is None else self.ranks.to_dict(),
            "incomplete": self.incomplete,
            "lacking": dict(self.lacking),
            "judge": self.judge,
            "p_chosen": self.worth.kind,
            "habits": None if (habits := self.worth.habits) is None else {k: h.to_dict() for k, h in habits.items()},
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
        beside = *words.one_order(self.one_order), *words.ranks(self.ranks)
        figures = Table((*words.figures(found), *beside), head=words.FIGURES)
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
    run: Given,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    resamples: int = 1000,
    batch: bool = False,
    wait: bool = False,
    poll_s: float = POLL_S,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Check:
    """Ask a run file's judge about labelled comparisons and compare its verdicts with the votes.

    What the journal in `out` answers is not sent again.

    Args:
        labelled: a file of rows {prompt or messages, response_a, response_b, winner or votes}, or such rows.
        run: the run file, its table, or a Spec; only its judge is asked, and that is all it need say.
        source: the shape of `labelled` where it can be imported; the chosen side is the winner, ties are left out.
        mapping: what a column is that no list knows, as {"response_a": "left"} or ["response_a=left,winner=pick"].
        out: the folder of the journal; runs/<name>-check unless given.
        limit: take this many comparisons, spread over them all.
        max_usd: the most that folder may cost in all, instead of the run file's budget.max_usd.
        resamples: of prompts, for the intervals.
        batch: through the provider's Batch API, as for `generate`.
        wait: with `batch`, go on until all is answered.
        poll_s: seconds between looks at the provider while waiting.
        watch: sees the calls go.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused, BudgetReached, Incomplete, Interrupted: with the Check over what was answered as `run`.
    """
    extra("scipy.stats")  # what is missing is said before money is spent
    terms = Terms(
        limit=limit,
        max_usd=max_usd,
        batch=batch,
        wait=wait,
        poll_s=poll_s,
        watch=watch or usual_watch("comparisons"),
        stop=Stop() if stop is None else stop,
    )
    read = partial(comparisons.labelled, labelled, source, mapping=mapping)
    return await stoppable(_checked(_job(read, run, out), terms, resamples), terms.stop, terms.watch)


async def _checked(job: Inquiry[Labelled, Answered], terms: Terms, resamples: int) -> Check:
    tally = _Heard()
    async with session(job, terms) as opened:
        async with opened.sender() as send:
            await tally.fill(opened.results(send), terms.watch)
        tally.after(opened)
    done = tally.check(job.plan, job.folder, resamples)
    return ended(done, terms.stop.error, _incomplete(done))


def expected(
    labelled: Rows,
    *,
    run: Given,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    limit: int | None = None,
) -> Estimate:
    """What `check` will take with these arguments beyond what its journal answers. Sends and writes nothing.

    Raises:
        SpecError, PriceUnknown, JournalError: as `check` would.
    """
    return estimated(_job(partial(comparisons.labelled, labelled, source, mapping=mapping), run, out), limit)


Answered = tuple[Labelled, Judged | None, Result]


def _job(
    labels: Callable[[Warn], Iterator[Labelled]], run: Given, out: str | Path | None
) -> Inquiry[Labelled, Answered]:
    """Every comparison before the judge."""
    resolved, base, folder = resolved_of(run, out)
    steps = plan(resolved, texts(resolved, base), base)
    if steps.judging is None:
        raise SpecError(f'pairs.select = "{resolved.pairs.select}" asks no judge, so there is none to check')
    return Inquiry(
        spec=resolved,
        plan=steps,
        folder=folder,
        routes=frozenset(live.judges(steps)),
        items=labels,
        again=comparisons.again,
        through=partial(_through, steps=steps),
    )


def _named(steps: Plan) -> str:
    """The models that judge, or "grader" where none does."""
    return " + ".join(dict.fromkeys(asking.model for asking in steps.judges)) or "grader"


def resolved_of(run: Given, out: str | Path | None) -> tuple[Spec, Path, Path]:
    """The run file, the folder its paths are relative to, and the folder of the check."""
    resolved, base, folder = resolve(run, out, judging=True)
    bare = resolved.judge.model_copy(
        update={"calibration": None, "anchors": None}
    )  # what is measured is the judge, not its calibration
    resolved = resolved.model_copy(update={"judge": bare})
    return resolved, base, folder if out is not None else folder.with_name(f"{folder.name}-check")


async def _through(row: Labelled, send: Send, steps: Plan) -> Answered:
    """Ask about one comparison."""
    result = await compared(row, send, steps)
    if result.drop is not None:
        return row, None, result
    costs = [outcome.cost for _, outcome in result.calls]
    usd = None if None in costs else float(sum((c for c in costs if c is not None), Decimal(0)))
    return row, judged(result.matches[0], votes=row.votes, cost_usd=usd), result


@dataclass(slots=True)
class _Heard:
    """What was answered so far, by comparison and by call."""

    ids: list[str] = field(default_factory=list)
    rows: list[Judged] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    verdicts: dict[str, Vote | None] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    costs: dict[str, Decimal] = field(default_factory=dict)
    seconds: dict[str, float | None] = field(default_factory=dict)
    lacking: Counter[str] = field(default_factory=Counter)
    ratings: dict[tuple[str, str], tuple[Rating, ...]] = field(default_factory=dict)
    from_journal: int = 0

    async def fill(self, answered: AsyncGenerator[Answered, None], watch: Watch) -> None:
        """Count all of them."""
        async with aclosing(answered):
            async for row, found, result in answered:
                self.add(row, found, result)
                watch.finished(result)

    def after(self, opened: Session[Labelled, Answered]) -> None:
        """What is only known when all is answered."""
        self.from_journal = opened.from_journal(len(self.costs))
        self.seconds = {row["id"]: row["seconds"] for row in opened.journal.timings()}

    def add(self, row: Labelled, found: Judged | None, result: Result) -> None:
        """Count one comparison."""
        self.costs |= {call.id: outcome.cost or Decimal(0) for call, outcome in result.calls}
        if found is None:
            self.lacking[result.detail] += 1
            return
        self.ids.append(row.id)
        self.rows.append(found)
        for at, given in comparisons.ratings(row).items():
            self.ratings[at] = tuple(Rating(rater=rater, marks=marks) for rater, marks in given)
        self.verdicts[key(row)] = found.label
        self.results.append(replace(result, calls=()))
        self.calls.append(tuple(call.id for call, _ in result.calls))

    def check(self, steps: Plan, folder: Path, resamples: int) -> Check:
        """The report over all that was answered."""
        found = worth(self.results, steps)
        scores = dict(_scored(self.results, steps))
        timed = [
            replace(row, p=match.p, seconds=_sum([self.seconds.get(call) for call in calls]))
            for row, match, calls in zip(self.rows, found.matches, self.calls, strict=True)
        ]
        return Check(
            report=report(timed, resamples=resamples),
            rows=tuple(timed),
            ids=tuple(self.ids),
            judge=_named(steps),
            worth=found,
            incomplete=self.lacking.total(),
            lacking=self.lacking,
            calls=len(self.costs),
            from_journal=self.from_journal,
            cost_usd=sum(self.costs.values(), Decimal(0)),
            folder=folder,
            scores=scores,
            ranks=self._ranks(scores, resamples),
            verdicts=self.verdicts,
            one_order=one_order(self.results, timed, steps, resamples=resamples),
        )

    def _ranks(self, scores: Mapping[tuple[str, str], float], resamples: int) -> Ranks | None:
        """Beside people's ratings, each aspect with the criterion of its name."""
        if not self.ratings:
            return None
        aspects = _aspects(self.results)
        names = {name for given in self.ratings.values() for one in given for name in one.marks}
        alike = {name: aspects[plain_name(name)] for name in names if plain_name(name) in aspects}
        return rated(scores, self.ratings, alike, resamples=resamples)


def _aspects(results: Sequence[Result]) -> dict[str, dict[tuple[str, str], float]]:
    """By an aspect's plain name what judges gave each response for it, their mean by weight."""
    found: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for result in results:
        for one in (result.matches[0].a, result.matches[0].b):
            given = [score for score in result.scores.get(one.key, ()) if isinstance(score, Score) and score.aspects]
            for name in {name for score in given for name in score.aspects}:
                told = [(score.aspects[name], score.weight) for score in given if name in score.aspects]
                if whole := sum(weight for _, weight in told):
                    mean = sum(mark * weight for mark, weight in told) / whole
                    found[plain_name(name)][result.prompt.id, one.text] = round(mean, 9)
    return found


def _scored(results: list[Result], steps: Plan) -> Iterator[tuple[tuple[str, str], float]]:
    """What judges gave each response by itself."""
    assert steps.judging is not None, "somebody judged"
    method = METHODS[steps.judging.method]
    for result in results:
        values = method.absolute(result.scores, steps.judging)
        for one in (result.matches[0].a, result.matches[0].b):
            if (score := values.get(one.key)) is not None:
                yield (result.prompt.id, one.text), score.value


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _incomplete(done: Check) -> Incomplete | None:
    if not done.incomplete:
        return None
    total = done.incomplete + len(done.rows)
    return lacking(f"{done.incomplete} of {total} comparisons lack answers and are in no figure", done.lacking)
