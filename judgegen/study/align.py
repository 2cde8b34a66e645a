"""Align: a judge's template improved from what people voted, and kept only where it is better on prompts held out.

Half of the prompts teach: rules are written from comparisons that the judge decided otherwise, and short comparisons
stand as examples; each template with such lessons is checked on that half as `judge check` does it. The best of them,
and it alone, is put before the other half once, beside the template there is now; it is kept where the interval of the
difference leaves out nothing gained. Knows nothing of terminals.

Why no optimiser of prompts does it: what is sent must be journaled, capped and gone on with like any call, and what is
kept must be better on prompts that chose nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from judgegen.exchange import comparisons
from judgegen.llm.stop import Stop
from judgegen.run.expected import Estimate
from judgegen.run.session import Given, Terms, estimated
from judgegen.show.notebook import stoppable, usual_watch
from judgegen.study import check as checking
from judgegen.study import lessons
from judgegen.study.aligned import Aligned
from judgegen.study.lessons import Lessons
from judgegen.study.teaching import NOW, Lesson, School, row_of, rules_job, work_of
from judgegen.trust import Judged
from judgegen.trust.figures import extra
from judgegen.watch import Watch
from judgegen.writer.files import write_text

TRIES = 3
"""How often rules are written, each time from other comparisons."""


async def align(
    labelled: comparisons.Rows,
    *,
    run: Given,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    tries: int = TRIES,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    resamples: int = 1000,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Aligned:
    """Improve the template of a run file's judge from comparisons that people voted on.

    The first judge that is asked in a chat writes the rules. What the journals in `out` answer is not sent again.

    Args:
        labelled: as for `check`; columns such as `note` are read by whoever writes the rules.
        run: the run file, its table, or a Spec.
        source: as for `check`.
        mapping: as for `check`.
        out: the folder of the journals; runs/<name>-align unless given.
        tries: how often rules are written.
        limit: take this many comparisons, spread over them all.
        max_usd: the most that all of it may cost, instead of the run file's budget.max_usd.
        resamples: of prompts, for the intervals.
        watch: sees the calls go.
        stop: ends it from outside; what is in flight lands.

    Raises:
        SpecError: nothing compares by a template, nobody can write rules, or too few prompts; and as `check`.
        PriceUnknown, JournalError, ProviderRefused, BudgetReached, Incomplete, Interrupted: as `check`, with the check
            that it stopped in as `run`.
    """
    extra("scipy.stats")  # what is missing is said before money is spent
    work = work_of(labelled, run, source, mapping, out, limit, max_usd)
    terms = Terms(watch=watch or usual_watch("comparisons"), stop=Stop() if stop is None else stop)
    school = School(work=replace(work, resamples=resamples), terms=terms)
    return await stoppable(_taught(school, tries), terms.stop, terms.watch)


async def _taught(school: School, tries: int) -> Aligned:
    now = await school.check("learn", NOW)
    for number, rules in enumerate(await school.rules(now, tries), start=1):
        await school.teach(f"rules-{number}", Lessons(rules=rules))
    await school.show()
    return await school.held_out()


def expected(
    labelled: comparisons.Rows,
    *,
    run: Given,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    tries: int = TRIES,
    limit: int | None = None,
) -> Estimate:
    """What `align` will take with these arguments at most, beyond what its journals answer. Sends and writes nothing.

    Templates that are not written yet count with rules of a made-up length.

    Raises:
        SpecError, PriceUnknown, JournalError: as `align` would.
    """
    work = work_of(labelled, run, source, mapping, out, limit, None)
    unknown = {row.id: Judged(prompt_id=row.id, votes=row.votes) for row in work.halves.learn}
    shown = lessons.examples(work.halves.learn, unknown, work.spec.seed)
    rules = Lessons(rules="\n".join(["A rule of about this many words, which says when one answer is better."] * 8))
    names = [NOW, *(f"rules-{number}" for number in range(1, tries + 1))]
    lesson = dict.fromkeys(names[1:], rules)
    if shown:
        lesson |= {"examples": Lessons(examples=shown), "rules-and-examples": replace(rules, examples=shown)}
    drawn = [draw for draw in range(tries) if not work.file(f"rules-{draw + 1}").is_file()]
    told = [lessons.cases(work.halves.learn, unknown, work.spec.seed, draw) for draw in drawn]
    with TemporaryDirectory() as made:
        parts = [
            checking.expected([row_of(row) for row in work.of(half)], run=work.run(file), out=work.folder / half / name)
            for half, name, file in _parts(work, lesson, Path(made))
        ]
    return _together([*parts, estimated(rules_job(work, told), None)], len(work.halves.learn) + len(work.halves.held))


def _parts(work: Lesson, lesson: Mapping[str, Lessons], made: Path) -> Iterator[tuple[str, str, Path | None]]:
    """Every check that may be asked for: its half, its name and its template, made up in `made` where none is written.

    Held out there is one beside that of now: the one that was, or the last, which is the longest.
    """
    held = next((name for name in lesson if (work.folder / "held" / name).is_dir()), next(reversed(list(lesson)), None))
    yield "learn", NOW, None
    yield "held", NOW, None
    for name, given in lesson.items():
        file = work.file(name)
        if not file.is_file():
            file = made / f"{name}.md"
            write_text(file, lessons.written(work.template, given))
        yield "learn", name, file
        if name == held:
            yield "held", name, file


def _together(parts: Sequence[Estimate], items: int) -> Estimate:
    """Several jobs after one another, as one over so many comparisons."""
    return Estimate(
        prompts=items,
        counted=items,
        hours=sum(part.hours for part in parts),
        rows=tuple(row for part in parts for row in part.rows),
        assumptions=tuple(dict.fromkeys(said for part in parts for said in part.assumptions)),
    )
