"""The simulator's fine-tuning API: the jobs of OpenAI's, with nothing behind them.

    POST /v1/fine_tuning/jobs                a model that is tuned there, files of purpose fine-tune, a method; metadata
    GET  /v1/fine_tuning/jobs                newest first; after, limit, metadata[key]=value
    GET  /v1/fine_tuning/jobs/{id}           POST /v1/fine_tuning/jobs/{id}/cancel
    GET  /v1/fine_tuning/jobs/{id}/events    newest first; after, limit

A model tuned by dpo answers better than its base by LEARNED of what the pairs' preferred sides are better by: pairs
whose labels say nothing teach nothing. Any other is as good as its base.

The same below /openai/v1, as Azure has it: there a file begins with a byte order mark, a suffix has no dot, and
trainingType is taken, as is any model's name. A file with a fault is accepted and its job fails while the files are
validated, as at the provider. Jobs are kept until the server ends. Knows nothing of uploads.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from judgegen.simulator.bodies import Problem
from judgegen.simulator.files import KeptFiles, Stored
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import World
from judgegen.simulator.tally import ServerTally
from judgegen.simulator.training import FEWEST, Checked, check, hyperparameters, method_of, refusal
from judgegen.simulator.wire import bad, body_of, dropped, in_json, page, refused

AZURE = "/openai"
VALIDATED, STARTED, BROKEN = 0.1, 0.3, 0.7
"""Shares of a job's seconds: when its files are validated, when it runs, when one that breaks does."""
STEPS = 4
EPOCHS = 3
LEARNED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """How fine-tuning goes. Rates are of jobs; what they strike is drawn by lot."""

    seconds: float = 1.0  # from creation to success
    processing_s: float = 0.0  # from a file's upload until it can be used
    failed_rate: float = 0.0  # jobs that break while they run
    crash_rate: float = 0.0  # jobs that are accepted and whose connection is then dropped


