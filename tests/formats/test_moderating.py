"""Laws of looking at a file with a guard: every side is asked once and journaled, and nothing unread is called safe."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judgegen.cli import app
from judgegen.errors import Incomplete
from judgegen.exchange.export import export
from judgegen.exchange.moderating import Moderated, moderate
from judgegen.exchange.validate import validate
from judgegen.formats.consumers import consumer

Asked = list[tuple[str, dict[str, Any]]]


class Guard(BaseHTTPRequestHandler):
    """Flags what says "harm", by the moderation route and as a guard model; answers nonsense to what says "riddle"."""

    asked: Asked

    def do_POST(self) -> None:
        """Answer one request."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, body))
        text = body["input"] if "input" in body else body["messages"][-1]["content"]
        harm = "harm" in text
        said = "unsafe\nviolence" if harm else "hm" if "riddle" in text else "safe"
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        answer: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": said}}], "usage": usage}
        if "input" in body:
            answer = {"model": "m", "results": [{"flagged": harm, "categories": {"violence": harm, "hate": False}}]}
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: Any) -> None:
        """Tell nobody."""


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Asked]]:
    """The address of a guard, and what it was asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    asked: Asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Guard,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    server.server_close()
    thread.join()


def answer(words: str) -> list[dict[str, str]]:
    """A side."""
    return [{"role": "assistant", "content": words}]


@pytest.fixture
def file(make: Any, tmp_path: Path) -> Path:
    """Twelve pairs: a harmful chosen side in line 3, a harmful rejected one in line 5, a riddle in line 8."""
    found = [make.plain(n) for n in range(1, 13)]
    found[2] = found[2] | {"chosen": answer("do harm")}
    found[4] = found[4] | {"rejected": answer("more harm")}
    found[7] = found[7] | {"rejected": answer("a riddle")}
    export(found, "openai-dpo", tmp_path / "pairs.jsonl")
    return tmp_path / "pairs.jsonl"


def looked(file: Path, where: str, model: str | None) -> Moderated:
    """The file before the guard."""
    return moderate(file, consumer("openai-dpo"), where, model)


def test_the_moderation_route_flags_and_is_asked_once(guard: tuple[str, Asked], file: Path, tmp_path: Path) -> None:
    """Both sides of each row go to /moderations; what is flagged is warned of and left out; again, nothing is asked."""
    where, asked = guard
    found = looked(file, where, None)
    assert {path for path, _ in asked} == {"/v1/moderations"}
    assert len(asked) == 24
    assert (found.rows, found.unreadable, found.usd) == (12, [], Decimal(0))
    assert found.flagged == {3: ("violence",), 5: ("violence",)}
    assert looked(file, where, None).flagged == found.flagged
    assert len(asked) == 24
    fixed = tmp_path / "fixed.jsonl"
    report = validate(file, "openai-dpo", fixed=fixed, flagged=found.flagged)
    assert [(f.words, f.fatal, f.lines) for f in report.findings] == [("a side is flagged: violence", False, [3, 5])]
    assert "harm" not in fixed.read_text()


def test_a_guard_model_is_priced_and_its_nonsense_is_not_safe(
    guard: tuple[str, Asked], file: Path, tmp_path: Path
) -> None:
    """A model by chat, with the price of a TOML file: what it cost is the journal's, and unread rows are told of."""
    where, asked = guard
    table = tmp_path / "guard.toml"
    table.write_text(f'[endpoints.guard]\nbase_url = "{where}"\nprice = {{ input = 1.0, output = 10.0 }}\n')
    found = looked(file, str(table), "llama-guard")
    assert {path for path, _ in asked} == {"/v1/chat/completions"}
    assert (sorted(found.flagged), found.unreadable) == ([3, 5], [8])
    assert found.usd == len(asked) * Decimal("0.0002")
    assert [m["role"] for m in asked[0][1]["messages"]] == ["user", "assistant"]


def test_a_priced_guard_is_asked_where_money_was_allowed(guard: tuple[str, Asked], file: Path, tmp_path: Path) -> None:
    """Off a terminal a guard with a price needs --yes or a cap, and the one without asks as it stands."""
    where, asked = guard
    table = tmp_path / "guard.toml"
    table.write_text(f'[endpoints.guard]\nbase_url = "{where}"\nprice = {{ input = 1.0, output = 10.0 }}\n')
    look = ["validate", str(file), "--for", "openai-dpo", "--moderate"]
    refused = CliRunner().invoke(app, [*look, str(table), "--guard", "llama-guard"])
    assert refused.exit_code == 2
    assert "add --yes, or a cap" in refused.output
    assert asked == []
    for allowed in (["--yes"], ["--max-usd", "1"]):
        asked.clear()
        shutil.rmtree(file.with_name(f"{file.name}.moderation"), ignore_errors=True)
        assert CliRunner().invoke(app, [*look, str(table), "--guard", "llama-guard", *allowed]).exit_code == 0
        assert len(asked) == 24
    assert CliRunner().invoke(app, [*look, where]).exit_code == 0


def test_a_guard_that_is_not_there_leaves_nothing_called_safe(
    guard: tuple[str, Asked], file: Path, tmp_path: Path
) -> None:
    """Without an answer the command ends as incomplete and says what to do; nothing is reported of the file."""
    nowhere = guard[0].rsplit(":", 1)[0] + ":9/v1"
    table = tmp_path / "guard.toml"
    table.write_text(f'[endpoints.guard]\nbase_url = "{nowhere}"\nmax_retries = 0\n')
    with pytest.raises(Incomplete, match=r"answers nothing: no connection"):
        looked(file, str(table), None)
