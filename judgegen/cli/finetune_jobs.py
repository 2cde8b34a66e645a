"""`judgegen finetune submit | watch | list | cancel`: parse, ask before money is spent, call finetune, print.

Knows nothing of the provider's API or of what a file must be.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from judgegen.cli import completing
from judgegen.cli.options import Yes

if TYPE_CHECKING:
    from judgegen.finetune.book import Book, Booked
    from judgegen.finetune.cost import Cost
    from judgegen.finetune.order import JobOrder
    from judgegen.finetune.submit import Submitted
    from judgegen.finetune.tuner import Job, JobEvent

T = TypeVar("T")
LOST = 3
"""The exit code for a job that failed or was cancelled."""

Service = Annotated[Literal["openai", "azure"], typer.Option("--provider", help="Whose fine-tuning.")]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Azure: the v1 endpoint of the resource. Default: OpenAI's."),
]
Every = Annotated[float, typer.Option("--every", metavar="S", min=0.01, help="Seconds from one look to the next.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
Method = Annotated[
    Literal["dpo", "sft", "rft"] | None,
    typer.Option("--method", help="Default: what the first line is shaped for."),
]
Validation = Annotated[
    Path | None, typer.Option("--validation", metavar="FILE", help="Rows to validate on; rft needs them.")
]
Beta = Annotated[
    float | None, typer.Option("--beta", metavar="B", min=1e-9, max=2, help="dpo: how near to the base model.")
]
Rate = Annotated[float | None, typer.Option("--learning-rate-multiplier", metavar="X", min=1e-9)]
Grader = Annotated[
    Path | None, typer.Option("--grader", metavar="FILE", help="rft: JSON; default: the one beside FILE.")
]
TrainingType = Annotated[
    Literal["Standard", "GlobalStandard", "Developer"] | None,
    typer.Option("--training-type", help="Azure: where it is trained, and at what price."),
]
Again = Annotated[bool, typer.Option("--again", help="Make another where the last one failed or was cancelled.")]
Cap = Annotated[float | None, typer.Option("--max-usd", metavar="USD", min=0, help="Make no job that may cost more.")]
Run = Annotated[Path | None, typer.Option("--run", metavar="RUNDIR", help="Record the job there and not beside FILE.")]
Today = Annotated[
    datetime | None, typer.Option("--today", formats=["%Y-%m-%d"], help="Judge the dates as if it were this day.")
]
Name = Annotated[str, typer.Argument(metavar="JOB_OR_FILE", help="A job's id, or the file or run it was made from.")]

Model = Annotated[
    str,
    typer.Option("--model", metavar="M", autocompletion=completing.models, help="The base model, or a tune of it."),
]


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL in OpenAI's shape: dpo, sft or rft.")],
    *,
    model: Model,
    provider: Service = "openai",
    method: Method = None,
    validation: Validation = None,
    beta: Beta = None,
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, max=50)] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", metavar="N", min=1, max=256)] = None,
    learning_rate_multiplier: Rate = None,
    grader: Grader = None,
    suffix: Annotated[str | None, typer.Option("--suffix", metavar="NAME", help="In the tuned model's name.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1)] = None,
    training_type: TrainingType = None,
    base_url: BaseUrl = None,
    run: Run = None,
    again: Again = False,
    max_usd: Cap = None,
    yes: Yes = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until the job is over.")] = False,
    every: Every = 15.0,
    today: Today = None,
    as_json: AsJson = False,
) -> None:
    """Check a file, show its cost, ask, and make the job once.

    Nothing is sent before the files have been read through and you have agreed: on a terminal, with --yes or by a cap.
    What `judgegen validate` calls an error ends the command; what it warns of is said before you are asked. The job is
    written down beside FILE; run again, the command finds it and makes no second one, after a crash too. What is not
    given is left to the provider's "auto". The key is in OPENAI_API_KEY or AZURE_OPENAI_API_KEY.

    \b
    Exit codes:
      0  there is a job; with --watch: it succeeded
      2  the file, the model or an option is wrong; or nobody could be asked
      3  the provider refuses, or the job failed or was cancelled
      4  the job may cost more than --max-usd
      5  the provider does not answer: the same command continues
      8  you were asked whether money may be spent, and said no
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from judgegen.cli import ending
    from judgegen.finetune import plan
    from judgegen.finetune.book import book_of

    day = (today or datetime.now(UTC)).date()
    whole = {"n_epochs": epochs, "batch_size": batch_size}
    settings = {"beta": beta, **whole, "learning_rate_multiplier": learning_rate_multiplier}
    with ending.told(as_json=as_json):
        files = plan.JobFiles(train=file, validation=validation, grader=grader)
        named = {"suffix": suffix, "seed": seed, "training_type": training_type}
        order = plan.order_of(files, provider, model, method, today=day, settings=settings, **named)
        cost = plan.cost_of(order, today=day)
        warnings = _looked_through(order)
        _show(None if as_json and yes else cost, warnings, aside=as_json)
        ask = _asks(cost, yes=yes, max_usd=max_usd)
        book = book_of(file, run)
        done, job = _run(_made(order, base_url, book, again=again, ask=ask, every=every if watch else None))
    _tell_submitted(done, job, cost, book, warnings, as_json=as_json)


