"""A name that nobody knows is answered with the one that was meant."""

from __future__ import annotations

import pytest

from judgegen.errors import hint


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trl-dop", "did you mean 'trl-dpo'? "),
        ("trl", "did you mean 'trl-dpo' or 'trl-kto'? "),
        ("xyzzy", ""),
        ("", ""),
    ],
)
def test_what_is_meant(name: str, said: str) -> None:
    """All that begin with it, else the nearest, else nothing is claimed."""
    assert hint(name, ["trl-dpo", "trl-kto", "verl"]) == said
