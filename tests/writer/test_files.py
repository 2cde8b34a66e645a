from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.textual import clean
from judgegen.writer.files import json_line, json_text, part_of, put_in_place, whole, write_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_record_is_one_line_for_every_reader(row: dict[str, Any]) -> None:
    """One newline at the end, none that Unicode knows before it, and the same record when read."""
    line = json_line(row)
    text = line.decode()
    assert text.endswith("\n")
    assert text.splitlines() == [text[:-1]]
    assert json.loads(text) == row


@given(st.text(st.characters()))
def test_a_record_can_always_be_written(text: str) -> None:
    """Half characters become U+FFFD, or come back as they were where they may; letters stay letters."""
    assert json.loads(json_line({"t": text}))["t"] == clean(text)
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")  # halves side by side
    assert json.loads(json_line({"t": text}, halves=True))["t"] == joined
    assert "é".encode() in json_line({"t": "é"})


def test_what_is_no_json_is_refused() -> None:
    """NaN has no word in JSON."""
    with pytest.raises(ValueError, match="JSON compliant"):
        json_line({"p": float("nan")})


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """Until the block ends the old file stands; then the new one, with nothing beside it."""
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    with whole(path) as file:
        file.write("new\n")
        assert path.read_text() == "old"
    assert path.read_bytes() == b"new\n"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """A pipe or a device that is named as the output stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="nothing else is replaced"):
        write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_file_is_on_disk_before_it_is_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are flushed while the old file stands, then the folder that names it."""
    path = tmp_path / "file.txt"
    write_text(path, "old")
    flushed: list[tuple[int, str]] = []
    flush = os.fsync

    def watched(handle: int) -> None:
        flushed.append((os.fstat(handle).st_ino, path.read_text()))
        flush(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_text(path, "new")
    assert flushed == [(path.stat().st_ino, "old"), (tmp_path.stat().st_ino, "new")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever goes wrong, the old file is as it was and nothing lies beside it."""
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail() -> None:
        with whole(path) as file:
            file.write("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    """A part from before is no part of the new file."""
    path = tmp_path / "file.txt"
    part_of(path).write_text("left over, and longer than what comes")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert not part_of(path).exists()


def test_there_is_nothing_to_put_in_place(tmp_path: Path) -> None:
    """A part that is not there is an error, never an empty file."""
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "file.txt")
    assert not (tmp_path / "file.txt").exists()


@given(JSON | st.text(st.characters()) | st.tuples(JSON, st.text(st.characters())))
def test_text_of_json_is_the_standard_librarys(value: Any) -> None:
    """Character for character, halves of characters as well."""
    assert json_text(value) == json.dumps(value, ensure_ascii=False)
    assert json_text([value, {"a": (value,)}]) == json.dumps([value, {"a": (value,)}], ensure_ascii=False)
