"""One training: the order is kept, rows are exported, weights trained from where they were left, and a card is written.

A folder holds one training. The same command goes on with it after whatever ended it; one that is done is not trained
again. Knows nothing of terminals.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import JournalError, SpecError
from judgegen.llm import weights
from judgegen.train import card, trainer
from judgegen.train.live import Say, duration
from judgegen.train.order import Order
from judgegen.train.rows import Rows, rows
from judgegen.writer.files import write_text

ORDER, DONE = "train.json", "trained.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training came to.

    Attributes:
        folder: with `model`, the merged weights, `adapter` where one was trained, README.md, and trained.json.
        facts: what trained.json says.
        fresh: whether it was trained now, and not before.
    """

    folder: Path
    facts: Mapping[str, Any]
    fresh: bool

    @property
    def model(self) -> Path:
        """The folder of the whole model."""
        return self.folder / "model"


def train(source: Path, order: Order, out: Path, say: Say) -> Trained:
    """Train by `order` on the preferences of `source`, in the folder `out`; `say` is told what happens meanwhile.

    Raises:
        SpecError: settings, rows or a base model that cannot be; a folder that holds another training; no room.
        JournalError: another process trains in this folder.
    """
    weights.check_installed("trl", "datasets")
    order.accumulate, order.way  # noqa: B018 - both say early what cannot be
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        found = rows(source, order, out / "rows")
        _keep(out, order, found)
        if (out / DONE).is_file():
            facts = json.loads((out / DONE).read_text(encoding="utf-8"))
            return Trained(folder=out, facts=facts, fresh=False)
        return Trained(folder=out, facts=_trained(source, order, found, out, say), fresh=True)


def _trained(source: Path, order: Order, found: Rows, out: Path, say: Say) -> dict[str, Any]:
    base, checkpoints, began = weights.folder_of(order.model, out / "base"), out / "checkpoints", time.time()
    if (Path(base) / "adapter_config.json").is_file() and not (Path(base) / "config.json").is_file():
        raise SpecError(f"--model {base}: an adapter; train on from the whole model that was merged beside it")
    with trainer.room(order):
        made = trainer.built(order, found, base, checkpoints, say)
        steps, took = trainer.steps_of(order, found), trainer.seconds(made, order, found)
        of = f"{len(found.train):,} rows, {len(found.held):,} held out"
        say(f"{order.method} on {of}: {steps:,} steps, about {duration(took)} at most on this machine")
        history = trainer.trained(made, checkpoints)
    trainer.saved(made, base, out)
    facts = {
        "source": str(source),
        "order": order.row(),
        "rows": {"train": len(found.train), "held": len(found.held), "digest": found.digest},
        "left_out": dict(found.left_out),
        "flip_rate": found.flip_rate,
        "judge": dict(found.evidence),
        "expected_s": round(took, 1),
        "took_s": round(time.time() - began, 1),
        "history": history,
    }
    write_text(out / "README.md", card.card(facts))
    write_text(out / DONE, json.dumps(facts, indent=1, default=float) + "\n")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return facts


def _keep(out: Path, order: Order, found: Rows) -> None:
    """Write down what this folder trains, or see that it is still that; rows in memory at once may change."""
    wanted = {**order.row(), "rows": found.digest}
    del wanted["micro"]
    path = out / ORDER
    if not path.is_file():
        write_text(path, json.dumps(wanted, indent=1) + "\n")
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    if other := [key for key in wanted if known.get(key) != wanted[key]]:
        key = other[0]
        raise SpecError(
            f"{out} holds a training with {key} = {known.get(key)!r}, and this one has {wanted[key]!r}: "
            f"take another --out, or remove that folder"
        )


def _alone(out: Path) -> Any:
    """The folder's lock, held while it lasts; a dead process holds none."""
    import filelock

    lock = filelock.FileLock(out / ".lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        raise JournalError(f"another process trains in {out}; wait for it, or take another --out") from None
