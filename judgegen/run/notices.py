"""What a run's answers show to be wrong with it, said with the key that mends it as soon as it shows.

Answers cut off by their limit, verdicts that nobody can read, a judge that follows the order, variants that come out
alike. Knows the run file's keys; nothing of how answers come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from judgegen.judge.rewards import NO_PROBABILITY, number
from judgegen.llm.calls import Reply
from judgegen.records import Candidate, Result, Unreadable, Verdict
from judgegen.spec import Spec
from judgegen.spec.judge import surest
from judgegen.textual import normal
from judgegen.watch import Watch
from judgegen.writer.failures import Failures

ENOUGH = 24
"""Answers of a kind from which a share says something while the run goes on; at its end all there are must do."""
CUT, UNREADABLE, FLIPPED, ALIKE = 0.3, 0.3, 0.7, 0.9
"""Shares from which something is said."""
LEAST = 6
"""Answers of a kind below which nothing is said of a share."""


@dataclass(slots=True)
class Notices:
    """Add results as they come, then close; each thing is said once."""

    spec: Spec
    watch: Watch
    drawn: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    verdicts: int = 0
    both: int = 0
    flips: int = 0
    firsts: int = 0
    blind: int = 0
    scores: int = 0
    beyond: int = 0
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    alike: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Failures = field(default_factory=Failures)
    said: set[str] = field(default_factory=set)

    def add(self, result: Result) -> None:
        """Count one prompt, and say what shows by now."""
        for candidate in result.candidates:
            self.drawn[candidate.variant] += 1
            self.cut[candidate.variant] += candidate.refused == "truncated"
        self._variants(result)
        for call, outcome in result.calls:
            self.failures.add(call, outcome)
        for opinion in _opinions(result):
            self.verdicts += 1
            if isinstance(opinion, Unreadable):
                self.unreadable[opinion.reason] += 1
        self._rewards(result)
        for match in result.matches:
            first = match.shown[0][1] if match.shown else None
            self.firsts += isinstance(first, Verdict)
            self.blind += isinstance(first, Verdict) and not first.soft and surest(first.votes) < self._early_stop
            for one, other in match.both_orders():
                if "tie" not in (one.label, other.label):
                    self.both += 1
                    self.flips += one.label == other.label
        self._say(ENOUGH)

    def close(self, alike: Sequence[Mapping[str, Any]] = ()) -> None:
        """Say what shows at the end; `alike`: the variants that cannot be told apart."""
        self._say(LEAST)
        for row in alike:
            one, other = row["variants"]
            if f"alike {one} {other}" not in self.said:
                self.watch.warned(
                    f"variants {one!r} and {other!r} cannot be told apart in {row['prompts']:,} prompts: what differs "
                    f"between them is ignored, or too close to show; `judgegen probe` says which the endpoint heeds"
                )

    @property
    def _early_stop(self) -> float:
        return self.spec.judge.early_stop or 0.0

    def _rewards(self, result: Result) -> None:
        """How many scores are taken for logits, and how many of them are no probabilities."""
        for call, outcome in result.calls:
            if call.params.get("raw") and isinstance(outcome, Reply):
                found = [value for one in outcome.choices if (value := number(one.text)) is not None]
                self.scores += len(found)
                self.beyond += sum(not 0 <= value <= 1 for value in found)

    def _variants(self, result: Result) -> None:
        """Which variants gave the same answer first."""
        firsts: dict[str, Candidate] = {}
        for candidate in result.candidates:
            if candidate.text and candidate.index == 0:
                firsts.setdefault(candidate.variant, candidate)
        for one, other in combinations(firsts, 2):
            self.met[one, other] += 1
            self.alike[one, other] += normal(firsts[one].text) == normal(firsts[other].text)

    def _say(self, enough: int) -> None:
        for key, message in self._found(enough):
            if key not in self.said:
                self.said.add(key)
                self.watch.warned(message)

    def _found(self, enough: int) -> Iterator[tuple[str, str]]:
        yield from self._cut(enough)
        lost = self.unreadable.total()
        if self.verdicts >= enough and lost >= UNREADABLE * self.verdicts:
            yield "unreadable", f"{lost:,} of {self.verdicts:,} verdicts cannot be read: {self._why()}"
        if self.both >= enough and self.flips >= FLIPPED * self.both:
            turned = f"{self.flips:,} of {self.both:,} verdicts turned with the order of the answers"
            mend = "the judge goes by their place, not by what they say; name a stronger judge.model"
            yield "flipped", f"{turned}: {mend}"
        if self.blind >= enough and self.blind == self.firsts:
            came = f"{self.blind:,} of {self.firsts:,} verdicts came without logprobs"
            mend = "let each be asked several times (judge.samples), or remove early_stop"
            yield "blind", f"judge.early_stop settles nothing: {came} and say not how sure they are; {mend}"
        if beyond := self.unreadable[NO_PROBABILITY]:
            yield "beyond", f'{beyond:,} comparisons rest on scores beyond 0 and 1: set judge.rewards = "logits"'
        if self.scores >= enough and not self.beyond:
            taken = f"all of {self.scores:,} scores lie between 0 and 1, and are taken for logits"
            yield "scale", f'{taken}: where they are probabilities, set judge.rewards = "probabilities"'
        for (one, other), met in self.met.items():
            if met >= enough and self.alike[one, other] >= ALIKE * met:
                same = f"variants {one!r} and {other!r} gave one answer under {self.alike[one, other]:,} of {met:,}"
                mend = " prompts: the endpoint seems to ignore what differs between them, whatever the audit says"
                yield f"alike {one} {other}", same + mend

    def _cut(self, enough: int) -> Iterator[tuple[str, str]]:
        by_key: defaultdict[str, list[str]] = defaultdict(list)
        for variant in self.drawn:
            by_key[_limit(self.spec, variant)].append(variant)
        for key, variants in by_key.items():
            drawn, cut = (sum(counts[name] for name in variants) for counts in (self.drawn, self.cut))
            if drawn >= enough and cut >= CUT * drawn:
                room = "which may not compete; raise it (a model that thinks needs room for its thought as well)"
                yield f"cut {key}", f"{key} cut {cut:,} of {drawn:,} answers, {room}"

    def _why(self) -> str:
        reason, count = self.unreadable.most_common(1)[0]
        if reason == "truncated":
            return (
                f"{count:,} were cut off by judge.max_tokens = {self.spec.judge.token_limit} before they came to a "
                f"verdict; raise it, since a judge that thinks needs room for its thought, or name another judge.model"
            )
        if reason in ("no-verdict", "missing-aspect", "off-the-scale", "empty"):
            return (
                f"{count:,} are {reason}: the judge does not answer in the form that it is asked for; name a stronger "
                f"judge.model, or look at its words in audit/calls.parquet"
            )
        if words := self.failures.said("judge", reason):
            return f"{count:,} ended with {reason!r}: {words}"
        return f"{count:,} ended with {reason!r}; audit/calls.parquet has the judge's words"


def _limit(spec: Spec, name: str) -> str:
    """The key that limits a variant's answers, with its value."""
    variant = next((one for one in spec.sampler.variants if one.name == name), None)
    if variant is not None and variant.max_tokens is not None:
        return f"sampler.variants.{name}.max_tokens = {variant.max_tokens}"
    return f"sampler.max_tokens = {spec.sampler.max_tokens}"


def _opinions(result: Result) -> Iterator[object]:
    """Every verdict and score that judges gave, unreadable ones too; a grader is no judge."""
    for match in result.matches:
        yield from (verdict for _, verdict in match.shown if isinstance(verdict, Verdict | Unreadable))
    for given in result.scores.values():
        yield from (score for score in given if score.judge != "grader")
