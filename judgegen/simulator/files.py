"""The simulator's Files API: uploads kept on disk for as long as the server runs.

    POST   /v1/files                multipart: purpose, file; a file for batches ends in .jsonl and has a largest size
    GET    /v1/files                newest first; purpose, after, limit
    GET    /v1/files/{id}           DELETE /v1/files/{id}
    GET    /v1/files/{id}/content   the bytes

Knows nothing of what is in a file.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from judgegen.simulator.bodies import Problem
from judgegen.simulator.wire import bad, in_json, page, refused

PURPOSES = ("batch", "fine-tune", "assistants", "vision", "user_data", "evals")
MOST_BYTES = 512_000_000
MOST_BATCH_BYTES = 200_000_000
_CHUNK = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that is there."""

    id: str
    path: Path
    filename: str
    purpose: str
    created_at: int
    ready_at: float = 0.0  # of time.monotonic(): when the provider has looked at it

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return time.monotonic() >= self.ready_at

    def row(self) -> dict[str, Any]:
        """The file as the API describes it."""
        size = self.path.stat().st_size
        head = {"id": self.id, "object": "file", "bytes": size, "created_at": self.created_at}
        status = "processed" if self.ready else "uploaded"
        return {**head, "filename": self.filename, "purpose": self.purpose, "status": status, "expires_at": None}


class KeptFiles:
    """Files by id, in a folder that is removed with `close`."""

    def __init__(self, *, most_batch_bytes: int = MOST_BATCH_BYTES, processing_s: float = 0.0) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # made when a file comes
        self._most_batch_bytes, self._processing_s = most_batch_bytes, processing_s
        self._stored: dict[str, Stored] = {}

    def close(self) -> None:
        """Remove every file."""
        if self._folder is not None:
            self._folder.cleanup()

    def place(self) -> Path:
        """A path of its own for a file that is still to be written."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="judgegen-simulate-")
        return Path(self._folder.name) / uuid.uuid4().hex

    def keep(self, path: Path, filename: str, purpose: str) -> Stored:
        """Give a written file an id."""
        new = Stored(
            id=f"file-{path.name}",
            path=path,
            filename=filename,
            purpose=purpose,
            created_at=int(time.time()),
            ready_at=time.monotonic() + self._processing_s if purpose == "fine-tune" else 0.0,
        )
        self._stored[new.id] = new
        return new

    def keep_results(self, path: Path, filename: str) -> str | None:
        """The id of a file of a batch's results; None for an empty one, which is not kept."""
        if path.stat().st_size:
            return self.keep(path, filename, "batch_output").id
        path.unlink()
        return None

    def get(self, file_id: str) -> Stored | None:
        """The file of that id."""
        return self._stored.get(file_id)

    def routes(self) -> list[web.RouteDef]:
        """The routes of the API."""
        return [
            web.post("/v1/files", self.upload),
            web.get("/v1/files", self.listed),
            web.get("/v1/files/{id}", self._of(self.described)),
            web.get("/v1/files/{id}/content", self._of(self.content)),
            web.delete("/v1/files/{id}", self._of(self.deleted)),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Keep one file."""
        if not request.content_type.startswith("multipart/"):
            return bad("file", "Expected a multipart/form-data body with 'purpose' and 'file'.")
        path = self.place()
        try:
            name, purpose = await self._received(await request.multipart(), path)
        except ValueError as error:
            path.unlink(missing_ok=True)
            return bad("file", f"Malformed multipart body: {error}")
        except ConnectionError:
            path.unlink(missing_ok=True)
            raise
        if (refusal := self._problem(path, name, purpose)) is not None:
            path.unlink(missing_ok=True)
            return refused(refusal)
        return in_json(self.keep(path, name or "", purpose or "").row())

    async def _received(self, parts: MultipartReader, path: Path) -> tuple[str | None, str | None]:
        """The file's name and purpose, None where they were not sent; its bytes are at `path`."""
        name = purpose = None
        async for part in parts:
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "purpose":
                purpose = await part.text()
            elif part.name == "file":
                name = part.filename or "upload"
                await _write(part, path)
            else:
                await part.release()
        return name, purpose

    def _problem(self, path: Path, name: str | None, purpose: str | None) -> Problem | None:
        if name is None:
            return Problem(message="'file' is a required property", param="file")
        if purpose not in PURPOSES:
            return Problem(message=f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
        if purpose == "batch" and not name.endswith(".jsonl"):
            return Problem(message="Invalid file format for Batch API. Must be .jsonl", param="file")
        if path.stat().st_size > (self._most_batch_bytes if purpose == "batch" else MOST_BYTES):
            return Problem(message="File is too large.", param="file")
        return None

    def _of(self, answer: Callable[[Stored], web.StreamResponse]) -> Callable[[web.Request], Any]:
        async def found(request: web.Request) -> web.StreamResponse:
            stored = self._stored.get(request.match_info["id"])
            if stored is None:
                return bad("id", f"No such File object: {request.match_info['id']}", status=404)
            return answer(stored)

        return found

    async def listed(self, request: web.Request) -> web.Response:
        """The files, newest first."""
        purpose = request.query.get("purpose")
        chosen = {i: f.row() for i, f in reversed(self._stored.items()) if purpose in (None, f.purpose)}
        return page(chosen, request.query, most=10_000, usual=10_000)

    def described(self, stored: Stored) -> web.StreamResponse:
        """One file's description."""
        return in_json(stored.row())

    def content(self, stored: Stored) -> web.StreamResponse:
        """One file's bytes."""
        return web.FileResponse(stored.path, headers={"content-type": "application/octet-stream"})

    def deleted(self, stored: Stored) -> web.StreamResponse:
        """Forget one file."""
        del self._stored[stored.id]
        stored.path.unlink(missing_ok=True)
        return in_json({"id": stored.id, "object": "file", "deleted": True})


async def _write(part: BodyPartReader, path: Path) -> None:
    with path.open("wb") as file:
        while chunk := await part.read_chunk(_CHUNK):
            file.write(chunk)