@dataclass(slots=True, kw_only=True)
class Tuning:
    """One job; where it stands follows from the clock. `breaks`: it fails while it runs.

    `id`: by what is trained on what and how, and by the jobs before it, so that a tune has one name on every machine.
    """

    body: Mapping[str, Any]
    files: Mapping[str, Checked]
    seconds: float
    breaks: bool
    azure: bool
    id: str
    began: float = field(default_factory=time.monotonic)
    created_at: int = field(default_factory=lambda: int(time.time()))
    cancelled: float | None = None

    @property
    def tuned(self) -> str:
        """The name of what comes of it: of a tune of a tune, by the base of both."""
        base = str(self.body["model"])
        name = base.split(":")[1] if base.startswith("ft:") else base
        return f"ft:{name}:scripted:{self.body.get('suffix') or ''}:{self.id[-8:]}"

    def share(self) -> float:
        """How far it is: 0 at its creation, 1 at its success; it stands still where it was cancelled."""
        now = time.monotonic() if self.cancelled is None else self.cancelled
        return min(1.0, (now - self.began) / self.seconds) if self.seconds else 1.0

    def status(self) -> str:
        """The status of the API."""
        share = self.share()
        if (self.faults() and share >= VALIDATED) or (self.breaks and share >= BROKEN):
            return "failed"
        if share >= 1.0:
            return "succeeded"
        if self.cancelled is not None:
            return "cancelled"
        return "validating_files" if share < VALIDATED else "queued" if share < STARTED else "running"

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status() in ("succeeded", "failed", "cancelled")

    def faults(self) -> tuple[tuple[str, str], ...]:
        """(which file, what is wrong with it), of all files."""
        return tuple((name, said) for name, found in self.files.items() for said in found.errors)

    def epochs(self) -> int:
        """Those asked for, or what "auto" is here."""
        asked = hyperparameters(self.body).get("n_epochs", "auto")
        return EPOCHS if asked == "auto" else int(asked)

    def row(self) -> dict[str, Any]:
        """The job as the API describes it."""
        status, body = self.status(), self.body
        done = status == "succeeded"
        ended = self.created_at + round(self.share() * self.seconds)
        return {
            "id": self.id,
            "object": "fine_tuning.job",
            "created_at": self.created_at,
            "finished_at": ended if self.over else None,
            "estimated_finish": None if self.over else self.created_at + round(self.seconds),
            "model": body["model"],
            "fine_tuned_model": self.tuned if done else None,
            "organization_id": "org-scripted",
            "status": status,
            "error": self._error() if status == "failed" else None,
            "hyperparameters": {"n_epochs": self.epochs(), "batch_size": 1, "learning_rate_multiplier": 1.0},
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "result_files": [],
            "trained_tokens": self.files["training_file"].tokens * self.epochs() if done else None,
            "user_provided_suffix": body.get("suffix"),
            "seed": body.get("seed", 0),
            "integrations": [],
            "metadata": body.get("metadata"),
            "method": body.get("method") or {"type": "supervised"},
            **({"trainingType": body.get("trainingType", "Standard")} if self.azure else {}),
        }

    def _error(self) -> dict[str, Any]:
        for name, _ in self.faults():
            said = " ".join(text for of, text in self.faults() if of == name)
            message = f"The job failed due to an invalid {name.replace('_', ' ')}. Invalid file format. {said}"
            return {"code": f"invalid_{name}", "message": message, "param": name}
        return {"code": "server_error", "message": "The job failed due to an internal error.", "param": None}

    def events(self) -> list[dict[str, Any]]:
        """What has happened so far, oldest first."""
        share = self.share()
        past = [event for event in self._course() if event[0] <= share]
        if self.status() == "cancelled":
            past.append((share, "info", "Fine-tuning job cancelled", {}))
        return [self._event(number, *event) for number, event in enumerate(past)]

    def _course(self) -> Iterator[tuple[float, str, str, dict[str, Any]]]:
        """(share, level, message, metrics) of all that happens unless it is cancelled."""
        yield 0.0, "info", f"Created fine-tuning job: {self.id}", {}
        yield 0.0, "info", f"Validating training file: {self.body['training_file']}", {}
        if self.faults():
            yield VALIDATED, "error", str(self._error()["message"]), {}
            return
        yield VALIDATED, "info", "Files validated, moving job to queued state", {}
        yield STARTED, "info", "Fine-tuning job started", {}
        for step in range(1, STEPS + 1):
            at, loss = STARTED + (0.99 - STARTED) * step / STEPS, round(0.7 / step, 4)
            if self.breaks and at >= BROKEN:
                yield BROKEN, "error", str(self._error()["message"]), {}
                return
            yield at, "info", f"Step {step}/{STEPS}: training loss={loss}", {"step": step, "train_loss": loss}
        yield 1.0, "info", "New fine-tuned model created", {}
        yield 1.0, "info", "The job has successfully completed", {}

    def _event(self, number: int, at: float, level: str, message: str, metrics: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"ftevent-{self.id[6:]}-{number}",
            "object": "fine_tuning.job.event",
            "created_at": self.created_at + int(at * self.seconds),
            "level": level,
            "message": message,
            "type": "metrics" if metrics else "message",
            "data": metrics,
        }


