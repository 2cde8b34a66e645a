"""Batch files in a folder: whoever answers them, however oddly, the run is the one that was asked live."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import BudgetReached, Incomplete, OutputError, SpecError, Waiting
from judgegen.simulator import offline
from judgegen.simulator.server import serving
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted, parse
from judgegen.watch import Watch

PROMPTS = [f"Explain fact number {number} about rivers." for number in range(4)]
WORLD = Scripted(accuracy=0.9, unreadable_rate=0.15, seed=3)
JUDGES: dict[str, dict[str, Any]] = {
    "sampler": {"pairs": {"select": "delta", "stronger": "plain", "weaker": "hot"}},
    "pairwise": {"judge": {}},
    "rubric": {"judge": {"method": "rubric"}},
}


def table(need: str = "pairwise", **endpoint: Any) -> dict[str, Any]:
    given = {"base_url": "http://127.0.0.1:9/v1", "identity": "sim", "price": {"input": 1, "output": 4}, **endpoint}
    variants = [{"name": "plain", "temperature": 0.7, "system": "Be terse."}, {"name": "hot", "temperature": 1.4}]
    judge = {"endpoint": "sim", "model": "large", **JUDGES[need]["judge"]} if "judge" in JUDGES[need] else None
    return {
        "prompts": "-",
        "endpoints": {"sim": given},
        "sampler": {"endpoint": "sim", "model": "small", "max_tokens": 200, "variants": variants},
        **({"judge": judge} if judge else JUDGES[need]),
    }


class Told(Watch):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.lines: list[str] = []

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def engine(self, line: str) -> None:
        self.lines.append(line)


def run(spec: dict[str, Any], out: Path, files: Path | None = None, **options: Any) -> judgegen.Run:
    given = {"prompts": PROMPTS, **options}
    return asyncio.run(judgegen.generate(spec, out=out, batch_file=files, **given))


def requests(files: Path, model: str = "") -> list[Path]:
    """The files that wait to be answered, by this model."""
    named = re.compile(rf"{model or '[a-z]+'}-[0-9a-f]{{8}}.jsonl")
    return [path for path in sorted(files.glob("*.jsonl")) if named.fullmatch(path.name)]


def answer(path: Path) -> Path:
    output = path.with_suffix(".answers.jsonl")
    offline.answer(WORLD, BatchSettings(), path, output)
    return output


def by_hand(spec: dict[str, Any], out: Path, files: Path) -> int:
    """The same command until it is done, each file answered in between; how often it was said."""
    for turn in range(1, 20):
        with suppress(Waiting):
            run(spec, out, files)
            return turn
        for path in requests(files):
            answer(path)
    raise AssertionError("never done")


def live(need: str, out: Path) -> bytes:
    """The preferences of the same run file, asked of a server."""

    async def main() -> None:
        async with serving(WORLD) as served:
            await judgegen.generate(table(need, base_url=served.url), out=out, prompts=PROMPTS)

    asyncio.run(main())
    return (out / "preferences.jsonl").read_bytes()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Known:
    """The preferences of the run file with `pairwise`, asked live, and every row that answers it."""

    bytes: bytes
    answers: dict[str, str]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """What all tests of this file compare with, made once."""
    folder = tmp_path_factory.mktemp("known")
    by_hand(table(), folder / "run", folder / "files")
    found = [row for path in (folder / "files").iterdir() for row in rows(path)]
    return Known(live("pairwise", folder / "live"), {row["custom_id"]: json.dumps(row) for row in found})


@pytest.mark.parametrize("need", JUDGES)
def test_answered_by_hand_it_is_the_live_run(need: str, tmp_path: Path) -> None:
    """Sampler and judge in files, judge after sampler, unreadable verdicts again: the bytes of one that asked."""
    turns = by_hand(table(need), tmp_path / "run", tmp_path / "files")
    assert turns >= 2
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == live(need, tmp_path / "live") != b""
    assert requests(tmp_path / "files") == []
    asked = [row["custom_id"] for path in (tmp_path / "files").iterdir() for row in rows(path)]
    assert len(asked) == len(set(asked))
    assert run(table(need), tmp_path / "run", tmp_path / "files").summary["calls"]["from_journal"] == len(asked)


def test_it_ends_saying_what_to_do(tmp_path: Path) -> None:
    """Exit code 5, the file, a command that answers it; said again it says the same and writes no other file."""
    files = tmp_path / "batch files"
    for _ in range(2):
        with pytest.raises(Waiting) as ended:
            run(table(), tmp_path / "run", files)
        (path,) = requests(files)
        assert ended.value.exit_code == 5
        words = shlex.split(str(ended.value).splitlines()[1])
        assert words == [
            "vllm",
            "run-batch",
            "-i",
            str(path),
            "-o",
            f"{str(path)[:-6]}.answers.jsonl",
            "--model",
            "small",
        ]
        assert ended.value.run.summary["drops"] == {"incomplete": len(PROMPTS)}
    (row, *_) = rows(path)
    assert (row["method"], row["url"], row["body"]["model"]) == ("POST", "/v1/chat/completions", "small")
    path.unlink()
    with pytest.raises(Waiting):
        run(table(), tmp_path / "run", files)
    assert requests(files) == [path]  # what is gone is written again


def test_whatever_lies_there_is_told_and_not_trusted(tmp_path: Path, known: Known) -> None:
    """Any order and file, twice, cut off, of strangers, of another model, errors: what answers is taken, once."""
    spec, out, files = table(), tmp_path / "run", tmp_path / "files"
    with pytest.raises(Waiting):
        run(spec, out, files)
    (asked,) = requests(files)
    lines = rows(answer(asked))
    asked.with_suffix(".answers.jsonl").unlink()
    other = {
        **lines[0],
        "response": {**lines[0]["response"], "body": {**lines[0]["response"]["body"], "model": "tiny"}},
    }
    failed = {**lines[1], "response": {"status_code": 500, "request_id": "r", "body": None}, "error": "engine died"}
    stranger = {**lines[2], "custom_id": "request-1"}
    text = "\n".join(map(json.dumps, [lines[5], lines[4], lines[4], stranger, other, 3, rows(asked)[0]]))
    (files / "b_output.jsonl").write_text(f"{text}\nno JSON\n{json.dumps(lines[3])[:40]}", encoding="utf-8")
    (files / "a_error.jsonl").write_text(json.dumps(failed) + "\n", encoding="utf-8")
    told = Told()
    with pytest.raises(Waiting):
        run(spec, out, files, watch=told)
    said = " ".join(told.warnings)
    for words in (
        "b_output.jsonl: 2 answers taken in",
        "1 came for calls that were answered before",
        "1 for no call that this run asks",
        "1 say that tiny answered, not small",
        "2 lines are no rows of a batch file",
        "the last line is cut off",
        "a_error.jsonl: 0 answers taken in; 1 bring an error: engine died",
    ):
        assert words in said
    (path,) = requests(files, "small")
    again = {row["custom_id"] for row in rows(path)}
    assert again == {row["custom_id"] for row in lines} - {lines[number]["custom_id"] for number in (4, 5)}
    with (files / "b_output.jsonl").open("a", encoding="utf-8") as file:  # the cut line goes on
        file.write(json.dumps(lines[3])[40:] + "\n")
    told = Told()
    with pytest.raises(Waiting):
        run(spec, out, files, watch=told)
    assert told.warnings == []  # of what was told before, nothing is told again
    (third,) = requests(files, "small")
    assert again - {row["custom_id"] for row in rows(third)} == {lines[3]["custom_id"]}
    by_hand(spec, out, files)
    assert (out / "preferences.jsonl").read_bytes() == known.bytes


def test_a_lost_run_folder_is_made_again_of_the_files(tmp_path: Path) -> None:
    """Answers that nobody waited for when their file was read are found when they are asked for."""
    by_hand(table(), tmp_path / "run", tmp_path / "files")
    again = run(table(), tmp_path / "another", tmp_path / "files")
    assert requests(tmp_path / "files") == []
    assert (tmp_path / "another" / "preferences.jsonl").read_bytes() == (
        tmp_path / "run" / "preferences.jsonl"
    ).read_bytes()
    assert again.summary["pairs"] > 0


def test_a_folder_that_cannot_be_written_is_told_and_another_one_serves(tmp_path: Path, known: Known) -> None:
    """Nothing of it is with a provider: it says which folder and why, and goes on with the next one it is told of."""
    (tmp_path / "taken").write_text("a file where a folder should be", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(OutputError, match=r"taken: batch files cannot be written there .* --batch-file"):
            run(table(), tmp_path / "run", tmp_path / "taken")
    with pytest.raises(Waiting, match=f"{2 * len(PROMPTS)} calls wait in one file"):
        run(table(), tmp_path / "run", tmp_path / "files")
    by_hand(table(), tmp_path / "run", tmp_path / "files")
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes


def test_killed_before_a_file_is_written_it_is_written_then(tmp_path: Path) -> None:
    """What is written down and lies nowhere yet is known to be a file: the same command writes it, or asks it live."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        run(table(), tmp_path / "run", tmp_path / "taken")
    with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as db:
        assert db.execute("SELECT state, substr(provider_id, 1, 5) FROM batches").fetchall() == [("intended", "file:")]
    live("pairwise", tmp_path / "run")


