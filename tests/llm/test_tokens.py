from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import JudgegenError
from judgegen.llm import tokens

ENCODINGS = sorted(tokens.VOCABULARIES)
encodings = st.sampled_from(ENCODINGS)
texts = st.text(st.characters(codec=None, categories=None), max_size=80)  # lone surrogates included
messages = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": texts}), max_size=4)

# The messages and tools of the OpenAI cookbook, How to count tokens; the API's own counts stand beside them there.
JARGON = [
    (
        None,
        "system",
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    ),
    ("example_user", "system", "New synergies will help drive top-line growth."),
    ("example_assistant", "system", "Things working well together will increase revenue."),
    (
        "example_user",
        "system",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    ("example_assistant", "system", "Let's talk later when we're less busy about how to do better."),
    (None, "user", "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]
COOKBOOK = [{"role": role, "content": said} | ({"name": name} if name else {}) for name, role, said in JARGON]
WEATHER = [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_stated_here_is_what_tiktoken_states(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pattern, special tokens and sha256 are those of the installed tiktoken, asked without its download."""
    from tiktoken_ext import openai_public  # type: ignore[import-untyped]

    asked: list[str] = []

    def instead(_: str, expected_hash: str) -> dict[bytes, int]:
        asked.append(expected_hash)
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", instead)
    published: dict[str, Any] = getattr(openai_public, encoding)()
    stated = tokens.VOCABULARIES[encoding]
    assert stated.pattern == published["pat_str"]
    assert dict(stated.special) == published["special_tokens"]
    assert [stated.sha256] == asked


@pytest.mark.parametrize(("encoding", "plain", "with_tools"), [("o200k_base", 124, 101), ("cl100k_base", 129, 105)])
def test_messages_cost_what_the_api_counted(encoding: str, plain: int, with_tools: int) -> None:
    """The cookbook's two examples give the counts that the API returned for them."""
    assert tokens.count_messages(COOKBOOK, encoding) == plain
    assert tokens.count_messages(WEATHER, encoding, tools=[WEATHER_TOOL]) == with_tools


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_known_counts(encoding: str) -> None:
    """A few texts whose counts are known; control tokens in data are text, and so several tokens."""
    assert tokens.count("", encoding) == 0
    assert tokens.count("hello world", encoding) == 2
    assert tokens.count("<|endoftext|>", encoding) > 1
    assert [tokens.count(role, encoding) for role in ("system", "user", "assistant", "tool", "developer")] == [1] * 5


@settings(deadline=None)
@given(texts, encodings)
def test_a_text_has_at_most_a_token_per_byte(text: str, encoding: str) -> None:
    """Something is at least one token, nothing is none, and no token stands for less than a byte."""
    repaired = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert bool(text) <= tokens.count(text, encoding) <= len(repaired.encode())


@settings(deadline=None)
@given(st.lists(texts, max_size=20), encodings)
def test_a_batch_counts_what_its_texts_count(batch: list[str], encoding: str) -> None:
    """In order, whatever the texts."""
    assert tokens.count_batch(batch, encoding) == [tokens.count(text, encoding) for text in batch]


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is worth threads gives, in order, what one thread gives."""
    monkeypatch.setattr(tokens, "_THREADS", 3)
    batch = [f"{number} bottles of beer on the wall. " * (number % 50) for number in range(1000)]
    assert sum(map(len, batch)) > tokens._WORTH_THREADS
    threaded = tokens.count_batch(batch)
    monkeypatch.setattr(tokens, "_THREADS", 1)
    assert threaded == tokens.count_batch(batch)


@settings(deadline=None)
@given(messages, messages, encodings)
def test_messages_add_up(some: list[dict[str, str]], more: list[dict[str, str]], encoding: str) -> None:
    """Two conversations counted apart cost what they cost in one, but for the priming of a second reply."""
    together = tokens.count_messages([*some, *more], encoding) + tokens.REPLY_PRIMING
    assert together == tokens.count_messages(some, encoding) + tokens.count_messages(more, encoding)


def test_a_message_is_more_than_text() -> None:
    """Parts, names, tool calls and refusals are counted; what is not text costs what is assumed for it."""
    bare = tokens.count_messages([{"role": "user", "content": None}])
    assert bare == tokens.PER_MESSAGE + 1 + tokens.REPLY_PRIMING
    assert tokens.count_messages([{"role": "user", "content": [{"type": "text", "text": "hello world"}]}]) == bare + 2
    assert tokens.count_messages([{"role": "user", "refusal": "hello world"}]) == bare + 2
    assert tokens.count_messages([{"role": "user", "content": "", "name": "hello"}]) == bare + tokens.PER_NAME + 1
    call = {"type": "function", "function": {"name": "hello", "arguments": "hello world"}}
    assert tokens.count_messages([{"role": "user", "content": None, "tool_calls": [call]}]) == bare + 3
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
    assert tokens.count_messages(image) == bare + tokens.PER_MEDIA
    assert (tokens.media(image), tokens.media(COOKBOOK)) == (1, 0)


def test_schemas_inside_schemas_are_counted() -> None:
    """A property that is an object costs more with properties than without; a full stop costs nothing."""
    inner = {"type": "object", "description": "Where.", "properties": {"city": {"type": "string"}}}

    def tools(schema: Mapping[str, object]) -> list[dict[str, object]]:
        return [{"name": "go", "parameters": {"type": "object", "properties": {"place": schema}}}]

    deep = tokens.count_messages([], tools=tools(inner))
    flat = tokens.count_messages([], tools=tools({"type": "object", "description": "Where"}))
    assert deep == flat + tokens.PER_PROPERTIES + tokens.PER_PROPERTY + tokens.count("city:string:")


@pytest.mark.parametrize(
    ("model", "encoding", "estimate"),
    [
        ("gpt-4o", "o200k_base", False),
        ("gpt-4o-mini-2024-07-18", "o200k_base", False),
        ("ft:gpt-4.1-2025-04-14:org:name:id", "o200k_base", False),  # tiktoken says cl100k_base
        ("ft:o4-mini-2025-04-16:org::id", "o200k_base", False),
        ("openai/gpt-5.6-luna", "o200k_base", False),
        ("openai/gpt-oss-20b:free", "o200k_base", False),
        ("o3", "o200k_base", False),
        ("gpt-4", "cl100k_base", False),
        ("gpt-4-turbo-2024-04-09", "cl100k_base", False),
        ("ft:gpt-3.5-turbo-0125:org::id", "cl100k_base", False),
        ("text-embedding-3-small", "cl100k_base", False),
        ("gpt-6-luna", "o200k_base", True),  # not published
        ("claude-opus-5", "o200k_base", True),
        ("/models/some.gguf", "o200k_base", True),
        ("", "o200k_base", True),
    ],
)
def test_models_have_their_encoding(model: str, encoding: str, estimate: bool) -> None:
    """Known names have the encoding they use; all others the default, marked as an estimate."""
    assert tokens.encoding_name(model) == (encoding, estimate)


def test_names_resolve_as_in_tiktoken() -> None:
    """Every model on tiktoken's own list with one of the two encodings has it here too."""
    from tiktoken.model import MODEL_TO_ENCODING

    theirs = {model: (name, False) for model, name in MODEL_TO_ENCODING.items() if name in tokens.VOCABULARIES}
    assert len(theirs) > 10
    assert {model: tokens.encoding_name(model) for model in theirs} == theirs


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_million_spaces_are_only_text(encoding: str) -> None:
    """What makes tiktoken's regular expressions panic is counted in slices instead."""
    assert tokens.count(" " * 1_100_000 + "x", encoding) > 0
    words = "word " * (tokens.SLICE // 5)
    assert tokens.count(words + words, encoding) == pytest.approx(2 * tokens.count(words, encoding), abs=2)


@settings(deadline=None)
@given(st.dictionaries(st.binary(min_size=1, max_size=4), st.integers(0, 999), min_size=1), st.data())
def test_a_damaged_vocabulary_is_never_used(ranks: dict[bytes, int], data: st.DataObject) -> None:
    """Change any byte of the file: either it still holds the same ranks, or the error names it."""
    import base64

    raw = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
    packed = bytearray(gzip.compress(raw, mtime=0))
    sha256 = hashlib.sha256(raw).hexdigest()
    assert tokens.read_ranks(bytes(packed), sha256, where="some/file") == ranks
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        assert tokens.read_ranks(bytes(packed), sha256, where="some/file") == ranks
    except JudgegenError as error:
        assert str(error).startswith("some/file: ")  # noqa: PT017 - either outcome is right
    with pytest.raises(JudgegenError, match=r"^some/file: damaged"):
        tokens.read_ranks(bytes(packed[:-9]), sha256, where="some/file")


def test_another_vocabulary_under_the_name_is_refused() -> None:
    """A sound gzip with other contents is an error that names the file and both hashes."""
    with pytest.raises(JudgegenError, match=r"^some/file: sha256 is 6835.*, tiktoken publishes beef"):
        tokens.read_ranks(gzip.compress(b"IQ== 0\n"), "beef", where="some/file")


def test_many_threads_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once for an encoding that is not there yet, it is loaded once."""
    known = tokens._loaded("o200k_base")
    loads: list[str] = []
    barrier = threading.Barrier(8)

    def load(encoding: str) -> Any:
        loads.append(encoding)
        time.sleep(0.02)  # long enough for the others to come in, were they let
        return known

    def ask() -> None:
        barrier.wait()
        assert tokens.count("hello world") == 2

    monkeypatch.setattr(tokens, "_encodings", {})
    monkeypatch.setattr(tokens, "_load", load)
    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert loads == ["o200k_base"]


ALONE = """
import os, socket, sys
def forbidden(*_, **__):
    raise AssertionError("no network here")
socket.socket.connect = socket.getaddrinfo = forbidden
before = dict(os.environ)
from judgegen.llm import tokens
assert not {"tiktoken", "requests", "regex"} & sys.modules.keys(), "not before it is needed"
assert tokens.count("hello world") == tokens.count("hello world", "cl100k_base") == 2
assert dict(os.environ) == before
assert "requests" not in sys.modules
"""


def test_no_network_no_cache_no_environment(tmp_path: Path) -> None:
    """Counting opens no connection, writes no file to home or temp, and leaves the environment alone."""
    unwanted = {"TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment = {**kept, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", ALONE], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_lies_is_not_believed(tmp_path: Path) -> None:
    """A poisoned TIKTOKEN_CACHE_DIR changes no count and is left as it is."""
    name = hashlib.sha1(
        b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken", usedforsecurity=False
    )
    poisoned = tmp_path / name.hexdigest()
    poisoned.write_text("not a vocabulary")
    code = "from judgegen.llm import tokens; assert tokens.count('hello world') == 2"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path)})
    assert poisoned.read_text() == "not a vocabulary"
