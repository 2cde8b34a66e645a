"""Amazon Nova's DPO on SageMaker: a conversation whose last turn has two candidates with a preferenceLabel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit
from judgegen.llm.calls import Message

_LABELS = {"chosen": "preferred", "rejected": "non-preferred"}
_RESERVED = ("User:", "Bot:", "Assistant:", "System:")
_MARKS = ("<image>", "<video>", "[EOS]")


def rows(preference: Preference) -> list[Row]:
    """One line.

    Raises:
        Unfit: a prompt that the service would fail on.
    """
    prompt = preference["prompt"]
    turns = prompt[1:] if prompt[0]["role"] == "system" else prompt
    _check(prompt, turns)
    row: Row = {"system": _texts(prompt[0])} if turns is not prompt else {}
    candidates = [{"content": _texts(preference[side][0]), "preferenceLabel": label} for side, label in _LABELS.items()]
    asked = [{"role": message["role"], "content": _texts(message)} for message in turns]
    return [row | {"messages": [*asked, {"role": "assistant", "candidates": candidates}]}]


def _texts(message: Message) -> list[Row]:
    return [{"text": messages.text(message)}]


def _check(prompt: Sequence[Message], turns: Sequence[Message]) -> None:
    if turns[0]["role"] != "user":
        raise Unfit("the first turn is not the user's, as Nova wants it")
    for message in prompt:
        words = messages.text(message)
        if message["role"] != "assistant" and (words.startswith(_RESERVED) or any(mark in words for mark in _MARKS)):
            raise Unfit("a prompt with a reserved word of Nova's (User: … at its start, <image>, <video>, [EOS])")


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line.

    Raises:
        Unfit: no messages, or a last turn without one preferred and one non-preferred candidate.
    """
    chat = found.get("messages")
    last = chat[-1] if isinstance(chat, list) and chat else None
    candidates = last.get("candidates") if isinstance(last, Mapping) else None
    if not isinstance(chat, list) or not isinstance(candidates, list):
        raise Unfit("messages do not end with a turn that has candidates")
    sides = {each.get("preferenceLabel"): each for each in candidates if isinstance(each, Mapping)}
    if len(candidates) != 2 or sides.keys() != set(_LABELS.values()):
        raise Unfit("candidates are not one preferred and one non-preferred")
    prompt = [_message(turn) for turn in chat[:-1]]
    if found.get("system"):
        prompt.insert(0, _message({"role": "system", "content": found["system"]}))
    if prompt:
        _check(prompt, prompt[1:] if prompt[0]["role"] == "system" else prompt)
    read = {side: [_message({"role": "assistant", **sides[label]})] for side, label in _LABELS.items()}
    return {"prompt": prompt, **read}


def _message(turn: Any) -> Row:
    parts = turn.get("content") if isinstance(turn, Mapping) else None
    if not isinstance(parts, list) or not all(isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in parts):
        raise Unfit("content is not a list of texts")
    return {"role": turn.get("role"), "content": "".join(part["text"] for part in parts)}


FORMAT = Format(
    name="nova-dpo",
    about="Amazon Nova on SageMaker, DPO",
    source="docs.aws.amazon.com/nova/latest/userguide/nova-dpo.html and fine-tune-prepare-data-understanding.html; "
    "docs.aws.amazon.com/sagemaker/latest/dg/nova-dpo.html (Nova 1; Nova 2 documents no DPO)",
    as_of=date(2026, 11, 28),
    rules=(
        "messages are turns of user and assistant, the first the user's; content is a list of texts.",
        "The last turn is the assistant's, with two candidates: preferenceLabel preferred and non-preferred.",
        "User:, Bot:, Assistant:, System: at the start of a prompt, and <image>, <video>, [EOS] in it, fail the job.",
        "File names are of letters, digits, _, -, / and dots. No tools.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected"}),
    loose=frozenset({"system"}),
)
