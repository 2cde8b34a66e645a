"""Servers that go wrong midway, over one row, or over a wish: an endpoint's fault is no row's, nor a row's its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sized import answered

import judgegen
from judgegen.errors import Incomplete, JudgegenError, ProviderRefused
from judgegen.watch import Watch

PROMPTS = [{"id": f"p{i}", "prompt": f"What is the use of subject {i}?"} for i in range(6)]
Body = dict[str, Any]
No = tuple[int, Any]
"""A status and a body; status 0 hangs up."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before another try are short."""
    monkeypatch.setattr("judgegen.llm.retry.FIRST_WAIT_S", 0.01)


@dataclass
class Server:
    """Answers over HTTP; candidates state a number, and its judge takes the larger. `no` says why a body gets none."""

    no: Callable[[Body, int], No | None]
    bodies: list[Body] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    no_after_s: float = 0.0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        if (no := self.no(body, len(self.bodies))) is None:
            return web.json_response(self.completion(body))
        await asyncio.sleep(self.no_after_s)
        status, said = no
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        return web.Response(status=status, text=text)

    def completion(self, body: Body) -> Body:
        text = answered(body["messages"][-1]["content"], body.get("seed", len(self.bodies)))
        choice = {"finish_reason": "stop", "message": {"content": text}}
        usage = {"prompt_tokens": 9, "completion_tokens": 3}
        return {"model": self.models.get(body["model"], body["model"]), "choices": [choice], "usage": usage}


class Ears(Watch):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def warned(self, message: str) -> None:
        self.told.append(message)

    adapted = warned


def ran(server: Server, out: Path, watch: Watch | None = None, **endpoint: Any) -> tuple[judgegen.Run | None, Any]:
    """A run against the server, and the error with which it ended."""

    async def main() -> tuple[judgegen.Run | None, Any]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", server.chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        here = {"base_url": url, "identity": "here", "price": {"input": 1, "output": 1}, "max_retries": 3, **endpoint}
        spec = {
            "prompts": "-",
            "endpoints": {"here": here},
            "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "a", "n": 2}]},
            "judge": {"endpoint": "here", "model": "large"},
        }
        try:
            return await judgegen.generate(spec, out=out, prompts=PROMPTS, watch=watch), None
        except JudgegenError as error:
            return error.run if isinstance(error.run, judgegen.Run) else None, error
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def judged(body: Body) -> bool:
    return bool(body["model"] == "large")


def about(body: Body, number: int) -> bool:
    return f"subject {number}?" in json.dumps(body)


UNTOLD: list[No] = [
    (403, "Forbidden"),
    (403, {"error": {"message": "Ihr Guthaben ist aufgebraucht."}}),
    (400, {"error": {"message": "Bad Request"}}),
]


@pytest.mark.parametrize("no", UNTOLD)
def test_an_endpoint_that_refuses_everything_midway_costs_no_row(no: No, tmp_path: Path) -> None:
    """It ends the run with its words, none of the calls is given up, and when it is well again all is done."""
    server = Server(lambda _, count: no if count > 16 else None)
    _, error = ran(server, tmp_path)
    assert isinstance(error, ProviderRefused)
    assert any(word in str(error) for word in ("Forbidden", "Guthaben", "Bad Request"))
    server.no = lambda body, _: None
    done, error = ran(server, tmp_path)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS)


@pytest.mark.parametrize("bad", [{5}, {0, 1}, {3, 4, 5}])
def test_rows_that_are_refused_are_given_up_though_none_is_left_beside_them(bad: set[int], tmp_path: Path) -> None:
    """Whether the endpoint or the rows are at fault is asked of the model by a word; the same command asks no more."""
    server = Server(lambda body, _: (400, {"error": "take turns"}) if any(about(body, one) for one in bad) else None)
    done, error = ran(server, tmp_path)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS) - len(bad)
    before = len(server.bodies)
    assert ran(server, tmp_path)[1] is None
    assert len(server.bodies) == before


LASTING: list[No] = [
    (500, {"error": {"message": "list index out of range"}}),
    (0, ""),
    (200, "<html><title>Request Rejected</title></html>"),
]


@pytest.mark.parametrize("late_s", [0.0, 0.2])
@pytest.mark.parametrize("no", LASTING)
def test_a_row_over_which_a_server_breaks_keeps_no_run_from_its_end(no: No, late_s: float, tmp_path: Path) -> None:
    """The first run leaves it open; the second, which meets the same, gives it up with the words; a third is idle.

    So it is where the server takes its time to break, and all others were answered before.
    """
    server = Server(lambda body, _: no if about(body, 3) and not judged(body) else None, no_after_s=late_s)
    done, error = ran(server, tmp_path)
    assert isinstance(error, Incomplete)
    done, error = ran(server, tmp_path)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS) - 1
    before = len(server.bodies)
    assert ran(server, tmp_path)[1] is None
    assert len(server.bodies) == before


def test_a_server_that_is_down_is_no_fault_of_the_rows_that_it_left(tmp_path: Path) -> None:
    """What fails in two runs while nothing is answered stays open."""
    server = Server(lambda _, count: (500, "down") if count > 14 else None)
    for _ in range(3):
        assert isinstance(ran(server, tmp_path)[1], Incomplete)
    server.no = lambda body, _: None
    done, error = ran(server, tmp_path)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS)


