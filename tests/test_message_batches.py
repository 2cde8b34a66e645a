"""Anthropic's Message Batches behind the outbox, over HTTP to the simulator with every fault it has."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from worlds import stats, world

import judgegen
from judgegen.errors import Incomplete, Waiting
from judgegen.llm.calls import Call, Tag
from judgegen.llm.outbox import Batch, Outbox, Size
from judgegen.llm.providers.anthropic import PROVIDER
from judgegen.llm.providers.message_batches import call_of, name_of
from judgegen.simulator.prose import quality_of
from judgegen.spec import Endpoint

pytest.importorskip("anthropic")
FAULTS = (
    *("--batch-failed-rate", "0.1", "--batch-expired-rate", "0.3", "--batch-errors-only-rate", "0.1"),
    *("--batch-busy-rate", "0.2", "--batch-crash-rate", "0.5", "--unreadable-rate", "0.1"),
)
ROWS = [f"Explain fact {i} about rivers." for i in range(6)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a busy provider are short, and the key is nobody's."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")


def table(url: str) -> dict[str, Any]:
    given = {"provider": "anthropic", "base_url": url, "identity": "sim", "price": {"input": 1, "output": 4}}
    return {
        "prompts": "-",
        "endpoints": {"sim": given},
        "sampler": {"endpoint": "sim", "model": "small", "max_tokens": 200, "variants": [{"name": "a", "n": 2}]},
        "judge": {"endpoint": "sim", "model": "judge"},
    }


def until_done(url: str, out: Path) -> judgegen.Run:
    """The same command until it is done, as its user would."""
    for _ in range(40):
        try:
            run = judgegen.generate(table(url), out=out, prompts=ROWS, batch=True, wait=True, poll_s=0.05)
            return asyncio.run(run)
        except Incomplete:
            continue
    raise AssertionError("never done")


def paid(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats/paid") as answer:
        found: dict[str, int] = json.load(answer)
    return found


@contextmanager
def served(*flags: str) -> Iterator[str]:
    with world("--batch-seconds", "0.1", "--accuracy", "1", *flags) as url:
        yield url


def test_a_run_by_message_batches_makes_its_pairs_at_half_the_price(tmp_path: Path) -> None:
    """A batch a round, nothing that the API has no parameter for, each call paid once, at half of the price."""
    with served() as url:
        done = until_done(url, tmp_path / "run")
        assert stats(url)["batches"] == 2
        assert set(paid(url).values()) == {1}
        assert stats(url)["refused"] == 0
        used = stats(url)
    rows = [json.loads(line) for line in (done.folder / "preferences.jsonl").read_text().splitlines()]
    assert len(rows) == len(ROWS)
    for row in rows:
        better, worse = (quality_of(row[side][-1]["content"]) for side in ("chosen", "rejected"))
        assert better is not None
        assert worse is not None
        assert better > worse
    whole = Decimal(used["prompt_tokens"] + 4 * used["completion_tokens"]) / 1_000_000
    assert Decimal(done.summary["cost_usd"]["total"]) * 2 == whole


@pytest.mark.parametrize("seed", ["1", "2"])
def test_every_fault_at_once(tmp_path: Path, seed: str) -> None:
    """What errored or expired is asked again, lost submissions are found; no call is answered and paid twice."""
    with served(*FAULTS, "--seed", seed) as url:
        done = until_done(url, tmp_path / "run")
        assert set(paid(url).values()) == {1}
    assert "incomplete" not in done.summary["drops"]


@pytest.mark.parametrize("moment", ["submitted", "settled"])
def test_a_run_that_is_killed_takes_its_batch_back(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the submission and the note of it, or when answers are journaled and not yet struck off."""

    class Killed(BaseException):
        """The end of a process, as far as what is on disk goes."""

    def killed(*_: Any) -> None:
        raise Killed

    with served() as url:
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, moment, killed)
            with pytest.raises(Killed):
                until_done(url, tmp_path / "run")
        assert stats(url)["batches"] == 1
        done = until_done(url, tmp_path / "run")
        assert stats(url)["batches"] == 2
        assert set(paid(url).values()) == {1}
    assert done.summary["prompts"] == len(ROWS)


def call(number: int) -> Call:
    messages = ({"role": "user", "content": f"question {number}"},)
    tag = Tag(role="sampler", prompt_id="p", route="sim")
    return Call(endpoint="sim", model="m", messages=messages, params={"max_tokens": 9}, tag=tag)


def found(rows: list[dict[str, Any]], results: dict[str, str], tmp_path: Path) -> str | None:
    """What a desk makes of a provider's list, for a batch of two calls that was written down and not heard of again."""

    async def listed(_: web.Request) -> web.Response:
        return web.json_response({"data": rows, "has_more": False})

    async def told(request: web.Request) -> web.Response:
        row = {"custom_id": results[request.match_info["id"]], "result": {"type": "expired"}}
        return web.Response(text=json.dumps(row) + "\n")

    async def main(outbox: Outbox, batch: Batch) -> str | None:
        app = web.Application()
        app.router.add_get("/v1/messages/batches", listed)
        app.router.add_get("/v1/messages/batches/{id}/results", told)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert PROVIDER.desk is not None
        try:
            async with PROVIDER.desk(Endpoint(provider="anthropic", base_url=url), "sim") as desk:
                return await desk.find(batch, outbox)
        finally:
            await runner.cleanup()

    with Outbox(tmp_path / "journal.sqlite") as outbox:
        for number in range(2):
            outbox.add(call(number), Size(bytes=1, tokens=1, worst=Decimal(0)))
        batch = outbox.write_down("sim", "m", most_tokens=9, most_usd=None)
        assert batch is not None
        return asyncio.run(main(outbox, batch))


