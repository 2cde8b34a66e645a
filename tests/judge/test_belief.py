"""What verdicts are worth: habits as a fold, and P(chosen) with them taken off."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.belief import Habits, believed
from judgegen.judge.decide import match, ranking, with_third
from judgegen.records import Candidate, Comparison, Habit, Label, Match, Unreadable, Verdict


def candidate(name: str) -> Candidate:
    return Candidate(prompt_id="p", variant=name, index=0, model="m", text=name, finish="stop", call_id=f"b2:{name}")


A, B = candidate("a"), candidate("b")
AB, BA = Comparison(first=A, second=B), Comparison(first=B, second=A)
LABELS: tuple[Label, ...] = ("first", "second", "tie")


def spoken(label: Label, judge: str = "") -> Verdict:
    p = [float(label == name) for name in LABELS]
    return Verdict(label=label, p_first=p[0], p_second=p[1], p_tie=p[2], judge=judge)


def sure(p: float, judge: str = "") -> Verdict:
    label: Label = "first" if p > 0.5 else "second" if p < 0.5 else "tie"
    return Verdict(label=label, p_first=p, p_second=1 - p, p_tie=0, soft=True, judge=judge)


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


labels = st.sampled_from(LABELS)
verdicts = st.one_of(labels.map(spoken), st.floats(0.01, 0.99).map(sure))
habits = st.builds(Habit, consistency=st.floats(0.05, 0.99), home=st.floats(-3, 3))


def found(*shown: tuple[Comparison, Verdict | Unreadable]) -> Match:
    return match(A, B, shown)


@given(st.lists(verdicts, min_size=1, max_size=2), habits)
def test_swapping_the_candidates_swaps_what_is_believed(said: list[Verdict], habit: Habit) -> None:
    """P(a over b) and P(b over a) mirror each other, and nothing else of the match changes."""
    shown = list(zip((AB, BA), said, strict=False))
    one, other = believed(match(A, B, shown), {"": habit}), believed(match(B, A, shown), {"": habit})
    assert one.p is not None
    assert other.p is not None
    assert one.p + other.p == pytest.approx(1, abs=1e-9)
    assert (one.consistent, one.shown) == (match(A, B, shown).consistent, tuple(shown))


@given(st.lists(labels, min_size=1, max_size=2), habits)
def test_a_label_alone_is_no_certainty_and_keeps_its_side(said: list[Label], habit: Habit) -> None:
    """However a judge behaves, a verdict without a probability leans to the side it named, and never all the way."""
    plain = found(*zip((AB, BA), map(spoken, said), strict=False))
    worth = believed(plain, {"": habit})
    assert plain.p is not None
    assert worth.p is not None
    assert 0 < worth.p < 1
    assert (worth.p > 0.5, worth.p < 0.5) == (plain.p > 0.5, plain.p < 0.5)


@pytest.mark.parametrize(("consistency", "p"), [(0.9, 0.95), (0.5, 0.75), (0.2, 0.6)])
def test_two_labels_alike_are_worth_as_much_as_the_judge_repeats_itself(consistency: float, p: float) -> None:
    """P = 1/2 + c / 2; a single label in one order is one vote of Laplace's, 2/3."""
    habit = {"": Habit(consistency=consistency)}
    assert believed(found((AB, spoken("first")), (BA, spoken("second"))), habit).p == pytest.approx(p)
    assert believed(found((AB, spoken("first"))), habit).p == pytest.approx(2 / 3)
    assert believed(found((AB, spoken("first")), (BA, spoken("first"))), habit).p == 0.5


def test_what_names_the_favoured_place_is_less_news() -> None:
    """A judge that gives the first e to one says less by "first" than by "second"."""
    habit = {"": Habit(home=1.0)}
    first, second = (believed(found((AB, spoken(label))), habit).p or 0.0 for label in ("first", "second"))
    assert 0.5 < first < 2 / 3 < 1 - second


