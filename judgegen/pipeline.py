"""A prompt through the three stages: candidates, matches, pairs. Concurrency lives here, answers come through `send`.

Results leave in prompt order whatever the order in which calls are answered. A prompt for which some call has no answer
now is `incomplete`, with what the journal has of it and why the rest is not there; the clock adds nothing to it. Knows
nothing of who answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

from judgegen.errors import Unanswered
from judgegen.judge import decide
from judgegen.judge.bench import Bench, Rulings, believed, graded
from judgegen.judge.build import Asking, suspicions
from judgegen.judge.graders import LACKING
from judgegen.judge.judging import Judging
from judgegen.judge.methods import METHODS
from judgegen.llm.calls import Call, Outcome, Send, digest
from judgegen.llm.recording import ask, once_each, recording, remembering, together
from judgegen.records import Candidate, Habit, Match, Meaning, Prompt, Result, Unreadable
from judgegen.sampler import build as sampler
from judgegen.sampler.build import Setting
from judgegen.sampler.read import candidates
from judgegen.sampler.screen import screen
from judgegen.textual import normal
from judgegen.writer.calibrated import Calibration, calibrated
from judgegen.writer.constants import bar
from judgegen.writer.select import Rules, delta, select


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the pipeline needs to know, and nothing about how calls are answered.

    Attributes:
        meaning: what P(chosen) is.
        habits: of the judges, by name; None where they are not known yet, or nothing is taken off.
        constants: texts that may not compete.
    """

    seed: int
    settings: tuple[Setting, ...]
    near_identical: float
    judging: Judging | None
    rules: Rules
    fingerprint: str
    calibration: Calibration | None = None
    constants: frozenset[str] = frozenset()
    meaning: Meaning = "stated"
    habits: Mapping[str, Habit] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether more is drawn where nothing comes of what was drawn at first."""
        return any(setting.most > setting.n for setting in self.settings)

    @property
    def opinions(self) -> tuple[Asking, ...]:
        """Those of `judges` who say which answer is better, or how good one is."""
        return () if self.judging is None else self.judging.opinions

    @property
    def judges(self) -> tuple[Asking, ...]:
        """Everybody who may be asked for something beside candidates; nobody where no judge is needed."""
        return () if self.judging is None else self.judging.judges

    @property
    def wants_habits(self) -> bool:
        """Whether labels depend on what judges do over the whole run, and that is not known yet."""
        return (
            self.judging is not None and bool(self.judging.panel) and self.meaning != "stated" and self.habits is None
        )


T = TypeVar("T")
R = TypeVar("R")
FIRST = 24
"""Prompts that are judged at once until one of them was judged to some use."""


class Lead:
    """Lets the first few prompts before their judges, and all others once one of them came to a readable opinion.

    So a judge that nobody can read is not asked about everything before that shows.
    """

    def __init__(self, few: int = FIRST) -> None:
        self._few, self._within, self._open = few, 0, False
        self._freed = asyncio.Event()

    async def judged(self, work: Callable[[], Coroutine[Any, Any, Rulings]]) -> Rulings:
        """Do `work` when it is its turn."""
        while not self._open and self._within >= self._few:
            self._freed.clear()
            await self._freed.wait()
        self._within += 1
        try:
            found = await work()
            self._open = self._open or found.readable
            return found
        finally:
            self._within -= 1
            self._freed.set()


async def windowed(
    items: Iterable[T], through: Callable[[T, Send], Coroutine[Any, Any, R]], send: Send, *, window: int
) -> AsyncGenerator[R, None]:
    """What each item comes to, in their order, with at most `window` under way or waiting for an earlier one."""
    waiting: deque[asyncio.Task[R]] = deque()
    try:
        for item in items:
            if len(waiting) >= window:
                yield await waiting.popleft()
            waiting.append(asyncio.create_task(through(item, send)))
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def results(prompts: Iterable[Prompt], plan: Plan, send: Send, *, window: int) -> AsyncGenerator[Result, None]:
    """One Result per prompt, in order, through the three stages."""
    return windowed(prompts, partial(through, plan=plan), send, window=window)


async def through(prompt: Prompt, send: Send, plan: Plan, lead: Lead | None = None) -> Result:
    """Sample, screen, judge, decide, select: one prompt, judged when `lead` says so."""
    drawn: tuple[Candidate, ...] = ()
    send = remembering(send) if plan.goes_on else send
    with recording() as asked:
        try:
            drawn = await sample(prompt, plan, send)
            judging = partial(_ruled, prompt, competing(drawn), plan, send)
            judged = await (judging() if lead is None else lead.judged(judging))
            if plan.goes_on:
                drawn, judged = await _further(prompt, drawn, judged, plan, send)
        except Unanswered as lack:
            return Result(
                prompt=prompt, candidates=drawn, drop="incomplete", detail=lack.detail, calls=_calls(asked, plan)
            )
    unasked = "unreadable" if judged.unasked else None
    answered = Result(
        prompt=prompt,
        candidates=drawn,
        matches=judged.matches,
        scores=judged.scores,
        breaches=judged.breaches,
        calls=_calls(asked, plan),
        drop=unasked,
        detail=judged.unasked,
    )
    return settled(answered, plan)


def _calls(asked: list[tuple[Call, Outcome]], plan: Plan) -> tuple[tuple[Call, Outcome], ...]:
    """What was asked; where a prompt is gone on with, what was said before is asked for once more, and counts once."""
    return once_each(asked) if plan.goes_on else tuple(asked)


IN_DOUBT = ("too-few", "tie", "flip", "identical")
"""Why a prompt has no pair where another answer may help."""


async def _further(
    prompt: Prompt, drawn: tuple[Candidate, ...], judged: Rulings, plan: Plan, send: Send
) -> tuple[tuple[Candidate, ...], Rulings]:
    """One candidate more at a time, and what is said of it, while nothing comes of those that there are.

    Seen without the judges' habits and without a calibration, which are of a whole run: what is asked depends on the
    prompt's own answers and on the seed alone.
    """
    seen = replace(plan, habits=None, calibration=None, constants=frozenset())
    for call in sampler.further(prompt, plan.settings, plan.seed):
        result = Result(
            prompt=prompt, candidates=drawn, matches=judged.matches, scores=judged.scores, breaches=judged.breaches
        )
        if judged.unasked or settle(result, competing(drawn), seen).drop not in IN_DOUBT:
            break
        found = candidates(call, await ask(send, call))
        newer = _looked_at(screen(found, near_identical=plan.near_identical, before=drawn))
        drawn = (*drawn, *newer)
        if competing(newer):
            judged = await _ruled(prompt, competing(drawn), plan, send, judged.matches)
    return drawn, judged


def bare(result: Result) -> Result:
    """The answers that `settled` settles again, without what they came to or the calls they came by."""
    stays = result.drop == "incomplete" or (result.drop == "unreadable" and result.ranking is None)
    return Result(
        prompt=result.prompt,
        candidates=result.candidates,
        matches=result.matches,
        scores=result.scores,
        breaches=result.breaches,
        drop=result.drop if stays else None,
        detail=result.detail if stays else "",
    )


def settled(answered: Result, plan: Plan) -> Result:
    """What a prompt's answers come to under a plan; one that came to nothing for want of answers stays as it is.

    Constants are barred here, after judging: they are known when all prompts are done, and must not change what is
    asked. So it is with the habits of judges.
    """
    if answered.drop == "incomplete":
        return answered
    candidates = bar(answered.candidates, plan.constants)
    among = _among(competing(candidates), answered.matches) if plan.constants else answered.matches
    if plan.judging is not None and plan.habits is not None and plan.meaning != "stated":
        among = believed(among, answered.scores, plan.judging, plan.habits)
    result = answered
    if plan.constants or among is not answered.matches:
        result = replace(answered, candidates=candidates, matches=among)
    if answered.drop is not None:
        return result
    return replace(settle(result, competing(candidates), plan), matches=answered.matches)


def competing(drawn: Iterable[Candidate]) -> list[Candidate]:
    """Those that may."""
    return [one for one in drawn if one.refused is None]


def _among(competing: list[Candidate], matches: tuple[Match, ...]) -> tuple[Match, ...]:
    keys = {c.key for c in competing}
    return tuple(match for match in matches if {match.a.key, match.b.key} <= keys)


async def sample(prompt: Prompt, plan: Plan, send: Send) -> tuple[Candidate, ...]:
    """Every candidate of every variant, screened."""

    async def draw(call: Call) -> tuple[Candidate, ...]:
        return candidates(call, await ask(send, call))

    async def all_of(calls: Sequence[Call]) -> list[Candidate]:
        return [one for drawn in await together(map(draw, calls)) for one in drawn]

    drawn = await all_of(sampler.calls(prompt, plan.settings, plan.seed))
    got = Counter(one.variant for one in drawn)
    drawn += await all_of(sampler.missing(prompt, plan.settings, plan.seed, got))
    order = {setting.name: place for place, setting in enumerate(plan.settings)}
    drawn.sort(key=lambda one: (order[one.variant], one.index))
    return _looked_at(screen(drawn, near_identical=plan.near_identical))


def _looked_at(screened: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """With what in them imitates the judge's frame."""
    return tuple(replace(one, suspicions=found) if (found := suspicions(one)) else one for one in screened)


