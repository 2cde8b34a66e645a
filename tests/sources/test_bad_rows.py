from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from judgegen.errors import SpecError
from judgegen.sources import prompts, prompts_from_rows


def silent(_: str) -> None:
    """Hears no warning."""


def refusal(path: Path) -> list[str]:
    """The lines of the error that reading all of `path` ends in, each without the path."""
    with pytest.raises(SpecError) as error:
        list(prompts(path, warn=silent))
    lines = str(error.value).split("\n")
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def refused(tmp_path: Path, name: str, content: bytes) -> list[str]:
    (tmp_path / name).write_bytes(content)
    return refusal(tmp_path / name)


def user(content: Any = "a", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def chat(*messages: Any) -> str:
    return json.dumps({"messages": list(messages)})


def called(**more: Any) -> str:
    return chat(user(), {"role": "assistant", **more}, user())


BAD_LINES = {
    "{nonsense": "not JSON: Expecting property name enclosed in double quotes at column 2",
    '{"prompt": "a"} x': "not JSON: Extra data at column 17",
    '{"prompt": "a", "prompt": "b"}': "the key 'prompt' stands twice in one object",
    '{"prompt": "a", "metadata": {"k": 1, "k": 2}}': "the key 'k' stands twice in one object",
    "[" * 100_000: "JSON nested too deep to read",
    '{"prompt": "a", "metadata": ' + '{"a":' * 200 + "1" + "}" * 200 + "}": "metadata is nested more than 100 deep",
    '{"prompt": "a", "id": ' + "9" * 5000 + "}": "not readable as JSON: Exceeds the limit",
    "[1, 2]": "not an object but a list",
    '"a"': "not an object but text",
    "7": "not an object but a number",
    "null": "not an object but null",
    "{}": "no prompt: the columns are none, known are prompt, messages, instruction, question, input, text",
    '{"promt": "a", "id": "x"}': "no prompt: the columns are 'promt', 'id', known are prompt, messages, instruction, "
    "question, input, text; is 'prompt' meant by 'promt'?",
    '{"prompt": null}': "no prompt:",
    '{"prompt": ""}': "prompt is empty",
    '{"prompt": " \\n"}': "prompt is empty",
    '{"instruction": "", "input": " "}': "instruction is empty",
    '{"prompt": 7}': "prompt is a number, not text",
    '{"prompt": true}': "prompt is true or false, not text",
    '{"prompt": {"words": "a"}}': "prompt is an object, not text",
    '{"prompt": []}': "prompt is empty",
    '{"prompt": [{"role": "assistant", "content": "a"}]}': "prompt ends with a message of role 'assistant'",
    '{"question": ["a", "b"]}': "question is a list, not text",
    '{"prompt": "b", "messages": [{"role": "user", "content": "a"}]}': "has both prompt and messages; keep one",
    '{"prompt": "a", "chosen": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}': "the "
    "prompt in its own column asks something else than the chats beside it",
    '{"prompt": "\\ud800 a"}': "prompt holds \\ud800 at character 1, half of a character; write both or none",
    '{"prompt": "a", "id": "x\\udfff"}': "id holds \\udfff at character 2",
    '{"prompt": "a", "metadata": {"\\ud800": 1}}': "metadata holds \\ud800",
    '{"prompt": "a", "\\ud800": 1}': "holds \\ud800",
    '{"prompt": "a", "metadata": {"x": [NaN]}}': "metadata holds nan, which JSON has no number for",
    '{"prompt": "a", "metadata": {"x": Infinity}}': "metadata holds inf",
    '{"prompt": "a", "score": -1e999}': "score holds -inf",
    '{"prompt": "a", "metadata": "{\\"x\\": NaN}"}': "metadata: holds nan",
    '{"prompt": "a", "metadata": "{x}"}': "metadata: not JSON: Expecting property name",
    '{"prompt": "a", "metadata": {"k": 1}, "k": 1}': "'k' stands in metadata and as a column; rename one",
    '{"prompt": "a", "id": ""}': "id is empty; leave it out",
    '{"prompt": "a", "id": "  "}': "id is empty",
    '{"prompt": "a", "id": 7.0}': "id is the number 7.0, not text or a whole number",
    '{"prompt": "a", "id": true}': "id is true or false, not text or a whole number",
    '{"prompt": "a", "id": ["x"]}': "id is a list",
    '{"prompt": "a", "reference": 0.5}': "reference is the number 0.5, not text or a whole number",
    '{"prompt": "a", "reference": ["x"]}': "reference is a list",
    '{"prompt": "a", "system": 7}': "system is a number, not text",
    '{"prompt": "a", "tools": {"type": "function"}}': "tools is an object, not a list of tool definitions",
    '{"prompt": "a", "tools": ["search"]}': "tools: definition 1 is text, not an object",
    '{"prompt": "a", "tools": [{"type": "function"}, {}]}': "tools: definition 2 is empty",
    '{"messages": {"role": "user"}}': "messages is an object, not a list of messages",
    '{"messages": "hello"}': "messages: not JSON: Expecting value at column 1",
    '{"messages": []}': "messages is empty",
    chat("a"): "messages: message 1 is text, not an object with role and content",
    chat({"content": "a"}): "messages: message 1 has no role",
    chat(user(), {"role": "cat", "content": "b"}, user()): "messages: message 2 has the role 'cat'; known are system,",
    chat({"role": ["user"], "content": "b"}): "messages: message 1 has the role ['user']",
    chat({"role": "user"}): "messages: message 1 has no content",
    chat(user(None)): "messages: message 1 has no content",
    chat(user("")): "messages: message 1 has empty content",
    chat(user(7)): "messages: message 1 has content that is a number, not text or a list of parts",
    chat(user([])): "messages: message 1 has an empty list of parts as content",
    chat(user(["a"])): "messages: message 1 has a content part 1 that is not an object with a type",
    chat(user([{"type": "text"}])): "messages: message 1 has a content part 1 of type text without text",
    chat(user(tool_calls=[{}])): "messages: message 1 has tool_calls, which only an assistant's message may",
    called(): "messages: message 2 has no content",
    called(tool_calls=[]): "messages: message 2 has tool_calls that are not a list of objects",
    called(tool_calls=["f"]): "messages: message 2 has tool_calls that are not a list of objects",
    called(tool_calls={"id": "c"}): "messages: message 2 has tool_calls that are not a list of objects",
    called(function_call="f"): "messages: message 2 has a function_call that is not an object",
    chat({"role": "assistant", "content": "b"}): "messages ends with a message of role 'assistant'; the last "
    "must be one to answer (user or tool)",
    chat({"role": "system", "content": "b"}): "messages ends with a message of role 'system'",
    '{"system": "s", "messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "a"}]}': "has a "
    "system column and a system message in its chat; keep one",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=[f"{n}-{line[:40]}" for n, line in enumerate(BAD_LINES)])
def test_a_bad_line_is_refused_by_number(tmp_path: Path, line: str) -> None:
    """Each kind of bad line is named by its number, with what is wrong, among good ones; blank lines count."""
    content = '{"prompt": "good"}\n\n' + line + '\n{"prompt": "good too"}\n'
    (problem,) = refused(tmp_path, "a.jsonl", content.encode())
    assert problem.startswith("line 3: " + BAD_LINES[line])


GOOD_LINES = {
    "parts": chat(user([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}])),
    "a tool that returns nothing": chat(
        user(), {"role": "assistant", "tool_calls": [{"id": "c"}]}, {"role": "tool", "content": ""}
    ),
    "the first spelling of calls": chat(
        user(),
        {"role": "assistant", "content": None, "function_call": {"name": "f"}},
        {"role": "function", "content": "b"},
    ),
    "a developer": chat({"role": "developer", "content": "d"}, user()),
    "a chat under prompt": json.dumps({"prompt": [user()]}),
    "a chat in a text": json.dumps({"messages": json.dumps([user()])}),
    "blanks": '{"prompt": "a", "system": "", "reference": " ", "tools": "", "metadata": "", "id": null}',
}


