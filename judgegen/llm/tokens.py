"""Counts tokens as OpenAI's models do, offline: texts, chat messages, tool definitions.

The o200k_base and cl100k_base vocabularies ship with the package and are checked against the sha256 that tiktoken
publishes for each; neither the user's tiktoken cache nor the environment is looked at. Knows nothing of prices or
endpoints, and does not know the tokenizers of other vendors: for those o200k_base is an estimate, and says so.
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from judgegen.errors import JudgegenError
from judgegen.llm import models

if TYPE_CHECKING:
    import tiktoken

DEFAULT = "o200k_base"

PER_MESSAGE = 3
PER_NAME = 1
REPLY_PRIMING = 3
"""Tokens around each message, beside a name, and before the reply (OpenAI cookbook, How to count tokens; its example
gives 124 with o200k_base and 129 with cl100k_base, as the API counted)."""

PER_TOOL = {"o200k_base": 7, "cl100k_base": 10}
PER_TOOLS = 12
PER_PROPERTIES = 3
PER_PROPERTY = 3
PER_ENUM = -3
PER_ENUM_ITEM = 3
"""Tokens of a tool definition beside its texts (same source, counting tokens with tool calls)."""

PER_MEDIA = 1445
"""Assumed for a part that is not text: what gpt-4o is billed at most for one image (85, and 170 for each of the eight
tiles that 768 x 2048 pixels are cut into). Other models and media bill otherwise."""

SLICE = 900_000
"""Characters counted at once. tiktoken's regular expressions panic on a run of a million spaces, so a longer text is
counted in slices: each cut may add a token or so."""

_PART = 65_536
"""Bytes of a ranks file that are read at once."""
_THREADS = min(4, os.cpu_count() or 1)
_WORTH_THREADS = 200_000  # characters in a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What tiktoken states for an encoding: the sha256 of its ranks file, its pattern and its special tokens."""

    sha256: str
    pattern: str
    special: Mapping[str, int]


_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_ENDING}",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_ENDING}",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
)
_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)",
    r"[^\r\n\p{L}\p{N}]?+\p{L}++",
    r"\p{N}{1,3}+",
    r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
    r"\s++$",
    r"\s*[\r\n]",
    r"\s+(?!\S)",
    r"\s",
)

