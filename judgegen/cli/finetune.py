"""`judgegen finetune`: its commands, and `cost` among them, which parses, calls finetune.cost and prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from judgegen.cli import completing, finetune_jobs

if TYPE_CHECKING:
    from judgegen.finetune.cost import Cost, Load

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def finetune() -> None:
    """Fine-tune on a preference file: cost, jobs, their progress."""


@app.command()
def cost(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL in OpenAI's shape: dpo, sft or rft.")],
    *,
    model: Annotated[
        str,
        typer.Option("--model", metavar="M", autocompletion=completing.models, help="The base model, or a tune of it."),
    ],
    method: Annotated[
        Literal["dpo", "sft", "rft"] | None,
        typer.Option("--method", help="Default: what the first line is shaped for."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, max=50, help="Default: the cookbook's heuristic.")
    ] = None,
    requests_per_day: Annotated[
        int | None, typer.Option("--requests-per-day", metavar="R", min=0, help="Load of the tuned model.")
    ] = None,
    input_tokens: Annotated[
        int | None, typer.Option("--input-tokens", metavar="I", min=0, help="Tokens into each request.")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option("--output-tokens", metavar="O", min=0, help="Tokens out of each request.")
    ] = None,
    today: Annotated[
        datetime | None, typer.Option("--today", formats=["%Y-%m-%d"], help="Judge the dates as if it were this day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Tokens, training cost and running cost, before a job.

    The tokens in FILE, what training on it costs, and what the tuned model costs a day and a month. Nothing is sent and
    no key is needed. A model that trains or answers for no more than ninety more days is warned about; one that is gone
    is an error.
    """
    from judgegen.cli import ending
    from judgegen.finetune.cost import estimate

    day = (today or datetime.now(UTC)).date()
    with ending.told(as_json=as_json):
        load = _load(requests_per_day, input_tokens, output_tokens)
        found = estimate(file, model, today=day, method=method, epochs=epochs, load=load)
    _show(found, as_json=as_json)


app.command()(finetune_jobs.submit)
app.command()(finetune_jobs.watch)
app.command("list")(finetune_jobs.listed)
app.command()(finetune_jobs.cancel)


def _load(requests_per_day: int | None, input_tokens: int | None, output_tokens: int | None) -> Load | None:
    """The load, if all of it is given; nothing, if none of it is."""
    from judgegen.errors import SpecError
    from judgegen.finetune.cost import Load

    if requests_per_day is None and input_tokens is None and output_tokens is None:
        return None
    if requests_per_day is None or input_tokens is None or output_tokens is None:
        raise SpecError("the running cost needs all of --requests-per-day, --input-tokens and --output-tokens")
    return Load(requests_per_day=requests_per_day, input_tokens=input_tokens, output_tokens=output_tokens)


def _show(found: Cost, *, as_json: bool) -> None:
    from judgegen.finetune import show

    if as_json:
        import json

        print(json.dumps(show.to_dict(found)))
        return
    from rich.console import Console

    Console().print(show.renderable(found))