def watch(
    name: Name, *, provider: Service = "openai", base_url: BaseUrl = None, every: Every = 15.0, as_json: AsJson = False
) -> None:
    """Show a job's events until it is over.

    Exits with 0 when the job succeeded and with 3 when it failed or was cancelled. For a file or a run the record says
    where its last job is; for a job's id --provider and --base-url do.
    """
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        job = _run(_watched(name, provider, base_url, every))
    _tell(job, as_json=as_json)


def listed(
    *,
    provider: Service = "openai",
    base_url: BaseUrl = None,
    limit: Annotated[int, typer.Option("-n", "--limit", metavar="N", min=1, help="The newest N.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs at a provider, newest first."""
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        jobs = _run(_listed(provider, base_url, limit))
    if as_json:
        _print({"jobs": [_row(job) for job in jobs]})
        return
    rows = [("job", "status", "made", "model", "tuned model"), *map(_cells, jobs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # never folded: these names are there to be copied
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def cancel(name: Name, *, provider: Service = "openai", base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Stop a job; what it has trained so far may be billed."""
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        job = _run(_cancelled(name, provider, base_url))
    if as_json:
        _print(_row(job))
    else:
        print(_sentence(job))


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    from judgegen.errors import Interrupted

    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise Interrupted("by Ctrl-C; a job that was made goes on at the provider") from None


def _asks(cost: Cost, *, yes: bool, max_usd: float | None) -> bool:
    """Whether somebody is to be asked before the job is made.

    Raises:
        BudgetReached: the job may cost more than `max_usd`.
        PriceUnknown: nobody knows whether it does.
        SpecError: nobody can be asked, and neither --yes nor a cap allows it.
    """
    from judgegen.cli.confirm import refuse_silence, terminal
    from judgegen.errors import BudgetReached, PriceUnknown

    if max_usd is not None:
        if cost.usd is None:
            raise PriceUnknown("no price is known for this job, so no cap can hold it: submit without --max-usd")
        cap, high = Decimal(str(max_usd)), cost.usd[1]
        if high > cap:
            said = f"the job may cost ${high:.2f}, and the cap is ${cap:.2f}; nothing was sent"
            raise BudgetReached(said, continues=high.quantize(Decimal("0.01"), ROUND_CEILING))
    if yes or (max_usd is not None and not terminal()):
        return False
    refuse_silence("a job at the provider costs money")
    return True


async def _made(
    order: JobOrder, base_url: str | None, book: Book, *, again: bool, ask: bool, every: float | None
) -> tuple[Submitted, Job]:
    from judgegen.cli import confirm
    from judgegen.finetune import tuner
    from judgegen.finetune.submit import standing, submit

    async with tuner.at(order.service, base_url) as tuning:
        with book.held():
            done = await standing(order, tuning, book, again=again)
            if done is None:
                if ask:
                    confirm.permit("a job costs money", f"Spend this, at {tuning.base_url}?")
                done = await submit(order, tuning, book)
        if every is None:
            return done, done.job
        return done, await _followed(tuning, done.job.id, every, (book, done.entry))


async def _followed(tuning: Any, job_id: str, every: float, known: tuple[Book, Booked] | None) -> Job:
    from judgegen.finetune.submit import seen
    from judgegen.finetune.watch import follow

    job = await follow(tuning, job_id, _event, every=every)
    if known is not None:
        known[0].put(seen(known[1], job))
    return job


async def _watched(name: str, service: Any, base_url: str | None, every: float) -> Job:
    from judgegen.finetune import tuner
    from judgegen.finetune.book import entry_named

    known = entry_named(name)
    async with tuner.at(*_where(known, service, base_url)) as tuning:
        return await _followed(tuning, name if known is None else known[1].job, every, known)


async def _cancelled(name: str, service: Any, base_url: str | None) -> Job:
    from judgegen.finetune import tuner
    from judgegen.finetune.book import entry_named
    from judgegen.finetune.submit import seen

    known = entry_named(name)
    async with tuner.at(*_where(known, service, base_url)) as tuning:
        job = await tuning.cancel(name if known is None else known[1].job)
    if known is not None:
        known[0].put(seen(known[1], job))
    return job


async def _listed(service: Any, base_url: str | None, limit: int) -> list[Job]:
    from judgegen.finetune import tuner

    async with tuner.at(service, base_url) as tuning:
        return await tuning.jobs(limit)


def _where(known: tuple[Book, Booked] | None, service: Any, base_url: str | None) -> tuple[Any, str | None]:
    """Service and address: the record's, or those given."""
    return (service, base_url) if known is None else (known[1].service, known[1].base_url)


def _looked_through(order: JobOrder) -> list[str]:
    """What `judgegen validate` warns of in the files: the user is asked knowing it.

    Raises:
        SpecError: what it finds wrong.
    """
    from judgegen.cli.validate import told
    from judgegen.errors import SpecError
    from judgegen.exchange.validate import validate
    from judgegen.finetune.check import form_of

    form = form_of(order.service, order.method)
    report = validate(order.file, form, other=order.validation)
    if report.refused:
        wrong = "\n".join(told(finding) for finding in report.findings if finding.fatal)
        raise SpecError(f"{order.file}: the provider would refuse it\n{wrong}")
    return [told(finding) for finding in report.findings]


def _show(cost: Cost | None, warnings: list[str], *, aside: bool) -> None:
    from rich.console import Console

    from judgegen.finetune import show

    if cost is not None:
        Console(stderr=aside).print(show.renderable(cost))
    for words in warnings:
        print(f"beware: {words}", file=sys.stderr)


def _event(event: JobEvent) -> None:
    at = datetime.fromtimestamp(event.created_at, UTC)
    level = "" if event.level == "info" else f"{event.level}: "
    print(f"{at:%H:%M:%S} {level}{event.message}", file=sys.stderr, flush=True)


def _tell_submitted(done: Submitted, job: Job, cost: Cost, book: Book, warnings: list[str], *, as_json: bool) -> None:
    from judgegen.cli import ending
    from judgegen.finetune import show

    if not done.findable:
        print(
            f"beware: the provider keeps no metadata: only {book.path} keeps a second job from being made",
            file=sys.stderr,
        )
    if as_json:
        _print(
            {**_row(job), "made": done.made, "record": str(book.path), "warnings": warnings, "cost": show.to_dict(cost)}
        )
    else:
        print(f"{'made' if done.made else 'there is'} {_sentence(job)}")
        print(f"recorded in {book.path}")
        if not job.over:
            print(f"to follow it: {ending.command('finetune', 'watch', str(book.path))}")
        elif job.status != "succeeded" and not done.made:
            print("to make another: the same command with --again")
    _leave(job)


def _tell(job: Job, *, as_json: bool) -> None:
    if as_json:
        _print(_row(job))
    else:
        print(_sentence(job))
    _leave(job)


def _leave(job: Job) -> None:
    if job.over and job.status != "succeeded":
        raise typer.Exit(LOST)


def _sentence(job: Job) -> str:
    what = f"{job.id}: {job.status}"
    if job.fine_tuned_model:
        what += f", {job.fine_tuned_model}"
    if job.trained_tokens is not None:
        what += f", {job.trained_tokens:,} tokens trained on"
    return what if job.error is None else f"{what}: {job.error}"


def _cells(job: Job) -> tuple[str, ...]:
    made = datetime.fromtimestamp(job.created_at, UTC)
    return job.id, job.status, f"{made:%Y-%m-%d %H:%M}", job.model, job.fine_tuned_model or ""


def _row(job: Job) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(job)


def _print(row: dict[str, Any]) -> None:
    import json

    print(json.dumps(row))