async def compare(prompt: Prompt, two: list[Candidate], plan: Plan, send: Send) -> Match:
    """The match between two candidates."""
    (match,) = (await judge(prompt, two, plan, send)).matches
    return match


async def judge(
    prompt: Prompt, among: list[Candidate], plan: Plan, send: Send, before: tuple[Match, ...] = ()
) -> Rulings:
    """All that judges and graders say of the candidates; nothing where nobody judges, or of one alone.

    `before`: what came of those that were there before the last one.
    """
    if plan.judging is None or len(among) < 2:
        return Rulings()
    method = METHODS[plan.judging.method]
    known = before if method.pools and plan.judging.schedule != "swiss" else ()
    return await method.ask(Bench(prompt, plan.judging, send, partial(_turn, prompt, plan), known), among)


async def _ruled(
    prompt: Prompt, among: list[Candidate], plan: Plan, send: Send, before: tuple[Match, ...] = ()
) -> Rulings:
    """What judges and graders say of the candidates, and which of them break a rule."""
    judged = await judge(prompt, among, plan, send, before)
    if plan.judging is None or not plan.judging.constraints or len(among) < 2 or judged.unasked:
        return judged
    bench = Bench(prompt, plan.judging, send, partial(lot, prompt, plan))
    return replace(judged, breaches=await bench.breaches(among))


