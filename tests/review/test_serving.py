from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from shown import many, written

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def server(tmp_path: Path, popen: Start) -> Callable[[], tuple[Any, str]]:
    """Starts `judgegen review` on a run: the process and its address."""
    written(tmp_path / "mine", many(12))

    def start() -> tuple[Any, str]:
        command = [sys.executable, "-m", "judgegen", "review", "mine", "--annotator", "me"]
        process = popen(command, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    return start


def asked(address: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """The status and JSON, or text, of a request as the page would make it, but for what `headers` change."""
    parts = urlsplit(address)
    base = f"http://{parts.netloc}"
    given = {"X-Token": parse_qs(parts.query)["token"][0], "Origin": base, **headers}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data=data, headers={k: v for k, v in given.items() if v})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.slow
def test_only_the_page_itself_is_answered(server: Callable[[], tuple[Any, str]], tmp_path: Path) -> None:
    """No token, a wrong one, another origin, another host name, a vote from nowhere: refused, and nothing is kept."""
    _, address = server()
    status, state = asked(address, "/state")
    assert status == 200
    vote = {"id": state["item"]["id"], "vote": "1"}
    for headers in (
        {"X-Token": ""},
        {"X-Token": "wrong"},
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ):
        assert asked(address, "/vote", vote, **headers)[0] == 403, headers
    assert asked(address, "/vote", {"id": "nothing", "vote": "1"})[0] == 400
    assert asked(address, "/vote", {**vote, "vote": "3"})[0] == 400
    assert asked(address, "/vote", ["no"])[0] == 400
    assert (tmp_path / "mine" / "labels.jsonl").read_bytes() == b""


@pytest.mark.slow
def test_a_killed_server_has_lost_no_label(server: Callable[[], tuple[Any, str]], tmp_path: Path) -> None:
    """After kill -9 the labels that were answered are there, and the next server goes on with the next pair."""
    process, address = server()
    voted = []
    for key in ("1", "2", "0", "1"):
        item = asked(address, "/state")[1]["item"]
        assert asked(address, "/vote", {"id": item["id"], "vote": key})[0] == 200
        voted.append(item["id"])
    process.kill()
    process.wait(20)
    _, address = server()
    state = asked(address, "/state")[1]
    assert state["progress"]["done"] == 4
    assert state["item"]["id"] not in voted
    lines = (tmp_path / "mine" / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == voted


@pytest.mark.slow
def test_the_queue_is_handed_on_without_a_server(tmp_path: Path) -> None:
    """--export prints it and ends."""
    written(tmp_path / "mine", many(3))
    command = [sys.executable, "-m", "judgegen", "review", "mine", "--export", "argilla"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 3
