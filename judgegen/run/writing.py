"""Results into every derived file of a run folder.

What a judge's habits are, and which texts win under many prompts, is known only when all is answered. So answers are
put by as they come, their calls written, and settled when the last one is there. Knows a session and the writer;
nothing of how a run begins or ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from judgegen import pipeline
from judgegen.errors import JudgegenError
from judgegen.judge.belief import Habits
from judgegen.llm import senders
from judgegen.llm.calls import Send
from judgegen.llm.tokens import encoding_name
from judgegen.pipeline import Plan
from judgegen.records import Habit, Prompt, Result
from judgegen.run import anchors, wanted
from judgegen.run.alike import Alike
from judgegen.run.further import Further
from judgegen.run.hope import Hope
from judgegen.run.kind import moved_from
from judgegen.run.notices import Notices
from judgegen.run.session import Session
from judgegen.run.spool import Spool
from judgegen.run.topics import Marking, Topics
from judgegen.watch import Watch, Watches
from judgegen.writer.constants import Constants
from judgegen.writer.files import write_text
from judgegen.writer.outputs import Outputs
from judgegen.writer.rows import Bill

Kept = tuple[Result, Bill]
"""A prompt's answers without its calls, and what its rows will say of those."""


class _Telling:
    """What results show of a run, said as it shows; it is stopped where they leave no hope."""

    def __init__(self, opened: Session[Prompt, Result], watch: Watch) -> None:
        spec = opened.job.spec
        self._opened, self._notices, self._hope, self._alike = opened, Notices(spec, watch), Hope(spec), Alike(spec)
        self._moved, self._further = moved_from(opened.job.plan.calibration, watch), Further(spec)

    def add(self, result: Result) -> None:
        """One more result."""
        self._alike.add(result)
        self._notices.add(result)
        self._moved.add(result)
        self._further.add(result)
        if (lost := self._hope.add(result, fresh=self._opened.fresh)) is not None:
            self._opened.terms.stop.request(lost)

    def close(self) -> dict[str, Any]:
        """Say what shows at the end; what the summary says of it."""
        self._notices.close(rows := self._alike.rows())
        return {**({"alike": rows} if rows else {}), **self._moved.close(), **self._further.close()}


class _Noting(Watch):
    """Keeps what is said of results, so that it can be said again."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def warned(self, message: str) -> None:
        """One more sentence."""
        self._said.append(message)


async def sent(opened: Session[Prompt, Result]) -> dict[str, Any]:
    """Answer what lacks answers, and write; what is answered is written even where a fault of our own ends that."""
    whole = partial(_asked, opened) if opened.job.anchors or opened.job.spec.pairs.wanted is not None else None
    try:
        async with opened.sender(whole) as send:
            return await written(opened, send, Watches(opened.terms.watch, _Noting(opened.said)))
    except (JudgegenError, OSError):
        raise
    except Exception:
        await _saved(opened)
        raise


async def _asked(opened: Session[Prompt, Result], send: Send) -> AsyncGenerator[object, None]:
    """All that is to be answered, for a sender that notes what it lacks."""
    if opened.job.anchors is not None:
        yield await anchors.heard(opened.job.anchors, opened.job.plan, send, window=opened.window)
    asked = opened.results(send) if opened.job.spec.pairs.wanted is None else wanted.asked(opened, send)
    async with aclosing(asked) as every:
        async for one in every:
            yield one


async def _saved(opened: Session[Prompt, Result]) -> None:
    """Write what the journal answers, before a fault of the program's own that ended the run is told of.

    What stands in the way of that, too, is the lesser news.
    """
    with suppress(Exception):
        await written(opened, senders.recorded(opened.journal), Watch())


async def written(opened: Session[Prompt, Result], send: Send, watch: Watch) -> dict[str, Any]:
    """Results into the writer: every derived file of the run folder; returns the summary.

    Where a text wins under many prompts, all is settled once more without it, until no new one is found.
    """
    lacks, told, known = dict[str, str](), dict[str, Any](), await _anchors(opened, send, watch)
    if opened.job.spec.pairs.wanted is not None:
        opened, lacks, told = await _wanted(opened, send, watch)
        send, watch = senders.recorded(opened.journal), Watch()
    job = opened.job
    with _outputs(opened) as outputs, Spool[Kept](job.folder) as spool:
        for one in () if known is None else known.results:
            outputs.heard(one.calls)
        topics = Topics()
        habits, same = await _heard(opened, send, watch, outputs, spool, topics, lacks)
        marking = Marking(topics.found())
        plan = replace(job.plan, habits=habits) if job.plan.wants_habits else job.plan
        barred = list[dict[str, Any]]()
        while (constants := _settled(spool, plan, outputs, marking)).barred():
            barred += [row for row in constants.rows() if row["barred"]]
            plan = replace(plan, constants=plan.constants | constants.barred())
            same = _seen_again(opened, spool, plan)
            outputs.again()
            marking.again()
        told |= {} if known is None else {"anchors": known.summary()}
        texts = {"constants": [*barred, *constants.rows()], **marking.row()}
        summary = outputs.finish({**_beliefs(plan), **texts, **told, **same})
    _beside(job.folder / anchors.FILE, None if known is None else known.text())
    return summary


async def _anchors(opened: Session[Prompt, Result], send: Send, watch: Watch) -> anchors.Rejudged | None:
    """The anchors judged, before any prompt; what they say is told at once."""
    if opened.job.anchors is None:
        return None
    found = await anchors.heard(opened.job.anchors, opened.job.plan, send, window=opened.window)
    anchors.told(found, watch)
    return found


def _beside(path: Path, text: str | None) -> None:
    """Write a file of the run folder, or take away the one that an earlier run file made."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        write_text(path, text)


