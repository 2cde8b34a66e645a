"""Generate, estimate, rewrite: opens the journal, chooses who stands behind the seam, runs the pipeline into a writer.

    rehearse    generate, with the known-truth world in place of the endpoints
    generate    the pipeline against Once(Retried(limited(Landings(priced(live)))))
    rewrite     the same pipeline against recorded(journal): same bytes, no network
    merge       rewrite, after the shards' journals became one

Knows the run folder's layout; nothing of how any of the parts work inside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen import pipeline, templates
from judgegen.errors import SpecError
from judgegen.llm import senders
from judgegen.llm.calls import digest
from judgegen.llm.journal import Journal
from judgegen.llm.lessee import Lease
from judgegen.llm.stop import Stop
from judgegen.plan import judge as judge_plan
from judgegen.run import afar, kept_file, live, rehearsal, result, shards
from judgegen.run import job as main
from judgegen.run.rounds import POLL_S
from judgegen.run.session import (
    Given,
    Rows,
    Session,
    Terms,
    aside,
    counted,
    default_out,
    ended,
    estimated,
    incomplete,
    place,
    resolve,
    said,
    session,
    source_of,
)
from judgegen.run.unchanged import Making
from judgegen.run.writing import sent, written
from judgegen.show.notebook import stoppable, usual_watch
from judgegen.spec import Spec, gates, parse
from judgegen.spec.short import changed
from judgegen.stores.urls import url_of
from judgegen.watch import Watch
from judgegen.writer import expected as foretold
from judgegen.writer.files import write_text
from judgegen.writer.money import plain

if TYPE_CHECKING:
    from judgegen.run.expected import Estimate

RUN_FILE = "run.toml"
__all__ = ["Run", "default_out", "estimate", "generate", "load", "merge", "rehearse", "rejudge", "rewrite"]


async def generate(
    spec: Given | None = None,
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    prompts: Rows | str | Path | None = None,
    sampler: str | None = None,
    judge: str | None = None,
    variants: Sequence[str] = (),
    max_usd: Decimal | float | None = None,
    replace_folder: bool = False,
    batch: bool = False,
    batch_file: str | Path | None = None,
    wait: bool = False,
    poll_s: float = POLL_S,
    watch: Watch | None = None,
    stop: Stop | None = None,
    shard: str | None = None,
    take_over: bool = False,
    lease: Lease | None = None,
    expected: Estimate | None = None,
) -> Run:
    """Run the main job. Run again it continues: what the journal answers is not sent.

    Args:
        spec: a run file's path, its table, or a Spec; without one, `prompts`, `sampler` and `judge` say it.
        out: the run folder; runs/<name> unless given. At a URL ("s3://…") it is kept in runs/s3/… and copied there.
        limit: so many prompts, spread over them all (a pilot must look like the whole); a larger one takes more.
        prompts: rows (mappings or texts) or a pandas frame instead of the run file's `prompts`; a file's path too.
        sampler: the model that answers, where there is no `spec`.
        judge: the model that compares, where there is no `spec`.
        variants: ways of asking by name, where there is no `spec`: focused, loose, terse, thorough.
        max_usd: the most this run folder may cost in all, instead of the run file's budget.max_usd.
        replace_folder: write into a run folder that another run file made.
        batch: through the provider's Batch API; raises Incomplete while it waits, called again it goes on.
        batch_file: a folder that calls are written into and answers taken from, as batch files; raises as `batch`.
        wait: with `batch`, go on until all is answered.
        poll_s: seconds between looks at the provider while waiting.
        watch: sees the run as it goes.
        stop: ends it from outside; what is in flight lands.
        shard: "K/N": of N parts the K-th alone, in its own folder in `out`, with an N-th of every limit; see `merge`.
        take_over: go on at a URL although the mark of another machine's run is there; see docs/scale.md.
        lease: lends the shard of every limit, instead of that N-th.
        expected: what `estimate` said of it, kept in the run folder for the report.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused, BudgetReached, Incomplete, Interrupted, GateFailed: after the outputs; `run` has the Run.
    """
    part = None if shard is None else shards.Census(shards.Shard.parse(shard), limit, leased=lease is not None)
    by: dict[str, Any] = {"batch": batch, "wait": wait, "poll_s": poll_s, "files": batch_file and Path(batch_file)}
    by |= {"watch": watch or usual_watch(), "stop": Stop() if stop is None else stop, "lease": lease}
    terms = Terms(limit=limit, max_usd=max_usd if part is None else part.usd(max_usd), takes=part, **by)
    asked, rows = said(spec, prompts, sampler, judge, variants)
    resolved, base, folder = resolve(asked, out)
    source = kept_file.owner(folder / RUN_FILE, source_of(asked), replace=replace_folder)
    job = _generate(resolved, base, folder, rows, terms, part=part, source=source, expected=expected)
    if (there := _afar(out, folder, part)) is not None:
        job = there.kept(job, terms.watch, terms.stop, take_over=take_over)
    return await stoppable(job, terms.stop, terms.watch)


def _afar(out: str | Path | None, folder: Path, part: shards.Census | None) -> afar.Afar | None:
    """The store that a run's folder, or that of its shard, is at; None where it is on this machine alone."""
    if out is None or (url := url_of(out)) is None:
        return None
    own = folder if part is None else part.shard.folder(folder)
    return afar.Afar(url if part is None else f"{url}/{own.name}", own)


