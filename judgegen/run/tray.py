"""Batch files of one endpoint in a folder: where they lie, how they are written, and what answers them.

    MODEL-1f3c9a2b.jsonl            requests in OpenAI's form, of what has no answer; gone once some of it was taken in
    MODEL-1f3c9a2b.answers.jsonl    where its answers shall go; any other .jsonl file in the folder is read as well

Knows nothing of journals, or of what answers mean.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from judgegen.errors import OutputError
from judgegen.llm.batch import Clerk
from judgegen.llm.calls import Call
from judgegen.llm.outbox import IN_FOLDER, Batch, Outbox
from judgegen.llm.providers.batch_file import arguments

USUAL = "vllm run-batch -i {input} -o {output} --model {model}"
"""What is proposed where the run file has no command."""


def is_file(batch: Batch) -> bool:
    """Whether a batch lies in a folder, and not with its provider."""
    return batch.provider_id is not None and batch.provider_id.startswith(IN_FOLDER)


@dataclass(slots=True)
class Tray(Clerk):
    """One endpoint's batch files. `command` is what answers one; None where somebody does that by hand."""

    folder: Path = field(kw_only=True)
    command: str | None = field(default=None, kw_only=True)

    def named(self, batch: Batch) -> str:
        """Its file's name, so that whatever ends the run before it is written, it is known to be with no provider."""
        return f"{IN_FOLDER}{self.input(batch).name}"

    def input(self, batch: Batch) -> Path:
        """Where its requests are: a file named by its model and our id."""
        plain = re.sub(r"[^\w.-]+", "-", batch.model.rsplit("/", 1)[-1]).strip("-.")[:40] or "model"
        return self.folder / f"{plain}-{batch.id[-8:]}.jsonl"

    def beside(self, batch: Batch, what: str) -> Path:
        """Another file of the batch."""
        return self.input(batch).with_suffix(f".{what}")

    def output(self, batch: Batch) -> Path:
        """Where its answers are looked for first."""
        return self.beside(batch, "answers.jsonl")

    async def find(self, batch: Batch, outbox: Outbox) -> str | None:
        """The file's name, where it is there and whole."""
        del outbox
        return self.named(batch) if self.input(batch).is_file() else None

    async def submit(self, batch: Batch, outbox: Outbox) -> str:
        """Write the requests of a batch; they are there whole or not at all.

        Raises:
            OutputError: they cannot be written there.
        """
        try:
            self._write(self.input(batch), outbox.calls(batch))
        except OSError as error:
            raise OutputError(
                f"{self.folder}: batch files cannot be written there ({error.strerror or error}); make it a folder "
                f"with room, or name another by --batch-file: the same command goes on"
            ) from None
        return self.named(batch)

    def _write(self, path: Path, calls: Iterable[Call]) -> None:
        part = path.with_name(f"{path.name}.part")
        self.folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for call in calls:
                file.write(self.line(call).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def withdraw(self, batch: Batch) -> None:
        """Its requests wait no more as they stand there."""
        for path in (self.input(batch), self.beside(batch, "lock")):
            path.unlink(missing_ok=True)

    def words(self, batch: Batch) -> list[str]:
        """The command that answers a batch, the usual one where the run file has none."""
        filled = {"input": str(self.input(batch)), "output": str(self.output(batch)), "model": batch.model}
        return arguments(self.command or USUAL, filled)

    def line_for_a_shell(self, batch: Batch) -> str:
        """The command of `words`, quoted to be pasted into a shell."""
        return shlex.join(self.words(batch))
