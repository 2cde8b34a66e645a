"""What a finished run hands to an export: its pairs, what is known of it, and the judged answers that stand in no pair.

Knows the run folder's files. Knows nothing of consumers.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from judgegen.exchange.import_ import Reject, imported
from judgegen.judge.checklist import items
from judgegen.llm.journal import Journal
from judgegen.run.kept_file import lacking
from judgegen.spec import read
from judgegen.templates import CHECKLIST, RUBRIC, parse

ATTACK = "attack.json"  # of `judgegen judge attack`, in the folder beside the run's that ends in -attack
NO_EVIDENCE = ("flip", "unreadable", "no-reference")
"""Outcomes of prompts whose candidates the judge said nothing of that could be believed."""


_JUDGED = ["prompt_id", "candidate", "model", "score", "rank", "text", "tool_calls"]


def is_run(path: Path) -> bool:
    """Whether a path is a run folder, and not a folder of somebody's data files."""
    return (path / "run.toml").is_file()


def preferences(folder: Path) -> Iterator[dict[str, Any] | Reject]:
    """The run's pairs.

    Raises:
        SpecError: there is no preferences.jsonl.
    """
    return imported(_there(folder, "preferences.jsonl"), "preferences")


def facts(folder: Path) -> dict[str, Any]:
    """The run's `summary`, its run file as a table (`run`), its `judge_template` and what attacks came to (`attack`).

    The last is None unless `judgegen judge attack` was run, with the judge as it is here.

    Raises:
        SpecError: the run has no summary.
        JournalError: another process holds the journal.
    """
    summary = json.loads(_there(folder, "summary.json").read_text(encoding="utf-8"))
    run = tomllib.loads(_there(folder, "run.toml").read_text(encoding="utf-8"))
    judge = run.get("judge", {})
    name = judge.get("rubric") if judge.get("method") == "rubric" else judge.get("template")
    with Journal(folder, create=False) as journal:
        template = journal.texts().get(f"judge/{name}")
    return {"summary": summary, "run": run, "judge_template": template, "attack": _attacked(folder)}


def _attacked(folder: Path) -> dict[str, Any] | None:
    """The figures of the attack beside a run, where it was on the judge that the run has now."""
    path = folder.resolve().with_name(f"{folder.resolve().name}-attack") / ATTACK
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    judge = read(folder / "run.toml").judge.model_dump(mode="json", exclude_none=True)
    return found if found["judge"] == judge else None


def calibrated(folder: Path) -> bool:
    """Whether the run's probabilities went through a calibration on people's labels."""
    run = tomllib.loads(_there(folder, "run.toml").read_text(encoding="utf-8"))
    return bool(run.get("judge", {}).get("calibration"))


def ties(folder: Path) -> Iterator[dict[str, Any]]:
    """Each two answers that every verdict on them called a tie, as a pair with `tie`, in prompt order.

    Raises:
        SpecError: the run has no audit.
        JournalError: another process holds the journal.
    """
    tied = _tied(folder)
    for row in prompts(folder):
        answers = {each["candidate"]: each["completion"] for each in row["candidates"]}
        asked = {key: row[key] for key in ("prompt_id", "prompt", "tools") if key in row}
        for first, second in tied.get(row["prompt_id"], ()):
            if first in answers and second in answers:
                yield asked | {"chosen": answers[first], "rejected": answers[second], "tie": True}


