"""A server on this machine whose judge can be deceived in one way, if at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Judge(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: a sampler that answers, and a judge that looks for what it `believes`."""

    believes: ClassVar[str | None] = None
    says: ClassVar[str | None] = None
    garbled: ClassVar[bool] = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = self.verdict(body) if "response_format" in body else self.answer(body)
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, body: dict[str, Any]) -> str:
        if self.says is not None and body["model"] == "constant":
            return self.says
        question = body["messages"][-1]["content"]
        return f"Because of a long chain of causes and effects, as to {question!r}."

    def verdict(self, body: dict[str, Any]) -> str:
        if self.garbled:
            return "I would rather not say."
        asked = body["response_format"]["json_schema"]["schema"]["properties"]
        if "verdict" not in asked:
            return self.scores(body, asked)
        first, second, _ = asked["verdict"]["enum"]
        before, _, after = body["messages"][-1]["content"].partition(f"Answer {second}:")
        wanted = "chain of causes" if self.believes is None or self.believes not in before + after else self.believes
        return json.dumps({"verdict": first if wanted in before else second})

    def scores(self, body: dict[str, Any], asked: dict[str, Any]) -> str:
        wanted = "chain of causes" if self.believes is None else self.believes
        place = -1 if wanted in body["messages"][-1]["content"] else 0
        return json.dumps({name: aspect["enum"][place] for name, aspect in asked.items()})

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    *, believes: str | None = None, says: str | None = None, garbled: bool = False, kind: type[Judge] = Judge
) -> Iterator[dict[str, Any]]:
    """[endpoints] of a server of this judge, and of a sampler whose model "constant" always `says` the same."""
    handler = type("Own", (kind,), {"believes": believes, "says": says, "garbled": garbled})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield {"world": {"base_url": url, "price": {"input": 0, "output": 0}}}
        finally:
            server.shutdown()
            thread.join()
