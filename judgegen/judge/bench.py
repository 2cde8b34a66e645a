"""Judging one prompt: scores one at a time, or comparisons round after round, as the method wants it.

A comparison may be settled by its first order, may need a third opinion or go to further judges, and is asked again
while it is unreadable. What is asked depends on what was answered and on lots drawn by seed, never on which answer came
first. Knows nothing of how candidates came about or what becomes of the matches.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from judgegen.errors import Unanswered
from judgegen.judge import build, decide, read, schedule, score
from judgegen.judge.build import Asking, Notes
from judgegen.judge.graders import GraderFailed
from judgegen.judge.judging import Judging
from judgegen.llm.calls import Call, Failure, Outcome, Send
from judgegen.records import Candidate, Comparison, Match, Prompt, Ranking, Score, Unreadable, Verdict

T = TypeVar("T")
Asked = list[tuple[Call, Outcome]]
Work = Callable[[Asked], Coroutine[Any, Any, T]]
"""Something that asks; it keeps what was answered in the list it is given."""
Scores = Mapping[str, tuple[Score | Unreadable, ...]]
GRADER = "grader"
"""The name under which a grader's scores stand among the judges'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of one prompt's candidates. `unasked` says why nobody could be asked."""

    matches: tuple[Match, ...] = ()
    scores: Scores = field(default_factory=dict)
    unasked: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """One prompt before its judges."""

    prompt: Prompt
    plan: Judging
    send: Send
    lot: schedule.Lot

    async def judge(self, competing: Sequence[Candidate], asked: Asked) -> Judged:
        """All that the method wants to know of the candidates."""
        if len(competing) < 2:
            return Judged()
        notes = await self._notes(asked)
        if isinstance(notes, str):
            return Judged(unasked=notes)
        grades = {c.key: self._grade(c) for c in competing}
        scores = await self._scores(competing, notes, asked)
        scores = {c.key: (*scores[c.key], *grades[c.key]) for c in competing}
        wanted = partial(self._wanted, absolute(scores, self.plan))
        found = await self._rounds(competing, wanted, notes, graded(scores), asked)
        if self.plan.method != "pairwise":
            found = _filled(competing, found, _combined(scores, self.plan))
        return Judged(matches=tuple(found), scores=scores)

    def _wanted(
        self, scores: Mapping[str, float | None], competing: Sequence[Candidate], found: Sequence[Match]
    ) -> tuple[Comparison, ...]:
        """The next round of comparisons."""
        if self.plan.method == "pairwise":
            return schedule.SCHEDULES[self.plan.schedule](competing, found, self.lot)
        return schedule.shortlist(competing, scores) if self.plan.method == "hybrid" and not found else ()

    async def _rounds(
        self,
        competing: Sequence[Candidate],
        wanted: Callable[[Sequence[Candidate], Sequence[Match]], tuple[Comparison, ...]],
        notes: Notes,
        grades: Mapping[str, float | None],
        asked: Asked,
    ) -> list[Match]:
        """The matches of every round, with the grader's opinion weighed in and length taken off."""
        plan = self.plan
        found: list[Match] = []
        while pairs := wanted(competing, found):
            settled = await together([partial(self._compare, pair, notes) for pair in pairs], asked)
            if plan.grade_weight is not None:
                judges = sum(asking.weight for asking in plan.panel)
                settled = [decide.weighed(m, judges, grades, plan.grade_weight) for m in settled]
            found += [decide.corrected(m, plan.length_correction, plan.length_scale) for m in settled]
        return found

    async def _compare(self, pair: Comparison, notes: Notes, asked: Asked) -> Match:
        """One match: by the panel, with a third opinion on conflict, and by further judges while it is in doubt."""
        shown = await self._orders(pair, notes, asked)
        found = decide.match(pair.first, pair.second, shown)
        if found.consistent is False and self.plan.third is not None:
            (display,) = schedule.orders(pair, both=False, seed=self.plan.seed)
            found = decide.with_third(found, (display, await self._ask(display, self.plan.third, notes, asked)))
        for asking, below in self.plan.escalate:
            if decide.doubtful(found, below):
                both = await self._displays((pair, pair.swap()), (asking,), notes, asked)
                heard = [*found.shown, *both]
                found = decide.match(pair.first, pair.second, heard, since=len(found.shown))
        return found

    async def _orders(self, pair: Comparison, notes: Notes, asked: Asked) -> list[decide.Shown]:
        plan = self.plan
        if plan.early_stop is None:
            displays = schedule.orders(pair, both=plan.both_orders, seed=plan.seed)
            return await self._displays(displays, plan.panel, notes, asked)
        first = schedule.orders(pair, both=False, seed=plan.seed)
        shown = await self._displays(first, plan.panel, notes, asked)
        if decide.settles(shown, plan.early_stop):
            return shown
        return [*shown, *await self._displays([first[0].swap()], plan.panel, notes, asked)]

    async def _displays(
        self, displays: Sequence[Comparison], askings: Sequence[Asking], notes: Notes, asked: Asked
    ) -> list[decide.Shown]:
        """The verdicts of some judges on some displays, asked for at once."""
        every = list(itertools.product(displays, askings))
        work = [partial(self._ask, shown, asking, notes) for shown, asking in every]
        verdicts = await together(work, asked)
        return [(shown, verdict) for (shown, _), verdict in zip(every, verdicts, strict=True)]

    async def _ask(self, shown: Comparison, asking: Asking, notes: Notes, asked: Asked) -> Verdict | Unreadable:
        """One verdict, asked for until it is readable, `max_attempts` times at most."""
        before: tuple[str, ...] = ()
        seed = self.plan.seed
        for draw in range(self.plan.max_attempts):
            call = build.call(self.prompt, shown, asking, seed=seed, draw=draw, notes=notes)
            outcome = await self._sent(call, asked)
            frame = build.framed(self.prompt, shown, seed=seed, draw=draw, notes=notes)
            verdict = read.verdict(call, outcome, frame, before=before, judge=asking.name, weight=asking.weight)
            if isinstance(outcome, Failure) or not isinstance(verdict, Unreadable):
                break
            before = verdict.call_ids
        return verdict

    async def _sent(self, call: Call, asked: Asked) -> Outcome:
        outcome = await self.send(call)
        asked.append((call, outcome))
        return outcome

    async def _scores(
        self, competing: Sequence[Candidate], notes: Notes, asked: Asked
    ) -> dict[str, tuple[Score | Unreadable, ...]]:
        """What each judge gives each candidate by itself; nothing where judges only compare."""
        every = list(itertools.product(competing, self.plan.scorers))
        given = await together([partial(self._score, c, asking, notes) for c, asking in every], asked)
        found: dict[str, list[Score | Unreadable]] = {c.key: [] for c in competing}
        for (candidate, _), one in zip(every, given, strict=True):
            found[candidate.key].append(one)
        return {key: tuple(scores) for key, scores in found.items()}

    async def _score(self, candidate: Candidate, asking: Asking, notes: Notes, asked: Asked) -> Score | Unreadable:
        """One judge's score: asked until as many answers as wanted are readable, or the attempts are used up.

        A server that gives one answer where several were asked for is asked again, for the rest of them.
        """
        calls: list[Call] = []
        heard: list[score.Heard | str] = []
        aspects = asking.template.aspects
        for draw in range(max(self.plan.max_attempts, asking.samples)):
            call = build.scoring(self.prompt, candidate, asking, seed=self.plan.seed, draw=draw, notes=notes)
            outcome = await self._sent(call, asked)
            calls.append(call)
            heard += score.heard(outcome, aspects)
            readable = sum(isinstance(answer, score.Heard) for answer in heard)
            spent = draw + 1 >= self.plan.max_attempts and not readable
            if readable >= asking.samples or isinstance(outcome, Failure) or spent:
                break
        return replace(score.score(calls, heard, aspects), judge=asking.name, weight=asking.weight)

    def _grade(self, candidate: Candidate) -> tuple[Score | Unreadable, ...]:
        """The grader's score, where there is a grader."""
        if self.plan.grader is None:
            return ()
        weight = self.plan.grade_weight or 1.0
        try:
            value = self.plan.grader(self.prompt, candidate)
        except GraderFailed as failed:
            return (Unreadable(reason=failed.reason, judge=GRADER, weight=weight),)
        return (Score(value=value, judge=GRADER, weight=weight),)

    async def _notes(self, asked: Asked) -> Notes | str:
        """What the judges are given beside the answers; why nobody can be asked where it could not be had."""
        plan, own = self.plan, self.prompt.metadata.get("criteria")
        criteria = own if isinstance(own, str) and own.strip() else plan.criteria
        notes = Notes(criteria=criteria, reference=self.prompt.reference if plan.given else None)
        if plan.reference is not None and notes.reference is None:
            if (text := await self._written(plan.reference, notes, asked)) is None:
                return "no readable reference could be had from the judge"
            notes = replace(notes, reference=text)
        if plan.checklist is not None:
            if (text := await self._written(plan.checklist, notes, asked)) is None:
                return "no readable checklist could be had from the judge"
            notes = replace(notes, checklist=text)
        return notes

    async def _written(self, asking: Asking, notes: Notes, asked: Asked) -> str | None:
        for draw in range(self.plan.max_attempts):
            call = build.note(self.prompt, asking, seed=self.plan.seed, draw=draw, notes=notes)
            outcome = await self._sent(call, asked)
            if (text := read.text(outcome)) is not None or isinstance(outcome, Failure):
                return text
        return None


