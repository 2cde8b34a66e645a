"""A mapping that names a column no row has is refused at every door, and nothing else is read in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from judgegen.cli import main
from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.sources import mapping as mapping_of_columns
from judgegen.sources.annotated import MARK
from judgegen.sources.reading import prompts, prompts_from_rows

Row = dict[str, Any]
ROWS = [{"prompt": f"Which, {n}?", "persona": "Be brief.", "gold": "yes"} for n in range(3)]
COMPARED = [{"prompt": f"Which, {n}?", "left": f"This {n}.", "right": f"That {n}.", "pick": "A"} for n in range(3)]
SIDES = ["response_a=left,response_b=right"]
RUN = """prompts = "prompts.jsonl"
[endpoints.w]
provider = "scripted"
[endpoints.w.scripted]
accuracy = 0.9
[sampler]
endpoint = "w"
model = "s"
variants = [{ name = "a", n = 2 }]
[judge]
endpoint = "w"
model = "j"
"""


def silent(_: str) -> None:
    """Hears no warning."""


def lines(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def given(kind: str, folder: Path, rows: list[Row]) -> Any:
    """Rows as a file of a kind, as a frame, or as they are."""
    if kind == "rows":
        return rows
    frame = pd.DataFrame(rows)
    if kind == "frame":
        return frame
    path = folder / f"a.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        lines(path, rows)
    return path


def read(found: Any, mapping: dict[str, str]) -> list[Any]:
    how: dict[str, Any] = {"warn": silent, "mapping": mapping}
    return list(prompts(found, **how) if isinstance(found, Path) else prompts_from_rows(found, where="it", **how))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "frame", "rows"])
@pytest.mark.parametrize("meaning", ["prompt", "system", "reference", "tools", "id"])
def test_prompts_are_not_read_without_a_column_that_is_mapped(kind: str, meaning: str, tmp_path: Path) -> None:
    """The one error there is names it, the nearest and what is there; it comes before any prompt."""
    found = given(kind, tmp_path, ROWS)
    with pytest.raises(SpecError) as error:
        read(found, {meaning: "persnoa"})
    words = "no row has a column 'persnoa' to be {}; is 'persona' meant? there are 'prompt', 'persona', 'gold'"
    assert str(error.value).split(": ", 1)[1] == words.format(meaning)
    assert len(read(found, {"system": "persona", "reference": "gold"})) == len(ROWS)


def test_a_column_that_one_late_row_has_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for among all rows, though some are handed on before."""
    monkeypatch.setattr(mapping_of_columns, "AHEAD", 2)
    assert len(read([*ROWS, {"prompt": "Late?", "late": "Hm."}], {"system": "late"})) == len(ROWS) + 1
    with pytest.raises(SpecError, match="no row has a column 'late' to be system"):
        read(ROWS, {"system": "late"})


def test_several_columns_and_paths_are_looked_for_part_by_part() -> None:
    """Of a+b both, and of a.b the key in a, have to be there."""
    rows = [{"a": {"b": "What?"}, "c": "So?"}]
    (found,) = read(rows, {"prompt": "a.b+c"})
    assert found.messages[0]["content"] == "What?\n\nSo?"
    for wrong, part in (("a.b+d", "d"), ("a.x+c", "a.x"), ("a.b.c", "a.b.c")):
        with pytest.raises(SpecError, match=f"no row has a column '{part}' to be prompt"):
            read(rows, {"prompt": wrong})
    with pytest.raises(SpecError, match="'a\\+c' to be reference"):
        read(rows, {"prompt": "c", "reference": "a+c"})


def test_a_text_has_no_columns(tmp_path: Path) -> None:
    """Lines of text are prompts, of which nothing can be mapped."""
    (tmp_path / "a.txt").write_text("Why?\n", encoding="utf-8")
    with pytest.raises(SpecError, match="the rows are texts, and have no column 'persona' to be system"):
        read(tmp_path / "a.txt", {"system": "persona"})


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "rows"])
@pytest.mark.parametrize("wrong", ["winner=pikc", "system=pikc", "rater=pikc", "reference=pikc", "id=pikc"])
def test_comparisons_are_not_read_without_a_column_that_is_mapped(kind: str, wrong: str, tmp_path: Path) -> None:
    """Not by another label, and not without what was to stand beside them."""
    found = given(kind, tmp_path, [row | {"winner": "B"} for row in COMPARED])
    with pytest.raises(SpecError, match=r"no row has a column 'pikc' to be \w+; is 'pick' meant\? there are 'prompt'"):
        list(comparisons.labelled(found, None, silent, [*SIDES, wrong]))
    told = comparisons.labelled(found, None, silent, [*SIDES, "winner=pick"])
    assert [one.votes for one in told] == [("A",)] * len(COMPARED)


def test_peoples_own_labels_are_not_read_without_it_either(tmp_path: Path) -> None:
    """A file of labels that people gave here has its own columns."""
    asks = [{"role": "user", "content": "Which?"}]
    said = {"id": "c", "messages": asks, "response_a": "x", "response_b": "y", "annotator": "ann", "winner": "A"}
    path = lines(tmp_path / "labels.jsonl", [{"log": MARK, **said}])
    assert len(list(comparisons.labelled(path, None, silent))) == 1
    with pytest.raises(SpecError, match="no row has a column 'pick' to be winner"):
        list(comparisons.labelled(path, None, silent, ["winner=pick"]))


@pytest.mark.parametrize("command", ["check", "calibrate", "align", "compare"])
def test_each_command_says_it_before_anybody_is_asked(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the column, the nearest, and what is there."""
    pytest.importorskip("scipy", reason="the extra `trust` is not installed")
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "prompts.jsonl", ROWS), lines(tmp_path / "votes.jsonl", COMPARED)
    (tmp_path / "run.toml").write_text(RUN, encoding="utf-8")
    (tmp_path / "other.toml").write_text(RUN.replace('"j"', '"k"'), encoding="utf-8")
    asked = {"compare": ["run.toml", "other.toml", "--on", "votes.jsonl"]}.get(
        command, ["votes.jsonl", "--run", "run.toml"]
    )
    with pytest.raises(SystemExit) as ended:
        main(["judge", command, *asked, "--map", SIDES[0], "--map", "winner=pikc", "--yes"])
    assert ended.value.code == 2
    assert "votes.jsonl: no row has a column 'pikc' to be winner; is 'pick' meant?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "rehearse", "estimate"])
def test_a_run_says_it_before_anybody_is_asked(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`[columns]` in the run file is such a mapping, also where only the first prompts are wanted."""
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "prompts.jsonl", ROWS)
    (tmp_path / "run.toml").write_text(f"{RUN}\n[columns]\nsystem = 'persnoa'\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main([command, "run.toml", *(["--limit", "1"] if command == "run" else [])])
    assert ended.value.code == 2
    assert "prompts.jsonl: no row has a column 'persnoa' to be system; is 'persona' meant?" in capsys.readouterr().err