@pytest.mark.parametrize("case", GOOD_LINES)
def test_an_unusual_line_is_taken(tmp_path: Path, case: str) -> None:
    """What the chat API takes is not refused."""
    (tmp_path / "a.jsonl").write_text(GOOD_LINES[case])
    (found,) = prompts(tmp_path / "a.jsonl", warn=silent)
    assert found.id.startswith("p-")
    assert (found.reference, found.tools, found.metadata) == (None, (), {})


def test_all_bad_lines_are_listed_up_to_twenty(tmp_path: Path) -> None:
    """Twenty are named, the rest counted; with twenty there is nothing to count."""
    good, bad = '{"prompt": "a"}\n', "{}\n"
    problems = refused(tmp_path, "a.jsonl", (good + bad * 23).encode())
    assert [p.split(":")[0] for p in problems[:20]] == [f"line {n}" for n in range(2, 22)]
    assert problems[20:] == ["… and 3 more"]
    assert len(refused(tmp_path, "a.jsonl", (bad * 20 + good).encode())) == 20


def test_bad_lines_of_every_kind_are_listed_together(tmp_path: Path) -> None:
    """JSON that is none, rows that are none, bytes that are none and ids that stand twice, in the file's order."""
    lines = [b'{"prompt": "a", "id": 1}', b"{", b"3", b'{"prompt": "\xff"}', b'{"prompt": "b", "id": "1"}', b"{}"]
    problems = refused(tmp_path, "a.jsonl", b"\r\n".join(lines))
    assert [p[:30] for p in problems] == [
        "line 2: not JSON: Expecting pr",
        "line 3: not an object but a nu",
        "line 4: not UTF-8 at byte 44; ",
        "line 5: the id '1' is that of ",
        "line 6: no prompt: the columns",
    ]
    assert (b"\r\n".join(lines))[44] == 0xFF
    assert problems[3] == "line 5: the id '1' is that of line 1 already"


