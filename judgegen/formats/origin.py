"""Where preferences come from, as data: one `Origin` per shape that others publish. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.formats import fit, messages
from judgegen.formats.format import WITH_TOOLS, Format, Preference, Row, Unfit
from judgegen.llm.calls import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One shape.

    Attributes:
        name: as the command line says it.
        about: what it is, in a few words.
        source: where the shape was seen.
        read: a row as a preference; raises `Unfit` with the reason where it is none.
    """

    name: str
    about: str
    source: str
    read: Callable[[Mapping[str, Any]], Row]


_ANY = Format(
    name="judgegen",
    about="",
    source="",
    rows=lambda preference: [dict(preference)],
    sides=frozenset(),
    roles=WITH_TOOLS | {"developer", "function"},
    tools="definitions",
    halves=True,
    steps=True,
)


def preference(found: Mapping[str, Any], origin: Origin, *, system: str | None = None) -> Row:
    """The preference in a row, checked and named; `system` becomes its first message.

    Raises:
        Unfit: why there is none in it.
    """
    read = origin.read(found)
    if system is not None:
        read["prompt"] = _under(read["prompt"], system)
    if not (read.get("chosen") or read.get("rejected")):
        raise Unfit("neither a chosen nor a rejected side")
    fit.check(messages.plain(read), _ANY)
    try:
        canonical_json(read)
    except (TypeError, ValueError):
        raise Unfit("holds something that JSON has no word for") from None
    name = read.pop("prompt_id", None) or messages.prompt_id(read["prompt"], read.get("tools") or ())
    return {"prompt_id": str(name), **read}


def _under(prompt: Any, system: str) -> Any:
    if not isinstance(prompt, list):
        return prompt
    if any(isinstance(m, Mapping) and m.get("role") in ("system", "developer") for m in prompt):
        raise Unfit("has a system message of its own; leave out --system")
    return [{"role": "system", "content": system}, *prompt]


def text_of(found: Mapping[str, Any], key: str) -> str:
    """A column of text.

    Raises:
        Unfit: it is missing or something else.
    """
    if not isinstance(found.get(key), str):
        raise Unfit(f"{key} is not a text")
    return str(found[key])


def metadata(found: Mapping[str, Any], used: Collection[str]) -> Row:
    """The columns that say nothing of the preference, under `metadata`; nothing where there are none."""
    rest = {key: value for key, value in found.items() if key not in used and value is not None}
    return {"metadata": rest} if rest else {}


def scored(chosen: Any, rejected: Any, scale: float) -> Row:
    """`scores` as they stand and `margin`, their gap as a share of `scale`, the longest gap there can be.

    Raises:
        Unfit: the scores contradict the label, or are equal.
    """
    if not isinstance(chosen, int | float) or not isinstance(rejected, int | float):
        return {}
    if chosen == rejected:
        raise Unfit("both sides have the same score: a tie, not a preference")
    if chosen < rejected:
        raise Unfit("the chosen side has the lower score")
    return {
        "scores": {"chosen": chosen, "rejected": rejected},
        "margin": round(min(1.0, (chosen - rejected) / scale), 6),
    }


def whole_chats(found: Mapping[str, Any]) -> Row:
    """`chosen` and `rejected` as whole chats, or as answers to `prompt`, which may be a text or a chat.

    Raises:
        Unfit: they part before their last message, or there is nothing asked.
    """
    chosen, rejected = found.get("chosen"), found.get("rejected")
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise Unfit("chosen and rejected are not both lists of messages")
    prompt, good, bad = messages.parted(chosen, rejected)
    return {"prompt": prompt or asked(found), "chosen": good, "rejected": bad}


def asked(found: Mapping[str, Any]) -> list[Any]:
    """The prompt in a column of its own, as messages.

    Raises:
        Unfit: there is none.
    """
    prompt = found.get("prompt")
    if isinstance(prompt, list):
        return list(prompt)
    if isinstance(prompt, str):
        return messages.user(prompt)
    raise Unfit("no prompt")


def as_they_stand(found: Preference) -> Row:
    """A row of preferences.jsonl.

    Raises:
        Unfit: the prompt is not a list of messages.
    """
    if not isinstance(found.get("prompt"), list):
        raise Unfit("prompt is not a list of messages")
    return {key: value for key, value in found.items() if value is not None}