async def rehearse(
    spec: Given,
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    prompts: Rows | None = None,
    max_usd: Decimal | float | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Run:
    """Run the main job with the known-truth world in place of every endpoint: nothing is sent, nothing is spent.

    Templates, methods, panels, escalation, caps, gates and prices are the run file's: the summary's USD are what
    such answers would have cost. Every row and the summary say `rehearsal`, and no consumer's format takes them.
    Arguments as `generate`; the run folder is rehearsals/<name> unless given.

    Raises:
        As `generate`; SpecError where the folder holds a run whose answers are real.
    """
    stop = Stop() if stop is None else stop
    terms = Terms(limit=limit, max_usd=max_usd, watch=watch or usual_watch(), stop=stop)
    resolved, base, folder = resolve(spec, out)
    folder = folder if out is not None else Path("rehearsals") / folder.name
    rehearsal.check_folder(folder, rehearses=True)
    rows = None if prompts is None else list(prompts)
    job = main.job(resolved, base, folder, rows, main.texts(resolved, base, _unsaid))
    rates, answers = live.rates(resolved, set(job.routes)), rehearsal.right_answers(job.items(_unsaid))
    rehearsal.mark(folder, answers)
    known = (folder / rehearsal.ANSWERS).resolve() if answers else None
    job_ = _generate(rehearsal.played(resolved, rates, known), base, folder, rows, terms)
    return await stoppable(job_, terms.stop, terms.watch)


def _unsaid(_: str) -> None:
    """What is odd about the prompts is said when they are read for good."""


async def _generate(
    resolved: Spec,
    base: Path,
    folder: Path,
    prompts: Rows | None,
    terms: Terms,
    *,
    part: shards.Census | None = None,
    source: Path | None = None,
    again: Again | None = None,
    expected: Estimate | None = None,
) -> Run:
    shared, folder = (resolved, folder) if part is None else (part.spec(resolved), part.shard.folder(folder))
    rehearsal.check_folder(folder, rehearses=bool(resolved.rehearsal))
    kept = main.texts(resolved, base, terms.watch.warned) if again is None else again.texts
    kept_file.check_formats(resolved)
    prompts = list(prompts) if isinstance(prompts, Iterator) else prompts  # they are read once more to be counted
    job = main.job(shared, base, folder, prompts, kept, part)
    if again is not None:
        job = replace(job, items=lambda _: map(main.prompt_of, again.prompts))
    made = Making(job, terms, kept_file.text(resolved, base, source), kept, parted=part is not None)
    if (done := made.unchanged()) is not None:
        return _ended(Run(folder, done), resolved, terms.stop)
    if terms.watch.foretells and not all(endpoint.free for endpoint in shared.used_endpoints().values()):
        cap = terms.cap(shared)
        expected = await asyncio.to_thread(partial(counted, job, terms.limit, part, quick=True))
        terms.watch.expected(expected.line(batch=terms.batch, cap=cap))
    job = made.job
    if terms.direct(shared):
        job = replace(job, through=partial(pipeline.through, plan=job.plan, lead=pipeline.Lead()))
    with ExitStack() as held:
        async with session(job, terms) as opened:
            if part is not None:
                part.record(folder)
                if not part.leased:
                    opened.terms.watch.divided(part.told(shared, opened.cap))
            opened.journal.keep_texts(kept)
            begins = not opened.journal.count()
            write_text(folder / RUN_FILE, kept_file.text(resolved, base, source))
            if expected is not None:
                usd = (terms.batch and expected.cost_usd_batch) or expected.cost_usd
                foretold.keep(folder, expected.prompts, opened.journal.spent(), usd)
            for message in judge_plan.warnings(resolved) if begins else ():
                opened.terms.watch.warned(message)
            summary = await sent(opened)
            known, beside = opened.from_journal(result.asked(summary)), _beside(opened.journal)
            held.enter_context(opened.journal.held)
        if terms.stop.error is None and incomplete(summary) is None:
            made.keep(opened.said, beside)
    return _ended(Run(folder, {**result.as_seen(summary, known), **beside}), resolved, terms.stop, gated=part is None)


@dataclass(frozen=True, slots=True)
class Again:
    """What another run's journal kept: its prompts, and templates and system prompts by name."""

    prompts: list[dict[str, Any]]
    texts: Mapping[str, str]


async def rejudge(
    folder: str | Path,
    *,
    template: str | None = None,
    judge: str | None = None,
    settings: Sequence[str] = (),
    out: str | Path | None = None,
    max_usd: Decimal | float | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Run:
    """Judge the answers of a run once more, into another folder: what was sampled is not asked or paid for again.

    Args:
        folder: the run's.
        template: another question: a shipped one, or the path of one of yours.
        judge: another model, at the run file's endpoint.
        settings: other keys of the run file, like "judge.samples=3".
        out: the new run's folder; beside the old one unless given.
        max_usd: the most that the new folder may cost in all, what was sampled before included.
        watch: sees the run as it goes.
        stop: ends it from outside; what is in flight lands.

    Raises:
        As `generate`; SpecError where nothing is changed.
    """
    known = {"judge.template": template, "judge.model": judge}
    said_ = [f"{key}={json.dumps(value)}" for key, value in known.items() if value is not None]
    before = kept_file.read(Path(folder))
    resolved = parse(changed(before.model_dump(mode="json", exclude_none=True), [*said_, *settings]))
    if resolved == before:
        raise SpecError("rejudge: nothing is changed; give another template, judge or settings")
    into = Path(f"{Path(folder)}-{digest(resolved.meaning(), size=4)}") if out is None else Path(out)
    with Journal(Path(folder), create=False) as journal:
        again = Again(list(journal.prompts()), {**journal.texts(), **_judges(resolved, journal.texts(), template)})
        journal.copied(into)
    terms = Terms(max_usd=max_usd, watch=watch or usual_watch(), stop=Stop() if stop is None else stop)
    return await stoppable(_generate(resolved, Path.cwd(), into, None, terms, again=again), terms.stop, terms.watch)


def _judges(resolved: Spec, kept: Mapping[str, str], template: str | None) -> dict[str, str]:
    """Texts of judges that the run did not have, and of the one that is named anew."""
    names = judge_plan.template_names(resolved)
    new = [(name, kind) for name, kind in names if f"judge/{name}" not in kept or name == template]
    return {f"judge/{name}": templates.text_of(name, kind, Path.cwd()) for name, kind in new}


class Run(result.Run):
    """A finished run: its summary, tables, charts and page, and what can be made of it."""

    async def rejudge(self, *, template: str | None = None, judge: str | None = None, **options: Any) -> Run:
        """Put these answers before another judge or template; only judges are paid for. See `rejudge`."""
        return await rejudge(self.folder, template=template, judge=judge, **options)


def load(folder: str | Path) -> Run:
    """A finished run's folder; one at a URL is brought here, into runs/.

    Raises:
        SpecError: there is no summary in it.
    """
    if (there := _afar(folder, place(folder), None)) is not None:
        there.bring()
    found = result.load(place(folder))
    return Run(found.folder, found.summary)


def _ended(run: Run, resolved: Spec, stop: Stop | None = None, *, gated: bool = True) -> Run:
    """The run, or the error that ended it early, or the gate that it failed, with the run on it."""
    cut_short = None if stop is None else stop.error or incomplete(run.summary)
    return ended(run, cut_short, gates.failed(resolved.gates, run.summary) if gated else None)


async def _rewrite(folder: Path, watch: Watch, by: Sequence[shards.Shard] = ()) -> Run:
    """`rewrite`; where it is `by` shards, their data set too."""
    resolved = kept_file.read(folder)
    kept_file.check_formats(resolved)
    with Journal(folder, create=False) as journal:
        job = main.job(resolved, Path(), folder, None, journal.texts())
        opened = Session(job=job, terms=Terms(watch=watch), journal=journal, rates={})
        summary = await written(opened, senders.recorded(journal), watch)
        if by:
            from judgegen.run import by_shard

            by_shard.written(folder, journal, by)
        beside = _beside(journal)
    return _ended(Run(folder, {**result.as_seen(summary, result.asked(summary)), **beside}), resolved)


def estimate(
    spec: Given | None = None,
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    prompts: Rows | str | Path | None = None,
    sampler: str | None = None,
    judge: str | None = None,
    variants: Sequence[str] = (),
    shard: str | None = None,
    quick: bool = False,
) -> Estimate:
    """What a run, or its `shard`, will take: calls, tokens, USD live and batch, hours. Sends and writes nothing.

    Looks into the journal of the run folder, if there is one: what it answers is free, and its answers' lengths are the
    expectation for the rest. `quick`: where it answers nothing yet, a sample of 100 prompts is counted and the interval
    widened by its error, instead of every prompt up to 20,000.

    Raises:
        SpecError, PriceUnknown, JournalError: as `generate` would.
    """
    asked, rows = said(spec, prompts, sampler, judge, variants)
    resolved, base, folder = resolve(asked, out)
    kept_file.check_formats(resolved)
    part = None if shard is None else shards.Census(shards.Shard.parse(shard), limit)
    if (there := _afar(out, folder, part)) is not None:
        there.look()
    folder = folder if part is None else part.shard.folder(folder)
    job = main.job(resolved, base, folder, rows, main.texts(resolved, base, _unsaid), part)
    return estimated(job, limit, part, quick=quick)


def rewrite(folder: str | Path, *, watch: Watch | None = None) -> Run:
    """Write every derived file of a run folder again, from its run.toml and its journal. Sends nothing.

    Raises:
        SpecError: the run file was changed into something that does not hold.
        JournalError: there is no journal, or another run holds it.
        GateFailed: as `generate`.
    """
    return aside(lambda: asyncio.run(_rewrite(Path(folder), watch or Watch())))


def merge(folder: str | Path, *, dataset: bool = False, watch: Watch | None = None) -> Run:
    """Make one run of the shards in a folder, with the bytes that the run would have had in one piece. Sends nothing.

    `dataset`: the audit once more as a Parquet data set, dataset/calls/shard=1/… and so on; what is there of an
    earlier merge is written again unasked.

    Raises:
        SpecError: a shard is missing, or they are not all of one run file, its prompts and one limit.
        JournalError: a shard is still running, or its journal is damaged.
        Incomplete: a shard lacks answers; the outputs are written without them.
        GateFailed: as `generate`.
    """
    at = place(folder)
    work = partial(_merged, at, watch or Watch(), dataset=dataset)
    return work() if (there := _afar(folder, at, None)) is None else there.merged(work)


def _merged(folder: Path, watch: Watch, *, dataset: bool) -> Run:
    from judgegen.run import by_shard

    found = shards.gathered(folder)
    by = found if dataset or (folder / by_shard.FOLDER).exists() else ()
    merged = aside(lambda: asyncio.run(_rewrite(folder, watch, by)))
    return ended(merged, incomplete(merged.summary))


def _beside(journal: Journal) -> dict[str, Any]:
    """What the folder cost or may have cost beside the run's own answers: requests never answered, a probe's calls."""
    (count, usd), (calls, spent) = journal.unheard(), journal.probed()
    doubt = {"in_doubt": {"requests": count, "usd_at_most": plain(usd)}} if count else {}
    return {**doubt, **({"probe": {"calls": calls, "usd": plain(spent)}} if calls else {})}
