"""Batches of servers that write their rows and states in other ways: every row that was paid for is read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sized import answered

import judgegen
from judgegen.errors import Incomplete

PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(3)]


class Server:
    """Files and batches; what it changes about a row, a file and a state is given."""

    def __init__(self, *, status: Any = 200, state: str = "completed", before: str = "", between: str = "\n") -> None:
        self.status, self.state, self.before, self.between = status, state, before, between
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    def row(self, line: str) -> dict[str, Any]:
        asked = json.loads(line)
        body = asked["body"]
        text = answered(body["messages"][-1]["content"], body.get("seed", 0), "\u2028\x85And no more.")
        choice = {"finish_reason": "stop", "message": {"content": text}}
        said = {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
        return {"custom_id": asked["custom_id"], "response": {"status_code": self.status, "body": said}}

    async def upload(self, request: web.Request) -> web.Response:
        given: Any = (await request.post())["file"]
        name = f"file-{len(self.files)}"
        self.files[name] = given.file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        rows = [self.row(line) for line in self.files[asked["input_file_id"]].decode().split("\n") if line]
        name = f"batch-{len(self.batches)}"
        text = self.before + self.between.join(json.dumps(row, ensure_ascii=False) for row in rows)
        self.files[f"{name}-out"] = text.encode()
        self.batches[name] = {
            "id": name, "object": "batch", "status": self.state, "output_file_id": f"{name}-out",
            "metadata": asked.get("metadata"),
        }  # fmt: skip
        return web.json_response(self.batches[name])

    def app(self) -> web.Application:
        app = web.Application()

        async def one(request: web.Request) -> web.Response:
            return web.json_response(self.batches[request.match_info["name"]])

        async def listed(_: web.Request) -> web.Response:
            return web.json_response({"object": "list", "data": list(self.batches.values()), "has_more": False})

        async def content(request: web.Request) -> web.Response:
            return web.Response(body=self.files[request.match_info["name"]])

        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{name}/content", content)
        app.router.add_post("/v1/batches", self.create)
        app.router.add_get("/v1/batches", listed)
        app.router.add_get("/v1/batches/{name}", one)
        return app


@pytest.mark.parametrize(
    "ways",
    [
        {},
        {"status": "200"},
        {"status": 201},
        {"state": "COMPLETED"},
        {"before": "\ufeff"},
        {"between": "\r\n"},
    ],
    ids=lambda ways: "-".join(map(str, ways)) or "plain",
)
def test_every_row_that_was_paid_for_is_read_at_once(ways: dict[str, Any], tmp_path: Path) -> None:
    """Whatever a text holds that looks like the end of a line; in two batches, the candidates' and the verdicts'."""
    server = Server(**ways)

    async def main() -> judgegen.Run:
        runner = web.AppRunner(server.app(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        spec = {
            "prompts": "-",
            "endpoints": {"here": {"base_url": url, "price": {"input": 1, "output": 1}}},
            "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "a", "n": 2}]},
            "judge": {"endpoint": "here", "model": "large"},
        }
        try:
            for _ in range(2):
                with pytest.raises(Incomplete):
                    await judgegen.generate(spec, out=tmp_path, prompts=PROMPTS, batch=True)
            return await judgegen.generate(spec, out=tmp_path, prompts=PROMPTS, batch=True)
        finally:
            await runner.cleanup()

    done = asyncio.run(main())
    assert len(done.preferences) == len(PROMPTS)
    assert len(server.batches) == 2
