from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.decide import match, ranking
from judgegen.judge.schedule import orders, round_robin
from judgegen.records import Candidate, Comparison, Label, Match, Unreadable, Verdict


def candidate(name: str) -> Candidate:
    return Candidate(prompt_id="p", variant=name, index=0, model="m", text=name, finish="stop", call_id=f"b2:{name}")


A, B = candidate("a"), candidate("b")


def spoken(label: Label) -> Verdict:
    return Verdict(
        label=label, p_first=float(label == "first"), p_second=float(label == "second"), p_tie=float(label == "tie")
    )


@st.composite
def soft(draw: st.DrawFn) -> Verdict:
    cuts = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    p: dict[Label, float] = {"first": cuts[0], "second": cuts[1] - cuts[0], "tie": 1 - cuts[1]}
    label = max(p, key=lambda name: p[name])
    return Verdict(label=label, p_first=p["first"], p_second=p["second"], p_tie=p["tie"], soft=True)


verdicts = st.one_of(
    soft(),
    st.sampled_from(["first", "second", "tie"]).map(spoken),  # type: ignore[arg-type]
    st.just(Unreadable(reason="no-verdict")),
)
both = st.tuples(verdicts, verdicts).map(
    lambda v: [(Comparison(first=A, second=B), v[0]), (Comparison(first=B, second=A), v[1])]
)


@given(both)
def test_swapping_the_candidates_swaps_the_label_and_nothing_else(
    shown: list[tuple[Comparison, Verdict | Unreadable]],
) -> None:
    """P(a over b) and P(b over a) mirror each other, ties exactly; consistency does not change."""
    one, other = match(A, B, shown), match(B, A, shown[::-1])
    assert one.consistent == other.consistent
    if one.p is None:
        assert other.p is None
    else:
        assert other.p is not None
        assert abs(one.p + other.p - 1) < 1e-12
        assert (one.p > 0.5) == (other.p < 0.5)
        assert (one.p == 0.5) == (other.p == 0.5)


@given(verdicts)
def test_a_verdict_swapped_twice_is_itself(verdict: Verdict | Unreadable) -> None:
    """Swap is its own inverse, and mirrors the share."""
    if isinstance(verdict, Verdict):
        assert verdict.swap().swap() == verdict
        assert abs(verdict.swap().share - (1 - verdict.share)) < 1e-12


@given(both)
def test_an_unreadable_order_is_no_evidence(shown: list[tuple[Comparison, Verdict | Unreadable]]) -> None:
    """One unreadable order takes the probability and the consistency of the whole match."""
    found = match(A, B, shown)
    unreadable = any(isinstance(v, Unreadable) for _, v in shown)
    assert (found.p is None) == unreadable
    if unreadable:
        assert found.consistent is None


def test_a_flip_is_no_evidence() -> None:
    """A judge that always takes the first shown says nothing."""
    shown = [(Comparison(first=A, second=B), spoken("first")), (Comparison(first=B, second=A), spoken("first"))]
    found = match(A, B, shown)
    assert (found.p, found.consistent) == (0.5, False)


def test_both_orders_are_averaged_before_deciding() -> None:
    """0.9 in one order and 0.3 in the other is 0.6, and still a flip."""
    ab = Verdict(label="first", p_first=0.9, p_second=0.1, p_tie=0.0, soft=True)
    ba = Verdict(label="first", p_first=0.7, p_second=0.3, p_tie=0.0, soft=True)
    found = match(A, B, [(Comparison(first=A, second=B), ab), (Comparison(first=B, second=A), ba)])
    assert found.p is not None
    assert abs(found.p - 0.6) < 1e-12
    assert found.consistent is False


def test_a_win_and_a_tie_are_consistent() -> None:
    """No two orders prefer different candidates: three quarters of a win."""
    shown = [(Comparison(first=A, second=B), spoken("first")), (Comparison(first=B, second=A), spoken("tie"))]
    found = match(A, B, shown)
    assert (found.p, found.consistent) == (0.75, True)


def test_one_order_says_nothing_of_consistency() -> None:
    """What was not asked is unknown."""
    found = match(A, B, [(Comparison(first=B, second=A), spoken("first"))])
    assert (found.p, found.consistent) == (0.0, None)


@given(st.permutations("abcde"), st.data())
def test_the_ranking_does_not_depend_on_order(names: list[str], data: st.DataObject) -> None:
    """Permuting candidates, matches or the two of a match leaves the ranking as it is."""
    cast = [candidate(name) for name in "abcde"]
    matches: list[Match] = []
    for pair in round_robin(cast):
        shown = [(shown, data.draw(verdicts)) for shown in orders(pair, both=True, seed=0)]
        matches.append(match(pair.first, pair.second, shown))
    turned = [
        Match(a=m.b, b=m.a, shown=m.shown, p=None if m.p is None else 1 - m.p, consistent=m.consistent) for m in matches
    ]
    shuffled = data.draw(st.permutations(turned))
    plain = ranking(cast, matches, lambda c: c.text)
    other = ranking([candidate(name) for name in names], shuffled, lambda c: c.text)
    for key, score in plain.scores.items():
        assert (score is None) == (other.scores[key] is None)
        assert abs((score or 0) - (other.scores[key] or 0)) < 1e-11


@given(st.integers(2, 6))
def test_every_two_meet_once(n: int) -> None:
    """A round robin of n has n(n-1)/2 comparisons, each two once."""
    cast = [candidate(str(i)) for i in range(n)]
    met = [frozenset((c.first.key, c.second.key)) for c in round_robin(cast)]
    assert len(met) == len(set(met)) == n * (n - 1) // 2


def test_one_order_is_drawn_by_lot_not_by_place() -> None:
    """The lot does not depend on which of the two is named first, and falls on either about as often."""
    firsts = []
    for i, j in itertools.combinations(range(40), 2):
        a, b = candidate(str(i)), candidate(str(j))
        (one,) = orders(Comparison(first=a, second=b), both=False, seed=1)
        (two,) = orders(Comparison(first=b, second=a), both=False, seed=1)
        assert one == two
        firsts.append(one.first == a)
    assert 0.4 < sum(firsts) / len(firsts) < 0.6
