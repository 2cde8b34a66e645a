"""What a judge looks at, as reward data for reinforcement learning: one rubric, four ways to write it down.

A rubric is a list of criteria, each with `name`, `description` and `weight` (above 0): the questions of the judge's own
checklist for a prompt, or else the aspects of its rubric. No criterion is invented, and none has a weight below 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import isfinite
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row, Unfit
from judgegen.llm.calls import digest

_KEYS = frozenset({"name", "description", "weight"})


def criteria(preference: Preference) -> list[Row]:
    """The criteria of a prompt, checked.

    Raises:
        Unfit: there are none, or one is no criterion.
    """
    found = preference.get("rubric")
    if not found:
        raise Unfit("no rubric: a run whose judge writes checklists or scores aspects has one, a file of pairs has not")
    return _checked(found, _KEYS)


def _checked(found: Any, keys: frozenset[str], weight: str = "weight") -> list[Row]:
    if not isinstance(found, list | tuple) or not found or not all(isinstance(each, Mapping) for each in found):
        raise Unfit("the rubric is not a list of criteria")
    if any(not each.keys() >= keys for each in found):
        raise Unfit(f"a criterion has not {', '.join(sorted(keys))}")
    weights = [each[weight] for each in found]
    if not all(isinstance(w, int | float) and not isinstance(w, bool) and isfinite(w) for w in weights):
        raise Unfit("a criterion's weight is no number")
    return [dict(each) for each in found]


def _asked(preference: Preference) -> Row:
    """The prompt as two texts."""
    prompt = list(preference["prompt"])
    system = {"system_prompt": messages.text(prompt[0])} if prompt[0]["role"] == "system" else {}
    return {"prompt": messages.text(prompt[-1]), **system}


def oumi(preference: Preference) -> list[Row]:
    """prompt, rubrics and system_prompt, which BaseRubricDataset looks for."""
    rubrics = [
        {"name": each["name"], "description": each["description"], "weight": float(each["weight"])}
        for each in criteria(preference)
    ]
    return [_asked(preference) | {"rubrics": rubrics}]


def rar(preference: Preference) -> list[Row]:
    """The columns of the RaR data sets: question, reference_answer, question_source, rubric and rubric_count.

    A weight is a whole number there, from 1 (optional) to 5 (essential): ours are scaled so that the largest is 5.
    """
    found = criteria(preference)
    largest = max(each["weight"] for each in found)
    if largest <= 0:
        raise Unfit("a rubric without a weight above 0")
    rubric = [
        {
            "title": each["name"],
            "description": each["description"],
            "weight": max(1, round(5 * each["weight"] / largest)),
        }
        for each in found
    ]
    asked = {"question": _asked(preference)["prompt"], "reference_answer": preference.get("reference") or ""}
    return [{**asked, "question_source": "judgegen", "rubric": rubric, "rubric_count": len(rubric)}]


def tinker(preference: Preference) -> list[Row]:
    """Convo and rubric_items, each with rubric_str and the words and pattern of its score."""
    items = [
        {
            "rubric_str": each["description"],
            "extraction_regex": r"<score>(.*?)</score>",
            "grader_output_format_instruction": "Give a score between 0 (not at all) and 1 (fully), as "
            "<score>0.5</score>.",
        }
        for each in criteria(preference)
    ]
    return [{"convo": [dict(message) for message in preference["prompt"]], "rubric_items": items}]


def verifiers(preference: Preference) -> list[Row]:
    """prompt, answer and criteria of name, text, weight and choices, from the worst to the best."""
    found = [
        {
            "name": each["name"],
            "text": each["description"],
            "weight": float(each["weight"]),
            "choices": list(each.get("choices") or ("no", "yes")),
        }
        for each in criteria(preference)
    ]
    answer = preference.get("reference") or ""
    return [{"prompt": [dict(message) for message in preference["prompt"]], "answer": answer, "criteria": found}]


def oumi_seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: no prompt or no rubrics.
    """
    _checked(found.get("rubrics"), _KEYS)
    return {"prompt": messages.user(_text(found, "prompt"))}