VOCABULARIES = {
    "o200k_base": Vocabulary(
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern="|".join(_O200K),
        special={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k_base": Vocabulary(
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern="|".join(_CL100K),
        special={
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}

# gpt-oss speaks o200k_harmony: the ranks of o200k_base with more special tokens, so texts count the same.
_KNOWN = {
    "o200k_base": re.compile(r"(gpt-(4o|4\.1|4\.5|5|oss|audio|realtime)|chatgpt-4o|o[134](-|$)|codex-mini)"),
    "cl100k_base": re.compile(r"(gpt-(4|4-.*|3\.5.*|35-turbo.*)$|(davinci|babbage)-002|text-embedding-(3|ada-002))"),
}


def encoding_name(model: str) -> tuple[str, bool]:
    """The encoding of a model, and whether that is an estimate: an unknown name is counted with o200k_base.

    Vendor prefixes ("openai/…"), fine-tune dressing ("ft:…:…") and dated suffixes do not matter. tiktoken's own
    `encoding_for_model` has cl100k_base for "ft:gpt-4.1…", which is wrong, and no answer for gpt-6.
    """
    name = models.bare(model).lower()
    for encoding, pattern in _KNOWN.items():
        if pattern.match(name):
            return encoding, False
    return DEFAULT, True


def count(text: str, encoding: str = DEFAULT) -> int:
    """Tokens of a text; "<|endoftext|>" and its like are text here, not control tokens."""
    return _count(_loaded(encoding), text)


def count_batch(texts: Sequence[str], encoding: str = DEFAULT) -> list[int]:
    """Tokens of each text, on several threads where there is enough to count."""
    known = _loaded(encoding)
    if _THREADS < 2 or sum(map(len, texts)) < _WORTH_THREADS:
        return [_count(known, text) for text in texts]
    from concurrent.futures import ThreadPoolExecutor

    # A task per share of the texts: tiktoken's own batch makes one per text and is half as fast.
    share = max(1, -(-len(texts) // (4 * _THREADS)))
    shares = [texts[start : start + share] for start in range(0, len(texts), share)]
    with ThreadPoolExecutor(_THREADS) as pool:
        counted = pool.map(lambda some: [_count(known, text) for text in some], shares)
        return [number for numbers in counted for number in numbers]


def count_messages(
    messages: Sequence[Mapping[str, Any]], encoding: str = DEFAULT, *, tools: Sequence[Mapping[str, Any]] = ()
) -> int:
    """Tokens a chat request is billed for as input, the three that prime the reply included.

    Exact for text on the models the cookbook covers; tool calls, nested tool schemas and media are estimates.
    """
    fixed, texts = pieces(messages, encoding, tools=tools)
    return fixed + REPLY_PRIMING + sum(count_batch(texts, encoding))


def pieces(
    messages: Sequence[Mapping[str, Any]], encoding: str = DEFAULT, *, tools: Sequence[Mapping[str, Any]] = ()
) -> tuple[int, list[str]]:
    """Messages and tools as (tokens that are there whatever is said, texts whose tokens come on top)."""
    parts = [*map(_message, messages), *([_tools(tools, encoding)] if tools else [])]
    return sum(fixed for fixed, _ in parts), [text for _, texts in parts for text in texts]


def media(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many parts of these messages are not text and so are only assumed to cost PER_MEDIA tokens."""
    contents = (message.get("content") for message in messages)
    return sum(_text_of(part) is None for content in contents if isinstance(content, list) for part in content)


def without_media(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The messages without those parts: their bytes say nothing of what they cost."""
    return [
        {**message, "content": [part for part in content if _text_of(part) is not None]}
        if isinstance(content := message.get("content"), list)
        else message
        for message in messages
    ]


def _message(message: Mapping[str, Any]) -> tuple[int, list[str]]:
    content = message.get("content") or message.get("refusal") or ""
    parts = content if isinstance(content, list) else [content]
    said = [_text_of(part) for part in parts]
    texts = [str(message.get("role", "")), *(text for text in said if text), *_called(message)]
    fixed = PER_MESSAGE + PER_MEDIA * said.count(None)
    if name := message.get("name"):
        return fixed + PER_NAME, [*texts, str(name)]
    return fixed, texts


def _text_of(part: object) -> str | None:
    """The text of a content part; None where it is an image, audio or a file."""
    if isinstance(part, Mapping):
        part = next((part[key] for key in ("text", "refusal") if key in part), None)
    return part if isinstance(part, str) else None


def _called(message: Mapping[str, Any]) -> Iterator[str]:
    calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    for function in [*calls, message.get("function_call") or {}]:
        yield from (str(function[key]) for key in ("name", "arguments") if function.get(key))


def _tools(tools: Sequence[Mapping[str, Any]], encoding: str) -> tuple[int, list[str]]:
    fixed, texts = PER_TOOLS, []
    for tool in tools:
        function = tool.get("function") or tool
        inner, lines = _properties(function.get("parameters") or {})
        fixed += PER_TOOL[encoding] + inner
        texts += [f"{function.get('name', '')}:{_undotted(function)}", *lines]
    return fixed, texts


def _properties(schema: Mapping[str, Any]) -> tuple[int, list[str]]:
    """The properties of a JSON schema; those of objects inside are counted in the same way."""
    properties = schema.get("properties") or (schema.get("items") or {}).get("properties") or {}
    fixed, texts = PER_PROPERTIES if properties else 0, []
    for key, value in properties.items():
        items = [str(item) for item in value.get("enum", ())]
        inner, lines = _properties(value)
        fixed += PER_PROPERTY + inner + (PER_ENUM + PER_ENUM_ITEM * len(items) if "enum" in value else 0)
        texts += [*items, f"{key}:{value.get('type', '')}:{_undotted(value)}", *lines]
    return fixed, texts


def _undotted(described: Mapping[str, Any]) -> str:
    return str(described.get("description") or "").removesuffix(".")


def _count(known: tiktoken.Encoding, text: str) -> int:
    if len(text) <= SLICE:
        return len(known.encode_ordinary(text))
    starts = range(0, len(text), SLICE)
    return sum(len(known.encode_ordinary(text[start : start + SLICE])) for start in starts)


_encodings: dict[str, tiktoken.Encoding] = {}
_loading = threading.Lock()


def _loaded(encoding: str) -> tiktoken.Encoding:
    """The encoding, loaded once a process however many threads ask for it."""
    known = _encodings.get(encoding)
    if known is None:
        with _loading:
            known = _encodings.get(encoding) or _encodings.setdefault(encoding, _load(encoding))
    return known


def _load(encoding: str) -> tiktoken.Encoding:
    import tiktoken

    vocabulary = VOCABULARIES[encoding]
    path = files("judgegen.llm") / "vocab" / f"{encoding}.tiktoken.gz"
    ranks = read_ranks(path.read_bytes(), vocabulary.sha256, where=str(path))
    known = tiktoken.Encoding(
        encoding, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens=dict(vocabulary.special)
    )
    known._mergeable_ranks = {}  # noqa: SLF001 - 26 MB, which it keeps for nothing but to be pickled
    return known


def read_ranks(packed: bytes, sha256: str, *, where: str) -> dict[bytes, int]:
    """Token bytes to rank, from a gzipped .tiktoken file; `where` names it in errors.

    Raises:
        JudgegenError: it is not gzip, or what it holds has not this sha256.
    """
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise JudgegenError(f"{where}: damaged ({error}); reinstall judgegen") from None
    if (found := hashlib.sha256(raw).hexdigest()) != sha256:
        raise JudgegenError(f"{where}: sha256 is {found}, tiktoken publishes {sha256}; reinstall judgegen")
    ranks, start = dict[bytes, int](), 0
    while start < len(raw):  # in parts: the fields of all of it at once take 25 MB
        end = raw.find(b"\n", start + _PART) + 1 or len(raw)
        fields, start = raw[start:end].split(), end
        ranks.update(zip(map(binascii.a2b_base64, fields[::2]), map(int, fields[1::2]), strict=True))
    return ranks
