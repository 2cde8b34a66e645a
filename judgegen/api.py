"""Generate, rewrite, load: opens the journal, chooses who stands behind the seam, runs the pipeline into the writer.

    generate    the pipeline against Once(retried(limited(Landings(priced(live)))))
    rewrite     the same pipeline against recorded(journal): same bytes, no network

Knows the run folder's layout; nothing of how any of the parts work inside.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from decimal import Decimal
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen import pipeline, plan, sources
from judgegen import spec as runfile
from judgegen.errors import Incomplete, SpecError
from judgegen.llm import prices, senders
from judgegen.llm.calls import Call, Send, Usage, digest
from judgegen.llm.journal import Journal
from judgegen.llm.limits import Gate
from judgegen.llm.stop import Stop
from judgegen.llm.tokens import encoding_name
from judgegen.records import Prompt
from judgegen.spec import Spec
from judgegen.watch import Watch
from judgegen.writer.files import write_text
from judgegen.writer.outputs import Outputs

if TYPE_CHECKING:
    from pandas import DataFrame

RUN_FILE = "run.toml"
Rows = Iterable[Mapping[str, Any] | str]


class Run:
    """A run folder: its summary, and its tables as pandas frames, read when first asked for."""

    def __init__(self, folder: Path, summary: dict[str, Any]) -> None:
        self.folder = folder
        self.summary = summary

    @cached_property
    def preferences(self) -> DataFrame:
        """One row per pair, as in preferences.jsonl."""
        return self._frame("preferences")

    @cached_property
    def prompts(self) -> DataFrame:
        """One row per prompt that went in, with its outcome: "pairs" or the reason of its drop."""
        return self._frame("prompts")

    @cached_property
    def candidates(self) -> DataFrame:
        """One row per candidate, refused ones with their reason."""
        return self._frame("candidates")

    @cached_property
    def verdicts(self) -> DataFrame:
        """One row per comparison as it was displayed, unreadable ones with their reason."""
        return self._frame("verdicts")

    @cached_property
    def calls(self) -> DataFrame:
        """One row per call: what was asked, what came back, tokens and USD."""
        return self._frame("calls")

    @cached_property
    def pairs(self) -> DataFrame:
        """One row per pair with the ids of everything it rests on."""
        return self._frame("pairs")

    @cached_property
    def timings(self) -> DataFrame:
        """One row per call in the journal: wall seconds, requests it took, when (UTC). No output depends on these."""
        import pandas as pd

        with Journal(self.folder, create=False) as journal:
            return pd.DataFrame(list(journal.timings()))

    def _frame(self, name: str) -> DataFrame:
        from judgegen import frames

        frame: DataFrame = getattr(frames, name)(self.folder)
        return frame

    def __repr__(self) -> str:
        return f"<Run {str(self.folder)!r}: {self.summary['pairs']} pairs from {self.summary['prompts']} prompts>"

    def _repr_html_(self) -> str:
        from judgegen.notebook import run_html

        return run_html(self)


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
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Run:
    """Run the main job. Run again it continues: what the journal answers is not sent.

    Args:
        spec: a run file's path, its table, or a Spec.
        out: the run folder; runs/<name> unless given.
        limit: take this many prompts, the first ones.
        prompts: rows (mappings or texts) or a pandas frame instead of the run file's `prompts`.
        watch: sees the run as it goes.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError, PriceUnknown, JournalError: before anything is sent.
        ProviderRefused, Incomplete, Interrupted: after the outputs were written; the error's `run` is the Run.
    """
    watch, stop = watch or Watch(), stop or Stop()
    resolved, base, folder = _resolve(spec, out)
    texts = plan.texts(resolved, base)
    steps = plan.plan(resolved, texts)
    rates = _rates(resolved, steps)
    _check_formats(resolved)
    with _opened(folder) as journal:
        count = journal.keep_prompts(_read(resolved, base, prompts, limit, watch.warned))
        journal.keep_texts(texts)
        write_text(folder / RUN_FILE, _toml(resolved, base))
        watch.started(prompts=count, folder=str(folder))
        async with _live(resolved, journal, rates, watch, stop) as send:
            summary = await _write(folder, resolved, steps, journal, send, watch)
    run = Run(folder, _as_seen(summary, send.from_journal))
    if error := stop.error or _incomplete(run.summary):
        error.run = run
        raise error
    return run


async def arewrite(folder: str | Path, *, watch: Watch | None = None) -> Run:
    """`rewrite`, for those who are inside an event loop already."""
    folder = Path(folder)
    resolved = runfile.read(folder / RUN_FILE)
    _check_formats(resolved)
    with Journal(folder, create=False) as journal:
        steps = plan.plan(resolved, journal.texts())
        summary = await _write(folder, resolved, steps, journal, senders.recorded(journal), watch or Watch())
    return Run(folder, _as_seen(summary, summary["calls"]["sampler"] + summary["calls"]["judge"]))


def rewrite(folder: str | Path, *, watch: Watch | None = None) -> Run:
    """Write every derived file of a run folder again, from its run.toml and its journal. Sends nothing.

    Raises:
        SpecError: the run file was changed into something that does not hold.
        JournalError: there is no journal, or another run holds it.
    """
    return asyncio.run(arewrite(folder, watch=watch))


def load(folder: str | Path) -> Run:
    """A finished run's folder.

    Raises:
        SpecError: there is no summary in it.
    """
    path = Path(folder) / "summary.json"
    try:
        return Run(Path(folder), json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise SpecError(f"{path}: not there; `judgegen write {folder}` makes it from the journal") from None


def _resolve(given: str | Path | Spec | Mapping[str, Any], out: str | Path | None) -> tuple[Spec, Path, Path]:
    """The run file, the folder its paths are relative to, and the run folder."""
    if isinstance(given, str | Path):
        path = Path(given)
        return runfile.read(path), path.resolve().parent, Path(out) if out is not None else default_out(path)
    resolved = given if isinstance(given, Spec) else runfile.parse(given)
    return resolved, Path.cwd(), Path(out) if out is not None else Path("runs") / digest(resolved.meaning(), size=4)


def _read(
    resolved: Spec, base: Path, rows: Rows | None, limit: int | None, warn: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Prompts as the journal keeps them. All are read and checked, whatever the limit."""
    if rows is not None:
        found = sources.prompts_from_rows(rows, where="prompts", warn=warn)
    else:
        found = sources.prompts(base / resolved.prompts, warn=warn)
    for number, prompt in enumerate(found):
        if limit is None or number < limit:
            yield asdict(prompt)


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    """A prompt as the journal kept it."""
    return Prompt(**{**row, "messages": tuple(row["messages"]), "tools": tuple(row["tools"])})


