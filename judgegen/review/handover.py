"""The queue for somebody else's labelling tool. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any

from judgegen.review.queue import Queued, a_on_the_left
from judgegen.show.words import said
from judgegen.textual import clean


class Tool(Enum):
    """Whose queue it becomes."""

    label_studio = "label-studio"
    argilla = "argilla"


def handed(queue: Sequence[Queued], to: Tool, *, annotator: str, seed: int) -> str:
    """The file: Label Studio's list of tasks, or a JSON record a line as Argilla's `dataset.records.log` takes them.

    The sides are shuffled as here; `left_is` says which answer stands left, and nothing says what the judge chose.
    """
    rows = [_row(item, left=a_on_the_left(item, annotator, seed)) for item in queue]
    if to is Tool.label_studio:
        tasks = [{"data": row} for row in rows]
        return clean(json.dumps(tasks, ensure_ascii=False, indent=1)) + "\n"
    return clean("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _row(item: Queued, *, left: bool) -> dict[str, Any]:
    answers = (item.a, item.b) if left else (item.b, item.a)
    prompt = "\n\n".join(f"{m.get('role', '')}: {said([m])}" for m in item.messages)
    named = {"id": item.id, "prompt": prompt, "response_1": answers[0], "response_2": answers[1]}
    return {**named, "left_is": "A" if left else "B"}
