from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from printed import JOB, SUBMIT
from typer.testing import CliRunner

from judgegen.cli.finetune import app

Write = Callable[..., Path]
Start = Callable[..., Any]
Popen = Callable[..., "subprocess.Popen[str]"]
NOVEMBER = ("--today", "2026-11-21")


def finetune(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `judgegen finetune …`, where nobody can be asked."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "120", "NO_COLOR": "1"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def submit(server: Any, file: Path, *arguments: object) -> tuple[int, str, str]:
    """`judgegen finetune submit` to OpenAI's side of the server."""
    return finetune("submit", file, "--model", "gpt-4.1-mini", "--base-url", server.url, *NOVEMBER, *arguments)


def test_submit_shows_makes_and_records(provider: Start, write: Write) -> None:
    """Tokens, cost and dates first; then the job, where it is recorded, and how to follow it. Again, it is found."""
    server, file = provider(seconds=60.0), write()
    code, out, err = submit(server, file, "--yes", "--epochs", 2, "--beta", 0.3)
    (job,) = server.jobs
    assert (code, err) == (0, "")
    for words in ("dpo of gpt-4.1-mini: 12 examples", "epochs: 2", "beware: training ends soon: no new jobs from 2027"):
        assert words in out
    record = f"{file}.finetune.json"
    assert f"made {job.id}: validating_files\nrecorded in {record}\n" in out
    assert f"finetune watch {record}" in out
    assert job.body["method"]["dpo"]["hyperparameters"] == {"beta": 0.3, "n_epochs": 2}
    code, out, _ = submit(server, file, "--yes", "--epochs", 2, "--beta", 0.3)
    assert (code, len(server.jobs)) == (0, 1)
    assert f"there is {job.id}: " in out


def test_what_validate_warns_of_is_said_before_money_is_spent(provider: Start, write: Write, tmp_path: Path) -> None:
    """A repeat, a contradiction, the validation file in the training file and an example that is cut: each is told."""
    server = provider(seconds=60.0)
    rows = [json.loads(line) for line in write().read_text(encoding="utf-8").splitlines()]
    first, second = rows[0], rows[1]
    turned = {
        **first,
        "preferred_output": first["non_preferred_output"],
        "non_preferred_output": first["preferred_output"],
    }
    long = {"input": {"messages": [{"role": "user", "content": "far away " * 40_000}]}}
    train, held = tmp_path / "all.jsonl", tmp_path / "held.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in [*rows, turned, second, {**first, **long}]))
    held.write_text("".join(json.dumps(row) + "\n" for row in rows[2:4]))
    code, out, err = submit(server, train, "--validation", held, "--yes", "--json")
    assert code == 0
    told = json.loads(out)["warnings"]
    for words in ("stands in the file before", "rejected in another", "the split leaks", "more than 65,536 tokens"):
        assert any(words in line for line in told), words
        assert words in err


def test_without_a_terminal_it_takes_a_yes(provider: Start, write: Write) -> None:
    """Nobody can be asked, so nothing is sent; the cost has been shown and the option is named."""
    server, file = provider(), write()
    code, out, err = submit(server, file)
    assert (code, server.seen) == (2, [])
    assert "12 examples" in out
    assert "nobody can be asked: add --yes, or a cap such as --max-usd" in err


@pytest.mark.parametrize(("cap", "code"), [("0.001", 4), ("1000", 0)])
def test_a_cap_is_a_word_too(provider: Start, write: Write, cap: str, code: int) -> None:
    """Off a terminal a job that cannot cost more than the cap is made, and one that may is not."""
    server, file = provider(), write()
    found, _, err = submit(server, file, "--max-usd", cap)
    assert (found, len(server.jobs)) == (code, int(code == 0)), err
    assert ("the cap is $0.00" in err) == bool(code)
    if code:
        again = err.rpartition("--max-usd ")[2].split()[0]
        assert submit(server, file, "--max-usd", again)[0] == 0, "the printed cap is one that holds the job"


def test_no_cap_holds_what_has_no_price(provider: Start, write: Write) -> None:
    """At Azure prices are nobody's to know: a higher cap would not help, and none is advised."""
    server, file = provider(), write()
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # a byte order mark, which Azure asks for
    where = ("--provider", "azure", "--base-url", f"{server.url}/openai/v1")
    code, _, err = finetune("submit", file, "--model", "gpt-4.1-mini", *where, *NOVEMBER, "--max-usd", 5)
    assert (code, server.jobs) == (2, [])
    assert "no price is known for this job, so no cap can hold it" in err


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "jobs"), [("y\n", 0, 1), ("\n", 8, 0)])
def test_on_a_terminal_it_asks(provider: Start, write: Write, popen: Popen, answer: str, code: int, jobs: int) -> None:
    """Only a yes spends: no answer is none."""
    server, file = provider(), write()
    reader, writer = pty.openpty()
    arguments = ("submit", str(file), "--model", "gpt-4.1-mini", "--base-url", server.url, *NOVEMBER)
    process = popen(
        [sys.executable, "-m", "judgegen", "finetune", *arguments],
        stdin=writer,
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    )
    os.close(writer)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(reader, 1000)
    assert f"Spend this, at {server.url}?" in said.decode()
    os.write(reader, answer.encode())
    out, _ = process.communicate(timeout=60)
    os.close(reader)
    assert (process.returncode, len(server.jobs)) == (code, jobs)
    assert ("made ftjob-" in out) == bool(jobs)