class Tunings:
    """The jobs by id."""

    def __init__(self, files: KeptFiles, tally: ServerTally, settings: FinetuneSettings, world: World) -> None:
        self._files, self._tally, self._settings, self._world = files, tally, settings, world
        self._jobs: dict[str, Tuning] = {}
        self._numbers = itertools.count()
        self._lots = Lots("tunings", world.settings.seed)

    def routes(self) -> list[web.RouteDef]:
        """The routes of both APIs; Azure's files are the same ones at their own address."""
        own = [
            web.post("/v1/fine_tuning/jobs", self.create),
            web.get("/v1/fine_tuning/jobs", self.listed),
            web.get("/v1/fine_tuning/jobs/{id}", self.described),
            web.get("/v1/fine_tuning/jobs/{id}/events", self.events),
            web.post("/v1/fine_tuning/jobs/{id}/cancel", self.cancel),
        ]
        azure = [web.route(r.method, AZURE + r.path, r.handler) for r in (*self._files.routes(), *own)]
        return [*own, *azure]

    async def create(self, request: web.Request) -> web.Response:
        """Accept one job."""
        azure = request.path.startswith(AZURE)
        body = await body_of(request)
        if isinstance(body, Problem):
            return refused(body)
        found = refusal(body, azure=azure) or self._without_file(body)
        if found is not None:
            return refused(found)
        job = await self._accept(body, azure=azure)
        if self._lots.unit() < self._settings.crash_rate:
            self._tally.came_to("fault")
            return dropped(request)
        return in_json(job.row())

    def _without_file(self, body: Mapping[str, Any]) -> Problem | None:
        for name in ("training_file", "validation_file"):
            file_id = body.get(name)
            if file_id is None and name == "validation_file":
                continue
            stored = self._files.get(str(file_id))
            if stored is None or stored.purpose != "fine-tune":
                said = f"File '{file_id}' does not exist, or its purpose is not 'fine-tune'."
                return Problem(message=said, param=name, code="invalid_file")
            if not stored.ready:
                said = f"File '{file_id}' is still being processed and is not ready to be used for fine-tuning."
                return Problem(message=said, param=name, code="file_not_ready")
        return None

    async def _accept(self, body: Mapping[str, Any], *, azure: bool) -> Tuning:
        method = method_of(body)
        named = {name: self._files.get(body[name]) for name in ("training_file", "validation_file") if body.get(name)}
        files = {name: await asyncio.to_thread(_checked, name, stored, method, azure) for name, stored in named.items()}
        breaks = self._lots.unit() < self._settings.failed_rate
        stored = [file for file in named.values() if file is not None]
        name = await asyncio.to_thread(_id_of, next(self._numbers), body, stored)
        job = Tuning(id=name, body=body, files=files, seconds=self._settings.seconds, breaks=breaks, azure=azure)
        self._jobs[job.id] = job
        self._world.tuned[job.tuned] = (
            self._world.quality_of_model(body["model"]) + LEARNED * files["training_file"].better
        )
        return job

    async def listed(self, request: web.Request) -> web.Response:
        """The jobs, newest first."""
        azure = request.path.startswith(AZURE)
        wanted = {k[9:-1]: v for k, v in request.query.items() if k.startswith("metadata[") and k.endswith("]")}
        jobs = [
            job
            for job in reversed(self._jobs.values())
            if job.azure == azure and wanted.items() <= (job.body.get("metadata") or {}).items()
        ]
        return page({job.id: job.row() for job in jobs}, request.query, most=100, usual=20)

    def _of(self, request: web.Request) -> Tuning | None:
        """The job of the path, which is no job of the other service."""
        job = self._jobs.get(request.match_info["id"])
        return job if job is not None and job.azure == request.path.startswith(AZURE) else None

    async def described(self, request: web.Request) -> web.Response:
        """One job."""
        job = self._of(request)
        return _none(request) if job is None else in_json(job.row())

    async def events(self, request: web.Request) -> web.Response:
        """What has happened to one job, newest first."""
        job = self._of(request)
        if job is None:
            return _none(request)
        return page({event["id"]: event for event in reversed(job.events())}, request.query, most=100, usual=20)

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop one job where it is."""
        job = self._of(request)
        if job is None:
            return _none(request)
        if job.over:
            return bad("id", f"Job has already completed: its status is '{job.status()}'.", code="invalid_state")
        job.cancelled = time.monotonic()
        return in_json(job.row())


def _id_of(number: int, body: Mapping[str, Any], files: Sequence[Stored]) -> str:
    told = {key: value for key, value in body.items() if not key.endswith("_file")}
    digest = hashlib.blake2b(json.dumps([number, told], sort_keys=True).encode(), digest_size=12)
    for stored in files:
        digest.update(stored.path.read_bytes())
    return f"ftjob-{digest.hexdigest()}"


def _checked(name: str, stored: Stored | None, method: str, azure: bool) -> Checked:
    assert stored is not None
    return check(stored.path, method, azure=azure, fewest=FEWEST if name == "training_file" else 1)


def _none(request: web.Request) -> web.Response:
    said = f"Could not find fine tune: {request.match_info['id']}"
    return bad("fine_tune_id", said, status=404, code="fine_tune_not_found")
