"""The run file's [judge]: how labels come about. Every default stands here.

Knows nothing of endpoints or of how any of it is done.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from judgegen.judge.method import Method
from judgegen.judge.methods import METHODS
from judgegen.llm import models
from judgegen.spec.tables import Chance, Count, Effort, Extra, Frozen, Number, Tokens, Weight

JUDGE_TOKENS = 512
JUDGE_TOKENS_REASONING = 4096
MOST_SAMPLES = 64

SchemaAs = Literal["json_schema", "json_object", "off"]
"""How the form of a verdict is asked for: by a schema, as some JSON object, or in words alone."""


def surest(votes: int) -> float:
    """The P that so many votes of one mind come to; 0 for one alone, which says nothing of how sure it is."""
    return (votes + 1) / (votes + 2) if votes > 1 else 0.0


class Third(Frozen):
    """Who is asked once more where the two orders of a comparison conflict: another template, another model, or both.

    What is not written is the judge's own.
    """

    endpoint: str | None = Field(default=None, description="A name of [endpoints].", examples=["openai"])
    model: str | None = Field(default=None, min_length=1, description="Another model.", examples=["gpt-6.1-sol"])
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


class Judge(Frozen):
    """Who says which of two candidates is better.

    `temperature`, `logprobs` and `max_tokens` follow what the model accepts unless they are written. A key that the
    method would not read is refused.
    """

    method: str = Field(
        default="pairwise",
        description="The way of judging; `judgegen list methods` names them with the keys that each reads.",
        examples=["hybrid"],
    )
    endpoint: str = Field(default="openai", description="A name of [endpoints].", examples=["vllm"])
    model: str = Field(
        default="",
        description="The model that judges. Needed unless there is a panel or no model judges.",
        examples=["gpt-6.1-sol"],
    )
    template: str = Field(
        default="pairwise",
        description="The question by which answers are compared: a shipped one (pairwise, pairwise-reference, "
        "correctness, helpful-honest-harmless, style) or the path of one of yours.",
        examples=["style", "my/judge.md"],
    )
    rubric: str = Field(
        default="rubric",
        description="The template that scores one answer at a time: the shipped one, or the path of one of yours.",
        examples=["my/rubric.md"],
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="Of the rubric's aspects, instead of those that its template states.",
        examples=[{"helpfulness": 2.0}],
    )
    samples: Count = Field(
        default=1,
        gt=0,
        le=MOST_SAMPLES,
        description="Answers to each scoring, averaged; where answers are compared, verdicts on each display, counted "
        "as votes. For judges that give no logprobs.",
        examples=[5],
    )
    criteria: str | None = Field(
        default=None,
        min_length=1,
        description="What makes an answer better, in your words; the template must have a place for it.",
        examples=["Prefer the answer that a busy reader would."],
    )
    reference: Literal["off", "given", "judge"] = Field(
        default="given",
        description="The answer that judges see as right: a prompt's own (given), one that the judge writes first "
        "(judge), or none.",
        examples=["judge"],
    )
    checklist: Literal["off", "judge"] = Field(
        default="off",
        description="Whether the judge first writes what a good answer to the prompt has.",
        examples=["judge"],
    )
    rationale: Literal["none", "before", "after"] = Field(
        default="none", description="Whether verdicts say why, and where.", examples=["before"]
    )
    orders: Literal["both", "one"] = Field(
        default="both",
        description="Whether each two answers are shown both ways round. One order costs half, and cannot tell a "
        "judge that favours a place.",
        examples=["one"],
    )
    schedule: Literal["round-robin", "min-max", "swiss"] = Field(
        default="round-robin",
        description="Which candidates meet: every two; or fewer, to find the best and the worst (min-max), or those "
        "of equal standing, round after round (swiss).",
        examples=["min-max"],
    )
    early_stop: Chance | None = Field(
        default=None,
        le=1,
        ge=0.5,
        description="Probability of a winner from which the first order settles it. Needs logprobs or samples.",
        examples=[0.95],
    )
    third: Third | None = Field(
        default=None,
        description="Who is asked once more where the two orders conflict.",
        examples=[{"template": "style"}],
    )
    panel: tuple[Panelist, ...] = Field(
        default=(),
        description="Judges asked beside the one of [judge], one table each.",
        examples=[[{"model": "gpt-6.1-sol", "weight": 2.0}]],
    )
    escalate: tuple[Escalation, ...] = Field(
        default=(),
        description="Judges asked in turn where those before them conflict or are not sure, one table each.",
        examples=[[{"model": "gpt-6.1-sol", "below": 0.2}]],
    )
    grader: str | None = Field(
        default=None,
        min_length=1,
        description='Of method = "python": exact, numeric, contains, regex, json-schema, length, or a function of '
        'yours as "module:function".',
        examples=["exact", "mine:score"],
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="What that grader is told.", examples=[{"pattern": "[0-9]+"}]
    )
    grade: Grade | None = Field(
        default=None,
        description="A grader beside the judges.",
        examples=[{"grader": "exact", "veto": True}],
    )
    calibration: str | None = Field(
        default=None,
        min_length=1,
        description="What `judgegen judge calibrate` wrote, relative to the run file: its map of confidence and its "
        "threshold then hold.",
        examples=["calibration.json"],
    )
    max_attempts: Count = Field(
        default=3,
        gt=0,
        description="How often a verdict is asked for until it can be read; each is paid for.",
        examples=[2],
    )
    max_tokens: Tokens | None = Field(
        default=None,
        description="The longest verdict, thought included; 512, or 4096 for a model that thinks, unless written.",
        examples=[1024],
    )
    expected_output_tokens: Tokens | None = Field(
        default=None,
        description="The usual length of a verdict, for `judgegen estimate` before anything was answered.",
        examples=[300],
    )
    reasoning_effort: Effort | None = Field(
        default=None, description="How long a reasoning model thinks. Not sent unless written.", examples=["low"]
    )
    temperature: Number | None = Field(
        default=None, ge=0, description="0 where the model takes it, unless written.", examples=[0.0]
    )
    logprobs: bool | None = Field(
        default=None,
        description="Probabilities of the labels, asked for where the model gives them, unless written.",
        examples=[False],
    )
    schema_as: SchemaAs | None = Field(
        default=None,
        alias="schema",
        description="How the form of a verdict is asked for: by a schema, as some JSON object, or in words alone. "
        "Found out unless written.",
        examples=["json_object"],
    )
    extra_body: Extra = Field(
        default_factory=dict, description="Further keys of the request, sent as they are.", examples=[{"min_p": 0.05}]
    )

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in METHODS:
            raise ValueError(f"{name!r} is not one of: {', '.join(METHODS)}")
        return name

    @model_validator(mode="after")
    def _fits_the_method(self) -> Judge:
        """A key that would be read and ignored is refused, and so is a method without what it needs."""
        for key in type(self).model_fields:
            takers = [f'"{name}"' for name in METHODS if key in METHODS[name].keys]
            if takers and key not in self.way.keys and self._written(key):
                allowed = " or ".join(takers)
                raise ValueError(f'{key} is for method = {allowed}, and method = "{self.method}"; remove one of them')
        for key in self.way.needs:
            if not self._written(key):
                raise ValueError(f'method = "{self.method}" and {key} go together: write what {key} it goes by')
        return self

    def _written(self, key: str) -> bool:
        """Whether this key says something else than its default."""
        return bool(getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True))

    @model_validator(mode="after")
    def _orders_to_save(self) -> Judge:
        if self.orders == "one":
            for name in ("early_stop", "third"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is about a second order, and orders = "one" asks for none')
        return self

    @model_validator(mode="after")
    def _early_stop_settles_something(self) -> Judge:
        """An early stop that no verdict could reach would be read and ignored."""
        silent = [judge for judge, _ in self.panelists() if judge.no_logprobs is not None]
        if self.early_stop is None or not silent or surest(self.votes) >= self.early_stop:
            return self
        why = f"and {silent[0].no_logprobs}"
        if self.votes > 1:
            why = f"{why}; samples = {self.votes} of one mind make it {surest(self.votes):.3g}"
        least = next((k for k in range(2, MOST_SAMPLES + 1) if surest(k) >= self.early_stop), None)
        mend = f"samples = {least} can reach {self.early_stop:g}; " if least is not None else ""
        raise ValueError(f"early_stop needs the probability of a verdict, {why}; {mend}or remove early_stop")

    @property
    def way(self) -> Method:
        """What is known of its method."""
        return METHODS[self.method]

    @property
    def compared_by(self) -> str:
        """The template by which answers are compared: the method's usual one unless another is written."""
        usual = self.way.compares.name if self.way.compares is not None else self.template
        return self.template if "template" in self.model_fields_set else usual

    def panelists(self) -> list[tuple[Judge, float]]:
        """Every judge asked at first, with its weight: the one of [judge] where it has a model, then the panel's."""
        own = [(self, 1.0)] if self.model else []
        return [*own, *((self.like(member), member.weight) for member in self.panel)]

    def like(self, member: Member | Third) -> Judge:
        """This judge as `member` changes it. A model of its own has its own limits, efforts and wishes."""
        own = member.model_dump(exclude={"weight", "below"}, by_alias=False)
        if member.model is None:
            return self.model_copy(update={name: value for name, value in own.items() if value is not None})
        kept = {name: own[name] or getattr(self, name) for name in ("endpoint", "template")}
        fresh = dict.fromkeys(("max_tokens", "reasoning_effort", "temperature", "logprobs", "schema_as"))
        return self.model_copy(update={**fresh, "extra_body": {}, **own, **kept})

    @property
    def no_logprobs(self) -> str | None:
        """Why its verdicts are known to come without logprobs, as a clause; None where that is not known."""
        if self.logprobs is False:
            return "logprobs = false asks for none"
        gives = "top_logprobs" not in models.refused(self.model, self.reasoning_effort)
        return None if gives else f"{self.model} gives no logprobs"

    @property
    def votes(self) -> int:
        """How many verdicts on one display are counted, where one tells no probability."""
        return self.samples if self.way.compares is not None and self.way.scores is None else 1

    @property
    def token_limit(self) -> int:
        """`max_tokens`, or room for a verdict, with room for thought where the model is known to think."""
        if self.max_tokens is not None:
            return self.max_tokens
        return JUDGE_TOKENS_REASONING if models.reasons(self.model, self.reasoning_effort) else JUDGE_TOKENS

    @property
    def room(self) -> int:
        """Tokens beyond `token_limit` for a model that seems to think by its name, where the run file sets no limit."""
        thinks = self.max_tokens is None and models.thinks(self.model, self.reasoning_effort)
        return JUDGE_TOKENS_REASONING - self.token_limit if thinks else 0
