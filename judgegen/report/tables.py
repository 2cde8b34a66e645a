"""A run folder's summary and audit as rows, read once for whatever is shown of them.

Knows the files' names and columns; nothing of how a run is made, and nothing of pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from judgegen.errors import JournalError, SpecError
from judgegen.run.kept_file import lacking
from judgegen.spec import Spec, reading
from judgegen.writer.expected import Expected, kept

Row = Mapping[str, Any]
_CALLS = (
    *("call_id", "role", "prompt_id", "variant", "model", "outcome", "failure", "detail"),
    *("input_tokens", "output_tokens", "cost_usd"),
)


@dataclass(frozen=True)
class Tables:
    """The files of a run folder; each is read when it is first asked for."""

    folder: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json.

        Raises:
            SpecError: it is not there.
        """
        path = self.folder / "summary.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise lacking(path, self.folder) from None
        except ValueError:
            raise SpecError(f"{path}: is no summary; `judgegen write {self.folder}` makes it anew") from None
        return found

    @cached_property
    def spec(self) -> Spec | None:
        """The resolved run file; None where it is gone or no run file any more."""
        try:
            return reading.read(self.folder / "run.toml")
        except SpecError:
            return None

    @cached_property
    def prompts(self) -> list[dict[str, Any]]:
        """A row per prompt, in prompt order."""
        return self._rows("prompts")

    @cached_property
    def candidates(self) -> list[dict[str, Any]]:
        """A row per candidate."""
        return self._rows("candidates")

    @cached_property
    def verdicts(self) -> list[dict[str, Any]]:
        """A row per display."""
        return self._rows("verdicts")

    @property
    def cap(self) -> Decimal | None:
        """The most the run may cost; None without a cap, or without its run file."""
        return None if self.spec is None else self.spec.budget.max_usd

    @cached_property
    def expected(self) -> Expected | None:
        """What the run was to cost, as it was said before it began; None where nobody was told."""
        return kept(self.folder, self.summary["prompts"])

    @cached_property
    def pairs(self) -> list[dict[str, Any]]:
        """A row per pair, without the texts, which stand at their candidates."""
        return self._rows("pairs", without=("chosen_text", "rejected_text"))

    @cached_property
    def calls(self) -> dict[str, dict[str, Any]]:
        """Every call by its id: what it took, not what was said."""
        return {row["call_id"]: row for row in self._rows("calls", columns=_CALLS)}

    @cached_property
    def words(self) -> dict[str, str]:
        """What judges answered, by call."""
        rows = self._rows("calls", columns=("call_id", "text"), filters=[("role", "==", "judge")])
        return {row["call_id"]: row["text"] or "" for row in rows}

    @cached_property
    def timings(self) -> list[dict[str, Any]]:
        """Per call of the journal its seconds, the requests it took and when; empty where the journal cannot be read.

        It is locked while a run holds it, and may have been left behind when the folder was handed on.
        """
        from judgegen.llm.journal import Journal

        try:
            with Journal(self.folder, create=False) as journal:
                return list(journal.timings())
        except JournalError:
            return []

    def _rows(
        self, name: str, *, columns: Sequence[str] | None = None, without: Sequence[str] = (), filters: Any = None
    ) -> list[dict[str, Any]]:
        import pyarrow.parquet as pq

        path = self.folder / "audit" / f"{name}.parquet"
        if not path.is_file():
            raise lacking(path, self.folder)
        if columns is None:
            columns = [column for column in pq.read_schema(path).names if column not in without]
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(columns), filters=filters).to_pylist()
        return rows
