"""What keys the rows of an export have, so that a loader which infers types from the first rows takes all of them.

Hugging Face `datasets` reads JSON lines ten megabytes at a time. The first of them, of the file that is named first,
say which columns and types there are, and another type later ends the loading. Objects of one path whose keys differ
there stay as they are (its type `Json`, since 4.7.0), and then anything may follow. So a column stands in every row or
in none; and where nested values differ anywhere in an export, they differ at the head of each of its files. Null
would not do for either: as the only value of a column it is a type of its own, and a null `tool_calls` is taken for
tool calls by chat templates that ask whether the key is there. Knows neither preferences nor files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HEAD = 1 << 20
"""Bytes at the head of a file that any loader looks at before it decides."""

Path = tuple[str, ...]
_NESTED = frozenset({dict, list})


class Spot(NamedTuple):
    """Where a row stands in its file: its number from 0, and the bytes before it."""

    row: int
    offset: int

    @property
    def late(self) -> bool:
        """Whether a loader has decided before it comes here."""
        return self.offset >= HEAD


@dataclass(slots=True)
class _Node:
    """What stood at one path: the keys of objects and the kinds of other values, each with its first place.

    `open` is where the second of two kinds came of which one holds others; what is inside no longer counts then.
    `flat` are the keys and types of objects without others inside, as far as they stood there: they say nothing new.
    """

    seen: dict[Any, Spot] = field(default_factory=dict)
    open: Spot | None = None
    flat: set[Any] = field(default_factory=set)

    def take(self, kind: Any, place: Spot) -> bool:
        """Add a kind; whether what is inside such a value still counts."""
        if self.open is None and kind not in self.seen:
            self.seen[kind] = place
            if len(self.seen) > 1 and any(isinstance(each, frozenset) or each == "list" for each in self.seen):
                self.open = place
        return self.open is None

    @property
    def holds(self) -> bool:
        """Whether objects stood there."""
        return any(isinstance(each, frozenset) for each in self.seen)


class KeysSeen:
    """The keys and kinds of one file's rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.nodes: dict[Path, _Node] = {}
        self._spelled: Counter[tuple[str, ...]] = Counter()
        self._nested: dict[Any, tuple[str, ...]] = {}

    @property
    def having(self) -> Counter[str]:
        """How many rows have each key, in the order in which the keys came."""
        having: Counter[str] = Counter()
        for names, count in self._spelled.items():
            for name in names:
                having[name] += count
        return having

    def add(self, row: Mapping[str, Any], offset: int) -> None:
        """Take a row that begins after so many bytes."""
        place = Spot(self.rows, offset)
        self.rows += 1
        names = tuple(row)
        self._spelled[names] += 1
        spelled = (names, tuple(map(type, row.values())))
        known = self._nested.get(spelled)
        if known is None:
            self._nested[spelled] = tuple(name for name in names if isinstance(row[name], dict | list))
        for key in names if known is None else known:
            self._inside(row[key], (key,), place)

    def _inside(self, value: Any, path: Path, place: Spot) -> None:
        if value is None:
            return
        node = self.nodes.get(path)
        if node is None:
            node = self.nodes[path] = _Node()
        if isinstance(value, dict):
            spelled = (tuple(value), tuple(map(type, value.values())))
            if spelled in node.flat or not node.take(frozenset(value), place):
                return
            for key, inner in value.items():
                self._inside(inner, (*path, key), place)
            if not _NESTED.intersection(spelled[1]):
                node.flat.add(spelled)
        elif node.take(type(value).__name__, place) and isinstance(value, list):
            inside = (*path, "[]")
            for inner in value:
                self._inside(inner, inside, place)


