"""One prompt before its judges: asked for scores one at a time, or for comparisons round after round.

A comparison may be settled by its first order, may need a third opinion or go to further judges, and is asked again
while it is unreadable. What is asked depends on what was answered and on lots drawn by seed, never on which answer came
first. Knows nothing of how candidates came about or what becomes of the matches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from judgegen.judge import belief, build, checklist, constraints, decide, read, rewards, schedule, score, sheets
from judgegen.judge.build import Asking, Notes
from judgegen.judge.graders import GraderFailed
from judgegen.judge.judging import Judging
from judgegen.llm import ends
from judgegen.llm.calls import REWARDS, Call, Failure, Outcome, Send
from judgegen.llm.recording import ask, together
from judgegen.records import Breach, Candidate, Comparison, Habit, Match, Prompt, Score, Unreadable, Verdict, met

Scores = Mapping[str, tuple[Score | Unreadable, ...]]
Display = tuple[str, str, str]
"""A judge's name, and the keys of the two that it is shown, in their order."""
Heard = Mapping[Display, Verdict | Unreadable]
GRADER = "grader"
"""The name under which a grader's scores stand among the judges'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """What was said of one prompt's candidates: `breaches` has the rules broken, `unasked` why nobody was asked."""

    matches: tuple[Match, ...] = ()
    scores: Scores = field(default_factory=dict)
    unasked: str = ""
    breaches: Mapping[str, tuple[Breach, ...]] = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        """Whether a judge said anything that counts."""
        verdicts = (one for match in self.matches for _, one in match.shown)
        scores = (one for given in self.scores.values() for one in given if one.judge != GRADER)
        return any(not isinstance(one, Unreadable) for one in itertools.chain[object](verdicts, scores))


