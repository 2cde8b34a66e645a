"""TRL's explicit-prompt preference data, for DPOTrainer and for RewardTrainer without margins.

Conversational by default; plain strings with --standard. The two are never mixed in one row: `is_conversational` looks
at a key taken from a set, so that such a row is read by chance (trl/data_utils.py, 1.16.0). Columns that a trainer does
not know are ignored, so prompt_id, p_chosen and margin go along.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import WITH_TOOLS, Format, Preference, Row, Unfit

SOURCE = "trl 1.16.0, trainer/dpo_trainer.py, trainer/reward_trainer.py and data_utils.py"
SOFT = ("p_chosen", "margin")
CARRIES = frozenset({"prompt_id", "prompt", "chosen", "rejected", "tools", *SOFT})
FILL = {"tools": "null"}


def rows(preference: Preference) -> list[Row]:
    """One row of lists of messages."""
    row = named(preference) | {key: list(preference[key]) for key in ("prompt", "chosen", "rejected")}
    return [row | tools(preference) | soft(preference)]


def standard(preference: Preference) -> list[Row]:
    """One row of strings."""
    row = named(preference) | {"prompt": messages.text(preference["prompt"][-1])}
    row |= {side: messages.text(preference[side][0]) for side in ("chosen", "rejected")}
    return [row | soft(preference)]


def named(preference: Preference) -> Row:
    """The prompt's id, where it has one."""
    return {"prompt_id": preference["prompt_id"]} if preference.get("prompt_id") is not None else {}


def soft(preference: Preference) -> Row:
    """The soft label, as far as there is one: a whole number too stands as 1.0, the type that others are of."""
    return {key: float(preference[key]) for key in SOFT if preference.get(key) is not None}


def tools(preference: Preference) -> Row:
    """Tools as JSON in a text, which TRL parses: in a table of structs each would get every other's keys.

    Where other rows have some, a row without says "null" (`FILL`), which TRL parses as none.
    """
    return {"tools": messages.json_text(preference["tools"])} if preference.get("tools") else {}


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a row: with a prompt or with whole chats, of messages or of strings.

    Raises:
        Unfit: strings and messages mixed, or sides that part too early.
    """
    chosen, rejected, prompt = (found.get(key) for key in ("chosen", "rejected", "prompt"))
    if isinstance(chosen, str) and isinstance(rejected, str):
        read = _strings(prompt, chosen, rejected)
    elif isinstance(chosen, list) and isinstance(rejected, list):
        read = _chats(prompt, chosen, rejected)
    else:
        raise Unfit("chosen and rejected are not both texts or both lists of messages")
    if tools := messages.tool_list(found.get("tools")):
        read["tools"] = tools
    return read | {key: found[key] for key in ("prompt_id", *SOFT) if found.get(key) is not None}


def _chats(prompt: Any, chosen: list[Any], rejected: list[Any]) -> Row:
    if prompt is None:
        asked, good, bad = messages.parted(messages.told(chosen), messages.told(rejected))
        return {"prompt": asked, "chosen": good, "rejected": bad}
    if not isinstance(prompt, list):
        raise Unfit("prompt is a text where chosen is a list of messages; as ultrafeedback-binarized it can be read")
    return {"prompt": messages.told(prompt), "chosen": messages.told(chosen), "rejected": messages.told(rejected)}


def _strings(prompt: Any, chosen: str, rejected: str) -> Row:
    """Strings as one user message and two answers; without a prompt, the words that both begin with are it."""
    if prompt is None:
        shared = _shared(chosen, rejected)
        prompt, chosen, rejected = chosen[:shared].rstrip(" "), chosen[shared:], rejected[shared:]
        if not prompt:
            raise Unfit("no prompt, and the two sides begin with different words")
    if not isinstance(prompt, str):
        raise Unfit("prompt is a list of messages where chosen is a text")
    return {"prompt": messages.user(prompt), "chosen": messages.answer(chosen), "rejected": messages.answer(rejected)}


def _shared(chosen: str, rejected: str) -> int:
    """How many characters both begin with, up to the end of a word."""
    pairs = zip(chosen, rejected, strict=False)
    length = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(chosen), len(rejected)))
    return chosen.rfind(" ", 0, length) + 1


_ROBUST = "For noisy labels: DPOConfig(loss_type='robust', label_smoothing=e), e the mean of 1 - p_chosen (below 0.5)."
STANDARD = Format(
    name="trl-dpo",
    about="TRL, DPOTrainer, strings",
    source=SOURCE,
    as_of=date(2026, 11, 29),
    rules=("Strings are joined as they stand and no chat template is applied: one user message, no system.", _ROBUST),
    rows=standard,
    back=back,
    carries=CARRIES - {"tools"},
    roles=frozenset({"user"}),
    turns="one",
)
FORMAT = Format(
    name="trl-dpo",
    about="TRL, DPOTrainer and RewardTrainer (with --standard strings in place of messages)",
    source=SOURCE,
    as_of=date(2026, 11, 29),
    rules=(
        "prompt, chosen and rejected are lists of messages; tools is JSON in a text, null where there are none.",
        "Half of a character in one row makes `datasets` refuse the whole file, so such rows are left out.",
        "Prompts that fill max_length are dropped.",
        _ROBUST,
    ),
    rows=rows,
    back=back,
    carries=CARRIES,
    fill=FILL,
    steps=True,
    roles=WITH_TOOLS,
    tools="definitions",
    standard=STANDARD,
)
