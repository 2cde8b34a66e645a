"""The plan of judging: [judge] and [pairs] resolved against their templates.

The one place where those tables become the judge's own types. Knows nothing of prompts, journals or senders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from judgegen import templates
from judgegen.errors import SpecError
from judgegen.judge.build import WISHES, Asking
from judgegen.judge_spec import Judge
from judgegen.spec import Spec
from judgegen.writer.select import Rules

JUDGE_TOP_LOGPROBS = 20
"""As many alternatives as OpenAI's API gives; the three labels are among them unless the judge says something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How labels come about. `asking` is the judge; `third` settles what its two orders leave in conflict.

    `length_correction` is in logits, `length_scale` in characters.
    """

    seed: int
    asking: Asking
    both_orders: bool
    max_attempts: int
    schedule: str
    early_stop: float | None
    third: Asking | None
    length_correction: float
    length_scale: float

    @property
    def judges(self) -> tuple[Asking, ...]:
        """Everybody who may be asked for an opinion."""
        return (self.asking,) if self.third is None else (self.asking, self.third)


def template_names(spec: Spec) -> Iterator[tuple[str, str]]:
    """(name, kind) of every template that the run file needs."""
    if spec.judge_less:
        return
    yield spec.judge.template, "pairwise"
    if spec.judge.third is not None and spec.judge.third.template is not None:
        yield spec.judge.third.template, "pairwise"


def judging(spec: Spec, kept: Mapping[str, str]) -> Judging | None:
    """How this run judges; None where it does not.

    Raises:
        SpecError: a template does not fit, or is not among the `kept` texts.
    """
    if spec.judge_less:
        return None
    judge = spec.judge
    return Judging(
        seed=spec.seed,
        asking=_asking(spec, judge, kept),
        both_orders=judge.orders == "both",
        max_attempts=judge.max_attempts,
        schedule=judge.schedule,
        early_stop=judge.early_stop,
        third=_third(spec, kept),
        length_correction=spec.pairs.length_correction,
        length_scale=spec.pairs.length_scale,
    )


def rules(spec: Spec) -> Rules:
    """What a pair must bear."""
    pairs = spec.pairs
    return Rules(
        select=pairs.select,
        require_consistent=pairs.require_consistent,
        min_p_chosen=pairs.min_p_chosen,
        min_margin=pairs.min_margin,
        max_length_ratio=pairs.max_length_ratio,
        stronger=pairs.stronger or "",
        weaker=pairs.weaker or "",
    )


def _third(spec: Spec, kept: Mapping[str, str]) -> Asking | None:
    third = spec.judge.third
    if third is None:
        return None
    own = {name: value for name, value in third.model_dump().items() if value is not None}
    return _asking(spec, spec.judge.model_copy(update=own), kept, name="third")


def _asking(spec: Spec, judge: Judge, kept: Mapping[str, str], *, name: str = "") -> Asking:
    written = {
        "temperature": judge.temperature,
        "reasoning_effort": judge.reasoning_effort,
        "extra_body": judge.extra_body or None,
        "top_logprobs": JUDGE_TOP_LOGPROBS if judge.logprobs else None,
    }
    wished = {"temperature": 0.0, "top_logprobs": None if judge.logprobs is False else JUDGE_TOP_LOGPROBS}
    fixed: dict[str, Any] = {**wished, **{key: value for key, value in written.items() if value is not None}}
    return Asking(
        name=name,
        route=judge.endpoint,
        endpoint=spec.endpoints[judge.endpoint].address,
        model=judge.model,
        template=_template(judge.template, kept, "pairwise"),
        max_tokens=judge.token_limit,
        fixed={key: value for key, value in fixed.items() if value is not None},
        wishes=WISHES - {key for key, value in written.items() if value is not None},
    )


def _template(template: str, kept: Mapping[str, str], kind: str) -> templates.Template:
    name = f"judge/{template}"
    if name not in kept:
        raise SpecError(f"{name}: not kept in this run's journal; `judgegen run` reads it from its file")
    return templates.parse(kept[name], name, kind)
