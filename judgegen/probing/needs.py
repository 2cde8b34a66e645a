"""What a run asks of each model, as a few tiny questions: an answer per variant, draws apart, an opinion per judge.

A variant is asked as the run asks it, a judge with its own templates about the answers that came. Whether a setting is
heeded is asked by draws under which it leaves no choice. Knows the stages; nothing of who answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from judgegen import pipeline
from judgegen.judge.bench import Bench, Rulings
from judgegen.judge.build import Asking
from judgegen.judge.methods import METHODS
from judgegen.llm import models
from judgegen.llm.calls import PROBE, Call, Send, Tag
from judgegen.llm.recording import ask, together
from judgegen.pipeline import Plan
from judgegen.records import Candidate, Prompt
from judgegen.sampler.build import Setting

Place = tuple[str, str]
"""An endpoint's name in the run file, and a model."""

PROMPT = Prompt(
    id=PROBE, messages=({"role": "user", "content": "In one short sentence: why do leaves fall in autumn?"},)
)
LOT = "Write forty random English words that have nothing to do with one another, separated by spaces. Nothing else."
"""A question without a right answer: what is drawn freely differs from the first words on."""
DRAW_TOKENS, THINKING_TOKENS = 24, 512
"""The limit of a draw, and of one by a model that may think before it says anything."""
WARM = 0.7
"""The temperature from which free draws of forty words cannot be one text."""
NO_CHOICE: Mapping[str, float] = {"temperature": 0.0, "top_p": 0.01, "top_k": 1}
"""By setting, the value under which the likeliest word is always taken."""
_ANSWERS = (
    "Trees drop their leaves to save water and strength in the cold months.\n[quality 0.900]",
    "Leaves fall.\n[quality 0.100]",
)
"""What judges are shown where no answer of the sampler may compete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedAnswer:
    """What a need came to: candidates of a variant, or a judge's opinions."""

    candidates: tuple[Candidate, ...] = ()
    judged: Rulings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A variant's own way of asking; `names` are those of all variants that ask in this way."""

    plan: Plan
    setting: Setting
    names: tuple[str, ...]

    @property
    def place(self) -> Place:
        """Who is asked."""
        return self.setting.route, self.setting.model

    @property
    def places(self) -> frozenset[Place]:
        """All who may be asked."""
        return frozenset({self.place})

    @property
    def role(self) -> str:
        """What for, as people say it."""
        return f"sampler ({', '.join(self.names)})"

    async def ask(self, send: Send, _: Sequence[Candidate]) -> NeedAnswer:
        """Its candidates, screened as a run's are."""
        return NeedAnswer(candidates=await pipeline.sample(PROMPT, replace(self.plan, settings=(self.setting,)), send))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One draw; `setting` is the one that leaves it no choice, "" where it is free."""

    setting: str
    seed: int
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Draws by one sampler: two of one seed and one of another that are free, three under each setting it writes."""

    place: Place
    draws: tuple[Draw, ...]
    role: str = "sampler (draws)"

    @property
    def places(self) -> frozenset[Place]:
        """All who may be asked."""
        return frozenset({self.place})

    async def ask(self, send: Send, _: Sequence[Candidate]) -> NeedAnswer:
        """Nothing beside the calls: what they say of the settings stands in their answers."""
        await together(ask(send, draw.call) for draw in self.draws)
        return NeedAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One judge asked about two answers, in one order, by itself; with it whoever writes what it is given."""

    plan: Plan
    asking: Asking
    writers: tuple[Asking, ...] = ()

    @property
    def place(self) -> Place:
        """Who is asked."""
        return self.asking.route, self.asking.model

    @property
    def places(self) -> frozenset[Place]:
        """All who may be asked."""
        return frozenset((one.route, one.model) for one in (self.asking, *self.writers))

    @property
    def role(self) -> str:
        """What for, as people say it."""
        return f"judge ({self.asking.name})" if self.asking.name not in ("", self.asking.model) else "judge"

    @property
    def _method(self) -> str:
        """The way of judging by which it is asked alone."""
        assert self.plan.judging is not None
        way, kind = METHODS[self.plan.judging.method], self.asking.template.kind
        scoring = (one.name for one in METHODS.values() if one.compares is None and one.scores == kind)
        return next(scoring, way.name) if way.alone and way.scores == kind else way.alone or way.name

    async def ask(self, send: Send, answers: Sequence[Candidate]) -> NeedAnswer:
        """What it says of `answers`, or of two of our own where there are no two."""
        assert self.plan.judging is not None
        alone = replace(self.plan.judging.alone(self.asking, self._method), both_orders=False)
        bench = Bench(PROMPT, alone, send, partial(pipeline.lot, PROMPT, self.plan))
        two = list(answers[:2]) if len(answers) > 1 else _own()
        return NeedAnswer(judged=await METHODS[alone.method].ask(bench, two))


Need = Drawing | Draws | Opinion


def needs(plan: Plan) -> tuple[Need, ...]:
    """Everything that a run of `plan` asks of its models, samplers first."""
    return (*_drawings(plan), *_draws(plan), *_opinions(plan))


def _drawings(plan: Plan) -> Iterator[Drawing]:
    """One for every way of asking; where there is one alone it is asked twice, for two answers to compare."""
    ways: dict[str, list[Setting]] = {}
    for setting in plan.settings:
        ways.setdefault(repr(replace(setting, name="", n=1, most=0)), []).append(setting)
    times = 2 if len(ways) == 1 else 1
    for alike in ways.values():
        one = alike[0]
        asked = replace(one, most=0, n=one.n if one.in_one_call else times, drawn=_highest(one))
        yield Drawing(plan=plan, setting=asked, names=tuple(setting.name for setting in alike))


def _highest(setting: Setting) -> dict[str, float]:
    """The upper end of what is drawn per prompt: if some of it is refused, that is."""
    return {name: value[1] if isinstance(value, tuple) else value for name, value in setting.drawn.items()}


def _draws(plan: Plan) -> Iterator[Draws]:
    by_place: dict[Place, list[Setting]] = {}
    for setting in plan.settings:
        by_place.setdefault((setting.route, setting.model), []).append(setting)
    for place, settings in by_place.items():
        yield Draws(place=place, draws=tuple(_of_sampler(settings)))


def _of_sampler(settings: Sequence[Setting]) -> Iterator[Draw]:
    free = _free(settings, "temperature")
    for seed, draw in ((1, 0), (1, 1), (2, 0)):
        yield _draw(free[0], "", seed, draw, free[1])
    for name, value in NO_CHOICE.items():
        if any(name in written(setting) for setting in settings):
            setting, params = _free(settings, name)
            for seed in (1, 2, 3):
                yield _draw(setting, name, seed, 0, {**params, name: value})


def written(setting: Setting) -> dict[str, Any]:
    """The sampling parameters that the run file writes for a variant."""
    return {name: value for name, value in {**setting.fixed, **setting.drawn}.items() if name in NO_CHOICE}


def _free(settings: Sequence[Setting], name: str) -> tuple[Setting, dict[str, Any]]:
    """The variant that writes `name` with the highest temperature, and what it is free under."""
    able = [setting for setting in settings if name in written(setting)] or list(settings)
    hottest = max(able, key=_heat)
    warm = {"temperature": max(_heat(hottest), WARM)} if "temperature" in hottest.drawn else {}
    return hottest, warm


def _heat(setting: Setting) -> float:
    return _highest(setting).get("temperature", 0.0)


def _draw(setting: Setting, name: str, seed: int, draw: int, params: Mapping[str, Any]) -> Draw:
    kept = {key: value for key, value in setting.fixed.items() if key in ("reasoning_effort", "extra_body")}
    room = THINKING_TOKENS if models.thinks(setting.model, setting.fixed.get("reasoning_effort")) else DRAW_TOKENS
    call = Call(
        endpoint=setting.endpoint,
        model=setting.model,
        messages=({"role": "user", "content": LOT},),
        params={"max_tokens": min(room, setting.max_tokens), **kept, **params, "seed": seed},
        draw=draw,
        tag=Tag(role="sampler", prompt_id=PROBE, variant=setting.name, route=setting.route),
        wishes=frozenset({"seed", *params}),
    )
    return Draw(setting=name, seed=seed, call=call)


def _opinions(plan: Plan) -> Iterator[Opinion]:
    if plan.judging is None:
        return
    judging = plan.judging
    writers = tuple(one for one in (judging.reference, judging.checklist) if one is not None)
    for asking in (*plan.opinions, *(one for one in judging.scorers if one not in plan.opinions)):
        yield Opinion(plan=plan, asking=asking, writers=writers)


def _own() -> list[Candidate]:
    return [
        Candidate(
            prompt_id=PROBE, variant="probe", index=i, model="probe", text=text, finish="stop", call_id=f"probe:{i}"
        )
        for i, text in enumerate(_ANSWERS)
    ]
