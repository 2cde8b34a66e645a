"""Generate, estimate, rewrite: opens the journal, chooses who stands behind the seam, runs the pipeline into a writer.

    generate    the pipeline against Once(retried(limited(Landings(priced(live)))))
    rewrite     the same pipeline against recorded(journal): same bytes, no network

Knows the run folder's layout; nothing of how any of the parts work inside.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from judgegen import pipeline, sources
from judgegen.errors import Incomplete, SpecError
from judgegen.llm import senders
from judgegen.llm.calls import Send, digest
from judgegen.llm.journal import NAME as JOURNAL
from judgegen.llm.journal import Journal
from judgegen.llm.secrets import bare
from judgegen.llm.stop import Stop
from judgegen.llm.tokens import encoding_name
from judgegen.plan import judge as judge_plan
from judgegen.plan import run as plan
from judgegen.records import Prompt
from judgegen.run import live, rounds
from judgegen.run.result import Run, load
from judgegen.run.rounds import POLL_S
from judgegen.spec import Spec, gates, reading
from judgegen.watch import Watch
from judgegen.writer.constants import Constants
from judgegen.writer.files import write_text
from judgegen.writer.outputs import Outputs

if TYPE_CHECKING:
    from judgegen.run.expected import Estimate

RUN_FILE = "run.toml"
__all__ = ["Run", "default_out", "estimate", "generate", "load", "rewrite"]

T = TypeVar("T")
Rows = Iterable[Mapping[str, Any] | str]


def default_out(path: Path) -> Path:
    """Where a run goes that was not told: runs/ and the run file's name, or its folder's where it is just run.toml."""
    stem = path.resolve().parent.name if path.stem == "run" else path.stem
    return Path("runs") / stem


async def generate(
    spec: str | Path | Spec | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    prompts: Rows | None = None,
    max_usd: Decimal | float | None = None,
    batch: bool = False,
    wait: bool = False,
    poll_s: float = POLL_S,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Run:
    """Run the main job. Run again it continues: what the journal answers is not sent.

    Args:
        spec: a run file's path, its table, or a Spec.
        out: the run folder; runs/<name> unless given.
        limit: so many prompts, spread over them all (a pilot must look like the whole); a larger one takes more.
        prompts: rows (mappings or texts) or a pandas frame instead of the run file's `prompts`.
        max_usd: the most this run folder may cost in all, instead of the run file's budget.max_usd.
        batch: through the provider's Batch API; raises Incomplete while it waits, called again it goes on.
        wait: with `batch`, go on until all is answered.
        poll_s: seconds between looks at the provider while waiting.
        watch: sees the run as it goes.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused, BudgetReached, Incomplete, Interrupted, GateFailed: after the outputs were written; the error
            carries the Run as `run`.
    """
    watch, stop = watch or Watch(), Stop() if stop is None else stop
    resolved, base, folder = resolve(spec, out)
    texts = plan.texts(resolved, base)
    steps = plan.plan(resolved, texts, base)
    rates = live.rates(resolved, live.samplers(steps) | live.judges(steps), "batch" if batch else "live")
    _check_formats(resolved)
    with live.opened(folder) as journal:
        found = map(asdict, found_prompts(resolved, base, prompts, watch.warned))
        count = journal.keep_prompts(found, which=None if limit is None else partial(spread, most=limit))
        journal.keep_texts(texts)
        write_text(folder / RUN_FILE, _toml(resolved, base))
        for message in judge_plan.warnings(resolved):
            watch.warned(message)
        watch.started(prompts=count, folder=str(folder))
        cap = resolved.budget.max_usd if max_usd is None else Decimal(str(max_usd))
        if batch:
            before = journal.count()
            job = rounds.Job(spec=resolved, plan=steps, journal=journal, rates=rates, cap=cap, watch=watch, stop=stop)
            await rounds.run(job, lambda: kept_prompts(journal), poll_s=poll_s if wait else None)
            summary = await _write(folder, resolved, steps, journal, senders.recorded(journal), watch)
            known = _asked(summary) - (journal.count() - before)
        else:
            async with live.live(resolved, journal, rates, cap, watch, stop) as send:
                summary = await _write(folder, resolved, steps, journal, send, watch)
            known = send.from_journal
        doubt = journal.unheard()
    return _ended(Run(folder, _as_seen(summary, known, doubt)), resolved, stop)


def _asked(summary: Mapping[str, Any]) -> int:
    return int(summary["calls"]["sampler"] + summary["calls"]["judge"])


def _ended(run: Run, resolved: Spec, stop: Stop | None = None) -> Run:
    """The run, or the error that ended it early, or the gate that it failed, with the run on it."""
    cut_short = None if stop is None else stop.error or _incomplete(run.summary)
    if error := cut_short or gates.failed(resolved.gates, run.summary):
        error.run = run
        raise error
    return run


async def _rewrite(folder: Path, watch: Watch) -> Run:
    resolved = reading.read(folder / RUN_FILE)
    _check_formats(resolved)
    with Journal(folder, create=False) as journal:
        steps = plan.plan(resolved, journal.texts())
        summary = await _write(folder, resolved, steps, journal, senders.recorded(journal), watch)
        doubt = journal.unheard()
    return _ended(Run(folder, _as_seen(summary, _asked(summary), doubt)), resolved)


def estimate(
    spec: str | Path | Spec | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    prompts: Rows | None = None,
) -> Estimate:
    """What a run will take: calls, tokens, USD live and batch, hours. No key, no network, nothing sent or written.

    Looks into the journal of the run folder, if there is one: what it answers is free, and its answers' lengths are the
    expectation for the rest.

    Raises:
        SpecError, PriceUnknown, JournalError: as `generate` would.
    """
    from judgegen.run.estimate import count

    resolved, base, folder = resolve(spec, out)
    steps = plan.plan(resolved, plan.texts(resolved, base), base)
    live.rates(resolved, live.samplers(steps) | live.judges(steps))

    def counted() -> Estimate:
        found: Iterable[Prompt] = found_prompts(resolved, base, prompts, _silent)
        if limit is not None:
            everything = list(found)
            found = (everything[position] for position in spread(len(everything), limit))
        with _journal_if_any(folder) as journal:
            return count(resolved, steps, found, journal)

    return _aside(counted)


def _silent(_: str) -> None:
    """The run says it; an estimate need not."""


@contextmanager
def _journal_if_any(folder: Path) -> Iterator[Journal | None]:
    if not (folder / JOURNAL).is_file():
        yield None
        return
    with Journal(folder, create=False) as journal:
        yield journal


def _aside(work: Callable[[], T]) -> T:
    """Do `work`, which runs an event loop of its own, on a thread of its own: in a notebook one is running here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def rewrite(folder: str | Path, *, watch: Watch | None = None) -> Run:
    """Write every derived file of a run folder again, from its run.toml and its journal. Sends nothing.

    Raises:
        SpecError: the run file was changed into something that does not hold.
        JournalError: there is no journal, or another run holds it.
        GateFailed: as `generate`.
    """
    return _aside(lambda: asyncio.run(_rewrite(Path(folder), watch or Watch())))


