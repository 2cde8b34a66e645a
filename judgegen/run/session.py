"""The ceremony of whatever asks models: a run, a check of a judge, an attack on one.

An `Inquiry` says what is asked and how one item is put through; `session` opens its journal, keeps its items there,
finds prices and cap, and gives the sender: live, or the journal after rounds of batches. `estimated` counts the same
with guesses. Knows nothing of what a job makes of its results.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from judgegen.errors import Incomplete, JudgegenError, SpecError
from judgegen.llm import senders
from judgegen.llm.calls import Send, digest
from judgegen.llm.journal import Journal
from judgegen.llm.lessee import Lease
from judgegen.llm.stop import Stop
from judgegen.pipeline import Plan, windowed
from judgegen.run import live, rounds
from judgegen.run.anchors import AnchorSet, counted_with
from judgegen.run.enough import enough
from judgegen.run.estimate import Countable, count
from judgegen.run.expected import Estimate
from judgegen.run.log import logged
from judgegen.run.mends import mend
from judgegen.run.rounds import POLL_S
from judgegen.run.spread import some, spread
from judgegen.spec import Spec, parse, read
from judgegen.spec.short import ShortFile, written
from judgegen.stores.urls import here, shown, url_of
from judgegen.watch import Watch

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/*")
T = TypeVar("T", bound=Countable)
R = TypeVar("R")
S = TypeVar("S")
Given = str | Path | Spec | ShortFile | Mapping[str, Any]
"""A run file's path, its table, a Spec, or a run file as the command line changed it."""
Warn = Callable[[str], None]
Takes = Callable[[Mapping[str, Any]], bool]
Rows = Iterable[Mapping[str, Any] | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry(Generic[T, R]):
    """What is to be asked.

    Attributes:
        folder: of the journal and whatever is made of it.
        routes: (endpoint's name, model) of all that may be asked.
        items: reads them, saying what is odd about them.
        again: an item as the journal kept it.
        through: one item to what it comes to.
        pairs: whether that is pairs.
        anchors: labelled comparisons that are judged beside the items; None where there are none.
    """

    spec: Spec
    plan: Plan
    folder: Path
    routes: frozenset[tuple[str, str]]
    items: Callable[[Warn], Iterable[T]]
    again: Callable[[Mapping[str, Any]], T]
    through: Callable[[T, Send], Coroutine[Any, Any, R]]
    pairs: bool = False
    anchors: AnchorSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a job is carried out: how many items (spread over them all), up to which cost, by which way, who watches.

    `batch` goes through the providers' Batch API; with `wait` until all is answered, looking every `poll_s` seconds.
    `files` has every call written into batch files there, and answers taken in from there.
    `takes` says of an item, as the journal keeps it, whether it is this job's; `lease` lends it of the whole's limits.
    """

    limit: int | None = None
    max_usd: Decimal | float | None = None
    batch: bool = False
    files: Path | None = None
    wait: bool = False
    poll_s: float = POLL_S
    watch: Watch = field(default_factory=Watch)
    stop: Stop = field(default_factory=Stop)
    takes: Takes | None = None
    lease: Lease | None = None

    def __post_init__(self) -> None:
        """Refuse what can be no number of items and no amount.

        Raises:
            SpecError: naming it.
        """
        if self.limit is not None:
            some(self.limit)
        if self.max_usd is not None and not _amount(self.max_usd):
            raise SpecError(f"max_usd = {self.max_usd!r}: must be USD, 0 or more")

    def ways(self, spec: Spec) -> dict[str, live.Way]:
        """By endpoint which way its calls go."""
        return rounds.ways(spec, batch=self.batch, files=self.files is not None)

    def cap(self, spec: Spec) -> Decimal | None:
        """USD that the folder may cost in all, as told or as the run file has it."""
        return spec.budget.max_usd if self.max_usd is None else Decimal(str(self.max_usd))

    def direct(self, spec: Spec) -> bool:
        """Whether every call is asked at once."""
        return set(self.ways(spec).values()) <= {"live"}


@dataclass(slots=True, kw_only=True)
class Session(Generic[T, R]):
    """A job with its journal open and its items kept.

    `only`: the ids of those that results are of, None for all. `said`: what was said of its results.
    """

    job: Inquiry[T, R]
    terms: Terms
    journal: Journal
    rates: live.Rates
    only: frozenset[str] | None = None
    said: list[str] = field(default_factory=list)
    _once: senders.Once | None = None
    _before: int = 0

    @property
    def cap(self) -> Decimal | None:
        """USD that the folder may cost in all."""
        return self.terms.cap(self.job.spec)

    def items(self) -> Iterator[T]:
        """As the journal keeps them."""
        return map(self.job.again, self.journal.prompts())

    @property
    def window(self) -> int:
        """How many items are under way at once."""
        return 4 * max([64, *(self.job.spec.endpoints[route].max_concurrency for route, _ in self.rates)])

    def results(self, send: Send) -> AsyncGenerator[R, None]:
        """One per item, in order."""
        items = (item for item in self.items() if self.only is None or item.id in self.only)
        return windowed(items, self.job.through, send, window=self.window)

    @asynccontextmanager
    async def sender(self, whole: rounds.Pass | None = None) -> AsyncIterator[Send]:
        """What answers: live, or the journal once batches have brought what they could.

        `whole` asks for all that is to be answered; the results do unless it is given.
        """
        terms, spec = self.terms, self.job.spec
        if terms.direct(spec):
            by = (terms.watch, terms.stop, terms.lease)
            async with live.live(spec, self.journal, self.rates, self.cap, *by) as once:
                self._once = once
                yield once
            return
        self._before = self.journal.count()
        batches = rounds.Batches(
            spec=spec,
            journal=self.journal,
            rates=self.rates,
            cap=self.cap,
            watch=terms.watch,
            stop=terms.stop,
            by=terms.ways(spec),
            files=(terms.files or self.job.folder / rounds.FOLDER).resolve(),
        )
        await rounds.run(batches, whole or self.results, poll_s=terms.poll_s if terms.wait else None)
        yield senders.recorded(self.journal)

    @property
    def fresh(self) -> bool:
        """Whether anything was answered that the journal did not have."""
        return self._once is not None and self._once.fresh > 0

    def from_journal(self, asked: int) -> int:
        """How many of `asked` calls were not answered by this invocation."""
        return asked - (self.journal.count() - self._before) if self._once is None else self._once.from_journal


@asynccontextmanager
async def session(job: Inquiry[T, R], terms: Terms) -> AsyncIterator[Session[T, R]]:
    """The job's journal with its items in it; nothing has been sent.

    Raises:
        SpecError, PriceUnknown, JournalError: the job cannot begin.
    """
    rates = _rates(job, terms.ways(job.spec))
    with live.opened(job.folder) as journal, logged(job.folder, terms.watch, terms.stop) as watch:
        terms = replace(terms, watch=watch)
        kept: Iterable[Any] = job.items(terms.watch.warned)
        which = None if terms.limit is None else partial(spread, most=terms.limit)
        prompts = journal.keep_prompts(map(_row, kept), which=which, takes=terms.takes)
        opened = Session(job=job, terms=terms, journal=journal, rates=rates)
        watch.started(prompts=prompts, folder=str(job.folder))
        watch.capped(opened.cap)
        yield opened


def _rates(job: Inquiry[T, R], ways: Mapping[str, live.Way]) -> live.Rates:
    """A price for every model, by the way that its calls go."""
    by: dict[live.Way, set[tuple[str, str]]] = {}
    for place in job.routes:
        by.setdefault(ways[place[0]], set()).add(place)
    return {place: rate for way, places in by.items() for place, rate in live.rates(job.spec, places, way).items()}


def _row(item: Any) -> dict[str, Any]:
    """An item as JSON has it; one that holds no records is not copied through and through for it."""
    row = {one.name: getattr(item, one.name) for one in fields(item)}
    return asdict(item) if any(map(_holds_records, row.values())) else row


def _holds_records(value: Any) -> bool:
    return is_dataclass(value) or (isinstance(value, tuple | list) and any(map(is_dataclass, value)))


def ended(done: S, *errors: JudgegenError | None) -> S:
    """What was done, or the first of the errors that there is, with what was done on it as `run`."""
    for error in errors:
        if error is not None:
            error.run = done
            raise error
    return done


def lacking(what: str, reasons: Mapping[str, int]) -> Incomplete:
    """The error of a job some of whose items lack answers, with the commonest three `reasons` (sentence: items).

    Where every one of them was refused for good, asking again is no help before something is mended.
    """
    said = {reason: count for reason, count in reasons.items() if reason}
    common = sorted(said, key=lambda reason: (-said[reason], reason))[:3]
    told = ((f"\n  {said[reason]:,} x {reason}", mend(reason)) for reason in common)
    why = "".join(f"{line}{words and f'; {words}'}" for line, words in told)
    final = bool(said) and all(reason.startswith(("rejected", "refused")) for reason in reasons)
    first = "mend what was refused, then the same command asks for those again"
    return Incomplete(f"{what}; {first if final else 'the same command asks for those again'}{why}")


def incomplete(summary: Mapping[str, Any]) -> Incomplete | None:
    """The error of a run that lacks answers."""
    count, anchors = summary["drops"].get("incomplete", 0), summary.get("anchors", {}).get("lacking", 0)
    if not count:
        return Incomplete(f"{anchors} anchors lack answers; the same command asks again") if anchors else None
    reasons = {row["why"]: row["prompts"] for row in summary["lacking"]}
    return lacking(f"{count} of {summary['prompts']} prompts lack answers", reasons)


def estimated(job: Inquiry[T, R], limit: int | None, takes: Takes | None = None, *, quick: bool = False) -> Estimate:
    """What the job will take beyond what its journal answers, of the items it `takes`. Sends and writes nothing.

    `quick` as in `count`.

    Raises:
        SpecError, PriceUnknown, JournalError: as the job would.
    """
    return aside(partial(counted, job, limit, takes, quick=quick))


def counted(job: Inquiry[T, R], limit: int | None, takes: Takes | None = None, *, quick: bool = False) -> Estimate:
    """`estimated`, for a thread in which no event loop is running."""
    live.rates(job.spec, set(job.routes))
    items = job.items(_silent)
    if limit is not None:
        everything = list(items)
        items = (everything[position] for position in spread(len(everything), limit))
    if takes is not None:
        offered: Iterable[Any] = items
        items = (item for item in offered if takes(asdict(item)))
    with Journal.if_any(job.folder) as journal:
        if job.pairs and job.spec.pairs.wanted is not None:
            found = enough(job.spec, job.plan, items, journal, job.through)
        else:
            found = count(job.spec, job.plan, items, journal, job.through, pairs=job.pairs, quick=quick)
        return found if job.anchors is None else counted_with(found, job.anchors, job.spec, job.plan, journal)


def _silent(_: str) -> None:
    """The job says it; its estimate need not."""


def aside(work: Callable[[], S]) -> S:
    """Do `work`, which runs an event loop of its own, on a thread of its own: in a notebook one is running here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def default_out(path: Path) -> Path:
    """Where a run goes that was not told: runs/ and the run file's name, or its folder's where it is just run.toml."""
    stem = path.resolve().parent.name if path.stem == "run" else path.stem
    return Path("runs") / stem


def resolve(given: Given, out: str | Path | None, *, judging: bool = False) -> tuple[Spec, Path, Path]:
    """The run file, the folder its paths are relative to, and the run folder; `judging`: as `spec.reading.parse`."""
    told = None if out is None else place(out)
    if isinstance(given, str | Path):
        path = Path(given)
        return read(path, judging=judging), path.resolve().parent, told or default_out(path)
    if isinstance(given, ShortFile):
        path = given.path
        return given.spec, path.resolve().parent, told or default_out(path)
    resolved = given if isinstance(given, Spec) else parse(given, judging=judging)
    return resolved, Path.cwd(), told or Path("runs") / digest(resolved.meaning(), size=4)


def place(out: str | Path) -> Path:
    """The folder on this machine of a run that goes to `out`, a folder or a URL.

    Raises:
        SpecError: a scheme with nothing behind it, of which a folder of that name would be made.
    """
    url = url_of(out)
    if _SCHEME.fullmatch(str(out)):
        raise SpecError(f"{out} names no place: behind the scheme stands a bucket or a path, as in s3://mine/runs")
    return Path(out) if url is None else here(url)


def said(
    spec: Given | None,
    prompts: Rows | str | Path | None,
    sampler: str | None,
    judge: str | None,
    variants: Sequence[str],
) -> tuple[Given, Rows | None]:
    """The run file, made up from two models where none is given; and the rows that stand for its prompts.

    Raises:
        SpecError: neither a run file nor both models with prompts, or both.
    """
    if (spec is None) == (sampler is None and judge is None and not variants):
        raise SpecError("give a run file, or prompts with a sampler and a judge, and not both")
    file = Path(prompts) if isinstance(prompts, str | Path) else None
    rows = None if isinstance(prompts, str | Path) else prompts
    if spec is not None:
        if file is not None:
            raise SpecError("prompts: beside a run file these are rows or a frame; name a file in the run file")
        return spec, rows
    if prompts is None or sampler is None or judge is None:
        raise SpecError("prompts, sampler and judge go together; or give a run file")
    named = (url_of(file) or file.name) if file else "rows"
    table = written(prompts=named, sampler=sampler, judge=judge, variants=tuple(variants))
    return (ShortFile(parse(table), file) if file else table), rows


def source_of(given: Given) -> Path | None:
    """The file that a run was told by, whole; None where Python told it."""
    path = given.path if isinstance(given, ShortFile) else given
    if not isinstance(path, str | Path):
        return None
    return Path(shown(path)) if url_of(path) else Path(path).resolve()


def _amount(usd: Decimal | float) -> bool:
    """Whether it is one that can be spent; NaN would be no cap at all."""
    try:
        exact = Decimal(str(usd))
    except InvalidOperation:
        return False
    return exact.is_finite() and exact >= 0
