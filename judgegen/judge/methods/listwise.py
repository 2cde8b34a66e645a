"""Listwise: judges see all answers of a prompt at once and put them in an order, in lists whose places cancel.

Of two answers P comes of all lists, and the ranking is the mean of those P over all others: Borda's count (1781),
shrunk. Who stands before whom is kept as of any judge, so that flips, home advantage and thresholds mean the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from judgegen.judge import decide, lists
from judgegen.judge.bench import Bench, Rulings, cut_by_the_user, final, graded, weighed
from judgegen.judge.build import Asking, Notes
from judgegen.judge.lists import Listed, Ordering
from judgegen.judge.method import Method
from judgegen.judge.methods.pairwise import absolute
from judgegen.llm.recording import ask as answered
from judgegen.llm.recording import together
from judgegen.records import Candidate, Comparison, Match
from judgegen.templates import LISTWISE

KEYS = frozenset("template lists criteria checklist rationale panel grade".split())
Heard = Sequence[tuple[Asking, Sequence[tuple[Listed, Ordering]]]]
"""By judge every list with what it said of it."""


async def ask(bench: Bench, competing: Sequence[Candidate]) -> Rulings:
    """Every list before every judge, at once."""
    notes = await bench.notes()
    if isinstance(notes, str):
        return Rulings(unasked=notes)
    scores, plan = bench.grades(competing), bench.plan
    shown = lists.lists(competing, bench.lot, plan.lists if plan.both_orders else 1)
    every = list(itertools.product(plan.panel, shown))
    orders = await together(_ordered(bench, listed, asking, notes) for asking, listed in every)
    said = list(zip(every, orders, strict=True))
    heard = [(asking, [(listed, one) for (whose, listed), one in said if whose is asking]) for asking in plan.panel]
    matches = (_match(a, b, heard) for a, b in itertools.combinations(competing, 2))
    return Rulings(matches=tuple(weighed(match, plan, graded(scores)) for match in matches), scores=scores)


async def _ordered(bench: Bench, listed: Listed, asking: Asking, notes: Notes) -> Ordering:
    """One judge's order of one list, asked for until it can be read."""
    found, seed = Ordering(), bench.plan.seed
    for draw in range(bench.plan.max_attempts):
        call = lists.call(bench.prompt, listed, asking, seed=seed, draw=draw, notes=notes)
        outcome = await answered(bench.send, call)
        names = lists.labels(bench.prompt, listed, seed=seed, draw=draw)
        said = lists.order(call, outcome, listed, names)
        found = replace(said, call_ids=(*found.call_ids, *said.call_ids))
        if found.keys or final(outcome) or cut_by_the_user(call, outcome):
            break
    return found


def _match(a: Candidate, b: Candidate, heard: Heard) -> Match:
    """What all lists say of two: of each judge a verdict in each order."""
    displays = [pair for pair in _orders(a, b) if any(one.before(pair.first, pair.second) for one, _ in heard[0][1])]
    return decide.match(a, b, [(pair, lists.verdict(pair, said, one)) for pair in displays for one, said in heard])


def _orders(a: Candidate, b: Candidate) -> tuple[Comparison, Comparison]:
    pair = Comparison(first=a, second=b)
    return pair, pair.swap()


METHOD = Method(
    name="listwise",
    keys=KEYS,
    compares=LISTWISE,
    ask=ask,
    absolute=absolute,
    apis=frozenset({"chat"}),
)
