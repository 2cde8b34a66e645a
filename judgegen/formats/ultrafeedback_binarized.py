"""HuggingFaceH4/ultrafeedback_binarized: a prompt as text beside whole chats, and overall scores of 1 to 10.

TRL must not be given it as it stands: a text prompt beside lists is read by chance (trl_dpo).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats.format import Row
from judgegen.formats.origin import Origin, metadata, scored, whole_chats

_GAP = 9.0  # from 1 to 10
_USED = ("prompt", "prompt_id", "chosen", "rejected", "messages", "score_chosen", "score_rejected")


def read(found: Mapping[str, Any]) -> Row:
    """A row of a *_prefs split; `messages` repeats the chosen chat and is not kept.

    Raises:
        Unfit: sides that part too early, or scores that are no preference.
    """
    row = whole_chats(found) | scored(found.get("score_chosen"), found.get("score_rejected"), _GAP)
    named = {"prompt_id": found["prompt_id"]} if found.get("prompt_id") else {}
    return named | row | metadata(found, _USED)


ORIGIN = Origin(
    name="ultrafeedback-binarized",
    about="HuggingFaceH4/ultrafeedback_binarized",
    source="the data set's own columns on the Hugging Face hub",
    read=read,
)
