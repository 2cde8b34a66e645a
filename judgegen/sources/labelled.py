"""Labelled comparisons: two answers to one prompt, and which of them people preferred. What a judge is checked against.

A row is read as `judgegen.sources.shapes` reads it: two answers with a winner or votes, under any of their names, or a
chosen and a rejected one. A tie is a vote. Of rated answers every two of a prompt are a comparison, see
`judgegen.sources.rated`. Knows nothing of judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.llm.calls import Message, digest
from judgegen.records import Prompt
from judgegen.sources import chat, fields, files, memory, rated, shapes
from judgegen.sources.columns import known
from judgegen.sources.fields import Taken
from judgegen.sources.intake import Intake, items
from judgegen.sources.mapping import met
from judgegen.sources.plain import columns
from judgegen.sources.readings import Names, Reading
from judgegen.sources.rows import NoPreference, RowError, Rows, quoted
from judgegen.sources.verdicts import Vote
from judgegen.sources.wrappings import may_wrap
from judgegen.stores.urls import shown

if TYPE_CHECKING:
    import pandas as pd

NAMES = (*fields.NAMES, "response_a", "response_b", "winner", "votes")
NamesOf = Callable[[tuple[str, ...]], Names]
"""How a source names things, beyond the table of columns, told by its columns."""


def _common(_: tuple[str, ...]) -> Names:
    return Names()


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


def labelled(path: Path, *, warn: Callable[[str], None], names: NamesOf = _common) -> Iterator[Labelled]:
    """The labelled comparisons of a JSONL, JSON, CSV, TSV or Parquet file, or of such a file gzipped, as they are read.

    As strict as `judgegen.sources.prompts`, and in the same order: nothing follows a bad row but the error at the end.
    A comparison without an id is named "c-" and 16 hex digits of what was compared and voted. One that repeats an
    earlier one, votes and all, is left out with a warning; the same comparison with other votes stands for itself. Rows
    that say whose word they are (`annotator`, `worker`, …) are gathered, each comparison with the votes of all. Of a
    chosen and a rejected answer a lot, their content's, says which is A. Rows that compare nothing (ratings that tie,
    chats that part before their last turn) are left out and counted.

    Raises:
        SpecError: no such file, not readable as what it is named, no comparisons, or rows that are wrong.
    """
    intake = Intake(where=shown(path), unit=files.unit(path), noun="comparison", warn=warn)
    return _items(files.rows(path, check=_check(names)), names, intake)


def labelled_from_rows(
    rows: Iterable[Mapping[Any, Any]] | pd.DataFrame,
    *,
    where: str,
    warn: Callable[[str], None],
    names: NamesOf = _common,
) -> Iterator[Labelled]:
    """Labelled comparisons from mappings or a pandas DataFrame, by the rules of `labelled`; `where` names them.

    Raises:
        SpecError: as `labelled`.
    """
    intake = Intake(where=where, unit="row", noun="comparison", warn=warn)
    return _items(memory.rows(rows, check=_check(names)), names, intake)


def _items(rows: Rows, names: NamesOf, intake: Intake) -> Iterator[Labelled]:
    rows, rates = rated.told(met(rows, names(()).mapped, joined=("prompt", "rating", "scores")), names)
    if rates:
        rows, names = rated.comparisons(rows, names, intake.passed), _common
    rows, doubtful = shapes.looked_at(rows)

    def doubting(columns: tuple[str, ...]) -> Names:
        return replace(names(columns), unsure=doubtful)

    yield from _together(items(rows, partial(_taken, names=doubting), _remark, intake), names, intake)


def _taken(row: Mapping[str, Any] | str, line: int, *, names: NamesOf) -> Taken[Labelled]:
    if isinstance(row, str):
        raise RowError("is text, and a comparison has columns; use JSONL, CSV or Parquet")
    given = dict(columns(row))
    found, cells = shapes.read(given, names(tuple(given)))
    responses, votes = _compared(found)
    name = fields.identifier(given)
    asked = fields.Asked(
        messages=found.asked.messages,
        reference=found.asked.reference,
        tools=[dict(tool) for tool in found.asked.tools],
        columns=found.used,
    )
    others = tuple(n for n in cells if n not in NAMES and n not in found.used)
    content = {**asked.content(), "responses": responses, "votes": votes}
    made = Labelled(
        id="c-" + digest(content, size=8) if name is None else name,
        messages=tuple(chat.messages(asked.messages)),
        response_a=responses[0],
        response_b=responses[1],
        votes=votes,
        reference=asked.reference,
        tools=tuple(asked.tools),
        metadata=fields.metadata({**given, **cells}, others),
        line=line,
    )
    if (rater := _rater(made, names)) is None:
        return Taken(item=made, id=made.id, named=name is not None, content=_hash(content), others=others)
    own = "c-" + digest([content, rater], size=8)  # what one says is no repeat of another's, nor is its name
    made = made if name is not None else replace(made, id=own)
    return Taken(item=made, id=own, named=False, content=_hash([content, rater]), others=others)


def _hash(content: Any) -> bytes:
    return bytes.fromhex(digest(content))


def _rater(row: Labelled, names: NamesOf) -> str | None:
    """Whose word a comparison is, where a column says so."""
    column = rated.rater_of(row.metadata, names(tuple(row.metadata)))
    who = None if column is None else row.metadata.get(column)
    return None if rated.missing(who) else str(who)


def _together(found: Iterator[Labelled], names: NamesOf, intake: Intake) -> Iterator[Labelled]:
    """Rows of one person's word each as a comparison with the votes of all; any others as they come, before these.

    Raises:
        SpecError: at the end, where one id names two comparisons.
    """
    held: dict[str, list[Labelled]] = {}
    for one in found:
        if _rater(one, names) is None:
            yield one
        else:
            asked = [one.messages, sorted((one.response_a, one.response_b)), one.reference, one.tools]
            held.setdefault(digest(asked, size=16), []).append(one)
    for rows in held.values():
        try:
            intake.claim(rows[0].id, rows[0].line or 0)
        except RowError as error:
            intake.wrong(rows[0].line, str(error))
        if intake.sound:
            yield _voted(rows)
    if held:
        intake.finish()


def _voted(rows: list[Labelled]) -> Labelled:
    """One comparison of the votes on the same two answers; of what else is said, all that differs, as a list."""
    first = rows[0]
    if len(rows) == 1:
        return first
    votes = tuple(vote for row in rows for vote in (row.votes if _alike(row, first) else map(_turned, row.votes)))
    names = dict.fromkeys(name for row in rows for name in row.metadata)
    told = {name: [row.metadata.get(name) for row in rows] for name in names}
    metadata = {name: said[0] if all(one == said[0] for one in said) else said for name, said in told.items()}
    return replace(first, votes=votes, metadata=metadata)


def _alike(one: Labelled, other: Labelled) -> bool:
    return one.response_a == other.response_a


def _turned(vote: Vote) -> Vote:
    return "tie" if vote == "tie" else "B" if vote == "A" else "A"


def _compared(found: Reading) -> tuple[list[str], tuple[Vote, ...]]:
    """The two answers and the votes; of a pair a lot says which is A.

    Raises:
        RowError: the row compares no two answers.
    """
    if found.kind not in ("comparison", "pair") or len(found.answers) != 2:
        raise RowError(_compares_not(found))
    responses = [_said(answer.messages) for answer in found.answers]
    if found.kind == "comparison":
        return responses, found.votes
    if int(digest([found.asked.messages, *responses], size=8), 16) % 2 == 0:
        return responses, ("A",)
    return responses[::-1], ("B",)


def _compares_not(found: Reading) -> str:
    if len(found.answers) > 1:
        origin = "ranked" if found.kind == "ranked" else "chosen-rejected"
        return f"has {len(found.answers)} answers; its pairs are compared with --from {origin}"
    return "compares no two answers; a comparison has two, and a winner or votes"


def _said(answer: Sequence[Message]) -> str:
    content = answer[-1].get("content")
    if len(answer) > 1 or not isinstance(content, str) or answer[-1].get("tool_calls"):
        raise NoPreference("an answer is more than one text, and a judge is checked on texts")
    return content


def _check(names: NamesOf) -> Callable[[Sequence[str]], None]:
    """A check of a table's columns before its first row."""

    def check(found: Sequence[str]) -> None:
        given = names(tuple(found))
        table = known(tuple(found), given.mapped)
        if rated.rates(found, given):
            return
        if table.several is None and not (table.of("rejected") or table.of("answers") or may_wrap(found)):
            raise RowError(f"no two answers: the columns are {quoted(found)}; name them, like --map response_a=x")

    return check


def _remark(name: str, cells: Mapping[str, Any]) -> str | None:
    return fields.remark(name, cells, NAMES)
