"""Follows a job until it is over. Knows nothing of where its words are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from judgegen.finetune.tuner import Job, JobEvent, Tuner

EVERY_S = 15.0


async def follow(tuner: Tuner, job_id: str, tell: Callable[[JobEvent], None], *, every: float = EVERY_S) -> Job:
    """The job once it is over; `tell` hears of each event once, in order, those from before this call too.

    The status is asked for before the events are, so that none is missed that belongs to the end.

    Raises:
        ProviderRefused: key or job are not known there.
        Incomplete: the provider does not answer.
    """
    seen: set[str] = set()
    while True:
        job = await tuner.job(job_id)
        for event in await tuner.events(job_id, seen):
            tell(event)
        if job.over:
            return job
        await asyncio.sleep(every)
