"""What is read fast is read right: the same values, the same refusals, and no more of a file in memory than a row."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from judgegen.sources.jsonrows import UNSURE, listed, parse, swift
from judgegen.sources.rows import Bad, ReadError, Row, RowError

TEXTS = st.text(st.sampled_from('ab"\\\n\u2028é漢\x7f{}[],:') | st.characters(codec="utf-8"), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def spelled(text: str) -> Any:
    """What the strict reader makes of a text; the reason where it refuses."""
    try:
        return repr(parse(text))
    except RowError as error:
        return error.args


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_fast_is_as_strict_as_slow(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Every value comes back as the strict reader has it, wherever the fast one is sure."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    found = swift(text.encode())
    assert found is UNSURE or repr(found) == spelled(text)


@given(st.text('{}[]",:\\u0213a \n-.eE"', max_size=30))
@example('{"a": 1, "a": 2}')
@example('{"a": "x\\u0022", "a": "\\"y"}')
@example('{"a": "\\u0022\\u0022", "a": 0, "\\u0061": ""}')
@example("[1, 18446744073709551616]")
@example("-0")
@example("[NaN, 1e400]")
@example('"\\ud800"')
def test_what_is_odd_is_left_to_the_strict_reader(text: str) -> None:
    """A key twice, a number out of bounds, half of a character, no JSON: never another value than the strict one."""
    found = swift(text.encode())
    assert found is UNSURE or repr(found) == spelled(text)


def rows(path: Path) -> list[Any]:
    """What the items came to; the reason at the end where reading broke off."""
    found: list[Any] = []
    try:
        found.extend(repr(row.value) if isinstance(row, Row) else row.why for row in listed(path))
    except ReadError as error:
        found.append((error.line, str(error)))
    return found


@given(
    st.lists(VALUES | st.dictionaries(TEXTS, VALUES, max_size=3), max_size=4), st.sampled_from([None, 2]), st.booleans()
)
@settings(deadline=None)
def test_a_list_read_by_items_is_the_list(values: list[Any], indent: int | None, under: bool) -> None:
    """Whatever its items hold and wherever reading stops for a while; also under a key of an object."""
    if under:
        values = [{"a": value} for value in values] or [{}]
    text = json.dumps({"n": [1], "data": values, "}": "]"} if under else values, indent=indent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_text(text, "utf-8")
        found = [repr(row.value) if isinstance(row, Row) else None for row in listed(path, size=3)]
    assert found == [repr(v) if isinstance(v, dict) else None for v in values]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"a": 1}, {"a": 2]', (1, "not JSON: Expecting ',' delimiter at column 19")),
        ('[{"a": 1},\n {"a": }]', (2, "not JSON: Expecting value at column 8")),
        ('[{"a": 1}] x', (1, "not JSON: Extra data at column 12; a file with an object a line is named .jsonl")),
        ('[{"a": 1}, {"a": 1, "a": 2}]', (None, "the key 'a' stands twice in one object")),
        ('[{"a": 1}, "a', (1, "not JSON: Unterminated string starting at at column 12")),
    ],
)
def test_a_list_that_breaks_off_says_where(text: str, told: Any, tmp_path: Path) -> None:
    """What came before is given, and then the place and the reason, as for a file that is read as a whole."""
    (tmp_path / "a.json").write_text(text)
    assert rows(tmp_path / "a.json") == ["{'a': 1}", told]


def test_an_item_that_is_no_object_is_bad_alone(tmp_path: Path) -> None:
    """The others are read."""
    (tmp_path / "a.json").write_text('[{"a": 1}, 2, "x", {"a": 3}]')
    found = list(listed(tmp_path / "a.json"))
    assert [isinstance(row, Bad) for row in found] == [False, True, True, False]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["list", "under a key"])
def test_memory_does_not_grow_with_a_list(name: str, tmp_path: Path) -> None:
    """A file of 40 MB on one line takes a few of them."""
    path, item = tmp_path / "a.json", json.dumps({"a": "x" * 10_000})
    begun, ended = ("[", "]") if name == "list" else ('{"v": 1, "data": [', '], "n": 4000}')
    with path.open("w") as file:
        file.write(begun)
        file.writelines(item + ("," if number < 3999 else "") for number in range(4000))
        file.write(ended)
    tracemalloc.start()
    count = sum(1 for _ in listed(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4000
    assert peak < 8_000_000
