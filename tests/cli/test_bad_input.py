from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
RUN_FILE = """\
prompts = "prompts.jsonl"
[endpoints.server]
base_url = "{url}"
price = {{ input = 1, output = 1 }}
[sampler]
endpoint = "server"
model = "m"
[[sampler.variants]]
name = "plain"
n = 2
[judge]
endpoint = "server"
model = "m"
"""
PROMPTS = '{"prompt": "one"}\n{"prompt": "two"}\n'


@pytest.fixture
def requests() -> Iterator[tuple[str, list[str]]]:
    """A server's address and the requests it got."""
    seen: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_error(500)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()
    thread.join()
    server.server_close()


def lines(*rows: str) -> bytes:
    return "".join(row + "\n" for row in rows).encode()


def change(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


CASES: dict[str, tuple[Callable[[str], str], dict[str, bytes], list[str]]] = {
    "broken TOML": (change("[sampler]", "[sampler"), {}, ["run.toml", "not TOML", "line"]),
    "unknown key": (change("n = 2", "n = 2\ntemprature = 0.3"), {}, ["temprature", "did you mean 'temperature'?"]),
    "unknown table": (lambda text: text + "[judges]\n", {}, ["judges", "'judge'"]),
    "missing prompts": (change("prompts.jsonl", "none.jsonl"), {}, ["none.jsonl"]),
    "empty prompts": (str, {"prompts.jsonl": b""}, ["prompts.jsonl"]),
    "blank prompts": (str, {"prompts.jsonl": b"\n\n  \n"}, ["prompts.jsonl"]),
    "a line that is not JSON": (str, {"prompts.jsonl": lines('{"prompt": "a"}', "{nonsense")}, ["prompts.jsonl", "2"]),
    "a line without a prompt": (str, {"prompts.jsonl": lines('{"prompt": "a"}', "{}", '{"id": "x"}')}, ["2", "3"]),
    "not UTF-8": (str, {"prompts.jsonl": b'{"prompt": "caf\xe9"}\n'}, ["prompts.jsonl", "UTF-8"]),
    "run file not UTF-8": (lambda text: text.replace('"m"', '"\udce9"', 1), {}, ["run.toml", "UTF-8"]),
    "duplicate ids": (
        str,
        {"prompts.jsonl": lines('{"id": "x", "prompt": "a"}', '{"id": "x", "prompt": "b"}')},
        ["'x'", "1", "2"],
    ),
    "template with an unknown field": (
        change("[judge]\n", '[judge]\ntemplate = "mine.md"\n'),
        {"mine.md": b"---\nreturns: pairwise\n---\n{{ promt }} {{ first }} {{ second }}\n"},
        ["mine.md"],
    ),
    "template that is not there": (change("[judge]\n", '[judge]\ntemplate = "none.md"\n'), {}, ["none.md"]),
    "nothing to compare": (change("n = 2", "n = 1"), {}, ["nothing to compare"]),
    "unknown format": (lambda text: text + '[output]\nformats = ["opnai-dpo"]\n', {}, ["opnai-dpo", "openai-dpo"]),
    "no price": (change("price = { input = 1, output = 1 }\n", ""), {}, ["price", "endpoints.server"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_said_before_anything_is_sent(
    judgegen: Command, tmp_path: Path, requests: tuple[str, list[str]], case: str
) -> None:
    """Exit code 2, a message that names the place, nothing sent and nothing left behind."""
    url, seen = requests
    mend, extra, words = CASES[case]
    text = mend(RUN_FILE.format(url=url))
    (tmp_path / "run.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, content in {"prompts.jsonl": PROMPTS.encode(), **extra}.items():
        (tmp_path / name).write_bytes(content)
    done = judgegen("run", "run.toml", "--out", "out")
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert seen == []
    assert not (tmp_path / "out").exists()


def test_a_run_file_that_is_not_there(judgegen: Command) -> None:
    """A missing run file is exit code 2 and names the command that writes one."""
    done = judgegen("run", "none.toml")
    assert done.returncode == 2
    assert "none.toml" in done.stderr
    assert "judgegen init" in done.stderr


def test_a_folder_in_place_of_a_file_is_answered_with_the_file(judgegen: Command, tmp_path: Path) -> None:
    """Of what `init` wrote, and of a run; whatever command it is given to."""
    assert judgegen("init", "mine").returncode == 0
    for command in ("run", "estimate", "rehearse", "probe"):
        done = judgegen(command, "mine")
        assert done.returncode == 2
        assert "its run file is mine/run.toml" in done.stderr
    assert "mine: cannot be read (Is a directory)" in judgegen("validate", "mine", "--for", "trl-dpo").stderr
    (tmp_path / "mine" / "journal.sqlite").touch()
    assert "its pairs are in mine/preferences.jsonl" in judgegen("inspect", "mine").stderr


@pytest.mark.parametrize("out", ["mine.toml", "mine.toml/inside"])
def test_a_file_in_the_way_of_a_run_folder_is_told_with_the_mend(judgegen: Command, tmp_path: Path, out: str) -> None:
    """Exit code 2, and another place is asked for."""
    (tmp_path / "prompts.jsonl").write_text(PROMPTS)
    (tmp_path / "mine.toml").write_text(RUN_FILE.format(url="http://127.0.0.1:9/v1"))
    done = judgegen("run", "mine.toml", "--out", out)
    assert done.returncode == 2
    assert re.search(r"error: mine.toml\S*: .*name another", done.stderr)


def test_what_is_no_runs_folder_is_not_rewritten(judgegen: Command, tmp_path: Path) -> None:
    """Neither one without a run file nor one that is not there."""
    (tmp_path / "empty").mkdir()
    assert "no run's folder (it has no run.toml)" in judgegen("write", "empty").stderr
    assert "nowhere: no such folder" in judgegen("write", "nowhere").stderr


def test_all_bad_lines_are_listed_up_to_twenty(judgegen: Command, tmp_path: Path) -> None:
    """Of thirty bad lines the first twenty are named by number and the rest counted."""
    (tmp_path / "run.toml").write_text(RUN_FILE.format(url="http://127.0.0.1:9/v1"))
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "good"}\n' + "bad\n" * 30)
    done = judgegen("run", "run.toml")
    assert done.returncode == 2
    named = [int(number) for number in re.findall(r"prompts\.jsonl: line (\d+): ", done.stderr)]
    assert named == list(range(2, 22))
    assert "10 more" in done.stderr
