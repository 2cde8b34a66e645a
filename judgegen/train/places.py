"""Where the models of rounds are trained and asked: in this process, or at a provider. Knows nothing of rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from judgegen.errors import PriceUnknown, SpecError
from judgegen.llm import weights
from judgegen.spec import Spec
from judgegen.train.held import name
from judgegen.train.hosted import HostedOrder, endpoint_of, tuned
from judgegen.train.live import Say
from judgegen.train.order import Order
from judgegen.train.train import train

ENDPOINT = "rounds"
"""The endpoint's name under which models of this process stand in the run files of the rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A model: `name` is what a training begins with, `asked` what a sampler asks, `told` where people find it."""

    name: str
    asked: str
    told: str


class Place(Protocol):
    """Trains models, and says where they answer."""

    def first(self) -> Learner:
        """Before any training.

        Raises:
            SpecError: there is no such model, or this cannot be a place for it.
        """
        ...

    def seated(self, table: Mapping[str, Any], models: Sequence[Learner]) -> dict[str, Any]:
        """A run file's table whose sampler asks where the models are."""
        ...

    def trained(self, run: Path, model: Learner, folder: Path, *, left: Decimal | None, say: Say) -> Learner:
        """What comes of training `model` on a run's pairs in `folder`, for at most `left` USD."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Models of this process; `slots` answers of theirs are written at once.

    They are called by their round, wherever `out` lies, so that the same rounds in another folder come to the same
    pairs: what a model is called decides between answers that are equal. `by_path`: by their folders, as all once were.
    """

    order: Order
    out: Path
    slots: int
    by_path: bool = False

    def first(self) -> Learner:
        """A folder, unpacked where the base is a file."""
        folder = weights.folder_of(self.order.model, self.out / "base")
        return self._learner(folder, name(0))

    def seated(self, table: Mapping[str, Any], models: Sequence[Learner]) -> dict[str, Any]:
        """An endpoint of its own."""
        folders = {model.asked: model.name for model in models if model.asked != model.name}
        endpoint = {"provider": "transformers", "slots": self.slots, "folders": folders}
        endpoints = {**table.get("endpoints", {}), ENDPOINT: endpoint}
        return {**table, "endpoints": endpoints, "sampler": {**table["sampler"], "endpoint": ENDPOINT}}

    def trained(self, run: Path, model: Learner, folder: Path, *, left: Decimal | None, say: Say) -> Learner:  # noqa: ARG002 - it is free
        """The merged weights' folder."""
        found = str(train(run, replace(self.order, model=model.name), folder, say).model.resolve())
        return self._learner(found, folder.parent.name)

    def _learner(self, folder: str, called: str) -> Learner:
        return Learner(name=folder, asked=folder if self.by_path else called, told=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """Models of the provider that the sampler's endpoint asks."""

    order: HostedOrder
    spec: Spec
    capped: bool

    def first(self) -> Learner:
        """At OpenAI the base itself; at Azure the deployment that the run file names, which has a name of its own."""
        if self.capped and self.order.service == "azure":
            raise PriceUnknown("what azure takes for training is not known here, so no cap can hold it: take none")
        deployed = self.spec.sampler.model if self.order.service == "azure" else self.order.model
        if deployed is None:
            raise SpecError("[sampler] names no model: at azure it is the deployment of the base, which --model names")
        return Learner(name=self.order.model, asked=deployed, told=deployed)

    def seated(self, table: Mapping[str, Any], models: Sequence[Learner]) -> dict[str, Any]:  # noqa: ARG002 - it knows them
        """As it stands."""
        return dict(table)

    def trained(self, run: Path, model: Learner, folder: Path, *, left: Decimal | None, say: Say) -> Learner:
        """The tune, under the name that it answers to."""
        endpoint = endpoint_of(self.spec.endpoints, self.spec.sampler.endpoint)
        order = replace(self.order, model=model.name)
        found = tuned(run, order, folder, endpoint, name=folder.parent.name, left=left, say=say)
        return Learner(name=found.model, asked=found.asked, told=found.asked)
