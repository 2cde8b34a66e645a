"""Why a call has no answer is kept: in the audit, counted in the summary, and in the error that ends the run."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

import judgegen
from judgegen.errors import Incomplete
from judgegen.run.session import lacking

NO = "the judge's desk is closed for rebuilding"


async def chat(request: web.Request) -> web.Response:
    """Candidates are written; every verdict fails for now, with words."""
    body = await request.json()
    if body["model"] == "j":
        return web.json_response({"error": {"message": NO}}, status=503)
    text = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 9, "completion_tokens": 9}
    return web.json_response({"choices": [choice], "usage": usage, "model": body["model"]})


def run(folder: Path) -> tuple[Incomplete, str]:
    """A run of two prompts whose judge fails, and the address of its server."""

    async def main() -> tuple[Incomplete, str]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        endpoint = {"base_url": url, "price": {"input": 1, "output": 1}, "max_retries": 0}
        variants = [{"name": "a", "temperature": 0.1}, {"name": "b", "temperature": 0.9}]
        table = {
            "prompts": "-",
            "endpoints": {"e": endpoint},
            "sampler": {"endpoint": "e", "model": "s", "variants": variants},
            "judge": {"endpoint": "e", "model": "j"},
        }
        try:
            with pytest.raises(Incomplete) as caught:
                await judgegen.generate(table, out=folder, prompts=["What is one?", "What is two?"])
        finally:
            await runner.cleanup()
        return caught.value, url

    return asyncio.run(main())


def test_the_providers_words_reach_error_summary_and_audit(tmp_path: Path) -> None:
    """With the address; what was paid for before is there too, and writing again says the same."""
    error, url = run(tmp_path / "run")
    assert NO in str(error)
    assert url in str(error)
    done = error.run
    assert [row["prompts"] for row in done.summary["lacking"]] == [2]
    assert done.summary["lacking"][0]["why"].startswith("failing: judge call to j at http://127.0.0.1")
    assert done.summary["candidates"]["total"] == 4
    assert all(NO in detail for detail in done.prompts["detail"])
    before = {path.name: path.read_bytes() for path in sorted((tmp_path / "run" / "audit").iterdir())}
    with pytest.raises(judgegen.GateFailed, match="min_pairs") as again:
        judgegen.rewrite(tmp_path / "run")
    assert again.value.run.summary["lacking"] == done.summary["lacking"]
    assert {path.name: path.read_bytes() for path in sorted((tmp_path / "run" / "audit").iterdir())} == before


def test_an_answer_settles_the_trouble(tmp_path: Path) -> None:
    """A call that is answered later has no reason left beside it."""
    run(tmp_path / "run")
    with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as db, db:
        waiting = {call for (call,) in db.execute("SELECT call_id FROM troubles")}
        answered = {call for (call,) in db.execute("SELECT id FROM calls")}
    assert waiting
    assert not waiting & answered


def test_what_was_refused_for_good_is_not_promised_to_mend_itself() -> None:
    """Only where all of it was; the commonest three are named, most frequent first."""
    final = str(lacking("2 of 2 lack answers", {"rejected: no": 1, "refused: key": 1}))
    assert "mend what was refused" in final
    mixed = str(lacking("9 of 9", {"rejected: no": 4, "failing: 503": 3, "failing: a": 1, "failing: b": 1, "": 1}))
    assert "the same command asks for those again" in mixed
    assert mixed.index("4 x rejected") < mixed.index("3 x failing: 503") < mixed.index("1 x failing: a")
    assert "failing: b" not in mixed


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("failing: judge call to j at http://h/v1: 429 Slow down.", "ask more slowly"),
        ("failing: judge call to j at http://h/v1: 503 down", "the server has trouble"),
        ("failing: judge call to j at http://h/v1: no connection: Server disconnected", "see that the server runs"),
        ("failing: judge call to j at http://h/v1: an answer that is not JSON", "is not the API"),
    ],
)
def test_a_run_that_fails_says_what_to_do(reason: str, words: str) -> None:
    """Beside each of the commonest reasons stands its mend; not a second one, where the reason has its own."""
    assert f"x {reason}; " in str(lacking("1 of 2", {reason: 1}))
    assert words in str(lacking("1 of 2", {reason: 1}))
    own = f"{reason} (raise it)"
    assert words not in str(lacking("1 of 2", {own: 1}))
    assert words not in str(lacking("1 of 2", {f"rejected: {reason}": 1}))
