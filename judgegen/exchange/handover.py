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

from judgegen.errors import SpecError
from judgegen.exchange.import_ import Reject, imported
from judgegen.llm.journal import Journal

NO_EVIDENCE = ("flip", "unreadable")
"""Outcomes of prompts whose candidates the judge said nothing of that could be believed."""


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
    """The run's `summary`, its run file as a table (`run`) and its `judge_template`, for cards and graders.

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
    return {"summary": summary, "run": run, "judge_template": template}


def calibrated(folder: Path) -> bool:
    """Whether the run's probabilities went through a calibration on people's labels."""
    run = tomllib.loads(_there(folder, "run.toml").read_text(encoding="utf-8"))
    return bool(run.get("judge", {}).get("calibration"))


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
        raise SpecError(f"{path}: not there; `judgegen write {folder}` makes it from the journal")
    return path
