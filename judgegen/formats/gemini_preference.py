"""Gemini's preference tuning: contents, and two completions with a score of 1 and of 0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Limits, Preference, Row, Unfit
from judgegen.llm.calls import Message

_ROLES = {"user": "user", "assistant": "model"}


def rows(preference: Preference) -> list[Row]:
    """One line; the system message stands apart from the turns."""
    system, turns = _parted(preference["prompt"])
    row: Row = {} if system is None else {"system_instruction": {"parts": [{"text": messages.text(system)}]}}
    row["contents"] = [_turn(message) for message in turns]
    sides = (("chosen", 1), ("rejected", 0))
    row["completions"] = [{"score": score, "completion": _turn(preference[side][0])} for side, score in sides]
    return [row]


def _parted(prompt: list[Message]) -> tuple[Message | None, list[Message]]:
    return (prompt[0], list(prompt[1:])) if prompt[0]["role"] == "system" else (None, list(prompt))


def _turn(message: Message) -> Row:
    return {"role": _ROLES[message["role"]], "parts": [{"text": messages.text(message)}]}


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line.

    Raises:
        Unfit: a key is missing, a part is no text, or the scores are not 1 and 0.
    """
    contents, completions = found.get("contents"), found.get("completions")
    if not isinstance(contents, list) or not isinstance(completions, list):
        raise Unfit("contents and completions are not both lists")
    scores = [each.get("score") if isinstance(each, Mapping) else None for each in completions]
    if sorted(map(repr, scores)) != ["0", "1"]:
        raise Unfit("completions are not two, with a score of 1 and of 0")
    prompt = [_message(turn, "contents") for turn in contents]
    if found.get("system_instruction") is not None:
        prompt.insert(0, {**_message(found["system_instruction"], "system_instruction"), "role": "system"})
    sides = {"chosen": completions[scores.index(1)], "rejected": completions[scores.index(0)]}
    return {"prompt": prompt, **{side: [_message(each.get("completion"), side)] for side, each in sides.items()}}


def _message(turn: Any, where: str) -> Row:
    parts = turn.get("parts") if isinstance(turn, Mapping) else None
    if not isinstance(parts, list) or not parts or not all(_is_text(part) for part in parts):
        raise Unfit(f"{where} holds something that is no list of text parts")
    role = next((ours for ours, theirs in _ROLES.items() if theirs == turn.get("role")), turn.get("role") or "system")
    return {"role": role, "content": "".join(part["text"] for part in parts)}


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.keys() == {"text"} and isinstance(part["text"], str)


FORMAT = Format(
    name="gemini-preference",
    about="Gemini, preference tuning",
    source="docs.cloud.google.com/gemini-enterprise-agent-platform/models/tuning/preference-tuning and "
    "/preference-tuning/prepare-data (before: vertex-ai/generative-ai/docs/models/gemini-preference-tuning)",
    as_of=date(2026, 11, 29),
    rules=(
        "contents are turns of text of user and model that end with the user; system_instruction is optional.",
        "completions are two, one with the score 1 (preferred) and one with 0; each is one turn of the model.",
        "Input and completion together have at most 131,072 tokens.",
        "A training file has at most 1 GB and 10 million rows.",
        "A validation file has at most 5,000 rows, and above 1,000 at most 30 % as many as the training file.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected"}),
    loose=frozenset({"system_instruction"}),
    limits=Limits(
        rows=1,
        most_rows=10_000_000,
        size=10**9,
        tokens=131_072,
        model="gemini-2.5-flash",
        most_test=5000,
        test_share=0.3,
    ),
)
