"""The run file's [pairs]: which candidates become preferences. Every default stands here."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from judgegen.records import Meaning
from judgegen.spec.tables import Chance, Characters, Count, Frozen, Logits, Number, Share


class Constraint(Frozen):
    """A rule that a chosen answer must not break: in words, which the judge is asked about, or a grader's."""

    name: str = Field(
        description="What it is called in reasons and counts: a-z, 0-9 and _, a letter first.",
        examples=["no_promises"],
    )
    rule: str | None = Field(
        default=None,
        min_length=1,
        description="The rule in words. The first judge is asked about each answer, all rules in one call.",
        examples=["The answer promises nothing on anybody's behalf."],
    )
    grader: str | None = Field(
        default=None,
        min_length=1,
        description="Or who scores it without a model: exact, numeric, contains, regex, json-schema, length, or a "
        'function of yours as "module:function".',
        examples=["length", "mine:polite"],
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="What that grader is told.", examples=[{"max_words": 120}]
    )
    least: Share = Field(
        default=1.0,
        gt=0,
        le=1,
        description="The least of the grader's scores that keeps the rule.",
        examples=[0.5],
    )

    @field_validator("name")
    @classmethod
    def _a_word(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "rationale":
            raise ValueError("a name is a word of a-z, 0-9 and _, a letter first, other than rationale")
        return name

    @model_validator(mode="after")
    def _one_of_two(self) -> Constraint:
        if (self.rule is None) == (self.grader is None):
            raise ValueError("write rule (words for the judge) or grader, one of the two")
        if self.grader is None and (self.options or self.least != 1.0):
            raise ValueError("options and least are told to a grader, and a rule in words has none; remove them")
        return self


class Pairs(Frozen):
    """Which candidates become preferences, and what a pair must bear."""

    select: Literal["best-worst", "best-mu-2sigma", "best-random", "all-above-margin", "delta"] = Field(
        default="best-worst",
        description="Which two: the best against the worst, against the one nearest to two standard deviations below "
        "the mean, or against one drawn by lot; every two whose scores differ by min_margin; or, without a judge, "
        "a stronger variant against a weaker one (delta).",
        examples=["all-above-margin"],
    )
    wanted: Count | None = Field(
        default=None,
        gt=0,
        description="Stop at so many pairs: prompts are taken by lots of the seed until they gave them, and no other "
        "is asked about. The last prompt keeps all of its pairs. `--pairs` goes before it.",
        examples=[5000],
    )
    require_consistent: bool = Field(
        default=True, description="Drop a pair whose winner changed with the order.", examples=[False]
    )
    p_chosen: Meaning | None = Field(
        default=None,
        description="What the probability of a pair is: of all comparisons of its prompt (pooled), or of the two's own "
        "(direct), both as far as the judge is believed; or its own as the judge states it (stated), where a verdict "
        "without logprobs is a certainty. Unless written: pooled for pairwise, direct for hybrid, and with a "
        "calibration what that is for.",
        examples=["direct"],
    )
    min_p_chosen: Chance = Field(
        default=0.5,
        ge=0.5,
        lt=1,
        description="Keep pairs whose chosen answer is better with more than this probability.",
        examples=[0.7],
    )
    min_margin: Share = Field(
        default=0.0,
        ge=0,
        le=1,
        description="The least difference between the two scores, each 0 to 1.",
        examples=[0.25],
    )
    min_score: Share | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The least score of the chosen answer by itself; for methods that give one, or with a grader.",
        examples=[0.6],
    )
    max_length_ratio: Number | None = Field(
        default=None,
        ge=1,
        description="The most characters of the longer answer to one of the shorter.",
        examples=[2.5],
    )
    length_correction: Logits = Field(
        default=0.0,
        ge=0,
        description="What a much longer answer loses in each comparison, against judges that favour length.",
        examples=[0.5],
    )
    length_scale: Characters = Field(
        default=700.0, description="The length difference at which three quarters of that are taken.", examples=[500.0]
    )
    stronger: str | None = Field(
        default=None, description='With select = "delta": the variant of the chosen.', examples=["large"]
    )
    weaker: str | None = Field(
        default=None, description='With select = "delta": the variant of the rejected.', examples=["small"]
    )

    constraints: tuple[Constraint, ...] = Field(
        default=(),
        description="Rules that a chosen answer must not break, one table each; one that does may only be rejected.",
        examples=[[{"name": "short", "grader": "length", "options": {"max_words": 120}}]],
    )

    @model_validator(mode="after")
    def _constraints_differ(self) -> Pairs:
        names = [one.name for one in self.constraints]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"constraints: the name {twice[0]!r} stands twice; names must differ")
        if names and self.select == "delta":
            raise ValueError('constraints are looked at where answers are judged, and select = "delta" judges none')
        return self

    @model_validator(mode="after")
    def _delta_names_both(self) -> Pairs:
        named = [self.stronger, self.weaker]
        if self.select == "delta":
            if None in named or self.stronger == self.weaker:
                raise ValueError('select = "delta" needs stronger and weaker, the names of two variants')
        elif named != [None, None]:
            raise ValueError('stronger and weaker are for select = "delta"; remove them or select that')
        return self
