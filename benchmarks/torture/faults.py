"""What servers do wrong, each kind tried by a server over real sockets: how a run ends, and what it says of the cost.

A path per fault: /NAME/v1/chat/completions. The world behind it answers as the scripted one does, and keeps a bill of
whatever it worked for, also where its answer was lost. What must hold: the run ends as its fault is listed to, without
a traceback; and what was billed is known or told as perhaps billed, never less.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from judgegen.simulator.bodies import Problem
from judgegen.simulator.scripted import World
from judgegen.spec import Scripted
from torture.forge import End, Forge
from torture.scene import scene

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.odd]
base_url = "http://127.0.0.1:{port}/{name}/v1"
price = {{ input = 1, output = 4 }}
max_concurrency = 4
max_retries = 4
timeout_s = 1.5
[gates]
min_pairs = 0
max_unreadable_rate = 1
max_cut_rate = 1
[sampler]
endpoint = "odd"
model = "small"
max_tokens = 300
[[sampler.variants]]
name = "one"
n = 2
[judge]
endpoint = "odd"
model = "judge"
"""
COMMAND = ("run", "run.toml", "--out", "out", "--yes", "--quiet", "--json")
PRICE_IN, PRICE_OUT = Decimal("1e-6"), Decimal("4e-6")
MARKED = "number 1"
"""What stands in the prompt that a fault of one prompt is about."""
BROKEN = ("hung", "tracebacks", "odd_code", "unsaid", "hidden_cost", "overstated")
Strikes = Literal["now and then", "always", "one prompt"]
Changes = Callable[[dict[str, Any]], Any]
Sends = Callable[[bytes], "bytes | Raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes as they go onto the wire, and then: the connection is closed, reset, or left open without a word."""

    content: bytes = b""
    then: Literal["close", "reset", "silence", "drip"] = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    Attributes:
        strikes: every third request, every one, or those of one prompt.
        sends: the response, of the body of a sound answer.
        code: how a run that meets it ends.
        says: what must stand in what it prints.
        billed: whether the server worked for the request that met it.
        counted: no count, or one that nobody can mean, came with the answer: the cost is counted here.
    """

    strikes: Strikes = "now and then"
    sends: Sends
    code: int = 0
    says: str = ""
    billed: bool = True
    counted: bool = False


def http(status: int, body: Any, headers: str = "", *, reason: str = "Odd") -> Raw:
    """A whole response."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "" if "content-type" in headers.lower() else "Content-Type: application/json\r\n"
    head = f"HTTP/1.1 {status} {reason}\r\n{kind}{headers}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return Raw(content=head.encode() + content)


def refuses(status: int, body: Any = None, headers: str = "", **more: Any) -> Fault:
    """A status with a body, for which nothing is billed."""
    said = {"error": {"message": f"trouble {status}", "type": "odd", "code": None}} if body is None else body
    return Fault(sends=lambda _: http(status, said, headers), billed=False, **more)


def sends(make: Sends, **more: Any) -> Fault:
    """Bytes of any kind in place of the answer."""
    return Fault(sends=make, **more)


def answers(change: Changes, **more: Any) -> Fault:
    """A 200 whose body is changed."""
    return Fault(sends=lambda body: http(200, change(json.loads(body))), **more)


def _error(message: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}


def _with(place: str, value: Any) -> Changes:
    """The answer with one value changed: choices.0.message.content, say."""

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        node: Any = answer
        *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
        for part in path:
            node = node[part]
        node[last] = value
        return answer

    return change


def _without(name: str) -> Changes:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
_USAGE = "usage"
_FINISH = "choices.0.finish_reason"
_SAID = "choices.0.message.content"
FAULTS: Mapping[str, Fault] = {
    # statuses that pass
    **{f"status {status}": refuses(status) for status in (408, 409, 425, 500, 502, 503, 504, 520, 524, 529, 599)},
    "429 without a word": refuses(429),
    "429 in seconds": refuses(429, headers="Retry-After: 1\r\n"),
    "429 in ms": refuses(429, headers="retry-after-ms: 50\r\n"),
    "429 a date": refuses(429, headers="Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"),
    "429 in the body": refuses(429, _error("Rate limit reached. Please try again in 0.1s.", "rate_limit_exceeded")),
    "429 negative": refuses(429, headers="Retry-After: -5\r\n"),
    "429 html": refuses(429, b"<html>slow down</html>", "Content-Type: text/html\r\n"),
    "502 html": refuses(502, b"<html><h1>Bad Gateway</h1></html>", "Content-Type: text/html\r\n"),
    "500 empty": refuses(500, b""),
    "503 half a body": Fault(
        sends=lambda _: Raw(content=b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\n{"), billed=False
    ),
    # what ends a run
    "401": refuses(401, _error("Incorrect API key", "invalid_api_key"), strikes="always", code=3, says="key"),
    "402": refuses(402, _error("Insufficient credits"), strikes="always", code=3, says="top up"),
    "403 a region": refuses(403, _error("Country, region not supported"), strikes="always", code=3, says="region"),
    "404 a model": refuses(404, _error("no such model", "model_not_found"), strikes="always", code=3, says="model"),
    "404 html": refuses(404, b"<html>nothing here</html>", strikes="always", code=3, says="base_url"),
    "405": refuses(405, strikes="always", code=3, says="base_url"),
    "429 no quota": refuses(
        429, _error("You exceeded your current quota", "insufficient_quota"), strikes="always", code=3, says="top up"
    ),
    "429 for a day": refuses(429, headers="Retry-After: 86400\r\n", strikes="always", code=5, says="asked again in"),
    "400 whatever is asked": refuses(400, _error("no"), strikes="always", code=3, says="refuses whatever"),
    "307 elsewhere": refuses(
        307, b"", "Location: http://192.0.2.1/v1\r\n", strikes="always", code=3, says="another host"
    ),
    "500 for ever": refuses(500, strikes="always", code=5, says="trouble 500"),
    "502 for ever": refuses(502, strikes="always", code=5, says="trouble 502"),
    # one prompt is refused, the others are answered
    "400 flagged": refuses(400, _error("filtered", "content_filter"), strikes="one prompt"),
    "400 too long": refuses(400, _error("too long", "context_length_exceeded"), strikes="one prompt"),
    "413": refuses(413, strikes="one prompt"),
    "422 unread": refuses(422, {"detail": [{"loc": ["body"], "msg": "odd"}]}, strikes="one prompt"),
    # connections
    "reset at once": sends(lambda _: Raw(then="reset")),
    "closed at once": sends(lambda _: Raw()),
    "reset in the head": sends(lambda _: Raw(content=b"HTTP/1.1 200 O", then="reset")),
    "closed in the body": sends(lambda body: Raw(content=OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[:50])),
    "reset in the body": sends(
        lambda body: Raw(content=OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[:50], then="reset")
    ),
    "chunk cut": sends(lambda body: Raw(content=_CHUNKED + b"%x\r\n" % len(body) + body[:40])),
    "chunk of no size": sends(lambda body: Raw(content=_CHUNKED + b"zz\r\n" + body)),
    "silence": sends(lambda _: Raw(then="silence")),
    "silence after the head": sends(lambda _: Raw(content=OK + b"Content-Length: 10\r\n\r\n", then="silence")),
    "a byte now and then": sends(lambda _: Raw(content=OK + b"Content-Length: 9999\r\n\r\n", then="drip")),
    # no HTTP
    "another protocol": sends(lambda _: Raw(content=b"SSH-2.0-OpenSSH_9\r\n")),
    "a status that is none": sends(lambda _: Raw(content=b"HTTP/1.1 2x0 Odd\r\n\r\n")),
    "a header too large": sends(lambda _: Raw(content=OK + b"A: " + b"b" * 20_000 + b"\r\n\r\n")),
    "a NUL in a header": sends(lambda _: Raw(content=OK + b"A: b\x00c\r\n\r\n")),
    "a length that is none": sends(lambda _: Raw(content=OK + b"Content-Length: x\r\n\r\n")),
    "a length too small": sends(lambda body: Raw(content=OK + b"Content-Length: 3\r\n\r\n" + body)),
    "204 with a body": sends(lambda _: Raw(content=b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc")),
    # bodies
    "gzip": sends(lambda body: http(200, gzip.compress(body), "Content-Encoding: gzip\r\n")),
    "gzip that is none": sends(lambda body: http(200, body, "Content-Encoding: gzip\r\n")),
    "half of a gzip": sends(lambda body: http(200, gzip.compress(body)[:40], "Content-Encoding: gzip\r\n")),
    "half of the JSON": sends(lambda body: http(200, body[: len(body) // 2])),
    "empty": sends(lambda _: http(200, b"")),
    "html": sends(lambda _: http(200, b"<html>login</html>", "Content-Type: text/html\r\n")),
    "deep": sends(lambda _: http(200, b"[" * 100_000)),
    "a number": sends(lambda _: http(200, b"7")),
    "null": sends(lambda _: http(200, b"null")),
    "UTF-16": sends(lambda body: http(200, body.decode().encode("utf-16"))),
    "a mark of byte order": sends(lambda body: http(200, b"\xef\xbb\xbf" + body)),
    "Latin-1": sends(lambda body: http(200, body.replace(b"chatcmpl", b"\xe9"))),
    "an event stream": sends(lambda body: http(200, b"data: " + body + b"\n\n", "Content-Type: text/event-stream\r\n")),
    "no choices": answers(_with("choices", [])),
    "choices null": answers(_with("choices", None)),
    "no message": answers(_with("choices.0", {"index": 0})),
    "an error in a 200": answers(lambda _: _error("The server is overloaded, try again later"), billed=False),
    # usage
    "no usage": answers(_without(_USAGE), strikes="always", counted=True),
    "usage null": answers(_with(_USAGE, None), strikes="always", counted=True),
    "usage zero": answers(_with(_USAGE, {"prompt_tokens": 0, "completion_tokens": 0}), strikes="always", counted=True),
    "usage a text": answers(_with(_USAGE, "abc"), strikes="always", counted=True),
    "usage a list": answers(_with(_USAGE, [1]), strikes="always", counted=True),
    "usage negative": answers(
        _with(_USAGE, {"prompt_tokens": -5, "completion_tokens": -1}), strikes="always", counted=True
    ),
    "usage of 10**18": answers(_with("usage.completion_tokens", 10**18), strikes="always", counted=True),
    "usage details a text": answers(_with("usage.prompt_tokens_details", "x"), strikes="always"),
    # how an answer ends
    "ends by length": answers(_with(_FINISH, "length"), strikes="one prompt"),
    "ends by MAX_TOKENS": answers(_with(_FINISH, "MAX_TOKENS"), strikes="one prompt"),
    "ends by SAFETY": answers(_with(_FINISH, "SAFETY"), strikes="one prompt"),
    "ends by content_filter": answers(_with(_FINISH, "content_filter"), strikes="one prompt"),
    "ends by error": answers(_with(_FINISH, "error"), strikes="one prompt"),
    "ends by a word nobody knows": answers(_with(_FINISH, "banana"), strikes="one prompt"),
    "ends by null": answers(_with(_FINISH, None), strikes="one prompt"),
    "ends by a list": answers(_with(_FINISH, ["stop"]), strikes="one prompt"),
    # what is said
    "content null": answers(_with(_SAID, None), strikes="one prompt"),
    "content empty": answers(_with(_SAID, ""), strikes="one prompt"),
    "content parts": answers(_with(_SAID, [{"type": "text", "text": "a"}]), strikes="one prompt"),
    "content an object": answers(_with(_SAID, {"a": 1}), strikes="one prompt"),
    "half of a character": answers(_with(_SAID, "a\ud800"), strikes="one prompt"),
    "NUL and ESC": answers(_with(_SAID, "a\x00\x1b[2J"), strikes="one prompt"),
    "brackets without end": answers(_with(_SAID, "[" * 3000), strikes="one prompt"),
    "thought without end": answers(_with(_SAID, "<think>so"), strikes="one prompt"),
    "a refusal": answers(_with("choices.0.message.refusal", "I will not"), strikes="one prompt"),
    "a refusal that is an object": answers(_with("choices.0.message.refusal", {"a": 1}), strikes="one prompt"),
    "tool calls a text": answers(_with("choices.0.message.tool_calls", "abc"), strikes="one prompt"),
    "tool calls of null": answers(_with("choices.0.message.tool_calls", [None]), strikes="one prompt"),
    "logprobs a number": answers(_with("choices.0.logprobs", 7), strikes="one prompt"),
    "logprobs of null": answers(_with("choices.0.logprobs", {"content": [None]}), strikes="one prompt"),
    "another model": answers(_with("model", "other"), strikes="always"),
    "no model": answers(_without("model"), strikes="always"),
}  # fmt: skip


@dataclass(slots=True)
class Bill:
    """USD that one path worked for, and how many requests it got."""

    usd: Decimal = Decimal(0)
    requests: int = 0


class Server:
    """Every fault, each at its path, over real sockets on this machine."""

    def __init__(self) -> None:
        self.bills: dict[str, Bill] = {}
        self.world = World(Scripted())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests that come whole are answered, one after the other."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                sent = self.sent(head, json.loads(body))
                if not await _written(writer, sent):
                    break
        writer.close()

    def sent(self, head: str, body: Mapping[str, Any]) -> Raw:
        """What the path that `head` asks for sends; what it works for goes on its bill."""
        name = head.split(" ")[1].split("/")[1]
        fault, bill = FAULTS.get(_named(name)), self.bills.setdefault(name, Bill())
        bill.requests += 1
        answer = self.world.answer(body)
        if isinstance(answer, Problem):
            return http(answer.status, answer.payload())
        sound = json.dumps(answer).encode()
        strikes = fault is not None and {
            "now and then": bill.requests % 3 == 2,
            "always": True,
            "one prompt": any(MARKED in str(message["content"]) for message in body["messages"]),
        }.get(fault.strikes, False)
        if fault is None or not strikes or fault.billed:
            used = answer["usage"]
            bill.usd += used["prompt_tokens"] * PRICE_IN + used["completion_tokens"] * PRICE_OUT
        if fault is None or not strikes:
            return Raw(content=OK + b"Content-Length: %d\r\n\r\n" % len(sound) + sound)
        sent = fault.sends(sound)
        return sent if isinstance(sent, Raw) else http(200, sent)


async def _written(writer: asyncio.StreamWriter, sent: Raw) -> bool:
    """Whether the connection may be used again."""
    writer.write(sent.content)
    await writer.drain()
    while sent.then in ("silence", "drip"):
        writer.write(b" " if sent.then == "drip" else b"")
        await writer.drain()
        await asyncio.sleep(0.2)
    if sent.then == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return sent.content.startswith(OK + b"Content-Length") and b"Connection: close" not in sent.content[:300]


def path_of(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _named(path: str) -> str:
    return _NAMES.get(path, "")


_NAMES = {path_of(name): name for name in FAULTS}


@contextmanager
def served(server: Server) -> Iterator[int]:
    """The port that the server listens on for as long as the block takes."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ports: list[int] = []

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        ready.set()
        await over.wait()
        listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def faults(forge: Forge, *, every: int = 1, first: int = 0, told: Callable[[str], object] = str) -> Counter[str]:
    """Each fault, or each `every`th, against a run; a row of what came of it is `told`."""
    found: Counter[str] = Counter(dict.fromkeys(("kinds", *BROKEN), 0))
    server = Server()
    with served(server) as port:
        for name in list(FAULTS)[first::every]:
            with scene(3) as folder:
                (folder / "prompts.txt").write_text("".join(f"Say what number {n} is.\n" for n in range(3)))
                (folder / "run.toml").write_text(RUN_FILE.format(port=port, name=path_of(name)))
                end = forge.run(folder, *COMMAND)
                found.update(_after(name, FAULTS[name], end, server.bills[path_of(name)], told))
    return found


def _after(name: str, fault: Fault, end: End, bill: Bill, told: Callable[[str], object]) -> Counter[str]:
    """What did not hold of a run that met the fault."""
    known, doubt = _costs(end.said)
    found = Counter(
        kinds=1,
        hung=end.hung,
        tracebacks=end.traceback,
        odd_code=end.code != fault.code,
        unsaid=fault.says not in end.said,
        hidden_cost=not fault.counted and bill.usd > known + doubt,
        overstated=not fault.counted and known > bill.usd,
    )
    cost = "counted here" if fault.counted else "to the cent" if known == bill.usd else f"at most ${known + doubt:f}"
    told(f"{name} | exit {end.code} | {bill.requests} requests | ${bill.usd:f} billed | ${known:f} known | {cost}")
    if any(found[what] for what in BROKEN):
        print(f"{name}: exit {end.code}, {dict(found)}\n{end.said}", flush=True)
    return found


def _costs(said: str) -> tuple[Decimal, Decimal]:
    """USD that a run says it cost, and at most cost beyond that."""
    rows = [line for line in said.splitlines() if line.startswith("{")]
    summary = json.loads(rows[-1]) if rows else {}
    doubt = summary.get("in_doubt", {}).get("usd_at_most", "0")
    words = summary.get("probe", {}).get("usd", "0")
    return Decimal(str(summary.get("cost_usd", {}).get("total", 0))) + Decimal(str(words)), Decimal(str(doubt))
