"""OpenAI's reinforcement fine-tuning: items to answer, with what a grader may look at, and a grader.

The grader asks the run's own judge template about the sampled answer (as the first) and the chosen one (as the second),
for the first one's share of the win in place of a verdict; a rubric is asked for one score of the sampled answer.
Where every prompt carries a reference, half of the score is whether the reference stands in the answer. The platform
takes no new jobs after 2027-01-06.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import WITH_TOOLS, Done, Format, Limits, Preference, Row
from judgegen.llm.calls import Message, digest

_WIN = """\
Instead of a verdict give a score between 0 and 1, the share of the win that is answer A's: 1 where A is clearly the
better answer, 0.5 where neither is, 0 where B clearly is, and values between for doubt."""
_QUALITY = """\
Instead of scores for each aspect give one score between 0 and 1: 0 for the lowest in every aspect, 1 for the highest in
every one, and values between."""
_FIELDS = {
    "request": "{{item.prompt}}",
    "answer": "{{sample.output_text}}",
    "first": "{{sample.output_text}}",
    "second": "{{item.chosen}}",
    "first_label": "A",
    "second_label": "B",
    "tie_label": "tie",
    "fence": "quoted",
}


def rows(preference: Preference) -> list[Row]:
    """One item: what to answer, and the fields that a grader reads as {{item.KEY}}."""
    prompt = preference["prompt"]
    row: Row = {"messages": [_renamed(message) for message in prompt]}
    if preference.get("tools"):
        row["tools"] = preference["tools"]
    row |= {"prompt": transcript(prompt), "chosen": messages.text(preference["chosen"][0])}
    for key in ("prompt_id", "reference", "p_chosen"):
        if preference.get(key) is not None:
            row[key] = preference[key]
    return [row]


def _renamed(message: Message) -> dict[str, Any]:
    """Reinforcement fine-tuning takes no system role; the models that it tunes read a developer's message as one."""
    return {**message, "role": "developer"} if message["role"] == "system" else dict(message)


def transcript(prompt: list[Message]) -> str:
    """A prompt as one text: a lone user message as it stands, a chat turn by turn."""
    if len(prompt) == 1:
        return messages.text(prompt[0])
    return "\n\n".join(f"{message['role'].upper()}: {messages.text(message)}" for message in prompt)


def companions(done: Done) -> Iterator[tuple[Path, str]]:
    """The grader beside the items; none where there is neither a judge nor a reference in every row."""
    found = grader(done.facts, references=0 < done.tally.pairs == done.tally.references)
    if found is not None:
        path = next(iter(done.files.values()))
        stem = path.name.removesuffix(".jsonl").removesuffix(".train")
        yield path.with_name(f"{stem}.grader.json"), json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def grader(facts: Mapping[str, Any], *, references: bool) -> Row | None:
    """A string_check of the reference, a score_model from the judge template, or both in equal parts."""
    parts = {"reference": _string_check()} if references else {}
    if model := _score_model(facts, references=references):
        parts["judge"] = model
    if len(parts) < 2:
        return next(iter(parts.values()), None)
    return {"type": "multi", "name": "judgegen", "graders": parts, "calculate_output": "0.5 * reference + 0.5 * judge"}


def _string_check() -> Row:
    asked = {"input": "{{sample.output_text}}", "reference": "{{item.reference}}", "operation": "ilike"}
    return {"type": "string_check", "name": "reference", **asked}


def _score_model(facts: Mapping[str, Any], *, references: bool) -> Row | None:
    text, judge = facts.get("judge_template"), facts.get("run", {}).get("judge", {})
    if text is None or not judge.get("model"):
        return None
    from judgegen.templates import PAIRWISE, RUBRIC, parse

    kind = {"rubric": RUBRIC, "pairwise": PAIRWISE, "hybrid": PAIRWISE}.get(judge.get("method", "pairwise"))
    if kind is None:
        return None
    template = parse(text, "the run's judge template", kind)
    unsaid = dict.fromkeys(kind.must | kind.may, "")
    told = {"aspects": template.aspects, "criteria": judge.get("criteria") or ""}
    reference = {"reference": "{{item.reference}}" if references else ""}
    chat = [dict(message) for message in template.messages({**unsaid, **_FIELDS, **told, **reference})]
    chat[-1]["content"] += "\n\n" + (_WIN if kind is PAIRWISE else _QUALITY)
    return {"type": "score_model", "name": "judge", "model": judge["model"], "input": chat, "range": [0, 1]}


FORMAT = Format(
    name="openai-rft",
    about="OpenAI, reinforcement fine-tuning: items and a grader",
    source="developers.openai.com/api/docs/guides/reinforcement-fine-tuning; openai 3.52.0, types/graders; "
    "openai-openapi f7f4b05, FineTuneReinforcementRequestInput",
    rules=(
        "The platform reads messages and tools, a grader every other key; the role system is developer there.",
        "One item a prompt: of several pairs the first is taken.",
        "At most 50,000 items to train on and 1,000 to validate on, which are required: export with --split.",
        "A multi grader's parts are a mapping by name, as the guide has it; the API's own schema says otherwise.",
    ),
    rows=rows,
    carries=frozenset({"prompt_id", "prompt", "chosen", "tools", "reference", "p_chosen"}),
    loose=frozenset({"tools", "reference", "p_chosen"}),
    sides=frozenset({"chosen"}),
    roles=WITH_TOOLS,
    tools="definitions",
    halves=True,
    once=lambda row: digest(row["messages"]),
    companions=companions,
    limits=Limits(rows=1, most_rows=50_000, size=512 * 10**6, most_test=1000),
)
