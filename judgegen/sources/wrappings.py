"""Rows whose columns stand inside others, unpacked: OpenAI's, Tinker's, LangSmith's; and exports of annotation tools.

Only where a row is moved around; what the columns mean is the table's. Knows nothing of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from judgegen.sources import exports, spellings
from judgegen.sources.rows import RowError

_TEXTS = frozenset({str, int, float, bool, type(None)})


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with its columns at the top; one that is no such row comes back as it is."""
    if (task := exports.prodigy(row)) is not None or (task := exports.turk(row)) is not None:
        return task
    if any(exports.RESPONSES in name for name in row):
        return exports.feedback({name: _answers(name, value) for name, value in row.items()})
    if _TEXTS.issuperset(map(type, row.values())):
        return row
    for inside, unpack in () if INSIDE.isdisjoint(row) else _UNPACK.items():
        value = row.get(inside)
        if isinstance(value, Mapping | list) and (found := unpack(row)) is not None:
            return found
    return exports.feedback(row)


def _answers(name: str, value: Any) -> Any:
    """What annotators answered, where a table of texts has its list as one."""
    found = spellings.listed(value) if exports.RESPONSES in name else None
    return value if found is None else found


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


def _of_a_run(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """{"inputs": {…}, "outputs": {…}} of LangSmith and MLflow, where no name stands in both or beside them."""
    inputs, outputs = row["inputs"], row.get("outputs") or {}
    if not isinstance(inputs, Mapping) or not isinstance(outputs, Mapping):
        return None
    rest = {key: value for key, value in row.items() if key not in ("inputs", "outputs")}
    names = [*rest, *inputs, *outputs]
    return {**rest, **inputs, **outputs} if len(set(names)) == len(names) else None


def _request(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """{"body": {"messages", …}} of a batch of OpenAI's, and NeMo Gym's {"responses_create_params": {"input"}}."""
    name = "body" if "body" in row else "responses_create_params"
    asked = row[name]
    chat = asked.get("messages", asked.get("input")) if isinstance(asked, Mapping) else None
    if not isinstance(chat, list):
        return None
    tools = {"tools": asked["tools"]} if asked.get("tools") else {}
    return {**{key: value for key, value in row.items() if key != name}, "messages": chat, **tools}


_UNPACK: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None]] = {
    "row": _served,
    "input": _openai,
    "comparison": _tinker,
    "annotations": exports.label_studio,
    "completions": exports.label_studio,
    "fields": exports.argilla,
    "info": _summarised,
    "prompt_conversation": _tinker_inner,
    "extra_info": _verl,
    "inputs": _of_a_run,
    "body": _request,
    "responses_create_params": _request,
}
INSIDE = frozenset(_UNPACK)
"""Columns in which others may stand."""


def may_wrap(columns: Iterable[str]) -> bool:
    """Whether a row with these columns may be one that `unpacked` changes, by their names."""
    return any(
        name in INSIDE or name.endswith(exports.RESPONSES) or name.startswith(exports.ANSWER) for name in columns
    )
