"""Whether a run's first results leave any hope: of none of them came an answer or a verdict that is of use.

What a provider refuses for one prompt's sake (its content, its length) says nothing of the others. Knows the run file's
keys; nothing of how answers come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from judgegen.errors import ProviderRefused
from judgegen.records import Result, Unreadable, Verdict
from judgegen.spec import Spec

HOPELESS = 8
"""Results of no use, in a row from the first one on, after which nothing more is paid for."""
_ALIKE = ("identical", "near-identical")
_PROMPTS_OWN = ("content-filtered", "content-filter", "content_filter", "refusal", "too-long", "too_long", "rejected")
_Sign = Literal["of use", "no answer", "no verdict"]


@dataclass(slots=True)
class Hope:
    """Add results in their order; an error where hope is lost. Once a result was of use, all is well."""

    spec: Spec
    well: bool = False
    signs: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result, *, fresh: bool) -> ProviderRefused | None:
        """Count one result, if anything is being paid for (`fresh`); why nothing more should be, if so."""
        if self.well:
            return None
        found, reasons = _sign(result)
        self.well = found == "of use"
        if self.well or found is None or not fresh or self._meant(found):
            return None
        self.signs[found] += 1
        self.reasons.update(reasons)
        return self._lost() if self.signs.total() == HOPELESS else None

    def _meant(self, found: _Sign) -> bool:
        """Whether the run file's gates say that this is how it is to be."""
        gates = self.spec.gates
        allowed = gates.max_cut_rate if found == "no answer" else gates.max_unreadable_rate
        return allowed is not None and allowed >= 1

    def _lost(self) -> ProviderRefused:
        what, key, mend = _MENDS[self.signs.most_common(1)[0][0]]
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common(3))
        if self.reasons.most_common(1)[0][0] == "truncated":
            mend = f"raise {key} (a model that thinks needs room for its thought as well); {mend}"
        return ProviderRefused(f"the first {HOPELESS} prompts gave {what} ({why}): nothing more is paid for; {mend}")


_MENDS = {
    "no answer": (
        "no answer that may compete",
        "sampler.max_tokens",
        "name another sampler.model, or look at its words in audit/calls.parquet; gates.max_cut_rate = 1 goes on",
    ),
    "no verdict": (
        "no verdict that can be read",
        "judge.max_tokens",
        "name a stronger judge.model, or another form by [judge] schema; gates.max_unreadable_rate = 1 goes on",
    ),
}


def _sign(result: Result) -> tuple[_Sign | None, list[str]]:
    """What a result is a sign of, None where it tells nothing of others; and the reasons for it."""
    if result.drop == "incomplete":
        return None, []
    said = list(_opinions(result))
    if any(not isinstance(one, Unreadable) for one in said):
        return "of use", []
    if said:
        return _unless_own("no verdict", [one.reason for one in said if isinstance(one, Unreadable)])
    refused = [one.refused for one in result.candidates if one.refused is not None and one.refused not in _ALIKE]
    if len(refused) < len(result.candidates):
        return "of use", []
    return _unless_own("no answer", refused)


def _unless_own(sign: _Sign, reasons: list[str]) -> tuple[_Sign | None, list[str]]:
    return (None if not reasons or set(reasons) & set(_PROMPTS_OWN) else sign), reasons


def _opinions(result: Result) -> Iterator[object]:
    """What judges said; a grader is no judge."""
    for match in result.matches:
        yield from (verdict for _, verdict in match.shown if isinstance(verdict, Verdict | Unreadable))
    for given in result.scores.values():
        yield from (score for score in given if score.judge != "grader")
