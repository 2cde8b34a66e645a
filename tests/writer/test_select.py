from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge import decide
from judgegen.records import Candidate, Comparison, Match, Pair, Ranking, Unreadable, Verdict
from judgegen.textual import normal
from judgegen.writer.select import Selected, best_worst

TEXTS = ["yes", "Yes ", "no", "perhaps", "certainly not", "ask again later"]
LEANS = [0.0, 0.25, 0.45, 0.5, 0.55, 0.75, 1.0]


def candidate(name: str, text: str = "", **given: Any) -> Candidate:
    fields = {"variant": name, "index": 0, "text": text or f"text of {name}", "call_id": f"b2:{name}", **given}
    return Candidate(prompt_id="p", model="m", finish="stop", **fields)


A, B, C, D = (candidate(name) for name in "abcd")


def tiebreak(c: Candidate) -> str:
    return normal(c.text)


def verdict(p_first: float, label: Any = None) -> Verdict:
    label = label or ("tie" if p_first == 0.5 else "first" if p_first > 0.5 else "second")
    return Verdict(label=label, p_first=p_first, p_second=1 - p_first, p_tie=0.0, soft=True, call_ids=(f"{p_first}",))


def match(a: Candidate, b: Candidate, p: float | None, *, consistent: bool | None = True) -> Match:
    """A match as given, whatever the verdicts behind it."""
    return Match(a=a, b=b, shown=(), p=p, consistent=consistent)


def mirrored(m: Match) -> Match:
    """The same match with a and b in each other's place."""
    shown = tuple((c.swap(), v.swap() if isinstance(v, Verdict) else v) for c, v in m.shown)
    return replace(m, a=m.b, b=m.a, p=None if m.p is None else 1 - m.p, shown=shown)


def ranked(scores: Mapping[str, float | None], *candidates: Candidate) -> Ranking:
    return Ranking(order=candidates, scores={f"{name}/0": score for name, score in scores.items()})


def select(ranking: Ranking, *matches: Match, min_p: float = 0.5) -> Selected:
    return best_worst(ranking, matches, min_p_chosen=min_p, tiebreak=tiebreak)


@st.composite
def judged(draw: st.DrawFn) -> tuple[list[Candidate], list[Match]]:
    """Candidates with every match between them, each order readable or not."""
    count = draw(st.integers(2, 4))
    candidates = [candidate(name, draw(st.sampled_from(TEXTS))) for name in "abcd"[:count]]
    one = st.one_of(st.sampled_from(LEANS).map(verdict), st.floats(0, 1).map(verdict), st.just(Unreadable(reason="-")))
    matches = []
    for a, b in itertools.combinations(candidates, 2):
        shown = [(Comparison(first=a, second=b), draw(one)), (Comparison(first=b, second=a), draw(one))]
        matches.append(decide.match(a, b, shown))
    return candidates, matches


def decided(candidates: Sequence[Candidate], matches: Sequence[Match], min_p: float) -> Selected:
    ranking = decide.ranking(candidates, matches, tiebreak)
    return best_worst(ranking, matches, min_p_chosen=min_p, tiebreak=tiebreak)


@given(judged(), st.sampled_from([0.5, 0.6, 0.75]), st.data())
def test_the_order_of_candidates_and_matches_changes_nothing(
    world: tuple[list[Candidate], list[Match]], min_p: float, data: st.DataObject
) -> None:
    """Shuffled and mirrored, the same texts are chosen with the same numbers, or nothing for the same reason."""
    candidates, matches = world
    shuffled = data.draw(st.permutations(candidates))
    turned = [mirrored(m) if data.draw(st.booleans()) else m for m in data.draw(st.permutations(matches))]
    (pairs, drop, _), (others, reason, _) = decided(candidates, matches, min_p), decided(shuffled, turned, min_p)
    assert [(normal(p.chosen.text), normal(p.rejected.text), p.p_chosen, p.margin) for p in pairs] == [
        (normal(p.chosen.text), normal(p.rejected.text), p.p_chosen, p.margin) for p in others
    ]
    assert drop == reason


@given(judged(), st.sampled_from([0.5, 0.6, 0.75]))
def test_a_pair_stands_on_evidence(world: tuple[list[Candidate], list[Match]], min_p: float) -> None:
    """A pair or a reason; a pair is the best and the worst by a readable match, without flip, above the threshold."""
    candidates, matches = world
    pairs, drop, detail = decided(candidates, matches, min_p)
    assert bool(pairs) == (drop is None)
    assert bool(detail) == (drop is not None)
    for pair in pairs:
        (direct,) = [m for m in matches if {m.a.key, m.b.key} == {pair.chosen.key, pair.rejected.key}]
        assert direct.p is not None
        assert direct.consistent is True
        assert pair.p_chosen is not None
        assert pair.p_chosen > min_p
        assert pair.p_chosen == pytest.approx(direct.p_of(pair.chosen))
        assert pair.verdict_calls == direct.call_ids()
        assert normal(pair.chosen.text) != normal(pair.rejected.text)
        assert extremes(candidates, matches, pair)


def extremes(candidates: list[Candidate], matches: list[Match], pair: Pair) -> bool:
    """Whether no candidate scores above the chosen or below the rejected, and the margin is their distance."""
    scores = decide.ranking(candidates, matches, tiebreak).scores
    known = [score for score in scores.values() if score is not None]
    high, low = scores[pair.chosen.key], scores[pair.rejected.key]
    assert high is not None
    assert low is not None
    assert pair.margin is not None
    return (high, low) == (max(known), min(known)) and 0 < pair.margin <= 1 and pair.margin == pytest.approx(high - low)


SPREAD = {"a": 1.0, "b": 0.5, "c": 0.0}


