"""The run file: frozen pydantic models, every default stated once, here.

Reads TOML and says what is wrong with it by file and key, naming the nearest known key for an unknown one. Knows
nothing of prompts, templates or providers beyond their names.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from judgegen.errors import SpecError
from judgegen.llm import models
from judgegen.llm.calls import digest
from judgegen.spec.gates import Gates
from judgegen.spec.judge import Escalation, Grade, Judge, Pairs, Panelist, Third
from judgegen.spec.tables import Effort, Extra, Frozen

__all__ = [
    "OPENAI_URL",
    "Budget",
    "Endpoint",
    "Frozen",
    "Judge",
    "Output",
    "Pairs",
    "Price",
    "Range",
    "Sampler",
    "Scripted",
    "Spec",
    "Variant",
    "parse",
    "read",
]
OPENAI_URL = "https://api.openai.com/v1"


class Price(Frozen):
    """USD per million tokens. `cached` is the rate of cached input, the input rate unless given."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)


class Scripted(Frozen):
    """The known-truth provider's world: what its judge gets right and what goes wrong on the wire."""

    accuracy: float = Field(default=0.9, ge=0, le=1)  # P(the better candidate wins) where there is no bias
    position_bias: float = 0.0  # logits in favour of the candidate shown first
    length_bias: float = 0.0  # logits in favour of the longer candidate, per doubling of length
    tie_rate: float = Field(default=0.0, ge=0, le=1)
    unreadable_rate: float = Field(default=0.0, ge=0, le=1)
    truncated_rate: float = Field(default=0.0, ge=0, le=1)
    latency_s: float = Field(default=0.0, ge=0)
    fault_rate: float = Field(default=0.0, ge=0, le=1)  # 500s, 503s, 429s and dropped connections
    rpm: int | None = Field(default=None, gt=0)  # 429 above it
    logprobs: bool = True  # False: refuses them as some servers do
    seed: int = 0


class Endpoint(Frozen):
    """Where calls go and how fast. Only `provider`, `base_url` or `identity`, and `scripted` are part of a call."""

    provider: Literal["openai", "local", "scripted"] = "openai"
    base_url: str | None = None
    api_key_env: str | None = None
    max_concurrency: int = Field(default=64, gt=0)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    timeout_s: float = Field(default=120.0, gt=0)  # 900 with service_tier = "flex"
    service_tier: Literal["default", "flex", "priority"] | None = None  # sent with every call, and priced as such
    max_retries: int = Field(default=6, ge=0)
    batch_tokens: float | None = Field(default=None, gt=0)  # input tokens per batch: the provider's enqueued limit
    identity: str | None = None
    price: Price | None = None
    slots: int = Field(default=4, gt=0)  # local: requests decoded at once
    context: int = Field(default=4096, gt=0)  # local: tokens per slot
    scripted: Scripted = Scripted()

    @model_validator(mode="before")
    @classmethod
    def _flex_takes_longer(cls, given: Any) -> Any:
        """OpenAI's advice for flex processing: a timeout of 15 minutes."""
        if isinstance(given, dict) and given.get("service_tier") == "flex":
            return {"timeout_s": 900.0, **given}
        return given

    @property
    def processing(self) -> Literal["standard", "flex", "priority"]:
        """How calls are processed, as prices name it."""
        return "standard" if self.service_tier is None or self.service_tier == "default" else self.service_tier

    @property
    def address(self) -> str:
        """The identity calls carry: what the journal stays valid for."""
        if self.identity:
            return self.identity
        if self.provider == "scripted":
            world = self.scripted.model_dump(exclude={"latency_s", "fault_rate", "rpm"})
            return "scripted:" + digest(world, size=6)
        return "local" if self.provider == "local" else (self.base_url or OPENAI_URL).rstrip("/")


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


class Budget(Frozen):
    """What may be spent on a run folder in all; None is no cap."""

    max_usd: Decimal | None = Field(default=None, ge=0)


class Output(Frozen):
    """What is written beside preferences.jsonl."""

    formats: tuple[str, ...] = ("openai-dpo",)