def graded(scores: Scores) -> dict[str, float | None]:
    """The grader's score of each candidate, None where it has none; empty without a grader."""
    found = {key: [s for s in given if s.judge == GRADER] for key, given in scores.items()}
    return {key: s[0].value if isinstance(s[0], Score) else None for key, s in found.items() if s}


def _combined(scores: Scores, plan: Judging) -> dict[str, Score | None]:
    """One score per candidate: the judges' and, where it weighs in or is alone, the grader's; None without theirs."""
    weighs = plan.grade_weight is not None or plan.method == "python"
    found: dict[str, Score | None] = {}
    for key, given in scores.items():
        judges = [s for s in given if s.judge != GRADER]
        heard = any(isinstance(s, Score) for s in judges) or plan.method in ("python", "pairwise")
        found[key] = decide.combined([s for s in given if s.judge != GRADER or weighs]) if heard else None
    return found


def absolute(scores: Scores, plan: Judging) -> dict[str, float | None]:
    """The absolute score of each candidate; where judges only compare it is the grader's."""
    if plan.method == "pairwise":
        return graded(scores)
    return {key: None if one is None else one.value for key, one in _combined(scores, plan).items()}


def ranking(
    competing: Sequence[Candidate], matches: Sequence[Match], scores: Scores, plan: Judging, lot: schedule.Lot
) -> Ranking:
    """The candidates in order: by their scores where the method only scores, else by their matches."""
    if plan.method in ("rubric", "python"):
        return decide.score_ranking(competing, _combined(scores, plan), lot)
    return decide.ranking(competing, matches, lot)


