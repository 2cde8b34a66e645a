"""Whatever is wrong with a run file is said with the line on which it stands, and what was meant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.spec import lines, parse, read
from judgegen.spec.sampler import Variant

TEXT = """\
# a comment = 1
prompts = "p.jsonl"
budget.max_usd = 3

[sampler]
model = "m"  # and why
[[sampler.variants]]
name = \"\"\"
[judge]
\"\"\"
temperature = { low = 1, high = 2 }

[[sampler.variants]]
name = "b"
n = [
  1,
]
[judge]
model = 'j'
"""
STANDS: dict[tuple[Any, ...], int] = {
    ("prompts",): 2,
    ("budget", "max_usd"): 3,
    ("sampler",): 5,
    ("sampler", "model"): 6,
    ("sampler", "variants", 0, "name"): 8,
    ("sampler", "variants", 0, "temperature", "high"): 11,
    ("sampler", "variants", 1): 13,
    ("sampler", "variants", 1, "n"): 15,
    ("judge", "model"): 19,
    ("judge", "nothing"): 18,
}
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
tables = st.dictionaries(names, st.recursive(st.integers() | names, lambda of: st.dictionaries(names, of, max_size=3)))


@pytest.mark.parametrize("place", STANDS, ids=str)
def test_a_place_has_its_line(place: tuple[Any, ...]) -> None:
    """Whether it stands in a table, a list of tables, dotted, inline, or behind a text of several lines."""
    assert lines.number(TEXT, place) == STANDS[place]


def test_what_stands_nowhere_has_no_line() -> None:
    """A key that is missing at the top is on no line."""
    assert lines.number(TEXT, ("seed",)) is None
    assert lines.number("", ("seed",)) is None


@given(tables)
def test_on_its_line_a_key_begins(table: dict[str, Any]) -> None:
    """What stands before the line of a key does not hold the key."""
    text = tomli_w.dumps(table)
    for key in table:
        number = lines.number(text, (key,))
        assert number is not None
        assert key not in tomllib.loads("\n".join(text.split("\n")[: number - 1]))


MEANT = {
    "model = gpt": "a text stands in quotes",
    'model = "gpt': "a quote is not closed",
    "model = \u201cgpt\u201d": "straight quotes",
    "logprobs = True": "true or false",
    "seed = None": "leave the key out",
    "seed: 0": "write key = value",
    "seed = 0\nseed = 1": "the key stands twice",
    "temperature = .3": "a number begins with a digit",
    'prompts = "C:\\Users\\x.jsonl"': "single quotes",
    "[a.b]\n[a.b]": "[[sampler.variants]]",
}


@pytest.mark.parametrize("text", MEANT)
def test_a_line_that_is_no_toml_is_told_with_what_was_meant(tmp_path: Path, text: str) -> None:
    """The usual slips by their mends, behind the parser's own words and the line."""
    path = tmp_path / "run.toml"
    path.write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"not TOML: .*at line \d") as caught:
        read(path)
    assert MEANT[text] in str(caught.value)


def test_a_mark_of_encoding_is_no_part_of_a_run_file(tmp_path: Path) -> None:
    """Some editors put one before the first letter."""
    path = tmp_path / "run.toml"
    path.write_text('prompts = "p"\n[judge]\nmodel = "j"\n', encoding="utf-8-sig")
    assert read(path, judging=True).judge.model == "j"


UNIONS = [name for name, field in Variant.model_fields.items() if "|" in str(field.annotation)]


@pytest.mark.parametrize("key", UNIONS)
@pytest.mark.parametrize("value", [[1], 1.5, -1, {"nothing": 1}, {"low": 2, "high": 1}, {"least": 9, "most": 1}, "x"])
def test_a_key_that_may_be_several_things_is_told_of_once_in_a_run_files_words(key: str, value: Any) -> None:
    """No name of the source stands in a message, and what one value has wrong is not told as of two."""
    variant = {"name": "a", key: value}
    try:
        parse(
            {"prompts": "p", "sampler": {"model": "m", "variants": [variant, {"name": "b"}]}, "judge": {"model": "j"}}
        )
    except SpecError as error:
        said = str(error)
        assert not [word for word in ("function-", "[_", "Range]", "Few]", "Input should") if word in said]
        assert isinstance(value, dict) or len(said.splitlines()) == 1
