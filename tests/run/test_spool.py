"""Items put by come back as they were, in order, as often as they are read."""

from __future__ import annotations

from pathlib import Path

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


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """The file has no name, while it is used and after."""
    with Spool[str](tmp_path) as kept:
        kept.add("x" * (spool.MOST_BYTES + 1))
        assert list(tmp_path.iterdir()) == []
        assert [len(item) for item in kept] == [spool.MOST_BYTES + 1]
    assert list(tmp_path.iterdir()) == []
