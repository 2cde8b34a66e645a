"""NeMo RL's preference data in its rank format: a context, and two completions of which the lower rank is preferred."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit


def rows(preference: Preference) -> list[Row]:
    """One line."""
    sides = enumerate(("chosen", "rejected"))
    ranked = [{"rank": rank, "completion": [dict(m) for m in preference[side]]} for rank, side in sides]
    return [{"context": [dict(message) for message in preference["prompt"]], "completions": ranked}]


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a line.

    Raises:
        Unfit: not a context with two completions of different rank.
    """
    context, completions = found.get("context"), found.get("completions")
    if not isinstance(context, list) or not isinstance(completions, list) or len(completions) != 2:
        raise Unfit("not a context with two completions")
    if not all(isinstance(each, Mapping) and isinstance(each.get("completion"), list) for each in completions):
        raise Unfit("a completion is not a list of messages under completion")
    ranks = [each.get("rank") for each in completions]
    if not all(isinstance(rank, int) and not isinstance(rank, bool) for rank in ranks):
        raise Unfit("a rank is not a whole number")
    if ranks[0] == ranks[1]:
        raise Unfit("both completions have the same rank: a tie, which NeMo RL does not take")
    better, worse = sorted(completions, key=lambda each: each["rank"])
    sides = {"chosen": better["completion"], "rejected": worse["completion"]}
    return {"prompt": messages.told(context), **{side: messages.told(chat) for side, chat in sides.items()}}


FORMAT = Format(
    name="nemo-rl",
    about="NVIDIA NeMo RL, DPO and reward models (rank format)",
    source="NVIDIA-NeMo/RL 055e21f, docs/guides/dpo.md; data/processors.py, preference_preprocessor",
    as_of=date(2026, 11, 28),
    rules=(
        "dataset_name: PreferenceDataset with data_path, or dataset_type: rank; it reads by Hugging Face `datasets`.",
        "DPO and reward models take two completions; the lower rank is preferred, and equal ranks end the training.",
        "Each completion is one message of the assistant.",
        "No place for tool definitions is documented: rows with tools are left out.",
    ),
    rows=rows,
    back=back,
    carries=frozenset({"prompt", "chosen", "rejected"}),
)
