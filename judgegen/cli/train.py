"""`judgegen train`: a model trained here on a run's pairs. Parses, calls train, prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Way = Annotated[
    Literal["sft", "dpo", "ipo", "kto", "robust", "reward"],
    typer.Option("--method", help="How; docs/training.md says which for which data."),
]
Beta = Annotated[
    float, typer.Option("--beta", metavar="B", min=1e-6, help="How near to the base model; dpo, ipo, kto, robust.")
]
LoraR = Annotated[int, typer.Option("--lora-r", metavar="R", min=0, help="The adapter's rank; 0 trains all weights.")]
Epochs = Annotated[float, typer.Option("--epochs", metavar="E", min=1e-6, help="Times through the rows.")]
Rate = Annotated[
    float | None,
    typer.Option("--learning-rate", metavar="X", min=1e-12, help="Default: 1e-4, sft 2e-4; a tenth without adapter."),
]
BatchSize = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Rows to a step.")]
Micro = Annotated[int, typer.Option("--micro", metavar="N", min=1, help="Of these, how many at once in memory.")]
MaxLength = Annotated[
    int, typer.Option("--max-length", metavar="T", min=8, help="Tokens beyond which a row is cut, prompt included.")
]
Labels = Annotated[
    Literal["judged", "shuffled"],
    typer.Option("--labels", help="As judged; or half of the pairs turned round, for a control."),
]
Validation = Annotated[
    float, typer.Option("--validation", metavar="SHARE", min=0, max=0.9, help="Of the prompts, kept back to measure.")
]


def train(
    source: Annotated[Path, typer.Argument(metavar="RUN_OR_FILE", help="A run folder, or a file of preferences.")],
    *,
    model: Annotated[
        str,
        typer.Option("--model", metavar="PATH|NAME", help="A folder, a .gguf, smollm2-135m-instruct, a hub's name."),
    ],
    method: Way = "dpo",
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: beside the input.")] = None,
    beta: Beta = 0.1,
    lora_r: LoraR = 16,
    epochs: Epochs = 1.0,
    learning_rate: Rate = None,
    batch: BatchSize = 16,
    micro: Micro = 4,
    max_length: MaxLength = 1024,
    validation: Validation = 0.1,
    labels: Labels = "judged",
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the adapter, the order of rows, the split.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Train a model here, on the pairs of a run or a file.

    By TRL, on this machine's GPU or its CPU. It says how long it will take before it starts, and shows loss and reward
    margin of prompts that are kept back. Stopped or killed, the same command goes on. DIR gets the adapter, the merged
    model and its card. Needs `pip install 'judgegen[train]'`.
    """
    from judgegen.cli import ending
    from judgegen.train.order import Order
    from judgegen.train.train import train as trained

    order = Order(
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
        seed=seed,
        labels=labels,
    )
    folder = out or source.with_name(f"{source.name}.{method}")
    with ending.told(as_json=as_json):
        done = trained(source, order, folder, lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps({"folder": str(done.folder), "fresh": done.fresh, **done.facts}, default=float))
        return
    print(f"trained: {done.folder}" if done.fresh else f"trained already: {done.folder}")
    print(f"  the whole model   {done.model}")
    print(f"  its card          {done.folder / 'README.md'}")
    if method != "reward":
        print(f'to sample from it: provider = "transformers", model = "{done.model}"')
        print(f"served for others: vllm serve {done.model}")
