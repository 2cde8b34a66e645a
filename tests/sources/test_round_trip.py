from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from judgegen.llm.calls import digest
from judgegen.records import Prompt
from judgegen.sources import prompts, prompts_from_rows

Rows = list[dict[str, Any]]

text = st.text(min_size=1, max_size=30).filter(str.strip)
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "sky"}'}}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks up a word."}}
turn = st.fixed_dictionaries({"role": st.just("user"), "content": text}, optional={"name": text})
exchange = st.one_of(
    turn.map(lambda asked: [asked, {"role": "assistant", "content": "Well."}]),
    st.just(
        [
            {"role": "user", "content": "What is the sky?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "The air above."},
            {"role": "assistant", "content": "The air above."},
        ]
    ),
)
chat = st.builds(lambda before, last: [*sum(before, []), last], st.lists(exchange, max_size=2), turn)  # noqa: RUF017
asked = st.one_of(
    st.fixed_dictionaries({"prompt": text}, optional={"system": text}),
    st.fixed_dictionaries({"messages": chat}, optional={"system": text}),
)
rest = st.fixed_dictionaries(
    {},
    optional={
        "reference": text,
        "tools": st.just([TOOL]),
        "metadata": st.dictionaries(st.sampled_from(["source", "topic"]), text, min_size=1),
        "level": text,
    },
)
row = st.builds(lambda a, b: {**a, **b}, asked, rest)


@st.composite
def row_lists(draw: st.DrawFn) -> Rows:
    """Rows, some with an id of their own, no id twice."""
    rows = draw(st.lists(row, min_size=1, max_size=5))
    return [{"id": f"{n} é", **r} if draw(st.booleans()) else r for n, r in enumerate(rows)]


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}


def jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps(r, ensure_ascii=n % 2 == 0) + "\n" for n, r in enumerate(rows)).encode()


def json_list(rows: Rows) -> bytes:
    return json.dumps(rows, indent=1).encode()


def delimited(mark: str) -> Callable[[Rows], bytes]:
    def write(rows: Rows) -> bytes:
        names = list(dict.fromkeys(name for r in rows for name in r))
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, names, delimiter=mark)
        writer.writeheader()
        writer.writerows(as_text(r) for r in rows)
        return out.getvalue().encode()

    return write


def table(rows: Rows) -> bytes:
    names = list(dict.fromkeys(name for r in rows for name in r))
    out = io.BytesIO()
    parquet.write_table(pa.table({name: [r.get(name) for r in rows] for name in names}), out)
    return out.getvalue()


def table_of_text(rows: Rows) -> bytes:
    return table([dict(as_text(r)) for r in rows])


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "a.jsonl": jsonl,
    "a.json": json_list,
    "a.csv": delimited(","),
    "a.tsv": delimited("\t"),
    "native.parquet": table,
    "text.parquet": table_of_text,
}


def silent(_: str) -> None:
    """Hears no warning."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@pytest.mark.slow
@given(rows=row_lists(), zipped=st.booleans())
@settings(deadline=None, max_examples=80)
def test_every_format_gives_the_same_prompts(folder: Path, rows: Rows, zipped: bool) -> None:
    """JSONL, JSON, CSV, TSV, Parquet, each gzipped or not, frames and rows in memory: the same Prompts."""
    expected = list(prompts_from_rows(rows, where="rows", warn=silent))
    for name, write in WRITERS.items():
        path = folder / (name + ".gz" if zipped else name)
        path.write_bytes(gzip.compress(write(rows), 1) if zipped else write(rows))
        assert list(prompts(path, warn=silent)) == expected, name
    assert list(prompts_from_rows(pd.DataFrame(rows), where="frame", warn=silent)) == expected


def shuffled(value: Any, by: random.Random) -> Any:
    """The same JSON with its keys in another order."""
    if isinstance(value, dict):
        keys = by.sample(list(value), len(value))
        return {key: shuffled(value[key], by) for key in keys}
    return [shuffled(v, by) for v in value] if isinstance(value, list) else value


@pytest.mark.slow
@given(rows=st.lists(row, min_size=1, max_size=4), by=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_ids_do_not_depend_on_key_order(rows: Rows, by: random.Random) -> None:
    """The keys of a row, a message or a tool may stand in any order."""
    ids = [p.id for p in prompts_from_rows(rows, where="a", warn=silent)]
    assert [p.id for p in prompts_from_rows(shuffled(rows, by), where="b", warn=silent)] == ids


@given(row)
def test_an_id_is_the_digest_of_what_is_asked(row: dict[str, Any]) -> None:
    """A prompt without an id is "p-" and the digest of messages, tools and reference, whatever its metadata."""
    (found,) = prompts_from_rows([row], where="rows", warn=silent)
    messages = json.loads(json.dumps(found.messages))
    for message in messages:
        if message["content"] is None:
            del message["content"]  # null says what an absent key says
    content = {"messages": messages, "tools": list(found.tools), "reference": found.reference}
    assert found.id == "p-" + digest(content, size=8)
    (renamed,) = prompts_from_rows([{**row, "metadata": {"new": 1}}], where="rows", warn=silent)
    assert renamed.id == found.id


@given(chat)
def test_a_chat_survives_untouched(messages: Rows) -> None:
    """Roles, names, tool calls, nulls and unknown keys come out as they went in."""
    messages[0]["weight"] = None
    (found,) = prompts_from_rows([{"messages": messages}], where="rows", warn=silent)
    assert list(found.messages) == messages


def test_text_files_ask_each_line(tmp_path: Path) -> None:
    """A line that is not blank is a prompt as it stands, whatever Unicode calls a line end; so in unknown files."""
    content = "\ufeffone\u2028still one\n\n  two \r\n\t\nthree".encode()
    for name in ("a.txt", "a.md", "a.whatever", "a"):
        (tmp_path / name).write_bytes(content)
        found = list(prompts(tmp_path / name, warn=silent))
        assert [(p.messages[0]["content"], p.line) for p in found] == [
            ("one\u2028still one", 1),
            ("  two ", 3),
            ("three", 5),
        ]


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    """UTF-8 with a byte order mark is read as without, in every text format."""
    rows = [{"prompt": "é", "id": "1"}]
    for name in ("a.jsonl", "a.json", "a.csv", "a.tsv"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + WRITERS[name](rows))
        assert [p.id for p in prompts(tmp_path / name, warn=silent)] == ["1"]


def test_long_cells_are_read(tmp_path: Path) -> None:
    """A CSV cell may be longer than the csv module's own limit, which is left as it was."""
    before = csv.field_size_limit(131_072)
    path = tmp_path / "a.csv"
    path.write_bytes(delimited(",")([{"prompt": "x" * 300_000}]))
    (found,) = prompts(path, warn=silent)
    assert len(found.messages[0]["content"]) == 300_000
    assert csv.field_size_limit(before) == 131_072