def row(name: str, *, ended: bool = False, size: int = 2, when: str | None = None) -> dict[str, Any]:
    counts = {"processing": 0 if ended else size, "succeeded": size if ended else 0, "errored": 0}
    state = "ended" if ended else "in_progress"
    made = when or datetime.now(UTC).isoformat()
    return {"id": name, "processing_status": state, "request_counts": counts, "created_at": made}


def test_a_lost_batch_is_known_by_its_results_alone(tmp_path: Path) -> None:
    """Others' batches, of other sizes or of before, are not taken; what is at work may be ours, and is waited for."""
    ours, theirs = name_of(call(1).id), "b2_" + "0" * 32
    assert call_of(ours) == call(1).id
    old = "2020-01-01T00:00:00Z"
    cases: list[tuple[list[dict[str, Any]], dict[str, str], str | None]] = [
        ([], {}, None),
        ([row("a", ended=True), row("b", ended=True)], {"a": theirs, "b": ours}, "b"),
        ([row("a", ended=True)], {"a": theirs}, None),
        ([row("a", size=3)], {}, None),
        ([row("a", when=old)], {}, None),
        ([row("a", when=old), row("b", ended=True) | {"archived_at": old}], {"b": ours}, None),
        ([row("a"), row("b", ended=True), row("c")], {"b": ours}, "b"),
    ]
    for number, (rows, results, expected) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert found(rows, results, folder) == expected
    for number, rows in enumerate([[row("a")], [row("a"), row("b")], [row("a"), row("b", ended=True)]]):
        (folder := tmp_path / f"open{number}").mkdir()
        with pytest.raises(Waiting, match="whether a batch of ours is a"):
            found(rows, {"b": theirs}, folder)


class Front:
    """Stands before the simulator's Message Batches: the answer to the first submission is lost.

    `taken`: whether the batch was, for all that. `stranger`: somebody else submits as many requests just before, and
    theirs is at work for a while. `behind`: the list does not show ours before it has been looked at so often.
    """

    def __init__(self, behind: str, *, taken: bool, stranger: bool, looks: int) -> None:
        self.behind, self.taken, self.stranger, self.looks = behind.removesuffix("/v1"), taken, stranger, looks
        self.submitted: list[str] = []
        self.lost = ""
        self.theirs = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Pass on what is asked, but for what is hidden or lost."""
        creates = request.method == "POST" and request.path.endswith("/batches")
        if creates and not self.submitted:
            await self._lose(request)
        found = await self._passed(request.method, request.path_qs, await request.read())
        if creates:
            self.submitted.append(found["id"])
        if isinstance(found, dict) and request.method == "GET" and request.path.endswith("/batches"):
            self.looks -= 1
            found["data"] = [self._as_listed(one) for one in found["data"] if self.looks < 0 or one["id"] != self.lost]
        return web.json_response(found) if isinstance(found, dict) else web.Response(text=found)

    def _as_listed(self, one: dict[str, Any]) -> dict[str, Any]:
        """The stranger's stays at work until ours is shown."""
        at_work = one["id"] == self.theirs and self.looks >= 0
        return row(self.theirs, size=sum(one["request_counts"].values())) if at_work else one

    async def _lose(self, request: web.Request) -> None:
        body = json.loads(await request.read())
        if self.stranger:
            alien = [{**one, "custom_id": f"other_{i}"} for i, one in enumerate(body["requests"])]
            made = await self._passed("POST", request.path, json.dumps({"requests": alien}).encode())
            self.theirs = made["id"]
        self.submitted.append("lost")
        if self.taken:
            self.lost = (await self._passed("POST", request.path, json.dumps(body).encode()))["id"]
        assert request.transport is not None
        request.transport.close()
        raise web.HTTPInternalServerError

    async def _passed(self, method: str, path: str, body: bytes) -> Any:
        async with aiohttp.ClientSession() as session, session.request(method, self.behind + path, data=body) as answer:
            text = await answer.text()
        return json.loads(text) if "\n" not in text.strip() and text.startswith("{") else text


@asynccontextmanager
async def fronted(front: Front) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", front.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize(
    ("taken", "stranger", "looks"),
    [(True, True, 0), (True, True, 6), (False, True, 6), (True, False, 2), (False, False, 0)],
)
def test_a_lost_submission_is_never_paid_twice_nor_taken_for_a_strangers(
    taken: bool, stranger: bool, looks: int, waits: bool, tmp_path: Path
) -> None:
    """A stranger's batch of equal size at work, ours taken or not, listed late or at once: every call is paid once."""

    async def main(url: str) -> tuple[judgegen.Run, Front]:
        front = Front(url, taken=taken, stranger=stranger, looks=looks)
        async with fronted(front) as before:
            for _ in range(60):
                try:
                    given = table(before)
                    out = tmp_path / "run"
                    run = judgegen.generate(given, out=out, prompts=ROWS, batch=True, wait=waits, poll_s=0.05)
                    return await run, front
                except Incomplete:
                    await asyncio.sleep(0.05)
        raise AssertionError("never done")

    with served() as url:
        done, front = asyncio.run(main(url))
        ours = {name: times for name, times in paid(url).items() if not name.startswith("other_")}
    assert set(ours.values()) == {1}
    assert len(front.submitted) == 2 + (not taken)
    assert len([json.loads(line) for line in (done.folder / "preferences.jsonl").read_text().splitlines()]) == len(ROWS)
