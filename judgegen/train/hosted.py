"""A round's training at a provider: its pairs are submitted as a fine-tuning job once, and followed until it is over.

The job is looked for in the folder's record and at the provider before one is made, so that whatever was killed trains
nothing twice. Knows nothing of rounds before or after it, or of terminals.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from judgegen.errors import BudgetReached, PriceUnknown, ProviderRefused, SpecError
from judgegen.exchange import public
from judgegen.finetune import plan, tuner
from judgegen.finetune.book import IN_A_RUN, Book
from judgegen.finetune.check import Service, form_of
from judgegen.finetune.cost import training_usd
from judgegen.finetune.order import JobOrder
from judgegen.finetune.submit import Submitted, seen, standing, submit
from judgegen.finetune.tuner import Job, Tuner
from judgegen.finetune.watch import EVERY_S, follow
from judgegen.llm.training_prices import table
from judgegen.spec import Endpoint
from judgegen.train.live import Say
from judgegen.train.rows import shuffled
from judgegen.writer.files import write_text

DONE = "tuned.json"
MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOrder:
    """How a provider trains.

    Attributes:
        model: the base, or a tune of it, by the provider's name.
        settings: the hyperparameters that were given; the provider chooses the others.
        seed: of its job.
        labels: "judged" as they stand, or "shuffled": half of the pairs turned round, for a control.
        every: seconds from one look at a job to the next.
        today: the day by which dates are judged; None is today.
    """

    service: Service
    model: str
    method: Literal["dpo", "sft"] = "dpo"
    settings: Mapping[str, int | float] = field(default_factory=dict)
    seed: int = 0
    labels: str = "judged"
    every: float = EVERY_S
    today: date | None = None

    def row(self) -> dict[str, Any]:
        """What the result depends on, as JSON; labels as they stand go unsaid."""
        told = asdict(self)
        known = {key: told[key] for key in ("service", "model", "method", "settings", "seed")}
        return known | ({"labels": self.labels} if self.labels != "judged" else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What came of a job.

    Attributes:
        model: the tuned model, as a job that trains on names it.
        asked: the name it answers to: the same at OpenAI, a deployment's at Azure.
        job: its id.
        usd: what was paid for the tokens trained on; None where no price is known.
    """

    model: str
    asked: str
    job: str
    usd: Decimal | None

    def row(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "usd": None if self.usd is None else str(self.usd)}


def tuned(
    run: Path, order: HostedOrder, folder: Path, endpoint: Endpoint, *, name: str, left: Decimal | None, say: Say
) -> Tuned:
    """Train `order` on the pairs of `run`, by way of the folder; `left` is the most that it may cost in USD.

    Raises:
        SpecError: the provider would not take the model or the pairs.
        BudgetReached, PriceUnknown: the job may cost more than `left`, or nobody knows.
        ProviderRefused: it takes no job, or the job came to nothing.
        Incomplete: it does not answer; the same again continues.
    """
    asked, done = _ordered(run, order, folder, name), folder / DONE
    if done.is_file() and (known := json.loads(done.read_text(encoding="utf-8")))["order"] == asked.id:
        usd = None if known["usd"] is None else Decimal(known["usd"])
        return Tuned(model=known["model"], asked=known["asked"], job=known["job"], usd=usd)
    job = asyncio.run(_followed(asked, order, folder, endpoint, left, say))
    if job.status != "succeeded" or job.fine_tuned_model is None:
        raise ProviderRefused(
            f"the job {job.id} {job.status}{'' if job.error is None else f': {job.error}'}; "
            f"the same command makes another"
        )
    found = Tuned(
        model=job.fine_tuned_model, asked=_answering(asked, job), job=job.id, usd=_paid(asked, job.trained_tokens)
    )
    write_text(done, json.dumps({"order": asked.id, **found.row()}, indent=1) + "\n")
    if found.asked != found.model:
        say(f"{found.model} is asked as the deployment {found.asked}: make it, at the address of the endpoint")
    return found


