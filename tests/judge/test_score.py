"""How the answer to a rubric is read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from judgegen.judge.score import Heard, heard
from judgegen.llm.calls import Choice, Reply, Usage
from judgegen.templates import Aspect

ASPECTS = [
    Aspect(name=name, question="How?", anchors=tuple("abcde"[:size])) for name, size in (("correct", 5), ("clear", 3))
]


def read(text: str, **choice: Any) -> Heard | str:
    """The one answer of a reply."""
    (found,) = heard(Reply(choices=(Choice(text=text, **choice),), usage=Usage()), ASPECTS)
    return found


@pytest.mark.parametrize(
    "text",
    [
        '{"correct": 4, "clear": 2}',
        '{"correct": 4.0, "clear": 2.0}',
        '{"correct": "4", "clear": " 2 "}',
        '{"correct": "4/5", "clear": "2 / 3"}',
        '{"Correct": 4, "CLEAR": 2}',
        '{"scores": {"correct": 4, "clear": 2}}',
        '```json\n{\n  "correct": 4,  // nearly 5\n  "clear": 2\n}\n```',
    ],
)
def test_a_score_is_read_however_its_number_and_its_name_are_written(text: str) -> None:
    """As a number or a text, alone or of the highest, in any case, in one object more."""
    found = read(text)
    assert isinstance(found, Heard)
    assert found.means == {"correct": 4.0, "clear": 2.0}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"correct": 4}', "missing-aspect"),
        ('{"correct": 4, "Clear": 2, "CLEAR": 3}', "missing-aspect"),
        ('{"scores": {"correct": 4, "clear": 2}, "other": 1}', "missing-aspect"),
        ('{"correct": 6, "clear": 2}', "off-the-scale"),
        ('{"correct": 4.5, "clear": 2}', "off-the-scale"),
        ('{"correct": "4/10", "clear": 2}', "off-the-scale"),
        ('{"correct": "4 or 5", "clear": 2}', "off-the-scale"),
        ('{"correct": true, "clear": 2}', "off-the-scale"),
        ('{"correct": [4], "clear": null}', "off-the-scale"),
        ("4 and 2", "no-verdict"),
    ],
)
def test_what_is_no_score_of_the_scale_is_unreadable(text: str, reason: str) -> None:
    """Halves, another scale, two, none."""
    assert read(text) == reason


@pytest.mark.parametrize("parts", [('{"correct": ', "4", ', "clear": 2}'), ('{"Correct": "', "4", '", "clear": 2}')])
def test_a_score_is_expected_at_its_token(parts: tuple[str, str, str]) -> None:
    """Whether a quote stands before it or not."""
    top = [{"token": "4", "logprob": math.log(0.75)}, {"token": "2", "logprob": math.log(0.25)}]
    tokens = tuple({"token": one, "logprob": 0.0, "top_logprobs": top if one == "4" else []} for one in parts)
    found = read("".join(parts), logprobs=tokens)
    assert isinstance(found, Heard)
    assert found.means == pytest.approx({"correct": 3.5, "clear": 2.0})
    assert json.loads("".join(parts))
