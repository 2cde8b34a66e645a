"""TRL's KTOTrainer: answers one by one, each wanted or not.

All chosen answers come before all rejected ones. KTOTrainer estimates its KL term from the answers of a batch, each
beside the next one's prompt (trainer/kto_trainer.py, "KL_completion_ids", 1.16.0); two answers to one prompt in a row
would stand beside their own prompt there. Unpaired answers, from ties and dropped prompts, may go along.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from judgegen.formats import messages, trl_dpo
from judgegen.formats.format import Format, Preference, Row, Unfit

LABELS = {"chosen": True, "rejected": False}
LABELED = {label: side for side, label in LABELS.items()}


def rows(preference: Preference) -> list[Row]:
    """A row for each side there is, the chosen one first."""
    first = trl_dpo.named(preference) | {"prompt": list(preference["prompt"])}
    sides = [(side, label) for side, label in LABELS.items() if preference.get(side)]
    tools = trl_dpo.tools(preference)
    return [first | {"completion": list(preference[side]), "label": label} | tools for side, label in sides]


def standard(preference: Preference) -> list[Row]:
    """A row with strings for each side that is there: the chosen wanted, the rejected not."""
    first = trl_dpo.named(preference) | {"prompt": messages.text(preference["prompt"][-1])}
    sides = [(side, label) for side, label in LABELS.items() if preference.get(side)]
    return [first | {"completion": messages.text(preference[side][0]), "label": label} for side, label in sides]


def unpaired(row: Preference) -> Preference:
    """An unpaired {prompt, completion, label} as a preference with one side."""
    side = "chosen" if row["label"] else "rejected"
    return {
        **{key: row[key] for key in ("prompt_id", "tools") if row.get(key)},
        "prompt": row["prompt"],
        side: row["completion"],
    }


def seen(row: Preference) -> Row:
    """A row as a preference with one side.

    Raises:
        Unfit: the label is not true or false, or the answer is neither a text nor messages.
    """
    if not isinstance(row.get("label"), bool):
        raise Unfit("label is not true or false")
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        prompt, completion = messages.user(prompt), messages.answer(completion)
    if not isinstance(prompt, list) or not isinstance(completion, list):
        raise Unfit("prompt and completion are not both texts or both lists of messages")
    tools = messages.tool_list(row.get("tools"))
    read = {"prompt": messages.told(prompt), LABELED[row["label"]]: messages.told(completion)}
    return read | ({"tools": tools} if tools else {})


STANDARD = Format(
    name="trl-kto",
    about="TRL, KTOTrainer, strings",
    source="trl 1.16.0, trainer/kto_trainer.py",
    as_of=date(2026, 11, 29),
    rules=("Strings are joined as they stand and no chat template is applied: one user message, no system.",),
    rows=standard,
    seen=seen,
    carries=frozenset({"prompt_id", "prompt", "chosen", "rejected"}),
    sides=frozenset(),
    roles=frozenset({"user"}),
    turns="one",
    stagger=True,
)
FORMAT = replace(
    STANDARD,
    about="TRL, KTOTrainer (with --standard strings)",
    rules=(
        "prompt and completion are lists of messages, label is true or false.",
        "All wanted answers come first: neighbours in a batch lend each other their prompts for the KL term.",
        "Where wanted and unwanted answers are not balanced, TRL recommends desirable_weight and undesirable_weight.",
    ),
    rows=rows,
    carries=trl_dpo.CARRIES - set(trl_dpo.SOFT),
    fill=trl_dpo.FILL,
    steps=True,
    roles=trl_dpo.FORMAT.roles,
    tools="definitions",
    turns="many",
    standard=STANDARD,
)