@contextmanager
def _opened(folder: Path) -> Iterator[Journal]:
    """The folder's journal; a folder that was not there is not left behind by a run that could not begin."""
    fresh = not folder.exists()
    try:
        with Journal(folder) as journal:
            yield journal
    except SpecError:
        if fresh:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        raise


def _toml(resolved: Spec, base: Path) -> str:
    import tomli_w

    row = resolved.model_dump(mode="json", exclude_none=True)
    return tomli_w.dumps({**row, "prompts": str(base / resolved.prompts)})


def _rates(resolved: Spec, steps: plan.Plan) -> Callable[[Call, Usage], Decimal]:
    """A price for every model this run may call.

    Raises:
        PriceUnknown: a model has none.
    """
    used = {(s.route, s.model) for s in steps.settings} | {(steps.asking.route, steps.asking.model)}
    known = {key: prices.rate(resolved.endpoints[key[0]], *key) for key in sorted(used)}
    return lambda call, usage: prices.cost(known[call.tag.route, call.model], usage)


def _check_formats(resolved: Spec) -> None:
    from judgegen.formats import FORMATS

    for name in resolved.output.formats:
        if name not in FORMATS:
            raise SpecError(f"output.formats: {name!r} is not one of {', '.join(sorted(FORMATS))}")


@asynccontextmanager
async def _live(
    resolved: Spec, journal: Journal, price: Callable[[Call, Usage], Decimal], watch: Watch, stop: Stop
) -> AsyncIterator[senders.Once]:
    """The sender of a live run; when it closes, everything in flight has landed."""
    from judgegen.llm.providers.connect import connect

    used = resolved.used_endpoints()
    providers = {name: connect(endpoint, name) for name, endpoint in used.items()}
    gates = {name: _gate(endpoint, stop) for name, endpoint in used.items()}
    landings = senders.Landings(senders.priced(senders.live(providers, watch), price), journal)
    limited = senders.limited(landings, gates, stop)
    retries = {name: endpoint.max_retries for name, endpoint in used.items()}
    try:
        yield senders.Once(senders.retried(limited, retries, gates, stop, watch), journal, watch)
    finally:
        await landings.drain()
        for closing in (*gates.values(), *providers.values()):
            await closing.aclose()


def _gate(endpoint: runfile.Endpoint, stop: Stop) -> Gate:
    at_once = (
        min(endpoint.max_concurrency, endpoint.slots) if endpoint.provider == "local" else endpoint.max_concurrency
    )
    return Gate(concurrency=at_once, rpm=endpoint.rpm, tpm=endpoint.tpm, stop=stop)


async def _write(
    folder: Path, resolved: Spec, steps: plan.Plan, journal: Journal, send: Send, watch: Watch
) -> dict[str, Any]:
    """The pipeline into the writer: every derived file of the run folder; returns the summary."""
    window = 4 * max(64, *(endpoint.max_concurrency for endpoint in resolved.used_endpoints().values()))
    encoding, _ = encoding_name(resolved.sampler.model)
    kept = (prompt_of(row) for row in journal.prompts())
    with Outputs(folder, stamp=_stamp(steps), formats=resolved.output.formats, encoding=encoding) as outputs:
        async for result in pipeline.results(kept, steps, send, window=window):
            outputs.add(result)
            watch.finished(result)
        return outputs.finish({})


def _as_seen(summary: dict[str, Any], from_journal: int) -> dict[str, Any]:
    """The summary with what this invocation took from the journal; the file's own says what any run of it would."""
    return {**summary, "calls": {**summary["calls"], "from_journal": from_journal}}


def _incomplete(summary: Mapping[str, Any]) -> Incomplete | None:
    """The error of a run that lacks answers."""
    lacking = summary["drops"].get("incomplete", 0)
    if not lacking:
        return None
    return Incomplete(f"{lacking} of {summary['prompts']} prompts lack answers; the same command asks for those again")


def _stamp(steps: plan.Plan) -> dict[str, str]:
    return {"judgegen": version("judgegen"), "pyarrow": version("pyarrow"), "run": steps.fingerprint}
