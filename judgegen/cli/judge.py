"""`judgegen judge`: what is known of the judge of a run file. One module per command."""

from __future__ import annotations

import typer

from judgegen.cli.judge_align import align
from judgegen.cli.judge_attack import attack
from judgegen.cli.judge_calibrate import calibrate
from judgegen.cli.judge_check import check
from judgegen.cli.judge_compare import compare

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def judge() -> None:
    """Check a judge against human votes, calibrate it, attack it."""


for command in (check, calibrate, attack, compare, align):
    app.command(short_help=(command.__doc__ or "").partition("\n")[0])(command)
