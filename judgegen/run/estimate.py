"""The estimate: the run with guessed answers, so that it follows every change of the pipeline by itself.

The pipeline runs three times, with the lengths at the low end, as expected and at the high end. Above `EVERY` prompts a
seeded sample is counted and scaled, and the interval is widened by the sampling error. Sends nothing and needs no key.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from judgegen.llm import prices
from judgegen.llm.calls import Reply, Send
from judgegen.llm.guess import GUESSED, Bound, Guess, Key, Length, Sums, pilot
from judgegen.llm.journal import Journal
from judgegen.llm.tokens import encoding_name
from judgegen.pipeline import Plan, windowed
from judgegen.run import assumed
from judgegen.run.expected import BOUNDS, Estimate, ExpectedPairs, Portion
from judgegen.spec import Endpoint, Spec

Through = Coroutine[Any, Any, Any]


class Countable(Protocol):
    """A prompt, or whatever else is counted: its id is its lot."""

    @property
    def id(self) -> str:
        """One for one content, whichever run asks."""
        ...


T = TypeVar("T", bound=Countable)
EVERY = 20_000
"""Up to this many prompts every one is counted."""
SAMPLE = 2_000
"""How many are counted beyond that, and how many in the low and high passes."""
QUICK = 100
"""How many are counted before a run begins, so that its first call goes out soon."""
FEW = 10
"""From so many answered prompts on they tell how many pairs there will be."""
USUAL: Mapping[Bound, float] = {"low": 0.4, "expected": 0.7, "high": 1.0}
USUALLY = "assumed: 70 of 100 prompts give a pair, 40 to 100; the others tie, or their two orders disagree"
TOKENS_PER_S, FIRST_TOKEN_S = 60.0, 0.5
"""Assumed speed of an endpoint nobody has asked yet."""


def sample(prompts: Iterable[T], seed: int, every: int = EVERY, most: int = SAMPLE) -> tuple[int, list[T]]:
    """How many prompts there are, and those to count: all, or beyond `every` the `most` with the lowest lots."""
    count, kept = 0, list[T]()
    lots: list[tuple[int, int, T]] = []
    for count, prompt in enumerate(prompts, start=1):
        if count <= every:
            kept.append(prompt)
        drawn = hashlib.blake2b(f"{seed} estimate {prompt.id}".encode("utf-8", "replace"), digest_size=8).digest()
        lot = (-int.from_bytes(drawn), count, prompt)
        heapq.heappush(lots, lot) if len(lots) < most else heapq.heappushpop(lots, lot)
    if count <= every:
        return count, kept
    return count, [prompt for _, _, prompt in sorted(lots, key=lambda lot: lot[1])]


@dataclass(slots=True)
class Kept:
    """Pairs of the prompts that the journal answers whole."""

    prompts: int = 0
    found: int = 0
    squares: int = 0

    def add(self, result: Any) -> None:
        """One more Result; one with a guessed answer tells nothing."""
        if any(isinstance(answer, Reply) and answer.usage is GUESSED for _, answer in result.calls):
            return
        self.prompts += 1
        self.found += len(result.pairs)
        self.squares += len(result.pairs) ** 2

    def rate(self, usual: Mapping[Bound, float] | None) -> Mapping[Bound, float] | None:
        """Pairs of a prompt: by those that are answered, or where they are few what is `usual`; None: unknown."""
        return self._rate() if self.prompts >= FEW else usual

    @property
    def basis(self) -> str:
        """What the rate rests on."""
        return f"{self.prompts:,} prompts in the journal" if self.prompts >= FEW else USUALLY

    def pairs(self, total: int, usual: Mapping[Bound, float] | None) -> ExpectedPairs | None:
        """Of `total` prompts, by those that are answered, or where they are few by what is `usual`; None: unknown."""
        if (rate := self.rate(usual)) is None:
            return None
        rest = max(0, total - self.prompts)
        found = {bound: self.found + rate[bound] * rest for bound in BOUNDS}
        return ExpectedPairs(found=found, to_come=rate["expected"] * rest, basis=self.basis)

    def _rate(self) -> dict[Bound, float]:
        """Pairs of a prompt: the mean with two standard errors, and what one prompt more could make of it."""
        mean = self.found / self.prompts
        error = 2 * math.sqrt(max(0.0, self.squares / self.prompts - mean**2) / self.prompts) + 1 / self.prompts
        return {"low": max(0.0, mean - error), "expected": mean, "high": mean + error}


def usual(spec: Spec) -> Mapping[Bound, float] | None:
    """Pairs of a prompt as judges usually leave them; None where more than one is possible, or no model judges."""
    return USUAL if spec.judge.way.asks_models and spec.pairs.select != "all-above-margin" else None


@dataclass(slots=True)
class Counting(Generic[T]):
    """The passes of one estimate."""

    spec: Spec
    plan: Plan
    journal: Journal | None
    through: Callable[[T, Send], Through]
    lengths: dict[Key, Length] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = pilot(self.journal.answers()) if self.journal is not None else {}
        for key, length in assumed.lengths(self.spec, self.plan).items():
            self.lengths[key] = known.get((key[0], key[2], key[3]), length)

    async def tallies(self, items: list[T], bound: Bound, kept: Kept | None = None) -> dict[Key, Sums]:
        """What the calls for `items` come to at one end of the interval; `kept` sees what each came to."""
        encodings = {key[2]: encoding_name(key[2])[0] for key in self.lengths}
        guess = Guess(journal=self.journal, lengths=self.lengths, bound=bound, encodings=encodings)
        async for result in windowed(items, self.through, guess, window=8):
            if kept is not None:
                kept.add(result)
        return guess.tally


def count(
    spec: Spec,
    plan: Plan,
    items: Iterable[T],
    journal: Journal | None,
    through: Callable[[T, Send], Through],
    *,
    pairs: bool = False,
    quick: bool = False,
) -> Estimate:
    """The estimate of a job over `items`, each put `through`, looking into `journal` where there is one.

    Where it makes `pairs`, what it comes to are Results. `quick`: of a job that has no answer yet, `QUICK` prompts are
    counted; what is left of one that was begun is no sample's to say.

    Raises:
        PriceUnknown: a model has no price.
    """
    fresh = quick and (journal is None or not journal.count())
    total, counted = sample(items, spec.seed, *((QUICK, QUICK) if fresh else (EVERY, SAMPLE)))
    counting = Counting(spec, plan, journal, through)
    few = counted[:: math.ceil(len(counted) / SAMPLE)] if counted else []
    kept = Kept() if pairs else None

    async def passes() -> dict[Bound, dict[Key, Sums]]:
        expected = await counting.tallies(counted, "expected", kept)
        return {
            "low": _scaled(await counting.tallies(few, "low"), total / max(1, len(few))),
            "expected": _scaled(expected, total / max(1, len(counted))),
            "high": _scaled(await counting.tallies(few, "high"), total / max(1, len(few))),
        }

    tallies = asyncio.run(passes())
    error = 0.0 if len(few) == total else 3 / math.sqrt(len(few))
    yields = None if kept is None else kept.pairs(total, usual(spec))
    rests = () if yields is None else (f"pairs: {yields.basis}",)
    groups = _groups(counting.lengths, tallies["expected"])
    rows = tuple(_row(spec, counting, group, tallies, error) for group in groups)
    return Estimate(
        prompts=total,
        counted=len(counted),
        hours=_hours(spec, counting.lengths, tallies["expected"]),
        rows=rows,
        pairs=yields,
        assumptions=(*_assumptions(spec, rows, total, len(counted), counting.lengths), *rests),
    )


def _scaled(tallies: Mapping[Key, Sums], factor: float) -> dict[Key, Sums]:
    return {
        key: Sums(
            calls=round(t.calls * factor),
            free=round(t.free * factor),
            input=t.input * factor,
            cached=t.cached * factor,
            output=t.output * factor,
        )
        for key, t in tallies.items()
    }


def _groups(lengths: Mapping[Key, Length], expected: Mapping[Key, Sums]) -> list[tuple[str, str, str]]:
    """(role, endpoint, model) of what may be asked, without a role in which nobody is asked for anything."""
    roles = {key[0] for key, tally in expected.items() if tally.calls} or {key[0] for key in lengths}
    found = {key[:3] for key in lengths if key[0] in roles}
    return sorted(found, key=lambda group: (group[0] != "sampler", group))


def _row(
    spec: Spec,
    counting: Counting[Any],
    group: tuple[str, str, str],
    tallies: Mapping[Bound, Mapping[Key, Sums]],
    error: float,
) -> Portion:
    role, route, model = group
    at = {bound: _sum([t for key, t in tallies[bound].items() if key[:3] == group], bound, error) for bound in BOUNDS}
    endpoint = spec.endpoints[route]
    decides = _decides(spec, role, route, model)
    live = prices.rate(endpoint, route, model, endpoint.processing, decides=decides)
    batch = prices.known_rate(endpoint, route, model, "batch", decides=decides)
    basis = sorted({length.basis for key, length in counting.lengths.items() if key[:3] == group})
    return Portion(
        role=role,
        endpoint=route,
        model=model,
        calls=at["expected"].calls,
        from_journal=at["expected"].free,
        input={bound: round(t.input) for bound, t in at.items()},
        cached={bound: round(t.cached) for bound, t in at.items()},
        output={bound: round(t.output) for bound, t in at.items()},
        usd={bound: _usd(live, t) for bound, t in at.items()},
        usd_batch=None if batch is None else {bound: _usd(batch, t) for bound, t in at.items()},
        basis="; ".join(basis),
    )


def _decides(spec: Spec, role: str, route: str, model: str) -> bool:
    """Whether nothing but typed questions is asked of a model as a judge."""
    apis = {one.api for one in spec.judge.everybody() if (one.endpoint, one.model) == (route, model)}
    return role == "judge" and bool(apis) and "chat" not in apis


def _sum(tallies: list[Sums], bound: Bound, error: float) -> Sums:
    """Tallies added up; the ends moved out by the relative sampling error."""
    shift = {"low": max(0.0, 1 - error), "expected": 1.0, "high": 1 + error}[bound]
    return Sums(
        calls=sum(t.calls for t in tallies),
        free=sum(t.free for t in tallies),
        input=sum(t.input for t in tallies) * shift,
        cached=sum(t.cached for t in tallies) * shift,
        output=sum(t.output for t in tallies) * shift,
    )


def _usd(rate: prices.Rate, tally: Sums) -> Decimal:
    """USD of all calls of a tally, each priced as one of mean size."""
    paid = tally.calls - tally.free
    at = rate.at(round(tally.input / paid)) if paid else rate
    fresh = at.input * round(tally.input - tally.cached) + at.cached * round(tally.cached)
    return at.request * paid + fresh + at.output * round(tally.output)


def _hours(spec: Spec, lengths: Mapping[Key, Length], tallies: Mapping[Key, Sums]) -> float:
    """The longest that some endpoint takes: by its requests, its tokens, or its places."""
    longest = 0.0
    for name, endpoint in spec.used_endpoints().items():
        mine = {key: tally for key, tally in tallies.items() if key[1] == name}
        longest = max(longest, _minutes(endpoint, lengths, mine) / 60)
    return longest


def _minutes(endpoint: Endpoint, lengths: Mapping[Key, Length], tallies: Mapping[Key, Sums]) -> float:
    calls = sum(t.calls - t.free for t in tallies.values())
    tokens = sum(t.input + t.output for t in tallies.values())
    busy = sum((t.calls - t.free) * _seconds(lengths[key]) for key, t in tallies.items())
    return max(calls / (endpoint.rpm or math.inf), tokens / (endpoint.tpm or math.inf), busy / 60 / endpoint.places)


def _seconds(length: Length) -> float:
    return length.seconds if length.seconds is not None else FIRST_TOKEN_S + length.expected / TOKENS_PER_S


def _assumptions(
    spec: Spec, rows: tuple[Portion, ...], total: int, counted: int, lengths: Mapping[Key, Length]
) -> list[str]:
    said = [f"{row.role} {row.model}: output {row.basis}" for row in rows]
    if counted < total:
        said.append(f"{counted} of {total} prompts were counted, drawn by seed {spec.seed}, and scaled")
    if any(length.seconds is None for length in lengths.values()):
        said.append(
            f"time: {FIRST_TOKEN_S} s to the first token and {TOKENS_PER_S:.0f} tokens/s where nothing was measured"
        )
    if spec.judge.early_stop is not None:
        said.append("no comparison is settled by its first order: what early_stop saves comes off this")
    if spec.judge.votes > 1:
        said.append(f"every verdict is {spec.judge.votes} calls: a judge that gives logprobs is asked once")
    if spec.judge.third is not None or spec.judge.escalate:
        said.append("two of nine comparisons are in conflict and go to a third opinion or the next judge")
    if any(length.asked_again_high == 0.2 for length in lengths.values()):
        said.append("unreadable verdicts asked again: none expected, one in five at the high end")
    said += [
        f"{model}: the tokenizer is a guess (o200k_base)"
        for model in sorted({r.model for r in rows})
        if encoding_name(model)[1]
    ]
    for row in rows:
        decides = _decides(spec, row.role, row.endpoint, row.model)
        rate = prices.rate(spec.endpoints[row.endpoint], row.endpoint, row.model, decides=decides)
        if rate.assumption:
            said.append(f"{row.model}: {rate.assumption}")
    return list(dict.fromkeys(said))
