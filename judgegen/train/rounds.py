"""Rounds: sample, select, train, sample from what was trained; and see on held-out prompts whether that was worth it.

Round k samples from the model of round k-1, trains on the pairs of that run, and its model answers the held-out prompts
beside those of the rounds before, under the run file's judge. Each round has a run folder and so a journal of its own;
the held-out answers of all rounds stand in one, or in one for each time that they are drawn. Everything is a run or a
training, here or at a provider, that goes on by itself: the same command continues whatever was killed. Knows nothing
of terminals.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from judgegen import api
from judgegen.errors import BudgetReached, GateFailed, SpecError
from judgegen.judge import graders
from judgegen.judge.graders import Grader
from judgegen.llm import weights
from judgegen.records import Prompt
from judgegen.run import anchors
from judgegen.run import job as main
from judgegen.show.words import anchored
from judgegen.spec import Spec, parse
from judgegen.spec.reading import read
from judgegen.spec.short import ShortFile
from judgegen.train.held import Held, Wins, drawn_in, name
from judgegen.train.hosted import DONE as TUNED
from judgegen.train.hosted import HostedOrder, endpoint_of
from judgegen.train.live import Say
from judgegen.train.order import Order
from judgegen.train.places import Here, Hosted, Learner, Place
from judgegen.train.train import ORDER
from judgegen.trust.figures import Figure
from judgegen.writer.files import write_text

ROUNDS = "rounds.json"
_ONCE_ONLY = ("orders", "early_stop", "schedule", "anchors")
"""Keys of [judge] that spare comparisons: between rounds every two are compared in both orders. And anchors, which each
round's own run is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is to be done.

    Attributes:
        file: the run file.
        rounds: the most rounds.
        order: how each is trained, here or at a provider; its model is where the first begins.
        held: the share of prompts that are kept to compare on, between 0 and 1.
        out: the folder of it all.
        truth: a grader's name that says who is right, with its options; None where nobody knows.
        max_usd: the most that all of it may cost; None: the run file's cap is of the whole, too.
        sure: whether a round must be better by its interval's low end to go on, and not by its value alone.
        every: whether all rounds are done, also after one that is no better.
        slots: answers that are written at once.
        draws: how many times every round answers each of the prompts that are kept.
    """

    file: Path
    rounds: int
    order: Order | HostedOrder
    out: Path
    held: float = 0.3
    truth: tuple[str, Mapping[str, Any]] | None = None
    max_usd: Decimal | None = None
    sure: bool = False
    every: bool = False
    slots: int = 32
    draws: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round came to on the held-out prompts.

    Attributes:
        number: 0 is the model before any training.
        pairs: what it was trained on.
        right: the grader's mean; no value without one.
        gained: that less round 0's, prompt by prompt.
        cut: the share of its answers that did not come to their end.
        before, first: against the round before it, and against round 0; None for round 0.
        anchors: what the judge's anchors came to in its run, beside round 1's; None where the run file names none.
    """

    number: int
    pairs: int = 0
    right: Figure = field(default_factory=Figure)
    gained: Figure = field(default_factory=Figure)
    cut: float | None = None
    before: Wins | None = None
    first: Wins | None = None
    anchors: Mapping[str, Any] | None = None

    def row(self) -> dict[str, Any]:
        """JSON-able."""
        wins = {
            key: None if one is None else one.row() for key, one in (("before", self.before), ("first", self.first))
        }
        figures = {"right": self.right.to_dict(), "gained": self.gained.to_dict()}
        drift = {} if self.anchors is None else {"anchors": dict(self.anchors)}
        return {"round": self.number, "pairs": self.pairs, "cut": self.cut, **figures, **wins, **drift}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the rounds came to: one entry per round, the reason to stop, the folder of the last model, and the cost."""

    rounds: tuple[Round, ...]
    why: str
    model: str
    usd: Decimal
    judge: Mapping[str, Any]

    def row(self) -> dict[str, Any]:
        """JSON-able."""
        rounds = [one.row() for one in self.rounds]
        return {"rounds": rounds, "why": self.why, "model": self.model, "usd": str(self.usd), "judge": dict(self.judge)}


def rounds(course: Course, say: Say) -> Finished:
    """Go from round to round until they are done or no longer improve.

    Raises:
        SpecError: a run file, settings or a base that cannot be; a folder that holds other rounds.
        BudgetReached: the cap of the whole.
        As `judgegen.generate` and `judgegen.train.train.train`.
    """
    spec, cap = capped(course)
    course = replace(course, max_usd=cap)
    place = _place(course, spec)
    known, held = _parted(course, spec)
    _keep(course, spec)
    models = [place.first()]
    truth = None if course.truth is None else graders.load(*course.truth, base=course.file.resolve().parent)
    done: list[Round] = []
    why = f"all of {course.rounds} rounds are done"
    for number in range(1, course.rounds + 1):
        run = course.out / name(number) / "run"
        pairs = _run(course, _sampling(spec, place, models[-1], course, number), known, run)
        say(f"round {number}: {pairs} pairs to train on")
        left = None if course.max_usd is None else course.max_usd - spent(course.out)
        models.append(place.trained(run, models[-1], course.out / name(number) / "train", left=left, say=say))
        looked = _looked(course, _comparing(spec, place, models), held, truth)
        latest = replace(looked[-1], pairs=pairs, anchors=_summary(run).get("anchors"))
        done += [latest] if done else [looked[0], latest]
        for one in done[-1:] if number > 1 else done:
            say(words(one))
        if not course.every and not _improved(done[-1], sure=course.sure) and number < course.rounds:
            why = f"round {number} is no better than the one before it"
            break
    found = Finished(
        rounds=tuple(done),
        why=why,
        model=models[-1].told,
        usd=spent(course.out),
        judge=Held(drawn_in(course.out, 0)).diagnostics,
    )
    write_text(course.out / ROUNDS, json.dumps(found.row(), indent=1) + "\n")
    return found


def capped(course: Course) -> tuple[Spec, Decimal | None]:
    """The run file, and the most that all the rounds may cost, in USD.

    Raises:
        SpecError: the run file cannot be read.
    """
    spec = read(course.file)
    return spec, spec.budget.max_usd if course.max_usd is None else course.max_usd


def _place(course: Course, spec: Spec) -> Place:
    """Where it is trained, before anything is written.

    Raises:
        SpecError: what that needs is not installed, or the sampler asks what trains nothing.
    """
    if isinstance(course.order, HostedOrder):
        endpoint_of(spec.endpoints, spec.sampler.endpoint)
        return Hosted(order=course.order, spec=spec, capped=course.max_usd is not None)
    weights.check_installed("trl", "datasets")
    return Here(order=course.order, out=course.out, slots=course.slots, by_path=_by_path(course.out))


def _parted(course: Course, spec: Spec) -> tuple[list[Prompt], list[Prompt]]:
    """The prompts to train on and those kept, by what each says and the seed: neither order nor others matter."""
    every = list(main.found_prompts(spec, course.file.resolve().parent, None, lambda _: None))
    drawn = {prompt.id: _lot(spec.seed, prompt) for prompt in every}
    kept = [prompt for prompt in every if drawn[prompt.id] < course.held]
    known = [prompt for prompt in every if drawn[prompt.id] >= course.held]
    if not kept or not known:
        raise SpecError(
            f"--held {course.held:g} of {len(every)} prompts leaves {len(known)} to train on, {len(kept)} kept"
        )
    return known, kept


def _lot(seed: int, prompt: Prompt) -> float:
    text = json.dumps([seed, list(map(dict, prompt.messages))], sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48


def _by_path(out: Path) -> bool:
    """Whether rounds were begun in this folder when models had no names: their answers stand under paths."""
    path = out / ORDER
    return path.is_file() and "models" not in json.loads(path.read_text(encoding="utf-8"))


def _keep(course: Course, spec: Spec) -> None:
    """See that the folder is of these rounds."""
    order = {key: value for key, value in course.order.row().items() if key != "micro"}
    told = {"run": spec.meaning(), "train": order, "held": course.held}
    told |= {"draws": course.draws} if course.draws > 1 else {}
    if isinstance(course.order, Order) and not _by_path(course.out):
        told["models"] = "by round"
    text = json.dumps(told, indent=1, sort_keys=True, default=str) + "\n"
    course.out.mkdir(parents=True, exist_ok=True)
    path = course.out / ORDER
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise SpecError(f"{course.out} holds rounds of another run file or other settings; take another --out")
    write_text(path, text)


def _row(prompt: Prompt) -> dict[str, Any]:
    """A prompt as a row that is read as the same prompt."""
    found: dict[str, Any] = {"id": prompt.id, "messages": [dict(message) for message in prompt.messages]}
    found |= {"reference": prompt.reference} if prompt.reference is not None else {}
    found |= {"tools": list(prompt.tools)} if prompt.tools else {}
    return found | ({"metadata": dict(prompt.metadata)} if prompt.metadata else {})


def _run(course: Course, spec: Spec, prompts: Sequence[Prompt], folder: Path, *, gated: bool = True) -> int:
    """A run over these prompts, or what is left of it; its pairs. Gates are for data to train on, not to compare."""
    left = None if course.max_usd is None else course.max_usd - spent(course.out, but=folder)
    if left is not None and left < 0:
        raise BudgetReached(f"the rounds cost {spent(course.out)} USD so far, and {course.max_usd} is the most")
    rows = [_row(prompt) for prompt in prompts]
    job = api.generate(
        ShortFile(spec, course.file), out=folder, prompts=rows, max_usd=left, replace_folder=True, watch=None
    )
    try:
        done = asyncio.run(job)
    except GateFailed as failed:
        if gated:
            raise
        done = failed.run
    return int(done.summary["pairs"])


def _table(spec: Spec, place: Place, models: Sequence[Learner]) -> dict[str, Any]:
    """The run file's table, its sampler at the place where the models are."""
    table: dict[str, Any] = spec.model_dump(mode="json", exclude_unset=True)
    table.pop("columns", None)
    return place.seated({**table, "output": {"formats": []}}, models)


