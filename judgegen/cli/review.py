"""`judgegen review`: parses, makes the queue, serves it or hands it on. Knows nothing of pages."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judgegen.cli import completing
from judgegen.review.handover import Tool

if TYPE_CHECKING:
    from judgegen.review.queue import Queued


class By(Enum):
    """Which comparisons come first."""

    uncertain = "uncertain"
    random = "random"
    disagreement = "disagreement"
    informative = "informative"


Source = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|LABELLED", autocompletion=completing.runs, help="A run folder, or a file of comparisons."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FILE",
        help="The labels; without it labels.jsonl in RUN, or beside LABELLED. With --export the queue.",
    ),
]


def review(
    source: Source,
    *,
    sample: Annotated[int, typer.Option("--sample", metavar="N", min=1, help="How many comparisons.")] = 50,
    by: Annotated[
        By,
        typer.Option(
            "--by",
            help="Those the judge is least sure of, by lot, where its verdicts differ first, or those not labelled yet "
            "whose label is likeliest wrong, as the labels so far have taught.",
        ),
    ] = By.random,
    annotator: Annotated[
        str | None, typer.Option("--annotator", metavar="NAME", help="Who labels. Without it: the user's name.")
    ] = None,
    out: Out = None,
    port: Annotated[int, typer.Option("--port", metavar="P", min=0, max=65535, help="0 takes one that is free.")] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the sample, and of which side stands left.")] = 0,
    export: Annotated[
        Tool | None,
        typer.Option("--export", help="The queue for another tool instead, to --out or to be piped."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Label pairs yourself, blind; see how far the judge agrees.

    The page is on this machine alone, and its address has a token. Keys: 1, 2, 0 for a tie, s to skip, u to undo. Each
    label is on disk before the next pair comes; stop with Ctrl-C whenever you like, the same command goes on. The file
    of labels is what `judgegen judge check` and `judgegen judge calibrate` read; labels of several annotators in one
    file give a ceiling. Compare by --by random: figures over the uncertain ones are of those alone. To mend as many
    labels as possible with as few votes take --by informative, some twenty at a time.
    """
    from judgegen.cli import ending
    from judgegen.review import handover
    from judgegen.review.labels import Labels
    from judgegen.review.serve import rubric, serve
    from judgegen.review.sitting import Sitting
    from judgegen.writer.files import write_text

    who = annotator or getpass.getuser()
    with ending.told():
        beside = source / "labels.jsonl" if source.is_dir() else source.with_name(f"{source.name}.labels.jsonl")
        path = beside if out is None or export is not None else out
        found = _queue(source, sample, by, path, seed)
        if export is not None:
            text = handover.handed(found, export, annotator=who, seed=seed)
            if out is None:
                print(text, end="")
            else:
                write_text(out, text)
                print(f"{len(found):,} comparisons for {export.value} in {out}")
            return
        with Labels(path) as labels:
            sitting = Sitting(found, labels, who, seed)
            ready = _ready(labels.path, show=show)
            serve(sitting, port=port, name=source.resolve().name, told=rubric(source), ready=ready)
        print(f"{len(sitting.mine()):,} labels of {who} in {labels.path}", flush=True)


def _queue(source: Path, count: int, by: By, labels: Path, seed: int) -> list[Queued]:
    """What is to be labelled; `labels` teach what is informative."""
    from judgegen.review.informative import informative
    from judgegen.review.queue import items, queue
    from judgegen.sources import annotated

    every = items(source, _warn)
    if by is By.informative:
        return informative(every, count, annotated.read(labels) if labels.is_file() else (), seed)
    return queue(every, count, by.value, seed)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _ready(path: Path, *, show: bool) -> Callable[[str], None]:
    def told(address: str) -> None:
        print(f"{address}\nlabels go to {path}; Ctrl-C ends it", flush=True)
        if show:
            typer.launch(address)

    return told