def test_the_first_prompts_are_the_files_first_or_an_error(tmp_path: Path) -> None:
    """Nothing follows a bad row: whoever takes the first three of a file gets them or the error, never the fourth."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "1"}\n{}\n{"prompt": "3"}\n{"prompt": "4"}\n')
    assert len(list(islice(prompts(path, warn=silent), 1))) == 1
    with pytest.raises(SpecError, match="line 2"):
        list(islice(prompts(path, warn=silent), 2))


def test_the_same_id_twice_is_refused_even_for_the_same_content(tmp_path: Path) -> None:
    """An id is one row's; a row that repeats another, id and all, is still two rows with one id."""
    row = '{"prompt": "a", "id": "x"}\n'
    assert refused(tmp_path, "a.jsonl", (row * 2).encode()) == ["line 2: the id 'x' is that of line 1 already"]


def test_an_id_cannot_pass_for_anothers_content(tmp_path: Path) -> None:
    """An id that is the digest of another prompt is a duplicate, in either order."""
    (plain,) = prompts_from_rows(["a"], where="rows", warn=silent)
    rows = ['{"prompt": "a"}', json.dumps({"prompt": "b", "id": plain.id})]
    for order in (rows, rows[::-1]):
        (problem,) = refused(tmp_path, "a.jsonl", "\n".join(order).encode())
        assert problem == f"line 2: the id {plain.id!r} is that of line 1 already"


def warned(content: str, tmp_path: Path, name: str = "a.jsonl") -> tuple[list[str], list[str]]:
    """The ids that come of it, and the warnings."""
    path = tmp_path / name
    said: list[str] = []
    path.write_text(content)
    ids = [p.id for p in prompts(path, warn=said.append)]
    return ids, [s.removeprefix(f"{path}: ") for s in said]


def test_the_same_content_is_merged(tmp_path: Path) -> None:
    """The first of two prompts with the same content is kept, and the warning names both lines."""
    lines = ['{"prompt": "a"}', '{"text": "b"}', '{"id": "x", "messages": [{"content": "a", "role": "user"}]}']
    ids, said = warned("\n".join(lines), tmp_path)
    assert len(ids) == 2
    assert said == ["line 3 repeats the prompt of line 1 and is left out"]
    ids, said = warned("\n".join(reversed(lines)), tmp_path)
    assert ids[0] == "x"
    assert said == ["line 3 repeats the prompt of line 1 and is left out"]


@pytest.mark.parametrize("more", ['"system": "s"', '"reference": "r"', '"tools": [{"type": "function"}]'])
def test_what_is_asked_otherwise_is_not_merged(tmp_path: Path, more: str) -> None:
    """A system message, a reference or tools make another prompt; metadata does not."""
    ids, said = warned(f'{{"prompt": "a"}}\n{{"prompt": "a", {more}}}\n', tmp_path)
    assert (len(set(ids)), said) == (2, [])


def test_merges_are_told_up_to_twenty(tmp_path: Path) -> None:
    """A file of repetitions does not flood the terminal."""
    ids, said = warned('{"prompt": "a"}\n' * 30, tmp_path)
    assert (len(ids), len(said)) == (1, 21)
    assert said[-1] == "… and 9 more lines repeat earlier ones"


