"""One judged pair beside what humans said of it: the row that every figure of this room is computed from.

Sides are A and B, as in a labelled file; a judge's verdict is kept as it was displayed and read in A's coordinates.
Knows nothing of files, models or how a verdict was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from judgegen.records import Label, Match, Unreadable, Verdict

Side = Literal["A", "B"]
Vote = Literal["A", "B", "tie"]

NOTHING = 1e-12
"""A lean that rounding makes: closer to 1/2 a pair and its mirror image would not be told apart."""
_OTHER: dict[Vote, Vote] = {"A": "B", "B": "A", "tie": "tie"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """One display of a pair.

    Attributes:
        first: the side that stood first.
        label: the verdict in display order; None when it could not be read.
        p_first: the first side's share of the win, P(first) + P(tie) / 2; None when it could not be read.
    """

    first: Side
    label: Label | None
    p_first: float | None

    @property
    def winner(self) -> Vote | None:
        """The verdict as a side; None when it could not be read."""
        if self.label is None or self.label == "tie":
            return self.label
        return self.first if self.label == "first" else _side(_OTHER[self.first])

    def swap(self) -> Showing:
        """This display with the two sides renamed."""
        return replace(self, first=_side(_OTHER[self.first]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A pair with its human votes and its judgment.

    Attributes:
        prompt_id: the prompt; pairs of one prompt are resampled, folded and discounted together.
        votes: what each human said; empty where nobody was asked.
        p: P(A is better), ties half, the mean over the orders; None when there is no verdict to stand on.
        orders: the displays judged; empty where the judge saw the sides one at a time.
        len_a, len_b: characters of the two sides.
        cost_usd, seconds: what this judgment took, all orders together; None when unknown.
    """

    prompt_id: str
    votes: tuple[Vote, ...] = ()
    p: float | None = None
    orders: tuple[Showing, ...] = ()
    len_a: int | None = None
    len_b: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None

    @property
    def human(self) -> Vote | None:
        """The label most humans gave; None without votes or where two labels lead together."""
        return majority(self.votes)

    @property
    def label(self) -> Vote | None:
        """The judge's label after averaging the orders; None when there is none."""
        if self.p is None:
            return None
        return "tie" if abs(self.p - 0.5) < NOTHING else "A" if self.p > 0.5 else "B"

    @property
    def consistent(self) -> bool | None:
        """Whether both orders came to the same verdict, a tie in both included; None unless both were read.

        Stricter than "not opposed": a tie one way and a win the other way is a verdict that the order changed.
        """
        winners = {order.winner for order in self.orders}
        if None in winners or {order.first for order in self.orders} != {"A", "B"}:
            return None
        return len(winners) == 1

    def swap(self) -> Judged:
        """This pair with the sides renamed; no figure of this room changes by it."""
        return replace(
            self,
            votes=tuple(_OTHER[vote] for vote in self.votes),
            p=None if self.p is None else 1.0 - self.p,
            orders=tuple(order.swap() for order in self.orders),
            len_a=self.len_b,
            len_b=self.len_a,
        )


def _side(vote: Vote) -> Side:
    return "A" if vote == "A" else "B"


def majority(votes: Sequence[Vote]) -> Vote | None:
    """The label with the most votes; None where there are no votes or two labels lead together."""
    counts = {label: votes.count(label) for label in _OTHER}
    leading = [label for label, count in counts.items() if count == max(counts.values())]
    return leading[0] if len(leading) == 1 else None


def mean_p(orders: Sequence[Showing]) -> float | None:
    """P(A is better), the mean over the orders; None when there are none or one could not be read."""
    leans: list[float] = []
    for order in orders:
        if order.p_first is None:
            return None
        leans.append(order.p_first - 0.5 if order.first == "A" else 0.5 - order.p_first)
    return 0.5 + sum(leans) / len(leans) if leans else None


def _display(first: Side, said: Sequence[Verdict | Unreadable]) -> Showing:
    """What was said of one display."""
    read = [verdict for verdict in said if isinstance(verdict, Verdict)]
    if len(read) == 1:
        return Showing(first=first, label=read[0].label, p_first=read[0].share)
    whole = sum(verdict.weight for verdict in read)
    if not whole:
        return Showing(first=first, label=None, p_first=None)
    share = round(sum(verdict.weight * verdict.share for verdict in read) / whole, 12)
    return Showing(first=first, label="tie" if share == 0.5 else "first" if share > 0.5 else "second", p_first=share)


def judged(
    match: Match,
    *,
    votes: Sequence[Vote] = (),
    cost_usd: float | None = None,
    seconds: float | None = None,
) -> Judged:
    """A match as a row, its `a` being side A.

    Of several judges the weighted mean is the verdict of a display; judges whom the match was taken away from are not
    in it. Where no judge saw the two side by side there are no orders.
    """
    said: dict[Side, list[Verdict | Unreadable]] = {}
    for comparison, verdict in match.shown[match.since :]:
        said.setdefault("A" if comparison.first.key == match.a.key else "B", []).append(verdict)
    orders = [_display(first, verdicts) for first, verdicts in said.items()]
    return Judged(
        prompt_id=match.a.prompt_id,
        votes=tuple(votes),
        p=match.p,
        orders=tuple(orders),
        len_a=len(match.a.text),
        len_b=len(match.b.text),
        cost_usd=cost_usd,
        seconds=seconds,
    )
