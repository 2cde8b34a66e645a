"""A look at a file of rows: what each would be read as, by which columns, what it is good for, and the first of it.

Nothing is written. What rows are good for is said by the readers that would take them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.exchange.import_ import Reject, Wishes, imported, probed
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import KINDS, Origin, read
from judgegen.formats.origins import ANY, PREFERENCES, known_by, origin
from judgegen.sources.columns import Mapped
from judgegen.sources.labelled import Labelled
from judgegen.sources.mapping import met, parsed_mapping
from judgegen.sources.reading import prompts_from_rows
from judgegen.sources.readings import Names
from judgegen.sources.rows import Bad, ReadError, RowError
from judgegen.sources.rows import Row as Found
from judgegen.sources.shapes import unsure

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")
SHOWN = 3
_OF_PROMPTS = ("prompt", "system", "reference", "tools", "id")
"""What a run file's [columns] may map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What rows come to where they are put to a use: `count` of it, or why they are `refused` as they are."""

    count: int
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at the first rows found.

    Attributes:
        rows: how many were looked at; `whole` where that is all of them.
        shapes: how many rows are read as what; a set that is known by its columns is named.
        columns: the columns that were read; `left` those that become metadata.
        refused: how many rows are no preference, by reason.
        uses: what the rows are good for: "preferences" (`judgegen import`), "comparisons" (`judgegen judge check` and
            its like) and "prompts" (of a run).
        shown: the first preferences, as they would come in; comparisons or prompts where there are none.
    """

    rows: int
    whole: bool
    shapes: Mapping[str, int]
    columns: tuple[str, ...]
    left: tuple[str, ...]
    refused: Mapping[str, int]
    uses: Mapping[str, Use]
    shown: tuple[Row, ...]

    @property
    def sure(self) -> float:
        """The share of the rows that are read as one and the same shape."""
        return max(self.shapes.values(), default=0) / self.rows if self.rows else 0.0

    @property
    def good(self) -> bool:
        """Whether the rows are good for anything."""
        return any(use.count for use in self.uses.values())


def inspect(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    *,
    name: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    encoding: str = "utf-8",
) -> Inspection:
    """Look at the first rows of what `judgegen import` reads.

    Raises:
        SpecError: it cannot be read, there is no such shape, or a column that is mapped is nowhere.
    """
    shape = None if name is None else origin(name)
    found, whole = probed(source, encoding)
    given = [row.value for row in found if not isinstance(row, Bad) and isinstance(row.value, Mapping)]
    names = Names(mapped=_mapped(found, mapping), unsure=unsure(found))
    shapes, used, left = Counter[str](), dict[str, None](), dict[str, None]()
    for row in given:
        words, columns = _shape(row, shape, names)
        shapes[words] += words != ""
        used |= dict.fromkeys(columns)
        left |= dict.fromkeys(key for key in row if key not in columns) if columns else {}
    wishes, uses = Wishes(mapping=mapping), dict[str, Use]()
    taken, uses["preferences"] = _use(lambda: imported(given, name, wishes=wishes), found, strict=False)
    compared, uses["comparisons"] = _use(lambda: comparisons.labelled(given, name, _unheard, mapping), found)
    own = {meaning: column for meaning, column in names.mapped if meaning in _OF_PROMPTS}
    texts = [row.value for row in found if not isinstance(row, Bad)]
    asked, uses["prompts"] = _use(lambda: prompts_from_rows(texts, where="rows", warn=_unheard, mapping=own), found)
    shown = [row for row in taken if not isinstance(row, Reject)]
    shown = shown or [_compared(one) for one in compared] or [{"prompt": list(one.messages)} for one in asked]
    refused = Counter(row.reason for row in taken if isinstance(row, Reject))
    refused += Counter(row.why for row in found if isinstance(row, Bad))
    return Inspection(
        rows=len(found),
        whole=whole,
        shapes={shape: count for shape, count in shapes.most_common() if shape},
        columns=tuple(used),
        left=tuple(key for key in left if key not in used),
        refused=dict(refused.most_common()),
        uses=uses,
        shown=tuple(shown[:SHOWN]),
    )


def _unheard(_: str) -> None:
    """Hears what a run would be told of."""


def _mapped(found: Sequence[Found | Bad], mapping: Mapping[str, str] | Sequence[str]) -> Mapped:
    """What is mapped, once all of it is there.

    Raises:
        SpecError: it is not, or is no mapping.
    """
    try:
        mapped = parsed_mapping(mapping)
        list(met(iter(found), mapped, joined=("prompt", "rating", "scores")))
    except (RowError, ReadError) as error:
        raise SpecError(f"--map: {error}") from None
    return mapped


def _use(
    read: Callable[[], Iterable[Item]], found: Sequence[Found | Bad], *, strict: bool = True
) -> tuple[list[Item], Use]:
    """What rows are read as, and how much that is; a `strict` use wants every row to be in order."""
    bad = next((row for row in found if isinstance(row, Bad)), None) if strict else None
    if bad is not None:
        return [], Use(count=0, refused=f"line {bad.line}: {bad.why}")
    try:
        taken = list(read())
    except SpecError as error:
        return [], Use(count=0, refused=str(error).partition("\n")[0].partition(": ")[2])
    return taken, Use(count=sum(not isinstance(one, Reject) for one in taken))


def _compared(one: Labelled) -> Row:
    sides = {"response_a": one.response_a, "response_b": one.response_b}
    return {"prompt": list(one.messages), **sides, "votes": list(one.votes)}


def _shape(row: Mapping[str, Any], named: Origin | None, names: Names) -> tuple[str, frozenset[str]]:
    """What a row is read as, in words, and by which columns; nothing where it is refused."""
    shape = named or known_by(tuple(row))
    if shape.read is not None:
        return shape.about if shape is PREFERENCES else shape.name, frozenset(row)
    try:
        found = read(row, shape, names).reading
    except Unfit:
        return "", frozenset()
    known = "" if shape is ANY else f" ({shape.name}: {shape.about})"
    return KINDS[found.kind] + known, found.used
