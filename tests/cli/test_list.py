from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Ended = CompletedProcess[str]


@pytest.mark.parametrize(
    ("what", "held"),
    [
        ("formats", "trl-dpo"),
        ("origins", "argilla-ultrafeedback"),
        ("methods", "pairwise"),
        ("variants", "focused"),
        ("templates", "pairwise"),
        ("recipes", "rubric"),
        ("models", "gpt-"),
    ],
)
def test_every_list_names_what_it_is_of(judgegen: Callable[..., Ended], what: str, held: str) -> None:
    """A head and at least one row, each on a line of its own."""
    ended = judgegen("list", what)
    assert ended.returncode == 0
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    assert any(line.strip().startswith(held) for line in lines[1:])


def test_a_list_that_is_none_names_those_that_are(judgegen: Callable[..., Ended]) -> None:
    """A wrong word ends with 2 and the right ones."""
    ended = judgegen("list", "colours")
    assert ended.returncode == 2
    assert "recipes" in ended.stderr
