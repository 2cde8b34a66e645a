"""Planted secrets, and a provider that repeats them wherever it can: they stand in no byte that is written.

A key and a header from the environment, a password in an address. The server puts what it was sent into answers,
errors, names, headers and counts, as it stands, escaped, packed or in another encoding. Searched are all files, also
row by row where a file is packed, and both streams.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from judgegen.simulator.bodies import Problem
from torture.faults import OK, Raw, Server, http, path_of, served
from torture.forge import Forge
from torture.scene import scene

KEY, HEADER, PASSWORD = "sk-planted-1f2e3d4c5b6a", "planted-header-9z8y7x6w", "planted-p4ssw0rd-5v4u"
ENVIRONMENT = {"PLANTED_KEY": KEY, "PLANTED_HEADER": HEADER, "OPENAI_LOG": "debug", "JUDGEGEN_TRACEBACK": "1"}
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.keyed]
base_url = "http://127.0.0.1:{port}/{name}/v1"
api_key_env = "PLANTED_KEY"
headers = {{ X-Planted = "env:PLANTED_HEADER" }}
price = {{ input = 1, output = 4 }}
max_retries = 1
timeout_s = 2
[endpoints.locked]
base_url = "http://me:{password}@127.0.0.1:{port}/{name}/v1"
price = {{ input = 1, output = 4 }}
max_retries = 1
timeout_s = 2
[gates]
min_pairs = 0
max_unreadable_rate = 1
max_cut_rate = 1
[sampler]
endpoint = "keyed"
model = "small"
[[sampler.variants]]
name = "one"
n = 2
[judge]
endpoint = "locked"
model = "judge"
"""
COMMANDS = (
    ("estimate", "run.toml", "--out", "out"),
    ("run", "run.toml", "--out", "out", "--yes"),
    ("run", "run.toml", "--out", "out", "--yes", "--json"),
    ("write", "out"),
    ("export", "out", "--to", "trl-dpo", "--out", "exported"),
)
BROKEN = ("hung", "leaks")
Echo = Callable[[str, dict[str, Any]], Raw]


def _said(change: Callable[[str, dict[str, Any]], None]) -> Echo:
    def echo(secret: str, answer: dict[str, Any]) -> Raw:
        change(secret, answer)
        return http(200, answer)

    return echo


def _in_message(name: str, wrap: Callable[[str], Any] = str) -> Echo:
    return _said(lambda secret, answer: answer["choices"][0]["message"].update({name: wrap(secret)}))


def _in_answer(name: str, wrap: Callable[[str], Any] = str) -> Echo:
    return _said(lambda secret, answer: answer.update({name: wrap(secret)}))


def _as_error(status: int, code: str | None = None, wrap: Callable[[str], str] = str) -> Echo:
    return lambda secret, _: http(status, {"error": {"message": f"so {wrap(secret)}", "code": code, "type": secret}})