def resolve(given: str | Path | Spec | Mapping[str, Any], out: str | Path | None) -> tuple[Spec, Path, Path]:
    """The run file, the folder its paths are relative to, and the run folder."""
    if isinstance(given, str | Path):
        path = Path(given)
        return reading.read(path), path.resolve().parent, Path(out) if out is not None else default_out(path)
    resolved = given if isinstance(given, Spec) else reading.parse(given)
    return resolved, Path.cwd(), Path(out) if out is not None else Path("runs") / digest(resolved.meaning(), size=4)


def spread(count: int, most: int) -> list[int]:
    """`most` of `count` positions, ascending, evenly over all of them; a larger `most` keeps those of a smaller one.

    The positions are taken in van der Corput's order (base 2), which leaves no long stretch without one.
    """
    if most >= count:
        return list(range(count))
    taken: dict[int, None] = {}
    for number in itertools.count():
        if len(taken) >= most:
            return sorted(taken)
        turned = int(f"{number:b}"[::-1], 2) / 2 ** number.bit_length() if number else 0.0
        taken[int(turned * count)] = None
    raise AssertionError("unreachable")


def found_prompts(resolved: Spec, base: Path, rows: Rows | None, warn: Callable[[str], None]) -> Iterator[Prompt]:
    """The prompts a run is told of: `rows`, or the run file's."""
    if rows is not None:
        return sources.prompts_from_rows(rows, where="prompts", warn=warn)
    return sources.prompts(base / resolved.prompts, warn=warn)


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    """A prompt as the journal kept it."""
    return Prompt(**{**row, "messages": tuple(row["messages"]), "tools": tuple(row["tools"])})


