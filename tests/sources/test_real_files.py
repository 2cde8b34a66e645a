from __future__ import annotations

from pathlib import Path

import pytest

from judgegen.errors import SpecError
from judgegen.sources import prompts

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def read(name: str) -> tuple[list[str], list[str], Path]:
    """First messages, warnings and the path; the test is skipped where the file is not there."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {name} beside the checkout")
    said: list[str] = []
    return [p.messages[0]["content"] for p in prompts(path, warn=said.append)], said, path


FILES = [
    ("prompts/arena_hard_v0.1.jsonl", 500, 1),
    ("prd_vicuna80/questions.jsonl", 40, 0),
    ("alpaca_eval/instructions.jsonl", 403, 1),
    ("gsm8k_solutions/items.jsonl", 700, 0),
]


@pytest.mark.parametrize(("name", "count", "warnings"), FILES)
def test_a_real_file_is_read_whole(name: str, count: int, warnings: int) -> None:
    """Every prompt of files that nobody here wrote, under whatever name their text stands."""
    found, said, path = read(name)
    assert len(found) == count == len(path.read_text(encoding="utf-8").splitlines())
    assert all(found)
    assert len(said) == warnings
    assert all("if 'id' is meant" in warning for warning in said)


def test_rows_about_the_same_prompt_are_merged() -> None:
    """PandaLM's 512 rows ask 85 things, instruction and input joined; the rest is told."""
    found, said, _ = read("pandalm/pairs.jsonl")
    assert len(found) == 85
    assert any("\n\n" in text for text in found)
    assert said[-1].endswith("… and 407 more lines repeat earlier ones")


def test_a_real_file_of_another_shape_is_refused() -> None:
    """MT-Bench's scripted turns are no prompts; the columns found are named."""
    with pytest.raises(SpecError) as error:
        read("prompts/mt_bench.jsonl")
    assert "no prompt: the columns are 'question_id', 'category', 'turns'" in str(error.value)
    assert str(error.value).endswith("… and 60 more")
