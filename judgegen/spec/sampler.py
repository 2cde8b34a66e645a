"""The run file's [sampler]: the cheap model and the ways of asking it. Every default stands here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from judgegen.spec.tables import Count, Effort, Extra, Frozen, Number, Share, Tokens

Temperature = Annotated[Number, Field(ge=0)]
TopP = Annotated[Share, Field(gt=0, le=1)]


class Range(Frozen):
    """A setting drawn per prompt, uniformly, from (seed, prompt id, variant)."""

    low: Number = Field(ge=0, description="The least that is drawn.", examples=[0.9])
    high: Number = Field(ge=0, description="The most that is drawn.", examples=[1.3])

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}")
        return self


class Few(Frozen):
    """So many candidates of a prompt, and more of them, one at a time, while nothing comes of those that there are."""

    least: Count = Field(
        ge=0,
        description="How many are drawn at first; 0 of a variant that is asked only where others fail.",
        examples=[2],
    )
    most: Count = Field(
        gt=0,
        description="The most that are drawn while all that may compete tie, flip, or are too few.",
        examples=[8],
    )

    @model_validator(mode="after")
    def _ordered(self) -> Few:
        if self.least >= self.most:
            raise ValueError(f"least = {self.least} is not below most = {self.most}; write n = {self.most}")
        return self


class Variant(Frozen):
    """One way of asking the sampler. What is not written is not sent, or is as in [sampler]."""

    name: str = Field(
        min_length=1, description="What outputs and audit call it; no two variants share one.", examples=["focused"]
    )
    n: Annotated[Count, Field(gt=0)] | Few = Field(
        default=1,
        description="Candidates per prompt of this variant: so many, or more while nothing comes of the `least`.",
        examples=[2, {"least": 2, "most": 8}],
    )
    n_in_one_call: bool = Field(
        default=False,
        description="Ask for all n in one request, so that the prompt is billed once, where the server can.",
        examples=[True],
    )
    endpoint: str | None = Field(
        default=None, description="The endpoint to ask instead of the sampler's.", examples=["vllm"]
    )
    model: str | None = Field(
        default=None, description="The model to ask instead of the sampler's.", examples=["gpt-6-luna"]
    )
    max_tokens: Tokens | None = Field(
        default=None, description="The longest answer, instead of the sampler's.", examples=[256]
    )
    expected_output_tokens: Tokens | None = Field(
        default=None,
        description="The usual length of an answer, for `judgegen estimate` before anything was answered.",
        examples=[180],
    )
    reasoning_effort: Effort | None = Field(
        default=None, description="How long a reasoning model thinks, instead of the sampler's.", examples=["none"]
    )
    temperature: Temperature | Range | None = Field(
        default=None,
        description="Sent as it is, or drawn for each prompt between `low` and `high`.",
        examples=[0.3, {"low": 0.9, "high": 1.3}],
    )
    top_p: TopP | Range | None = Field(
        default=None,
        description="Nucleus sampling; sent as it is, or drawn for each prompt.",
        examples=[0.95, {"low": 0.8, "high": 1.0}],
    )
    top_k: Count | None = Field(
        default=None, gt=0, description="Sent as it is; OpenAI's own API has no top_k.", examples=[40]
    )
    system: str | None = Field(
        default=None,
        description="A system message before the prompt's messages.",
        examples=["Answer like a terse expert."],
    )
    system_file: str | None = Field(
        default=None,
        description="The same from a file, relative to the run file; `prompts/system/terse.md` is a shipped one.",
        examples=["prompts/system/terse.md"],
    )
    extra_body: Extra = Field(
        default_factory=dict,
        description="Further keys of the request, sent as they are.",
        examples=[{"min_p": 0.05}],
    )

    @property
    def least(self) -> int:
        """Candidates that are drawn of every prompt."""
        return self.n.least if isinstance(self.n, Few) else self.n

    @property
    def most(self) -> int:
        """The most that are drawn of one."""
        return self.n.most if isinstance(self.n, Few) else self.n

    @model_validator(mode="after")
    def _one_system(self) -> Variant:
        if self.system is not None and self.system_file is not None:
            raise ValueError("has both system and system_file; keep one")
        return self


class Sampler(Frozen):
    """The cheap model and its variants. Candidates per prompt: the sum of n over the variants."""

    endpoint: str = Field(default="openai", description="A name of [endpoints].", examples=["vllm"])
    model: str = Field(min_length=1, description="The model that writes candidates.", examples=["gpt-6-luna"])
    max_tokens: Tokens = Field(
        default=1024,
        description="The longest answer; one that is cut off here is paid for and may not compete.",
        examples=[512],
    )
    expected_output_tokens: Tokens | None = Field(
        default=None,
        description="The usual length of an answer, for `judgegen estimate` before anything was answered.",
        examples=[180],
    )
    reasoning_effort: Effort | None = Field(
        default=None,
        description="How long a reasoning model thinks. Not sent unless written.",
        examples=["none"],
    )
    near_identical: Share = Field(
        default=0.95,
        le=1,
        gt=0,
        description="Edit similarity from which two answers to a prompt count as one; the later is left out.",
        examples=[0.9],
    )
    variants: tuple[Variant, ...] = Field(
        min_length=1,
        description="The ways of asking, one table each.",
        examples=[[{"name": "focused", "temperature": 0.3}, {"name": "loose", "temperature": 1.1}]],
    )

    @model_validator(mode="after")
    def _something_to_compare(self) -> Sampler:
        names = [v.name for v in self.variants]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"variants: the name {twice[0]!r} stands twice; names must differ")
        if self.variants and sum(v.most for v in self.variants) < 2:
            raise ValueError("one variant with n = 1 leaves nothing to compare; add a variant or set n = 2")
        return self
