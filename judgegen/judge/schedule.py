"""Which comparisons to ask for next, from the candidates and what is known of them. Pure.

A schedule is a function (candidates, matches so far, lot) -> comparisons; the ones it returns are one round and may be
asked for all at once, none means that it is done. `lot` gives every candidate a text, drawn by seed, that stands in for
chance: the order in which candidates or matches come changes nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from judgegen.llm.calls import digest
from judgegen.records import Candidate, Comparison, Couple, Match, Met, met

Lot = Callable[[Candidate], str]
Schedule = Callable[[Sequence[Candidate], Sequence[Match], Lot], tuple[Comparison, ...]]


def round_robin(
    candidates: Sequence[Candidate], matches: Sequence[Match] = (), lot: Lot | None = None
) -> tuple[Comparison, ...]:
    """Every two candidates once, all in one round."""
    del lot
    return _unmet(itertools.combinations(candidates, 2), met(matches))


def min_max(candidates: Sequence[Candidate], matches: Sequence[Match], lot: Lot) -> tuple[Comparison, ...]:
    """The best and the worst of n in ceil(3n/2) - 2 comparisons (Pohl 1972).

    All meet in couples; then the better ones play for the best and the worse ones for the worst. Where n is odd, the
    one left over plays for both. Who is equal, or cannot be read, goes on by lot: that decides who
    meets, never a label.
    """
    found = met(matches)
    couples, odd = _couples(sorted(candidates, key=lot))
    if first := _unmet(couples, found):
        return first
    return (
        *_knockout([*(_upper(c, found) for c in couples), *odd], found, _upper),
        *_knockout([*(_lower(c, found) for c in couples), *odd], found, _lower),
    )


def swiss(candidates: Sequence[Candidate], matches: Sequence[Match], lot: Lot) -> tuple[Comparison, ...]:
    """ceil(log2 n) rounds in which those of like scores meet who have not met.

    Where n is odd, one that has not yet been left out is left out of each round, the lowest of them.
    """
    found = met(matches)
    per_round, rounds = len(candidates) // 2, math.ceil(math.log2(max(1, len(candidates))))
    if per_round == 0 or len(matches) >= rounds * per_round:
        return ()
    field = sorted(candidates, key=lambda c: (-_points(c, matches), lot(c)))
    paired = (_paired([c for c in field if c is not out], found) for out in _left_out(field, found))
    couples = next((couples for couples in paired if couples is not None), [])
    return tuple(Comparison(first=a, second=b) for a, b in couples)


def _left_out(field: Sequence[Candidate], found: Met) -> Sequence[Candidate | None]:
    """Who may be left out of a round, in the order to try: nobody of an even field, else first the most played."""
    if len(field) % 2 == 0:
        return (None,)
    played = {c.key: sum(c.key in key for key in found) for c in field}
    last = {c.key: -place for place, c in enumerate(field)}
    return sorted(field, key=lambda c: (-played[c.key], last[c.key]))


def shortlist(candidates: Sequence[Candidate], scores: Mapping[str, float | None]) -> tuple[Comparison, ...]:
    """The two with the best scores against each other, and the two with the worst; who ties with one of them joins.

    Candidates without a score meet nobody.
    """
    values = sorted(value for c in candidates if (value := scores[c.key]) is not None)
    if len(values) < 2:
        return ()
    high, low = values[-2], values[1]
    known = [(c, value) for c in candidates if (value := scores[c.key]) is not None]
    return tuple(
        Comparison(first=a, second=b)
        for (a, one), (b, other) in itertools.combinations(known, 2)
        if min(one, other) >= high or max(one, other) <= low
    )


SCHEDULES: Mapping[str, Schedule] = {"round-robin": round_robin, "min-max": min_max, "swiss": swiss}


def orders(comparison: Comparison, *, both: bool, seed: int) -> tuple[Comparison, ...]:
    """The displays to ask for: both, or one by a lot that depends on (seed, the two) and not on their order."""
    if both:
        return comparison, comparison.swap()
    a, b = sorted((comparison.first, comparison.second), key=lambda one: (one.call_id, one.index))
    lot = int(digest([seed, a.call_id, a.index, b.call_id, b.index], size=1), 16) % 2
    return (Comparison(first=(a, b)[lot], second=(b, a)[lot]),)


def _unmet(couples: Iterator[Couple] | Sequence[Couple], found: Met) -> tuple[Comparison, ...]:
    return tuple(Comparison(first=a, second=b) for a, b in couples if frozenset((a.key, b.key)) not in found)


def _couples(field: Sequence[Candidate]) -> tuple[list[Couple], list[Candidate]]:
    """Neighbours two by two, and the one left over where there is one."""
    whole = len(field) // 2 * 2
    return list(zip(field[0:whole:2], field[1:whole:2], strict=True)), list(field[whole:])


def _knockout(
    field: Sequence[Candidate], found: Met, stays: Callable[[Couple, Met], Candidate]
) -> tuple[Comparison, ...]:
    """The next round in which one of each couple stays; none when one is left."""
    while len(field) > 1:
        couples, odd = _couples(field)
        if missing := _unmet(couples, found):
            return missing
        field = [*(stays(couple, found) for couple in couples), *odd]
    return ()


def _upper(couple: Couple, found: Met) -> Candidate:
    a, b = couple
    p = found[frozenset((a.key, b.key))].p_of(a)
    return b if p is not None and p < 0.5 else a


def _lower(couple: Couple, found: Met) -> Candidate:
    a, b = couple
    return a if _upper(couple, found) is b else b


def _points(candidate: Candidate, matches: Sequence[Match]) -> float:
    shares = [m.p_of(candidate) for m in matches if candidate.key in (m.a.key, m.b.key)]
    return round(math.fsum(0.5 if share is None else share for share in shares), 9)


def _paired(field: Sequence[Candidate], found: Met) -> list[Couple] | None:
    """Couples of near neighbours that have not met; None where there is no way to make them."""
    if not field:
        return []
    first, *rest = field
    for other in rest:
        if frozenset((first.key, other.key)) not in found:
            left = _paired([c for c in rest if c is not other], found)
            if left is not None:
                return [(first, other), *left]
    return None
