from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.finetune import rows
from judgegen.finetune.rows import Example, examples, method_of
from judgegen.llm import tokens

USER = {"role": "user", "content": "Name a colour."}
SAID = {"role": "assistant", "content": "Red."}
OTHER = {"role": "assistant", "content": "I would rather not say."}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [OTHER]}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows, or lines as they are, to a file."""

    def to_file(*lines: Any) -> Path:
        path = tmp_path / "train.jsonl"
        path.write_bytes(b"".join(x if isinstance(x, bytes) else json.dumps(x).encode() + b"\n" for x in lines))
        return path

    return to_file


def test_a_pair_is_its_prompt_and_its_sides(write: Write) -> None:
    """Three tokens, the role and the content per message; nothing primes a reply."""
    found = list(examples(write(PAIR), "dpo", "o200k_base"))
    assert found == [Example(prompt=3 + 1 + 4, sides=(3 + 1 + 2, 3 + 1 + 6))]


def test_a_conversation_is_all_of_its_messages(write: Write) -> None:
    """As the author of the published recount has it, whose figure matched the bill (amitness.com)."""
    said = [("system", "Classify text as positive or negative"), ("user", "cool"), ("assistant", "positive")]
    chat = [{"role": role, "content": content} for role, content in said]
    for method in ("sft", "rft"):
        found = list(examples(write({"messages": chat, "answer": "ignored"}), method, "cl100k_base"))
        assert found == [Example(prompt=3 * (3 + 1) + 7 + 1 + 1)]


def test_tools_and_media_are_seen(write: Write) -> None:
    """Tool definitions belong to the prompt; what is not text is counted and told."""
    tools = [{"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}}]
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    (plain,) = examples(write(PAIR), "dpo", "o200k_base")
    (found,) = examples(write({**PAIR, "input": {"messages": [USER, image], "tools": tools}}), "dpo", "o200k_base")
    assert found.media == 1
    more = tokens.count_messages([image], tools=tools) - tokens.REPLY_PRIMING
    assert (found.prompt, found.sides) == (plain.prompt + more, plain.sides)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=30), min_size=3, max_size=3), min_size=1, max_size=12), st.integers(1, 400))
def test_chunks_change_nothing(write: Write, said: list[list[str]], chunk: int) -> None:
    """However the file is cut for counting, every line has the tokens it has alone, in order."""
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": asked}]},
            "preferred_output": [{"role": "assistant", "content": good}],
            "non_preferred_output": [{"role": "assistant", "content": bad}],
        }
        for asked, good, bad in said
    ]
    alone = [example for pair in pairs for example in examples(write(pair), "dpo", "o200k_base")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_CHUNK", chunk)
        assert list(examples(write(*pairs), "dpo", "o200k_base")) == alone


def test_a_long_file_is_never_held_whole(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first examples come before the last line, which is broken, has been read."""
    monkeypatch.setattr(rows, "_CHUNK", 1000)
    found = examples(write(*[PAIR] * 100, b"broken\n"), "dpo", "o200k_base")
    assert len([next(found) for _ in range(50)]) == 50
    with pytest.raises(SpecError, match=r":101: not JSON"):
        list(found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{broken\n", "not JSON: Expecting property name"),
        (b"\n", "blank; delete the line"),
        (b'{"input": "\xff"}\n', "not UTF-8 at byte 11 of the line"),
        (b"[1]\n", "not a JSON object"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        ({"preferred_output": [SAID], "non_preferred_output": [SAID]}, "input is missing, so it is no dpo line"),
        ({**PAIR, "input": {"messages": []}}, "input.messages: List should have at least 1 item"),
        ({**PAIR, "input": {"messages": [{"content": "x"}]}}, "input.messages.0.role is missing"),
        (
            {**PAIR, "preferred_output": [{"role": "assistant", "content": 5}]},
            "preferred_output.0.content: Input should",
        ),
        (
            {**PAIR, "preferred_completion": [SAID]},
            "'preferred_completion' is an old name; the key is 'preferred_output'",
        ),
        ({"messages": [USER, SAID]}, "input is missing"),
    ],
)
def test_a_bad_line_is_named_by_its_number(write: Write, line: Any, words: str) -> None:
    """What is wrong with it is said, with the file and the line, however deep in the file it stands."""
    path = write(PAIR, PAIR, line, PAIR)
    with pytest.raises(SpecError) as caught:
        list(examples(path, "dpo", "o200k_base"))
    assert str(caught.value).startswith(f"{path}:3: {words}")
    assert "\n" not in str(caught.value)


def test_bad_lines_are_listed_up_to_twenty(write: Write) -> None:
    """All of them with their numbers, so that they can be mended at once; the good ones between them are not."""
    path = write(*[PAIR, b"broken\n"] * 30)
    with pytest.raises(SpecError) as caught:
        list(examples(path, "dpo", "o200k_base"))
    numbers = [int(line.removeprefix(f"{path}:").split(":")[0]) for line in str(caught.value).splitlines()]
    assert numbers == list(range(2, 42, 2))


def test_nothing_is_counted_after_a_bad_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines before it may have been given out; those after it are only looked through for more bad ones."""
    monkeypatch.setattr(rows, "_CHUNK", 1)
    (alone,) = examples(write(PAIR), "dpo", "o200k_base")
    found = examples(write(PAIR, PAIR, b"broken\n", PAIR, b"[]\n"), "dpo", "o200k_base")
    assert [next(found), next(found)] == [alone, alone]
    with pytest.raises(SpecError, match=r"(?s):3: not JSON.*:5: not a JSON object"):
        next(found)


def test_a_byte_order_mark_is_no_error(write: Write) -> None:
    """Azure wants one at the start of the file; it costs nothing."""
    with_mark = write(b"\xef\xbb\xbf" + json.dumps(PAIR).encode() + b"\r\n", PAIR)
    found = list(examples(with_mark, "dpo", "o200k_base"))
    assert found[0] == found[1]
    assert method_of(with_mark) == "dpo"


@pytest.mark.parametrize(
    ("lines", "method"), [([PAIR], "dpo"), ([{"messages": [USER]}], "sft"), ([{"preferred_completion": []}], "dpo")]
)
def test_the_first_line_tells_the_method(write: Write, lines: list[Any], method: str) -> None:
    """A pair is dpo, with old names too, which are then refused by name; a conversation is sft."""
    assert method_of(write(*lines)) == method


@pytest.mark.parametrize(("lines", "words"), [([], "holds no examples"), ([{"prompt": "x"}], "neither a dpo line")])
def test_a_file_of_another_kind_is_refused(write: Write, lines: list[Any], words: str) -> None:
    """Empty, or of a shape that no method trains on."""
    with pytest.raises(SpecError, match=words):
        method_of(write(*lines))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """With its path and what the system says; a folder is no file either."""
    with pytest.raises(SpecError, match=r"gone\.jsonl: cannot be read \(No such file"):
        method_of(tmp_path / "gone.jsonl")
    with pytest.raises(SpecError, match=r"cannot be read"):
        list(examples(tmp_path, "sft", "o200k_base"))
