"""TRL's trainer for an order: built, measured on its longest rows, trained from its last whole checkpoint, and saved.

Everything that torch knows is here. Knows nothing of where rows come from.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm import weights
from judgegen.train.live import Say, callback
from judgegen.train.order import Order
from judgegen.train.rows import LEAST, Rows

CHECKPOINTS = 8
"""How many are written over a training; the last two are kept."""
_NO_ROOM = ("out of memory", "can't allocate memory", "not enough memory")


def built(order: Order, rows: Rows, base: str, folder: Path, say: Say) -> Any:
    """The trainer, seeded before anything random: the adapter's first weights, then the order of rows."""
    import datasets
    import transformers
    import trl

    transformers.set_seed(order.seed)
    config, kind = getattr(trl, order.way.trainer.replace("Trainer", "Config")), getattr(trl, order.way.trainer)
    datasets.disable_progress_bars()
    data = {
        "train_dataset": datasets.Dataset.from_list(rows.train),
        "eval_dataset": datasets.Dataset.from_list(rows.held) if rows.held else None,
    }
    args = config(**settings(order, rows, folder))
    with weights.quiet():
        trainer = kind(
            model=_model(order, base),
            args=args,
            processing_class=weights.tokenizer(base),
            peft_config=_adapter(order),
            callbacks=[callback(say)],
            **data,
        )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _model(order: Order, base: str) -> Any:
    """The base: one that writes, or for a reward one that scores."""
    if order.method != "reward":
        return weights.causal(base)
    import torch
    import transformers

    dtype: Any = "auto" if torch.cuda.is_available() else torch.float32
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=dtype)
    model.config.pad_token_id = weights.tokenizer(base).pad_token_id
    return model


def _adapter(order: Order) -> Any:
    import peft

    if not order.lora_r:
        return None
    return peft.LoraConfig(
        r=order.lora_r,
        lora_alpha=2 * order.lora_r,
        lora_dropout=0.0,  # what is resumed must be what was never stopped
        target_modules="all-linear",
        task_type="SEQ_CLS" if order.method == "reward" else "CAUSAL_LM",
        modules_to_save=["score"] if order.method == "reward" else None,
    )


def settings(order: Order, rows: Rows, folder: Path) -> dict[str, Any]:
    """The configuration by TRL's names. Checkpoints stand so close that a kill costs an eighth of the time at most."""
    import torch

    cuda = torch.cuda.is_available()
    steps = steps_of(order, rows)
    every = max(1, math.ceil(steps / CHECKPOINTS))
    found: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": order.epochs,
        "learning_rate": order.rate,
        "per_device_train_batch_size": order.micro,
        "per_device_eval_batch_size": order.micro,
        "gradient_accumulation_steps": order.accumulate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": min(10, math.ceil(steps / 10)),
        "max_length": order.max_length,
        "seed": order.seed,
        "data_seed": order.seed,
        "logging_steps": max(1, steps // 20),
        "eval_strategy": "steps" if rows.held else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not cuda,
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": cuda,  # it buys memory with a fifth of the time
    }
    found |= {"beta": order.beta} if order.way.beta else {}
    found |= {"loss_type": [order.way.loss]} if order.way.loss else {}
    found |= {"label_smoothing": max(LEAST, rows.flip_rate or 0.0)} if order.method == "robust" else {}
    return found


def steps_of(order: Order, rows: Rows) -> int:
    """How many steps it takes."""
    return max(1, math.ceil(math.ceil(len(rows.train) / order.batch) * order.epochs))


def seconds(trainer: Any, order: Order, rows: Rows) -> float:
    """How long the whole will take, by one pass forward and back over the longest rows; changes nothing of the model.

    So what has no room in memory shows now, and not in an hour. A row of the usual length takes less: it is an upper
    estimate.
    """
    import torch

    data = trainer.train_dataset
    long = sorted(range(len(data)), key=lambda i: -sum(len(v) for v in data[i].values() if isinstance(v, list)))
    batch = trainer.data_collator([data[i] for i in long[: order.micro]])
    state, began = torch.random.get_rng_state(), time.perf_counter()
    model = trainer.model.train()
    trainer.compute_loss(model, trainer._prepare_inputs(batch)).backward()  # noqa: SLF001 - moves it to the device
    model.zero_grad(set_to_none=True)
    took = time.perf_counter() - began
    torch.random.set_rng_state(state)
    for figures in getattr(trainer, "_metrics", {}).values():
        figures.clear()
    looks = CHECKPOINTS * math.ceil(len(rows.held) / order.micro) / 3  # there is no way back in a look
    return took * (steps_of(order, rows) * order.accumulate + looks)


@contextmanager
def room(order: Order) -> Iterator[None]:
    """Memory that is too small is told with what makes it enough.

    Raises:
        SpecError: there was no room.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_ROOM):
            raise
        mends = [f"--micro {max(1, order.micro // 2)}"] if order.micro > 1 else []
        mends += [f"--max-length {order.max_length // 2}"]
        mends += ["--lora-r 16 (an adapter alone is trained then)"] if not order.lora_r else []
        raise SpecError(
            f"there is no room in memory for {order.micro} rows of up to {order.max_length} tokens at once; "
            f"the same command with {', or '.join(mends)} needs less and goes on from its last checkpoint"
        ) from error


def trained(trainer: Any, checkpoints: Path) -> list[dict[str, Any]]:
    """Train from the last whole checkpoint, or from the beginning; what was logged, step by step."""
    with weights.quiet():
        trainer.train(resume_from_checkpoint=_last(checkpoints))
    history: list[dict[str, Any]] = trainer.state.log_history
    return history


def _last(checkpoints: Path) -> str | None:
    """The newest checkpoint that was written whole: its state is the last of its files."""
    found = sorted(checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
            continue
        return str(path)
    return None


def saved(trainer: Any, base: str, out: Path) -> None:
    """The adapter, where one was trained, and the whole model with it merged in."""
    with weights.quiet():
        model, tokenizer = trainer.model, weights.tokenizer(base)
        if hasattr(model, "merge_and_unload"):
            model.save_pretrained(out / "adapter")
            tokenizer.save_pretrained(out / "adapter")
            model = model.merge_and_unload()
        model.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
