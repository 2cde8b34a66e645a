"""What is to be trained, on what and how: a method with its export, its trainer and its loss; and the order's settings.

Pure: knows the names of TRL's classes and nothing of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from judgegen.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A way of training.

    Attributes:
        export: the consumer whose file it reads.
        trainer: TRL's class; its configuration is `trainer` with Config for Trainer.
        loss: the trainer's `loss_type`, "" where it has none to choose.
        rate: the learning rate unless one is written, with an adapter; a tenth of it without.
        beta: whether it takes one.
        about: for whom it is, in a line.
    """

    export: str
    trainer: str
    about: str
    loss: str = ""
    rate: float = 1e-4
    beta: bool = True


METHODS: Mapping[str, Training] = {
    "sft": Training(
        export="trl-dpo", trainer="SFTTrainer", beta=False, rate=2e-4, about="the chosen answers alone, as they stand"
    ),
    "dpo": Training(export="trl-dpo", trainer="DPOTrainer", loss="sigmoid", about="pairs whose labels are trusted"),
    "ipo": Training(
        export="trl-dpo", trainer="DPOTrainer", loss="ipo", about="pairs that are all but certain, few of them"
    ),
    "robust": Training(
        export="trl-dpo", trainer="DPOTrainer", loss="robust", about="pairs of which a known share is wrong (p_chosen)"
    ),
    "kto": Training(export="trl-kto", trainer="KTOTrainer", about="answers that are good or bad each by itself"),
    "reward": Training(
        export="trl-reward", trainer="RewardTrainer", beta=False, about="a model that scores answers, of Bradley-Terry"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How it is trained.

    Attributes:
        beta: how near to the base model the loss keeps; dpo, ipo, kto and robust take it.
        lora_r: the rank of the adapter; 0 trains every weight.
        epochs: times through the rows.
        learning_rate: None for the method's own.
        batch: rows to a step; `micro` of them at once in memory.
        max_length: tokens of a prompt with its answer, beyond which a row is cut.
        validation: the share of prompts kept to measure on, 0 for none.
        labels: "judged" as they stand, or "shuffled": half of the pairs to train on turned round, for a control.
    """

    method: str
    model: str
    beta: float = 0.1
    lora_r: int = 16
    epochs: float = 1.0
    learning_rate: float | None = None
    batch: int = 16
    micro: int = 4
    max_length: int = 1024
    validation: float = 0.1
    seed: int = 0
    labels: str = "judged"

    @property
    def way(self) -> Training:
        """What is known of its method.

        Raises:
            SpecError: there is no such method.
        """
        if self.method not in METHODS:
            raise SpecError(f"--method {self.method}: not one of {', '.join(METHODS)}")
        return METHODS[self.method]

    @property
    def rate(self) -> float:
        """The learning rate it is trained at."""
        return self.learning_rate or self.way.rate * (1.0 if self.lora_r else 0.1)

    @property
    def accumulate(self) -> int:
        """How many times `micro` rows make a step."""
        if self.batch % self.micro:
            raise SpecError(f"--batch {self.batch} is no multiple of --micro {self.micro}; write one that is")
        return self.batch // self.micro

    def row(self) -> dict[str, Any]:
        """What the result depends on, as JSON; labels as they stand go unsaid, as before there were others."""
        found = {**asdict(self), "learning_rate": self.rate}
        return {key: value for key, value in found.items() if (key, value) != ("labels", "judged")}
