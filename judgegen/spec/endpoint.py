"""The run file's [endpoints]: where calls go, how fast, and what they cost. Every default stands here.

Knows which providers there are by name; nothing of how they are asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from judgegen.llm.dialects import DIALECTS, named
from judgegen.llm.providers import batch_file
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.table import PROVIDERS, provider
from judgegen.spec.tables import Chance, Count, Frozen, Logits, Pairs, PerMillion, PerMinute, Seconds, Tokens
from judgegen.spec.values import url_problem

OPENAI_URL = "https://api.openai.com/v1"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY_ITSELF = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.{20,})(\D+\d+){3,}\D*")
"""A variable could have such a name, and none has: letters of both kinds, and digits here and there among them."""


class Price(Frozen):
    """What a model's tokens cost."""

    input: PerMillion = Field(description="Of what is sent.", examples=[0.1])
    output: PerMillion = Field(description="Of what comes back, thought included.", examples=[0.5])
    cached: PerMillion | None = Field(
        default=None,
        description="Of what is sent and the provider reads from its cache; as `input` unless written.",
        examples=[0.025],
    )


def _by_model(given: Any) -> Any:
    return tuple((str(name), price) for name, price in given.items()) if isinstance(given, Mapping) else given


def _as_table(prices: tuple[tuple[str, Price], ...]) -> dict[str, Any]:
    return {name: price.model_dump(exclude_none=True) for name, price in prices}


Prices = Annotated[
    tuple[tuple[str, Price], ...],
    BeforeValidator(_by_model),
    PlainSerializer(_as_table, return_type=dict[str, Any]),
    WithJsonSchema({"type": "object", "additionalProperties": Price.model_json_schema()}),
]
"""A price for each of some models, kept as pairs so that an endpoint can be compared and hashed."""


class Scripted(Frozen):
    """The world of `provider = "scripted"`, whose truth is known: what its judge gets right, and what goes wrong."""

    accuracy: Chance = Field(
        default=0.9,
        ge=0,
        le=1,
        description="How often the better candidate wins, where there is no bias.",
        examples=[0.75],
    )
    position_bias: Logits = Field(default=0.0, description="In favour of the candidate shown first.", examples=[1.5])
    middle_bias: Logits = Field(
        default=0.0,
        description="Against the candidate in the middle of three or more, in a list that is put in order.",
        examples=[1.0],
    )
    length_bias: Logits = Field(
        default=0.0, description="In favour of the longer candidate, per doubling of length.", examples=[0.5]
    )
    tie_rate: Chance = Field(default=0.0, ge=0, le=1, description="Of a verdict that calls a tie.", examples=[0.1])
    unreadable_rate: Chance = Field(
        default=0.0, ge=0, le=1, description="Of a verdict that cannot be read.", examples=[0.05]
    )
    truncated_rate: Chance = Field(default=0.0, ge=0, le=1, description="Of an answer that is cut off.", examples=[0.1])
    latency_s: Seconds = Field(default=0.0, description="How long an answer takes.", examples=[0.2])
    fault_rate: Chance = Field(
        default=0.0, ge=0, le=1, description="Of a 500, 503, 429 or dropped connection.", examples=[0.05]
    )
    rpm: Count | None = Field(
        default=None, gt=0, description="Requests per minute above which it answers 429.", examples=[600]
    )
    logprobs: bool = Field(default=True, description="false: refuses them, as some servers do.", examples=[False])
    seed: Count = Field(default=0, description="Another seed is another world.", examples=[7])
    answers: str | None = Field(
        default=None,
        description="A JSON object's file: by a question's text what is right, which graders then find.",
        examples=["answers.json"],
    )
    dialect: str | None = Field(
        default=None,
        description="The family of servers whose refusals, words and places it speaks in.",
        examples=["vllm"],
    )

    cuts_at: Tokens | None = Field(
        default=None,
        gt=0,
        description="Of typed questions: the input beyond which it cuts in silence, as some servers do.",
        examples=[2048],
    )

    @field_validator("dialect")
    @classmethod
    def _spoken(cls, name: str | None) -> str | None:
        if name is not None and named(name) is None:
            raise ValueError(f"{name!r} is not one of: {', '.join(one.name for one in DIALECTS)}")
        return name


