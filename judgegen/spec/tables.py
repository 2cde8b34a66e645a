"""What the run file's tables share: they are closed and frozen, and say which keys a call's extra body may not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

OURS = frozenset(
    "model messages n stream max_tokens max_completion_tokens temperature top_p top_k seed response_format logprobs "
    "top_logprobs reasoning_effort tools service_tier".split()
)
"""What extra_body may not hold: each has a key of its own, or would change what a call costs behind its back."""


def _only_extra(extra: dict[str, Any]) -> dict[str, Any]:
    if ours := sorted(OURS & set(extra)):
        raise ValueError(
            f"extra_body may not set {ours[0]!r}; use the run file's own key, which the cost is counted from"
        )
    return extra


Extra = Annotated[dict[str, Any], AfterValidator(_only_extra)]


def _pairs(given: Any) -> Any:
    return tuple((str(name), value) for name, value in given.items()) if isinstance(given, Mapping) else given


Pairs = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, str]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""A table of texts, kept as pairs so that what holds it can be compared and hashed."""

Tokens = Annotated[int, Field(gt=0, json_schema_extra={"unit": "tokens"})]
Count = Annotated[int, Field(json_schema_extra={"unit": "a count"})]
Number = Annotated[float, Field(json_schema_extra={"unit": "a number"})]
Weight = Annotated[float, Field(ge=0, json_schema_extra={"unit": "a weight beside the others"})]
Share = Annotated[float, Field(json_schema_extra={"unit": "a share"})]
Chance = Annotated[float, Field(json_schema_extra={"unit": "a probability"})]
Seconds = Annotated[float, Field(ge=0, json_schema_extra={"unit": "seconds"})]
PerMinute = Annotated[float, Field(gt=0, json_schema_extra={"unit": "per minute"})]
PerMillion = Annotated[float, Field(ge=0, json_schema_extra={"unit": "USD per million tokens"})]
Characters = Annotated[float, Field(gt=0, json_schema_extra={"unit": "characters"})]
Logits = Annotated[float, Field(json_schema_extra={"unit": "logits"})]
"""Numbers with their units, which the reference of the run file names. A bound that a field sets
too must not stand here: pydantic takes one of the two."""

MOST_ITEMS = 50
"""Questions of a checklist: with a rubric's aspects no more than servers take at once (64 at vLLM)."""


def _checklist(given: Any) -> Any:
    if given in ("off", "judge"):
        return given
    lines = given if isinstance(given, list | tuple) else ()
    whole = all(isinstance(one, str) and len(one.splitlines()) == 1 for one in lines)
    if not whole or not 1 <= len(lines) <= MOST_ITEMS:
        raise ValueError(f"must be 'off', 'judge' or a list of 1 to {MOST_ITEMS} questions, each one line")
    return tuple(lines)


Checklist = Annotated[
    Literal["off", "judge"] | tuple[str, ...],
    PlainValidator(_checklist),
    PlainSerializer(lambda given: given if isinstance(given, str) else list(given)),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["off", "judge"], "type": "string"},
                {"items": {"type": "string"}, "maxItems": MOST_ITEMS, "minItems": 1, "type": "array"},
            ]
        }
    ),
]
"""None, one that a judge writes, or the questions themselves."""


class Frozen(BaseModel):
    """A closed, immutable table: what is not named here is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, serialize_by_alias=True, allow_inf_nan=False)
