"""The record of jobs beside a file or in a run folder: which order became which job, where, and how it was last seen.

A small JSON file, written whole or not at all, held by one process at a time. Losing it loses nothing but time: every
job carries its order's id at the provider. Knows nothing of the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.writer.files import write_text

VERSION = 1
BESIDE = ".finetune.json"
IN_A_RUN = "finetune.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One job. `order` is the id that its metadata carries; `submitted` is UTC; `status` is the last one seen."""

    order: str
    job: str
    service: str
    base_url: str
    model: str
    method: str
    settings: dict[str, Any]
    suffix: str | None
    seed: int | None
    file: str
    file_digest: str
    training_file: str
    validation_file: str | None
    submitted: str
    status: str
    fine_tuned_model: str | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """The record at `path`, which need not be there yet."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from writing it, and so from submitting what it is about.

        Raises:
            SpecError: another process holds it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(f"{self.path}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise SpecError(f"{self.path}: another process is submitting this; wait for it") from None
        try:
            yield
        finally:
            lock.release()

    def entries(self) -> list[Booked]:
        """All jobs, oldest first; none where there is no record.

        Raises:
            SpecError: the record is damaged or of another version.
        """
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["version"] != VERSION:
                raise SpecError(f"{self.path}: a record of version {found['version']}; this program reads {VERSION}")
            return [Booked(**{field.name: row[field.name] for field in fields(Booked)}) for row in found["jobs"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise SpecError(
                f"{self.path}: damaged; move it away, and `judgegen finetune submit` finds its job at the provider"
            ) from None

    def find(self, order: str, base_url: str) -> Booked | None:
        """The last job of this order there."""
        return next((e for e in reversed(self.entries()) if (e.order, e.base_url) == (order, base_url)), None)

    def last(self) -> Booked:
        """The job submitted last.

        Raises:
            SpecError: there is none.
        """
        if found := self.entries():
            return found[-1]
        raise SpecError(f"{self.path}: no job is recorded; `judgegen finetune submit` makes one, `list` shows them all")

    def put(self, entry: Booked) -> None:
        """Write a job down, in the place of what was known of it; on disk before this returns."""
        jobs = {(known.base_url, known.job): known for known in (*self.entries(), entry)}
        rows = [asdict(job) for job in jobs.values()]
        write_text(self.path, json.dumps({"version": VERSION, "jobs": rows}, indent=2, ensure_ascii=False) + "\n")


def book_of(file: Path, run: Path | None = None) -> Book:
    """The record of a file: in the run folder if one is given, else beside it.

    Raises:
        SpecError: the run folder is none.
    """
    if run is None:
        return Book(file.with_name(file.name + BESIDE))
    if not run.is_dir():
        raise SpecError(f"{run}: no folder; --run names a run's")
    return Book(run / IN_A_RUN)


def entry_named(name: str) -> tuple[Book, Booked] | None:
    """The job that a training file, a record or a run folder stands for, its last one; None for a job's own id.

    Raises:
        SpecError: a file or folder that has no record, or is not there.
    """
    path = Path(name)
    if not path.exists():
        if path.name != name or name.endswith((".jsonl", ".json")):
            raise SpecError(f"{name}: no such file, and no job's id")
        return None
    if path.is_dir():
        book = Book(path / IN_A_RUN)
    else:
        book = Book(path) if path.name == IN_A_RUN or path.name.endswith(BESIDE) else book_of(path)
    return book, book.last()
