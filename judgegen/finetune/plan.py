"""From a file and options to an order that the provider would take, and what it will cost. Nothing is sent.

Knows nothing of the network or of terminals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.finetune.check import Service, check
from judgegen.finetune.cost import Cost, ended, estimate, unpriced
from judgegen.finetune.order import JobOrder, checked, file_digest
from judgegen.finetune.rows import Method, method_of
from judgegen.llm.training_prices import table


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """What is read from disk. `grader`: for rft; None takes the one beside `train`, as the export writes it."""

    train: Path
    validation: Path | None = None
    grader: Path | None = None


def order_of(
    files: JobFiles,
    service: Service,
    model: str,
    method: Method | None,
    *,
    today: date,
    settings: Mapping[str, int | float | None],
    **named: Any,
) -> JobOrder:
    """The order, its files read through and found fit; `named` are its suffix, seed and training_type.

    Raises:
        SpecError: the model can no longer be tuned at OpenAI, options do not go together, or a file would be refused.
    """
    base = table().find(model)
    if service == "openai" and base is not None:
        ended(base, table(), today)
    chosen = method or _method(files.train, model)
    order = checked(
        JobOrder(
            service=service,
            model=model,
            method=chosen,
            file=files.train,
            file_digest=file_digest(files.train),
            validation=files.validation,
            validation_digest=None if files.validation is None else file_digest(files.validation),
            settings={key: value for key, value in settings.items() if value is not None},
            grader=_grader(files.train, files.grader, chosen),
            **named,
        )
    )
    check(files.train, service, chosen)
    if files.validation is not None:
        check(files.validation, service, chosen, validation=True)
    return order


def _method(file: Path, model: str) -> Method:
    """What the first line is shaped for; items for a model that knows nothing but reinforcement are that."""
    shaped, base = method_of(file), table().find(model)
    return "rft" if shaped == "sft" and base is not None and base.methods == ("rft",) else shaped


def _grader(file: Path, given: Path | None, method: Method) -> Mapping[str, Any] | None:
    """The grader named, or for rft the one that the export wrote beside its file."""
    stem = file.name.removesuffix(".jsonl").removesuffix(".train")
    beside = file.with_name(f"{stem}.grader.json")
    path = given or (beside if method == "rft" and beside.is_file() else None)
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SpecError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise SpecError(f"{path}: no grader: an object with a type is one")
    return found


def cost_of(order: JobOrder, *, today: date) -> Cost:
    """Its tokens and, at OpenAI, its price, with the dates to beware of.

    Raises:
        SpecError: the method is not priced for this model.
        PriceUnknown: OpenAI's price for the model is not known.
    """
    epochs = order.settings.get("n_epochs")
    given = None if epochs is None else int(epochs)
    if order.service == "azure":
        return unpriced(order.file, order.model, order.method, today=today, epochs=given)
    return estimate(order.file, order.model, today=today, method=order.method, epochs=given)