def test_no_key_stands_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in requests nor in what is kept of an engine that prints it."""
    monkeypatch.setenv("SIM_KEY", "sk-a-key-of-some-length")
    monkeypatch.setenv("SIM_TEAM", "a-team-token-of-ours")
    print_it = [sys.executable, "-c", "import os; print(os.environ['SIM_KEY'])", "{input}", "{output}"]
    secret: dict[str, Any] = {"api_key_env": "SIM_KEY", "headers": {"X-Team": "env:SIM_TEAM"}}
    spec = table(**secret, provider="batch-file", command=shlex.join(print_it))
    told = Told()
    with pytest.raises(Incomplete, match="wrote no answer"):
        run(spec, tmp_path / "run", tmp_path / "files", watch=told)
    with pytest.raises(Waiting):
        run(table(**secret), tmp_path / "hand", tmp_path / "files")
    assert told.lines == ["[secret]"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"sk-a-key" not in path.read_bytes()
            assert b"a-team-token" not in path.read_bytes()


def test_a_cap_holds_over_files(tmp_path: Path, known: Known) -> None:
    """What does not fit at its worst is in no file, and a higher cap goes on."""
    spec, files = table(), tmp_path / "files"
    with pytest.raises(Waiting):
        run(spec, tmp_path / "run", files, max_usd="0.003")
    (path,) = requests(files)
    assert 0 < len(rows(path)) < 2 * len(PROMPTS)
    answer(path)
    with pytest.raises((BudgetReached, Waiting)) as ended:
        run(spec, tmp_path / "run", files, max_usd="0.003")
    assert ended.value.run.summary["cost_usd"]["total"] <= "0.003"
    by_hand(spec, tmp_path / "run", files)
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes


def test_a_judge_may_be_asked_live_beside_it(tmp_path: Path, known: Known) -> None:
    """The sampler's endpoint is a folder's, the judge's a server: it sees the judge's calls alone."""

    async def main() -> None:
        async with serving(WORLD) as served:
            spec = table()
            spec["endpoints"]["sim"] |= {"provider": "batch-file", "command": ENGINE}
            spec["endpoints"]["asked"] = {**table()["endpoints"]["sim"], "base_url": served.url}
            spec["judge"]["endpoint"] = "asked"
            await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS)
            assert served.tally.row()["sampler"] == 0 < served.tally.row()["judge"]
            assert served.tally.row()["repeats"] == 0

    asyncio.run(main())
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes


def test_what_is_with_a_provider_is_fetched_first(tmp_path: Path) -> None:
    """A batch that is paid for is not left there for files; files are left for a server without a word."""

    async def main() -> None:
        async with serving(WORLD, batches=BatchSettings(seconds=60)) as served:
            spec = table(base_url=served.url)
            with pytest.raises(Waiting):
                await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS, batch=True)
            with pytest.raises(SpecError, match="fetch them first"):
                await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS, batch_file=tmp_path / "files")
            with pytest.raises(Waiting):
                await judgegen.generate(spec, out=tmp_path / "two", prompts=PROMPTS, batch_file=tmp_path / "files")
            with pytest.raises(Waiting, match="with the provider"):
                await judgegen.generate(spec, out=tmp_path / "two", prompts=PROMPTS, batch=True)
            with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as kept, kept:
                kept.execute("UPDATE batches SET provider_id = NULL, state = 'intended'")  # killed while submitting
            with pytest.raises(SpecError, match="may be with its provider"):
                await judgegen.generate(spec, out=tmp_path / "run", prompts=PROMPTS, batch_file=tmp_path / "files")

    asyncio.run(main())


ENGINE = shlex.join([sys.executable, *"-m judgegen simulate -i {input} -o {output}".split()])
ENGINE += " --accuracy 0.9 --unreadable-rate 0.15 --seed 3"


@pytest.mark.slow
def test_a_command_answers_round_after_round(tmp_path: Path, known: Known) -> None:
    """One invocation to the end, its files in the run folder, what it prints in run.log: the bytes of the live run."""
    told = Told()
    done = run(table(provider="batch-file", command=ENGINE), tmp_path / "run", watch=told)
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes
    assert len(told.lines) >= 2
    assert told.lines[0].startswith(f"{2 * len(PROMPTS)} rows written to {tmp_path / 'run' / 'batch-files'}")
    log = rows(tmp_path / "run" / "run.log")
    assert [row["message"] for row in log if row["event"] == "engine"] == told.lines
    assert {path.suffix for path in (tmp_path / "run" / "batch-files").iterdir()} == {".jsonl"}
    assert done.summary["pairs"] > 0


def script(folder: Path, known: Known, *lines: str) -> str:
    """A command that runs these lines of Python; `rows` are the ids to answer, `write` answers one and notes it."""
    (folder / "known.json").write_text(json.dumps(known.answers), encoding="utf-8")
    head = (
        "import json, sys, time, os",
        f"known = json.load(open({str(folder / 'known.json')!r}))",
        "rows = [json.loads(line)['custom_id'] for line in open(sys.argv[1])]",
        "out = open(sys.argv[2], 'w')",
        "def write(row):",
        f"    with open({str(folder / 'paid.txt')!r}, 'a') as paid: print(row, file=paid)",
        "    print(known[row], file=out, flush=True)",
    )
    path = folder / "engine.py"
    path.write_text("\n".join((*head, *lines)) + "\n", encoding="utf-8")
    return shlex.join([sys.executable, "-S", str(path), "{input}", "{output}"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["sys.exit('CUDA out of memory')"], "ended with status 1, saying: CUDA out of memory"),
        (["os.kill(os.getpid(), 9)"], "was ended by SIGKILL"),
        (["pass"], "wrote no answer to "),
    ],
)
def test_a_failing_command_is_an_error_with_the_mend(
    tmp_path: Path, known: Known, lines: list[str], words: str
) -> None:
    """Its end and last words are told; what it did answer is kept, and the next command asks for the rest alone."""
    spec = table(provider="batch-file", command=script(tmp_path, known, *lines))
    with pytest.raises(Incomplete, match=words) as ended:
        run(spec, tmp_path / "run")
    assert "the same command goes on" in str(ended.value)
    spec = table(provider="batch-file", command=script(tmp_path, known, "for row in rows[:3]: write(row)", *lines))
    if lines != ["pass"]:
        with pytest.raises(Incomplete, match=words):
            run(spec, tmp_path / "run")
    script(tmp_path, known, "for row in rows: write(row)")
    run(spec, tmp_path / "run")
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes
    assert set(Counter((tmp_path / "paid.txt").read_text().split()).values()) == {1}


def test_what_cannot_be_started_is_a_run_file_to_mend(tmp_path: Path) -> None:
    """Exit code 2, with the key and the word."""
    with pytest.raises(SpecError, match=r"endpoint 'sim': command: 'no-such-engine' cannot be started \(No such file"):
        run(table(provider="batch-file", command="no-such-engine -i {input} -o {output}"), tmp_path / "run")


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ({"provider": "batch-file", "command": "vllm run-batch"}, "has to name {input}"),
        ({"provider": "batch-file", "command": "v {input} {output} {modell}"}, "{modell} is not one of"),
        ({"provider": "batch-file", "command": "v '{input} {output}"}, "cannot be split into words"),
        ({"command": "v {input} {output}"}, 'command goes with provider = "batch-file"'),
    ],
)
def test_a_command_that_cannot_work_is_refused(endpoint: dict[str, Any], words: str) -> None:
    """When the run file is read."""
    with pytest.raises(SpecError) as ended:
        parse(table(**endpoint))
    assert words in str(ended.value)


def test_braces_of_json_are_left_alone(tmp_path: Path) -> None:
    """A command may hold a JSON text; only its three names are filled in, and no shell reads any of it."""
    asks = [sys.executable, "-c", "import sys; print(sys.argv[1:])", '{"top_k": {}} $HOME', "{input}{output}"]
    told = Told()
    with pytest.raises(Incomplete):
        run(table(provider="batch-file", command=shlex.join(asks)), tmp_path / "run", watch=told)
    assert """'{"top_k": {}} $HOME'""" in told.lines[0]


def test_typed_questions_are_in_no_file(tmp_path: Path) -> None:
    """A decision model is asked at a server; said before anything is written."""
    spec = table()
    spec["judge"] |= {"api": "decisions"}
    with pytest.raises(SpecError, match="batch files hold chats"):
        run(spec, tmp_path / "run", tmp_path / "files")
    assert not (tmp_path / "files").exists()


RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.sim]
provider = "batch-file"
identity = "sim"
price = {{ input = 1, output = 4 }}
command = {command}
[sampler]
endpoint = "sim"
model = "small"
max_tokens = 200
variants = [
  {{ name = "plain", temperature = 0.7, system = "Be terse." }},
  {{ name = "hot", temperature = 1.4 }},
]
[judge]
endpoint = "sim"
model = "large"
"""


