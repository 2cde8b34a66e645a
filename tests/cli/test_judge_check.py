from __future__ import annotations

import importlib
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WriteRunFile = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"kappa", "ceiling", "position_consistency", "p_first", "tie_rate", "unreadable_rate", "length_excess"}
HARD = "[endpoints.world.scripted]\naccuracy = {}\nlogprobs = false"

pytest.importorskip("sklearn", reason="the extra `trust` is not installed")


def rows(folder: Path, n: int = 30, *, wrong: float = 0.0) -> Path:
    """Pairs of which the one of higher quality won, save for a share `wrong`; three votes each."""
    lot, path = random.Random(0), folder / "labelled.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            better, worse = (f"words of {i} and {k}\n[quality {q}]" for k, q in enumerate(("0.900", "0.100")))
            vote = "B" if lot.random() < wrong else "A"
            row = {"prompt": f"What of {i}?", "response_a": better, "response_b": worse, "votes": [vote, vote, "tie"]}
            file.write(json.dumps(row) + "\n")
    return path


def test_a_check_in_words(judgegen: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """The judge, what it took, every figure with its interval and its meaning, two tables; again it is free."""
    run_file(endpoint=HARD.format(0.8)), rows(tmp_path)
    done = judgegen("judge", "check", "labelled.jsonl", "--run", "mine.toml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "scripted-judge: 30 comparisons of 30 prompts; 60 calls, $0"
    assert re.search(
        r"^accuracy\.strict +0\.\d{3} +\[0\.\d{3}, [01]\.\d{3}\] +the same of A, B", done.stdout, re.MULTILINE
    )
    assert "Is P(chosen) worth its name?" in lines
    assert "If only the surer pairs were kept:" in lines
    assert "30 comparisons -> runs/mine-check" in done.stderr
    again = judgegen("judge", "check", "labelled.jsonl", "--run", "mine.toml")
    assert again.stdout == done.stdout
    assert "60 from the journal" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "calibrate"])
def test_columns_of_ones_own_are_mapped(
    command: str, judgegen: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """The same figures as under the names that are known; without the mapping, exit 2 and the mend."""
    run_file(endpoint=HARD.format(0.95)), rows(tmp_path, 120)
    renamed = {"prompt": "q", "response_a": "one", "response_b": "two", "votes": "people"}
    lines = [json.loads(line) for line in (tmp_path / "labelled.jsonl").read_text(encoding="utf-8").splitlines()]
    own = ({renamed[key]: value for key, value in row.items()} for row in lines)
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own), encoding="utf-8")
    arguments = ("judge", command, "own.jsonl", "--run", "mine.toml", "--json", "--quiet", "--out", "c")
    refused = judgegen(*arguments)
    assert refused.returncode == 2
    assert "--map" in json.loads(refused.stdout or "{}").get("error", {}).get("message", refused.stderr)
    mapped = ("--map", "prompt=q,response_a=one,response_b=two", "--map", "winner=people")
    done = judgegen(*arguments, *mapped)
    known = judgegen("judge", command, "labelled.jsonl", *arguments[3:-1], "d")
    assert (done.returncode, known.returncode) == (0, 0), done.stderr
    shown, other = (json.loads(one.stdout) for one in (done, known))
    for found in (shown, other):
        found.pop("seconds_per_1000", None)
    assert shown == other
    wrong = judgegen(*arguments, "--map", "promt=q")
    assert (wrong.returncode, "nothing that a column can be mapped to" in wrong.stdout + wrong.stderr) == (2, True)


