"""One batch of the simulator: its state as the API shows it, and the reading of its input file.

Error codes are those OpenAI documents for a file that fails validation: invalid_json_line, duplicate_custom_id,
url_mismatch, model_mismatch, empty_file, too_many_tasks, token_limit_exceeded. Knows nothing of how rows are answered.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from judgegen.simulator.bodies import problem
from judgegen.simulator.files import Stored
from judgegen.simulator.scripted import prompt_tokens

ENDPOINT = "/v1/chat/completions"
Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
MOST_ERRORS = 100
_STAMPS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_DAY_S = 86_400


@dataclass(slots=True, kw_only=True)
class ServedBatch:
    """A batch. `tokens` are its input tokens, `usage` and `counts` what it came to so far."""

    input: Stored
    metadata: Mapping[str, str] | None
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    status: Status = "validating"
    stamps: dict[str, int] = field(default_factory=dict)
    model: str | None = None
    tokens: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    usage: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str | None] = field(default_factory=dict)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, status: Status) -> None:
        """Go on to `status`, now. A batch that is being cancelled says so until it is over."""
        if not (self.cancelled.is_set() and status in ("in_progress", "finalizing")):
            self.status = status
        self.stamps.setdefault(status, int(time.time()))

    def cancel(self) -> None:
        """Take no more rows."""
        self.enter("cancelling")
        self.cancelled.set()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("failed", "completed", "expired", "cancelled")

    def row(self) -> dict[str, Any]:
        """The batch as the API describes it."""
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input.id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.files.get("output"),
            "error_file_id": self.files.get("error"),
            "created_at": self.created_at,
            "expires_at": self.created_at + _DAY_S,
            **{f"{name}_at": self.stamps.get(name) for name in _STAMPS},
            "request_counts": {name: self.counts[name] for name in ("total", "completed", "failed")},
            "usage": self._usage(),
            "metadata": self.metadata,
        }

    def _usage(self) -> dict[str, Any]:
        asked, answered = self.usage["prompt_tokens"], self.usage["completion_tokens"]
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        }


class InputFile:
    """An input file, line by line: where its rows begin, their model and tokens, what is wrong with them."""

    def __init__(self, most_requests: int) -> None:
        self.offsets: list[int] = []
        self.model: str | None = None
        self.tokens = 0
        self.errors: list[dict[str, Any]] = []
        self._most_requests = most_requests
        self._ids: set[str] = set()

    def take(self, number: int, offset: int, line: bytes) -> None:
        """Read line `number`, which begins at byte `offset`."""
        self.offsets.append(offset)
        try:
            row = json.loads(line)
        except ValueError:
            self._wrong("invalid_json_line", "This line is not parseable as valid JSON.", number)
            return
        found = self._problem(row)
        if found is not None:
            self._wrong(found[0], found[1], number, found[2])
        else:
            self.tokens += prompt_tokens(row["body"])

    def finish(self) -> None:
        """Check what only the whole file shows."""
        if not self.offsets:
            self._wrong("empty_file", "The batch file is empty.")
        if len(self.offsets) > self._most_requests:
            said = f"The batch has {len(self.offsets)} requests; the most is {self._most_requests}."
            self._wrong("too_many_tasks", said)

    def _problem(self, row: Any) -> tuple[str, str, str | None] | None:
        """(code, message, parameter) of what is wrong with a row's envelope."""
        if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str) or not row["custom_id"]:
            return "missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id"
        if row["custom_id"] in self._ids:
            return "duplicate_custom_id", "The custom_id of a request must be unique in its batch.", "custom_id"
        self._ids.add(row["custom_id"])
        if row.get("method") != "POST":
            return "invalid_method", "The method of a request must be POST.", "method"
        if row.get("url") != ENDPOINT:
            return "url_mismatch", f"The url of a request must be the batch's endpoint, {ENDPOINT}.", "url"
        return self._body(row.get("body"))

    def _body(self, body: Any) -> tuple[str, str, str | None] | None:
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"
        self.model = self.model or body["model"]
        if body["model"] != self.model:
            return "model_mismatch", f"All requests of a batch must be for one model, here {self.model}.", "body.model"
        found = problem(body)
        if found is not None and (found.param or "").startswith("messages"):
            return "missing_required_parameter", found.message, f"body.{found.param}"
        return None

    def _wrong(self, code: str, message: str, line: int | None = None, param: str | None = None) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append({"code": code, "message": message, "line": line, "param": param})
