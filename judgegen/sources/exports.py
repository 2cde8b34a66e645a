"""Rows as tools for annotation export them (Label Studio, Argilla, Prodigy, Mechanical Turk), with columns at the top.

What an annotator said becomes a column, or votes; what was cancelled, discarded or ignored says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from judgegen.sources.columns import known, plain_name
from judgegen.sources.rows import NoPreference, RowError
from judgegen.sources.verdicts import is_decision, wanted

_TEXTS = frozenset({str, int, float, bool, type(None)})
_SELECTED = {"left": "A", "right": "B", "tie": "tie", "equal": "tie"}
_PRODIGY = ("_task_hash", "_input_hash", "_view_id")
RESPONSES = ".responses"
"""How the name of a column ends that has what annotators answered to a question."""
ANSWER = "Answer."
"""How the name of a column begins that has what a worker of Mechanical Turk said."""
_CHOICE = frozenset({"options", "accept"})


def label_studio(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A task's `data` with what its annotators said: votes of two sides, a ranking, or a column for each question.

    Before its version 1.0 it called annotations completions.

    Raises:
        RowError: rankings cannot be told, or differ.
    """
    data, annotations = row.get("data"), row.get("annotations", row.get("completions"))
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        return None
    said = [one for one in annotations if isinstance(one, Mapping) and not one.get("was_cancelled")]
    results = [one for each in said for one in _listed(each.get("result")) if isinstance(_value(one), Mapping)]
    if orders := [_value(one)["ranker"] for one in results if "ranker" in _value(one)]:
        return _ordered(data, [_order(one) for one in orders])
    two = known(tuple(data)).several is not None
    votes = [vote for one in results if (vote := _vote(_value(one), two)) is not None]
    if votes:
        return {**data, "votes": votes}
    return {**data, **_by_question(results, data)}


def _vote(value: Mapping[str, Any], two: bool) -> Any:
    """The side that a result names; a choice is one where the task has `two` answers to choose from."""
    if "selected" in value:
        return _SELECTED.get(str(value["selected"]), value["selected"])
    choices = value.get("choices")
    return choices[0] if two and isinstance(choices, list) and len(choices) == 1 else None


def _by_question(results: list[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """What was said to each question, under its name: of ratings the mean, of other words all that differ."""
    asked: dict[str, list[Any]] = {}
    for one in results:
        for said in _said(_value(one)):
            name = str(one.get("from_name"))
            asked.setdefault(f"annotated {name}" if name in data else name, []).append(said)
    return {name: _together(said) for name, said in asked.items()}


def _said(value: Mapping[str, Any]) -> Iterator[Any]:
    for key in ("rating", "number"):
        if isinstance(value.get(key), int | float):
            yield value[key]
    for key in ("choices", "text"):
        if isinstance(value.get(key), list) and "start" not in value:
            yield from value[key]


def _together(said: list[Any]) -> Any:
    if all(isinstance(one, int | float) for one in said):
        return said[0] if len(said) == 1 else math.fsum(said) / len(said)
    return said[0] if all(one == said[0] for one in said) else said


def prodigy(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A task of Prodigy's, whose `answer` is the annotator's word on it: a label, or that some options are accepted.

    Raises:
        NoPreference: it was ignored, or no option was accepted.
    """
    if not is_decision(row.get("answer")) or not (row.keys() >= _CHOICE or any(name in row for name in _PRODIGY)):
        return None
    rest = {name: value for name, value in row.items() if name != "answer"}
    if row["answer"] == "ignore":
        raise NoPreference("the annotator ignored it")
    options, accepted = row.get("options"), row.get("accept")
    if not isinstance(options, list) or not isinstance(accepted, list):
        return {**rest, "label": _worth(rest.get("label"), row["answer"])}
    if row["answer"] != "accept" or not accepted:
        raise NoPreference("the annotator accepted none of its options")
    return {**rest, "options": [_option(one, accepted) for one in options]}


def turk(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A line of Mechanical Turk's results: `Input.` is what was shown, `Answer.` what one worker said of it.

    Raises:
        NoPreference: the assignment was rejected.
    """
    if not any(name.startswith(ANSWER) for name in row):
        return None
    if row.get("AssignmentStatus") == "Rejected":
        raise NoPreference("the assignment was rejected")
    return {name.removeprefix("Input.").removeprefix(ANSWER): value for name, value in row.items()}


def _worth(label: Any, word: str) -> str:
    """What a word on a label says of the answer: to reject what is good is as to accept what is bad."""
    said = None if label is None else wanted(label, {})
    if label is None or said is True:
        return word
    return (
        f"{label}: {word}" if said is None else {"accept": "reject", "reject": "accept"}.get(word, f"{label}: {word}")
    )


def _option(one: Any, accepted: list[Any]) -> Any:
    return {**one, "score": float(one.get("id") in accepted)} if isinstance(one, Mapping) else one


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


def argilla(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
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


def feedback(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of Argilla's data sets on the hub, old or new: what was submitted to each of its questions.

    The old have a column per question with {user_id, value, status} of each annotator, the new three columns named
    after it: `preference.responses`, and `.users` and `.status` behind that.
    """
    asked: dict[str, list[Any]] = {}
    for name, value in row.items():
        if type(value) in _TEXTS:
            continue
        if isinstance(value, list) and isinstance(row.get(f"{name}.status"), list) and name.endswith(RESPONSES):
            said = zip(value, row[f"{name}.status"], strict=False)
            asked[name] = [one for one, status in said if status == "submitted"]
        elif (given := _given(value)) is not None:
            asked[name] = [one for each in given if (one := _submitted(each)) is not None]
    if not asked:
        return row
    plain = {key: value for key, value in row.items() if key not in asked}
    plain |= {name.removesuffix(RESPONSES): values for name, values in asked.items() if values}
    for name, values in asked.items():
        if values and all(isinstance(one, Mapping) and {"rank", "value"} <= one.keys() for one in values):
            del plain[name.removesuffix(RESPONSES)]
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
