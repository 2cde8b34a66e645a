"""run.log in a run folder: one JSON object per line, each with the moment (UTC) and what happened.

Every run of the folder adds to it; nothing is made from it, and it may be deleted. Beyond `MOST_BYTES` it begins anew
and the lines before are in run.log.1. A log that cannot be written is told of once, and ends no run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from judgegen.llm.secrets import masked
from judgegen.llm.stop import Stop
from judgegen.run.events import MOST, Event, Events
from judgegen.watch import Watch, Watches

NAME = "run.log"
MOST_BYTES = 32_000_000


class Log:
    """Appends to the log of a folder until it is closed; `warn` is told if it cannot."""

    def __init__(self, folder: Path, warn: Callable[[str], None], *, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._warn, self._most = folder / NAME, warn, most_bytes
        self._stream: TextIO | None = None
        self._over = False

    def add(self, event: Event) -> None:
        """One more line."""
        self.write(event.row())

    def write(self, row: dict[str, Any]) -> None:
        """One more line, of `row` and the time."""
        if self._over:
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._open().write(json.dumps({"at": moment, **row}) + "\n")
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """No line more."""
        stream, self._stream, self._over = self._stream, None, True
        if stream is not None:
            try:
                stream.close()
            except OSError as error:
                self._fail(error)

    def _open(self) -> TextIO:
        """The file, another one where it is full."""
        if self._stream is not None and self._stream.tell() >= self._most:
            self._stream.close()
            self._stream = None
            self._path.replace(self._path.with_name(f"{NAME}.1"))
        if self._stream is None:
            self._stream = self._path.open("a", encoding="utf-8", buffering=1)
        return self._stream

    def _fail(self, error: OSError) -> None:
        self._over = True
        self._warn(f"{self._path}: cannot be written ({error.strerror or error}); the run goes on without its log")


@contextmanager
def logged(folder: Path, watch: Watch, stop: Stop) -> Iterator[Watch]:
    """`watch` with the folder's log beside it; the last line says why the run ended, where something ended it."""
    log = Log(folder, watch.warned)
    ended: BaseException | None = None
    try:
        yield Watches(watch, Events(log.add))
    except BaseException as error:
        ended = error
        raise
    finally:
        why = stop.error or ended
        log.write({"event": "ended", "why": None if why is None else masked(f"{type(why).__name__}: {why}")[:MOST]})
        log.close()
