"""The run file's [sampler]: the cheap model and the ways of asking it. Every default stands here."""

from __future__ import annotations

from pydantic import Field, model_validator

from judgegen.spec.tables import Effort, Extra, Frozen


class Range(Frozen):
    """A setting drawn per prompt, uniformly, from (seed, prompt id, variant)."""

    low: float = Field(ge=0)
    high: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}")
        return self


class Variant(Frozen):
    """One way of asking the sampler. What is None is not sent, or comes from [sampler]."""

    name: str = Field(min_length=1)
    n: int = Field(default=1, gt=0)
    n_in_one_call: bool = False  # ask for all n in one request, so that the prompt is billed once
    endpoint: str | None = None
    model: str | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    expected_output_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Effort | None = None
    temperature: float | Range | None = None
    top_p: float | Range | None = None
    top_k: int | None = Field(default=None, gt=0)
    system: str | None = None
    system_file: str | None = None
    extra_body: Extra = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_system(self) -> Variant:
        if self.system is not None and self.system_file is not None:
            raise ValueError("has both system and system_file; keep one")
        return self


class Sampler(Frozen):
    """The cheap model and its variants. Candidates per prompt: the sum of n over the variants."""

    endpoint: str = "openai"
    model: str = Field(min_length=1)
    max_tokens: int = Field(default=1024, gt=0)
    expected_output_tokens: int | None = Field(default=None, gt=0)  # for `judgegen estimate` alone
    reasoning_effort: Effort | None = None
    near_identical: float = Field(default=0.95, gt=0, le=1)  # edit similarity from which two answers are one
    variants: tuple[Variant, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _something_to_compare(self) -> Sampler:
        names = [v.name for v in self.variants]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"variants: the name {twice[0]!r} stands twice; names must differ")
        if sum(v.n for v in self.variants) < 2:
            raise ValueError("one variant with n = 1 leaves nothing to compare; add a variant or set n = 2")
        return self
