"""Labelled comparisons: two answers to one prompt, and which of them people preferred. What a judge is checked against.

A row has what a prompt's row has (`judgegen.sources.fields`), and `response_a`, `response_b`, and `winner` ("A", "B" or
"tie") or `votes`, a list of those, in CSV as JSON in a text. Knows nothing of judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from judgegen.llm.calls import Message, digest
from judgegen.records import Prompt
from judgegen.sources import fields, files, memory
from judgegen.sources.fields import Taken
from judgegen.sources.intake import Intake, items
from judgegen.sources.plain import columns
from judgegen.sources.rows import RowError, kind, quoted

if TYPE_CHECKING:
    import pandas as pd

Vote = Literal["A", "B", "tie"]
VOTES: tuple[Vote, ...] = ("A", "B", "tie")
RESPONSES = ("response_a", "response_b")
NAMES = (*fields.NAMES, *RESPONSES, "winner", "votes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Two responses to one chat and at least one vote; a `winner` is one vote. `line` is where it stood in its file."""

    id: str
    messages: tuple[Message, ...]
    response_a: str
    response_b: str
    votes: tuple[Vote, ...]
    reference: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = field(default=None, compare=False)

    @property
    def prompt(self) -> Prompt:
        """The prompt under the comparison's own id, for whoever asks a judge about it."""
        return Prompt(
            id=self.id,
            messages=self.messages,
            reference=self.reference,
            tools=self.tools,
            metadata=self.metadata,
            line=self.line,
        )


def labelled(path: Path, *, warn: Callable[[str], None]) -> Iterator[Labelled]:
    """The labelled comparisons of a JSONL, JSON, CSV, TSV or Parquet file, or of such a file gzipped, as they are read.

    As strict as `judgegen.sources.prompts`, and in the same order: nothing follows a bad row but the error at the end.
    A comparison without an id is named "c-" and 16 hex digits of what was compared and voted. One that repeats an
    earlier one, votes and all, is left out with a warning; the same comparison with other votes stands for itself.

    Raises:
        SpecError: no such file, not readable as what it is named, no comparisons, or rows that are wrong.
    """
    intake = Intake(where=str(path), unit=files.unit(path), noun="comparison", warn=warn)
    return items(files.rows(path, check=_check_columns), _taken, _remark, intake)


def labelled_from_rows(
    rows: Iterable[Mapping[Any, Any]] | pd.DataFrame, *, where: str, warn: Callable[[str], None]
) -> Iterator[Labelled]:
    """Labelled comparisons from mappings or a pandas DataFrame, by the rules of `labelled`; `where` names them.

    Raises:
        SpecError: as `labelled`.
    """
    intake = Intake(where=where, unit="row", noun="comparison", warn=warn)
    return items(memory.rows(rows, check=_check_columns), _taken, _remark, intake)


def _taken(row: Mapping[str, Any] | str, line: int) -> Taken[Labelled]:
    if isinstance(row, str):
        raise RowError("is text, and a comparison has columns; use JSONL, CSV or Parquet")
    cells = dict(columns(row))
    found, name = fields.asked(cells), fields.identifier(cells)
    others = tuple(n for n in cells if n not in NAMES and n not in found.columns)
    responses, votes = [_response(cells, n) for n in RESPONSES], _votes(cells)
    content = {**found.content(), "responses": responses, "votes": votes}
    made = Labelled(
        id="c-" + digest(content, size=8) if name is None else name,
        messages=tuple(found.messages),
        response_a=responses[0],
        response_b=responses[1],
        votes=votes,
        reference=found.reference,
        tools=tuple(found.tools),
        metadata=fields.metadata(cells, others),
        line=line,
    )
    named = name is not None
    return Taken(item=made, id=made.id, named=named, content=bytes.fromhex(digest(content)), others=others)


def _response(cells: Mapping[str, Any], name: str) -> str:
    """An answer; an empty text is one that says nothing, and a missing one is an error."""
    if name not in cells:
        raise RowError(f"has no {name}; an answer that is empty is written as an empty text, in JSONL or Parquet")
    value = cells[name]
    if not isinstance(value, str):
        raise RowError(f"{name} is {kind(value)}, not text")
    return value


def _votes(cells: Mapping[str, Any]) -> tuple[Vote, ...]:
    if "winner" in cells and "votes" in cells:
        raise RowError("has both winner and votes; keep one")
    if "winner" in cells:
        return (_vote(cells["winner"], "winner"),)
    if "votes" not in cells:
        raise RowError("has neither winner nor votes")
    votes = fields.from_json(cells, "votes")
    if not isinstance(votes, list):
        raise RowError(f"votes is {kind(votes)}, not a list")
    if not votes:
        raise RowError("votes is empty")
    return tuple(_vote(vote, "votes") for vote in votes)


def _vote(value: object, name: str) -> Vote:
    for vote in VOTES:
        if value == vote:
            return vote
    raise RowError(f"{name}: {value!r} is not one of {quoted(VOTES)}")


def _check_columns(names: Sequence[str]) -> None:
    fields.check_columns(names)
    missing = [name for name in RESPONSES if name not in names]
    if "winner" not in names and "votes" not in names:
        missing.append("winner")
    if missing:
        raise RowError(f"no column {quoted(missing)}; the columns are {quoted(names)}")


def _remark(name: str, cells: Mapping[str, Any]) -> str | None:
    return fields.remark(name, cells, NAMES)
