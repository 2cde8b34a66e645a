"""How a command ends: the figures, where the files are, the first pairs; or one JSON object; or the error and its mend.

Reads a run's summary and the first rows of its preferences.jsonl. Knows nothing of how they came about.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from judgegen.errors import BudgetReached, Incomplete, Interrupted, JudgegenError, SpecError
from judgegen.run.result import Run
from judgegen.show.words import figures, files, first_pairs, headline, said, shortened

CONTINUES = {
    Interrupted: "to continue:",
    Incomplete: "to try again:",
    BudgetReached: "with a higher cap this continues:",
}
POOR_JUDGE = """\
SmolLM2-135M is a real language model and a poor judge: these labels are for looking, not for training.
Name a stronger [judge] model in the run file before you use them."""

Show = Callable[[Any], Iterable[str]]
"""What a command came to, for people, line by line."""


@contextmanager
def told(*, as_json: bool = False, show: Show | None = None) -> Iterator[None]:
    """What goes wrong inside is told in words, or as JSON too, and ends the process with the error's code."""
    try:
        yield
    except JudgegenError as error:
        end(error.run, error, as_json=as_json, show=show)
    except OSError as error:
        if error.filename is None:  # no file's trouble: a fault of ours, which deserves its traceback
            raise
        end(None, JudgegenError(f"{error.filename}: {error.strerror}"), as_json=as_json)


def end(run: Any, error: JudgegenError | None = None, *, as_json: bool, show: Show | None = None) -> NoReturn:
    """Print what a command came to (a Run, or what `show` knows) and exit: 0, or the error's code."""
    if as_json:
        print(json.dumps(_object(run, error)))
    elif run is not None:
        print("\n".join((show or text)(run)))
    if error is None:
        raise typer.Exit
    print(f"{'stopped' if isinstance(error, Interrupted) else 'error'}: {error}", file=sys.stderr)
    if type(error) in CONTINUES:
        print(f"{CONTINUES[type(error)]} {same_command()}", file=sys.stderr)
    raise typer.Exit(error.exit_code)


def _object(run: Any, error: JudgegenError | None) -> dict[str, Any]:
    row = dict(run.summary) if run is not None else {}
    return row if error is None else {**row, "error": {"type": type(error).__name__, "message": str(error)}}


def same_command() -> str:
    """The command line this process was started with, to be pasted into a shell."""
    return command(*sys.argv[1:])


def command(*arguments: str) -> str:
    """A command line of this program, started the way it was started this time."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return shlex.join([sys.orig_argv[0], "-m", "judgegen", *arguments])
    found = shutil.which(program.name)
    on_path = found is not None and os.path.realpath(found) == os.path.realpath(program)
    return shlex.join([program.name if on_path else str(program), *arguments])


def text(run: Run) -> Iterator[str]:
    """A run's end for people, line by line."""
    yield headline(run.summary)
    for name, value in figures(run.summary).items():
        yield f"  {name:<9} {value}"
    yield f"  {'files':<9} {run.folder}: {', '.join(files(run.folder))}"
    for number, row in enumerate(first_pairs(run.folder), start=1):
        yield ""
        yield from _pair(number, row)
    if poor_judge(run.folder):
        yield f"\n{POOR_JUDGE}"


def _pair(number: int, row: Mapping[str, Any]) -> Iterator[str]:
    width = min(100, shutil.get_terminal_size((100, 24)).columns) - 12
    yield f"{number}. {'prompt':<8} {shortened(said(row['prompt'][-1:]), width)}"
    for side in ("chosen", "rejected"):
        yield f"   {side:<8} {shortened(said(row[side]), width)}"
    yield f"   {'p':<8} {row['p_chosen']:.2f}"


def poor_judge(folder: Path) -> bool:
    """Whether the packaged small model was this run's judge."""
    from judgegen import spec
    from judgegen.llm.providers.llama import PACKAGED

    try:
        found = spec.read(folder / "run.toml")
    except SpecError:
        return False
    return found.judge.model == PACKAGED
