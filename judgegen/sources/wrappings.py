"""Rows whose columns stand inside others, unpacked: OpenAI's and Tinker's, Label Studio's and Argilla's exports.

Only where a row is moved around; what the columns mean is the table's. Knows nothing of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from judgegen.sources.columns import plain_name
from judgegen.sources.rows import RowError

_TEXTS = frozenset({str, int, float, bool, type(None)})
_SELECTED = {"left": "A", "right": "B", "tie": "tie", "equal": "tie"}


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its columns at the top; one that is no such row comes back as it is."""
    if _TEXTS.issuperset(map(type, row.values())):
        return row
    for inside, unpack in () if INSIDE.isdisjoint(row) else _UNPACK.items():
        value = row.get(inside)
        if isinstance(value, Mapping | list) and (found := unpack(row)) is not None:
            return found
    return _feedback(row)


def _openai(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """{"input": {"messages", "tools"}, …}."""
    asked = row["input"]
    if not isinstance(asked, Mapping) or "messages" not in asked:
        return None
    return {**{key: value for key, value in row.items() if key != "input"}, **asked}


def _served(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A row as the hub's server of rows gives it: {"row_idx", "row", "truncated_cells"}.

    Raises:
        RowError: it cut cells off.
    """
    if not isinstance(row["row"], Mapping) or "row_idx" not in row:
        return None
    if row.get("truncated_cells"):
        raise RowError(f"the server cut off {row['truncated_cells']}; download the data set's files")
    return unpacked(row["row"])


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
    reward = row.get("reward_model")
    known = reward.get("ground_truth") if isinstance(reward, Mapping) and reward.get("style") == "rule" else None
    return {"prompt": row.get("prompt"), **({} if known is None else {"reference": known}), **extra}


def _summarised(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """summarize_from_feedback: the post or the article in `info` is what is summarised."""
    info = row["info"]
    if not isinstance(info, Mapping) or "summaries" not in row:
        return None
    asked = info.get("post") or info.get("article")
    return None if not asked else {**row, "prompt": asked}


def _label_studio(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A task with its `data` and its annotators' results; each that was not cancelled is a vote, or a ranking.

    Raises:
        RowError: no annotation chooses a side, or rankings cannot be told or differ.
    """
    if not isinstance(row.get("data"), Mapping) or not isinstance(row["annotations"], list):
        return None
    results = [
        result
        for annotation in row["annotations"]
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled")
        for result in _listed(annotation.get("result"))
    ]
    if orders := [
        value["ranker"] for result in results if isinstance(value := _value(result), Mapping) and "ranker" in value
    ]:
        return _ordered(row["data"], [_order(one) for one in orders])
    votes = [vote for result in results if (vote := _vote(result)) is not None]
    if not votes:
        raise RowError("no annotation says which answer is better")
    return {**row["data"], "votes": votes}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(result: Any) -> Any:
    return result.get("value") if isinstance(result, Mapping) else None


def _order(ranker: Any) -> list[str]:
    """The ids of a list's items, the best first, that a Ranker without buckets made."""
    filled = [ids for ids in ranker.values() if ids] if isinstance(ranker, Mapping) else [ranker]
    if len(filled) != 1 or not isinstance(filled[0], list):
        raise RowError(
            "answers are sorted into buckets, and nothing says which bucket is better; rank them in one list"
        )
    return [str(one) for one in filled[0]]


def _ordered(data: Mapping[str, Any], orders: list[list[str]]) -> Mapping[str, Any]:
    """The task's data with the listed items as answers of those ranks."""
    if any(order != orders[0] for order in orders):
        raise RowError("annotators rank the answers in different orders")
    for name, listed in data.items():
        items = {str(one.get("id")): one for one in _listed(listed) if isinstance(one, Mapping)}
        if set(orders[0]) <= items.keys():
            answers = [
                {"text": next((one[key] for key in ("body", "text", "title") if one.get(key)), None), "rank": place}
                for place, one in enumerate((items[each] for each in orders[0]), 1)
            ]
            return {**{key: value for key, value in data.items() if key != name}, "answers": answers}
    raise RowError("a ranking names items that no list of the task holds")


def _vote(result: Any) -> Any:
    value = _value(result)
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


def _feedback(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of Argilla's data sets on the hub, old or new: what was submitted to each of its questions.

    The old have a column per question with {user_id, value, status} of each annotator, the new three columns named
    after it: `preference.responses`, and `.users` and `.status` behind that.
    """
    asked: dict[str, list[Any]] = {}
    for name, value in row.items():
        if type(value) in _TEXTS:
            continue
        if isinstance(value, list) and isinstance(row.get(f"{name}.status"), list) and name.endswith(".responses"):
            said = zip(value, row[f"{name}.status"], strict=False)
            asked[name] = [one for one, status in said if status == "submitted"]
        elif (given := _given(value)) is not None:
            asked[name] = [one for each in given if (one := _submitted(each)) is not None]
    if not asked:
        return row
    plain = {key: value for key, value in row.items() if key not in asked}
    plain |= {name.removesuffix(".responses"): values for name, values in asked.items() if values}
    for name, values in asked.items():
        if values and all(isinstance(one, Mapping) and {"rank", "value"} <= one.keys() for one in values):
            del plain[name.removesuffix(".responses")]
            return _by_rank(plain, [dict(zip(one["value"], one["rank"], strict=True)) for one in values])
    return plain


def _given(value: Any) -> list[Any] | None:
    """Annotators' answers to a question: a list of them, or the lists of their parts that Parquet makes of it."""
    if isinstance(value, Mapping) and value.keys() == {"user_id", "value", "status"}:
        columns = [value["user_id"], value["value"], value["status"]]
        if not all(isinstance(column, list) for column in columns):
            return None
        return [dict(zip(("user_id", "value", "status"), one, strict=False)) for one in zip(*columns, strict=False)]
    found = isinstance(value, list) and bool(value)
    keys = {"user_id", "value", "status"}
    return value if found and all(isinstance(one, Mapping) and keys <= one.keys() for one in value) else None


def _by_rank(row: Mapping[str, Any], ranks: list[dict[str, int]]) -> Mapping[str, Any]:
    """A row whose ranked columns become a list of answers with ranks.

    Raises:
        RowError: annotators rank differently, or columns that are not there.
    """
    if any(each != ranks[0] for each in ranks):
        raise RowError("annotators rank the answers in different orders")
    columns = {plain_name(name): name for name in row}
    if missing := [name for name in ranks[0] if plain_name(name) not in columns]:
        raise RowError(f"a ranking names {missing[0]!r}, which is no column")
    named = {columns[plain_name(name)]: rank for name, rank in ranks[0].items()}
    answers = [{"text": row[name], "rank": rank} for name, rank in named.items()]
    return {**{key: value for key, value in row.items() if key not in named}, "answers": answers}


def _submitted(one: Any) -> Any:
    if not isinstance(one, Mapping):
        return one
    return one.get("value") if one.get("status", "submitted") == "submitted" else None


_UNPACK: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None]] = {
    "row": _served,
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
