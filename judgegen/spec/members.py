"""The run file's tables within [judge]: further judges, and a grader beside them. Their defaults stand here.

Knows nothing of how any of it is done.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from judgegen.judge.build import Scale
from judgegen.llm.calls import Api
from judgegen.spec.tables import Chance, Count, Effort, Extra, Frozen, Number, Tokens, Weight

SchemaAs = Literal["json_schema", "json_object", "off"]
"""How the form of a verdict is asked for: by a schema, as some JSON object, or in words alone."""
API = (
    "How it is asked: in a chat; typed questions that a decision model answers by probabilities, as OpenAI puts "
    "them (decisions) or as TypeSafe does (systemone); or for the score of each answer by itself, as rerankers give it "
    "(rerank) or reward models of vLLM (pooling)."
)
SCALE = (
    "With api = rerank or pooling: whether scores are any numbers (logits) or lie between 0 and 1 (probabilities). "
    "Unless written: probabilities for rerank, logits for pooling."
)


class Third(Frozen):
    """Who is asked once more where the two orders of a comparison conflict: another template, another model, or both.

    What is not written is the judge's own.
    """

    endpoint: str | None = Field(default=None, description="A name of [endpoints].", examples=["openai"])
    model: str | None = Field(default=None, min_length=1, description="Another model.", examples=["gpt-6.1-sol"])
    api: Api | None = Field(
        default=None,
        description="How it is asked: in a chat, unless written or the model is the same.",
        examples=["chat"],
    )
    template: str | None = Field(default=None, description="Another template.", examples=["style"])

    @model_validator(mode="after")
    def _another(self) -> Third:
        if self.model is None and self.template is None:
            raise ValueError("name another model or another template: the same question again adds nothing")
        return self


class Member(Frozen):
    """One judge of several. What is not written is as in [judge]."""

    endpoint: str | None = Field(default=None, description="A name of [endpoints].", examples=["openai"])
    model: str = Field(min_length=1, description="The model that judges.", examples=["gpt-6.1-sol"])
    api: Api = Field(default="chat", description=API, examples=["decisions"])
    rewards: Scale | None = Field(default=None, description=SCALE, examples=["logits"])
    template: str | None = Field(default=None, description="Its template.", examples=["style"])
    max_tokens: Tokens | None = Field(
        default=None, description="The longest verdict, thought included.", examples=[512]
    )
    reasoning_effort: Effort | None = Field(default=None, description="How long it thinks.", examples=["low"])
    temperature: Number | None = Field(
        default=None, ge=0, description="0 where the model takes it, unless written.", examples=[0.0]
    )
    logprobs: bool | None = Field(
        default=None, description="Asked for where the model gives them, unless written.", examples=[False]
    )
    schema_as: SchemaAs | None = Field(
        default=None, alias="schema", description="How the form of a verdict is asked for.", examples=["json_object"]
    )
    extra_body: Extra = Field(
        default_factory=dict, description="Further keys of the request, sent as they are.", examples=[{"min_p": 0.05}]
    )


class Panelist(Member):
    """A judge that is asked beside the others. What is not written is as in [judge]."""

    weight: Weight = Field(default=1.0, gt=0, description="How much its verdicts count.", examples=[2.0])


class Escalation(Member):
    """A judge that is asked only where the ones before it conflict, cannot be read, or are not sure.

    What is not written is as in [judge].
    """

    below: Chance = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="It is asked where the probability so far is nearer to one half than this; 0: conflicts alone.",
        examples=[0.2],
    )


class Grade(Frozen):
    """A grader beside the judge: it weighs in, or vetoes pairs whose rejected it puts above the chosen, or both."""

    grader: str = Field(
        min_length=1,
        description="exact, numeric, contains, regex, json-schema, length, or a function of yours.",
        examples=["exact", "mine:score"],
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="What the grader is told.", examples=[{"pattern": "[0-9]+"}]
    )
    weight: Weight | None = Field(
        default=None, gt=0, description="How much its scores count beside the judges' verdicts.", examples=[1.0]
    )
    veto: bool = Field(
        default=False,
        description="Drop a pair whose rejected answer it scores above the chosen one.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _does_something(self) -> Grade:
        if self.weight is None and not self.veto:
            raise ValueError("neither weighs in nor vetoes; set weight or veto = true")
        return self


class Anchors(Frozen):
    """Labelled comparisons that the judge is asked about with every run, to see whether it still says the same."""

    file: str = Field(
        min_length=1,
        description="The labelled comparisons, as `judgegen judge check` takes them, relative to the run file.",
        examples=["anchors.jsonl"],
    )
    n: Count = Field(
        default=50,
        gt=0,
        description="How many are judged, drawn by lots of the seed, one of each prompt.",
        examples=[100],
    )
    reference: str | None = Field(
        default=None,
        min_length=1,
        description="What the verdicts are held against: an earlier run's anchors.json, or a calibration, relative to "
        "the run file. Unless written: judge.calibration, where there is one.",
        examples=["runs/first/anchors.json"],
    )
    looks: Count = Field(
        default=1,
        gt=0,
        description="How many runs are held against that reference in all: the 5 % of false alarms are of all of them.",
        examples=[12],
    )


def _file_alone(given: Any) -> Any:
    return {"file": given} if isinstance(given, str) else given


class _OrText:
    """In the JSON Schema a text may stand for the table; pydantic 2.11 fails over a model in an input type."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(core)
        return {"anyOf": [{"type": "string"}, *found.get("anyOf", [found])]}


AnchorsOrFile = Annotated[Anchors | None, BeforeValidator(_file_alone), _OrText()]
"""Anchors, or their file alone."""
