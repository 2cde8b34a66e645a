"""Calibrate: a judge's confidence fitted to human votes, and the threshold above which its pairs agree with them.

What is fitted is a check's verdicts. Knows nothing of terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from judgegen.errors import JudgegenError, SpecError
from judgegen.exchange.comparisons import Rows
from judgegen.llm.stop import Stop
from judgegen.plan.fitting import judge_of
from judgegen.plan.run import plan, texts
from judgegen.run.rounds import POLL_S
from judgegen.run.session import Given
from judgegen.spec import Spec
from judgegen.study.check import Check, check, resolved_of
from judgegen.study.worth import check_schedule
from judgegen.trust import Gate, Judged, Over, by_vote, fit_map, longer_by_vote, promised
from judgegen.trust.figures import extra
from judgegen.trust.shift import seen
from judgegen.watch import Watch
from judgegen.writer.calibrated import Calibration

TARGET, CONFIDENCE = 0.9, 0.95
"""What is asked of kept pairs unless something else is: agreement with humans, and how sure that is to hold."""


async def calibrate(
    labelled: Rows,
    *,
    run: Given,
    target: float = TARGET,
    confidence: float = CONFIDENCE,
    over: Over = "majority",
    length: bool = False,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    batch: bool = False,
    wait: bool = False,
    poll_s: float = POLL_S,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Calibration:
    """Fit a judge's confidence to human votes and find the threshold above which its pairs agree with them.

    That there is none is an answer: `threshold` is None then. What a check asked is not asked again.

    Args:
        labelled: as for `check`.
        run: as for `check`.
        target: the agreement wanted of the kept pairs, in (0, 1).
        confidence: that it holds.
        over: the pairs it counts, see `trust.gate.Over`.
        length: let the map weigh how much longer one answer is, where that foretells the votes better.
        source: as for `check`.
        mapping: as for `check`.
        out: as for `check`.
        limit: as for `check`.
        max_usd: as for `check`.
        batch: as for `check`.
        wait: as for `check`.
        poll_s: as for `check`.
        watch: as for `check`.
        stop: as for `check`.

    Raises:
        SpecError: as `check`; or the target cannot be one, or there are fewer than two prompts.
        JudgegenError: as `check`; nothing is fitted to half of the comparisons.
    """
    possible(target, confidence)
    extra("sklearn.isotonic")
    resolved, base, folder = resolved_of(run, out)
    try:
        which: dict[str, Any] = {"source": source, "mapping": mapping, "limit": limit}
        how: dict[str, Any] = {"max_usd": max_usd, "batch": batch, "wait": wait, "poll_s": poll_s}
        done = await check(labelled, run=run, out=folder, **which, **how, watch=watch, stop=stop)
    except JudgegenError as error:
        error.run = None
        raise
    test = partial(promised, target=target, confidence=confidence, over=over)
    return _fitted(done, resolved, base, test, length=length)


def _fitted(
    done: Check, resolved: Spec, base: Path, gate: Callable[[Sequence[Judged]], Gate], *, length: bool
) -> Calibration:
    """The map and the gate of a whole check, with the judge they are of."""
    kept = texts(resolved, base)
    steps = plan(resolved, kept, base)
    if steps.judging is not None:
        check_schedule(done.worth, steps)
    table, template = judge_of(resolved, kept)
    found = gate(done.rows)
    return Calibration(
        map=fit_map(*by_vote(done.rows), longer=longer_by_vote(done.rows) if length else None),
        gate=found,
        seen=seen(done.rows, found.threshold),
        seed=resolved.seed,
        verdicts=done.verdicts,
        n=len(done.rows),
        prompts=len({row.prompt_id for row in done.rows}),
        judge=table,
        template=template,
        fingerprint=steps.fingerprint,
        kind=done.worth.kind,
        schedule=done.worth.schedule,
        habits=done.worth.habits,
    )


def possible(target: float, confidence: float) -> None:
    """Refuse what no sample can show.

    Raises:
        SpecError: one of the two is not between 0 and 1.
    """
    for name, value in (("target", target), ("confidence", confidence)):
        if not 0 < value < 1:
            raise SpecError(f"{name} = {value:g} cannot be met by any sample; it must lie between 0 and 1")
