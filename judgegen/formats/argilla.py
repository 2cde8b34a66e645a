"""Argilla's UltraFeedback, binarised: `ultrafeedback-binarized-preferences` and its `-cleaned` successor.

The first has texts (instruction, chosen_response, rejected_response and *_avg_rating), the second whole chats (prompt,
chosen, rejected and *-rating). Ratings are means of 1 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Row
from judgegen.formats.origin import Origin, metadata, scored, text_of, whole_chats

_GAP = 4.0  # from 1 to 5
_FIRST = (
    "instruction",
    "chosen_response",
    "rejected_response",
    "chosen_avg_rating",
    "rejected_avg_rating",
    "chosen_model",
)
_CLEANED = ("prompt", "chosen", "rejected", "chosen-rating", "rejected-rating", "chosen-model", "rejected-model")


def read(found: Mapping[str, Any]) -> Row:
    """A row of either.

    Raises:
        Unfit: neither shape, or ratings that are no preference.
    """
    return _first(found) if "chosen_response" in found else _cleaned(found)


def _first(found: Mapping[str, Any]) -> Row:
    sides = {side: messages.answer(text_of(found, f"{side}_response")) for side in ("chosen", "rejected")}
    row: Row = {"prompt": messages.user(text_of(found, "instruction")), **sides}
    row |= scored(found.get("chosen_avg_rating"), found.get("rejected_avg_rating"), _GAP)
    return row | _models(chosen=found.get("chosen_model")) | metadata(found, _FIRST)


def _cleaned(found: Mapping[str, Any]) -> Row:
    row = whole_chats(found) | scored(found.get("chosen-rating"), found.get("rejected-rating"), _GAP)
    models = _models(chosen=found.get("chosen-model"), rejected=found.get("rejected-model"))
    return row | models | metadata(found, _CLEANED)


def _models(**named: Any) -> Row:
    return {f"{side}_from": {"model": model} for side, model in named.items() if model}


ORIGIN = Origin(
    name="argilla-ultrafeedback",
    about="argilla/ultrafeedback-binarized-preferences and -cleaned",
    source="the data sets' own columns on the Hugging Face hub",
    read=read,
)
