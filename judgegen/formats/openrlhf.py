"""OpenRLHF's reward model and DPO: prompt, chosen and rejected as lists of messages, and a margin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit


def rows(preference: Preference) -> list[Row]:
    """One line; a margin only where there is one."""
    row: Row = {key: [dict(m) for m in preference[key]] for key in ("prompt", "chosen", "rejected")}
    if preference.get("margin") is not None:
        row["margin"] = float(preference["margin"])
    return [row]


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line.

    Raises:
        Unfit: it is not made of lists of messages.
    """
    keys = ("prompt", "chosen", "rejected")
    if not all(isinstance(found.get(key), list) for key in keys):
        raise Unfit("prompt, chosen and rejected are not all lists of messages")
    margin = {"margin": found["margin"]} if found.get("margin") is not None else {}
    return {key: messages.told(found[key]) for key in keys} | margin


FORMAT = Format(
    name="openrlhf",
    about="OpenRLHF, reward model and DPO",
    source="openrlhf 0.11.2, datasets/reward_dataset.py",
    as_of=date(2026, 11, 29),
    rules=(
        "--data.prompt_key prompt --data.chosen_key chosen --data.rejected_key rejected --data.apply_chat_template",
        "The chat template is given no tools, so rows with tools are left out.",
        "A margin is used by the reward model's loss; a row without one counts as 0.",
        "DPO drops rows whose prompt fills the maximum length but for two tokens.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected", "margin"}),
)