def test_other_columns_are_kept_and_doubtful_ones_told_once(tmp_path: Path) -> None:
    """Every other column is metadata; one that looks misnamed, or could have been the prompt, is told of once."""
    rows = [{"prompt": str(n), "text": "t", "refrence": "r", "system_name": n, "metadata": {"k": n}} for n in range(3)]
    said: list[str] = []
    found = list(prompts_from_rows(rows, where="rows", warn=said.append))
    assert found[2].metadata == {"k": 2, "text": "t", "refrence": "r", "system_name": 2}
    assert said == [
        "rows: the column 'text' is kept as metadata; what is asked stands in 'prompt'",
        "rows: the column 'refrence' is kept as metadata; if 'reference' is meant, rename it",
    ]


TEXT_COLUMNS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"text": "t", "input": "i", "question": "q", "instruction": "n"}, "n\n\ni", {"question": "q", "text": "t"}),
    ({"text": "t", "input": "i", "question": "q"}, "q", {"input": "i", "text": "t"}),
    ({"text": "t", "input": "i"}, "i", {"text": "t"}),
    ({"text": "t"}, "t", {}),
    ({"instruction": "n", "input": ""}, "n", {}),
    ({"instruction": "n", "input": None, "output": "o"}, "n", {"output": "o"}),
    ({"instruction": " ", "question": "q"}, "q", {}),
    ({"prompt": "p", "instruction": "n"}, "p", {"instruction": "n"}),
    ({"instruction": "n", "input": "nan"}, "n", {}),
    ({"instruction": "None", "question": "q", "reference": "nan"}, "q", {}),
]


@pytest.mark.parametrize(("row", "content", "metadata"), TEXT_COLUMNS)
def test_which_column_is_asked(row: dict[str, Any], content: str, metadata: dict[str, Any]) -> None:
    """prompt, else the first of instruction (with input), question, input, text; what is passed over is metadata."""
    (found,) = prompts_from_rows([row], where="rows", warn=silent)
    assert found.messages == ({"role": "user", "content": content},)
    assert found.metadata == metadata


def test_a_system_column_leads(tmp_path: Path) -> None:
    """`system` is the first message, of a text as of a chat."""
    rows: list[dict[str, Any]] = [{"system": "s", "prompt": "a"}, {"system": "s", "messages": [user("b")]}]
    for prompt in prompts_from_rows(rows, where="rows", warn=silent):
        assert prompt.messages[0] == {"role": "system", "content": "s"}
        assert len(prompt.messages) == 2


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.parquet", "a.jsonl.gz", "a.parquet.gz"]
)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """Whatever its format, a file that is not there is named with the reason."""
    assert refusal(tmp_path / name) == ["cannot be read (No such file or directory)"]