def test_a_check_as_json(judgegen: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """One object with every figure as value, low and high; null where the rows do not define it."""
    run_file(rest='orders = "one"'), rows(tmp_path)
    arguments = ("judge", "check", "labelled.jsonl", "--run", "mine.toml", "--out", "elsewhere", "--limit", "20")
    done = judgegen(*arguments, "--json", "--quiet")
    found = json.loads(done.stdout)
    assert (found["n"], found["calls"], found["incomplete"]) == (20, {"judge": 20, "from_journal": 0}, 0)
    assert set(found["accuracy"]) == {"strict", "ties_half", "non_tie"}
    for figure in [*found["accuracy"].values(), *(found[name] for name in FIGURES), found["brier"], found["ece"]]:
        assert set(figure) == {"value", "low", "high"}
    assert found["position_consistency"]["value"] is None  # one order was asked
    assert found["ceiling"]["value"] is not None  # three votes each
    assert (tmp_path / "elsewhere/journal.sqlite").is_file()
    assert done.stderr == ""


def test_a_judge_good_enough_gets_a_file_that_a_run_takes(
    judgegen: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """It says the line that a run file takes it by; applied; for another judge the run ends with 2 and the reason."""
    settings = "[endpoints.world.scripted]\naccuracy = 0.95"
    run_file(endpoint=settings), rows(tmp_path, 120)
    (tmp_path / "made").mkdir()
    asked = ["labelled.jsonl", "--run", "mine.toml", "-o", "made/c.json", "--target", "0.9"]
    done = judgegen("judge", "calibrate", *asked)
    assert done.returncode == 0, done.stderr
    assert f"wrote      {Path('made/c.json')}" in done.stdout
    line = done.stdout.splitlines()[-1].partition("write under [judge] of mine.toml: ")[2]
    assert line == 'calibration = "made/c.json"'
    assert "keep P(chosen) >= 0.95: 120 of 120 such pairs agree with humans" in done.stdout
    written = json.loads((tmp_path / "made" / "c.json").read_text(encoding="utf-8"))
    assert (written["target"], written["confidence"], written["n"]) == (0.9, 0.95, 120)
    assert written["judge"] == {"model": "scripted-judge"}
    assert written["brier"]["after"] is not None
    run_file(endpoint=settings, rest=line)
    run = json.loads(judgegen("run", "mine.toml", "--json", "--quiet").stdout)
    assert run["pairs"] > 0
    run_file(endpoint=settings, rest=f'{line}\norders = "one"')
    other = judgegen("run", "mine.toml", "--out", "other")
    assert other.returncode == 2
    assert 'c.json: made for a judge with orders = unset, and this run has orders = "one"' in other.stderr


def test_what_length_is_worth_to_people_is_weighed_on_demand_alone(
    judgegen: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """People who always vote for the longer answer: --length says so and keeps it in the file; without it nothing."""
    run_file(endpoint=HARD.format(0.6))
    texts = [f"{'Because. ' * (99 if i % 2 else 1)}\n[quality 0.{3 + i % 5}00]" for i in range(60)]
    lines = [
        {"prompt": f"Why {i}?", "response_a": text, "response_b": f"{'So it is. ' * 30}\n[quality 0.500]"}
        | {"winner": "A" if i % 2 else "B"}
        for i, text in enumerate(texts)
    ]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    asked = ("judge", "calibrate", "long.jsonl", "--run", "mine.toml", "-o", "c.json", "--target", "0.5")
    assert "  length     a much longer answer has +" in judgegen(*asked, "--length").stdout
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["map"]["length"] > 1
    assert "length" not in judgegen(*asked).stdout
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["map"]["length"] == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_no_threshold_is_an_answer(judgegen: Command, run_file: WriteRunFile, tmp_path: Path, *, as_json: bool) -> None:
    """Exit code 7, a sentence, and a file that says null."""
    run_file(), rows(tmp_path, 100, wrong=0.8)
    flags = ["--json"] if as_json else []
    done = judgegen("judge", "calibrate", "labelled.jsonl", "--run", "mine.toml", "-o", "c.json", "--quiet", *flags)
    assert done.returncode == 7
    assert "error: no threshold keeps pairs that agree with humans at 0.9 with 95% confidence" in done.stderr
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["threshold"] is None
    if as_json:
        found = json.loads(done.stdout)
        assert found["threshold"] is None
        assert found["error"]["type"] == "NoThreshold"


def test_what_lacks_an_answer_exits_5_and_fits_nothing(
    judgegen: Command, run_file: WriteRunFile, tmp_path: Path
) -> None:
    """A check shows what it has and how to go on; a calibration writes no file."""
    run_file(endpoint="max_retries = 0\n[endpoints.world.scripted]\nfault_rate = 0.4"), rows(tmp_path, 12)
    done = judgegen("judge", "check", "labelled.jsonl", "--run", "mine.toml", "--json")
    assert done.returncode == 5, done.stderr
    found = json.loads(done.stdout)
    assert found["incomplete"] + found["n"] == 12
    assert found["error"]["type"] == "Incomplete"
    assert "to try again:" in done.stderr
    run_file(endpoint="max_retries = 0\n[endpoints.world.scripted]\nfault_rate = 1.0")
    failed = judgegen("judge", "calibrate", "labelled.jsonl", "--run", "mine.toml", "-o", "c.json", "--out", "again")
    assert failed.returncode == 5
    assert failed.stdout == ""
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.jsonl", "--run", "mine.toml"), "nowhere.jsonl"),
        (("labelled.jsonl", "--run", "none.toml"), "none.toml: cannot be read"),
        (("labelled.jsonl", "--run", "mine.toml", "--from", "panda"), "did you mean 'pandalm'?"),
        (("labelled.jsonl", "--run", "mine.toml", "--from", "hh-rlhf"), "no pair of the shape hh-rlhf"),
    ],
)
def test_what_is_wrong_is_named(
    judgegen: Command, run_file: WriteRunFile, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, the file or the name, and no folder left behind."""
    run_file(), rows(tmp_path, 2)
    done = judgegen("judge", "check", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_gate_that_fails_exits_6_with_its_name(judgegen: Command, run_file: WriteRunFile, tmp_path: Path) -> None:
    """All is written; the message names the gate and the figure."""
    run_file(rest="[gates]\nmin_pairs = 100\nmax_unreadable_rate = 1.0")
    done = judgegen("run", "mine.toml")
    assert done.returncode == 6
    assert "error: gates.min_pairs = 100: there are " in done.stderr
    assert (tmp_path / "runs/mine/summary.json").is_file()
    assert judgegen("write", "runs/mine").returncode == 6


# Recorded verdicts of real judges, served over HTTP.

REPLAY = """\
prompts = "-"
[endpoints.replay]
base_url = "{url}"
price = {{ input = 2.5, output = 10.0 }}
[sampler]
model = "gpt-4o-mini"
[[sampler.variants]]
name = "plain"
n = 2
[judge]
endpoint = "replay"
model = "{judge}"
template = "answers-first.md"
"""
TEMPLATE = """\
+++
kind = "pairwise"
summary = "The answers first: what answers quote of the request must not be taken for them."
+++
# user
<{{ fence }}>
{{ first }}
</{{ fence }}>
<{{ fence }}>
{{ second }}
</{{ fence }}>
answer: {{ request }}
{"verdict": "{{ first_label }}"}, {"verdict": "{{ second_label }}"} or {"verdict": "{{ tie_label }}"}
"""


@contextmanager
def replayed(shared: Path, folder: Path, subset: str) -> Iterator[str]:
    """The recordings of one subset as a server: its base URL; labelled.jsonl lies in `folder`."""
    tools, data = shared / "tools", shared / "data/llmbar"
    tool = [sys.executable, str(tools / "llmbar_as_replay.py"), str(data), str(folder), "--subset", subset]
    subprocess.run(tool, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [sys.executable, str(tools / "replay_server.py"), str(folder), "--port", str(port)]
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("replay on")
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def told_apart(row: dict[str, Any]) -> bool:
    """Whether a server that goes by quotations can tell which answer is which: not if one is a few characters."""
    return all(len(re.findall(r"\w", row[side])) >= 8 for side in ("response_a", "response_b"))


def prepared(folder: Path, url: str, judge: str) -> list[dict[str, Any]]:
    (folder / "mine.toml").write_text(REPLAY.format(url=url, judge=judge), encoding="utf-8")
    (folder / "answers-first.md").write_text(TEMPLATE, encoding="utf-8")
    kept = [json.loads(line) for line in (folder / "labelled.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = [row for row in kept if told_apart(row)]
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return kept


@pytest.mark.slow
def test_recorded_verdicts_come_back_through_http(
    judgegen: Command, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPT-4 on LLMBar Natural: the figures of the recount on the same rows, which are those of the paper."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    trust = importlib.import_module("judgegen.trust")
    with replayed(shared, tmp_path, "LLMBar/Natural") as url:
        asked = {row["prompt"] for row in prepared(tmp_path, url, "GPT-4")}
        done = judgegen("judge", "check", "labelled.jsonl", "--run", "mine.toml", "--json", "--quiet", "--yes")
    assert done.returncode == 0, done.stderr
    every = importlib.import_module("recorded").llmbar_rows(shared / "data")["GPT-4", "Vanilla"]["Natural"]
    expected = trust.report([row for row in every if row.prompt_id in asked]).to_dict()
    found = json.loads(done.stdout)
    assert found["n"] == len(asked) >= 95
    assert found["accuracy"]["ties_half"]["value"] == pytest.approx(0.955, abs=0.01)
    for name in ("position_consistency", "p_first", "tie_rate", "unreadable_rate"):
        assert found[name] == expected[name]
    for name in found["accuracy"]:
        assert found["accuracy"][name]["value"] == expected["accuracy"][name]["value"]
    assert float(found["cost_usd"]) > 0


@pytest.mark.slow
def test_the_confidently_wrong_get_no_threshold(
    judgegen: Command, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ChatGPT on LLMBar Neighbor agrees with itself and not with people: exit code 7."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with replayed(shared, tmp_path, "LLMBar/Adversarial/Neighbor") as url:
        prepared(tmp_path, url, "ChatGPT")
        done = judgegen(
            "judge", "calibrate", "labelled.jsonl", "--run", "mine.toml", "-o", "c.json", "--json", "--quiet", "--yes"
        )
    assert done.returncode == 7
    found = json.loads(done.stdout)
    assert found["threshold"] is None
    assert found["gate"]["agreed"] < 0.2 * found["gate"]["kept"]
