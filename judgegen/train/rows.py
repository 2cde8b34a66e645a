"""The rows of a training: a run's or a file's preferences, exported as the method's trainer reads them, in two parts.

Knows exports; nothing of trainers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.exchange import handover, public
from judgegen.exchange.export import Exported
from judgegen.train.order import METHODS, Order

LEAST = 1e-6
"""Of a flip rate: TRL's robust loss takes no label smoothing of 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is trained on and what is measured on.

    Attributes:
        train, held: rows as the trainer reads them; no prompt is in both.
        digest: of the files that they stand in.
        flip_rate: mean(1 - p_chosen); None where no pair says how sure it is.
        evidence: figures of the run's judge; empty for a file.
        left_out: rows that the trainer could not read, by reason.
    """

    train: list[dict[str, Any]]
    held: list[dict[str, Any]]
    digest: str
    flip_rate: float | None
    evidence: Mapping[str, Any]
    left_out: Mapping[str, int]


def rows(source: Path, order: Order, folder: Path) -> Rows:
    """Export `source` for the order's method into `folder` and read it back.

    Raises:
        SpecError: nothing to train on, or labels of which the robust loss can make nothing.
    """
    split = 1 - order.validation if order.validation else None
    folder.mkdir(parents=True, exist_ok=True)
    done = _exported(source, order, folder / "rows.jsonl", split)
    parts = dict(zip(done.counts, done.paths, strict=False))
    texts = {name: path.read_text(encoding="utf-8") for name, path in parts.items()}
    read = {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}
    if not read.get("train"):
        raise SpecError(f"{source}: no row to train on; --validation {order.validation:g} keeps all of them back")
    if order.labels == "shuffled":
        read["train"] = shuffled(read["train"], order.seed)
    found = {name: [_shaped(row, order) for row in every] for name, every in read.items()}
    if order.method == "robust":
        _check_robust(done.flip_rate)
    return Rows(
        train=found["train"],
        held=found.get("test", []),
        digest=hashlib.blake2b("\0".join(texts.values()).encode(), digest_size=16).hexdigest(),
        flip_rate=done.flip_rate,
        evidence=_evidence(source) if handover.is_run(source) else {},
        left_out=done.reasons(),
    )


def _exported(source: Path, order: Order, out: Path, split: float | None) -> Exported:
    """The export for the method; for a reward without margins where no row has one, since its loss needs none."""
    try:
        return public.export(source, order.way.export, out, split=split, seed=order.seed)
    except SpecError:
        if order.method != "reward":
            raise
    return public.export(source, METHODS["dpo"].export, out, split=split, seed=order.seed)


def shuffled(rows: Sequence[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The same pairs in the same places, half of them turned round: labels that say nothing.

    Pairs that gain alike in length stand together in twos, and a coin says which of the two is turned. So neither what
    the judge chose nor the longer side is chosen more often than the other, over all pairs, but for one where their
    number is odd.

    Raises:
        SpecError: rows that are no pairs.
    """
    if not all("chosen" in row and "rejected" in row for row in rows):
        raise SpecError("--labels shuffled turns pairs round, and this method's rows are none; use dpo, ipo or robust")
    ranked = sorted(range(len(rows)), key=lambda i: (_longer(rows[i]), _lot(rows[i], seed)))
    turned = {min(ranked[i : i + 2], key=lambda j: _lot(rows[j], seed)) for i in range(0, len(ranked) - 1, 2)}
    if len(ranked) % 2 and _lot(rows[ranked[-1]], seed) < 1 << 63:
        turned.add(ranked[-1])
    return [_turned(row) if i in turned else dict(row) for i, row in enumerate(rows)]


def _turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """The pair the other way round; how sure the judge was is said of the label that it gave."""
    kept = {key: value for key, value in row.items() if key != "p_chosen"}
    return {**kept, "chosen": row["rejected"], "rejected": row["chosen"]}


def _longer(row: Mapping[str, Any]) -> int:
    return len(json.dumps(row["chosen"])) - len(json.dumps(row["rejected"]))


def _lot(row: Mapping[str, Any], seed: int) -> int:
    text = json.dumps([seed, row["prompt"], row["chosen"], row["rejected"]], sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _shaped(row: dict[str, Any], order: Order) -> dict[str, Any]:
    """For SFT the chosen side is the completion; elsewhere the row as it stands."""
    if order.method != "sft":
        return row
    kept = {key: value for key, value in row.items() if key not in ("chosen", "rejected")}
    return {**kept, "completion": row["chosen"]}


def _check_robust(flip_rate: float | None) -> None:
    if flip_rate is None:
        raise SpecError("--method robust goes by how sure the labels are, and no pair has p_chosen: use dpo")
    if flip_rate >= 0.5:
        raise SpecError(
            f"--method robust: {flip_rate:.0%} of the labels are expected to be wrong, and half is the most"
        )


def _evidence(run: Path) -> dict[str, Any]:
    """What the run says of its judge without asking people."""
    summary = handover.facts(run)["summary"]
    return {"pairs": summary["pairs"], "prompts": summary["prompts"], **summary["diagnostics"]}