EMPTY = {
    "a.jsonl": b"\n \r\n",
    "b.jsonl": b"",
    "a.json": b"[]",
    "a.csv": b"prompt,id\n\n,\n",
    "b.csv": b"",
    "a.txt": b"\n\t\n",
    "a.txt.gz": gzip.compress(b""),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    """No prompts are not zero prompts to go on with."""
    (problem,) = refused(tmp_path, name, EMPTY[name])
    assert problem.startswith("holds no prompts; write one a ")


def test_an_empty_parquet_is_an_error(tmp_path: Path) -> None:
    """Nor are no rows."""
    parquet.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == ["holds no prompts; write one a row"]


KNOWN = "known are prompt, messages, instruction, question, input, text"
SEMICOLON = "is 'prompt' meant by 'prompt;id'?; if ';' separates its columns, save it with ','"
QUOTE = "quote a text with commas or line ends"
TWICE = "a quote inside a quoted cell is written twice"
LOST = "nothing after it is read"
WHOLE = {
    "a.json": [
        (b'{"prompt": "a"}', "not a list of rows but an object; a file with an object a line is named .jsonl"),
        (b'{"prompt": "a"}\n{"prompt" 1}\n', "row 2: not JSON: Expecting ':' delimiter at column 11"),
        (b'{"prompt":\n"a"}\n{"prompt": "b"}\n', "line 3: not JSON: Extra data at column 1; a file"),
        (b'[{"prompt": "a"},\n {"prompt" 1}]', "line 2: not JSON: Expecting ':' delimiter at column 12"),
        (b'[{"prompt": "a"},\n{"prompt": "\xe9"}]', "line 2: not UTF-8 at byte 30; save the file as UTF-8"),
        (b'[{"prompt": "a"}, "b"]', "row 2: not an object but text"),
        (b"[" * 100_000, "JSON nested too deep to read"),
        (b'[{"a": 1, "a": 2}]', "the key 'a' stands twice in one object"),
    ],
    "a.csv": [
        (b"promt,id\na,1\n", f"line 1: no prompt: the columns are 'promt', 'id', {KNOWN}; is 'prompt' meant by 'pro"),
        (b"promt;id\na;1\n", f"line 1: no prompt: the columns are 'promt', 'id', {KNOWN}; is 'prompt' meant by 'pro"),
        (b"prompt,id,id\na,1,2\n", "line 1: two columns have one name: 'id'"),
        (b'prompt,id\n"a\nb",1\nc\n', f"line 4: has 1 cells where the header has 2; {QUOTE}"),
        (b"prompt,id\na, b,1\n", f"line 2: has 3 cells where the header has 2; {QUOTE}"),
        (b'prompt,id\na,1\n\n"b,2\nc,3\n', f"line 4: a quote that opens in this record is never closed; {LOST}"),
        (b'prompt,id\n"a" b,1\n', f"line 2: broken quoting (',' expected after '\"'); {TWICE}; {LOST}"),
        (b'prompt,id\n"a\nb\xff",1\n', "line 3: not UTF-8 at byte 14; save the file as UTF-8"),
        (b'messages\n"[{""role"": 1}]"\n', "line 2: messages: message 1 has the role 1; known are system, developer, "),
        (b"messages\n[oops]\n", "line 2: messages: not JSON: Expecting value at column 2"),
        (b"id,prompt\n1,\n", f"line 2: no prompt: the columns are 'id', {KNOWN}"),
    ],
    "a.txt": [
        (b"a\nb\xe9\n", "line 2: not UTF-8 at byte 3; save the file as UTF-8"),
        ("a\n".encode("utf-16") + b"\x00", "line 2: not UTF-16 (truncated data); save the file as UTF-8"),
        (b'{"prompt": "a"}\n', "line 1: holds JSON under another name, and each line would be asked: call it .jsonl"),
    ],
    "a.bak": [
        (b'\n{"prompt": "a"}\n', "line 2: holds JSON under another name, and each line would be asked: call it .jsonl"),
        (b"PK\x03\x04rest", "this is a zip archive or a spreadsheet; unpack it, or save its sheet as CSV"),
        (b"PAR1rest", "this is Parquet; give its name the ending .parquet"),
    ],
    "a.jsonl": [(gzip.compress(b"{}", mtime=0), "this is gzip; add .gz to its name")],
    "a.jsonl.gz": [
        (b"{}", "gzip data is damaged (Not a gzipped file (b'{}')); fetch or pack the file again"),
    ],
    "a.parquet": [
        (b"nonsense", "not a Parquet file: "),
        (b"", "not a Parquet file: "),
    ],
    "a.parquet.gz": [
        (b"nonsense", "gzip data is damaged (Not a gzipped file (b'no')); fetch or pack the file again"),
        (gzip.compress(b"nonsense", mtime=0), "not a Parquet file: "),
        (gzip.compress(b"nonsense", mtime=0)[:-9], "gzip data is damaged (Compressed file ended before"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "problem"), [(name, *case) for name, cases in WHOLE.items() for case in cases]
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    """The place, what was found, and the mend."""
    (found,) = refused(tmp_path, name, content)
    assert found.startswith(problem)
    assert len(found) < len(problem) + 120


@pytest.mark.slow
def test_gzip_that_ends_early_is_told_with_what_came_before(tmp_path: Path) -> None:
    """A torn file is an error after its whole lines, and the bad ones among them are listed too."""
    rows: Iterable[str] = (json.dumps({"prompt": f"{n} {n * n}"}) for n in range(5000))
    whole = gzip.compress(("{}\n" + "\n".join(rows)).encode())
    first, second = refused(tmp_path, "a.jsonl.gz", whole[: len(whole) // 2])
    assert first.startswith("line 1: no prompt")
    assert second.startswith("gzip data is damaged after line ")


def test_damaged_parquet_is_an_error(tmp_path: Path) -> None:
    """Pages that do not decompress end in an error, not in fewer prompts."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"prompt": [f"{n} {n * n}" for n in range(20_000)]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[2_000:40_000] = b"\x55" * 38_000
    (problem,) = refused(tmp_path, "a.parquet", bytes(content))
    assert problem.startswith("damaged Parquet: ")


def test_parquet_rows_are_numbered(tmp_path: Path) -> None:
    """A bad row is named by its number across batches; text that is not UTF-8 costs its own row only."""
    texts = [f"{n}" for n in range(600)]
    texts[300], texts[599] = "", " "
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"prompt": texts}), path)
    assert refusal(path) == ["row 301: prompt is empty", "row 600: prompt is empty"]
    broken = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"prompt": broken}), path)
    assert refusal(path) == ["row 2: holds text that is not UTF-8 (invalid start byte at byte 0 of it)"]


def test_parquet_columns_are_checked(tmp_path: Path) -> None:
    """Columns without a prompt, bytes that are no text and maps with a key twice are refused by name."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"Prompts": ["a"], "n": [1]}), path)
    assert refusal(path)[0].startswith("no prompt: the columns are 'Prompts', 'n'")
    parquet.write_table(pa.table({"prompt": [b"\xff"]}), path)
    assert refusal(path) == ["row 1: prompt holds bytes, which JSON cannot write"]
    both = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["prompt", "prompt"])
    parquet.write_table(both, path)
    assert refusal(path) == ["two columns have one name: 'prompt'"]
    parquet.write_table(pa.table({f"column {n}": [n] for n in range(15)}), path)
    assert "'column 10', 'column 11' and 3 more, known are" in refusal(path)[0]
    twice = pa.array([[("k", "1"), ("k", "2")]], pa.map_(pa.string(), pa.string()))
    parquet.write_table(pa.table({"prompt": ["a"], "metadata": twice}), path)
    assert refusal(path)[0].startswith("row 1: holds a map with a key twice")


MEMORY: list[tuple[Any, str]] = [
    ([], "holds no prompts; write one a row"),
    ("text", "text is not a list of rows; put it in a list"),
    ({"prompt": "a"}, "an object is not a list of rows; put it in a list"),
    ([7], "row 1: not an object or a text but a number"),
    (["a", "\ud800"], "row 2: prompt holds \\ud800"),
    ([" "], "row 1: prompt is empty"),
    ([{"prompt": "a", "x": object()}], "row 1: x holds a value of type object, which JSON cannot write"),
    ([{"prompt": "a", 7: 1}], "row 1: holds a key that is a number, not text"),
    ([{"prompt": "a", "x": {"y": float("nan")}}], "row 1: x holds nan"),
    (pd.DataFrame({"promt": ["a"]}), "no prompt: the columns are 'promt'"),
    (pd.DataFrame([["a", "b"]], columns=["prompt", "prompt"]), "two columns have one name: 'prompt'"),
    (pd.DataFrame({"prompt": ["a", "b"], "id": [1, None]}), "row 1: id is the number 1.0, not text or a whole number"),
    (pd.DataFrame({"prompt": ["a", None]}), "row 2: no prompt"),
]


@pytest.mark.parametrize(("rows", "problem"), MEMORY, ids=[problem for _, problem in MEMORY])
def test_bad_rows_in_memory_are_refused(rows: Any, problem: str) -> None:
    """Rows in memory are held to the same rules."""
    with pytest.raises(SpecError) as error:
        list(prompts_from_rows(rows, where="mine", warn=silent))
    assert str(error.value).startswith("mine: " + problem)


def test_a_row_that_holds_itself_is_refused() -> None:
    """Not even a row without end is a crash."""
    row: dict[str, Any] = {"prompt": "a"}
    row["metadata"] = row
    with pytest.raises(SpecError, match="nested more than 100 deep"):
        list(prompts_from_rows([row], where="mine", warn=silent))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("promts.jsonl", "; did you mean 'prompts.jsonl'?"),
        ("gone/prompts.jsonl", "; there is no folder {}/gone"),
        ("~/prompts.jsonl", "; ~ means a home in a shell alone: write the whole path"),
        ("else.csv", ""),
    ],
)
def test_a_file_that_is_not_there_is_looked_for(tmp_path: Path, asked: str, said: str) -> None:
    """What was meant is named where something near it is there."""
    (tmp_path / "prompts.jsonl").touch()
    assert refusal(tmp_path / asked) == [f"cannot be read (No such file or directory){said.format(tmp_path)}"]