def test_typed_columns_become_json(tmp_path: Path) -> None:
    """Dates, decimals, maps, numbers and categories of a table are kept as metadata that JSON can write."""
    frame = pd.DataFrame(
        {
            "prompt": ["a", "b"],
            "when": pd.Series([pd.Timestamp("2026-01-02"), None]),
            "score": [0.5, float("nan")],
            "count": pd.array([3, None], dtype="Int64"),
            "kind": pd.Categorical(["x", "y"]),
        }
    )
    expected = [{"when": "2026-01-02T00:00:00", "score": 0.5, "count": 3, "kind": "x"}, {"kind": "y"}]
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    assert [p.metadata for p in prompts(path, warn=silent)] == expected
    assert [p.metadata for p in prompts_from_rows(frame, where="frame", warn=silent)] == expected
    rows = frame.to_dict("records")
    assert [p.metadata for p in prompts_from_rows(rows, where="rows", warn=silent)] == expected


def test_numpy_values_become_json() -> None:
    """NumPy's scalars and arrays are kept as numbers and lists, its dates as text and not as bare counts."""
    days = np.array(["2026-01-02", "2026-01-03"], dtype="datetime64[ns]")
    row = {"prompt": "a", "id": np.int64(7), "days": days, "day": days[0], "x": np.float32(0.5), "grid": np.eye(2)}
    (found,) = prompts_from_rows([row], where="rows", warn=silent)
    assert found.id == "7"
    assert found.metadata == {
        "days": ["2026-01-02T00:00:00.000000000", "2026-01-03T00:00:00.000000000"],
        "day": "2026-01-02T00:00:00.000000000",
        "x": 0.5,
        "grid": [[1.0, 0.0], [0.0, 1.0]],
    }


@pytest.mark.parametrize("name", ["a.NDJSON", "a.jsonlines", "a.JSON", "a.Csv", "a.tab", "a.pq", "a.CSV.GZ"])
def test_endings_name_the_format(tmp_path: Path, name: str) -> None:
    """The usual endings are known, in either case."""
    kinds = {"n": "a.jsonl", "j": "a.jsonl", "c": "a.csv", "t": "a.tsv", "p": "native.parquet"}
    write = WRITERS["a.json" if name == "a.JSON" else kinds[name[2].lower()]]
    content = write([{"prompt": "a, b", "id": "x"}])
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    (found,) = prompts(tmp_path / name, warn=silent)
    assert (found.id, found.messages[0]["content"]) == ("x", "a, b")


def test_maps_and_decimals_of_parquet(tmp_path: Path) -> None:
    """A map column is an object, a decimal its digits."""
    path = tmp_path / "a.parquet"
    kind = pa.map_(pa.string(), pa.string())
    columns = {
        "prompt": pa.array(["a"]),
        "metadata": pa.array([[("k", "v")]], kind),
        "usd": pa.array(["1.10"]).cast(pa.decimal128(5, 2)),
    }
    parquet.write_table(pa.table(columns), path)
    assert [p.metadata for p in prompts(path, warn=silent)] == [{"k": "v", "usd": "1.10"}]


def test_a_frame_read_from_parquet_is_the_file(tmp_path: Path) -> None:
    """Nested cells that pandas holds as arrays, padded with nulls, are the chat that was written."""
    rows: Rows = [
        {"messages": [{"role": "user", "content": "a", "name": "Ann"}], "tools": [TOOL]},
        {
            "messages": [
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": ""},
            ]
        },
    ]
    path = tmp_path / "a.parquet"
    path.write_bytes(table(rows))
    expected: list[Prompt] = list(prompts_from_rows(rows, where="rows", warn=silent))
    assert list(prompts(path, warn=silent)) == expected
    assert list(prompts_from_rows(pd.read_parquet(path), where="frame", warn=silent)) == expected
