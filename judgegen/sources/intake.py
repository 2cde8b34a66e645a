"""Rows to prompts: gathers what is wrong, merges what is asked twice, and hands on what is in order.

Keeps 16 bytes and a line number per id and per content, and nothing else of a row that is gone by: a million rows fit.
Knows nothing of formats or of what a row holds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from judgegen.errors import SpecError
from judgegen.sources.fields import Taken
from judgegen.sources.rows import Bad, NoPreference, ReadError, Row, RowError, Rows

SHOWN = 20
"""How many bad rows, and how many repeated ones, are named before the rest is counted."""

Item = TypeVar("Item")
Take = Callable[[Any, int], Taken[Item]]
Remark = Callable[[str, Mapping[str, Any]], str | None]


class Intake:
    """What is known of the rows so far. `where` names their source, `unit` what is counted: "line" or "row"."""

    def __init__(self, *, where: str, unit: str, noun: str, warn: Callable[[str], None]) -> None:
        self._where, self._unit, self._noun, self._warn = where, unit, noun, warn
        self._problems: list[str] = []
        self._source: list[str] = []
        self._wrong = self._repeated = self._taken = 0
        self._lines: dict[bytes, int] = {}
        self._remarked: set[str] = set()
        self._passed: Counter[str] = Counter()

    @property
    def sound(self) -> bool:
        """Whether every row so far was in order."""
        return not (self._problems or self._source)

    def wrong(self, line: int | None, why: str, *, unit: str | None = None) -> None:
        """Note a row that is not in order, or, told last, the whole source; `unit` where it is not the rows' own."""
        if line is None:
            self._source.append(f"{self._where}: {why}")
            return
        self._wrong += 1
        if self._wrong <= SHOWN:
            self._problems.append(f"{self._where}: {unit or self._unit} {line}: {why}")

    def passed(self, why: str) -> None:
        """Note a sound row that is not what is looked for."""
        self._passed[why] += 1

    def new(self, taken: Taken[Any], line: int) -> bool:
        """Whether what was taken at `line` is asked for the first time.

        Raises:
            RowError: its id is another's.
        """
        first = self._lines.setdefault(taken.content, line)
        if taken.named or first == line:
            self.claim(taken.id, line)
        if first == line:
            self._taken += 1
            return True
        self._repeated += 1
        if self._repeated <= SHOWN:
            self._tell(f"{self._unit} {line} repeats the {self._noun} of {self._unit} {first} and is left out")
        return False

    def claim(self, name: str, line: int) -> None:
        """Take an id for the row at `line`.

        Raises:
            RowError: it is another's.
        """
        key = hashlib.blake2b(name.encode(), digest_size=16, person=b"id").digest()
        if (first := self._lines.setdefault(key, line)) != line:
            raise RowError(f"the id {name!r} is that of {self._unit} {first} already")

    def tell(self, words: str | None) -> None:
        """Tell the user something, once."""
        if words is not None and words not in self._remarked:
            self._remarked.add(words)
            self._tell(words)

    def remark(self, names: tuple[str, ...], row: Any, remark: Remark) -> None:
        """Tell the user of each column once, when there is something to tell."""
        for name in names:
            if name not in self._remarked:
                self._remarked.add(name)
                if (said := remark(name, row)) is not None:
                    self._tell(said)

    def finish(self) -> None:
        """Raise SpecError when anything was wrong, or when there was nothing."""
        if self._repeated > SHOWN:
            self._tell(f"… and {self._repeated - SHOWN} more {self._unit}s repeat earlier ones")
        for why, count in self._passed.most_common(SHOWN):
            self._tell(f"{count:,} {self._unit}s are left out: {why}")
        if self._wrong > SHOWN:
            self._problems.append(f"{self._where}: … and {self._wrong - SHOWN} more")
        if problems := [*self._problems, *self._source]:
            raise SpecError("\n".join(problems))
        if not self._taken:
            raise SpecError(f"{self._where}: holds no {self._noun}s; write one a {self._unit}")

    def _tell(self, message: str) -> None:
        self._warn(f"{self._where}: {message}")


def items(rows: Rows, take: Take[Item], remark: Remark, intake: Intake) -> Iterator[Item]:
    """What the rows came to, in their order, each content once; after the first bad row, nothing more.

    That nothing follows a bad row matters to whoever wants the first few only: they get those, or the error.

    Raises:
        SpecError: at the end, with every bad row.
    """
    try:
        for row in rows:
            item = _item(row, take, remark, intake)
            if item is not None and intake.sound:
                yield item
    except ReadError as error:
        intake.wrong(error.line, str(error), unit="line")  # also in JSON, whose rows are not its lines
    intake.finish()


def _item(row: Row | Bad, take: Take[Item], remark: Remark, intake: Intake) -> Item | None:
    if isinstance(row, Bad):
        intake.wrong(row.line, row.why)
        return None
    try:
        taken = take(row.value, row.line)
        intake.tell(taken.told)
        intake.remark(taken.others, row.value, remark)
        return taken.item if intake.new(taken, row.line) else None
    except NoPreference as error:
        intake.passed(str(error))
    except RowError as error:
        intake.wrong(row.line, str(error))
    return None
