"""How a command ends: the figures, where the files are, the first pairs; or one JSON object; or the error and its mend.

Reads a run's summary and the first rows of its preferences.jsonl. Knows nothing of how they came about.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from judgegen.cli.outlet import fitting
from judgegen.errors import BudgetReached, Incomplete, Interrupted, JudgegenError, OutputError, SpecError, Waiting
from judgegen.run.result import Run
from judgegen.show import alone
from judgegen.show.words import figures, files, first_pairs, headline, said, shortened
from judgegen.textual import harmless

if TYPE_CHECKING:
    from judgegen.spec import Spec

CONTINUES = {
    Interrupted: "to continue:",
    Incomplete: "to try again:",
    Waiting: "to look again:",
    BudgetReached: "with a higher cap this continues:",
}
_STATES = {Interrupted: "stopped", Waiting: "waiting"}
"""What is no error."""
POOR_JUDGE = """\
SmolLM2-135M is a real language model and a poor judge: these labels are for looking, not for training.
Name a stronger [judge] model in the run file before you use them."""
POOR_BESIDE_A_GRADER = """\
SmolLM2-135M is a real language model and a poor judge: the grader decided these pairs. Name a stronger [judge] model
in the run file before you use labels that no grader checks."""
MADE_UP = 'What provider = "scripted" said is made up: for looking, not for training.'

_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""What a disk says that is full, failing or closed to writing, and a system with no file left to give."""

_MENDS = {
    errno.EEXIST: "; something stands there already: name another place",
    errno.ENOTDIR: "; a part of this path is a file: name another",
    errno.EISDIR: "; it is a folder: name a file in it",
    errno.EACCES: "; you may not write or read there: name another place, or see who owns it",
}
"""What to do about a path, by what the system says of it."""

Show = Callable[[Any], Iterable[str]]
"""What a command came to, for people, line by line."""


@contextmanager
def told(*, as_json: bool = False, show: Show | None = None) -> Iterator[None]:
    """What goes wrong inside is told in words, or as JSON too, and ends the process with the error's code.

    The last resort for what is left: trouble of the disk is the user's to mend, anything else ours, and neither is a
    reason to lose the word of what is kept.
    """
    try:
        yield
    except JudgegenError as error:
        end(error.run, error, as_json=as_json, show=show)
    except OSError as error:
        end(None, _of_files(error), as_json=as_json)
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("click", "typer"):  # how these end a command
            raise
        end(None, _of_ours(error), as_json=as_json)


def _of_files(error: OSError) -> JudgegenError:
    """A file or the disk is in the way."""
    what = error.strerror or str(error) or type(error).__name__
    if error.errno in _ROOM:
        where = "" if error.filename is None else f"{error.filename}: "
        return OutputError(
            f"{where}cannot be written ({what}): the disk is full, a quota is reached, or it is failing; the outputs "
            f"are as they were, every answer is in the journal; make room, then the same command goes on"
        )
    if error.filename is None:
        return OutputError(f"{what}; nothing is lost")
    return OutputError(f"{error.filename}: {what}{_MENDS.get(error.errno or 0, '')}")


def _of_ours(error: BaseException) -> JudgegenError:
    """A fault of this program, where it happened, in one line; the whole of it goes to a file on request."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    if os.environ.get("JUDGEGEN_TRACEBACK"):
        traceback.print_exception(error)
    return JudgegenError(
        f"a fault of judgegen's own: {type(error).__name__}: {str(error)[:300]} (at {where}); what was answered is in "
        f"the journal; please report it with what JUDGEGEN_TRACEBACK=1 prints"
    )


def end(run: Any, error: JudgegenError | None = None, *, as_json: bool, show: Show | None = None) -> NoReturn:
    """Print what a command came to (a Run, or what `show` knows) and exit: 0, or the error's code."""
    if as_json:
        print(json.dumps(_object(run, error)))
    elif run is not None:
        print("\n".join((show or text)(run)))
    if error is None:
        raise typer.Exit
    print(harmless(f"{_STATES.get(type(error), 'error')}: {error}"), file=sys.stderr)
    if type(error) in CONTINUES:
        print(f"{CONTINUES[type(error)]} {again(error)}", file=sys.stderr)
    raise typer.Exit(error.exit_code)


def _object(run: Any, error: JudgegenError | None) -> dict[str, Any]:
    row = dict(run.summary) if run is not None else {}
    return row if error is None else {**row, "error": {"type": type(error).__name__, "message": str(error)}}


def again(error: JudgegenError) -> str:
    """The command that continues: this one, and with a higher cap where the cap ended it."""
    cap = error.continues if isinstance(error, BudgetReached) else None
    if cap is None:
        return same_command()
    kept, words = list[str](), iter(sys.argv[1:])
    for word in words:
        if word == "--max-usd":
            next(words, None)
        elif not word.startswith("--max-usd="):
            kept.append(word)
    return command(*kept, "--max-usd", f"{cap.normalize():f}")


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
    spec = _kept(run.folder)
    shown = {**figures(run.summary), **_beside_a_grader(run.folder, spec)}
    shown["files"] = f"{run.folder}: {', '.join(files(run.folder))}"
    for name, value in shown.items():
        yield from fitting(f"  {name:<9} {value}", indent=12)
    for number, row in enumerate(first_pairs(run.folder), start=1):
        yield ""
        yield from _pair(number, row)
    if spec is not None and _poor(spec):
        yield f"\n{POOR_JUDGE if spec.judge.grade is None else POOR_BESIDE_A_GRADER}"
        yield ""
        yield f"next: {command('show', str(run.folder))}"
        yield f"      {command('init', 'mine')}"
    if (
        spec is not None
        and not spec.rehearsal
        and any(one.provider == "scripted" for one in spec.used_endpoints().values())
    ):
        yield f"\n{MADE_UP}"


def _beside_a_grader(folder: Path, spec: Spec | None) -> dict[str, str]:
    """What the judge alone would have said, where a grader decides beside it."""
    if spec is None or spec.judge.grade is None:
        return {}
    said = alone.sentence(alone.alone(folder))
    return {"judge": said} if said else {}


def _pair(number: int, row: Mapping[str, Any]) -> Iterator[str]:
    width = min(100, shutil.get_terminal_size((100, 24)).columns) - 12
    yield f"{number}. {'prompt':<8} {shortened(said(row['prompt'][-1:]), width)}"
    for side in ("chosen", "rejected"):
        yield f"   {side:<8} {shortened(said(row[side]), width)}"
    if row["p_chosen"] is not None:  # no judge said which of the two
        yield f"   {'p':<8} {row['p_chosen']:.2f}"


def _kept(folder: Path) -> Spec | None:
    """The run file in a run folder; None where it does not hold."""
    from judgegen import spec

    try:
        return spec.read(folder / "run.toml")
    except SpecError:
        return None


def _poor(spec: Spec) -> bool:
    """Whether the packaged small model was this run's judge."""
    from judgegen.llm.providers.llama import PACKAGED

    return spec.judge.model == PACKAGED and not spec.rehearsal
