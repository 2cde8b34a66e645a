from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shown import many, written

from judgegen.report import page
from judgegen.report.labelled import agreement
from judgegen.report.tables import Tables
from judgegen.review.labels import Labels
from judgegen.review.queue import Queued, items
from judgegen.review.sitting import Sitting

Votes = Callable[[Queued], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of sixty prompts."""
    written(tmp_path / "run", many(60))
    return tmp_path / "run"


def label(folder: Path, count: int, agrees: Callable[[int], bool]) -> None:
    """Label so many pairs that the judge decided, with it or against it."""
    found = [item for item in items(folder, pytest.fail) if item.p is not None and item.p != 0.5][:count]
    with Labels(folder / "labels.jsonl") as labels:
        sitting = Sitting(queue=found, labels=labels, annotator="me", seed=0)
        for number, item in enumerate(found):
            assert item.p is not None
            sitting._keep(item.id, "A" if (item.p > 0.5) == agrees(number) else "B", "")


@pytest.mark.slow
def test_a_run_that_nobody_labelled_says_so(folder: Path) -> None:
    """No labels, no agreement; the page asks for some."""
    tables = Tables(folder)
    assert agreement(tables) is None
    assert "Nobody has compared this judge with people here" in page.page(tables, most_bytes=0)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "agrees", "level"),
    [(40, lambda _: True, "good"), (40, lambda n: n % 4 != 0, "beware"), (40, lambda n: n % 2 == 0, "bad")],
)
def test_the_page_says_how_far_people_agree(
    folder: Path, count: int, agrees: Callable[[int], bool], level: str
) -> None:
    """Fine where the interval begins high, not where half is wrong, and to be looked at between."""
    label(folder, count, agrees)
    found = agreement(Tables(folder))
    assert found is not None
    assert found.level == level
    assert f"of {count} labelled pairs" in found.text
    assert "Nobody has compared" not in page.page(Tables(folder), most_bytes=0)[0]


def test_few_labels_say_little(folder: Path) -> None:
    """However many of them agree."""
    label(folder, 5, lambda _: True)
    found = agreement(Tables(folder))
    assert found is not None
    assert found.level == "unknown"
    assert "15 more" in found.text
