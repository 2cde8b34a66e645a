"""A provider's files and fine-tuning jobs, through an openai client whose retries are off.

An upload is found again by its name, which holds the digest of its bytes, and a job by the order's id in its metadata:
both before anything is sent again, so that a lost answer or a crash makes neither twice. Knows nothing of records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from judgegen.errors import Incomplete, ProviderRefused, SpecError
from judgegen.finetune.check import Service
from judgegen.finetune.order import METADATA_KEY, JobOrder
from judgegen.llm.persist import persist

if TYPE_CHECKING:
    from judgegen.spec import Endpoint

T = TypeVar("T")
KEYS: Mapping[Service, str] = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY"}
UPLOAD_S = 600.0
FIRST_LOOK_S, LONGEST_LOOK_S, PATIENCE_S = 0.1, 5.0, 1800.0
LOST = frozenset({"failed", "cancelled"})
OVER = LOST | {"succeeded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the provider tells it. `order`: the id of ours that it carries; times are Unix seconds."""

    id: str
    status: str
    model: str
    created_at: int
    finished_at: int | None = None
    estimated_finish: int | None = None
    training_file: str = ""
    validation_file: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error: str | None = None
    order: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job."""

    id: str
    created_at: int
    level: str
    message: str


@dataclass(slots=True)
class Tuner:
    """What a provider does with files and fine-tuning jobs."""

    client: Any
    service: Service
    what: str = field(init=False)

    def __post_init__(self) -> None:
        self.what = f"{self.service} fine-tuning API"

    @property
    def base_url(self) -> str:
        """Where it is, as records name it."""
        return str(self.client.base_url).rstrip("/")

    async def upload(self, path: Path, digest: str) -> str:
        """The id of the file with this digest: of an earlier upload, or of one made now, once it can be used.

        Raises:
            SpecError: the provider finds a fault with the file.
        """
        name, size = f"{path.name.removesuffix('.jsonl')}.{digest}.jsonl", path.stat().st_size  # noqa: ASYNC240 - a moment

        async def upload() -> Any:
            if (known := await self._uploaded(name, size)) is not None:
                return known
            with path.open("rb") as content:
                return await self.client.files.create(file=(name, content), purpose="fine-tune")

        return await self._processed(await self._asked(upload), path)

    async def _uploaded(self, name: str, size: int) -> Any:
        async for found in self.client.files.list(purpose="fine-tune"):
            if (found.filename, found.bytes) == (name, size) and found.status not in ("error", "deleted"):
                return found
        return None

    async def _processed(self, found: Any, path: Path) -> str:
        file_id, waited, look = found.id, 0.0, FIRST_LOOK_S
        while found.status != "processed":
            if found.status in ("error", "deleted"):
                raise SpecError(f"{path}: {self.service} cannot use it: {found.status_details or found.status}")
            if waited > PATIENCE_S:
                raise Incomplete(f"{path}: uploaded as {file_id} and still not processed; the same command looks again")
            await asyncio.sleep(look)
            waited, look = waited + look, min(LONGEST_LOOK_S, look * 2)
            found = await self._asked(lambda: self.client.files.retrieve(file_id))
        return str(file_id)

    async def find(self, order: str) -> Job | None:
        """A job of this order: one that lives or has succeeded if there is any, else the newest."""

        async def search() -> Job | None:
            first: Job | None = None
            async for row in self.client.fine_tuning.jobs.list(limit=100):
                job = job_of(row)
                if job.order == order and job.status not in LOST:
                    return job
                if job.order == order:
                    first = first or job
            return first

        return await self._asked(search)

    async def create(self, order: JobOrder, training_file: str, validation_file: str | None) -> Job:
        """Make the job; when the answer is lost, look for it before asking again."""
        before = await self.find(order.id)
        tried = False

        async def create() -> Job:
            nonlocal tried
            if tried and (found := await self.find(order.id)) and (before is None or found.id != before.id):
                return found
            tried = True
            return job_of(await self.client.fine_tuning.jobs.create(**order.body(training_file, validation_file)))

        return await self._asked(create)

    async def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return job_of(await self._asked(lambda: self.client.fine_tuning.jobs.retrieve(job_id)))

    async def jobs(self, limit: int) -> list[Job]:
        """The newest jobs, newest first."""

        async def ask() -> list[Job]:
            found: list[Job] = []
            async for row in self.client.fine_tuning.jobs.list(limit=min(limit, 100)):
                found.append(job_of(row))
                if len(found) == limit:
                    break
            return found

        return await self._asked(ask)

    async def events(self, job_id: str, seen: set[str]) -> list[JobEvent]:
        """What happened since those `seen`, oldest first; they are added to it."""

        async def ask() -> list[JobEvent]:
            found: list[JobEvent] = []
            async for row in self.client.fine_tuning.jobs.list_events(job_id, limit=100):
                if row.id in seen:
                    break
                found.append(JobEvent(id=row.id, created_at=row.created_at, level=row.level, message=row.message))
            return found[::-1]

        new = await self._asked(ask)
        seen.update(event.id for event in new)
        return new

    async def cancel(self, job_id: str) -> Job:
        """Stop the job; one that is being stopped already is no trouble.

        Raises:
            ProviderRefused: it is over, with another end, or there is none.
        """
        try:
            return job_of(await self._asked(lambda: self.client.fine_tuning.jobs.cancel(job_id)))
        except ProviderRefused:
            job = await self.job(job_id)
            if job.status == "cancelled":  # the answer to an earlier request was lost
                return job
            raise

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await persist(ask, self.what)


def job_of(row: Any) -> Job:
    """The SDK's object as a Job. A job without a fault has null for its error, or an object of nulls."""
    return Job(
        id=row.id,
        status=row.status,
        model=row.model,
        created_at=row.created_at,
        finished_at=row.finished_at,
        estimated_finish=getattr(row, "estimated_finish", None),
        training_file=row.training_file,
        validation_file=row.validation_file,
        fine_tuned_model=row.fine_tuned_model,
        trained_tokens=row.trained_tokens,
        error=getattr(row.error, "message", None),
        order=(row.metadata or {}).get(METADATA_KEY),
    )