class Endpoint(Frozen):
    """Where calls go and how fast.

    Only `provider`, `base_url` or `identity`, and `scripted` are part of a call: changing another key asks for nothing
    again.
    """

    provider: str = Field(
        default="openai",
        description="Who is asked: `openai` for any server that speaks its chat API, `local` for a model inside this "
        "process, `transformers` for a Hugging Face folder in it, `batch-file` for an engine that answers whole files, "
        "`scripted` for a world whose truth is known, or the name of one in a package of yours.",
        examples=["local"],
    )
    base_url: str | None = Field(
        default=None,
        description="Where the API begins. Of `openai`: what OPENAI_BASE_URL says, else OpenAI's own.",
        examples=["http://127.0.0.1:8000/v1"],
    )
    api_key_env: str | None = Field(
        default=None,
        description="The environment variable that holds the key; keys never stand in the run file.",
        examples=["VLLM_KEY"],
    )
    plain_http: bool = Field(
        default=False, description="Whether a key may go to another machine over http://.", examples=[True]
    )
    headers: Pairs = Field(
        default=(),
        description='Sent with every request, beside the key; "env:NAME" is the value of that environment variable.',
        examples=[{"X-Team": "env:TEAM_TOKEN"}],
    )
    query: Pairs = Field(
        default=(),
        description='Added to the address of every request, as Azure asks; "env:NAME" as in headers.',
        examples=[{"api-version": "preview"}],
    )
    system_role: Literal["system", "developer", "user"] | None = Field(
        default=None, description="The role of system messages; found out unless written.", examples=["developer"]
    )
    transport: Literal["lean", "sdk"] = Field(
        default="lean",
        description='What carries calls: a lane of our own, or the openai SDK ("sdk"), for a gateway that wants what '
        "it adds; it takes several times the CPU.",
        examples=["sdk"],
    )
    max_concurrency: Count = Field(
        default=64, gt=0, description="The most requests in flight; the pace below it finds itself.", examples=[16]
    )
    rpm: PerMinute | None = Field(
        default=None,
        description="Requests, where the server has a limit. What it really gives is found by what it refuses.",
        examples=[5000],
    )
    tpm: PerMinute | None = Field(default=None, description="Tokens, where the server has a limit.", examples=[2000000])
    timeout_s: Seconds = Field(
        default=120.0,
        gt=0,
        description='The longest a whole answer may take; 900 with service_tier = "flex".',
        examples=[600],
    )
    service_tier: Literal["default", "flex", "priority"] | None = Field(
        default=None, description="Sent with every call, and priced as such.", examples=["flex"]
    )
    max_retries: Count = Field(
        default=8, ge=0, description="How often a call that failed for a passing reason is sent again.", examples=[3]
    )
    batch_tokens: Annotated[float, Field(json_schema_extra={"unit": "tokens"})] | None = Field(
        default=None,
        gt=0,
        description="Input tokens per batch with `--batch`: the provider's limit of what may wait.",
        examples=[2000000],
    )
    identity: str | None = Field(
        default=None,
        description="A name that keeps paid answers valid when the address changes.",
        examples=["our-vllm"],
    )
    price: Price | None = Field(
        default=None,
        description="Of every model here that `prices` does not name.",
        examples=[{"input": 0.1, "output": 0.5}],
    )
    prices: Prices = Field(default=(), description="By model.", examples=[{"qwen3-8b": {"input": 0.05, "output": 0.2}}])
    slots: Count = Field(
        default=4, gt=0, description="Of a model in this process: how many requests it decodes at once.", examples=[1]
    )
    command: str | None = Field(
        default=None,
        description="Of `batch-file`: what answers {input}, a file of requests for {model}, into {output}; words as a "
        "shell splits them, and no shell. Without it the run ends when files wait, and goes on when they are answered.",
        examples=["vllm run-batch -i {input} -o {output} --model {model}"],
    )
    folders: Pairs = Field(
        default=(),
        description="Of `transformers`: where a model lies that is called by a name, so that its answers stay valid "
        "when it lies elsewhere.",
        examples=[{"tuned": "/data/tuned/model"}],
    )
    context: Tokens = Field(
        default=4096, description="Of a local model: room of each slot, prompt and answer.", examples=[8192]
    )
    scripted: Scripted = Field(
        default=Scripted(), description='The world, with provider = "scripted".', examples=[{"accuracy": 0.75}]
    )

    @field_validator("provider")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PROVIDERS:
            raise ValueError(f"{name!r} is not one of: {', '.join(PROVIDERS)}")
        return name

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url and (problem := url_problem(url)):
            raise ValueError(problem)
        return url

    @field_validator("api_key_env")
    @classmethod
    def _a_variable(cls, name: str | None) -> str | None:
        if name is not None and (not _VARIABLE.fullmatch(name) or _KEY_ITSELF.fullmatch(name)):
            raise ValueError(
                "names the environment variable that holds the key, and this is no such name; a key itself never "
                'stands in a run file: export MY_KEY=… and write api_key_env = "MY_KEY"'
            )
        return name

    @model_validator(mode="before")
    @classmethod
    def _flex_takes_longer(cls, given: Any) -> Any:
        """OpenAI's advice for flex processing: a timeout of 15 minutes."""
        if isinstance(given, dict) and given.get("service_tier") == "flex":
            return {"timeout_s": 900.0, **given}
        return given

    @field_validator("command")
    @classmethod
    def _a_command(cls, command: str | None) -> str | None:
        if command is not None and (problem := batch_file.problem(command)):
            raise ValueError(problem)
        return command

    @model_validator(mode="after")
    def _commands_are_for_files(self) -> Self:
        if self.command is not None and self.provider != batch_file.NAME:
            raise ValueError(f'command goes with provider = "{batch_file.NAME}", which writes files and runs it')
        return self

    @model_validator(mode="after")
    def _folders_are_in_this_process(self) -> Self:
        if self.folders and self.provider != "transformers":
            raise ValueError('folders goes with provider = "transformers", which loads models from them')
        return self

    @property
    def processing(self) -> Literal["standard", "flex", "priority"]:
        """How calls are processed, as prices name it."""
        return "standard" if self.service_tier is None or self.service_tier == "default" else self.service_tier

    @property
    def address(self) -> str:
        """The identity calls carry: what the journal stays valid for."""
        return self.identity or self.listing.identity(self) or (self.listing.url or OPENAI_URL).rstrip("/")

    @property
    def listing(self) -> Listing:
        """What is known of its provider."""
        return provider(self.provider)

    @property
    def places(self) -> int:
        """How many calls it works on at once."""
        return self.listing.places(self)

    @property
    def free(self) -> bool:
        """Whether its calls are known to cost nothing."""
        if any(price.input or price.output for _, price in self.prices):
            return False
        return self.listing.free if self.price is None else not (self.price.input or self.price.output)
