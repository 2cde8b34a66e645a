"""Every way to select, over worlds of any matches."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge import decide
from judgegen.llm.calls import digest
from judgegen.records import Candidate, Comparison, Match, Ranking, Unreadable, Verdict
from judgegen.writer.select import Rules, delta, select


def candidate(name: str, text: str = "", index: int = 0) -> Candidate:
    text = text or f"text of {name}"
    return Candidate(
        prompt_id="p", variant=name, index=index, model="m", text=text, finish="stop", call_id=f"b2:{name}{index}"
    )


CAST = [candidate(name, f"{name} " * (i + 1) ** 2) for i, name in enumerate("abcde")]
SELECTS: list[Any] = ["best-worst", "best-mu-2sigma", "best-random", "all-above-margin"]
DROPS = {"unreadable", "unconnected", "tie", "flip", "low-p", "low-margin", "low-score", "length-ratio", "identical"}


def tiebreak(c: Candidate) -> str:
    return digest([3, c.call_id])


def seeded(seed: int, c: Candidate) -> str:
    return digest([seed, c.key])


def said(p: float) -> Verdict:
    label: Any = "first" if p > 0.5 else "second" if p < 0.5 else "tie"
    return Verdict(label=label, p_first=p, p_second=1 - p, p_tie=0.0, call_ids=(f"b2:{p}",))


@st.composite
def worlds(draw: st.DrawFn) -> list[Match]:
    """All matches or some, both orders or one, readable or not."""
    couples = list(itertools.combinations(CAST, 2))
    if draw(st.booleans()):
        couples = [couples[i] for i in draw(st.sets(st.integers(0, len(couples) - 1), min_size=1))]
    verdicts = st.one_of(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]).map(said), st.just(Unreadable(reason="-")))
    both = draw(st.booleans())
    found = []
    for a, b in couples:
        displays = [(a, b), (b, a)] if both else [(a, b)]
        found.append(decide.match(a, b, [(Comparison(first=x, second=y), draw(verdicts)) for x, y in displays]))
    return found


rules = st.builds(
    Rules,
    select=st.sampled_from(SELECTS),
    require_consistent=st.booleans(),
    min_p_chosen=st.sampled_from([0.5, 0.6, 0.9]),
    min_margin=st.sampled_from([0.0, 0.2]),
    min_score=st.sampled_from([None, 0.5]),
    max_length_ratio=st.sampled_from([None, 3.0]),
)
ABSOLUTE = {"a/0": 0.9, "b/0": 0.4, "c/0": None, "d/0": 0.5, "e/0": 0.6}


@given(worlds(), rules)
def test_every_pair_bears_what_the_rules_ask(matches: list[Match], wanted: Rules) -> None:
    """A pair or a reason, and each pair above every threshold, with the better score chosen."""
    ranking = decide.ranking(CAST, matches, tiebreak)
    pairs, drop, detail = select(ranking, matches, wanted, tiebreak=tiebreak, absolute=ABSOLUTE)
    assert bool(pairs) == (drop is None) == (not detail)
    assert drop is None or drop in DROPS
    for pair in pairs:
        assert pair.p_chosen is not None
        assert pair.margin is not None
        assert pair.p_chosen > wanted.min_p_chosen
        assert pair.margin >= wanted.min_margin
        assert pair.margin > 0
        assert not (wanted.require_consistent and pair.consistent is False)
        score = ABSOLUTE[pair.chosen.key]
        assert wanted.min_score is None or (score is not None and score >= wanted.min_score)
        lengths = sorted((len(pair.chosen.text), len(pair.rejected.text)))
        assert wanted.max_length_ratio is None or lengths[1] <= wanted.max_length_ratio * lengths[0]
        assert borne(pair.chosen.key, pair.rejected.key, matches, wanted)


def borne(chosen: str, rejected: str, matches: list[Match], wanted: Rules) -> bool:
    """Whether a direct match, or a chain of won ones where there is none, leads from chosen to rejected."""
    won = set()
    for m in matches:
        if {m.a.key, m.b.key} == {chosen, rejected}:
            winner = m.a if m.a.key == chosen else m.b
            return m.p is not None and (m.p_of(winner) or 0) > 0.5
        if m.p not in (None, 0.5) and not (wanted.require_consistent and m.consistent is False):
            won.add((m.a.key, m.b.key) if (m.p or 0) > 0.5 else (m.b.key, m.a.key))
    reached = {chosen}
    while more := {loser for winner, loser in won if winner in reached} - reached:
        reached |= more
    return rejected in reached


@given(worlds(), rules, st.data())
def test_the_order_of_candidates_and_matches_changes_nothing(
    matches: list[Match], wanted: Rules, data: st.DataObject
) -> None:
    """Permuted and mirrored, the same pairs come out, or none for the same reason."""
    turned = [
        Match(a=m.b, b=m.a, shown=m.shown, p=None if m.p is None else round(1 - m.p, 9), consistent=m.consistent)
        for m in data.draw(st.permutations(matches))
    ]
    found = []
    for cast, known in ((CAST, matches), (data.draw(st.permutations(CAST)), turned)):
        ranking = decide.ranking(cast, known, tiebreak)
        pairs, drop, _ = select(ranking, known, wanted, tiebreak=tiebreak, absolute=ABSOLUTE)
        rows = {(p.chosen.key, p.rejected.key, p.p_chosen, p.margin, p.consistent) for p in pairs}
        found.append((rows, drop))
    assert found[0] == found[1]


def ranked(**scores: float) -> tuple[Ranking, list[Match]]:
    """A ranking with these scores, every match won by the better."""
    cast = [candidate(name) for name in scores]
    matches = [
        Match(a=a, b=b, shown=(), p=float(scores[a.variant] > scores[b.variant]), consistent=True)
        for a, b in itertools.combinations(cast, 2)
    ]
    return Ranking(order=tuple(cast), scores={f"{name}/0": score for name, score in scores.items()}), matches


@pytest.mark.parametrize(
    ("how", "rejected"),
    [("best-worst", "e"), ("best-mu-2sigma", "e")],
)
def test_of_few_the_worst_is_the_one_two_sigma_below(how: Any, rejected: str) -> None:
    """With few candidates the minimum is about there (arXiv 2502.16825)."""
    ranking, matches = ranked(a=1.0, b=0.9, c=0.7, d=0.5, e=0.0)
    ((pair,), _, _) = select(ranking, matches, Rules(select=how), tiebreak=tiebreak)
    assert (pair.chosen.variant, pair.rejected.variant) == ("a", rejected)


def test_of_many_an_outlier_is_not_what_is_rejected() -> None:
    """Sixteen good ones, one middling at mean - 2 sd, one hopeless: the middling one."""
    scores = {f"n{i}": 0.9 + 0.005 * i for i in range(16)} | {"i": 0.3, "j": 0.0}
    values = list(scores.values())
    mean = sum(values) / 18
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / 18)
    ranking, matches = ranked(**scores)
    ((pair,), _, _) = select(ranking, matches, Rules(select="best-mu-2sigma"), tiebreak=tiebreak)
    assert abs(scores["i"] - (mean - 2 * sd)) < abs(scores["j"] - (mean - 2 * sd))
    assert pair.rejected.variant == "i"


def test_a_random_one_is_any_of_the_lower() -> None:
    """Over seeds every lower candidate is rejected at times, the best never."""
    ranking, matches = ranked(a=1.0, b=0.6, c=0.3, d=0.0)
    rejected = set()
    for seed in range(60):
        ((pair,), _, _) = select(ranking, matches, Rules(select="best-random"), tiebreak=partial(seeded, seed))
        assert pair.chosen.variant == "a"
        rejected.add(pair.rejected.variant)
    assert rejected == {"b", "c", "d"}


def test_all_above_a_margin_are_all() -> None:
    """Every two further apart than the margin, the widest first."""
    ranking, matches = ranked(a=1.0, b=0.6, c=0.5)
    pairs, _, _ = select(ranking, matches, Rules(select="all-above-margin", min_margin=0.4), tiebreak=tiebreak)
    assert [(p.chosen.variant, p.rejected.variant) for p in pairs] == [("a", "c"), ("a", "b")]


def test_two_that_are_not_joined_are_said_to_be_so() -> None:
    """The best of one part and the worst of another cannot be compared."""
    matches = [
        decide.match(x, y, [(Comparison(first=x, second=y), said(1.0)), (Comparison(first=y, second=x), said(0.0))])
        for x, y in (CAST[:2], CAST[2:4])
    ]
    ranking = decide.ranking(CAST[:4], matches, tiebreak)
    pairs, drop, detail = select(ranking, matches, Rules(), tiebreak=tiebreak)
    assert (pairs == ()) == (drop == "unconnected")
    assert drop is None or "not connected" in detail


def test_delta_takes_the_stronger_variant_and_asks_nobody() -> None:
    """Chosen from the stronger, rejected from the weaker; how sure that is, nobody knows."""
    cast = [candidate("weak"), candidate("strong", index=1), candidate("strong", "another", index=0)]
    wanted = Rules(select="delta", stronger="strong", weaker="weak")
    ((pair,), drop, _) = delta(cast, wanted)
    assert (pair.chosen.key, pair.rejected.key) == ("strong/0", "weak/0")
    assert (pair.p_chosen, pair.margin, pair.consistent, pair.verdict_calls, drop) == (None, None, None, (), None)
    assert delta(cast[:1], wanted)[1] == "too-few"
    assert delta([candidate("weak", "Same."), candidate("strong", " same.")], wanted)[1] == "identical"