@dataclass(slots=True, kw_only=True)
class Layout:
    """What makes one file's rows fit those of the others.

    Attributes:
        names: the columns of every row, in order; None where no row has to change.
        fill: what stands in a column that a row has not.
        first: numbers of the rows that go to the head.
        opened: where the first row is to hold an object with a key that no other has.
    """

    names: tuple[str, ...] | None = None
    fill: Mapping[str, Any] = field(default_factory=dict)
    first: set[int] = field(default_factory=set)
    opened: set[Path] = field(default_factory=set)

    @property
    def changes(self) -> bool:
        """Whether the file is anything but its rows as they came."""
        return self.names is not None or bool(self.first or self.opened)

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with every column and no other."""
        if self.names is None:
            return row
        return {name: row.get(name, self.fill.get(name)) for name in self.names}

    def head(self, row: dict[str, Any], spare: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
        """The first row, its objects opened with the keys that `spare` gives for each."""
        for path in self.opened:
            if (found := next(_at(row, path), None)) is not None:
                found.update(spare(found))
        return row


def _at(value: Any, path: Path) -> Iterator[dict[str, Any]]:
    """The objects at a path."""
    if not path:
        yield from [value] if isinstance(value, dict) else []
    elif path[0] != "[]":
        yield from _at(value.get(path[0]), path[1:]) if isinstance(value, dict) else ()
    elif isinstance(value, list):
        for inner in value:
            yield from _at(inner, path[1:])


def partial(files: Collection[KeysSeen]) -> dict[str, int]:
    """The columns that some rows have and others have not, and how many have them."""
    total = sum(file.rows for file in files)
    having: Counter[str] = Counter()
    for file in files:
        having.update(file.having)
    return {name: count for name, count in having.items() if count < total}


def plans(
    files: Sequence[KeysSeen], fill: Mapping[str, Any], *, loose: Collection[str] = (), movable: bool = True
) -> list[Layout]:
    """For each file of an export what makes its rows fit.

    Args:
        files: the files, in order.
        fill: what a row says in a column that it has no value for. A partial column that is not here is left out.
        loose: columns that stand only where there is something in them.
        movable: whether rows may change their order.
    """
    lacking = partial(files).keys() - set(loose)
    order = dict.fromkeys(name for file in files for name in file.having)
    made = [Layout() for _ in files]
    if lacking:
        names = tuple(name for name in order if name not in lacking or name in fill)
        made = [Layout(names=names, fill=fill) for _ in files]
    filled = [file for file in files if file.rows]
    for path, target in _differing(filled, without=lacking - fill.keys()):
        for file, plan in zip(files, made, strict=True):
            if file.rows and not _shows(file, path, filled):
                _mend(file, plan, path, target, filled, movable=movable)
    return made


def _differing(files: Sequence[KeysSeen], *, without: Collection[str]) -> Iterator[tuple[Path, Path | None]]:
    """The outermost paths of which some file does not show at its head all that stands there in any.

    With each the object that has to be opened: itself, or the one around it; None where there is none.
    """
    settled: set[Path] = set()
    for path in sorted({path for file in files for path in file.nodes}, key=lambda path: (len(path), path)):
        if path[0] in without or any(path[:length] in settled for length in range(1, len(path))):
            continue
        nodes = [file.nodes[path] for file in files if path in file.nodes]
        if not all(_shows(file, path, files) for file in files):
            inner = any(node.holds for node in nodes)
            target = path if inner else _around(path, files)
            settled.add(target or path)
            yield path, target
        elif any(node.open for node in nodes):
            settled.add(path)


def _around(path: Path, files: Sequence[KeysSeen]) -> Path | None:
    """The nearest object around a path."""
    for length in range(len(path) - 1, 0, -1):
        if any(path[:length] in file.nodes and file.nodes[path[:length]].holds for file in files):
            return path[:length]
    return None


def _shows(file: KeysSeen, path: Path, files: Sequence[KeysSeen]) -> bool:
    """Whether a file's head holds every kind that stands at a path in any file, or two that differ."""
    node = file.nodes.get(path)
    if node is not None and node.open is not None:
        return not node.open.late
    early = {kind for kind, place in node.seen.items() if not place.late} if node is not None else set()
    return all(kind in early for other in files if path in other.nodes for kind in other.nodes[path].seen)


def _mend(
    file: KeysSeen, plan: Layout, path: Path, target: Path | None, files: Sequence[KeysSeen], *, movable: bool
) -> None:
    node = file.nodes.get(path)
    kinds = {kind for other in files if path in other.nodes for kind in other.nodes[path].seen}
    there = set(node.seen) if node is not None else set()
    enough = node is not None and (node.open is not None or kinds <= there)
    if enough and movable and node is not None:
        plan.first |= {place.row for place in node.seen.values()}
    elif target is not None:
        plan.opened.add(target)