FALLS: list[No] = [(502, "<html>Bad Gateway</html>"), (503, ""), (504, "upstream request timeout"), (0, ""), (500, "")]


@pytest.mark.parametrize("no", FALLS)
@pytest.mark.parametrize("wish", ["response_format", "logprobs"])
def test_a_wish_over_which_a_server_falls_is_left_out(no: No, wish: str, tmp_path: Path) -> None:
    """Whoever says it, a gateway or nobody: the call is answered without, and what is taken stays."""
    server = Server(lambda body, _: no if wish in body else None)
    done, error = ran(server, tmp_path, max_concurrency=2)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS)
    other = {"response_format": "logprobs", "logprobs": "response_format"}[wish]
    assert wish not in server.bodies[-1]
    assert other in server.bodies[-1]


FORM = {"error": {"message": "Failed to generate JSON", "code": "json_validate_failed"}}


def test_a_form_that_a_model_never_keeps_is_not_asked_for(tmp_path: Path) -> None:
    """What fails by chance every time is no chance; the verdicts are asked for in words."""
    server = Server(lambda body, _: (400, FORM) if "response_format" in body else None)
    done, error = ran(server, tmp_path)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS)


DAILY: list[Any] = [
    {"error": {"message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more", "code": 429}},
    {"message": "Too many tokens per day, please wait before trying again."},
    {"error": {"message": "\u4eca\u65e5\u514d\u8d39\u8c03\u7528\u6b21\u6570\u5df2\u8fbe\u4e0a\u9650"}},
    [{"error": {"message": "Slow.", "details": [{"quotaId": "RequestsPerDayPerProject"}, {"retryDelay": "0.01s"}]}}],
]


@pytest.mark.parametrize("said", DAILY)
def test_a_day_that_is_used_up_ends_the_run_until_another(said: Any, tmp_path: Path) -> None:
    """Told in words alone, or with a wait that does not last: nobody waits for it call by call."""
    server = Server(lambda _, count: (429, said) if count > 14 else None)
    _, error = ran(server, tmp_path, max_retries=6)
    assert isinstance(error, Incomplete)
    assert "another day" in str(error)
    assert len(server.bodies) < 14 + 24


def test_a_minute_that_is_used_up_is_waited_for(tmp_path: Path) -> None:
    """Though what may be asked in a day stands beside it."""
    said = {"error": {"message": "60 requests per minute (5000 per day). Slow down."}}
    server = Server(lambda _, count: (429, said) if 14 < count < 20 else None)
    assert ran(server, tmp_path, max_retries=6)[1] is None


def test_a_model_that_is_exchanged_midway_is_told_of(tmp_path: Path) -> None:
    """By both names, once."""
    ears = Ears()
    server = Server(lambda _, __: None)

    def exchanged(_: Body, count: int) -> None:
        if count > 8:
            server.models["small"] = "tiny"

    server.no = exchanged
    assert ran(server, tmp_path, ears)[1] is None
    assert sum("'small' at first, and now is by 'tiny'" in told for told in ears.told) == 1


BUSY = {"error": {"code": "model_not_found", "message": "No available channel for model large"}}


def test_a_gateway_that_has_nobody_for_a_model_says_which(tmp_path: Path) -> None:
    """With a 503: where the model never answered the run ends at once; where it did, it is waited for."""
    server = Server(lambda body, _: (503, BUSY) if judged(body) else None)
    _, error = ran(server, tmp_path)
    assert isinstance(error, ProviderRefused)
    assert "judge.model = 'large'" in str(error)
    missed = Server(lambda body, count: (503, BUSY) if judged(body) and count % 5 == 0 and count > 16 else None)
    assert ran(missed, tmp_path / "other")[1] is None


UPSTREAM = {"choices": [{"error": {"code": 502, "message": "Provider returned error"}, "finish_reason": "error"}]}


@pytest.mark.parametrize(
    "said",
    [
        (499, {"status": "CANCELLED"}),
        (400, {"__type": "ThrottlingException"}),
        (403, {"message": "Too many requests"}),
        (424, {"error": "Request failed during generation: Server error", "error_type": "generation"}),
        (200, UPSTREAM),
    ],
)
def test_what_passes_is_waited_for_whatever_its_status(said: No, tmp_path: Path) -> None:
    """Every candidate is there in the end."""
    server = Server(lambda _, count: said if count % 4 == 0 else None)
    done, error = ran(server, tmp_path, max_retries=8)
    assert error is None
    assert done is not None
    assert len(done.preferences) == len(PROMPTS)


def test_why_calls_were_refused_for_good_is_said_where_the_run_ends(tmp_path: Path) -> None:
    """The summary and the warning have the provider's words, from the journal as well: no table has to be opened."""
    words = "This request trips rule 17 of the house"

    def no(body: Body, _: int) -> No | None:
        trips = judged(body) and any(about(body, number) for number in (4, 5))
        return (400, {"error": {"message": words}}) if trips else None

    ears, again = Ears(), Ears()
    done, _ = ran(Server(no), tmp_path, ears)
    assert done is not None
    (row,) = done.summary["failures"]
    assert (row["role"], row["model"], row["reason"], row["words"]) == ("judge", "large", "rejected", words)
    assert row["calls"] == 4
    assert any("4 ended with 'rejected'" in told and words in told for told in ears.told)
    assert judgegen.rewrite(tmp_path, watch=again).summary["failures"] == [row]
    assert any("4 ended with 'rejected'" in told and words in told for told in again.told)
