"""What was said of a run's cost before it was paid is kept, told in its report, and never guessed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from results import known
from shown import written

from judgegen.report import page
from judgegen.report.charts import Plots
from judgegen.report.figures import spending
from judgegen.report.tables import Tables
from judgegen.writer.expected import NAME, Expected, keep, kept

SAID = {"low": Decimal("0.5"), "expected": Decimal(1), "high": Decimal(2)}


def test_what_was_said_first_of_so_many_prompts_counts(tmp_path: Path) -> None:
    """A run that goes on is to cost less; the whole was to cost what was spent and what was to come."""
    assert kept(tmp_path, 10) is None
    for prompts, spent in ((5, "0"), (10, "0.25"), (10, "0.9")):
        keep(tmp_path, prompts, Decimal(spent), SAID)
    assert kept(tmp_path, 10) == Expected(low=Decimal("0.75"), expected=Decimal("1.25"), high=Decimal("2.25"))
    assert kept(tmp_path, 11) is None


@pytest.mark.parametrize("text", ["{", "[]\n", '{"prompts": 10}\n', '{"prompts": 10, "spent": "x", "usd": {}}\n'])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    """A file that somebody altered ends no report."""
    (tmp_path / NAME).write_text(text)
    assert kept(tmp_path, 10) is None


def test_a_report_holds_the_spend_against_what_was_expected(tmp_path: Path) -> None:
    """In the tile, in a remark that warns where it came to more, and in a chart."""
    summary = written(tmp_path, known())
    assert spending(Tables(tmp_path), None) == []
    spent = Decimal(summary["cost_usd"]["total"])
    least = {bound: spent / 10 * part for bound, part in zip(SAID, (1, 2, 3), strict=True)}
    keep(tmp_path, summary["prompts"], Decimal(0), least)
    tables = Tables(tmp_path)
    rows = {row["what"]: row["usd"] for row in spending(tables, Decimal(9))}
    assert rows == {"spent": float(spent), "expected": float(spent / 5), "cap": 9.0}
    text, _ = page.page(tables)
    assert "was expected, " in text
    assert "it came to more than that" in text
    assert Plots(tables).spend().to_dict()["description"] == "USD spent, expected and allowed"