@pytest.mark.parametrize(("settings", "code", "status"), [({}, 0, "succeeded"), ({"failed_rate": 1.0}, 3, "failed")])
def test_the_exit_code_is_the_jobs(provider: Start, write: Write, settings: Any, code: int, status: str) -> None:
    """0 where it succeeded and 3 where it failed: of submit --watch, of watch, and of submit that finds it over."""
    server, file = provider(seconds=0.2, **settings), write()
    found, out, err = submit(server, file, "--yes", "--watch", "--every", 0.02, "--json")
    row = json.loads(out)
    assert row.keys() == SUBMIT.keys()
    assert (found, row["status"], row["made"]) == (code, status, True)
    assert (row["error"] is None, row["fine_tuned_model"] is None) == (status == "succeeded", status == "failed")
    _, alone, _ = finetune("cost", file, "--model", "gpt-4.1-mini", "--method", "dpo", *NOVEMBER, "--json")
    assert (row["cost"], row["record"]) == (json.loads(alone), f"{file}.finetune.json")
    assert "Fine-tuning job started" in err
    assert json.loads(Path(row["record"]).read_text())["jobs"][0]["status"] == status
    for words in (("watch", file), ("watch", row["id"], "--base-url", server.url)):
        found, out, err = finetune(*words)
        assert (found, out.startswith(f"{row['id']}: {status}")) == (code, True)
        assert ("error: The job failed due to an internal error." in err) == (status == "failed")
    found, out, _ = submit(server, file, "--yes")
    assert (found, len(server.jobs), "--again" in out) == (code, 1, status == "failed")
    assert submit(server, file, "--yes", "--again")[0] == 0
    assert len(server.jobs) == (1 if status == "succeeded" else 2)


def test_a_file_the_provider_refuses_fails_its_job_there(provider: Start, write: Write) -> None:
    """What was not found here (a half-written upload, say) is told in the provider's words, with exit code 3."""
    server, file = provider(seconds=0.2), write()
    uploaded = file.read_bytes()

    def tear(request: Any) -> None:
        if (request.method, request.path) == ("POST", "/v1/files"):
            for stored in server.simulator.files._stored.values():
                stored.path.write_bytes(uploaded[:-20])

    server.after.append(tear)
    code, out, err = submit(server, file, "--yes", "--watch", "--every", 0.02)
    assert code == 3
    assert "failed: The job failed due to an invalid training file. Invalid file format. Line 12: not valid" in out
    assert "error: The job failed" in err


@pytest.mark.slow
def test_a_killed_process_makes_no_second_job(provider: Start, write: Write, popen: Popen) -> None:
    """SIGKILL while the provider answers the creation: the next one finds the job in the provider's list."""
    server, file = provider(seconds=60.0), write()
    arguments = ("submit", str(file), "--model", "gpt-4.1-mini", "--base-url", server.url, "--yes", *NOVEMBER)
    running: list[subprocess.Popen[str]] = []

    def kill(request: Any) -> None:
        if (request.method, request.path) == ("POST", "/v1/fine_tuning/jobs"):
            while not running:
                time.sleep(0.01)
            running[0].send_signal(signal.SIGKILL)
            running[0].wait()

    server.after.append(kill)
    command = [sys.executable, "-m", "judgegen", "finetune", *arguments]
    process = popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.append(process)
    process.communicate(timeout=60)
    assert (process.returncode, len(server.jobs)) == (-signal.SIGKILL, 1)
    assert not Path(f"{file}.finetune.json").exists()
    server.after.clear()
    code, out, _ = submit(server, file, "--yes")
    assert (code, len(server.jobs), server.uploads) == (0, 1, 1)
    assert f"there is {server.jobs[0].id}" in out
    assert Path(f"{file}.finetune.json").exists()


def test_a_run_keeps_the_record(provider: Start, write: Write, tmp_path: Path) -> None:
    """With --run it stands in the run folder, which then names the job."""
    server, file = provider(seconds=60.0), write()
    run = tmp_path / "run"
    run.mkdir()
    assert submit(server, file, "--yes", "--run", run)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["train.jsonl"]
    code, out, _ = finetune("cancel", run)
    assert (code, out) == (0, f"{server.jobs[0].id}: cancelled\n")
    assert json.loads((run / "finetune.json").read_text())["jobs"][0]["status"] == "cancelled"
    assert finetune("watch", run)[0] == 3


