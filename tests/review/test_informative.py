"""What to ask people about next: without votes the least sure, with votes where they found errors, never twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.review.informative import informative
from judgegen.review.queue import Queued


def item(number: int, p: float | None, *, conflict: bool = False, a: str = "one", b: str = "two") -> Queued:
    return Queued(id=f"c{number}", prompt_id=f"p{number // 2}", messages=(), a=a, b=b, p=p, conflict=conflict)


def vote(one: Queued, winner: str | None, annotator: str = "ann") -> dict[str, Any]:
    return {"id": one.id, "annotator": annotator, "winner": winner}


CHANCES = st.one_of(st.none(), st.floats(0, 1))
ITEMS = st.lists(st.tuples(CHANCES, st.booleans(), st.text("ab", max_size=9)), min_size=1, max_size=12).map(
    lambda rows: [item(n, p, conflict=conflict, b=b) for n, (p, conflict, b) in enumerate(rows)]
)
VOTES = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["A", "B", "tie", None]), st.sampled_from("xy")))


@settings(max_examples=40)
@given(ITEMS, VOTES, st.integers(1, 12), st.randoms())
def test_nothing_is_asked_twice_and_the_order_decides_nothing(
    found: list[Queued], said: list[tuple[int, str | None, str]], count: int, lots: Any
) -> None:
    """As many as are wanted of those without a standing label, whatever the judge said, in whatever order they come."""
    lines = [vote(found[n], winner, who) for n, winner, who in said if n < len(found)]
    labelled = {(line["id"], line["annotator"]): line["winner"] for line in lines}
    gone = {name for (name, _), winner in labelled.items() if winner is not None}
    chosen = informative(found, count, lines, 3)
    assert not {one.id for one in chosen} & gone
    assert len(chosen) == len({one.id for one in chosen}) == min(count, len(found) - len(gone))
    other = list(found)
    lots.shuffle(other)
    assert informative(other, count, lines, 3) == chosen


def test_without_votes_the_least_sure_come_first() -> None:
    """As `--by uncertain` has them; those that no judge compared come last."""
    found = [item(n, p) for n, p in enumerate([0.95, 0.4, None, 0.2, 0.5, 0.99])]
    assert [one.p for one in informative(found, 6, (), 0)] == [0.5, 0.4, 0.2, 0.95, 0.99, None]


@pytest.mark.parametrize(("wrong", "right"), [("long", "brief"), ("brief", "long")])
def test_votes_teach_where_the_judge_errs(wrong: str, right: str) -> None:
    """Where people contradict a judge that prefers the longer answers, or the briefer, more such come next."""
    texts = {"long": ("word " * 40, "word"), "brief": ("word", "word " * 40)}
    found = [item(n, 0.9, a=texts[kind][0], b=texts[kind][1]) for n, kind in enumerate(["long", "brief"] * 20)]
    kinds = {one.id: ("long", "brief")[n % 2] for n, one in enumerate(found)}
    lines = [vote(one, "B" if kinds[one.id] == wrong else "A") for one in found[:20]]
    assert [kinds[one.id] for one in informative(found, 20, lines, 0)] == [wrong] * 10 + [right] * 10


def test_what_is_taken_back_is_asked_again() -> None:
    """A label that its annotator took back is none."""
    found = [item(n, 0.6) for n in range(3)]
    lines = [vote(found[0], "A"), vote(found[0], None)]
    assert len(informative(found, 3, lines, 0)) == 3
