"""The `judgegen` command: finds the module of the command that was asked for, and says how errors end.

A command's module is imported when that command runs; listing them all costs no more than this file. Knows nothing of
what the commands do.
"""

from __future__ import annotations

import gc
import importlib
import io
import keyword
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "run": "Make preference pairs from a run file; run again, it continues.",
    "rehearse": "Play a run file through with made-up models, at no cost.",
    "status": "How a run stands, from another terminal while it goes on.",
    "write": "Write a run's outputs again from its journal, without a network.",
    "merge": "Make one run of the shards that --shard left.",
    "estimate": "Calls, tokens, USD and hours a run will take, before it does.",
    "show": "A few pairs, and prompts without one, to read in the terminal.",
    "report": "One page of a run: figures, charts, every pair to read.",
    "probe": "Ask each model a few tiny things, and say what a run will do.",
    "compare": "Two runs beside each other: agreement, moved labels, cost.",
    "review": "Label pairs yourself, blind; see how far the judge agrees.",
    "judge": "Check a judge against human votes, calibrate it, attack it.",
    "export": "Write preferences in the shape of one consumer.",
    "import": "Read preferences that others published.",
    "inspect": "Say what a file's rows are, and show three as read.",
    "validate": "Check a file by every documented rule of its consumer.",
    "init": "Write a commented run file and a few prompts to start from.",
    "list": "List the names that run files and commands take.",
    "schema": "Print the run file's JSON Schema, for editors.",
    "simulate": "Serve an OpenAI-compatible endpoint whose truth is known.",
    "train": "Train a model here, on the pairs of a run or a file.",
    "rounds": "Sample, judge, train, and again; see whether it gets better.",
    "finetune": "Fine-tune on a preference file: cost, jobs, their progress.",
}
"""Name and one line for the list; the command's own docstring begins with the same line."""


COLLECT_SELDOM = 20_000, 20, 100
"""Objects by which circles among them are looked for: loading and running make many objects and hardly any circles, and
looking as often as Python does takes 50 ms until a run's first call alone."""


class Deferred(TyperCommand):
    """A command known by its line of help, imported when it is asked for anything else."""

    def __init__(self, name: str) -> None:
        super().__init__(name, help=COMMANDS[name], callback=None, rich_markup_mode=None)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command, which then stands in this one's place."""
        return load(self.name or "").make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The commands in the order of `COMMANDS`, none of them imported."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {name: Deferred(name) for name in COMMANDS}


def load(name: str) -> Any:
    """The command itself: the module's `app`, or its function of the module's name."""
    spelled = f"{name}_" if keyword.iskeyword(name) else name
    module = importlib.import_module(f"judgegen.cli.{spelled}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(getattr(module, spelled))
    return typer.main.get_command(app)


HELP = {"help_option_names": ["--help", "-h"]}
app = typer.Typer(cls=Commands, add_completion=True, rich_markup_mode=None, no_args_is_help=True, context_settings=HELP)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"judgegen {version('judgegen')}")
        raise typer.Exit


@app.callback()
def judgegen(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Trusted preference pairs from a cheap sampler and a judge asked in both orders, with every cost on record."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, or the code of the error that ended it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode still gets an answer
    gc.set_threshold(*COLLECT_SELDOM)
    from judgegen.cli.outlet import outlets

    with outlets():
        _environment()
        typer.main.get_command(app)(arguments, prog_name="judgegen")


def _environment() -> None:
    """Take what the file .env here says and the environment does not; let Arrow take memory as Python does.

    Arrow's own allocator keeps 15 MB more in a run, for nothing.
    """
    from pathlib import Path

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if Path(".env").is_file():
        from dotenv import load_dotenv

        try:
            load_dotenv(".env", override=False, encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            print(f"error: .env: cannot be read ({error}); save it as UTF-8, or remove it", file=sys.stderr)
            sys.exit(2)