class Spec(Frozen):
    """A whole run file."""

    prompts: str = Field(min_length=1)
    seed: int = 0
    endpoints: dict[str, Endpoint] = Field(default_factory=dict, validate_default=True)
    sampler: Sampler
    judge: Judge = Judge()
    pairs: Pairs = Pairs()
    budget: Budget = Budget()
    output: Output = Output()
    gates: Gates = Gates()

    @field_validator("endpoints")
    @classmethod
    def _with_openai(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        """OpenAI is there without being written; the environment gives its address."""
        openai = endpoints.get("openai", Endpoint(api_key_env="OPENAI_API_KEY"))
        if openai.provider == "openai" and openai.base_url is None:
            openai = openai.model_copy(update={"base_url": os.environ.get("OPENAI_BASE_URL") or OPENAI_URL})
        if openai.provider == "openai" and openai.api_key_env is None:
            openai = openai.model_copy(update={"api_key_env": "OPENAI_API_KEY"})
        return {**endpoints, "openai": openai}

    @model_validator(mode="after")
    def _whole(self) -> Spec:
        if not self.judge_less and not self.judge.panelists():
            raise ValueError("missing key 'judge.model'" if "judge" in self.model_fields_set else "missing key 'judge'")
        for where, name in self._routes():
            if name not in self.endpoints:
                raise ValueError(f"{where} = {name!r} is not one of [endpoints]: {', '.join(sorted(self.endpoints))}")
        for name, endpoint in self.endpoints.items():
            if endpoint.provider == "openai" and not endpoint.base_url:
                raise ValueError(f"endpoints.{name} has no base_url")
        for problem in (*self._refused(), *self._unknown_variants()):
            raise ValueError(problem)
        return self

    def _unknown_variants(self) -> Iterator[str]:
        """What [pairs] says of variants and scores that are not there."""
        if self.pairs.min_score is not None and self.judge.method == "pairwise" and self.judge.grade is None:
            yield 'pairs.min_score needs a score, and method = "pairwise" gives none; use hybrid, or [judge.grade]'
        names = [variant.name for variant in self.sampler.variants]
        for key in ("stronger", "weaker"):
            value = getattr(self.pairs, key)
            if value is not None and value not in names:
                yield f"pairs.{key} = {value!r} is not one of the variants: {', '.join(names)}"

    @property
    def judge_less(self) -> bool:
        """Whether the labels need no model that judges."""
        return self.pairs.select == "delta" or self.judge.method == "python"

    def _routes(self) -> Iterator[tuple[str, str]]:
        yield "sampler.endpoint", self.sampler.endpoint
        for variant in self.sampler.variants:
            if variant.endpoint is not None:
                yield f"sampler.variants.{variant.name}.endpoint", variant.endpoint
        if self.judge_less:
            return
        if self.judge.model:
            yield "judge.endpoint", self.judge.endpoint
        third = () if self.judge.third is None else (self.judge.third,)
        for name, members in (("third", third), ("panel", self.judge.panel), ("escalate", self.judge.escalate)):
            yield from ((f"judge.{name}.endpoint", member.endpoint or self.judge.endpoint) for member in members)

    def _refused(self) -> Iterator[str]:
        """Settings that the named model is known to refuse, each with the key to change."""
        for variant in self.sampler.variants:
            where, model = f"sampler.variants.{variant.name}", variant.model or self.sampler.model
            effort = variant.reasoning_effort or self.sampler.reasoning_effort
            written = {"temperature": variant.temperature, "top_p": variant.top_p}
            yield from _problems(where, model, effort, written)
        for where, judge in self._judges():
            written = {"temperature": judge.temperature, "top_logprobs": judge.logprobs or None}
            yield from _problems(where, judge.model, judge.reasoning_effort, written)

    def _judges(self) -> Iterator[tuple[str, Judge]]:
        """Every judge with where it is written."""
        yield "judge", self.judge
        yield from (("judge.panel", self.judge.like(member)) for member in self.judge.panel)
        yield from (("judge.escalate", self.judge.like(member)) for member in self.judge.escalate)

    def used_endpoints(self) -> dict[str, Endpoint]:
        """The endpoints some call of this run may go to, by name."""
        return {name: self.endpoints[name] for name in sorted({name for _, name in self._routes()})}

    def meaning(self) -> dict[str, Any]:
        """What decides the outputs, as plain JSON: without addresses, keys, rates, paths."""
        row = self.model_dump(mode="json", exclude={"prompts", "endpoints", "output", "budget", "gates"})
        for guessed in (row["sampler"], row["judge"], *row["sampler"]["variants"]):
            guessed.pop("expected_output_tokens")
        used = self.used_endpoints()
        row["endpoints"] = {name: {"identity": e.address, "provider": e.provider} for name, e in used.items()}
        return row


def _problems(where: str, model: str, effort: str | None, written: Mapping[str, object]) -> Iterator[str]:
    if problem := models.effort_problem(model, effort):
        yield f"{where}.reasoning_effort: {problem}"
    refused = models.refused(model, effort)
    for key, value in written.items():
        if value is not None and key in refused:
            name = "logprobs" if key == "top_logprobs" else key
            yield (
                f"{where}.{name}: {model} refuses {name} unless it does not reason; "
                f'remove the key, or set reasoning_effort = "none" where the model has it'
            )


def read(path: Path) -> Spec:
    """The run file at `path`.

    Raises:
        SpecError: no such file, not UTF-8, not TOML, or a key or value that does not fit.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            f"{path}: cannot be read ({error.strerror}); `judgegen init DIR` writes one to start from"
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    return parse(table, where=str(path))


def parse(table: Mapping[str, Any], *, where: str = "run file") -> Spec:
    """A run file's table as a Spec; `where` names it in errors.

    Raises:
        SpecError: every problem found, one a line.
    """
    try:
        return Spec.model_validate(dict(table))
    except ValidationError as error:
        found = [e for e in error.errors(include_url=False) if _relevant(e)]
        problems = "\n".join(f"{where}: {_sentence(e)}" for e in found)
        raise SpecError(problems) from None


def _relevant(error: Any) -> bool:
    """Of the errors pydantic gives for "a number or a { low, high } table", the ones for what was written."""
    arms = [part for part in error["loc"] if _is_union_arm(part)]
    if not arms:
        return True
    wrote_table = isinstance(error["input"], dict) or len(error["loc"]) > error["loc"].index(arms[0]) + 1
    return wrote_table == ("Range" in arms[0])


def _sentence(error: Any) -> str:
    loc = tuple(part for part in error["loc"] if not _is_union_arm(part))
    place = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}; {_nearest(str(loc[-1]), loc[:-1])}"
    if error["type"] == "missing":
        return f"missing key {place!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _is_union_arm(part: object) -> bool:
    return isinstance(part, str) and (part == "float" or "Range" in part)


def _nearest(key: str, place: tuple[Any, ...]) -> str:
    """Names the nearest key of the table at `place`, else of another table, else all that are known there."""
    known = _known_keys(place)
    if near := difflib.get_close_matches(key, known, n=1, cutoff=0.6):
        return f"did you mean {near[0]!r}?"
    for name, table in _TABLES.items():
        if near := difflib.get_close_matches(key, list(table.model_fields), n=1, cutoff=0.75):
            return f"did you mean {near[0]!r} in {name}? Known here: {', '.join(known)}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"the nearest known key is {near[0]!r}; known here: {', '.join(known)}"


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    table = next((_TABLES[part] for part in reversed(place) if part in _TABLES), Spec)
    return sorted(table.model_fields) if place else sorted(Spec.model_fields)


_TABLES: dict[Any, Any] = {
    "endpoints": Endpoint,
    "price": Price,
    "scripted": Scripted,
    "sampler": Sampler,
    "variants": Variant,
    "temperature": Range,
    "top_p": Range,
    "judge": Judge,
    "third": Third,
    "panel": Panelist,
    "escalate": Escalation,
    "grade": Grade,
    "pairs": Pairs,
    "budget": Budget,
    "output": Output,
    "gates": Gates,
}