def _tied(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """By prompt the candidates of each comparison whose counted verdicts are all ties."""
    columns = ["prompt_id", "match", "first", "second", "label", "counted"]
    found: dict[str, list[tuple[str, str]]] = {}
    matches = groupby(_table(folder, "verdicts", columns), key=lambda row: (row["prompt_id"], row["match"]))
    for (name, _), shown in matches:
        counted = [row for row in shown if row["counted"]]
        if counted and all(row["label"] == "tie" for row in counted):
            found.setdefault(name, []).append((counted[0]["first"], counted[0]["second"]))
    return found


def prompts(folder: Path) -> Iterator[dict[str, Any]]:
    """Every prompt, with all that is known of its answers, in prompt order.

    Each has `prompt_id`, `prompt`, `outcome`, `candidates` (`completion`, `score`, `rank`, `model`, those that were
    judged), `absolute` (whether scores are each answer's own, and not a share of wins), and where there is one `tools`,
    `reference` and `rubric`. Candidates whose verdicts flipped or could not be read are no evidence and have no score.

    Raises:
        SpecError: the run has no audit.
        JournalError: another process holds the journal.
    """
    told = facts(folder)
    absolute = told["run"].get("judge", {}).get("method") in ("rubric", "python", "reward")
    aspects, lists = _criteria("\n".join(_written(told))) or _aspects(told), _checklists(folder)
    judged = _judged(folder)
    for asked in _table(folder, "prompts", ["prompt_id", "outcome", "messages", "reference", "tools"]):
        name = asked["prompt_id"]
        evident = asked["outcome"] not in NO_EVIDENCE
        row = {"prompt_id": name, "prompt": json.loads(asked["messages"]), "outcome": asked["outcome"]}
        row |= {"candidates": judged.get(name, []) if evident else [], "absolute": absolute}
        row |= {"tools": json.loads(asked["tools"])} if asked["tools"] else {}
        row |= {"reference": asked["reference"]} if asked["reference"] is not None else {}
        rubric = _criteria(lists[name]) if name in lists else aspects
        yield row | ({"rubric": rubric} if rubric else {})


def _judged(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The answers that have a score, by prompt."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in _table(folder, "candidates", _JUDGED):
        if each["score"] is not None:
            message: dict[str, Any] = {"role": "assistant", "content": each["text"]}
            if each["tool_calls"]:
                message["tool_calls"] = json.loads(each["tool_calls"])
            worth = {key: each[key] for key in ("candidate", "score", "rank", "model")}
            found.setdefault(each["prompt_id"], []).append(worth | {"completion": [message]})
    return found


def _checklists(folder: Path) -> dict[str, str]:
    """The last checklist that the judge wrote for each prompt."""
    calls = _table(folder, "calls", ["prompt_id", "variant", "outcome", "text"])
    return {
        call["prompt_id"]: call["text"]
        for call in calls
        if call["variant"] == CHECKLIST.variant and call["outcome"] == "reply" and call["text"]
    }


def _written(told: Mapping[str, Any]) -> list[str]:
    """The checklist that the run file holds for every prompt."""
    found = told["run"].get("judge", {}).get("checklist")
    return found if isinstance(found, list) else []


def _criteria(checklist: str) -> list[dict[str, Any]]:
    """A checklist's questions as criteria of equal weight."""
    questions = items(checklist)
    return [{"name": f"question {n}", "description": text, "weight": 1.0} for n, text in enumerate(questions, 1)]


def _aspects(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The aspects of the run's rubric, with the weights that it gave them and their scale as choices."""
    judge, text = told["run"].get("judge", {}), told["judge_template"]
    if text is None or judge.get("method") != "rubric":
        return []
    weights = judge.get("weights") or {}
    return [
        {
            "name": aspect.name,
            "description": aspect.question,
            "weight": weights.get(aspect.name, aspect.weight),
            "choices": list(aspect.anchors),
        }
        for aspect in parse(text, "the run's rubric", RUBRIC).aspects
    ]


def unpaired(folder: Path, *, ties: bool | None = None) -> Iterator[dict[str, Any]]:
    """Answers that stand in no pair, each as {prompt_id, prompt, completion, label, tools}, in prompt order.

    An answer that won more than half of what it was judged in is wanted, one that won less is not. What won exactly
    half has the label `ties`, and is left out where that is None. So is everything of a prompt whose verdicts flipped
    with the order or could not be read: that is no evidence.

    Raises:
        SpecError: the run has no audit.
        JournalError: another process holds the journal.
    """
    outcomes = {row["prompt_id"]: row["outcome"] for row in _table(folder, "prompts", ["prompt_id", "outcome"])}
    used = {(row["prompt_id"], row[side]) for row in _table(folder, "pairs", None) for side in ("chosen", "rejected")}
    columns = ["prompt_id", "candidate", "score", "text", "tool_calls"]
    judged = groupby(_table(folder, "candidates", columns), key=lambda row: row["prompt_id"])
    with Journal(folder, create=False) as journal:
        prompts = journal.prompts()
        for name, candidates in judged:
            prompt = next(row for row in prompts if row["id"] == name)
            if outcomes.get(name) in NO_EVIDENCE:
                continue
            for candidate in candidates:
                label = _label(candidate["score"], ties)
                if label is not None and (name, candidate["candidate"]) not in used:
                    yield _row(prompt, candidate, label=label)


def _label(score: float | None, ties: bool | None) -> bool | None:
    """Whether an answer is wanted; None where there is no saying."""
    if score is None:
        return None
    return ties if score == 0.5 else score > 0.5


def _row(prompt: Mapping[str, Any], candidate: Mapping[str, Any], *, label: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": candidate["text"]}
    if candidate["tool_calls"]:
        message["tool_calls"] = json.loads(candidate["tool_calls"])
    row = {"prompt_id": prompt["id"], "prompt": prompt["messages"], "completion": [message], "label": label}
    return row | ({"tools": prompt["tools"]} if prompt.get("tools") else {})


def _table(folder: Path, name: str, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    with parquet.ParquetFile(_there(folder, f"audit/{name}.parquet")) as file:
        for batch in file.iter_batches(batch_size=1024, columns=columns):
            yield from batch.to_pylist()


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise lacking(path, folder)
    return path