@pytest.fixture
def started(tmp_path: Path, known: Known, popen: Callable[..., subprocess.Popen[bytes]]) -> Callable[[], Any]:
    """Starts the same run over a slow engine."""
    command = script(tmp_path, known, "for row in rows: time.sleep(0.15); write(row)")
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    (tmp_path / "mine.toml").write_text(RUN_FILE.format(command=json.dumps(command)), encoding="utf-8")
    words = [sys.executable, "-m", "judgegen", "run", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run")]
    return lambda: popen([*words, "--quiet", "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def paid(folder: Path, least: int) -> list[str]:
    """The ids that the engine answered, when there are so many."""
    path = folder / "paid.txt"
    for _ in range(600):
        found = path.read_text(encoding="utf-8").split() if path.exists() else []
        if len(found) >= least:
            return found
        time.sleep(0.05)
    raise AssertionError("the engine does not work")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_stopped_nothing_is_answered_twice(
    number: signal.Signals, tmp_path: Path, known: Known, started: Callable[[], Any]
) -> None:
    """An engine that a kill has left is waited for; one that is stopped leaves what it wrote: each call is run once."""
    process = started()
    before = paid(tmp_path, 3)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert len(before) < 2 * len(PROMPTS)
    again = started()
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    twice = [name for name, count in Counter(paid(tmp_path, 1)).items() if count > 1]
    assert len(twice) <= (number == signal.SIGINT)  # the one that it was at work on when it was told to end
    assert (tmp_path / "run" / "preferences.jsonl").read_bytes() == known.bytes
