"""What a job is expected to take: calls, tokens, USD and hours, as data, as a line, as a table. Knows no counting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from judgegen.llm.guess import Bound
from judgegen.show.cards import Table, card
from judgegen.show.words import duration, money, quantity

if TYPE_CHECKING:
    from pandas import DataFrame

BOUNDS: tuple[Bound, ...] = ("low", "expected", "high")
COLUMNS = ("role", "model", "calls", "in", "out", "USD low", "expected", "high")
"""Calls and tokens to be paid for, by role and model."""

PILOT = 50
"""Prompts, or of a job that ends at so many pairs pairs, of a pilot that is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """One role and model. Numbers are for what is still to pay; `calls` counts all, `from_journal` the free ones."""

    role: str
    endpoint: str
    model: str
    calls: int
    from_journal: int
    input: Mapping[Bound, int]
    cached: Mapping[Bound, int]
    output: Mapping[Bound, int]
    usd: Mapping[Bound, Decimal]
    usd_batch: Mapping[Bound, Decimal] | None  # None: no batch price is known
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPairs:
    """Pairs of the whole job with their ends; of them, those `to_come` that are still to be paid for."""

    found: Mapping[Bound, float]
    to_come: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the job will take. `hours` is the expected time under the endpoints' limits.

    `pairs` is None for a job that makes none, and where nothing tells how many. `wanted` are the pairs it ends at, None
    where it ends with its prompts.
    """

    prompts: int
    counted: int
    hours: float
    rows: tuple[Portion, ...]
    assumptions: tuple[str, ...]
    pairs: ExpectedPairs | None = None
    wanted: int | None = None

    def usd_per_pair(self, *, batch: bool = False) -> Decimal | None:
        """What a pair to come is expected to cost; None where that is not known."""
        cost = self.cost_usd_batch if batch else self.cost_usd
        if self.pairs is None or cost is None or self.pairs.to_come < 1:
            return None
        return cost["expected"] / Decimal(str(self.pairs.to_come))

    @property
    def cost_usd(self) -> dict[Bound, Decimal]:
        """USD, live."""
        return {bound: sum((row.usd[bound] for row in self.rows), Decimal(0)) for bound in BOUNDS}

    @property
    def cost_usd_batch(self) -> dict[Bound, Decimal] | None:
        """USD through the Batch API; None where some model has no known batch price."""
        batch = [row.usd_batch for row in self.rows]
        if any(usd is None for usd in batch):
            return None
        return {bound: sum((usd[bound] for usd in batch if usd), Decimal(0)) for bound in BOUNDS}

    @property
    def calls(self) -> dict[str, int]:
        """Calls of the whole job by role, and how many of them the journal answers."""
        by_role = {role: sum(row.calls for row in self.rows if row.role == role) for role in ("sampler", "judge")}
        return {**by_role, "from_journal": sum(row.from_journal for row in self.rows)}

    @property
    def frame(self) -> DataFrame:
        """One row per role and model, low/expected/high as columns."""
        import pandas as pd

        return pd.json_normalize([_plain(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; USD as decimal strings."""
        return {
            "prompts": self.prompts,
            "prompts_counted": self.counted,
            "calls": self.calls,
            "cost_usd": _strings(self.cost_usd),
            "cost_usd_batch": _strings(self.cost_usd_batch),
            "pairs": None if self.pairs is None else {bound: round(self.pairs.found[bound]) for bound in BOUNDS},
            "usd_per_pair": _string(self.usd_per_pair()),
            "hours": round(self.hours, 4),
            "rows": [_plain(row) for row in self.rows],
            "assumptions": list(self.assumptions),
        }

    def line(self, *, batch: bool = False, cap: Decimal | None = None) -> str:
        """The expected cost with its ends, the calls behind it and the time; what the journal answers costs nothing.

        With a `cap`, in USD for the whole folder, what it will do to the run; without a pilot, that one helps.
        """
        cost = self.cost_usd_batch if batch else self.cost_usd
        usd = (
            "unknown" if cost is None else f"{money(cost['expected'])} ({money(cost['low'])} to {money(cost['high'])})"
        )
        calls = self.calls
        free = f", {calls['from_journal']:,} of them from the journal" if calls["from_journal"] else ""
        how = " through the Batch API" if batch else ""
        time = "" if batch else f", about {duration(3600 * self.hours)}"
        total = calls["sampler"] + calls["judge"]
        prompts = f"{self.prompts:,} prompt{'' if self.prompts == 1 else 's'}"
        said = f"expected cost {usd}{how}: {prompts}, {total:,} calls{free}{time}"
        return "; ".join([said, *self._yield(batch=batch), *self._against(cost, cap), *self._narrowed(cost)])

    def _yield(self, *, batch: bool) -> Iterator[str]:
        """Pairs, and what one costs."""
        if self.pairs is None:
            return
        low, expected, high = (round(self.pairs.found[bound]) for bound in BOUNDS)
        usd = self.usd_per_pair(batch=batch)
        each = f" at {money(usd)} each" if usd else ""
        yield f"about {expected:,} pair{'' if expected == 1 else 's'} ({low:,} to {high:,}){each}"

    def _against(self, cost: Mapping[Bound, Decimal] | None, cap: Decimal | None) -> Iterator[str]:
        """What the cap will do. What the folder has cost already counts towards it and is not known here."""
        if cap is None or cost is None or not cost["high"]:
            return
        if cost["high"] <= cap:
            yield f"the cap of {money(cap)} leaves room for all of it"
        elif cost["expected"] <= cap:
            yield f"the cap of {money(cap)} may stop it before the end"
        else:
            part = max(1, round(100 * float(cap / cost["expected"])))
            yield f"the cap of {money(cap)} will stop it at about {part} % of the prompts"

    def _narrowed(self, cost: Mapping[Bound, Decimal] | None) -> Iterator[str]:
        """That a pilot narrows the interval, and its price, where the interval is wide and there is much to do.

        Of a job that ends at so many pairs it is some of them: a pilot by `--limit` would ask other prompts.
        """
        unit, whole = ("prompts", self.prompts) if self.wanted is None else ("pairs", self.wanted)
        if whole <= 2 * PILOT or cost is None or cost["high"] < 3 * cost["low"] or not cost["high"]:
            return
        flag = "--limit" if self.wanted is None else "--pairs"
        usd = cost["expected"] * PILOT / whole
        yield f"a pilot of {PILOT} {unit} ({flag} {PILOT}) for about {money(usd)} narrows this"

    def table(self) -> Iterator[tuple[str, ...]]:
        """One row per role and model under `COLUMNS`, as text."""
        for row in self.rows:
            yield (
                row.role,
                row.model,
                f"{row.calls - row.from_journal:,}",
                quantity(row.input["expected"]),
                quantity(row.output["expected"]),
                *(money(row.usd[bound]) for bound in BOUNDS),
            )
        if len(self.rows) > 1:
            calls = sum(row.calls - row.from_journal for row in self.rows)
            tokens = [quantity(sum(way(row)["expected"] for row in self.rows)) for way in (_input, _output)]
            yield ("total", "", f"{calls:,}", *tokens, *(money(self.cost_usd[bound]) for bound in BOUNDS))

    def _repr_html_(self) -> str:
        return card(self.line(), Table(self.table(), head=COLUMNS), notes=self.assumptions)