def _summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return found


def _watched(judge: Mapping[str, Any], course: Course, number: int) -> dict[str, Any]:
    """The judge's table; from round 2 on its anchors are held against round 1's, unless it says against what."""
    told = judge.get("anchors")
    if told is None or number == 1 or told.get("reference") or judge.get("calibration"):
        return dict(judge)
    reference = str((course.out / name(1) / "run" / anchors.FILE).resolve())
    return {**judge, "anchors": {**told, "reference": reference, "looks": course.rounds - 1}}


def _sampling(spec: Spec, place: Place, model: Learner, course: Course, number: int) -> Spec:
    """The run file with a round's model in the sampler's place, under the variants' own settings."""
    table = _table(spec, place, [model])
    variants = [
        {k: v for k, v in one.items() if k not in ("endpoint", "model")} for one in table["sampler"]["variants"]
    ]
    sampler = {**table["sampler"], "model": model.asked, "variants": variants}
    return parse({**table, "sampler": sampler, "judge": _watched(table.get("judge", {}), course, number)})


def _comparing(spec: Spec, place: Place, models: Sequence[Learner]) -> Spec:
    """The run file with each round as a variant that answers once, and every two compared in both orders."""
    table = _table(spec, place, models)
    first = {k: v for k, v in table["sampler"]["variants"][0].items() if k not in ("endpoint", "model", "n", "name")}
    variants = [{**first, "name": name(number), "n": 1, "model": model.asked} for number, model in enumerate(models)]
    shared = {k: v for k, v in table["sampler"].items() if k != "near_identical"}
    sampler = {**shared, "model": models[0].asked, "variants": variants, "near_identical": 1.0}
    judge = {k: v for k, v in table.get("judge", {}).items() if k not in _ONCE_ONLY}
    return parse({**table, "sampler": sampler, "judge": judge, "pairs": {}, "gates": {}})