def _filled(competing: Sequence[Candidate], found: Sequence[Match], scores: Mapping[str, Score | None]) -> list[Match]:
    """The matches, and for every two that did not meet what their scores say."""
    met = schedule.met(found)
    return [
        met.get(frozenset((a.key, b.key))) or decide.by_score(a, b, scores)
        for a, b in itertools.combinations(competing, 2)
    ]


def saved(competing: Sequence[Candidate], matches: Sequence[Match], plan: Judging) -> dict[str, int]:
    """What was spared, against every two in the orders the run file asks for; empty where nothing can be.

    `verdicts_saved` are the panel's, `escalations_saved` those of the judges after it.
    """
    plain = plan.method == "pairwise" and plan.schedule == "round-robin" and plan.early_stop is None
    if plan.method in ("rubric", "python") or (plain and plan.third is None and not plan.escalate):
        return {}
    members = {asking.name for asking in plan.panel}
    orders, every = 2 if plan.both_orders else 1, len(competing) * (len(competing) - 1) // 2
    matches = [match for match in matches if match.shown]
    counts = Counter(comparisons=len(matches), of_every_two=every)
    for match in matches:
        by = [verdict.judge for _, verdict in match.shown]
        first = sum(judge in members for judge in by)
        third = sum(plan.third is not None and judge == plan.third.name for judge in by)
        counts["settled_by_one_order"] += plan.early_stop is not None and first == len(members)
        counts["third_opinions"] += third
        counts["escalated"] += match.since > 0
        counts["escalations_saved"] += 2 * len(plan.escalate) - (len(by) - first - third)
    unasked = orders * (every - len(matches)) + counts["settled_by_one_order"]
    counts["verdicts_saved"] = unasked * len(members)
    return dict(counts)


async def together(work: Sequence[Work[T]], asked: Asked) -> list[T]:
    """Run all to their end, keep what was answered in the order of asking, then raise what went wrong first.

    Unlike a TaskGroup this does not cancel the others: which answers an incomplete prompt has must not depend on which
    of its calls failed first. An error that ends the run goes before one that only leaves a prompt unanswered.
    """
    own: list[Asked] = [[] for _ in work]
    done = await asyncio.gather(*(one(kept) for one, kept in zip(work, own, strict=True)), return_exceptions=True)
    for kept in own:
        asked.extend(kept)
    errors = [answer for answer in done if isinstance(answer, BaseException)]
    for error in sorted(errors, key=lambda e: isinstance(e, Unanswered)):
        raise error
    return [answer for answer in done if not isinstance(answer, BaseException)]