def test_list_has_names_to_copy(provider: Start, write: Write) -> None:
    """One line a job, newest first, however narrow the terminal; or JSON."""
    server, file = provider(seconds=0.0), write()
    for seed in range(3):
        assert submit(server, file, "--yes", "--seed", seed)[0] == 0
    code, out, _ = finetune("list", "--base-url", server.url, "--limit", 2)
    assert code == 0
    assert out.splitlines()[0].split() == ["job", "status", "made", "model", "tuned", "model"]
    newest = [job.row() for job in server.jobs[:0:-1]]
    for line, job in zip(out.splitlines()[1:], newest, strict=True):
        assert line.startswith(f"{job['id']}  succeeded  ")
        assert line.endswith(f"gpt-4.1-mini  {job['fine_tuned_model']}")
    code, out, _ = finetune("list", "--base-url", server.url, "--json")
    assert all(row.keys() == JOB.keys() for row in json.loads(out)["jobs"])
    assert [row["id"] for row in json.loads(out)["jobs"]] == [job.id for job in server.jobs[::-1]]


def test_errors_end_with_their_code(provider: Start, write: Write) -> None:
    """File, model, option, address and job: what is wrong is said, nothing is made, JSON says it too."""
    server, file, marked = provider(), write(), write(name="marked.jsonl", mark=True)
    short = write([json.loads(file.read_text().splitlines()[0])] * 9, "short.jsonl")
    openai = ("--model", "gpt-4.1-mini", "--base-url", server.url, "--yes", *NOVEMBER)
    azure = ("--model", "gpt-4.1-mini", "--yes", "--provider", "azure", *NOVEMBER)
    for arguments, words, expected in [
        (("submit", marked, *openai), "begins with a byte order mark", 2),
        (("submit", short, *openai), "9 examples; openai-dpo needs at least 10", 2),
        (("submit", file, *openai, "--method", "sft"), ":1: key 'input'", 2),
        (("submit", file, *openai, "--today", "2027-01-06"), "no new fine-tuning jobs since 2027-01-06", 2),
        (("submit", file, "--model", "gpt-4.1-nano", "--yes", *NOVEMBER), "was shut down on 2026-10-23", 2),
        (("submit", file, "--model", "gpt-6-luna", "--yes", *NOVEMBER), "no training price is known", 2),
        (("submit", file, *azure, "--base-url", server.azure), "has no byte order mark", 2),
        (("submit", marked, *azure), "give --base-url https://RESOURCE.openai.azure.com/openai/v1/", 2),
        (("submit", file, *openai, "--run", "nowhere"), "nowhere: no folder", 2),
        (("watch", "gone.jsonl"), "no such file", 2),
        (("watch", file), "no job is recorded", 2),
        (("watch", "ftjob-x", "--base-url", server.url), "Could not find fine tune: ftjob-x", 3),
        (("cancel", "ftjob-x", "--base-url", server.url), "Could not find fine tune: ftjob-x", 3),
    ]:
        code, _, err = finetune(*arguments)
        assert code == expected, (arguments, err)
        assert words in " ".join(err.split()), (words, err)
        code, out, _ = finetune(*arguments, "--json")
        assert (code, json.loads(out)["error"]["message"] in err) == (expected, True)
    assert server.jobs == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("--beta", "0"),
        ("--beta", "2.1"),
        ("--epochs", "51"),
        ("--batch-size", "257"),
        ("--learning-rate-multiplier", "0"),
        ("--seed", "-1"),
        ("--provider", "together"),
        ("--training-type", "Cheap"),
    ],
)
def test_options_outside_the_documented_ranges_are_refused(provider: Start, write: Write, wrong: Any) -> None:
    """With the option's name, before the file is read."""
    server, file = provider(), write()
    code, _, err = submit(server, file, "--yes", *wrong)
    assert (code, server.seen) == (2, [])
    assert wrong[0] in err


@pytest.mark.slow
def test_ctrl_c_leaves_the_job_and_says_so(provider: Start, write: Write, popen: Popen) -> None:
    """130; the job goes on, and watching it again goes on with it."""
    server, file = provider(seconds=60.0), write()
    assert submit(server, file, "--yes")[0] == 0
    command = [sys.executable, "-m", "judgegen", "finetune", "watch", str(file), "--every", "0.05"]
    process = popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Created fine-tuning job" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "a job that was made goes on at the provider" in err
    assert f"finetune watch {file}" in err
    assert not server.jobs[0].over
