"""The run file's [judge] and [pairs]: how labels come about and which of them are kept. Every default stands here.

Knows nothing of endpoints or of how any of it is done.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from judgegen.judge.method import Method
from judgegen.judge.methods import METHODS
from judgegen.llm import models
from judgegen.spec.tables import Effort, Extra, Frozen

JUDGE_TOKENS = 512
JUDGE_TOKENS_REASONING = 4096
MOST_SAMPLES = 64

SchemaAs = Literal["json_schema", "json_object", "off"]
"""How the form of a verdict is asked for: by a schema, as some JSON object, or in words alone."""
Weight = Annotated[float, Field(ge=0)]


def surest(votes: int) -> float:
    """The P that so many votes of one mind come to; 0 for one alone, which says nothing of how sure it is."""
    return (votes + 1) / (votes + 2) if votes > 1 else 0.0


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


class Member(Frozen):
    """One judge of several. What is not written is as in [judge]."""

    endpoint: str | None = None
    model: str = Field(min_length=1)
    template: str | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Effort | None = None
    temperature: float | None = Field(default=None, ge=0)
    logprobs: bool | None = None
    schema_as: SchemaAs | None = Field(default=None, alias="schema")
    extra_body: Extra = Field(default_factory=dict)


class Panelist(Member):
    """A judge that is asked beside the others."""

    weight: float = Field(default=1.0, gt=0)


class Escalation(Member):
    """A judge that is asked only where the ones before it conflict, cannot be read, or are not sure."""

    below: float = Field(default=0.0, ge=0, le=0.5)  # |p - 1/2| under which it is asked, 0 for conflicts alone


class Grade(Frozen):
    """A grader beside the judge: it weighs in, or vetoes pairs whose rejected it puts above the chosen, or both."""

    grader: str = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    weight: float | None = Field(default=None, gt=0)
    veto: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> Grade:
        if self.weight is None and not self.veto:
            raise ValueError("neither weighs in nor vetoes; set weight or veto = true")
        return self


class Judge(Frozen):
    """The model that compares. Unset `temperature`, `logprobs` and `max_tokens` follow what the model accepts."""

    method: str = "pairwise"
    endpoint: str = "openai"
    model: str = ""
    template: str = "pairwise"
    rubric: str = "rubric"  # the template that scores one answer at a time
    weights: dict[str, Weight] = Field(default_factory=dict)  # of the rubric's aspects, instead of its own
    samples: int = Field(default=1, gt=0, le=MOST_SAMPLES)  # answers to each scoring; pairwise: votes without logprobs
    criteria: str | None = Field(default=None, min_length=1)
    reference: Literal["off", "given", "judge"] = "given"
    checklist: Literal["off", "judge"] = "off"
    rationale: Literal["none", "before", "after"] = "none"
    orders: Literal["both", "one"] = "both"
    schedule: Literal["round-robin", "min-max", "swiss"] = "round-robin"
    early_stop: float | None = Field(default=None, ge=0.5, le=1)  # P(winner) from which the first order settles it
    third: Third | None = None
    panel: tuple[Panelist, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    grader: str | None = Field(default=None, min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)  # what the grader is told
    grade: Grade | None = None
    calibration: str | None = Field(default=None, min_length=1)  # what `judgegen judge calibrate` wrote
    max_attempts: int = Field(default=3, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    expected_output_tokens: int | None = Field(default=None, gt=0)
    reasoning_effort: Effort | None = None
    temperature: float | None = Field(default=None, ge=0)
    logprobs: bool | None = None
    schema_as: SchemaAs | None = Field(default=None, alias="schema")
    extra_body: Extra = Field(default_factory=dict)

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


class Pairs(Frozen):
    """Which candidates become preferences, and what a pair must bear."""

    select: Literal["best-worst", "best-mu-2sigma", "best-random", "all-above-margin", "delta"] = "best-worst"
    require_consistent: bool = True
    min_p_chosen: float = Field(default=0.5, ge=0.5, lt=1)
    min_margin: float = Field(default=0.0, ge=0, le=1)
    min_score: float | None = Field(default=None, ge=0, le=1)  # the absolute score of the chosen
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
