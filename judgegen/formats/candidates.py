"""All answers to a prompt with their scores and ranks: for best-of-n, reward models and listwise methods.

`candidates` keeps messages; `ultrafeedback-completions` is the shape of openbmb/UltraFeedback, in texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import WITH_TOOLS, Format, Preference, Row, Unfit
from judgegen.llm.calls import digest

_KEYS = ("completion", "score", "rank", "model")


def rows(preference: Preference) -> list[Row]:
    """One row a prompt, the best answer first.

    Raises:
        Unfit: fewer than two answers with a score.
    """
    asked: Row = {"prompt_id": _name(preference), "prompt": [dict(message) for message in preference["prompt"]]}
    laid = [
        {"completion": [dict(m) for m in each["completion"]], **_worth(each), "model": each.get("model") or ""}
        for each in _scored(preference)
    ]
    return [asked | {"candidates": laid}]


def _name(preference: Preference) -> str:
    return str(preference.get("prompt_id") or messages.prompt_id(preference["prompt"], preference.get("tools") or ()))


def _worth(candidate: Mapping[str, Any]) -> Row:
    return {"score": float(candidate["score"]), "rank": int(candidate["rank"])}


def _scored(preference: Preference) -> list[Mapping[str, Any]]:
    found = [each for each in preference.get("candidates") or () if each.get("score") is not None]
    if len(found) < 2:
        raise Unfit("fewer than two answers with a score; a run folder has them, a file of pairs has not")
    return sorted(found, key=lambda each: each["rank"])


def texts(preference: Preference) -> list[Row]:
    """One row a prompt, as UltraFeedback has it.

    Raises:
        Unfit: fewer than two answers with a score, or one that calls tools.
    """
    found = _scored(preference)
    if any(message.get("tool_calls") for each in found for message in each["completion"]):
        raise Unfit("an answer that calls tools, which a text cannot hold")
    laid = [
        {
            "model": each.get("model") or "",
            "response": messages.text(each["completion"][0]),
            "overall_score": float(each["score"]),
            "rank": int(each["rank"]),
        }
        for each in found
    ]
    models = [each["model"] for each in laid]
    asked = {"source": "judgegen", "instruction": messages.text(preference["prompt"][-1])}
    return [{**asked, "models": models, "completions": laid}]


def seen(found: Mapping[str, Any]) -> Row:
    """A row as the rules look at it.

    Raises:
        Unfit: no list of candidates with completion, score and rank, or ranks that contradict the scores.
    """
    candidates, prompt = found.get("candidates"), found.get("prompt")
    if not isinstance(prompt, list) or not isinstance(candidates, list) or len(candidates) < 2:
        raise Unfit("not a prompt with two candidates or more")
    for each in candidates:
        if not isinstance(each, Mapping) or not each.keys() >= set(_KEYS[:3]):
            raise Unfit("a candidate has not completion, score and rank")
        if not isinstance(each["score"], int | float) or not isinstance(each["rank"], int):
            raise Unfit("a score is no number, or a rank no whole number")
    _ordered([(each["score"], each["rank"]) for each in candidates])
    return {"prompt": messages.told(prompt)}


def texts_seen(found: Mapping[str, Any]) -> Row:
    """A row of texts as the rules look at it.

    Raises:
        Unfit: no instruction, or completions without response and overall_score.
    """
    completions = found.get("completions")
    if not isinstance(found.get("instruction"), str) or not isinstance(completions, list) or len(completions) < 2:
        raise Unfit("not an instruction with two completions or more")
    for each in completions:
        if not isinstance(each, Mapping) or not isinstance(each.get("response"), str):
            raise Unfit("a completion has no response")
        if not isinstance(each.get("overall_score"), int | float):
            raise Unfit("an overall_score is no number")
    return {"prompt": messages.user(found["instruction"])}


def _ordered(worth: list[tuple[float, int]]) -> None:
    ranked = sorted(worth, key=lambda each: each[1])
    if any(a[0] < b[0] for a, b in pairwise(ranked)):
        raise Unfit("a candidate of a better rank has a lower score")


_RULES = (
    "A row a prompt, its judged answers with the best first; equal scores share a rank, 1 is the best.",
    "Scores are the judge's, in 0..1: by comparisons the share of wins, by a rubric or grader each answer's own.",
    "Prompts whose verdicts flipped or could not be read are left out: nothing is known of their answers.",
)
FORMATS = (
    Format(
        name="candidates",
        about="all answers with scores and ranks, as messages (best of n, listwise, reward models)",
        source="judgegen's own; Fireworks' samples[].evals.score and RewardBench 2's best of four say the same",
        as_of=date(2026, 11, 28),
        rules=_RULES,
        rows=rows,
        seen=seen,
        carries=frozenset({"prompt_id", "prompt", "candidates"}),
        unit="prompt",
        sides=frozenset(),
        roles=WITH_TOOLS,
        tools="turns",
        once=lambda row: digest(row["prompt"]),
    ),
    Format(
        name="ultrafeedback-completions",
        about="all answers with scores, in the shape of openbmb/UltraFeedback",
        source="openbmb/UltraFeedback on the Hugging Face hub, its columns",
        as_of=date(2026, 11, 28),
        rules=(*_RULES, "overall_score is in 0..1 here and 1..10 there; rank is a column of our own."),
        rows=texts,
        seen=texts_seen,
        carries=frozenset({"prompt", "candidates"}),
        unit="prompt",
        sides=frozenset(),
        roles=frozenset({"user"}),
        turns="one",
        once=lambda row: digest(row["instruction"]),
    ),
)