def _looked(course: Course, spec: Spec, held: Sequence[Prompt], truth: Grader | None) -> tuple[Round, Round]:
    """Round 0 and the last one on the held-out prompts, every round's answers beside one another."""
    folders = [drawn_in(course.out, draw) for draw in range(course.draws)]
    for draw, folder in enumerate(folders):  # each by a seed of its own
        _run(course, spec.model_copy(update={"seed": spec.seed + draw}), held, folder, gated=False)
    found, seed, last = Held(*folders), spec.seed, len(spec.sampler.variants) - 1
    right = [Figure() if truth is None else found.right(number, truth, seed=seed) for number in (0, last)]
    return (
        Round(number=0, right=right[0], cut=found.cut(0)),
        Round(
            number=last,
            right=right[1],
            gained=Figure() if truth is None else found.gained(last, 0, truth, seed=seed),
            cut=found.cut(last),
            before=found.wins(last, last - 1, seed=seed),
            first=found.wins(last, 0, seed=seed),
        ),
    )


def _improved(one: Round, *, sure: bool) -> bool:
    """Whether a round is better than the one before it, by the judge."""
    rate = Figure() if one.before is None else one.before.rate
    value = rate.low if sure else rate.value
    return value is not None and value > 0.5


def words(one: Round) -> str:
    """A round in a line."""
    said = [f"round {one.number}, held out:"]
    said += [f"right {_spoken(one.right)}"] if one.right.value is not None else []
    said += [f"gained {_spoken(one.gained)}"] if one.gained.value is not None else []
    others = {0: one.first, one.number - 1: one.before}
    for other, wins in others.items():
        if wins is not None:
            said.append(f"wins {_spoken(wins.rate)} against round {other} ({wins.judged} judged, {wins.alike} alike)")
    said += [f"cut {one.cut:.0%}"] if one.cut else []
    said += (
        [f"anchors: {anchored(one.anchors)}{', another judge' * bool(one.anchors['alarms'])}"] if one.anchors else []
    )
    return " ".join([said[0], "; ".join(said[1:])])


def _spoken(figure: Figure) -> str:
    if figure.value is None:
        return "not known"
    ends = "" if figure.low is None or figure.high is None else f" [{figure.low:.0%}, {figure.high:.0%}]"
    return f"{figure.value:.0%}{ends}"


def spent(out: Path, *, but: Path | None = None) -> Decimal:
    """What the runs in this folder cost in all, one of them aside, and what training at a provider did."""
    found = Decimal(0)
    for path in out.rglob("summary.json"):
        usd = json.loads(path.read_text(encoding="utf-8"))["cost_usd"]["total"]
        if path.parent != but and usd is not None:
            found += Decimal(usd)
    for path in out.rglob(TUNED):
        found += Decimal(json.loads(path.read_text(encoding="utf-8"))["usd"] or 0)
    return found