def _lacks_a_reference(result: Result) -> bool:
    """Whether nothing was said of the candidates but that a grader had nothing to compare them with."""
    said = [one for given in result.scores.values() for one in given]
    shown = any(match.shown for match in result.matches)
    return bool(said) and not shown and all(isinstance(one, Unreadable) and one.reason == LACKING for one in said)


def settle(result: Result, among: list[Candidate], plan: Plan) -> Result:
    """What the candidates and the matches come to: pairs, or why there are none."""
    if len(among) < 2:
        reasons = ", ".join(f"{c.key} {c.refused}" for c in result.candidates if c.refused)
        detail = f"{len(among)} of {len(result.candidates)} may compete ({reasons})"
        return replace(result, drop="too-few", detail=detail)
    if plan.judging is None:
        pairs, drop, detail = delta(among, plan.rules)
        return replace(result, pairs=pairs, drop=drop, detail=detail)
    method, tiebreak = METHODS[plan.judging.method], partial(lot, result.prompt, plan)
    scores = method.absolute(result.scores, plan.judging)
    if plan.meaning == "pooled" and method.pools:
        ranking = decide.ranking(among, result.matches, tiebreak, pooled=True)
    else:
        ranking = method.ranks_by(among, result.matches, scores, tiebreak)
    rules = plan.rules if plan.calibration is None else replace(plan.rules, min_p_chosen=0.5)
    values = {key: None if one is None else one.value for key, one in scores.items()}
    grades = graded(result.scores)
    pairs, drop, detail = select(
        ranking, result.matches, rules, tiebreak=tiebreak, absolute=values, grades=grades, breaches=result.breaches
    )
    if drop == "unreadable" and _lacks_a_reference(result):
        drop, detail = "no-reference", "the prompt brings no reference that the grader can compare answers with"
    counts = method.saved(among, result.matches, plan.judging)
    found = replace(result, ranking=ranking, pairs=pairs, drop=drop, detail=detail, judging=counts)
    return found if plan.calibration is None else calibrated(found, plan.calibration, plan.rules.min_p_chosen)


def _turn(prompt: Prompt, plan: Plan, c: Candidate) -> str:
    """Its lot among those that were drawn at first; who came later comes after them, in the order of coming."""
    for place, setting in enumerate(plan.settings):
        if setting.name == c.variant and setting.n <= c.index < setting.most:
            return f"~{place:06}{c.index:06}"
    return lot(prompt, plan, c)


def lot(prompt: Prompt, plan: Plan, c: Candidate) -> str:
    """A text that stands in for chance wherever candidates are equal; the order in which they come changes nothing."""
    return _lot(plan.seed, prompt.id, c.text, c.call_id, c.index)


@lru_cache(maxsize=4096)  # it is asked for whenever a candidate is sorted
def _lot(seed: int, prompt_id: str, text: str, call_id: str, index: int) -> str:
    return digest([seed, prompt_id, normal(text), call_id, index])