@dataclass(frozen=True, slots=True)
class Bench:
    """One prompt before its judges: what a method may ask of them. `lot` stands in for chance.

    `before` are the matches of a round robin or a min-max that goes on with candidates that came later.
    """

    prompt: Prompt
    plan: Judging
    send: Send
    lot: schedule.Lot
    before: tuple[Match, ...] = ()

    async def rounds(
        self,
        competing: Sequence[Candidate],
        wanted: Callable[[Sequence[Candidate], Sequence[Match]], tuple[Comparison, ...]],
        notes: Notes,
        scores: Scores,
    ) -> list[Match]:
        """The matches of every round that is wanted, with the grader's opinion weighed in and length taken off."""
        plan, grades = self.plan, graded(scores)
        scored = await self.scored(competing, notes)
        found = list(self.before)
        while pairs := wanted(competing, found):
            heard = {**scored, **await self._round(pairs, notes)}
            settled = await together(self.compare(pair, notes, heard) for pair in pairs)
            found += [weighed(match, plan, grades) for match in settled]
        return found

    async def _round(self, pairs: Sequence[Comparison], notes: Notes) -> Heard:
        """What those of the panel say who are asked about a whole round at once."""
        at_once = [asking for asking in self.plan.panel if asking.api not in {"chat", *REWARDS}]
        displays = [shown for pair in pairs for shown in (pair, pair.swap())]
        return _all(await together(self._decided(displays, asking, notes) for asking in at_once))

    async def scored(self, competing: Sequence[Candidate], notes: Notes) -> Heard:
        """What those of the panel say of every two who score each by itself: whoever meets, they were asked before."""
        asked = [asking for asking in self.plan.panel if asking.api in REWARDS]
        return _all(await together(self._rewarded(competing, asking, notes) for asking in asked))

    async def _rewarded(self, among: Sequence[Candidate], asking: Asking, notes: Notes) -> Heard:
        """What one model's scores say of every two, in both orders; each is asked for until it can be read."""
        found: dict[str, rewards.Reward] = {}
        left = sorted(among, key=self.lot)
        for draw in range(self.plan.max_attempts):
            groups = rewards.groups(left, asking)
            said = await together(self._rewards(shown, asking, notes, draw) for shown in groups)
            left = []
            for candidate, one, over in itertools.chain.from_iterable(said):
                before = found[candidate.key].call_ids if candidate.key in found else ()
                found[candidate.key] = replace(one, call_ids=(*before, *one.call_ids))
                left += [candidate] if one.value is None and not over else []
            if not left:
                break
        pairs = itertools.permutations(among, 2)
        displays = [Comparison(first=one, second=other) for one, other in pairs]
        return {_display(asking, shown): rewards.verdict(shown, found, asking) for shown in displays}

    async def _rewards(
        self, shown: Sequence[Candidate], asking: Asking, notes: Notes, draw: int
    ) -> list[tuple[Candidate, rewards.Reward, bool]]:
        """The reward of each, and whether asking again would come to nothing else.

        A final no to several answers is asked again for each alone.
        """
        call = rewards.call(self.prompt, shown, asking, draw=draw, notes=notes)
        outcome = await ask(self.send, call)
        if final(outcome) and len(shown) > 1:
            parts = await together(self._rewards((one,), asking, notes, draw) for one in shown)
            every = itertools.chain.from_iterable(parts)
            return [(one, replace(said, call_ids=(call.id, *said.call_ids)), over) for one, said, over in every]
        found = rewards.heard(call, outcome, asking, len(shown))
        return [(one, said, final(outcome)) for one, said in zip(shown, found, strict=True)]

    async def compare(self, pair: Comparison, notes: Notes, heard: Heard | None = None) -> Match:
        """One match: by the panel, with a third opinion on conflict, and by further judges while it is in doubt.

        `heard` is what judges said of it already.
        """
        shown = await self._orders(pair, notes, heard or {})
        found = decide.match(pair.first, pair.second, shown)
        if found.consistent is False and self.plan.third is not None:
            (display,) = schedule.orders(pair, both=False, seed=self.plan.seed)
            found = decide.with_third(found, (display, await self._ask(display, self.plan.third, notes)))
        return await self.escalated(found, notes)

    async def escalated(self, found: Match, notes: Notes) -> Match:
        """The match by further judges, each asked while it is in doubt by those before."""
        for asking, below in self.plan.escalate:
            if decide.doubtful(found, below):
                pair = Comparison(first=found.a, second=found.b)
                both = await self._displays((pair, pair.swap()), (asking,), notes)
                every = [*found.shown, *both]
                found = decide.match(pair.first, pair.second, every, since=len(found.shown))
        return found

    async def _orders(self, pair: Comparison, notes: Notes, heard: Heard) -> list[decide.Shown]:
        plan = self.plan
        if plan.early_stop is None:
            displays = schedule.orders(pair, both=plan.both_orders, seed=plan.seed)
            return await self._displays(displays, plan.panel, notes, heard)
        first = schedule.orders(pair, both=False, seed=plan.seed)
        shown = await self._displays(first, plan.panel, notes, heard)
        if decide.settles(shown, plan.early_stop):
            return shown
        return [*shown, *await self._displays([first[0].swap()], plan.panel, notes, heard)]

    async def _displays(
        self, displays: Sequence[Comparison], askings: Sequence[Asking], notes: Notes, heard: Heard | None = None
    ) -> list[decide.Shown]:
        """The verdicts of some judges on some displays, asked for at once where they were not heard."""
        every = list(itertools.product(displays, askings))
        known = heard or {}
        left = [(shown, asking) for shown, asking in every if _display(asking, shown) not in known]
        said = await together(self._ask(shown, asking, notes) for shown, asking in left)
        asked = {_display(asking, shown): verdict for (shown, asking), verdict in zip(left, said, strict=True)}
        return [(shown, {**known, **asked}[_display(asking, shown)]) for shown, asking in every]

    async def _decided(
        self, displays: Sequence[Comparison], asking: Asking, notes: Notes
    ) -> dict[Display, Verdict | Unreadable]:
        """What a decision model says of all these, on as few inputs as hold them, asked for until it can be read."""
        found: dict[Display, Verdict | Unreadable] = {}
        left = list(displays)
        for draw in range(self.plan.max_attempts):
            asked = sheets.sheets(left, self.lot)
            said = await together(self._sheet(sheet, asking, notes, draw) for sheet in asked)
            left = []
            for shown, verdict, over in itertools.chain.from_iterable(said):
                before = found[at].call_ids if (at := _display(asking, shown)) in found else ()
                found[at] = replace(verdict, call_ids=(*before, *verdict.call_ids))
                left += [shown] if isinstance(verdict, Unreadable) and not over else []
            if not left:
                break
        return found

    async def _sheet(
        self, sheet: sheets.Sheet, asking: Asking, notes: Notes, draw: int
    ) -> list[tuple[Comparison, Verdict | Unreadable, bool]]:
        """What is said of each comparison on one input, and whether asking again would come to nothing else.

        A final no to several answers (too long, or one of them is not allowed) is asked again with half as many.
        """
        seed = self.plan.seed
        call = sheets.call(self.prompt, sheet, asking, seed=seed, draw=draw, notes=notes)
        outcome = await ask(self.send, call)
        if final(outcome) and len(sheet.shown) > 2:
            fewer = sheets.sheets(sheet.comparisons, self.lot, most=(len(sheet.shown) + 1) // 2)
            parts = await together(self._sheet(one, asking, notes, draw) for one in fewer)
            whole = itertools.chain.from_iterable(parts)
            return [(shown, replace(said, call_ids=(call.id, *said.call_ids)), over) for shown, said, over in whole]
        frames = sheets.framed(self.prompt, sheet, seed=seed, draw=draw, notes=notes)
        verdicts = sheets.verdicts(call, outcome, frames, asking)
        return [(shown, said, final(outcome)) for shown, said in zip(sheet.comparisons, verdicts, strict=True)]

    async def _ask(self, shown: Comparison, asking: Asking, notes: Notes) -> Verdict | Unreadable:
        """One verdict, asked for until it is readable; where it tells no probability, what `asking.votes` come to."""
        if asking.api != "chat":
            return (await self._decided([shown], asking, notes))[_display(asking, shown)]
        before: tuple[str, ...] = ()
        for draw in range(self.plan.max_attempts):
            verdict, over = await self._said(shown, asking, notes, draw, before)
            if over or not isinstance(verdict, Unreadable):
                break
            before = verdict.call_ids
        if asking.votes == 1 or isinstance(verdict, Unreadable) or verdict.soft:
            return verdict
        return await self._voted(shown, asking.free(), notes, verdict)

    async def _voted(self, shown: Comparison, asking: Asking, notes: Notes, first: Verdict) -> Verdict:
        """`first` and as many more as are wanted, each under labels of its own; those that cannot be read are replaced.

        So many rounds as there are attempts, at most: then those that could be read must do.
        """
        heard, ids = [first], first.call_ids
        for _ in range(self.plan.max_attempts):
            draws = range(len(ids), len(ids) + asking.votes - len(heard))
            said = await together(self._said(shown, asking, notes, draw) for draw in draws)
            ids += tuple(i for verdict, _ in said for i in verdict.call_ids)
            heard += [verdict for verdict, _ in said if isinstance(verdict, Verdict)]
            if len(heard) == asking.votes or any(over for _, over in said):
                break
        return read.vote(heard, ids) if len(heard) > 1 else replace(first, call_ids=ids)

    async def _said(
        self, shown: Comparison, asking: Asking, notes: Notes, draw: int, before: tuple[str, ...] = ()
    ) -> tuple[Verdict | Unreadable, bool]:
        """What one call says, and whether asking again would come to nothing else."""
        frame = build.framed(self.prompt, shown, seed=self.plan.seed, draw=draw, notes=notes)
        call = build.call(self.prompt, shown, asking, seed=self.plan.seed, draw=draw, notes=notes, shown=frame)
        outcome = await ask(self.send, call)
        verdict = read.verdict(call, outcome, frame, before=before, judge=asking.name, weight=asking.weight)
        unread = isinstance(verdict, Unreadable)
        return verdict, final(outcome) or (unread and cut_by_the_user(call, outcome))

    async def scores(self, competing: Sequence[Candidate], notes: Notes) -> Scores:
        """What each judge and the grader give each candidate by itself."""
        askings = [checklist.asked(asking, notes) for asking in self.plan.scorers]
        every = list(itertools.product(competing, askings))
        given = await together(self._score(candidate, asking, shown) for candidate, (asking, shown) in every)
        found: dict[str, list[Score | Unreadable]] = {c.key: [] for c in competing}
        for (candidate, _), one in zip(every, given, strict=True):
            found[candidate.key].append(one)
        grades = self.grades(competing)
        return {key: (*scores, *grades[key]) for key, scores in found.items()}

    async def breaches(self, competing: Sequence[Candidate]) -> dict[str, tuple[Breach, ...]]:
        """By a candidate's key the rules that it breaks; without those that break none."""
        asking, notes = self.plan.obeys, Notes(criteria=None, reference=None)
        said: list[Score | Unreadable | None] = [None] * len(competing)
        if asking is not None:
            said = [*await together(self._score(candidate, asking, notes) for candidate in competing)]
        every = zip(competing, said, strict=True)
        found = {c.key: constraints.breaches(self.prompt, c, self.plan.constraints, one) for c, one in every}
        return {key: broken for key, broken in found.items() if broken}

    def grades(self, competing: Sequence[Candidate]) -> Scores:
        """What the grader gives each candidate; nothing where there is none."""
        return {candidate.key: self._grade(candidate) for candidate in competing}

    async def _score(self, candidate: Candidate, asking: Asking, notes: Notes) -> Score | Unreadable:
        """One judge's score: asked until as many answers as wanted are readable, or the attempts are used up.

        A server that gives one answer where several were asked for is asked again, for the rest of them.
        """
        calls: list[Call] = []
        heard: list[score.Heard | str] = []
        aspects = asking.template.aspects
        builds, reads = (build.scoring, score.heard) if asking.api == "chat" else (sheets.scoring, sheets.heard)
        for draw in range(max(self.plan.max_attempts, asking.samples)):
            call = builds(self.prompt, candidate, asking, seed=self.plan.seed, draw=draw, notes=notes)
            outcome = await ask(self.send, call)
            calls.append(call)
            heard += reads(outcome, aspects)
            readable = sum(isinstance(answer, score.Heard) for answer in heard)
            spent = draw + 1 >= self.plan.max_attempts and not readable
            spent = spent or (not readable and cut_by_the_user(call, outcome))
            if readable >= asking.samples or final(outcome) or spent:
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

    async def notes(self) -> Notes | str:
        """What the judges are given beside the answers; why nobody can be asked where it could not be had."""
        plan, own = self.plan, self.prompt.metadata.get("criteria")
        criteria = own if isinstance(own, str) and own.strip() else plan.criteria
        notes = Notes(
            criteria=criteria,
            reference=self.prompt.reference if plan.given else None,
            checklist="\n".join(plan.questions) or None,
        )
        if plan.reference is not None and notes.reference is None:
            if (text := await self._written(plan.reference, notes)) is None:
                return "no readable reference could be had from the judge"
            notes = replace(notes, reference=text)
        if plan.checklist is not None:
            text = await self._written(plan.checklist, notes)
            if text is None or not checklist.items(text):
                return "no readable checklist could be had from the judge"
            notes = replace(notes, checklist=text)
        return notes

    async def _written(self, asking: Asking, notes: Notes) -> str | None:
        for draw in range(self.plan.max_attempts):
            call = build.note(self.prompt, asking, seed=self.plan.seed, draw=draw, notes=notes)
            outcome = await ask(self.send, call)
            if (text := read.text(outcome)) is not None or final(outcome):
                return text
            if cut_by_the_user(call, outcome):
                return None
        return None


def _display(asking: Asking, shown: Comparison) -> Display:
    return asking.name, shown.first.key, shown.second.key


def _all(heard: Sequence[Heard]) -> Heard:
    """What several judges said, as one."""
    return {display: verdict for one in heard for display, verdict in one.items()}


def weighed(found: Match, plan: Judging, grades: Mapping[str, float | None]) -> Match:
    """What the judges said of two, with a grader's opinion weighed in and length taken off."""
    if plan.grade_weight is not None:
        found = decide.weighed(found, sum(asking.weight for asking in plan.panel), grades, plan.grade_weight)
    return decide.corrected(found, plan.length_correction, plan.length_scale)


def believed(matches: Sequence[Match], scores: Scores, plan: Judging, habits: Mapping[str, Habit]) -> tuple[Match, ...]:
    """The matches with P as far as the judges are believed; those of scores alone as they are."""
    third, grades = None if plan.third is None else plan.third.name, graded(scores)
    return tuple(
        weighed(belief.believed(match, habits, third=third), plan, grades) if match.shown else match
        for match in matches
    )


def final(outcome: Outcome) -> bool:
    """Whether another draw of the same question would be refused alike."""
    return isinstance(outcome, Failure) and outcome.final


def cut_by_the_user(call: Call, outcome: Outcome) -> bool:
    """Whether an answer ran into the limit that the run file sets: asked again it would, too. Ours can be raised."""
    if "max_tokens" in call.wishes or isinstance(outcome, Failure):
        return False
    return all(ends.end(choice.finish) == "length" for choice in outcome.choices)


def graded(scores: Scores) -> dict[str, float | None]:
    """The grader's score of each candidate, None where it has none; empty without a grader."""
    found = {key: [s for s in given if s.judge == GRADER] for key, given in scores.items()}
    return {key: s[0].value if isinstance(s[0], Score) else None for key, s in found.items() if s}


def grader_score(given: Sequence[Score | Unreadable]) -> Score | None:
    """The grader's score among what a candidate was given."""
    return next((one for one in given if one.judge == GRADER and isinstance(one, Score)), None)


def judges_score(given: Sequence[Score | Unreadable], *, weighs: bool) -> list[Score | Unreadable]:
    """What counts of that: the judges' scores, and the grader's where it `weighs` in; nothing without a judge's."""
    judges = [one for one in given if one.judge != GRADER]
    if not any(isinstance(one, Score) for one in judges):
        return []
    return list(given) if weighs else judges


def filled(competing: Sequence[Candidate], found: Sequence[Match], scores: Mapping[str, Score | None]) -> list[Match]:
    """The matches, and for every two that did not meet what their scores say."""
    known = met(found)
    return [
        known.get(frozenset((a.key, b.key))) or decide.by_score(a, b, scores)
        for a, b in itertools.combinations(competing, 2)
    ]
