"""A look at a file of rows: what each would be read as, by which columns, and the first of them as they would come in.

Nothing is written. Knows what `import_` knows, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.exchange.import_ import Reject, Wishes, imported, probed
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import KINDS, read
from judgegen.formats.origins import ANY, PREFERENCES, known_by, origin
from judgegen.sources.mapping import parsed_mapping
from judgegen.sources.readings import Names
from judgegen.sources.rows import Bad, RowError
from judgegen.sources.shapes import unsure

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at the first rows found.

    Attributes:
        rows: how many were looked at; `whole` where that is all of them.
        shapes: how many rows are read as what; a set that is known by its columns is named.
        columns: the columns that were read; `left` those that become metadata.
        refused: how many rows are no preference, by reason.
        shown: the first preferences, as they would come in.
    """

    rows: int
    whole: bool
    shapes: Mapping[str, int]
    columns: tuple[str, ...]
    left: tuple[str, ...]
    refused: Mapping[str, int]
    shown: tuple[Row, ...]

    @property
    def sure(self) -> float:
        """The share of the rows that are read as one and the same shape."""
        return max(self.shapes.values(), default=0) / self.rows if self.rows else 0.0


def inspect(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    *,
    name: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    encoding: str = "utf-8",
) -> Inspection:
    """Look at the first rows of what `judgegen import` reads.

    Raises:
        SpecError: it cannot be read, or there is no such shape.
    """
    found, whole = probed(source, encoding)
    given = [row.value for row in found if not isinstance(row, Bad) and isinstance(row.value, Mapping)]
    names = Names(mapped=_mapped(mapping), unsure=unsure(found))
    shapes, used, left = Counter[str](), dict[str, None](), dict[str, None]()
    for row in given:
        shape, columns = _shape(row, name, names)
        shapes[shape] += shape != ""
        used |= dict.fromkeys(columns)
        left |= dict.fromkeys(key for key in row if key not in columns) if columns else {}
    taken = list(imported(given, name, wishes=Wishes(mapping=mapping)))
    refused = Counter(row.reason for row in taken if isinstance(row, Reject))
    refused += Counter(row.why for row in found if isinstance(row, Bad))
    return Inspection(
        rows=len(found),
        whole=whole,
        shapes={shape: count for shape, count in shapes.most_common() if shape},
        columns=tuple(used),
        left=tuple(key for key in left if key not in used),
        refused=dict(refused.most_common()),
        shown=tuple(row for row in taken if not isinstance(row, Reject))[:SHOWN],
    )


def _mapped(mapping: Mapping[str, str] | Sequence[str]) -> tuple[tuple[str, str], ...]:
    try:
        return parsed_mapping(mapping)
    except RowError:
        return ()  # `imported` tells what is wrong with it


def _shape(row: Mapping[str, Any], name: str | None, names: Names) -> tuple[str, frozenset[str]]:
    """What a row is read as, in words, and by which columns; nothing where it is refused."""
    shape = origin(name) if name is not None else known_by(tuple(row))
    if shape.read is not None:
        return shape.about if shape is PREFERENCES else shape.name, frozenset(row)
    try:
        found = read(row, shape, names).reading
    except Unfit:
        return "", frozenset()
    known = "" if shape is ANY else f" ({shape.name}: {shape.about})"
    return KINDS[found.kind] + known, found.used
