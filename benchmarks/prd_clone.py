"""Lays out the recordings of all eighty questions of PRD from a clone of their repository (bcdnlp/PRD, MIT).

The odd questions were at hand while judgegen was made; nothing was tuned on the even ones. What is written has the
shape that `recorded.py` reads; of a comparison that was made twice the first file by name comes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import recorded

PLACE = Path("data") / "vicuna80"
"""Where a clone keeps them."""
_NAMED = re.compile(
    r"answer[-_](?P<one>.+)-vs-answer[-_](?P<two>.+?)-(?P<judge>human|bard|claude|gpt35|gpt4|vicuna-13b)-reviewer"
)


def held_back(question: int) -> bool:
    """Whether nobody who made judgegen looked at a question's recordings."""
    return question % 2 == 0


def laid_out(clone: Path, data: Path) -> Path:
    """Write `prd_vicuna80` under `data` from a clone, all eighty questions; `data`.

    Raises:
        FileNotFoundError: there is no such clone.
    """
    source, folder = clone / PLACE, data / "prd_vicuna80"
    folder.mkdir(parents=True)
    questions = recorded.lines(source / "prompts" / "vicuna_questions.jsonl")
    _write(folder / "questions.jsonl", questions)
    _write(folder / "answers.jsonl", _answers(source))
    _write(folder / "human_votes.jsonl", _said(source, "vote", ["human"]))
    _write(folder / "llm_judgments.jsonl", _said(source, "verdict", recorded.MODELS))
    return data


def _answers(source: Path) -> Iterator[dict[str, Any]]:
    for model in recorded.MODELS:
        for item in recorded.lines(source / "generations" / f"answer_{model}.jsonl"):
            yield {"question_id": item["question_id"], "model": model, "text": item["text"]}


def _said(source: Path, name: str, who: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every rating of these, with the models in the order shown, which stands in the file's name alone."""
    for judge in who:
        for path in sorted((source / f"ratings-{judge}").glob("*.jsonl")):
            found = _NAMED.match(path.name)
            assert found is not None, path
            shown = {"model_1": found["one"], "model_2": found["two"], "judge": judge}
            yield from (
                {"question_id": item["question_id"], **shown, name: item["score"]} for item in recorded.lines(path)
            )


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