def address(service: Service, base_url: str | None) -> str | None:
    """The base URL to use; None leaves OpenAI's to the SDK and its environment.

    Raises:
        SpecError: Azure's is missing or is not the v1 endpoint's.
    """
    if service == "openai":
        return base_url
    wanted = "https://RESOURCE.openai.azure.com/openai/v1/"
    if base_url is None:
        raise SpecError(f"azure has an address for each resource: give --base-url {wanted}")
    if not base_url.rstrip("/").endswith("/openai/v1"):
        raise SpecError(f"--base-url {base_url} is not Azure's v1 endpoint, which is {wanted}")
    return base_url


@asynccontextmanager
async def at(service: Service, base_url: str | None) -> AsyncIterator[Tuner]:
    """The tuner of a service, its connections closed with the block.

    Raises:
        ProviderRefused: no key in the environment.
        SpecError: an address that cannot be.
    """
    import os

    from judgegen.spec import OPENAI_URL, Endpoint

    url = address(service, base_url) or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    async with beside(Endpoint(base_url=url), service) as found:
        yield found


@asynccontextmanager
async def beside(endpoint: Endpoint, service: Service) -> AsyncIterator[Tuner]:
    """The tuner at the address and with the key of an endpoint that is asked for answers, too.

    Raises:
        ProviderRefused: no key in the environment.
        SpecError: an address that cannot be.
    """
    from judgegen.llm.providers.openai import client

    address(service, endpoint.base_url)
    changes = {"api_key_env": endpoint.api_key_env or KEYS[service], "max_concurrency": 4, "timeout_s": UPLOAD_S}
    async with client(endpoint.model_copy(update=changes), service) as asking:
        yield Tuner(asking, service)
