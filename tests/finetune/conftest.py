from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from judgegen.simulator.finetune import FinetuneSettings, Tuning
from judgegen.simulator.server import Simulator
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted

QUICK = 0.05
Row = dict[str, Any]


def pair(number: int = 0, **changes: Any) -> Row:
    """A preference line that OpenAI and Azure take."""
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Name colour {number}."}]
    said = {"preferred_output": [{"role": "assistant", "content": "Red."}]}
    other = {"non_preferred_output": [{"role": "assistant", "content": "I would rather not."}]}
    return {"input": {"messages": asked}, **said, **other, **changes}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as JSONL, with a byte order mark for Azure."""

    def to(rows: list[Any] | None = None, name: str = "train.jsonl", *, mark: bool = False) -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows or pairs()]
        path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + b"".join(lines))
        return path

    return to


def pairs(count: int = 12) -> list[Row]:
    """Preference lines, all different."""
    return [pair(number) for number in range(count)]


@dataclass(slots=True)
class Provider:
    """A simulator in a thread of its own.

    `seen`: method and path of each request; `before` may answer in the simulator's place, `after` comes behind an
    answer that has not been sent yet.
    """

    simulator: Simulator
    root: str
    seen: list[tuple[str, str]]
    before: list[Callable[[web.Request], web.Response | None]]
    after: list[Callable[[web.Request], None]]

    @property
    def url(self) -> str:
        """OpenAI's address."""
        return f"{self.root}/v1"

    @property
    def azure(self) -> str:
        """Azure's address."""
        return f"{self.root}/openai/v1/"

    @property
    def jobs(self) -> list[Tuning]:
        """The jobs that were made, oldest first."""
        return list(self.simulator.tunings._jobs.values())

    @property
    def uploads(self) -> int:
        """Files that are kept."""
        return len(self.simulator.files._stored)

    def count(self, method: str, path: str) -> int:
        """Requests to a path that ends like this."""
        return sum(m == method and p.endswith(path) for m, p in self.seen)


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


def _serve(provider: Provider, ready: threading.Event, stop: list[Callable[[], None]]) -> None:
    @web.middleware
    async def noted(request: web.Request, handler: Any) -> Any:
        provider.seen.append((request.method, request.path))
        for instead in provider.before:
            if (answer := instead(request)) is not None:
                return answer
        response = await handler(request)
        for then in provider.after:
            then(request)
        return response

    async def main() -> None:
        app = provider.simulator.app()
        app.middlewares.append(noted)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(partial(_set, loop, done))
        ready.set()
        await done.wait()
        await runner.cleanup()
        await provider.simulator.aclose()

    asyncio.run(main())


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Provider]]:
    """Starts simulators whose jobs take a moment; they are stopped with the test."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "none")
    running: list[tuple[threading.Thread, list[Callable[[], None]]]] = []

    def start(*, fault_rate: float = 0.0, **settings: Any) -> Provider:
        tuning = FinetuneSettings(**{"seconds": QUICK, **settings})
        made = Provider(Simulator(Scripted(fault_rate=fault_rate), BatchSettings(), tuning), "", [], [], [])
        ready, stop = threading.Event(), list[Callable[[], None]]()
        thread = threading.Thread(target=_serve, args=(made, ready, stop), daemon=True)
        thread.start()
        assert ready.wait(20)
        running.append((thread, stop))
        return made

    yield start
    for thread, stop in running:
        stop[0]()
        thread.join(20)
