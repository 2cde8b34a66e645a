from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from results import generated
from shown import written

from judgegen.errors import SpecError
from judgegen.records import Result
from judgegen.report.entries import PAIR, Entry, entries
from judgegen.report.selecting import COLUMNS, frame, sample, where
from judgegen.report.tables import Tables


@pytest.fixture
def found(tables: Tables) -> dict[str, Entry]:
    """Entries by name."""
    return {entry.name: entry for entry in entries(tables)}


def test_an_entry_is_a_pair_or_says_why_there_is_none(found: dict[str, Entry]) -> None:
    """Every prompt of the run is there, with the outcome that the audit gives it."""
    outcomes = {name: entry.outcome for name, entry in found.items() if name.startswith("p")}
    assert outcomes["p1"] == outcomes["p7"] == outcomes["p8"] == PAIR
    assert outcomes["p2"] == "tie"
    assert outcomes["p3"] == "flip"
    assert outcomes["p5"] == "too-few"
    assert outcomes["p6"] == "incomplete"
    assert len(outcomes) == 8


def test_a_pair_has_both_sides_and_what_each_order_said(found: dict[str, Entry]) -> None:
    """Who was shown first, whom the judge preferred, its words, what it took."""
    entry = found["p1"]
    assert entry.chosen is not None
    assert entry.rejected is not None
    assert (entry.chosen.variant, entry.rejected.variant) == ("terse", "loose")
    assert entry.rejected.text.startswith("bad")
    first, second = entry.opinions
    assert (first.first, first.said, first.words) == (entry.rejected.key, "second", "second")
    assert (second.first, second.said, second.words) == (entry.chosen.key, "first", "first")
    assert first.tokens == 101
    assert first.usd == Decimal("0.01")
    assert entry.usd == Decimal("0.022")
    assert not entry.conflict


def test_a_flip_is_a_conflict_and_an_unreadable_verdict_says_so(found: dict[str, Entry]) -> None:
    """What the orders disagree on can be found; what could not be read has its reason."""
    assert found["p3"].conflict
    assert not found["p2"].conflict
    unread = [opinion for opinion in found["p4"].opinions if not opinion.readable]
    assert [opinion.said for opinion in unread] == ["no-verdict"]
    assert unread[0].p_first is None


def test_what_is_not_there_is_none(found: dict[str, Entry]) -> None:
    """A prompt that lacks answers has no sides; it still has a cost."""
    assert found["p6"].chosen is None
    assert found["p6"].usd == Decimal("0.001")


@pytest.mark.slow
@settings(max_examples=30)  # each writes a run folder
@given(generated())
def test_every_pair_and_every_dropped_prompt_is_an_entry_once(results: list[Result]) -> None:
    """As many entries as pairs and prompts without one, in the run's order, whatever the results."""
    with TemporaryDirectory() as folder:
        written(Path(folder), results)
        found = entries(Tables(Path(folder)))
    expected = [r.prompt.id for r in results for _ in (r.pairs or (None,))]
    assert [entry.prompt_id for entry in found] == expected
    assert sum(entry.outcome == PAIR for entry in found) == sum(len(r.pairs) for r in results)
    assert len({entry.name for entry in found}) == len(found)


def test_a_condition_picks_the_rows_of_which_it_holds(found: dict[str, Entry]) -> None:
    """By outcome, by number, by words; what is unknown fits no condition."""
    every = list(found.values())
    assert [e.name for e in where(every, "outcome == 'too-few'")] == ["p5"]
    assert "p1" in [e.name for e in where(every, "p > 0.9 and consistent")]
    assert "p3" not in [e.name for e in where(every, "p > 0.9 or p <= 0.9")]
    assert [e.name for e in where(every, "differ")] == ["p3"]
    assert [e.name for e in where(every, "chosen.str.contains('onload')")] == ["h2 <svg onload='window."]


@pytest.mark.parametrize("condition", ["p <", "p", "x = 1", "nothing == 1", "'a'", "1", "p = 2"])
def test_what_is_no_condition_is_refused_with_the_names(found: dict[str, Entry], condition: str) -> None:
    """The error names what may be named."""
    with pytest.raises(SpecError, match="other_variant"):
        where(list(found.values()), condition)


def test_a_sample_is_drawn_by_its_seed_alone(found: dict[str, Entry]) -> None:
    """The same seed the same ones, in the run's order, whatever else is drawn; never more than there are."""
    every = list(found.values())
    drawn = sample(every, 4, seed=1)
    assert drawn == sample(every[::-1], 4, seed=1)
    assert [e.place for e in drawn] == sorted(e.place for e in drawn)
    assert {e.name for e in drawn} < {e.name for e in sample(every, 6, seed=1)}
    assert len(sample(every, 10_000)) == len(every)
    assert any(sample(every, 4, seed=seed) != drawn for seed in range(2, 6))


def test_the_frame_has_its_columns_even_without_rows() -> None:
    """A condition on an empty run is no error."""
    assert tuple(frame([]).columns) == COLUMNS
    assert where([], "p < 1") == []


def test_a_run_without_its_outputs_says_how_to_make_them(tmp_path: Path) -> None:
    """The message names the command, where the folder is a run's: where it is none, tests/cli/test_show.py."""
    (tmp_path / "run.toml").touch()
    with pytest.raises(SpecError, match="judgegen write"):
        entries(Tables(tmp_path))
