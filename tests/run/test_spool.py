"""Items put by come back as they were, in order, as often as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judgegen.run import spool
from judgegen.run.spool import Spool


@pytest.mark.parametrize("most", [1_000_000, 10])
def test_items_come_back_in_order_as_often_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """In memory or on disk; equal parts of two items are no reason to mix them up."""
    monkeypatch.setattr(spool, "MOST_BYTES", most)
    items = [(number, ("same", "same"), "x" * number) for number in range(50)]
    with Spool[tuple[int, tuple[str, str], str]](tmp_path) as kept:
        for item in items:
            kept.add(item)
        assert list(kept) == items
        assert list(kept) == items


@dataclass(frozen=True, slots=True)
class _Pair:
    """As records are."""

    one: Any
    other: Any = None
    tail: tuple[Any, ...] = ()


@dataclass
class _Loose:
    """One whose values are no slots."""

    one: Any
    other: Any = None


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    """Equal, of the same type, and what was one in two places is one again."""
    inner = _Pair(1, {"a": Decimal("0.10")})
    item = (_Pair(inner, inner, (_Loose(2), date(2026, 1, 2))), _Pair(None))
    with Spool[tuple[_Pair, _Pair]](tmp_path) as kept:
        kept.add(item)
        (found,) = kept
    assert found == item
    assert found[0].one is found[0].other
    assert type(found[0].tail[0]) is _Loose
    with pytest.raises(AttributeError):
        found[0].one = 3  # type: ignore[misc]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """The file has no name, while it is used and after."""
    with Spool[str](tmp_path) as kept:
        kept.add("x" * (spool.MOST_BYTES + 1))
        assert list(tmp_path.iterdir()) == []
        assert [len(item) for item in kept] == [spool.MOST_BYTES + 1]
    assert list(tmp_path.iterdir()) == []
