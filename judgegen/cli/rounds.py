"""`judgegen rounds`: from a run file to a model that was trained on its own judged answers, more than once."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judgegen.cli.train import BatchSize, Beta, Epochs, Labels, LoraR, MaxLength, Micro, Rate, Validation, Way

if TYPE_CHECKING:
    from judgegen.train.rounds import Done, Plan

File = Annotated[Path, typer.Argument(metavar="SPEC", help="A run file; its sampler's variants say how to sample.")]
Model = Annotated[
    str, typer.Option("--model", metavar="PATH|NAME", help="Where the first round begins, as for `judgegen train`.")
]
Number = Annotated[int, typer.Option("--rounds", metavar="N", min=1, help="The most rounds.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: rounds/ and SPEC's name.")]
Share = Annotated[
    float, typer.Option("--held", metavar="SHARE", min=0.01, max=0.99, help="Of the prompts, kept to compare on.")
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
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]


def rounds(
    spec: File,
    *,
    model: Model,
    number: Number = 3,
    out: Out = None,
    held: Share = 0.3,
    truth: Truth = None,
    options: Options = "{}",
    sure: Sure = False,
    every: Every = False,
    method: Way = "dpo",
    beta: Beta = 0.1,
    lora_r: LoraR = 16,
    epochs: Epochs = 1.0,
    learning_rate: Rate = None,
    batch: BatchSize = 16,
    micro: Micro = 4,
    max_length: MaxLength = 1024,
    validation: Validation = 0.1,
    labels: Labels = "judged",
    max_usd: MaxUsd = None,
    slots: Slots = 32,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Sample, judge, train, and again; see whether it gets better.

    Each round samples from the model of the round before, trains on the pairs that SPEC's judge makes of its answers,
    and is put before that judge on prompts kept aside, beside round 0 and the round before, both orders. It stops when
    a round does not win. Killed anywhere, the same command goes on. Needs `pip install 'judgegen[train]'`.
    """
    from judgegen.train.order import Order
    from judgegen.train.rounds import Plan

    plan = Plan(
        file=spec,
        rounds=number,
        order=Order(
            method=method,
            model=model,
            beta=beta,
            lora_r=lora_r,
            epochs=epochs,
            learning_rate=learning_rate,
            batch=batch,
            micro=min(micro, batch),
            max_length=max_length,
            validation=validation,
            labels=labels,
        ),
        out=out or Path("rounds") / spec.stem,
        held=held,
        truth=None if truth is None else (truth, _told(options)),
        max_usd=None if max_usd is None else Decimal(str(max_usd)),
        sure=sure,
        every=every,
        slots=slots,
    )
    _play(plan, yes=yes, as_json=as_json)


def _play(plan: Plan, *, yes: bool, as_json: bool) -> None:
    """Do what is planned and print what it came to."""
    if plan.every and plan.sure:
        raise typer.BadParameter("does every round, and --sure says after which to stop; take one", param_hint="--all")
    from judgegen.cli import ending
    from judgegen.train.rounds import rounds as played

    with ending.told(as_json=as_json):
        _allowed(plan, yes=yes)
        done = played(plan, lambda line: print(line, file=sys.stderr if as_json else sys.stdout, flush=True))
    print(json.dumps(done.row()) if as_json else _ended(done, plan.out))


def _ended(done: Done, out: Path) -> str:
    figures = f"  the figures      {out / 'rounds.json'}"
    return f"ended: {done.why}; it cost {done.usd} USD\n  the last model   {done.model}\n{figures}"


def _allowed(plan: Plan, *, yes: bool) -> None:
    """Ask before money is spent, as every command does: what the judge of every round takes is not known before.

    Raises:
        Declined: the answer was no.
        SpecError: nobody can be asked, and neither --yes nor a cap allows it; the run file cannot be read.
    """
    from judgegen.cli import confirm
    from judgegen.train.rounds import capped

    spec, cap = capped(plan)
    if yes or not confirm.may_cost(spec) or (cap is not None and not confirm.terminal()):
        return
    most = "nothing caps it" if cap is None else f"${cap:f} is the most"
    confirm.permit(f"the judge is paid in each of {plan.rounds} rounds, and {most}", f"{most}: go on?")


def _told(options: str) -> dict[str, object]:
    try:
        found = json.loads(options)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter("must be a JSON object", param_hint="--truth-options")
    return found
