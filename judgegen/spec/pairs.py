"""The run file's [pairs]: which candidates become preferences. Every default stands here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from judgegen.records import Meaning
from judgegen.spec.tables import Chance, Characters, Frozen, Logits, Number, Share


class Pairs(Frozen):
    """Which candidates become preferences, and what a pair must bear."""

    select: Literal["best-worst", "best-mu-2sigma", "best-random", "all-above-margin", "delta"] = Field(
        default="best-worst",
        description="Which two: the best against the worst, against the one nearest to two standard deviations below "
        "the mean, or against one drawn by lot; every two whose scores differ by min_margin; or, without a judge, "
        "a stronger variant against a weaker one (delta).",
        examples=["all-above-margin"],
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

    @model_validator(mode="after")
    def _delta_names_both(self) -> Pairs:
        named = [self.stronger, self.weaker]
        if self.select == "delta":
            if None in named or self.stronger == self.weaker:
                raise ValueError('select = "delta" needs stronger and weaker, the names of two variants')
        elif named != [None, None]:
            raise ValueError('stronger and weaker are for select = "delta"; remove them or select that')
        return self