@pytest.mark.parametrize("home", [-1.0, 0.0, 0.7])
def test_the_home_advantage_of_a_judge_of_known_odds_is_found_and_taken_off(home: float) -> None:
    """Strengths +-1 and a place worth `home`: with many verdicts its P is what it would be without the place."""
    fold, size = Habits(), 400
    for i in range(size):
        strength = 1.0 if i % 2 else -1.0
        fold.add([found((AB, sure(logistic(strength + home))))])
    habit = fold.found()[""]
    assert habit.home == pytest.approx(home, abs=0.02)
    worth = believed(found((AB, sure(logistic(1.0 + home)))), fold.found())
    assert worth.p == pytest.approx(logistic(1.0), abs=0.01)


def test_habits_count_what_both_orders_say() -> None:
    """Alike is the same winner or a tie twice; a judge asked in one order has no consistency of its own."""
    said = list(itertools.product(LABELS, LABELS))
    fold = Habits()
    fold.add([found((AB, spoken(one)), (BA, spoken(other))) for one, other in said])
    alike = {("first", "second"), ("second", "first"), ("tie", "tie")}
    assert fold.found()[""].consistency == pytest.approx((sum(pair in alike for pair in said) + 1) / (len(said) + 2))
    alone = Habits()
    alone.add([found((AB, spoken("first")))] * 5)
    assert (alone.found()[""].consistency, alone.found()[""].comparisons) == (0.5, 0)


@given(st.lists(st.tuples(verdicts, verdicts), max_size=12), st.randoms())
def test_habits_do_not_depend_on_the_order_of_results(said: list[tuple[Verdict, Verdict]], lot: Any) -> None:
    """A fold: resumed, sharded or shuffled it comes to the same, to the last digit."""
    matches = [found((AB, one), (BA, other)) for one, other in said]
    shuffled = lot.sample(matches, len(matches))
    one, other = Habits(), Habits()
    one.add(matches)
    for each in shuffled:
        other.add([each])
    assert one.found() == other.found()


def test_what_could_not_be_read_stays_unread_and_a_third_counts_where_it_settled() -> None:
    """No habit makes evidence; a third opinion that is a tie leaves the conflict as it was."""
    torn = found((AB, Unreadable(reason="no-verdict")), (BA, spoken("first")))
    assert believed(torn, {"": Habit(consistency=0.9)}) == torn
    conflict = found((AB, spoken("first")), (BA, spoken("first")))
    open_, closed = (with_third(conflict, (AB, spoken(label, judge="third"))) for label in ("tie", "first"))
    assert believed(open_, {}, third="third").p == 0.5
    settled = believed(closed, {}, third="third").p
    assert settled is not None
    assert 0.5 < settled < 2 / 3


@given(st.floats(0.001, 0.999))
def test_pooling_two_candidates_is_their_own_comparison(p: float) -> None:
    """There is nothing to pool: P is the match's own, within the slight prior."""
    one = Match(a=A, b=B, shown=((AB, sure(p)), (BA, sure(1 - p))), p=p, consistent=True)
    assert ranking([A, B], [one], lambda c: c.text, pooled=True).p(A, B) == pytest.approx(p, abs=1e-4)


@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=6), st.randoms())
def test_pooled_p_are_the_strengths_behind_the_shares(strengths: list[float], lot: Any) -> None:
    """Shares that strengths explain are given back, for every two, in whatever order candidates and matches come."""
    cast = [candidate(name) for name in "abcdef"[: len(strengths)]]
    of = dict(zip((c.key for c in cast), strengths, strict=True))
    matches = [
        Match(
            a=a,
            b=b,
            shown=((Comparison(first=a, second=b), sure(0.6)),),
            p=logistic(of[a.key] - of[b.key]),
            consistent=None,
        )
        for a, b in itertools.combinations(cast, 2)
    ]
    found_ = ranking(lot.sample(cast, len(cast)), lot.sample(matches, len(matches)), lambda c: c.text, pooled=True)
    for a, b in itertools.permutations(cast, 2):
        assert found_.p(a, b) == pytest.approx(logistic(of[a.key] - of[b.key]), abs=1e-3)