def _ordered(run: Path, order: HostedOrder, folder: Path, name: str) -> JobOrder:
    """The run's pairs as the service reads them, and the job on them."""
    folder.mkdir(parents=True, exist_ok=True)
    file, form = folder / "train.jsonl", form_of(order.service, order.method)
    public.export(run, form.name, file)
    text = file.read_text(encoding="utf-8").removeprefix(MARK)
    if order.labels == "shuffled":
        text = _turned(text, order.seed)
    write_text(file, (MARK if form.bom else "") + text)
    return plan.order_of(
        plan.JobFiles(train=file),
        order.service,
        order.model,
        order.method,
        today=_day(order),
        settings=order.settings,
        suffix=name,
        seed=order.seed,
    )


def _turned(text: str, seed: int) -> str:
    """The pairs of a file with half of them turned round, as `rows.shuffled` does it."""
    sides = {"input": "prompt", "preferred_output": "chosen", "non_preferred_output": "rejected"}
    rows = [{sides.get(key, key): value for key, value in json.loads(line).items()} for line in text.splitlines()]
    names = {ours: theirs for theirs, ours in sides.items()}
    found = [{names[key]: value for key, value in row.items()} for row in shuffled(rows, seed)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)


def _day(order: HostedOrder) -> date:
    return order.today or datetime.now(UTC).date()


async def _followed(
    asked: JobOrder, order: HostedOrder, folder: Path, endpoint: Endpoint, left: Decimal | None, say: Say
) -> Job:
    """The job of this order once it is over, made where there is none that lives or has succeeded."""
    book = Book(folder / IN_A_RUN)
    async with tuner.beside(endpoint, order.service) as tuning:
        with book.held():
            done = await standing(asked, tuning, book, again=True) or await _made(asked, order, tuning, book, left)
        say(f"{'submitted' if done.made else 'there is'} {done.job.id}: {done.job.status}")
        job = await follow(tuning, done.job.id, lambda event: say(event.message), every=order.every)
        book.put(seen(done.entry, job))
    return job


async def _made(asked: JobOrder, order: HostedOrder, tuning: Tuner, book: Book, left: Decimal | None) -> Submitted:
    _check_affordable(asked, order, left)
    return await submit(asked, tuning, book)


def _check_affordable(asked: JobOrder, order: HostedOrder, left: Decimal | None) -> None:
    """Nothing where the job fits into what is left.

    Raises:
        BudgetReached: it may cost more.
        PriceUnknown: nobody knows whether it does.
    """
    if left is None:
        return
    usd = plan.cost_of(asked, today=_day(order)).usd
    if usd is None:
        raise PriceUnknown(
            f"what {asked.service} takes for training is not known here, so no cap can hold it: go on without one"
        )
    if usd[1] > left:
        raise BudgetReached(f"a job on {asked.file} may cost {usd[1]:.2f} USD, and {max(left, 0):.2f} are left")


def _answering(asked: JobOrder, job: Job) -> str:
    """Azure's models answer by a deployment, which is made by hand: a name that the same job has every time."""
    return f"{asked.suffix}-{asked.id[:8]}" if asked.service == "azure" else str(job.fine_tuned_model)


def _paid(asked: JobOrder, tokens: int | None) -> Decimal | None:
    base = table().find(asked.model) if asked.service == "openai" else None
    return None if base is None or base.training is None or tokens is None else training_usd(tokens, base.training)


def endpoint_of(endpoints: Mapping[str, Endpoint], name: str) -> Endpoint:
    """The sampler's endpoint, where its provider trains as well.

    Raises:
        SpecError: it is no server that speaks OpenAI's API.
    """
    found = endpoints[name]
    if found.provider != "openai":
        raise SpecError(
            f"[sampler] asks the endpoint {name!r}, provider = {found.provider!r}: models are trained where they are "
            f'asked, so name one with provider = "openai" and the base_url of the service'
        )
    return found
