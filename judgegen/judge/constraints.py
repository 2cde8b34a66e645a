"""Rules that a chosen answer must not break: which of them a candidate breaks, and which nobody could tell.

A rule in words is two levels of a rubric, broken and kept, so that it is asked, paid for, read and asked again as any
score is; a grader's is broken below its least score. What cannot be read is named as such, and never as kept. Knows
nothing of comparisons or of what becomes of a candidate that breaks one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from judgegen.judge.graders import Grader, GraderFailed
from judgegen.records import Breach, Candidate, Prompt, Score, Unreadable
from judgegen.templates import Aspect

ANCHORS = ("The answer breaks this rule.", "The answer keeps this rule, or the rule says nothing about it.")
_KEPT = 1.5
"""Between the two levels: an answer keeps a rule where that is the likelier of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One rule: in words, or a grader's with the least score that keeps it."""

    name: str
    rule: str = ""
    grader: Grader | None = None
    least: float = 1.0


def aspects(constraints: Iterable[Constraint]) -> tuple[Aspect, ...]:
    """Those in words as a rubric's aspects."""
    return tuple(Aspect(name=one.name, question=one.rule, anchors=ANCHORS) for one in constraints if one.rule)


def breaches(
    prompt: Prompt, candidate: Candidate, constraints: Iterable[Constraint], said: Score | Unreadable | None
) -> tuple[Breach, ...]:
    """What the candidate breaks, in the run file's order; `said` is what the judge says of the rules in words."""
    return tuple(found for one in constraints for found in _breach(prompt, candidate, one, said))


def _breach(
    prompt: Prompt, candidate: Candidate, constraint: Constraint, said: Score | Unreadable | None
) -> Iterator[Breach]:
    if constraint.grader is not None:
        try:
            kept = constraint.grader(prompt, candidate) >= constraint.least
        except GraderFailed as failed:
            yield Breach(name=constraint.name, unknown=failed.reason)
            return
    elif isinstance(said, Score):
        kept = said.aspects[constraint.name] > _KEPT
    else:
        yield Breach(name=constraint.name, unknown="unasked" if said is None else said.reason)
        return
    if not kept:
        yield Breach(name=constraint.name)
