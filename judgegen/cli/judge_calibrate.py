"""`judgegen judge calibrate`: parses, calls checking.calibrate, writes the file; nothing of how maps are fitted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli.judge_check import AsJson, Limit, Mapping, Source
from judgegen.cli.options import Batch, MaxUsd, Quiet, Wait, Yes, check_wait

if TYPE_CHECKING:
    from judgegen.trust import Gate
    from judgegen.writer.calibrated import Calibration


Labelled = Annotated[
    Path | None, typer.Argument(metavar="LABELLED", help="As for `judgegen judge check`; not with --plan.")
]
RunFile = Annotated[
    Path | None, typer.Option("--run", metavar="SPEC", help="The run file whose judge is asked; not with --plan.")
]
Planned = Annotated[
    bool, typer.Option("--plan", help="Say how many labels a target takes, and end: nothing is read or asked.")
]
File = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the calibration goes.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where the journal goes. Default: runs/NAME-check, with the run file's name."
    ),
]
Target = Annotated[
    float, typer.Option("--target", metavar="P", help="Agreement with people that kept pairs must reach.")
]
Confidence = Annotated[float, typer.Option("--confidence", metavar="P", help="With which they reach it.")]
Counted = Annotated[
    str,
    typer.Option(
        "--over",
        metavar="WHICH",
        help="Pairs that the target counts: those on which people have a majority for a side (majority), or all "
        "that are kept (all).",
    ),
]
Length = Annotated[
    bool,
    typer.Option(
        "--length",
        help="Let the map weigh how much longer one answer is than the other, where that foretells people's votes "
        "better: P(chosen) then follows length as they do.",
    ),
]


def calibrate(
    labelled: Labelled = None,
    *,
    run: RunFile = None,
    plan: Planned = False,
    file: File = Path("calibration.json"),
    target: Target = 0.9,
    confidence: Confidence = 0.95,
    over: Counted = "majority",
    length: Length = False,
    source: Source = None,
    mapping: Mapping = None,
    out: Folder = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    batch: Batch = False,
    wait: Wait = False,
    as_json: AsJson = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Fit a judge's confidence to human votes, and find from where on its pairs can be kept.

    Writes the map and the threshold, and says the line of the run file that takes it: a run then maps every p_chosen
    and drops what falls below. What `judgegen judge check` asked is not asked again.

    \b
    Exit codes:
      0    done
      2-5  as for `judgegen judge check`; nothing is fitted to half of the comparisons
      7    no threshold keeps pairs that agree with people at the target: FILE is written and says so
      8    you were asked whether money may be spent, and said no
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from judgegen.cli import ending

    if plan:
        with ending.told(as_json=as_json, show=lines):
            typer.echo("\n".join(planned(target, confidence)))
        return
    if labelled is None or run is None:
        raise typer.BadParameter("LABELLED and --run say what is fitted; --plan needs neither")
    check_wait(batch=batch, wait=wait)
    labels: dict[str, Any] = {"source": source, "mapping": mapping or ()}
    which: dict[str, Any] = {"run": run, **labels, "out": out, "limit": limit}
    how: dict[str, Any] = {"target": target, "confidence": confidence, "over": over, "length": length}
    paid: dict[str, Any] = {"max_usd": max_usd, "batch": batch, "wait": wait}
    _fit(labelled, file, which, how | paid, as_json=as_json, yes=yes, quiet=quiet)


def _fit(
    labelled: Path, file: Path, which: dict[str, Any], how: dict[str, Any], *, as_json: bool, yes: bool, quiet: bool
) -> None:
    """Fit, write the file and end; `which` says what is asked of whom, `how` what is wanted of it."""
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.errors import NoThreshold
    from judgegen.show.progress import watch_for
    from judgegen.study.calibrate import calibrate as fit
    from judgegen.study.check import expected
    from judgegen.writer.files import write_text

    job = partial(fit, labelled, **which, **how)
    with ending.told(as_json=as_json, show=lines):
        asked = partial(expected, labelled, **which)
        paid: dict[str, Any] = {"max_usd": how["max_usd"], "batch": how["batch"]}
        confirm(which["run"], asked, **paid, yes=yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, noun="comparisons") as watch:
            done = stoppable(job, watch)
        write_text(file, done.text())
    error = None if done.threshold is not None else NoThreshold(refusal(done))
    ending.end(done, error, as_json=as_json, show=lambda found: chain(lines(found), wrote(found, file, which["run"])))


def wrote(done: Calibration, file: Path, run: Path) -> Iterator[str]:
    """Where it is, and the line by which a run takes it, relative to the run file as that reads it."""
    yield f"  wrote      {file}"
    if done.threshold is not None:
        name = Path(os.path.relpath(file.resolve(), run.resolve().parent)).as_posix()
        yield f"  to use it  write under [judge] of {run}: calibration = {json.dumps(name, ensure_ascii=False)}"


def planned(target: float, confidence: float) -> Iterator[str]:
    """How many kept pairs a target takes, by how good the judge truly is."""
    from judgegen.study.calibrate import possible
    from judgegen.trust.power import PROBABLY, plan

    possible(target, confidence)
    yield f"To show with {confidence:.0%} confidence that kept pairs agree with people at {target:g}:"
    for true, pairs in plan(target, confidence=confidence):
        takes = "more than anybody labels" if pairs is None else f"{pairs:,} pairs that it keeps"
        yield f"  a judge that truly agrees in {true:.3f} takes {takes}, to be let in with probability {PROBABLY:g}"
    yield "Pairs it does not keep are labelled besides, and several pairs of a prompt count for less than one each."


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
    if found.length:
        yield (
            f"  length     a much longer answer has {found.length:+.2f} log odds with people beyond what the judge "
            f"says, and so in P(chosen)"
        )
    if gate.threshold is not None:
        yield (
            f"  threshold  keep P(chosen) >= {gate.threshold:.4g}: {gate.agreed} of {gate.kept} such pairs agree with "
            f"humans, of {gate.pairs} that both decide"
        )
        yield f"             at least {gate.bound:.3f} do with {gate.confidence:.0%} confidence; asked: {gate.target:g}"
    yield from _whose(gate)


def _whose(gate: Gate) -> Iterator[str]:
    """The promise counted both ways: a run keeps pairs that people would not agree on among themselves, too."""
    if gate.every and gate.votes and gate.every_agreed is not None and gate.votes_agreed is not None:
        where = "there" if gate.threshold is not None else "without a threshold"
        counted = "the target counts these" if gate.over == "all" else "the target counts those that people decide"
        yield (
            f"  of all     {gate.every_agreed / gate.every:.3f} of the {gate.every} pairs kept {where} have a majority "
            f"for the chosen; {counted}"
        )
        yield f"             {gate.votes_agreed / gate.votes:.3f} of their {gate.votes} votes are for it, ties half"


def refusal(done: Calibration) -> str:
    """Why there is no threshold, as a sentence."""
    gate = done.gate
    asked = f"agree with humans at {gate.target:g} with {gate.confidence:.0%} confidence"
    if gate.bound is None:
        return (
            f"no threshold: too few of {gate.pairs} pairs, or too few of like confidence, to show that they {asked}"
            f"{more_labels(gate)}"
        )
    return (
        f"no threshold keeps pairs that {asked}: of the {gate.kept} surest that were tested {gate.agreed} agree, "
        f"which vouches for {gate.bound:.3f}; choose another judge or template, or a lower --target{more_labels(gate)}"
    )


def more_labels(gate: Gate) -> str:
    """How many labels would probably settle it, if the surest pairs went on to agree as they do."""
    from judgegen.trust.power import needed

    kept, agreed = (gate.kept, gate.agreed) if gate.kept else (gate.every or 0, gate.every_agreed or 0)
    if not kept:
        return ""
    least = needed(agreed / kept, gate.target, confidence=gate.confidence)
    if least is None:
        return f"; more labels would not help a judge that agrees in {agreed} of {kept}"
    labels = -(-least * max(gate.pairs, 1) // kept)
    return (
        f"; if {agreed} of {kept} is what it does, about {max(labels, least):,} labelled pairs would probably show it"
    )
