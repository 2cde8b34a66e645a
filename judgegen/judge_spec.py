"""The run file's [judge] and [pairs]: how labels come about and which of them are kept. Every default stands here.

Knows nothing of endpoints or of how any of it is done.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from judgegen.closed import Effort, Extra, Frozen
from judgegen.llm import models

JUDGE_TOKENS = 512
JUDGE_TOKENS_REASONING = 4096


class Third(Frozen):
    """Who is asked once more where the two orders of a comparison conflict: another template, another model, or both.

    What is not written is the judge's own.
    """

    endpoint: str | None = None
    model: str | None = Field(default=None, min_length=1)
    template: str | None = None

    @model_validator(mode="after")
    def _another(self) -> Third:
        if self.model is None and self.template is None:
            raise ValueError("name another model or another template: the same question again adds nothing")
        return self


class Judge(Frozen):
    """The model that compares. Unset `temperature`, `logprobs` and `max_tokens` follow what the model accepts."""

    endpoint: str = "openai"
    model: str = ""
    template: str = "pairwise"
    orders: Literal["both", "one"] = "both"
    schedule: Literal["round-robin", "min-max", "swiss"] = "round-robin"
    early_stop: float | None = Field(default=None, ge=0.5, le=1)  # P(winner) from which the first order settles it
    third: Third | None = None
    calibration: str | None = Field(default=None, min_length=1)  # what `judgegen judge calibrate` wrote
    max_attempts: int = Field(default=3, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    expected_output_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Effort | None = None
    temperature: float | None = Field(default=None, ge=0)
    logprobs: bool | None = None
    extra_body: Extra = Field(default_factory=dict)

    @model_validator(mode="after")
    def _orders_to_save(self) -> Judge:
        if self.orders == "one":
            for name in ("early_stop", "third"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is about a second order, and orders = "one" asks for none')
        if self.early_stop is not None and self.logprobs is False:
            raise ValueError("early_stop needs the probability of a verdict, and logprobs = false asks for none")
        return self

    @property
    def token_limit(self) -> int:
        """`max_tokens`, or room for a verdict, with room for thought where the model is known to think."""
        if self.max_tokens is not None:
            return self.max_tokens
        return JUDGE_TOKENS_REASONING if models.reasons(self.model, self.reasoning_effort) else JUDGE_TOKENS


class Pairs(Frozen):
    """Which candidates become preferences, and what a pair must bear."""

    select: Literal["best-worst", "best-mu-2sigma", "best-random", "all-above-margin", "delta"] = "best-worst"
    require_consistent: bool = True
    min_p_chosen: float = Field(default=0.5, ge=0.5, lt=1)
    min_margin: float = Field(default=0.0, ge=0, le=1)
    max_length_ratio: float | None = Field(default=None, ge=1)  # characters of the longer text to the shorter's
    length_correction: float = Field(default=0.0, ge=0)  # logits taken from a text that is longer by far
    length_scale: float = Field(default=700.0, gt=0)  # characters: the usual length difference of two answers
    stronger: str | None = None  # delta: the variant of the chosen
    weaker: str | None = None

    @model_validator(mode="after")
    def _delta_names_both(self) -> Pairs:
        named = [self.stronger, self.weaker]
        if self.select == "delta":
            if None in named or self.stronger == self.weaker:
                raise ValueError('select = "delta" needs stronger and weaker, the names of two variants')
        elif named != [None, None]:
            raise ValueError('stronger and weaker are for select = "delta"; remove them or select that')
        return self