def _toml(resolved: Spec, base: Path) -> str:
    import tomli_w

    row = resolved.model_dump(mode="json", exclude_none=True)
    for endpoint in row["endpoints"].values():  # a password is for those who run it, not for those who read the folder
        if "base_url" in endpoint:
            endpoint["base_url"] = bare(endpoint["base_url"])
    return tomli_w.dumps({**row, "prompts": str(base / resolved.prompts)})


def _check_formats(resolved: Spec) -> None:
    from judgegen.formats.consumers import consumer

    for name in resolved.output.formats:
        form = consumer(name)
        if not form.streams:
            raise SpecError(
                f"output.formats: {name!r} is more than a JSONL file; `judgegen export RUN --to {name}` makes it"
            )


async def _write(
    folder: Path, resolved: Spec, steps: pipeline.Plan, journal: Journal, send: Send, watch: Watch
) -> dict[str, Any]:
    """The pipeline into the writer: every derived file of the run folder; returns the summary.

    Where a text wins under many prompts, all is settled once more without it, until no new one is found.
    """
    window = 4 * max(64, *(endpoint.max_concurrency for endpoint in resolved.used_endpoints().values()))
    encoding, _ = encoding_name(resolved.sampler.model)
    barred: list[dict[str, Any]] = []
    while True:
        constants = Constants()
        with Outputs(folder, stamp=_stamp(steps), formats=resolved.output.formats, encoding=encoding) as outputs:
            async for result in pipeline.results(kept_prompts(journal), steps, send, window=window):
                outputs.add(result)
                constants.add(result)
                watch.finished(result)
            if not constants.barred():
                return outputs.finish({"constants": [*barred, *constants.rows()]})
        barred += [row for row in constants.rows() if row["barred"]]
        steps = replace(steps, constants=steps.constants | constants.barred())
        send, watch = senders.recorded(journal), Watch()


def _as_seen(summary: dict[str, Any], from_journal: int, doubt: tuple[int, Decimal]) -> dict[str, Any]:
    """The summary with what this invocation took from the journal; the file's own says what any run of it would.

    `doubt`: requests that were sent and never answered, and USD that they cost at most.
    """
    seen = {**summary, "calls": {**summary["calls"], "from_journal": from_journal}}
    count, usd = doubt
    return {**seen, "in_doubt": {"requests": count, "usd_at_most": f"{usd:f}"}} if count else seen


def _incomplete(summary: Mapping[str, Any]) -> Incomplete | None:
    """The error of a run that lacks answers."""
    lacking = summary["drops"].get("incomplete", 0)
    if not lacking:
        return None
    return Incomplete(f"{lacking} of {summary['prompts']} prompts lack answers; the same command asks for those again")


def kept_prompts(journal: Journal) -> Iterator[Prompt]:
    """The prompts as the journal kept them."""
    return (prompt_of(row) for row in journal.prompts())


def _stamp(steps: pipeline.Plan) -> dict[str, str]:
    return {"judgegen": version("judgegen"), "pyarrow": version("pyarrow"), "run": steps.fingerprint}