def joined(rows: Iterable[Portion], more: Iterable[Portion], *, high: int = 1) -> tuple[Portion, ...]:
    """Two jobs' portions, those of one role and model as one; the second's high end times `high`."""
    found = {(row.role, row.endpoint, row.model): row for row in rows}
    for row in more:
        place = (row.role, row.endpoint, row.model)
        found[place] = _plus(found[place], row, high) if place in found else row
    return tuple(found.values())


def _plus(one: Portion, other: Portion, high: int) -> Portion:
    times = {bound: high if bound == "high" else 1 for bound in BOUNDS}

    def tokens(a: Mapping[Bound, int], b: Mapping[Bound, int]) -> dict[Bound, int]:
        return {bound: a[bound] + times[bound] * b[bound] for bound in BOUNDS}

    def usd(a: Mapping[Bound, Decimal], b: Mapping[Bound, Decimal]) -> dict[Bound, Decimal]:
        return {bound: a[bound] + times[bound] * b[bound] for bound in BOUNDS}

    batch = None if one.usd_batch is None or other.usd_batch is None else usd(one.usd_batch, other.usd_batch)
    return replace(
        one,
        calls=one.calls + other.calls,
        from_journal=one.from_journal + other.from_journal,
        input=tokens(one.input, other.input),
        cached=tokens(one.cached, other.cached),
        output=tokens(one.output, other.output),
        usd=usd(one.usd, other.usd),
        usd_batch=batch,
    )


def _input(row: Portion) -> Mapping[Bound, int]:
    return row.input


def _output(row: Portion) -> Mapping[Bound, int]:
    return row.output


def _plain(row: Portion) -> dict[str, Any]:
    return {
        "role": row.role,
        "endpoint": row.endpoint,
        "model": row.model,
        "calls": row.calls,
        "from_journal": row.from_journal,
        "input_tokens": dict(row.input),
        "cached_input_tokens": dict(row.cached),
        "output_tokens": dict(row.output),
        "cost_usd": _strings(row.usd),
        "cost_usd_batch": _strings(row.usd_batch),
        "basis": row.basis,
    }


def _strings(usd: Mapping[Bound, Decimal] | None) -> dict[str, str] | None:
    return (
        None
        if usd is None
        else {bound: format(value.quantize(Decimal("0.000001")), "f") for bound, value in usd.items()}
    )


def _string(usd: Decimal | None) -> str | None:
    return None if usd is None else format(usd.quantize(Decimal("0.000001")), "f")