def _outputs(opened: Session[Prompt, Result]) -> Outputs:
    spec, output = opened.job.spec, opened.job.spec.output
    return Outputs(
        opened.job.folder,
        stamp=_stamp(opened.job.plan),
        formats=output.formats,
        encoding=encoding_name(spec.sampler.model)[0],
        thinking=output.thought == "keep",
        rehearsal=bool(spec.rehearsal),
    )


async def _wanted(
    opened: Session[Prompt, Result], send: Send, watch: Watch
) -> tuple[Session[Prompt, Result], dict[str, str], dict[str, Any]]:
    """The prompts that the wanted pairs take, asked; why some lack answers, and what the summary says of it."""
    seen = _Telling(opened, watch)

    def see(result: Result) -> None:
        watch.finished(result)
        seen.add(result)

    taking = await wanted.taken(opened, send, see)
    seen.close()
    pairs, prompts = opened.job.spec.pairs.wanted, sum(1 for _ in opened.items())
    if taking.over and not taking.open and pairs is not None and await taking.kept() < pairs:
        watch.warned(f"all {prompts:,} prompts give fewer than the {pairs:,} pairs that are wanted: add prompts")
    said = {"pairs": pairs, "taken": len(taking.ids), "prompts": prompts}
    return taking.of(opened.job.plan), taking.lacks, {"wanted": said}


async def _heard(
    opened: Session[Prompt, Result],
    send: Send,
    watch: Watch,
    outputs: Outputs,
    spool: Spool[Kept],
    topics: Topics,
    lacks: Mapping[str, str],
) -> tuple[dict[str, Habit], dict[str, Any]]:
    """All that is asked, answered and put by; what its judges do over the whole run, and what shows of it.

    `lacks` says, by prompt, why answers are not there that were asked for before.
    """
    habits, seen = Habits(), _Telling(opened, watch)
    async with aclosing(opened.results(send)) as results:
        async for found in results:
            result = replace(found, detail=lacks[found.prompt.id]) if found.prompt.id in lacks else found
            habits.add(result.matches)
            topics.add(result)
            spool.add((pipeline.bare(result), outputs.heard(result.calls)))
            watch.finished(result)
            seen.add(result)
    return habits.found(), seen.close()


def _settled(spool: Spool[Kept], plan: Plan, outputs: Outputs, marking: Marking) -> Constants:
    """What was put by, settled and written; the texts that win under many prompts."""
    constants = Constants()
    for answers, billed in spool:
        result = pipeline.settled(marking.marked(answers), plan)
        outputs.add(result, billed)
        marking.came(result)
        constants.add(result)
    return constants


def _seen_again(opened: Session[Prompt, Result], spool: Spool[Kept], plan: Plan) -> dict[str, Any]:
    """What shows of the results once some texts may not compete; it was said as it first showed."""
    seen = _Telling(opened, Watch())
    for answers, _ in spool:
        seen.add(pipeline.settled(answers, plan))
    return seen.close()


def _beliefs(steps: Plan) -> dict[str, Any]:
    """What the summary says of P(chosen); nothing where it is as the judges state it, or where none compares."""
    if steps.habits is None or steps.judging is None or steps.meaning == "stated":
        return {}
    models = {asking.name: asking.model for asking in steps.judging.opinions}
    habits = [{"judge": models.get(name, name), **habit.to_dict()} for name, habit in steps.habits.items()]
    return {"p_chosen": steps.meaning, "habits": habits}


def _stamp(steps: Plan) -> dict[str, str]:
    return {"judgegen": version("judgegen"), "pyarrow": version("pyarrow"), "run": steps.fingerprint}
