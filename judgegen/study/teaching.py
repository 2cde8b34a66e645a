"""The steps by which a judge's template is taught: checks of a half, rules written, templates with lessons.

Every part has a journal of its own under one folder, and all of them keep one cap. Knows nothing of terminals, nor
which step follows which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from judgegen import templates
from judgegen.errors import SpecError, Unanswered
from judgegen.exchange import comparisons
from judgegen.judge import build, read
from judgegen.judge.build import Asking, Notes
from judgegen.llm.calls import Send
from judgegen.llm.journal import Journal
from judgegen.llm.recording import ask, recording
from judgegen.pipeline import Plan
from judgegen.plan.run import plan, texts
from judgegen.records import Prompt, Result
from judgegen.run.job import prompt_of
from judgegen.run.session import Given, Inquiry, Terms, ended, lacking, resolve, session
from judgegen.run.spread import spread
from judgegen.sources.labelled import Labelled
from judgegen.spec import Spec
from judgegen.spec.short import ShortFile
from judgegen.study import check as checking
from judgegen.study import lessons
from judgegen.study.aligned import Aligned, Tried
from judgegen.study.check import Check
from judgegen.study.grouped import grouped
from judgegen.study.lessons import Halves, Lessons
from judgegen.trust import Figure, Judged
from judgegen.trust.between import gained
from judgegen.writer.files import write_text

RULES_TOKENS = 1024
NOW = "now"
"""What the template that there is now is called among those that were tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is to be done: whose template, which halves, in which folder, under which cap."""

    spec: Spec
    base: Path
    folder: Path
    halves: Halves
    cap: Decimal | None
    resamples: int = 1000

    @property
    def template(self) -> str:
        """The text of the template that there is now."""
        kind = self.spec.judge.compared_in
        assert kind is not None, "looked at before"
        return templates.text_of(self.spec.judge.compared_by, kind, self.base)

    def of(self, half: str) -> tuple[Labelled, ...]:
        """The comparisons of a half."""
        return self.halves.learn if half == "learn" else self.halves.held

    def file(self, name: str) -> Path:
        """Where a tried template stands."""
        return self.folder / "tried" / f"{name}.md"

    def run(self, template: Path | None) -> ShortFile:
        """The run file with this template in its judge."""
        judge = self.spec.judge
        if template is not None:
            judge = judge.model_copy(update={"template": str(template.resolve())})
            judge.model_fields_set.add("template")
        return ShortFile(self.spec.model_copy(update={"judge": judge}), self.base / "run.toml")

    def left(self, part: Path) -> Decimal | None:
        """USD that the journal in `part` may come to in all, so that all of them keep the cap."""
        if self.cap is None:
            return None
        others = (spent(folder) for folder in self.folder.glob("*/*") if folder.is_dir() and folder != part)
        return max(Decimal(0), self.cap - sum(others, Decimal(0)))


def spent(folder: Path) -> Decimal:
    """USD that a journal came to; 0 where there is none."""
    with Journal.if_any(folder) as journal:
        return Decimal(0) if journal is None else journal.spent()


def work_of(
    labelled: comparisons.Rows,
    run: Given,
    source: str | None,
    mapping: Mapping[str, str] | Sequence[str],
    out: str | Path | None,
    limit: int | None,
    max_usd: Decimal | float | None,
) -> Lesson:
    """What `align` is to do with these arguments.

    Raises:
        SpecError: as `align`.
    """
    resolved, base, folder = resolve(run, out, judging=True)
    if resolved.judge.compared_in is None or resolved.judge.compared_in.returns != "verdict":
        raise SpecError(
            f'judge.method = "{resolved.judge.method}" compares by no template that says in words what is better, so '
            'there is none to improve; use method = "pairwise"'
        )
    rows = list(comparisons.labelled(labelled, source, lambda _: None, mapping=mapping))
    if limit is not None:
        rows = [rows[place] for place in spread(len(rows), limit)]
    cap = resolved.budget.max_usd if max_usd is None else Decimal(str(max_usd))
    work = Lesson(
        spec=resolved,
        base=base,
        folder=folder if out is not None else folder.with_name(f"{folder.name}-align"),
        halves=lessons.halves(rows, resolved.seed),
        cap=cap,
    )
    _writer(work)
    return work


def row_of(row: Labelled) -> dict[str, Any]:
    """A comparison as `check` reads it."""
    own = {name: getattr(row, name) for name in ("id", "messages", "response_a", "response_b", "votes")}
    others = {"reference": row.reference, "tools": row.tools, "metadata": row.metadata}
    return {**own, "votes": list(row.votes), "messages": list(row.messages)} | {
        name: list(value) if isinstance(value, tuple) else value for name, value in others.items() if value
    }


@dataclass(slots=True, kw_only=True)
class School:
    """The steps in their order; what they came to is known by name."""

    work: Lesson
    terms: Terms
    checks: dict[tuple[str, str], Check] = field(default_factory=dict)
    learned: dict[str, Lessons] = field(default_factory=dict)

    async def check(self, half: str, name: str) -> Check:
        """A template before a half."""
        folder = self.work.folder / half / name
        found = await checking.check(
            [row_of(row) for row in self.work.of(half)],
            run=self.work.run(None if name == NOW else self.work.file(name)),
            out=folder,
            max_usd=self.work.left(folder),
            resamples=self.work.resamples,
            watch=self.terms.watch,
            stop=self.terms.stop,
        )
        self.checks[half, name] = found
        return found

    async def rules(self, now: Check, tries: int) -> list[str]:
        """Rules, each written from other comparisons; those that could not be had are left out."""
        seed, judged = self.work.spec.seed, _by_id(now)
        told = [lessons.cases(self.work.halves.learn, judged, seed, draw) for draw in range(tries)]
        job = rules_job(self.work, told)
        terms = replace(self.terms, max_usd=self.work.left(job.folder))
        async with session(job, terms) as opened, opened.sender() as send:
            found = []
            async for text, result in opened.results(send):
                found.append((text, result))
                self.terms.watch.finished(result)
        reasons = {result.detail: 1 for _, result in found if result.drop == "incomplete"}
        lack = lacking("rules could not be written", reasons) if reasons else None
        ended(now, self.terms.stop.error, lack)
        return [text for text, _ in found if text]

    async def teach(self, name: str, given: Lessons) -> None:
        """Write a template with these lessons and put it before the half that teaches."""
        write_text(self.work.file(name), lessons.written(self.work.template, given))
        self.learned[name] = given
        await self.check("learn", name)

    async def show(self) -> None:
        """Examples alone, and beside the best rules that there are."""
        shown = lessons.examples(self.work.halves.learn, _by_id(self.checks["learn", NOW]), self.work.spec.seed)
        if not shown:
            return
        best = max(self.learned, key=self.gain, default=None)
        await self.teach("examples", Lessons(examples=shown))
        if best is not None:
            await self.teach("rules-and-examples", replace(self.learned[best], examples=shown))

    def gain(self, name: str) -> float:
        """What a template agrees more often than that of now, on the half that teaches."""
        return self.between("learn", name).value or 0.0

    def between(self, half: str, name: str) -> Figure:
        """The gain of a template over that of now on a half."""
        rows = [self.checks[half, one].rows for one in (NOW, name)]
        return gained(*rows, resamples=self.work.resamples)

    async def held_out(self) -> Aligned:
        """The best template, if there is any, beside that of now on prompts that taught nothing."""
        best = max(self.learned, key=self.gain, default=NOW)
        chosen = None if best == NOW or self.gain(best) <= 0 else best
        if chosen is not None:
            await self.check("held", NOW)
            await self.check("held", chosen)
        return self.aligned(chosen)

    def aligned(self, chosen: str | None) -> Aligned:
        """All of it."""
        now = [found for (_, name), found in self.checks.items() if name == NOW]
        judged = {name: row for found in now for name, row in _by_id(found).items()}
        tried = {name: self.tried(name) for half, name in self.checks if half == "learn"}
        held = {name: _agreement(found) for (half, name), found in self.checks.items() if half == "held"}
        parts = (folder for folder in self.work.folder.glob("*/*") if folder.is_dir())
        return Aligned(
            judge=now[0].judge,
            learned=len(self.work.halves.learn),
            held=len(self.work.halves.held),
            tried=tuple(tried.values()),
            chosen=None if chosen is None else tried[chosen],
            before=held.get(NOW, Figure()),
            after=Figure() if chosen is None else held[chosen],
            gain=Figure() if chosen is None else self.between("held", chosen),
            groups=grouped([*self.work.halves.learn, *self.work.halves.held], judged),
            cost_usd=sum(map(spent, parts), Decimal(0)),
            folder=self.work.folder,
        )

    def tried(self, name: str) -> Tried:
        """One of those before the half that teaches."""
        return Tried(
            name=name,
            template=None if name == NOW else self.work.file(name),
            agreement=_agreement(self.checks["learn", name]),
            gain=Figure() if name == NOW else self.between("learn", name),
        )


def _by_id(found: Check) -> dict[str, Judged]:
    return dict(zip(found.ids, found.rows, strict=True))


def _agreement(found: Check) -> Figure:
    return found.report.accuracy.ties_half


Written = tuple[str | None, Result]


def rules_job(work: Lesson, told: Sequence[str]) -> Inquiry[Prompt, Written]:
    """The calls by which rules are written, one for each text of comparisons."""
    steps, asking = _writer(work)
    assert steps.judging is not None, "somebody judges"
    items = [
        Prompt(id=f"rules-{number}", messages=({"role": "user", "content": text},))
        for number, text in enumerate(told, start=1)
    ]
    return Inquiry(
        spec=work.spec,
        plan=replace(steps, judging=replace(steps.judging, checklist=asking)),
        folder=work.folder / "rules" / "written",
        routes=frozenset({(asking.route, asking.model)}),
        items=lambda _: items,
        again=prompt_of,
        through=partial(_write, asking=asking, steps=steps),
    )


def _writer(work: Lesson) -> tuple[Plan, Asking]:
    """The first judge that is asked in a chat, as it writes rules: in words, and free to write others another time.

    Raises:
        SpecError: there is none.
    """
    steps = plan(work.spec, texts(work.spec, work.base), work.base)
    asking = next((one for one in steps.opinions if one.api == "chat"), None)
    if asking is None:
        raise SpecError(
            "no judge of this run file answers in words, and one must write the rules: put one behind the others with "
            "[[judge.escalate]]"
        )
    kind = templates.ALIGN
    text = templates.text_of(kind.name, kind, work.base)
    free = asking.free()
    return steps, replace(
        free,
        template=templates.parse(text, f"judge/{kind.name}", kind),
        fixed={name: value for name, value in free.fixed.items() if name != "top_logprobs"},
        rationale="none",
        votes=1,
        samples=1,
        max_tokens=max(free.max_tokens, RULES_TOKENS),
    )


async def _write(prompt: Prompt, send: Send, asking: Asking, steps: Plan) -> Written:
    """Rules, asked for until they can be read."""
    assert steps.judging is not None, "somebody judges"
    with recording() as asked:
        try:
            for draw in range(steps.judging.max_attempts):
                notes = Notes(criteria=steps.judging.criteria)
                outcome = await ask(send, build.note(prompt, asking, seed=steps.seed, draw=draw, notes=notes))
                if (text := read.text(outcome)) is not None:
                    return text, Result(prompt=prompt, calls=tuple(asked))
        except Unanswered as lack:
            return None, Result(prompt=prompt, drop="incomplete", detail=lack.detail, calls=tuple(asked))
    return None, Result(prompt=prompt, calls=tuple(asked))
