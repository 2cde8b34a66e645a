"""The Tinker cookbook's comparisons: a prompt, completions A and B, and which is better, or that neither is.

Which side is A is drawn from what the prompt says, so that no place has the better answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit


def rows(preference: Preference) -> list[Row]:
    """One line."""
    turned = bool(messages.prompt_key(preference["prompt"])[0] % 2)
    first, second = ("rejected", "chosen") if turned else ("chosen", "rejected")
    label = "Tie" if preference.get("tie") else "B" if turned else "A"
    asked = {"prompt_conversation": [dict(message) for message in preference["prompt"]]}
    sides = {f"completion_{name}": [dict(m) for m in preference[side]] for name, side in (("A", first), ("B", second))}
    return [{"comparison": asked | sides, "label": label}]


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line; of a tie the first is called chosen, and `tie` is true.

    Raises:
        Unfit: no comparison, or a label that is none.
    """
    comparison, label = found.get("comparison"), found.get("label")
    keys = ("prompt_conversation", "completion_A", "completion_B")
    if not isinstance(comparison, Mapping) or not all(isinstance(comparison.get(key), list) for key in keys):
        raise Unfit("comparison is not prompt_conversation, completion_A and completion_B, each a list of messages")
    if label not in ("A", "B", "Tie"):
        raise Unfit("label is not A, B or Tie")
    prompt, first, second = (messages.told(comparison[key]) for key in keys)
    good, bad = (second, first) if label == "B" else (first, second)
    return {"prompt": prompt, "chosen": good, "rejected": bad} | ({"tie": True} if label == "Tie" else {})


FORMAT = Format(
    name="tinker",
    about="Tinker cookbook, ComparisonBuilderFromJsonl, with ties",
    source="tinker-cookbook 0.6.1, preference/preference_datasets.py and preference/types.py",
    as_of=date(2026, 11, 28),
    rules=(
        "A line has comparison (prompt_conversation, completion_A, completion_B, each a list of messages) and label.",
        "label is A, B or Tie; of a run the answers that every verdict called a tie go along.",
        "Lines without either key are skipped there in silence.",
        "Its renderers are given no tool definitions: rows with tools are left out.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected", "tie"}),
    ties=True,
)
