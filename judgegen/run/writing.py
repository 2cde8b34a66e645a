"""Results into every derived file of a run folder.

What a judge's habits are, and which texts win under many prompts, is known only when all is settled; then it is settled
once more from the journal, for nothing. Knows a session and the writer; nothing of how a run begins or ends.
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

from judgegen import pipeline
from judgegen.errors import JudgegenError
from judgegen.judge.belief import Habits
from judgegen.llm import senders
from judgegen.llm.calls import Send
from judgegen.llm.tokens import encoding_name
from judgegen.pipeline import Plan
from judgegen.records import Habit, Prompt, Result
from judgegen.run.alike import Alike
from judgegen.run.hope import Hope
from judgegen.run.kind import moved_from
from judgegen.run.notices import Notices
from judgegen.run.session import Session
from judgegen.watch import Watch
from judgegen.writer.constants import Constants
from judgegen.writer.outputs import Outputs


class _Seen:
    """What results show of a run, said as it shows; it is stopped where they leave no hope."""

    def __init__(self, opened: Session[Prompt, Result], watch: Watch) -> None:
        spec = opened.job.spec
        self._opened, self._notices, self._hope, self._alike = opened, Notices(spec, watch), Hope(spec), Alike(spec)
        self._moved = moved_from(opened.job.plan.calibration, watch)

    def add(self, result: Result) -> None:
        """One more result."""
        self._alike.add(result)
        self._notices.add(result)
        self._moved.add(result)
        if (lost := self._hope.add(result, fresh=self._opened.fresh)) is not None:
            self._opened.terms.stop.request(lost)

    def close(self) -> dict[str, Any]:
        """Say what shows at the end; what the summary says of it."""
        self._notices.close(rows := self._alike.rows())
        return {**({"alike": rows} if rows else {}), **self._moved.close()}


async def sent(opened: Session[Prompt, Result]) -> dict[str, Any]:
    """Answer what lacks answers, and write; what is answered is written even where a fault of our own ends that."""
    try:
        async with opened.sender() as send:
            return await written(opened, send, opened.terms.watch)
    except (JudgegenError, OSError):
        raise
    except Exception:
        await _saved(opened)
        raise


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
    job, barred = opened.job, list[dict[str, Any]]()
    lacks, seen = dict[str, str](), _Seen(opened, watch)
    if job.plan.wants_habits:
        habits = await _habits(opened, send, watch, lacks)
        opened = _with(opened, replace(job.plan, habits=habits))
        job, send, watch, seen = opened.job, senders.recorded(opened.journal), Watch(), _Seen(opened, Watch())
    output, encoding = job.spec.output, encoding_name(job.spec.sampler.model)[0]
    while True:
        constants = Constants()
        with Outputs(
            job.folder,
            stamp=_stamp(job.plan),
            formats=output.formats,
            encoding=encoding,
            thinking=output.thought == "keep",
            rehearsal=bool(job.spec.rehearsal),
        ) as outputs:
            async with aclosing(opened.results(send)) as results:
                async for found in results:
                    result = replace(found, detail=lacks.get(found.prompt.id, found.detail))
                    outputs.add(result)
                    constants.add(result)
                    watch.finished(result)
                    seen.add(result)
            same = seen.close()
            if not constants.barred():
                return outputs.finish({**_beliefs(job.plan), "constants": [*barred, *constants.rows()], **same})
        barred += [row for row in constants.rows() if row["barred"]]
        opened = _with(opened, replace(job.plan, constants=job.plan.constants | constants.barred()))
        job, send, watch = opened.job, senders.recorded(opened.journal), Watch()
        seen = _Seen(opened, watch)


def _with(opened: Session[Prompt, Result], steps: Plan) -> Session[Prompt, Result]:
    """The session with another plan."""
    job = replace(opened.job, plan=steps, through=partial(pipeline.through, plan=steps))
    return replace(opened, job=job)


async def _habits(opened: Session[Prompt, Result], send: Send, watch: Watch, lacks: dict[str, str]) -> dict[str, Habit]:
    """All that is asked, answered; what its judges do over the whole run comes of it.

    Nothing is written: that is done from the journal, with the habits taken off. Why prompts lack answers is kept in
    `lacks`, by prompt, since the journal does not know.
    """
    habits, seen = Habits(), _Seen(opened, watch)
    async with aclosing(opened.results(send)) as results:
        async for result in results:
            habits.add(result.matches)
            watch.finished(result)
            seen.add(result)
            if result.drop == "incomplete":
                lacks[result.prompt.id] = result.detail
    seen.close()
    return habits.found()


def _beliefs(steps: Plan) -> dict[str, Any]:
    """What the summary says of P(chosen); nothing where it is as the judges state it, or where none compares."""
    if steps.habits is None or steps.judging is None or steps.meaning == "stated":
        return {}
    models = {asking.name: asking.model for asking in steps.judging.opinions}
    habits = [{"judge": models.get(name, name), **habit.to_dict()} for name, habit in steps.habits.items()]
    return {"p_chosen": steps.meaning, "habits": habits}


def _stamp(steps: Plan) -> dict[str, str]:
    return {"judgegen": version("judgegen"), "pyarrow": version("pyarrow"), "run": steps.fingerprint}
