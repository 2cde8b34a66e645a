"""Rows whose columns stand inside others, unpacked: OpenAI's and Tinker's, Label Studio's and Argilla's exports.

Only where a row is moved around; what the columns mean is the table's. Knows nothing of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from judgegen.sources.rows import RowError

_SELECTED = {"left": "A", "right": "B", "tie": "tie", "equal": "tie"}


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its columns at the top; one that is no such row comes back as it is."""
    for inside, unpack in _UNPACK.items():
        value = row.get(inside)
        if isinstance(value, Mapping | list) and (found := unpack(row)) is not None:
            return found
    return row


def _openai(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """{"input": {"messages", "tools"}, …}."""
    asked = row["input"]
    if not isinstance(asked, Mapping) or "messages" not in asked:
        return None
    return {**{key: value for key, value in row.items() if key != "input"}, **asked}


def _tinker(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """{"comparison": {"prompt_conversation", "completion_A", "completion_B"}, "label"}."""
    if not isinstance(row["comparison"], Mapping):
        return None
    return unpacked({**{key: value for key, value in row.items() if key != "comparison"}, **row["comparison"]})


def _tinker_inner(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return {("prompt" if key == "prompt_conversation" else key): value for key, value in row.items()}


def _verl(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The prompts of verl, with the pair in `extra_info` where judgegen wrote them."""
    extra = row["extra_info"]
    if not isinstance(extra, Mapping) or not {"chosen", "rejected"} <= extra.keys():
        return None
    return {"prompt": row.get("prompt"), **extra}


def _summarised(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """summarize_from_feedback: the post or the article in `info` is what is summarised."""
    info = row["info"]
    if not isinstance(info, Mapping) or "summaries" not in row:
        return None
    asked = info.get("post") or info.get("article")
    return None if not asked else {**row, "prompt": asked}


def _label_studio(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A task with its `data` and its annotators' results; each that was not cancelled is a vote.

    Raises:
        RowError: no annotation chooses a side.
    """
    if not isinstance(row.get("data"), Mapping) or not isinstance(row["annotations"], list):
        return None
    results = [
        result
        for annotation in row["annotations"]
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled")
        for result in _listed(annotation.get("result"))
    ]
    votes = [vote for result in results if (vote := _vote(result)) is not None]
    if not votes:
        raise RowError("no annotation says which answer is better")
    return {**row["data"], "votes": votes}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _vote(result: Any) -> Any:
    value = result.get("value") if isinstance(result, Mapping) else None
    if not isinstance(value, Mapping):
        return None
    if "selected" in value:
        return _SELECTED.get(str(value["selected"]), value["selected"])
    choices = value.get("choices")
    return choices[0] if isinstance(choices, list) and len(choices) == 1 else None


def _argilla(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A record with its `fields` and what annotators answered; discarded and draft responses are none."""
    if not isinstance(row["fields"], Mapping):
        return None
    plain = dict(row["fields"])
    responses = row.get("responses")
    if isinstance(responses, Mapping):
        for name, given in responses.items():
            values = [_submitted(one) for one in given] if isinstance(given, list) else [given]
            plain[name] = [value for value in values if value is not None]
    if isinstance(row.get("metadata"), Mapping):
        plain["metadata"] = row["metadata"]
    return plain


def _submitted(one: Any) -> Any:
    if not isinstance(one, Mapping):
        return one
    return one.get("value") if one.get("status", "submitted") == "submitted" else None


_UNPACK: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None]] = {
    "input": _openai,
    "comparison": _tinker,
    "annotations": _label_studio,
    "fields": _argilla,
    "info": _summarised,
    "prompt_conversation": _tinker_inner,
    "extra_info": _verl,
}
INSIDE = frozenset(_UNPACK)
"""Columns in which others may stand."""