def rar_seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: no question, no rubric, or a weight outside of -2..5.
    """
    rubric = _checked(found.get("rubric"), frozenset({"title", "description", "weight"}))
    if any(not -2 <= each["weight"] <= 5 for each in rubric):
        raise Unfit("a weight outside of -2 (pitfall) to 5 (essential)")
    return {"prompt": messages.user(_text(found, "question"))}


def tinker_seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: no conversation, or an item without its three texts.
    """
    items, keys = found.get("rubric_items"), ("rubric_str", "extraction_regex", "grader_output_format_instruction")
    if not isinstance(items, list) or not items:
        raise Unfit("rubric_items is not a list of items")
    for each in items:
        if not isinstance(each, Mapping) or not all(isinstance(each.get(key), str) for key in keys):
            raise Unfit(f"an item has not the texts {', '.join(keys)}")
    if not isinstance(found.get("convo"), list):
        raise Unfit("convo is not a list of messages")
    return {"prompt": messages.told(found["convo"])}


def verifiers_seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: criteria whose names repeat, whose weights are below 0 or all 0, or whose choices are fewer than two.
    """
    rubric = _checked(found.get("criteria"), frozenset({"name", "text"} | {"weight"}))
    if len({each["name"] for each in rubric}) < len(rubric):
        raise Unfit("two criteria have one name")
    if any(each["weight"] < 0 for each in rubric) or not any(each["weight"] for each in rubric):
        raise Unfit("a weight is below 0, or none is above")
    for each in rubric:
        choices = each.get("choices", ["no", "yes"])
        if not isinstance(choices, list) or len(choices) < 2 or len(set(map(str, choices))) < len(choices):
            raise Unfit("choices are not two different texts or more")
    if not isinstance(found.get("prompt"), list):
        raise Unfit("prompt is not a list of messages")
    return {"prompt": messages.told(found["prompt"])}


def _text(found: Mapping[str, Any], key: str) -> str:
    if not isinstance(found.get(key), str):
        raise Unfit(f"{key} is not a text")
    return str(found[key])


_ONE = "Criteria are the judge's own: its checklist for the prompt, or the aspects of its rubric."
_LAST = "Several turns do not fit in one text: prompts of more than one question are left out."


def _format(name: str, about: str, source: str, rules: tuple[str, ...], **more: Any) -> Format:
    return Format(
        name=name,
        about=about,
        source=source,
        as_of=date(2026, 11, 28),
        rules=(_ONE, *rules),
        unit="prompt",
        sides=frozenset(),
        once=lambda row: digest([row.get(key) for key in ("prompt", "question", "convo", "system_prompt")]),
        **more,
    )


_RUBRIC = frozenset({"prompt", "rubric"})
FORMATS = (
    _format(
        "rubric-oumi",
        "oumi, rubrics as reward data for GRPO",
        "oumi 0.9, core/datasets/base_rubric_dataset.py and datasets/grpo/rlvr_rubric.py",
        ("rubrics are a list of name, description and weight (a float; below 0 for pitfalls).", _LAST),
        rows=oumi,
        seen=oumi_seen,
        carries=_RUBRIC,
        fill={"system_prompt": ""},
        turns="one",
    ),
    _format(
        "rubric-rar",
        "the columns of RaR-Medicine and RaR-Science (Rubrics as Rewards)",
        "arXiv:2507.17746 and anisha2102/RaR-Medicine, as oumi 0.9 reads it in datasets/grpo/rar_dataset.py",
        (
            "A weight is 5 (essential), 3 to 4 (important), 1 to 2 (optional) or -1 to -2 (pitfall).",
            "There is no place for a system message: prompts with one are left out.",
            _LAST,
        ),
        rows=rar,
        seen=rar_seen,
        carries=_RUBRIC | {"reference"},
        roles=frozenset({"user"}),
        turns="one",
    ),
    _format(
        "rubric-tinker",
        "Tinker cookbook, RubricDatapointListBuilderFromJsonl",
        "tinker-cookbook 0.6.1, recipes/rubric/data.py",
        (
            "convo is the chat to answer, rubric_items a list of rubric_str, extraction_regex and the format's words.",
            "An item has no weight: the mean of all items is the reward.",
        ),
        rows=tinker,
        seen=tinker_seen,
        carries=_RUBRIC,
    ),
    _format(
        "rubric-verifiers",
        "verifiers, criteria for its RubricJudge",
        "verifiers 0.4.0, v1/judges/rubric.py, Criterion and load_criteria",
        (
            "criteria are name, text, weight (0 or more, not all 0) and choices, the worst first; names differ.",
            "RubricJudge reads one file of criteria for all prompts: give it one row's where all rows are alike.",
        ),
        rows=verifiers,
        seen=verifiers_seen,
        carries=_RUBRIC | {"reference"},
    ),
)
