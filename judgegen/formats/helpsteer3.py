"""nvidia/HelpSteer3's preference subset: a context, two responses, and a preference from -3 (the first) to 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, metadata, text_of

_STRONGEST = 3
_USED = ("context", "response1", "response2", "overall_preference")


def read(found: Mapping[str, Any]) -> Row:
    """A row; `margin` is the strength of the preference as a share of the strongest.

    Raises:
        Unfit: 0, which is a tie, or not such a row.
    """
    strength = found.get("overall_preference")
    if not isinstance(strength, int | float) or not -_STRONGEST <= strength <= _STRONGEST:
        raise Unfit("overall_preference is not a number from -3 to 3")
    if strength == 0:
        raise Unfit("overall_preference is 0: a tie, not a preference")
    first, second = (messages.answer(text_of(found, key)) for key in ("response1", "response2"))
    chosen, rejected = (first, second) if strength < 0 else (second, first)
    if not isinstance(found.get("context"), list):
        raise Unfit("context is not a list of messages")
    row: Row = {"prompt": found["context"], "chosen": chosen, "rejected": rejected}
    return row | {"margin": round(abs(strength) / _STRONGEST, 6)} | metadata(found, _USED)


ORIGIN = Origin(
    name="helpsteer3",
    about="nvidia/HelpSteer3, preference",
    source="the data set's card on the Hugging Face hub",
    read=read,
)