@pytest.mark.parametrize(
    ("found", "drop"),
    [
        (match(A, C, None, consistent=None), "unreadable"),
        (match(A, B, 0.9), "unreadable"),  # A and C never met
        (match(A, C, 0.5), "tie"),
        (match(A, C, 0.5, consistent=False), "flip"),
        (match(A, C, 0.9, consistent=False), "flip"),
        (match(A, C, 0.6), "low-p"),
        (match(A, C, 0.1), "low-p"),  # the direct match favours the worst
        (match(C, A, 0.9), "low-p"),
        (match(C, A, 0.9, consistent=None), "low-p"),
    ],
)
def test_what_is_no_label_is_dropped_with_its_reason(found: Match, drop: str) -> None:
    """Unreadable, tie, flip, too unsure, or the other way round: no pair."""
    pairs, reason, _ = select(ranked(SPREAD, A, B, C), found, min_p=0.6)
    assert (pairs, reason) == ((), drop)


def test_a_threshold_below_a_half_still_never_chooses_the_worse() -> None:
    """Whatever the threshold, a match that favours the worst is no pair."""
    assert select(ranked(SPREAD, A, B, C), match(A, C, 0.4), min_p=0.0)[:2] == ((), "low-p")


def test_one_order_asked_is_enough_where_one_order_was_asked() -> None:
    """Consistency unknown is not a flip."""
    ((pair,), drop, detail) = select(ranked(SPREAD, A, B, C), match(C, A, 0.2, consistent=None))
    assert (pair.chosen, pair.rejected, pair.p_chosen, pair.margin, pair.consistent) == (A, C, 0.8, 1.0, None)
    assert (drop, detail) == (None, "")


@pytest.mark.parametrize("scores", [{"a": None, "b": None}, {"a": 1.0, "b": None}, {}])
def test_without_two_scores_there_is_no_evidence(scores: dict[str, float | None]) -> None:
    """A candidate without a score is neither best nor worst."""
    assert select(ranked(scores, A, B), match(A, B, 0.9))[:2] == ((), "unreadable")


@pytest.mark.parametrize(
    ("consistent", "expected"),
    [([False], "flip"), ([True], "tie"), ([None], "tie"), ([False] * 3, "flip"), ([False, False, True], "tie")],
)
def test_equal_scores_are_flips_where_every_match_is_and_else_a_tie(
    consistent: list[bool | None], expected: str
) -> None:
    """Nobody is best, of two as of three; the detail says in how many matches the orders contradict each other."""
    cast = (A, B, C)[: 2 if len(consistent) == 1 else 3]
    twos = itertools.combinations(cast, 2)
    matches = [match(one, other, 0.5, consistent=agree) for (one, other), agree in zip(twos, consistent, strict=True)]
    pairs, drop, detail = select(ranked(dict.fromkeys("abc"[: len(cast)], 0.5), *cast), *matches)
    assert (pairs, drop) == ((), expected)
    assert f"{consistent.count(False)} of {len(consistent)}" in detail


def test_of_equal_ends_the_clearest_direct_match_decides() -> None:
    """Two best and two worst: the pair whose match is surest, then the content."""
    ranking = ranked({"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}, A, B, C, D)
    shares = {("a", "c"): 0.8, ("a", "d"): 0.7, ("b", "c"): 0.7, ("b", "d"): 0.9}
    by_name = dict(zip("abcd", (A, B, C, D), strict=True))
    matches = [match(by_name[x], by_name[y], p) for (x, y), p in shares.items()]
    ((pair,), _, _) = select(ranking, *matches)
    assert (pair.chosen, pair.rejected) == (B, D)
    level = [replace(m, p=0.8) for m in matches]
    ((pair,), _, _) = select(ranking, *level)
    assert (pair.chosen, pair.rejected) == (A, C)


def test_of_equal_ends_a_flip_is_not_the_clearest() -> None:
    """A surer match that flipped is no evidence, so one that did not decides."""
    ranking = ranked({"a": 1.0, "b": 1.0, "c": 0.0}, A, B, C)
    matches = [match(A, C, 0.95, consistent=False), match(B, C, 0.7), match(A, B, None, consistent=None)]
    ((pair,), _, _) = select(ranking, *matches)
    assert (pair.chosen, pair.rejected) == (B, C)


def test_scores_that_differ_in_the_last_bit_are_equal() -> None:
    """0.1 + 0.2 is 0.3: the order of summing makes no best."""
    ranking = ranked({"a": 0.1 + 0.2, "b": 0.3}, A, B)
    assert select(ranking, match(A, B, 0.9))[:2] == ((), "tie")


def called(arguments: str, number: int) -> tuple[dict[str, Any], ...]:
    return ({"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": arguments}},)


@pytest.mark.parametrize(
    ("best", "worst"),
    [
        (candidate("a", "Yes."), candidate("c", " YES.\n")),
        (candidate("a", "\ud800!"), candidate("c", "\udc00!")),  # both are written as U+FFFD
        (candidate("a", " ", tool_calls=called("{}", 1)), candidate("c", "\t", tool_calls=called("{}", 2))),
    ],
)
def test_two_sides_that_read_the_same_are_no_pair(best: Candidate, worst: Candidate) -> None:
    """Case, white space, halves of characters and the ids of tool calls make no preference."""
    assert select(ranked(SPREAD, best, worst), match(best, worst, 0.9))[:2] == ((), "identical")


def test_tool_calls_tell_two_sides_apart() -> None:
    """The same text with other calls is another answer."""
    one, other = (candidate(n, "", tool_calls=called(a, 1)) for n, a in (("a", '{"x":1}'), ("c", '{"x":2}')))
    one, other = replace(one, text=""), replace(other, text="")
    assert len(select(ranked(SPREAD, one, other), match(one, other, 0.9))[0]) == 1
