"""Deciding where not everything was asked: early stops, third opinions, incomplete designs, length taken off."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.decide import corrected, match, ranking, settles, with_third
from judgegen.records import Candidate, Comparison, Match, Unreadable, Verdict


def candidate(name: str, text: str = "") -> Candidate:
    return Candidate(
        prompt_id="p", variant=name, index=0, model="m", text=text or name, finish="stop", call_id=f"b2:{name}"
    )


A, B = candidate("a"), candidate("b")
AB, BA = Comparison(first=A, second=B), Comparison(first=B, second=A)


def said(p: float, *, soft: bool = True, judge: str = "", weight: float = 1.0) -> Verdict:
    label = "first" if p > 0.5 else "second" if p < 0.5 else "tie"
    return Verdict(
        label=label,  # type: ignore[arg-type]
        p_first=p,
        p_second=1 - p,
        p_tie=0.0,
        soft=soft,
        judge=judge,
        weight=weight,
    )


@pytest.mark.parametrize(
    ("verdict", "settled"),
    [
        (said(0.95), True),
        (said(0.05), True),
        (said(0.9), True),
        (said(0.89), False),
        (said(0.5), False),
        (said(1.0, soft=False), False),
        (Unreadable(reason="empty"), False),
    ],
)
def test_only_a_known_probability_settles(verdict: Verdict | Unreadable, settled: bool) -> None:
    """At the threshold and beyond, on either side; a verdict without logprobs does not know how sure it is."""
    assert settles([(AB, verdict)], 0.9) is settled


def test_a_tie_settles_nothing_at_any_threshold() -> None:
    """One half is on no side."""
    assert not settles([(AB, said(0.5))], 0.5)


@given(st.sampled_from([0.0, 0.3, 0.8, 1.0]))
def test_a_third_opinion_settles_a_conflict(p: float) -> None:
    """Two orders that take the first shown leave 1/2; the third decides, in candidate coordinates."""
    torn = match(A, B, [(AB, said(0.9)), (BA, said(0.9))])
    assert (torn.p, torn.consistent) == (0.5, False)
    heard = with_third(torn, (BA, said(p, judge="third")))
    assert heard.consistent is None
    assert heard.p is not None
    assert (heard.p > 0.5) == (p < 0.5)
    assert len(heard.shown) == 3


@pytest.mark.parametrize("third", [Unreadable(reason="empty", judge="third"), said(0.5, judge="third")])
def test_a_third_opinion_that_is_none_leaves_the_conflict(third: Verdict | Unreadable) -> None:
    """Unreadable or a tie: the match stays a flip."""
    torn = match(A, B, [(AB, said(0.9)), (BA, said(0.8))])
    heard = with_third(torn, (AB, third))
    assert (heard.p, heard.consistent) == (torn.p, False)


@given(st.floats(0, 1), st.integers(0, 5000), st.integers(0, 5000), st.floats(0, 3))
def test_length_is_taken_off_the_same_from_either_side(p: float, la: int, lb: int, b: float) -> None:
    """The correction mirrors under a swap, lowers the longer one, and leaves equal lengths alone."""
    long, other = candidate("a", "x" * la), candidate("b", "y" * lb)
    found = Match(a=long, b=other, shown=(), p=round(p, 9), consistent=None)
    turned = Match(a=other, b=long, shown=(), p=round(1 - p, 9), consistent=None)
    one, two = corrected(found, b, 700), corrected(turned, b, 700)
    assert one.p is not None
    assert two.p is not None
    assert one.p + two.p == pytest.approx(1, abs=3e-9)
    clipped = min(0.98, max(0.02, p)) if b else p
    if la >= lb:
        assert one.p <= clipped + 1e-8
    if la == lb:
        assert one.p == pytest.approx(clipped, abs=1e-8)


def test_without_evidence_there_is_nothing_to_correct() -> None:
    """None stays None, and b = 0 changes nothing, not even a certainty."""
    empty = Match(a=A, b=B, shown=(), p=None, consistent=None)
    sure = Match(a=A, b=B, shown=(), p=1.0, consistent=None)
    assert corrected(empty, 1.0, 700) == empty
    assert corrected(sure, 0.0, 700) == sure


CAST = [candidate(name) for name in "abcde"]
EVERY = list(itertools.combinations(CAST, 2))


@st.composite
def incomplete(draw: st.DrawFn) -> list[Match]:
    """Some of the matches, each asked in one order or in both."""
    found = []
    for place in draw(st.sets(st.integers(0, len(EVERY) - 1), min_size=1, max_size=8)):
        a, b = EVERY[place]
        displays = draw(st.sampled_from([[(a, b)], [(b, a)], [(a, b), (b, a)]]))
        verdict = st.one_of(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]).map(said), st.just(Unreadable(reason="-")))
        found.append(match(a, b, [(Comparison(first=x, second=y), draw(verdict)) for x, y in displays]))
    return found


@given(incomplete(), st.data())
def test_strengths_do_not_depend_on_order(matches: list[Match], data: st.DataObject) -> None:
    """Permuted candidates and matches, and matches named the other way round, have the same scores to the last bit."""
    turned = [
        Match(a=m.b, b=m.a, shown=m.shown, p=None if m.p is None else round(1 - m.p, 9), consistent=m.consistent)
        if data.draw(st.booleans())
        else m
        for m in data.draw(st.permutations(matches))
    ]
    plain = ranking(CAST, matches, lambda c: c.text)
    other = ranking(data.draw(st.permutations(CAST)), turned, lambda c: c.text)
    assert plain == other


@given(incomplete())
def test_an_incomplete_design_says_how_sure_it_is(matches: list[Match]) -> None:
    """Whoever has evidence has a score, a strength and an error; whoever has none has none, and stands last."""
    found = ranking(CAST, matches, lambda c: c.text)
    seen = {key for m in matches if m.p is not None for key in (m.a.key, m.b.key)}
    assert {key for key, score in found.scores.items() if score is not None} == seen
    assert set(found.strengths) == set(found.errors) == seen
    assert all(0 < (found.scores[key] or 0) < 1 and found.errors[key] > 0 for key in seen)
    assert [c.key in seen for c in found.order] == sorted((c.key in seen for c in found.order), reverse=True)


def test_parts_that_never_met_are_said_not_to_be_joined() -> None:
    """a-b and c-d are two parts."""
    matches = [match(x, y, [(Comparison(first=x, second=y), said(0.9))]) for x, y in (CAST[:2], CAST[2:4])]
    assert ranking(CAST[:4], matches, lambda c: c.text).connected is False


def test_a_judge_asked_in_one_order_loses_its_advantage() -> None:
    """A judge that leans to the first shown, asked in a ring: the ones shown first are not the better for it."""
    ring = [match(x, y, [(Comparison(first=x, second=y), said(0.8))]) for x, y in itertools.pairwise([*CAST, CAST[0]])]
    found = ranking(CAST, ring, lambda c: c.text)
    assert list(found.scores.values()) == pytest.approx([0.5] * 5)
