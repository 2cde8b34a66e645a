"""Prompts alone, for trainers that sample for themselves: TRL's GRPO and RLOO, and on-policy distillation.

What is known of a prompt goes along as columns that reward functions are given: its reference, and how this run's own
candidates fared, by which prompts that are too easy, too hard or undecided can be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from judgegen.formats import messages, trl_dpo
from judgegen.formats.format import Format, Preference, Row, Unfit
from judgegen.llm.calls import digest


def rows(preference: Preference) -> list[Row]:
    """One row a prompt."""
    name = preference.get("prompt_id") or messages.prompt_id(preference["prompt"], preference.get("tools") or ())
    row: Row = {"prompt_id": name, "prompt": [dict(message) for message in preference["prompt"]]}
    if preference.get("reference") is not None:
        row["reference"] = preference["reference"]
    return [row | _fared(preference)]


def _fared(preference: Preference) -> Row:
    scores = [float(each["score"]) for each in preference.get("candidates") or () if each.get("score") is not None]
    if not scores:
        return {}
    passed = {"pass_rate": round(sum(scores) / len(scores), 6)} if preference.get("absolute") else {}
    return {"candidates": len(scores)} | passed | {"spread": round(max(scores) - min(scores), 6)}


def seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: the prompt is no list of messages, or a rate is not between 0 and 1.
    """
    if not isinstance(found.get("prompt"), list):
        raise Unfit("prompt is not a list of messages")
    for key in ("pass_rate", "spread"):
        rate = found.get(key)
        if rate is not None and not (isinstance(rate, int | float) and 0 <= rate <= 1):
            raise Unfit(f"{key} is not a number from 0 to 1")
    return {"prompt": messages.told(found["prompt"])}


FORMAT = Format(
    name="trl-prompts",
    about="prompts alone for TRL's GRPOTrainer, RLOOTrainer and DistillationTrainer",
    source="trl 1.16.0, trainer/grpo_trainer.py, trainer/rloo_trainer.py, experimental/distillation",
    as_of=date(2026, 11, 28),
    rules=(
        "prompt is a list of messages; every other column is given to the reward functions by its name.",
        "spread is the best candidate's score less the worst's: 0 teaches a group-relative method nothing.",
        "pass_rate is the mean score of the candidates, where a rubric or a grader scores each by itself.",
        "Every prompt of a run is a row, also those without a pair. Tools are arguments of the trainer there.",
    ),
    rows=rows,
    seen=seen,
    carries=frozenset({"prompt_id", "prompt", "reference"}),
    fill={"reference": "", "candidates": 0, "pass_rate": None, "spread": None},
    unit="prompt",
    sides=frozenset(),
    roles=trl_dpo.FORMAT.roles,
    tools="turns",
    once=lambda row: digest(row["prompt"]),
)
