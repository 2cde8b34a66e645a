"""`judgegen judge calibrate`: parses, calls checking.calibrate, writes the file; nothing of how maps are fitted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli.judge_check import AsJson, Labelled, Limit, Out, RunFile, Source
from judgegen.cli.options import Batch, MaxUsd, Quiet, Wait, Yes, check_wait

if TYPE_CHECKING:
    from judgegen.writer.calibrated import Calibration


def calibrate(
    labelled: Labelled,
    *,
    run: RunFile,
    file: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the calibration goes.")] = Path(
        "calibration.json"
    ),
    target: Annotated[
        float, typer.Option("--target", metavar="P", help="Agreement with people that kept pairs must reach.")
    ] = 0.9,
    confidence: Annotated[float, typer.Option("--confidence", metavar="P", help="With which they reach it.")] = 0.95,
    source: Source = None,
    out: Out = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    batch: Batch = False,
    wait: Wait = False,
    as_json: AsJson = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Fit a judge's confidence to human votes, and find from where on its pairs can be kept.

    Writes the map and the threshold; `[judge] calibration = "FILE"` in a run file then maps every p_chosen and drops
    what falls below. What `judgegen judge check` asked is not asked again.

    \b
    Exit codes:
      0    done
      2-5  as for `judgegen judge check`; nothing is fitted to half of the comparisons
      7    no threshold keeps pairs that agree with people at the target: FILE is written and says so
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.errors import NoThreshold
    from judgegen.show.progress import watch_for
    from judgegen.study.calibrate import calibrate as fit
    from judgegen.study.check import expected
    from judgegen.writer.files import write_text

    check_wait(batch=batch, wait=wait)
    which: dict[str, Any] = {"run": run, "source": source, "out": out, "limit": limit}
    how: dict[str, Any] = {"target": target, "confidence": confidence, "max_usd": max_usd, "batch": batch, "wait": wait}
    job = partial(fit, labelled, **which, **how)
    with ending.told(as_json=as_json, show=lines):
        confirm(run, partial(expected, labelled, **which), batch=batch, ask=not yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, noun="comparisons") as watch:
            done = stoppable(job, watch)
        write_text(file, done.text())
    error = None if done.threshold is not None else NoThreshold(refusal(done))
    ending.end(done, error, as_json=as_json, show=lines)


KINDS = {
    "pooled": "pooled over all comparisons of a prompt",
    "direct": "of the two's own comparison, as far as the judge is believed",
    "stated": "as the judge states it",
}


def lines(done: Calibration) -> Iterator[str]:
    """A calibration for people."""
    found, gate = done.map, done.gate
    before, after = found.brier_before, found.brier_after
    yield f"{done.n:,} comparisons of {done.prompts:,} prompts"
    yield f"  kind       of P(chosen) that is {KINDS[done.kind]}"
    if before is not None and after is not None:
        yield f"  map        {found.method}; Brier {before:.3f} before, {after:.3f} after, on prompts not fitted on"
    if gate.threshold is not None:
        yield (
            f"  threshold  keep P(chosen) >= {gate.threshold:.4g}: {gate.agreed} of {gate.kept} such pairs agree with "
            f"humans, of {gate.pairs} that both decide"
        )
        yield f"             at least {gate.bound:.3f} do with {gate.confidence:.0%} confidence; asked: {gate.target:g}"


def refusal(done: Calibration) -> str:
    """Why there is no threshold, as a sentence."""
    gate = done.gate
    asked = f"agree with humans at {gate.target:g} with {gate.confidence:.0%} confidence"
    if gate.bound is None:
        return f"no threshold: too few of {gate.pairs} pairs, or too few of like confidence, to show that they {asked}"
    return (
        f"no threshold keeps pairs that {asked}: of the {gate.kept} surest that were tested {gate.agreed} agree, "
        f"which vouches for {gate.bound:.3f}; choose another judge or template, or a lower --target"
    )