def _packed(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()


def _escaped(text: str) -> bytes:
    """JSON whose every letter and digit in a text is an escape."""
    return re.sub(r"[\w-]", lambda one: f"\\u{ord(one[0]):04x}", text).encode()


def _answer(secret: str, answer: dict[str, Any], **more: Any) -> str:
    answer["choices"][0]["message"]["content"] = f"so {secret}"
    return json.dumps({**answer, **more})


ECHOES: Mapping[str, Echo] = {
    "answer": _in_message("content", lambda secret: f"your key is {secret}, it seems"),
    "answer, alone": _in_message("content"),
    "answer, packed": _in_message("content", _packed),
    "answer, in hex": _in_message("content", lambda secret: secret.encode().hex()),
    "answer, with a half": _in_message("content", lambda secret: f"{secret}\ud800"),
    "thought": _in_message("content", lambda secret: f"<think>{secret}</think>yes"),
    "reasoning": _in_message("reasoning_content"),
    "refusal": _in_message("refusal"),
    "tool call": _in_message("tool_calls", lambda secret: [{"id": secret, "function": {"name": secret}}]),
    "finish": _said(lambda secret, answer: answer["choices"][0].update(finish_reason=secret)),
    "logprobs": _said(
        lambda secret, answer: answer["choices"][0].update(logprobs={"content": [{"token": secret, "logprob": -1}]})
    ),
    "model": _in_answer("model"),
    "fingerprint": _in_answer("system_fingerprint"),
    "usage": _in_answer("usage"),
    "a name": _said(lambda secret, answer: answer.update({secret: secret})),
    "error in a 200": lambda secret, _: http(200, {"error": {"message": secret, "code": secret}}),
    "escaped": lambda secret, answer: http(
        200, _answer("@", answer).encode().replace(b"@", _escaped(secret))
    ),
    "UTF-16": lambda secret, answer: http(200, _answer(secret, answer).encode("utf-16")),
    "UTF-32": lambda secret, answer: http(200, _answer(secret, answer).encode("utf-32")),
    "escaped error": lambda secret, _: http(
        400, b'{"error": {"code": "content_filter", "message": "so ' + _escaped(secret) + b'"}}'
    ),
    "UTF-16 error": lambda secret, _: http(401, json.dumps({"error": {"message": secret}}).encode("utf-16")),
    "400 flagged": _as_error(400, "content_filter"),
    "400 too long": _as_error(400, "context_length_exceeded"),
    "400": _as_error(400),
    "401": _as_error(401, "invalid_api_key", lambda secret: f"Bearer {secret}"),
    "402": _as_error(402),
    "403": _as_error(403),
    "404": _as_error(404),
    "422": _as_error(422),
    "429": _as_error(429),
    "500": _as_error(500),
    "500 packed": _as_error(500, None, _packed),
    "html": lambda secret, _: http(502, f"<html>{secret}</html>".encode(), "Content-Type: text/html\r\n"),
    "no JSON": lambda secret, _: http(200, f"key {secret}".encode()),
    "header": lambda secret, answer: http(429, answer, f"Retry-After: {secret}\r\nX-Echo: {secret}\r\n"),
    "reason": lambda secret, answer: http(400, answer, reason=secret),
    "redirection": lambda secret, _: http(307, b"", f"Location: http://192.0.2.1/{secret}\r\n"),
    "another host": lambda secret, _: http(307, b"", f"Location: http://{secret}.example/\r\n"),
    "no HTTP": lambda secret, _: Raw(content=f"{secret} {secret}\r\n\r\n".encode()),
    "bad header": lambda secret, _: Raw(content=OK + f"A {secret}\r\n\r\n".encode()),
    "cut": lambda secret, _: Raw(content=OK + b"Content-Length: 999\r\n\r\n" + secret.encode()),
}  # fmt: skip


class Parrot(Server):
    """Repeats to each request what it should not have, where the path says."""

    def sent(self, head: str, body: Mapping[str, Any]) -> Raw:
        """The echo of this path; a sound answer to every second request, so that a run gets on."""
        name = head.split(" ")[1].split("/")[1]
        self.counted[name] += 1
        answer = self.world.answer(body)
        if isinstance(answer, Problem):
            return http(answer.status, answer.payload())
        if self.counted[name] % 2:
            return http(200, answer)
        found = re.search(r"^(?:authorization: (?:Bearer |Basic )?)(\S+)", head, re.IGNORECASE | re.MULTILINE)
        secret = found[1] if found else ""
        with_login = secret == base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        told = [PASSWORD if with_login else secret, HEADER][self.counted[name] // 2 % 3 == 0 and not with_login]
        return next(echo for kind, echo in ECHOES.items() if path_of(kind) == name)(told, answer)

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()


def forms() -> tuple[str, ...]:
    """The planted secrets as they could be written."""
    login = f"me:{PASSWORD}"
    return tuple(
        form
        for secret in (KEY, HEADER, PASSWORD)
        for form in (secret, secret.encode().hex(), _packed(secret), _packed(f"Bearer {secret}"), _packed(login))
    )


def keys(forge: Forge, *, every: int = 1, first: int = 0) -> Counter[str]:
    """Each echo, or each `every`th, through every command that writes; bytes and rows that hold a secret."""
    found: Counter[str] = Counter(dict.fromkeys(("echoes", "commands", "bytes", "rows", *BROKEN), 0))
    server = Parrot()
    with served(server) as port:
        for name in list(ECHOES)[first::every]:
            with scene(2) as folder:
                text = RUN_FILE.format(port=port, name=path_of(name), password=PASSWORD)
                (folder / "run.toml").write_text(text)
                for command in COMMANDS:
                    end = forge.run(folder, *command)
                    found.update(commands=1, hung=end.hung, bytes=len(end.said))
                    found["leaks"] += _leaks(f"{name}: {' '.join(command)}: streams", [end.said])
                    if end.hung:
                        print(f"{name}: {' '.join(command)} hangs\n{end.said[-2000:]}", flush=True)
                found.update(echoes=1)
                (folder / "run.toml").unlink()
                _search(folder, name, found)
                shutil.rmtree(folder / "out", ignore_errors=True)
    return found


def _search(folder: Path, name: str, found: Counter[str]) -> None:
    """Every byte of every file, and every row of those that are packed."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            rows = list(_rows(path))
            found["bytes"] += len(content)
            found["rows"] += len(rows)
            texts = (content.decode("latin-1"), content.decode("utf-16-le", "replace"), *rows)
            found["leaks"] += _leaks(f"{name}: {path.relative_to(folder)}", texts)


def _leaks(where: str, texts: Any) -> int:
    leaked = {form for text in texts for form in forms() if form in text}
    for form in sorted(leaked):
        print(f"{where} holds {form}", flush=True)
    return len(leaked)


def _rows(path: Path) -> Iterator[str]:
    """What a packed file holds, as text."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        yield from map(repr, parquet.read_table(path).to_pylist())
    elif path.suffix == ".sqlite":
        db = sqlite3.connect(path)
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            yield from map(repr, db.execute(f'SELECT * FROM "{name}"'))
        db.close()
