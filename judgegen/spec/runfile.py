"""A whole run file: its tables, and what holds between them. Every default is stated once, in the table it is of.

Knows nothing of prompts, templates or providers beyond their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from judgegen.llm import models
from judgegen.llm.calls import REWARDS
from judgegen.records import Meaning
from judgegen.spec.endpoint import OPENAI_URL, Endpoint
from judgegen.spec.gates import Gates
from judgegen.spec.judge import Judge
from judgegen.spec.pairs import Pairs
from judgegen.spec.sampler import Sampler
from judgegen.spec.tables import Count, Frozen
from judgegen.spec.values import url_problem


class Columns(Frozen):
    """Which column of the prompts says what, where no list knows its name."""

    prompt: str | None = Field(
        default=None,
        min_length=1,
        description="What is asked: a text or a chat. `a+b` puts the one under the other, `a.b` is the key b in a.",
        examples=["q"],
    )
    system: str | None = Field(default=None, min_length=1, description="The system message.", examples=["persona"])
    reference: str | None = Field(default=None, min_length=1, description="The known answer.", examples=["gold"])
    tools: str | None = Field(
        default=None, min_length=1, description="The tool definitions: a list, or JSON in a text.", examples=["apis"]
    )
    id: str | None = Field(default=None, min_length=1, description="The prompt's name.", examples=["key"])


class Budget(Frozen):
    """The cap."""

    max_usd: Decimal | None = Field(
        default=None,
        ge=0,
        description="The most this run folder may cost in all, kept by reserving each call's worst case. "
        "Not written: no cap. `--max-usd` goes before it.",
        examples=[20],
        json_schema_extra={"unit": "USD"},
    )


class Output(Frozen):
    """What is written beside preferences.jsonl."""

    formats: tuple[str, ...] = Field(
        default=("openai-dpo",),
        description="Consumers whose file is written too; `judgegen list formats` names them. [] writes none.",
        examples=[["openai-dpo", "trl-dpo"]],
    )
    thought: Literal["drop", "keep"] = Field(
        default="drop",
        description="Of models that think before they answer: `keep` puts the thought before the answer, in <think>.",
        examples=["keep"],
    )


class Spec(Frozen):
    """A whole run file."""

    prompts: str = Field(
        min_length=1,
        description="The file of prompts, relative to the run file: JSONL, JSON, CSV, TSV, Parquet or a prompt a "
        "line, also gzipped. Or a folder of such files as the Hugging Face hub lays it out, FOLDER:SPLIT where it "
        "holds several splits. Or the URL of a file: https://, s3://, gs://, hf:// and others (extra `stores`).",
        examples=["prompts.jsonl", "data:train"],
    )
    columns: Columns | None = Field(
        default=None,
        description="Which column of the prompts says what. Not written: their names say it; `judgegen inspect` shows "
        "how rows are read.",
        examples=[{"prompt": "q", "system": "persona"}],
    )
    seed: Count = Field(
        default=0,
        description="Decides every random choice. Another seed is another run, and is paid for again.",
        examples=[7],
    )
    endpoints: dict[str, Endpoint] = Field(
        default_factory=dict,
        validate_default=True,
        description="Where calls go, by a name of yours. `openai` is there without being written.",
        examples=[{"vllm": {"base_url": "http://127.0.0.1:8000/v1"}}],
    )
    sampler: Sampler = Field(description="Who writes the candidates.")
    judge: Judge = Field(default=Judge(), description="Who says which candidate is better.")
    pairs: Pairs = Field(default=Pairs(), description="Which candidates become preferences.")
    budget: Budget = Field(default=Budget(), description="What may be spent.")
    output: Output = Field(default=Output(), description="What is written.")
    gates: Gates = Field(default=Gates(), description="Which figures of its own a run must bear.")
    rehearsal: bool | None = Field(
        default=None,
        description="Written by `judgegen rehearse`: every endpoint is scripted, and no row is data.",
        examples=[True],
    )

    @field_validator("endpoints")
    @classmethod
    def _with_openai(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        """OpenAI is there without being written; the environment gives its address."""
        openai = endpoints.get("openai", Endpoint(api_key_env="OPENAI_API_KEY"))
        if openai.provider == "openai" and openai.base_url is None:
            url = os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
            if problem := url_problem(url):
                raise ValueError(f"the environment variable OPENAI_BASE_URL {problem}")
            openai = openai.model_copy(update={"base_url": url})
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
            if endpoint.listing.url is None and not endpoint.base_url:
                raise ValueError(f"endpoints.{name} has no base_url")
        for problem in (
            *self._refused(),
            *self._unknown_variants(),
            *self._meaningless(),
            *self._unasked(),
            *self._longer_lists(),
            *self._further(),
            *self._rehearsed(),
        ):
            raise ValueError(problem)
        return self

    def _unknown_variants(self) -> Iterator[str]:
        """What [pairs] says of variants and scores that are not there."""
        scores = self.judge.way.scores is not None or not self.judge.way.asks_models or self.judge.grade is not None
        if self.pairs.min_score is not None and not scores:
            gives_none = f'pairs.min_score needs a score, and method = "{self.judge.method}" gives none'
            yield f"{gives_none}; use hybrid, or [judge.grade]"
        names = [variant.name for variant in self.sampler.variants]
        for key in ("stronger", "weaker"):
            value = getattr(self.pairs, key)
            if value is not None and value not in names:
                yield f"pairs.{key} = {value!r} is not one of the variants: {', '.join(names)}"

    def _meaningless(self) -> Iterator[str]:
        """What [pairs] calls P(chosen) where the method gives none such."""
        meaning, judge = self.pairs.p_chosen, self.judge
        compares = not self.judge_less and judge.way.compares is not None
        if meaning is not None and not compares:
            yield f'pairs.p_chosen = "{meaning}" is about comparisons, and no judge compares here; remove it'
        elif meaning == "pooled" and not judge.way.pools:
            yield f'pairs.p_chosen = "pooled" is for method = "pairwise", and method = "{judge.method}"; remove it'
        elif meaning == "direct" and judge.schedule != "round-robin":
            yield (
                f'pairs.p_chosen = "direct" needs every two to meet, and with schedule = "{judge.schedule}" the best '
                f'and the worst may not; use "pooled", or the schedule "round-robin"'
            )

    def _unasked(self) -> Iterator[str]:
        """Rules in words where nobody is there who could be asked about them."""
        worded = [one.name for one in self.pairs.constraints if one.rule is not None]
        if worded and self.judge_less:
            yield (
                f'pairs.constraints: {worded[0]} is a rule in words, and method = "{self.judge.method}" asks no model; '
                f"write a grader for it, or use a method with a judge"
            )
        elif self.judge_less and self.judge.anchors is not None:
            yield "judge.anchors see whether a model that judges still says the same, and none is asked here; remove it"
        elif worded and all(one.api in REWARDS for one in self.judge.everybody()):
            yield (
                f"pairs.constraints: {worded[0]} is a rule in words, and models that score read none; "
                f"write a grader for it, or add a judge in [[judge.escalate]]"
            )

    def _further(self) -> Iterator[str]:
        """Candidates that come later, where all are judged at once."""
        later = [variant.name for variant in self.sampler.variants if variant.most > variant.least]
        at_once = self.judge.lists_all or any(one.api == "rerank" for one in self.judge.everybody())
        if later and at_once and not self.judge_less:
            yield (
                f"sampler.variants.{later[0]}.n: a candidate that comes later is judged by itself, and this judge is "
                f"shown all of a prompt at once; write one number, or let answers be compared two at a time"
            )

    def _longer_lists(self) -> Iterator[str]:
        """A calibration of lists of two, where lists are longer."""
        answers = sum(variant.most for variant in self.sampler.variants)
        if self.judge.calibration is not None and self.judge.lists_all and answers > 2:
            yield (
                f'judge.calibration was fitted on two answers at a time, and method = "{self.judge.method}" shows all '
                f"{answers} at once, where a P is worth something else; remove it"
            )

    @property
    def meaning_of_p(self) -> Meaning:
        """What P(chosen) is, unless a calibration says otherwise."""
        return self.pairs.p_chosen or ("pooled" if self.judge.way.pools else "direct")

    def _rehearsed(self) -> Iterator[str]:
        """A rehearsal that would ask somebody."""
        asked = [name for name, endpoint in self.used_endpoints().items() if endpoint.provider != "scripted"]
        if self.rehearsal and asked:
            yield f"rehearsal = true, and endpoints.{asked[0]} is real; `judgegen rehearse` puts a scripted one there"

    @property
    def judge_less(self) -> bool:
        """Whether the labels need no model that judges."""
        return self.pairs.select == "delta" or not self.judge.way.asks_models

    def _routes(self) -> Iterator[tuple[str, str]]:
        if self.sampler.variants:  # none: what is judged comes from elsewhere
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
        row = self.model_dump(mode="json", exclude={"prompts", "columns", "endpoints", "output", "budget", "gates"})
        for guessed in (row["sampler"], row["judge"], *row["sampler"]["variants"]):
            guessed.pop("expected_output_tokens")
        if not row["rehearsal"]:
            del row["rehearsal"]
        used = self.used_endpoints()
        row["endpoints"] = {name: {"identity": e.address, "provider": e.provider} for name, e in used.items()}
        third = [] if row["judge"]["third"] is None else [row["judge"]["third"]]
        judges = [row["judge"], *row["judge"]["panel"], *row["judge"]["escalate"]]
        newer = [(one, name) for one in judges for name in ("schema", "rewards")]
        newer += [(one, "api") for one in (*judges, *third)] + [(row["judge"], name) for name in ("anchors", "lists")]
        for table, key in (*newer, *((row["pairs"], name) for name in ("p_chosen", "constraints", "wanted"))):
            if table[key] in (None, "stated", "chat", []):  # a newer key means nothing where it says what always was
                del table[key]
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
