"""The summary: counts, spend and diagnostics as a fold over results. Shares of nothing and unknown costs are null."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from judgegen.llm.calls import Usage
from judgegen.records import Candidate, Match, Result, Unreadable, Verdict
from judgegen.writer.failures import Failures
from judgegen.writer.money import plain, total
from judgegen.writer.rows import Asked, rounded

NEAR = 0.05
"""Matches whose P is closer than this to 1/2 are near ties: ties, flips, and what the judge cannot tell apart."""


def share(part: int, whole: int) -> float | None:
    """The quotient; None where there is nothing to divide by."""
    return rounded(part / whole) if whole else None


@dataclass(slots=True)
class Spend:
    """Calls, tokens and USD of one group."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    usd: Decimal | None = Decimal(0)

    def add(self, usage: Usage, cost: Decimal | None, calls: int = 1) -> None:
        """Count one call, or several that are summed already."""
        self.calls += calls
        self.usage += usage
        self.usd = total((self.usd, cost))

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "calls": self.calls,
            "input": self.usage.input,
            "cached": self.usage.cached,
            "cache_write": self.usage.cache_write,
            "output": self.usage.output,
            "reasoning": self.usage.reasoning,
            "cost_usd": plain(self.usd),
        }


@dataclass(slots=True)
class Summary:
    """Add results, then ask for the row. The order of adding changes nothing."""

    prompts: int = 0
    pairs: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    suspicions: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    spend: dict[tuple[str, str, str, str], Spend] = field(default_factory=lambda: defaultdict(Spend))
    counts: Counter[str] = field(default_factory=Counter)
    judging: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    failures: Failures = field(default_factory=Failures)
    variants: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    rules: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, result: Result, fresh: Iterable[Asked]) -> None:
        """Count one prompt; `fresh` are those of its calls that no earlier one asked, and so are to be paid for."""
        self.heard(result.calls, fresh)
        self.came(result)

    def came(self, result: Result) -> None:
        """Count what one prompt came to, its calls aside."""
        self.prompts += 1
        self.pairs += len(result.pairs)
        self.judging.update(result.judging)
        if result.drop is not None:
            self.drops[result.drop] += 1
            self.lacking[result.detail] += result.drop == "incomplete"
        for candidate in result.candidates:
            self._candidate(candidate)
        for match in result.matches:
            self._match(match)
        for pair in result.pairs:
            self.variants[pair.chosen.variant]["wins"] += 1
            self.variants[pair.rejected.variant]["losses"] += 1
            self.counts["longer"] += len(pair.chosen.text) > len(pair.rejected.text)
            self.counts["unequal"] += len(pair.chosen.text) != len(pair.rejected.text)
        self._breaches(result)

    def settled_again(self) -> Summary:
        """A summary with what was asked and spent in it, and no result."""
        return Summary(asked=self.asked, spend=self.spend, failures=self.failures)

    def heard(self, calls: Iterable[Asked], fresh: Iterable[Asked]) -> None:
        """Count the calls of one prompt; `fresh` as in `add`."""
        self.asked.update(call.tag.role for call, _ in calls)
        for call, outcome in fresh:
            self.failures.add(call, outcome)
            self.spend[call.tag.role, call.model, call.tag.variant, outcome.day].add(outcome.usage, outcome.cost)

    def _breaches(self, result: Result) -> None:
        """Count the rules broken, and those that kept a best answer from being chosen."""
        scores = {} if result.ranking is None else result.ranking.scores
        high = max((score for score in scores.values() if score is not None), default=None)
        best = {key for key, score in scores.items() if score is not None and score == high}
        vetoed = {breach.name for key in best for breach in result.breaches.get(key, ())}
        for breach in (breach for broken in result.breaches.values() for breach in broken):
            self.rules[breach.name]["unknown" if breach.unknown else "broken"] += 1
        for name in vetoed:
            self.rules[name]["vetoed"] += 1
            self.rules[name]["dropped"] += result.drop == "constraint"

    def _candidate(self, candidate: Candidate) -> None:
        self.candidates += 1
        self.variants[candidate.variant]["candidates"] += 1
        self.suspicions.update(candidate.suspicions)
        if candidate.refused is not None:
            self.refused[candidate.refused] += 1
            self.variants[candidate.variant]["refused"] += 1

    def _match(self, match: Match) -> None:
        verdicts = [verdict for _, verdict in match.shown]
        readable = [v for v in verdicts if isinstance(v, Verdict)]
        decided = [v for v in readable if v.label != "tie"]
        self.counts["verdicts"] += len(verdicts)
        self.counts["unreadable"] += sum(isinstance(v, Unreadable) for v in verdicts)
        self.counts["ties"] += len(readable) - len(decided)
        self.counts["decided"] += len(decided)
        self.counts["first"] += sum(v.label == "first" for v in decided)
        for one, other in match.both_orders():
            if "tie" not in (one.label, other.label):
                self.counts["both_decided"] += 1
                self.counts["flips"] += one.label == other.label
        if match.p is not None:
            self.counts["known"] += 1
            self.counts["near"] += abs(match.p - 0.5) < NEAR
            self._win(match.a, match.p)
            self._win(match.b, 1 - match.p)

    def _win(self, candidate: Candidate, share_: float) -> None:
        counts = self.variants[candidate.variant]
        counts["matches"] += 1
        counts["millionths"] += round(share_ * 1_000_000)

    def row(self) -> dict[str, Any]:
        """The summary as JSON, without what only the caller knows (`formats`)."""
        every = self._of()
        by_role = {role: self._of(role) for role in ("sampler", "judge")}
        return {
            "prompts": self.prompts,
            "pairs": self.pairs,
            "drops": dict(sorted(self.drops.items())),
            "candidates": {"total": self.candidates, "refused": dict(sorted(self.refused.items()))},
            "suspicions": dict(sorted(self.suspicions.items())),
            "calls": {**{role: self.asked[role] for role in by_role}, "from_journal": self._repeats()},
            "unreadable": self.counts["unreadable"],
            "tokens": {
                "input": every.usage.input,
                "cached": every.usage.cached,
                "output": every.usage.output,
                "reasoning": every.usage.reasoning,
            },
            "cost_usd": {**{role: plain(spend.usd) for role, spend in by_role.items()}, "total": plain(every.usd)},
            "by_model": [{"role": r, "model": m, **self._of(r, m).row()} for r, m in self._models()],
            "spend": [self._spent(*group) for group in sorted(self.spend)],
            "by_variant": {name: self._variant(name) for name in sorted(self.variants)},
            "diagnostics": self.diagnostics(),
            **({"constraints": {name: self._rule(name) for name in sorted(self.rules)}} if self.rules else {}),
            **({"lacking": self._lacking()} if +self.lacking else {}),
            **({"failures": rows} if (rows := self.failures.rows()) else {}),
            **({"judging": dict(sorted(self.judging.items()))} if self.judging else {}),
        }

    def _rule(self, name: str) -> dict[str, int]:
        return {key: self.rules[name][key] for key in ("broken", "unknown", "vetoed", "dropped")}

    def _lacking(self) -> list[dict[str, Any]]:
        """Why prompts lack answers, the commonest reason first; "" of those not asked for yet."""
        found = sorted((+self.lacking).items(), key=lambda reason: (-reason[1], reason[0]))
        return [{"why": why, "prompts": prompts} for why, prompts in found]

    def _of(self, role: str | None = None, model: str | None = None, variant: str | None = None) -> Spend:
        """The spend of a group, all where nothing is named."""
        found = Spend()
        for (r, m, v, _), spend in self.spend.items():
            if role in (None, r) and model in (None, m) and variant in (None, v):
                found.add(spend.usage, spend.usd, spend.calls)
        return found

    def _repeats(self) -> int:
        """Calls that the journal answers even in a run that begins with an empty one."""
        return self.asked.total() - self._of().calls

    def _spent(self, role: str, model: str, variant: str, day: str) -> dict[str, Any]:
        """The finest row: the sum of these, and of the calls in the audit, is the total to the last digit."""
        named = {"role": role, "model": model, "variant": variant or None, "day": day or None}
        return {**named, **self.spend[role, model, variant, day].row()}

    def _models(self) -> Iterator[tuple[str, str]]:
        yield from sorted({(r, m) for r, m, _, _ in self.spend}, key=lambda pair: (pair[0] != "sampler", pair))

    def _variant(self, name: str) -> dict[str, Any]:
        counts = self.variants[name]
        rate = share(counts["millionths"], counts["matches"])
        return {
            "candidates": counts["candidates"],
            "refused": counts["refused"],
            "chosen": counts["wins"],
            "rejected": counts["losses"],
            "win_rate": None if rate is None else rounded(rate / 1_000_000),
            "cost_usd": plain(self._of("sampler", variant=name).usd),
        }

    def diagnostics(self) -> dict[str, float | None]:
        """What the run says of its judge without asking people."""
        counts = self.counts
        return {
            "flip_rate": share(counts["flips"], counts["both_decided"]),
            "p_first": share(counts["first"], counts["decided"]),
            "tie_rate": share(counts["ties"], counts["ties"] + counts["decided"]),
            "near_tie_share": share(counts["near"], counts["known"]),
            "unreadable_rate": share(counts["unreadable"], counts["verdicts"]),
            "longer_chosen": share(counts["longer"], counts["unequal"]),
        }
