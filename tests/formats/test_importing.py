"""What others publish comes in whole: as preferences, or as rejects with a line and a reason."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from judgegen.errors import SpecError
from judgegen.exchange.import_ import Reject, Wishes, import_file, imported

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ASKED = [{"role": "user", "content": "Why?"}]
GOOD = {"role": "assistant", "content": "Because."}
BAD = {"role": "assistant", "content": "Dunno."}

ROWS: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "argilla-ultrafeedback": [
        (
            {
                "source": "flan",
                "instruction": "Why?",
                "chosen_response": "Because.",
                "rejected_response": "Dunno.",
                "chosen_avg_rating": 5.0,
                "rejected_avg_rating": 3.0,
                "chosen_model": "m",
            },
            {
                "scores": {"chosen": 5.0, "rejected": 3.0},
                "margin": 0.5,
                "chosen_from": {"model": "m"},
                "metadata": {"source": "flan"},
            },
        ),
        (
            {
                "source": "flan",
                "prompt": "Why?",
                "chosen": [*ASKED, GOOD],
                "chosen-rating": 4.5,
                "chosen-model": "m",
                "rejected": [*ASKED, BAD],
                "rejected-rating": 3.5,
                "rejected-model": "n",
            },
            {
                "scores": {"chosen": 4.5, "rejected": 3.5},
                "margin": 0.25,
                "chosen_from": {"model": "m"},
                "rejected_from": {"model": "n"},
                "metadata": {"source": "flan"},
            },
        ),
    ],
    "ultrafeedback-binarized": [
        (
            {
                "prompt": "Why?",
                "prompt_id": "abc",
                "chosen": [*ASKED, GOOD],
                "rejected": [*ASKED, BAD],
                "messages": [*ASKED, GOOD],
                "score_chosen": 8.5,
                "score_rejected": 4.0,
            },
            {"prompt_id": "abc", "scores": {"chosen": 8.5, "rejected": 4.0}, "margin": 0.5},
        )
    ],
    "hh-rlhf": [
        (
            {
                "chosen": "\n\nHuman: Why?\n\nAssistant: Because.",
                "rejected": "\n\nHuman: Why?\n\nAssistant: Dunno.",
            },
            {},
        )
    ],
    "helpsteer3": [
        (
            {
                "domain": "general",
                "context": ASKED,
                "response1": "Dunno.",
                "response2": "Because.",
                "overall_preference": 2,
            },
            {"margin": 0.666667, "metadata": {"domain": "general"}},
        ),
        (
            {"context": ASKED, "response1": "Because.", "response2": "Dunno.", "overall_preference": -3},
            {"margin": 1.0},
        ),
    ],
    "chosen-rejected": [
        (
            {"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD], "source": "offset"},
            {"metadata": {"source": "offset"}},
        ),
        ({"prompt": "Why?", "chosen": [GOOD], "rejected": [BAD]}, {}),
    ],
    "pandalm": [
        (
            {
                "instruction": "Why?",
                "input": "",
                "response1": "Dunno.",
                "response2": "Because.",
                "annotator1": 2,
                "annotator2": 0,
                "annotator3": 2,
                "model1": "a",
                "model2": "b",
            },
            {
                "p_chosen": 0.833333,
                "margin": 0.666667,
                "chosen_from": {"model": "b"},
                "rejected_from": {"model": "a"},
                "metadata": {"annotator1": 2, "annotator2": 0, "annotator3": 2},
            },
        )
    ],
    "question-answer": [
        ({"Question": "Why?", "Preferred": "Because.", "Non-preferred": "Dunno."}, {}),
    ],
    "openai-dpo": [
        ({"input": {"messages": ASKED}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}, {}),
    ],
    "ms-swift": [
        ({"messages": [*ASKED, GOOD], "rejected_response": "Dunno."}, {}),
        ({"messages": [*ASKED, GOOD], "rejected_response": [BAD]}, {}),
    ],
    "trl-dpo": [
        ({"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]}, {}),
        ({"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]}, {}),
        ({"prompt": "Why?", "chosen": "Because.", "rejected": "Dunno."}, {}),
    ],
}


@pytest.mark.parametrize(
    ("name", "row", "more"), [(name, row, more) for name, rows in ROWS.items() for row, more in rows]
)
def test_a_row_of_each_shape_is_the_same_preference(name: str, row: dict[str, Any], more: dict[str, Any]) -> None:
    """However it is published, "Why?" with a good and a bad answer is one preference, with what else the row tells."""
    (found,) = imported([row], name)
    assert isinstance(found, dict)
    rest = {key: value for key, value in found.items() if key not in ("prompt", "chosen", "rejected")}
    assert (found["prompt"], found["chosen"], found["rejected"]) == (ASKED, [GOOD], [BAD])
    assert rest == {"prompt_id": found["prompt_id"]} | more


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    (
        "argilla-ultrafeedback",
        ROWS["argilla-ultrafeedback"][0][0] | {"chosen_response": 3},
        "chosen_response is a number, neither a text nor messages",
    ),
    (
        "ultrafeedback-binarized",
        ROWS["ultrafeedback-binarized"][0][0] | {"score_rejected": 8.5},
        "both sides have the same score: a tie, not a preference",
    ),
    (
        "ultrafeedback-binarized",
        ROWS["ultrafeedback-binarized"][0][0] | {"score_rejected": 9},
        "the chosen side has the lower score",
    ),
    ("hh-rlhf", {"chosen": "Why?", "rejected": "x"}, "no prompt in it; name its column"),
    (
        "hh-rlhf",
        {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: b"},
        "the two chats part before their last turn",
    ),
    ("hh-rlhf", {"chosen": "\n\nHuman: a", "rejected": "\n\nHuman: b"}, "the two chats part before their last turn"),
    (
        "hh-rlhf",
        {"chosen": "\n\nHuman: a", "rejected": "\n\nHuman: a"},
        "one chat is the other, or its beginning",
    ),
    (
        "helpsteer3",
        {"context": ASKED, "response1": "a", "response2": "b", "overall_preference": 0},
        "both are called equal: a tie, not a preference",
    ),
    (
        "pandalm",
        {"instruction": "a", "response1": "b", "response2": "c", "annotator1": 1, "annotator2": 2, "annotator3": 0},
        "the votes balance: a tie, not a preference",
    ),
    ("question-answer", {"question": "Why?"}, "no answer beside its prompt: the columns are 'question'"),
    ("openai-dpo", {"input": []}, "no prompt and no answer known by its name"),
    ("openai-dpo", {"input": {"messages": ASKED}}, "no answer beside its prompt: the columns are 'messages'"),
    (
        "openai-dpo",
        {"input": {"messages": ASKED}, "preferred_output": [GOOD], "non_preferred_output": [GOOD]},
        "chosen and rejected are the same",
    ),
    ("trl-dpo", {"chosen": "Why? Yes.", "rejected": "Why? No."}, "no prompt in it; name its column"),
    ("trl-dpo", {"chosen": [GOOD], "rejected": "No."}, "no prompt in it; name its column"),
    (
        "trl-dpo",
        {"prompt": "Why?", "completion": "Yes.", "label": True},
        "one answer that is wanted or not, which is no",
    ),
    ("preferences", {"prompt": "Why?"}, "prompt is not a list of messages"),
    ("preferences", {"prompt": ASKED}, "neither a chosen nor a rejected side"),
    ("preferences", {"prompt": [], "chosen": [GOOD]}, "the prompt is empty"),
    ("preferences", {"prompt": ASKED, "chosen": [GOOD, GOOD]}, "chosen is not one assistant message"),
    (
        "preferences",
        {"prompt": ASKED, "chosen": [GOOD], "margin": float("inf")},
        "margin holds something that JSON has no word",
    ),
    (
        "preferences",
        {"prompt": [{"role": "judge"}], "chosen": [GOOD]},
        "the prompt ends with a message of role 'judge'",
    ),
]


@pytest.mark.parametrize(("name", "row", "reason"), BROKEN)
def test_what_is_no_preference_is_a_reject_with_its_reason(name: str, row: dict[str, Any], reason: str) -> None:
    """A tie, a contradiction or a broken row comes back with its line, the reason and what it was."""
    (found,) = imported([row], name)
    assert isinstance(found, Reject)
    assert found.reason.startswith(reason)
    assert (found.line, found.raw) == (1, row)


def test_turns_of_one_speaker_are_one() -> None:
    """hh-rlhf rows in which the assistant speaks twice in a row keep all that it said, as one message."""
    said = "\n\nHuman: a\n\nAssistant: b\n\nAssistant: c"
    (found,) = imported([{"chosen": said, "rejected": "\n\nHuman: a\n\nAssistant: d"}], "hh-rlhf")
    assert isinstance(found, dict)
    assert found["chosen"] == [{"role": "assistant", "content": "b\n\nc"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name", "rejects"),
    [("hh_rlhf_harmless_test/test.jsonl.gz", "hh-rlhf", 4), ("pandalm/pairs.jsonl", "pandalm", 40)],
)
def test_real_files_come_in_whole(file: str, name: str, rejects: int) -> None:
    """Every line of a file nobody here wrote is a preference, or a reject: a tie or an empty answer."""
    path = SHARED / file
    if not path.exists():
        pytest.skip("the shared data are not here")
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    kinds = Counter(row.reason if isinstance(row, Reject) else "" for row in imported(path, name))
    assert kinds.total() == len(raw.splitlines())
    assert kinds.total() - kinds[""] == rejects
    assert all("tie" in reason or "says nothing" in reason for reason in kinds if reason)


def rows_in(folder: Path, form: str) -> Path:
    """Two preferences in a file of that form."""
    rows = [{"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]}] * 2
    path = folder / f"rows.{form}"
    data = path.with_suffix("") if form.endswith(".gz") else path
    if data.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(data)
    elif data.suffix == ".json":
        data.write_text(json.dumps(rows))
    else:
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if form.endswith(".gz"):
        path.write_bytes(gzip.compress(data.read_bytes()))
    return path


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet", "jsonl.gz", "json.gz", "parquet.gz"])
def test_every_kind_of_file_is_read(form: str, tmp_path: Path) -> None:
    """JSONL, JSON and Parquet, gzipped or not, hold the same preferences."""
    found = list(imported(rows_in(tmp_path, form), "chosen-rejected"))
    assert [row["chosen"] for row in found if isinstance(row, dict)] == [[GOOD], [GOOD]]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "latin-1"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_csv_is_read_in_the_encoding_that_is_named(encoding: str, zipped: bool, tmp_path: Path) -> None:
    """A CSV of questions and answers in any encoding, under one system message; the answer is the reference too."""
    data = 'question,answer\r\n"Où est\r\nle café, svp?",Là-bas.\r\n'.encode(encoding)
    path = tmp_path / ("qa.csv.gz" if zipped else "qa.csv")
    path.write_bytes(gzip.compress(data) if zipped else data)
    (found,) = imported(path, "question-answer", system="Réponds.", encoding=encoding)
    assert isinstance(found, dict)
    assert [m["content"] for m in found["prompt"]] == ["Réponds.", "Où est\r\nle café, svp?"]
    assert (found["chosen"][0]["content"], found["reference"]) == ("Là-bas.", "Là-bas.")


def test_a_frame_is_read() -> None:
    """A pandas DataFrame is rows like any others; its empty cells are absent."""
    frame = pd.DataFrame({"question": ["Why?", None], "answer": ["Because.", "Dunno."]})
    first, second = imported(frame, "question-answer")
    assert isinstance(first, dict)
    assert isinstance(second, Reject)
    assert second.line == 2


def test_a_system_message_of_its_own_is_not_replaced(make: Any) -> None:
    """--system and a row's own system message exclude each other, by name."""
    (found,) = imported([make.several_turns()], "preferences", system="Be kind.")
    assert isinstance(found, Reject)
    assert "--system" in found.reason


