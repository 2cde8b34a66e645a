from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from judgegen.errors import SpecError
from judgegen.exchange.import_ import imported
from judgegen.records import Prompt
from judgegen.sources.labelled import Labelled, labelled, labelled_from_rows

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
EMPTIED = (
    "nan",
    "NaN",
    "None",
    "null",
    "NULL",
    "<NA>",
    "N/A",
    "#N/A",
    "NaT",
)  # what an empty cell becomes as a text, and refused as an answer
ROW = {"prompt": "a", "response_a": "x", "response_b": "y", "winner": "A"}


def silent(_: str) -> None:
    """Hears no warning."""


def without(*names: str, **more: Any) -> str:
    """A good row without some columns and with others, as JSON."""
    return json.dumps({**{k: v for k, v in ROW.items() if k not in names}, **more})


def refusal(path: Path) -> list[str]:
    """The lines of the error that reading all of `path` ends in, each without the path."""
    with pytest.raises(SpecError) as error:
        list(labelled(path, warn=silent))
    return [line.removeprefix(f"{path}: ") for line in str(error.value).split("\n")]


text = st.text(min_size=1, max_size=20).filter(str.strip).filter(lambda words: words.strip() not in EMPTIED)
vote = st.sampled_from(["A", "B", "tie"])
row = st.builds(
    lambda asked, voted, rest: {**asked, **voted, **rest},
    st.fixed_dictionaries({"response_a": text, "response_b": text})
    | st.fixed_dictionaries({"response_a": text, "response_b": text, "system": text, "reference": text}),
    st.fixed_dictionaries({"winner": vote}) | st.fixed_dictionaries({"votes": st.lists(vote, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"prompt": text}, optional={"subset": text})
    | st.fixed_dictionaries(
        {"messages": st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": text}), min_size=1)}
    ),
)


@pytest.mark.slow
@given(rows=st.lists(row, min_size=1, max_size=5))
@settings(deadline=None)
def test_every_format_gives_the_same_comparisons(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """JSONL, JSON, CSV, native Parquet and a gzipped file hold the same comparisons, votes and all."""
    folder = tmp_path_factory.getbasetemp()
    names = list(dict.fromkeys(name for r in rows for name in r))
    (folder / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "a.json").write_text(json.dumps(rows))
    (folder / "a.jsonl.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()))
    parquet.write_table(pa.table({name: [r.get(name) for r in rows] for name in names}), folder / "a.parquet")
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows({k: v if isinstance(v, str) else json.dumps(v) for k, v in r.items()} for r in rows)
    (folder / "a.csv").write_bytes(out.getvalue().encode())
    expected = list(labelled(folder / "a.jsonl", warn=silent))
    for name in ("a.json", "a.jsonl.gz", "a.parquet", "a.csv"):
        assert list(labelled(folder / name, warn=silent)) == expected, name
    assert [x.votes for x in expected] == [
        tuple(r.get("votes") or [r["winner"]]) for r in (rows[x.line - 1] for x in expected if x.line)
    ]


def test_a_row_becomes_a_comparison(tmp_path: Path) -> None:
    """Every column has its place; what is no field is metadata; the prompt carries the comparison's id."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + without("winner", id=7, votes=["A", "tie", "A"], system="s", reference="r", subset="easy"))
    (found,) = labelled(path, warn=silent)
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": "a"})
    assert found == Labelled(
        id="7",
        messages=messages,
        response_a="x",
        response_b="y",
        votes=("A", "tie", "A"),
        reference="r",
        metadata={"subset": "easy"},
    )
    assert found.line == 2
    assert found.prompt == Prompt(id="7", messages=messages, reference="r", metadata={"subset": "easy"})


BAD = {
    without("response_a"): "no answer beside its prompt: the columns are 'prompt', 'response_b', 'winner'",
    without("response_b", response_b=None): "no answer beside its prompt",
    without("response_a", response_a=7): "response_a is a number, neither a text nor messages",
    without("response_a", response_a=["x"]): "response_a is a list of texts, and an answer is one text",
    without("winner"): "nothing says which of 'response_a', 'response_b' is better: the columns are",
    without("winner", winner=None): "nothing says which of 'response_a', 'response_b' is better",
    without(votes=["B"]): "winner and votes prefer different answers; say which counts",
    without("winner", winner="C"): "winner is 'C': which of 'response_a', 'response_b' that is, cannot be told",
    without("winner", winner=1): "winner is '1': which of 'response_a', 'response_b' that is, cannot be told",
    without("winner", votes=[]): "nothing says which of",
    without("winner", votes='"A"'): "votes is '\"A\"': which of",
    without("winner", votes=["A", None]): "votes is",
    without("prompt"): "no prompt in it; name its column",
    without("prompt", prompt=" "): "no prompt in it",
    without(id=""): "id is empty",
    without("response_a", response_a="\ud800"): "response_a holds \\ud800",
    "{": "not JSON",
}


@pytest.mark.parametrize("line", BAD, ids=list(BAD.values()))
def test_a_bad_comparison_is_refused_by_number(tmp_path: Path, line: str) -> None:
    """Each kind of bad row is named by its number among good ones, with what is wrong."""
    path = tmp_path / "a.jsonl"
    path.write_text(without(id=1) + "\n" + line + "\n" + without("prompt", id=2, prompt="b") + "\n")
    (problem,) = refusal(path)
    assert problem.startswith("line 2: " + BAD[line])


def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    """Models do answer nothing, and people judge it."""
    path = tmp_path / "a.jsonl"
    path.write_text(without("response_b", response_b=""))
    assert [x.response_b for x in labelled(path, warn=silent)] == [""]


def test_the_columns_of_a_table_are_checked_first(tmp_path: Path) -> None:
    """A table without a column that is needed is one error, not one per row."""
    path = tmp_path / "a.csv"
    path.write_text("prompt,response_a,label\na,x,A\na,y,B\n")
    assert refusal(path) == [
        "line 1: no two answers: the columns are 'prompt', 'response_a', 'label'; name them, like --map response_a=x",
    ]
    path.write_text("prompts,response_a,response_b,winner\na,x,y,A\n")
    assert refusal(path)[0].startswith("line 2: no prompt in it; name its column")


def test_text_is_no_comparison(tmp_path: Path) -> None:
    """A text file holds prompts, not comparisons; a file without rows holds nothing."""
    (tmp_path / "a.txt").write_text("a\n")
    assert refusal(tmp_path / "a.txt") == ["line 1: is text, and a comparison has columns; use JSONL, CSV or Parquet"]
    (tmp_path / "a.jsonl").write_text("\n")
    assert refusal(tmp_path / "a.jsonl") == ["holds no comparisons; write one a line"]


def test_repeated_comparisons(tmp_path: Path) -> None:
    """A row that repeats another, votes and all, is left out and told; other votes make a row of their own."""
    path = tmp_path / "a.jsonl"
    said: list[str] = []
    rows = [without(), without("winner", winner="B"), without(id="x"), without("response_a", response_a="y")]
    path.write_text("\n".join(rows))
    found = list(labelled(path, warn=said.append))
    assert [x.line for x in found] == [1, 2, 4]
    assert len({x.id for x in found}) == 3
    assert said == [f"{path}: line 3 repeats the comparison of line 1 and is left out"]
    path.write_text("\n".join([without(id="x"), without("winner", winner="B", id="x")]))
    assert refusal(path) == ["line 2: the id 'x' is that of line 1 already"]


@pytest.mark.parametrize("column", ["annotator", "Worker ID", "judge"])
def test_rows_of_one_rater_each_are_a_comparison_of_all_votes(tmp_path: Path, column: str) -> None:
    """People who agree are heard each, whichever answer they saw first; only one who says it twice is a repeat."""
    path = tmp_path / "a.jsonl"
    said: list[str] = []
    turned = {"response_a": "y", "response_b": "x", "winner": "B"}
    votes = [("ann", {}), ("bo", turned), ("cy", {"winner": "B"}), ("di", {"winner": "tie"}), ("ann", {})]
    rows = [without(*more, id="x", note=who, **{**more, column: who}) for who, more in votes]
    path.write_text("\n".join([*rows, without("prompt", prompt="p", **{column: "ann"})]))
    first, second = labelled(path, warn=said.append)
    assert (first.id, first.response_a, first.votes) == ("x", "x", ("A", "A", "B", "tie"))
    assert first.metadata == {name: ["ann", "bo", "cy", "di"] for name in ("note", column)}
    assert (second.votes, second.metadata) == (("A",), {column: "ann"})
    assert said == [f"{path}: line 5 repeats the comparison of line 1 and is left out"]
    path.write_text("\n".join([rows[0], without("prompt", prompt="p", id="x", **{column: "bo"})]))
    assert refusal(path) == ["line 2: the id 'x' is that of line 1 already"]


def test_misnamed_columns_are_told(tmp_path: Path) -> None:
    """A column that is nearly a field's name is kept as metadata, and told."""
    path = tmp_path / "a.jsonl"
    said: list[str] = []
    path.write_text(without(respnse_a="z", refrence="r"))
    assert next(labelled(path, warn=said.append)).metadata == {"respnse_a": "z", "refrence": "r"}
    assert said == [f"{path}: the column 'refrence' is kept as metadata; if 'reference' is meant, rename it"]


def test_a_real_labelled_file(tmp_path: Path) -> None:
    """What LLMBar becomes for checking a judge on is read whole, with the labels it has."""
    tool, data = SHARED / "tools" / "llmbar_as_replay.py", SHARED / "data" / "llmbar"
    if not tool.exists() or not data.exists():
        pytest.skip("no LLMBar beside the checkout")
    subprocess.run([sys.executable, str(tool), str(data), str(tmp_path)], check=True, capture_output=True)
    path = tmp_path / "labelled.jsonl"
    written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    said: list[str] = []
    found = list(labelled(path, warn=said.append))
    assert len(found) == len(written) > 100
    assert Counter(x.votes[0] for x in found) == Counter(r["winner"] for r in written)
    assert said == []


SPELLINGS = {
    "A": ["a", "model_a", "A>B", "[[A]]", "left"],
    "B": ["b", "B >> A", "response_b"],
    "tie": ["tie (bothbad)", "both_bad"],
}


@pytest.mark.parametrize(("vote", "spelled"), [(vote, word) for vote, words in SPELLINGS.items() for word in words])
def test_a_winner_is_read_in_every_spelling(tmp_path: Path, vote: str, spelled: str) -> None:
    """What people publish for A, B and neither."""
    path = tmp_path / "a.jsonl"
    path.write_text(without("winner", winner=spelled))
    assert [found.votes for found in labelled(path, warn=silent)] == [(vote,)]


def test_a_pair_is_a_comparison_whose_letters_a_lot_gives(tmp_path: Path) -> None:
    """Chosen and rejected: the chosen one won, and is not always A; what compares nothing is left out and told."""
    path, said = tmp_path / "a.jsonl", list[str]()
    rows: list[dict[str, Any]] = [{"prompt": f"Is it {i}?", "chosen": "Yes.", "rejected": "No."} for i in range(20)]
    rows.append(rows[0] | {"score_chosen": 3, "score_rejected": 3})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = list(labelled(path, warn=said.append))
    assert {one.response_a if one.votes == ("A",) else one.response_b for one in found} == {"Yes."}
    assert {one.votes for one in found} == {("A",), ("B",)}
    assert (len(found), [line.split(": ", 1)[1] for line in said]) == (
        20,
        ["1 lines are left out: both sides have the same score: a tie, not a preference"],
    )


ODD_ROWS: dict[str, dict[str, Any]] = {
    "a role that is a list": {"prompt": [{"role": ["user"], "content": "q"}], "chosen": "x", "rejected": "y"},
    "a score that no number with a point can hold": {**ROW, "score_a": 10**400, "score_b": 1},
    "results that are no list": {"data": {"prompt": "a"}, "annotations": [{"result": True}]},
    "a column that is only inside what wraps the row": {
        "prompt": "a",
        "extra_info": {"chosen": "x", "rejected": "y", "split": "train"},
    },
}


@pytest.mark.parametrize("case", ODD_ROWS)
def test_an_odd_row_is_read_or_refused_in_our_words(case: str) -> None:
    """Whatever stands in it: no exception but ours, from whoever reads comparisons or preferences."""
    told = list[str]()
    read = list(imported([ODD_ROWS[case]]))
    try:
        heard = list(labelled_from_rows([ODD_ROWS[case]], where="rows", warn=told.append))
    except SpecError as error:
        heard, told = [], [str(error)]
    assert len(read) == 1  # what it came to, or why it is left out
    assert heard or any(told)
