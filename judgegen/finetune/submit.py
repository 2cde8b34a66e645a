"""Submits an order once: finds its job in the record or at the provider, and makes it only where there is none.

A crash at any moment leaves either nothing, an upload that the next run finds by name, or a job that it finds by its
metadata. Knows nothing of terminals: whoever calls has asked before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from judgegen.errors import SpecError
from judgegen.finetune.book import Book, Booked
from judgegen.finetune.order import JobOrder, file_digest
from judgegen.finetune.tuner import LOST, Job, Tuner


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job and its entry in the record. `made`: whether it was made now; `findable`: it carries our id."""

    job: Job
    entry: Booked
    made: bool
    findable: bool


async def standing(order: JobOrder, tuner: Tuner, book: Book, *, again: bool = False) -> Submitted | None:
    """The job that there is for this order, written down; None where one is to be made.

    Args:
        order: what was asked for.
        tuner: the provider.
        book: where jobs are recorded.
        again: a job that failed or was cancelled does not count.
    """
    known = book.find(order.id, tuner.base_url)
    job = await tuner.job(known.job) if known is not None else await tuner.find(order.id)
    if again and known is not None and job is not None and job.status in LOST:
        job = await tuner.find(order.id)
    if job is None or (again and job.status in LOST):
        return None
    return _recorded(order, job, tuner, book, made=False)


async def submit(order: JobOrder, tuner: Tuner, book: Book) -> Submitted:
    """Upload, make the job, write it down.

    Raises:
        SpecError: a file changed since it was looked at, or the provider finds a fault with it.
        ProviderRefused: key, quota or request are refused.
        Incomplete: the provider does not answer; the same order again continues.
    """
    training = await tuner.upload(order.file, _same(order.file_digest, file_digest(order.file)))
    validation = None
    if order.validation is not None and order.validation_digest is not None:
        digest = _same(order.validation_digest, file_digest(order.validation))
        validation = await tuner.upload(order.validation, digest)
    return _recorded(order, await tuner.create(order, training, validation), tuner, book, made=True)


def _same(before: str, now: str) -> str:
    if before != now:
        raise SpecError("the file was changed while it was being looked at; submit it again")
    return now


def _recorded(order: JobOrder, job: Job, tuner: Tuner, book: Book, *, made: bool) -> Submitted:
    known = book.find(order.id, tuner.base_url)
    entry = seen(known, job) if known is not None and known.job == job.id else _entry(order, job, tuner.base_url)
    book.put(entry)
    return Submitted(job=job, entry=entry, made=made, findable=job.order == order.id)


def seen(entry: Booked, job: Job) -> Booked:
    """The entry with what the job has become."""
    return replace(entry, status=job.status, fine_tuned_model=job.fine_tuned_model)


def _entry(order: JobOrder, job: Job, base_url: str) -> Booked:
    return Booked(
        order=order.id,
        job=job.id,
        service=order.service,
        base_url=base_url,
        model=order.model,
        method=order.method,
        settings=dict(order.settings),
        suffix=order.suffix,
        seed=order.seed,
        file=str(order.file),
        file_digest=order.file_digest,
        training_file=job.training_file,
        validation_file=job.validation_file,
        submitted=datetime.fromtimestamp(job.created_at, UTC).isoformat(),
        status=job.status,
        fine_tuned_model=job.fine_tuned_model,
    )