@pytest.mark.parametrize(
    ("content", "encoding", "told"),
    [
        (None, "utf-8", "missing.csv: cannot be read"),
        (b"question,answer\nW\xe9,b\n", "utf-8", "not UTF-8"),
        (b"question,answer\nW\xe9,b\n", "utf-9", "no encoding that Python knows"),
        (b"question,answer\nW\x81,b\n", "cp1252", "not cp1252"),
        (b'question,answer\n"a,b\n', "utf-8", "line 2: a quote that opens in this record is never closed"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes | None, encoding: str, told: str, tmp_path: Path) -> None:
    """A missing, misencoded or torn file is an error with its name, what is wrong and where."""
    path = tmp_path / "missing.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=told):
        list(imported(path, "question-answer", encoding=encoding))


def test_unknown_shapes_name_the_nearest() -> None:
    """A misspelt shape is an error that names the one meant."""
    with pytest.raises(SpecError, match="did you mean 'hh-rlhf'"):
        list(imported([], "hhrlhf"))


def test_a_hub_name_without_the_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """owner/name is a data set's name where there is no such file; it needs `datasets`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(SpecError, match="pip install datasets"):
        list(imported("argilla/ultrafeedback", "argilla-ultrafeedback"))


def test_rejects_have_a_file_of_their_own(make: Any, tmp_path: Path) -> None:
    """Written and refused add up, each refused row with its line, reason and itself; no rejects, no file."""
    out = tmp_path / "out.jsonl"
    given = [make.plain(1), {"prompt": ASKED}, make.plain(2, margin=float("inf"))]
    done = import_file(given, "preferences", out)
    assert (done.rows, sum(done.rejects.values())) == (1, 2)
    refused = [json.loads(row) for row in done.paths[1].read_text().splitlines()]
    assert [(row["line"], bool(row["reason"])) for row in refused] == [(2, True), (3, True)]
    assert refused[0]["raw"] == {"prompt": ASKED}
    assert "'margin': inf" in refused[1]["raw"]  # JSON has no word for it
    assert import_file([make.plain(1)], "preferences", out).paths == (out,)
    assert not done.paths[1].exists()


def test_nothing_imported_is_an_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    """A file with no preference of that shape in it ends with the reasons, and no output is touched."""
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    with pytest.raises(SpecError, match="1: prompt is not a list of messages"):
        import_file([{"prompt": "Why?"}], "preferences", out)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert out.read_text() == "before"


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"chosen": "nosuch"}, "no row has a column 'nosuch' to be chosen"),
        ({"prompt": "q", "rating": "x+y"}, r"no row has a column 'x\+y' to be rating"),
        ({"rater": "who"}, "a preference has no rater"),
    ],
)
def test_a_mapping_that_maps_nothing_is_an_error_and_leaves_no_file(
    tmp_path: Path, mapping: dict[str, str], words: str
) -> None:
    """What is not there is not guessed from other columns; a column that some rows have is enough."""
    rows: list[dict[str, Any]] = [
        {"q": "a", "answer": "b", "x": 1, "y": 2, "who": "ann"},
        {"q": "c", "answer": "d", "late": "e"},
    ]
    with pytest.raises(SpecError, match=words):
        import_file(rows, None, tmp_path / "out.jsonl", wishes=Wishes(mapping=mapping))
    assert not list(tmp_path.iterdir())
    assert len(list(imported(rows, None, wishes=Wishes(mapping={"prompt": "q", "reference": "late"})))) == len(rows)
