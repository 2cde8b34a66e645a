"""`judgegen rounds`: from a run file to a model that was trained on its own judged answers, more than once."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judgegen.cli.finetune_jobs import Every as Look
from judgegen.cli.finetune_jobs import Rate as Multiplier
from judgegen.cli.finetune_jobs import Today
from judgegen.cli.train import BatchSize, Beta, Epochs, Labels, LoraR, MaxLength, Micro, Rate, Validation, Way

if TYPE_CHECKING:
    from judgegen.train.hosted import HostedOrder
    from judgegen.train.order import Order
    from judgegen.train.rounds import Course, Finished

HERE = ("learning_rate", "lora_r", "micro", "max_length", "validation", "slots")
"""Options that a provider takes no setting for."""
SETTINGS = {"beta": "beta", "epochs": "n_epochs", "batch": "batch_size", "multiplier": "learning_rate_multiplier"}
"""Options that it takes where they are given, and its names for them."""

File = Annotated[Path, typer.Argument(metavar="SPEC", help="A run file; its sampler's variants say how to sample.")]
Model = Annotated[
    str, typer.Option("--model", metavar="PATH|NAME", help="Where the first round begins, as for `judgegen train`.")
]
Number = Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="The most rounds.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: rounds/ and SPEC's name.")]
Share = Annotated[
    float, typer.Option("--held", metavar="SHARE", min=0.01, max=0.99, help="Of the prompts, kept to compare on.")
]
Draws = Annotated[
    int, typer.Option("--held-draws", metavar="K", min=1, help="Answers of every round to each prompt kept aside.")
]
Truth = Annotated[
    str | None, typer.Option("--truth", metavar="GRADER", help="Who says which held-out answer is right.")
]
Options = Annotated[
    str, typer.Option("--truth-options", metavar="JSON", help="What that grader is told, as a JSON object.")
]
Sure = Annotated[bool, typer.Option("--sure", help="Go on only where a round wins by its interval's low end, too.")]
Every = Annotated[bool, typer.Option("--all", help="Do every round, also after one that does not win.")]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", metavar="USD", min=0, help="The most that all of it may cost.")
]
Slots = Annotated[int, typer.Option("--slots", metavar="N", min=1, help="Answers that are written at once.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Spend money without asking.")]
Provider = Annotated[
    Literal["openai", "azure"] | None,
    typer.Option("--provider", help="Train there, where the sampler's endpoint asks, and not on this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]


def rounds(
    ctx: typer.Context,
    spec: File,
    *,
    model: Model,  # noqa: ARG001
    number: Number = 3,
    out: Out = None,
    held: Share = 0.3,
    draws: Draws = 1,
    truth: Truth = None,
    options: Options = "{}",
    sure: Sure = False,
    every: Every = False,
    provider: Provider = None,
    method: Way = "dpo",  # noqa: ARG001 - this and what follows is of the order
    beta: Beta = 0.1,  # noqa: ARG001
    lora_r: LoraR = 16,  # noqa: ARG001
    epochs: Epochs = 1.0,  # noqa: ARG001
    learning_rate: Rate = None,  # noqa: ARG001
    multiplier: Multiplier = None,  # noqa: ARG001
    batch: BatchSize = 16,  # noqa: ARG001
    micro: Micro = 4,  # noqa: ARG001
    max_length: MaxLength = 1024,  # noqa: ARG001
    validation: Validation = 0.1,  # noqa: ARG001
    labels: Labels = "judged",  # noqa: ARG001
    look: Look = 15.0,  # noqa: ARG001
    today: Today = None,  # noqa: ARG001
    max_usd: MaxUsd = None,
    slots: Slots = 32,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Sample, judge, train, and again; see whether it gets better.

    Each round samples from the model of the round before, trains on the pairs that SPEC's judge makes of its answers,
    and is put before that judge on prompts kept aside, beside round 0 and the round before, both orders. It stops when
    a round does not win. Killed anywhere, the same command goes on. Needs `pip install 'judgegen[train]'`; with
    --provider a fine-tuning job there trains on the pairs, once, and its model is asked by name.
    """
    from judgegen.train.rounds import Course

    course = Course(
        file=spec,
        rounds=number,
        order=_here(ctx.params, _given(ctx)) if provider is None else _hosted(ctx.params, _given(ctx)),
        out=out or Path("rounds") / spec.stem,
        held=held,
        draws=draws,
        truth=None if truth is None else (truth, _told(options)),
        max_usd=None if max_usd is None else Decimal(str(max_usd)),
        sure=sure,
        every=every,
        slots=slots,
    )
    _play(course, yes=yes, as_json=as_json)


def _given(ctx: typer.Context) -> set[str]:
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def _here(told: dict[str, Any], given: set[str]) -> Order:
    """How this machine trains."""
    from judgegen.train.order import Order

    if "multiplier" in given:
        raise typer.BadParameter("is a provider's; here it is --learning-rate", param_hint=_option("multiplier"))
    keys = ("model", "method", "beta", "lora_r", "epochs", "learning_rate", "batch", "max_length", "validation")
    whole = {key: told[key] for key in keys}
    return Order(**whole, labels=told["labels"], micro=min(told["micro"], told["batch"]))


def _hosted(told: dict[str, Any], given: set[str]) -> HostedOrder:
    """How a provider trains: what was given, the rest as it likes."""
    from judgegen.train.hosted import HostedOrder

    service = told["provider"]
    for name in HERE:
        if name in given:
            raise typer.BadParameter(f"is of training on this machine, and {service} trains", param_hint=_option(name))
    if told["method"] not in ("dpo", "sft"):
        raise typer.BadParameter(f"{service} trains by dpo or sft", param_hint="--method")
    if not float(told["epochs"]).is_integer():
        raise typer.BadParameter(f"{service} trains for whole ones", param_hint="--epochs")
    settings = {key: told[name] for name, key in SETTINGS.items() if name in given}
    settings |= {"n_epochs": int(settings["n_epochs"])} if "n_epochs" in settings else {}
    named = {key: told[key] for key in ("model", "method", "labels")}
    today = None if told["today"] is None else told["today"].date()
    return HostedOrder(service=service, **named, settings=settings, every=told["look"], today=today)


def _option(name: str) -> str:
    return "--learning-rate-multiplier" if name == "multiplier" else f"--{name.replace('_', '-')}"


def _play(course: Course, *, yes: bool, as_json: bool) -> None:
    """Do what is planned and print what it came to."""
    if course.every and course.sure:
        raise typer.BadParameter("does every round, and --sure says after which to stop; take one", param_hint="--all")
    from judgegen.cli import ending
    from judgegen.train.rounds import rounds as played

    with ending.told(as_json=as_json):
        _allowed(course, yes=yes)
        done = played(course, lambda line: print(line, file=sys.stderr if as_json else sys.stdout, flush=True))
    print(json.dumps(done.row()) if as_json else _ended(done, course.out))


def _ended(done: Finished, out: Path) -> str:
    figures = f"  the figures      {out / 'rounds.json'}"
    return f"ended: {done.why}; it cost {done.usd} USD\n  the last model   {done.model}\n{figures}"


def _allowed(course: Course, *, yes: bool) -> None:
    """Ask before money is spent, as every command does: what the judge of every round takes is not known before.

    Raises:
        Declined: the answer was no.
        SpecError: nobody can be asked, and neither --yes nor a cap allows it; the run file cannot be read.
    """
    from judgegen.cli import confirm
    from judgegen.train.hosted import HostedOrder
    from judgegen.train.rounds import capped

    spec, cap = capped(course)
    hosted = isinstance(course.order, HostedOrder)
    if yes or not (hosted or confirm.may_cost(spec)) or (cap is not None and not confirm.terminal()):
        return
    most = "nothing caps it" if cap is None else f"${cap:f} is the most"
    paid = "answers, judge and training are" if hosted else "the judge is"
    confirm.permit(f"{paid} paid in each of {course.rounds} rounds, and {most}", f"{most}: go on?")


def _told(options: str) -> dict[str, object]:
    try:
        found = json.loads(options)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter("must be a JSON object", param_hint="--truth-options")
    return found
