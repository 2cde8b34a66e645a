"""`judgegen rounds` where a provider trains: jobs made once, tuned models asked by name, killed in every stage."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from judgegen.cli import app
from judgegen.errors import BudgetReached, PriceUnknown, ProviderRefused, SpecError
from judgegen.judge import graders
from judgegen.simulator.wire import bad
from judgegen.train.held import Held, Look, drawn_in
from judgegen.train.hosted import HostedOrder
from judgegen.train.rounds import Course, Finished, rounds

Start = Callable[..., Any]
Popen = Callable[..., "subprocess.Popen[str]"]
NOVEMBER = date(2026, 11, 21)
BASE = "gpt-4.1-mini-2025-04-14"
RUN = """
prompts = "prompts.jsonl"
seed = 3

[endpoints.there]
base_url = "{url}"
price = {{ input = 1, output = 4 }}

[sampler]
endpoint = "there"
model = "{model}"
max_tokens = 400

[[sampler.variants]]
name = "warm"
temperature = 0.7
n = 3

[judge]
method = "python"
grader = "judgegen.simulator.truth:quality"
"""


def ordered(service: Any, beta: float = 0.2) -> HostedOrder:
    return HostedOrder(service=service, model=BASE, every=0.02, today=NOVEMBER, settings={"beta": beta})


@pytest.fixture
def course(tmp_path: Path) -> Callable[..., Course]:
    """Two rounds over 32 prompts at an address."""

    def of(url: str, *, service: Any = "openai", out: str = "out", model: str = BASE, **changes: Any) -> Course:
        rows = "".join(json.dumps({"prompt": f"What is special about town {n}?"}) + "\n" for n in range(32))
        (tmp_path / "prompts.jsonl").write_text(rows, encoding="utf-8")
        (tmp_path / "mine.toml").write_text(RUN.format(url=url, model=model), encoding="utf-8")
        whole: dict[str, Any] = {"rounds": 2, "held": 0.5, "truth": ("judgegen.simulator.truth:quality", {})}
        whole |= {"every": True, **changes}
        return Course(file=tmp_path / "mine.toml", order=ordered(service), out=tmp_path / out, **whole)

    return of


def played(course: Course) -> tuple[Finished, list[str]]:
    said: list[str] = []
    return rounds(course, said.append), said


def asked(folder: Path) -> dict[str, int]:
    """Models that a run's sampler asked, with the number of its calls in the journal."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        found = [json.loads(row)["model"] for (row,) in db.execute("SELECT request FROM calls WHERE role = 'sampler'")]
    return {model: found.count(model) for model in found}


def calls(out: Path) -> int:
    """In all journals."""
    count = 0
    for path in out.rglob("journal.sqlite"):
        with closing(sqlite3.connect(path)) as db:
            count += db.execute("SELECT count(*) FROM calls").fetchone()[0]
    return count


def selection(out: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(out.glob("round-*/run/preferences.jsonl"))]


def test_each_round_trains_on_the_one_before_and_its_model_is_asked(
    provider: Start, course: Callable[..., Course]
) -> None:
    """A job a round, of the tune before it; who answers is the tune, by name, and better; all money is counted."""
    server = provider()
    whole = course(server.url)
    done, said = played(whole)
    first, second = server.jobs
    assert (first.body["model"], second.body["model"]) == (BASE, first.tuned)
    assert [job.body["suffix"] for job in server.jobs] == ["round-1", "round-2"]
    assert first.body["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    assert asked(whole.out / "round-1" / "run").keys() == {BASE}
    assert asked(whole.out / "round-2" / "run").keys() == {first.tuned}
    assert asked(whole.out / "held").keys() == {BASE, first.tuned, second.tuned}
    assert done.model == second.tuned
    assert [one.number for one in done.rounds] == [0, 1, 2]
    world = server.simulator.provider.world
    qualities = [world.quality_of_model(model) for model in (BASE, first.tuned, second.tuned)]
    assert qualities == sorted(set(qualities))
    assert "New fine-tuned model created" in said
    runs = [json.loads(path.read_text())["cost_usd"]["total"] for path in whole.out.rglob("summary.json")]
    tokens = sum(job.row()["trained_tokens"] for job in server.jobs)
    assert done.usd == sum(map(Decimal, runs), Decimal(5) * tokens / 1_000_000)
    requests = len(server.seen)
    again, _ = played(whole)
    assert again == done
    assert len(server.seen) == requests


def test_held_out_prompts_are_answered_as_often_as_wished(provider: Start, course: Callable[..., Course]) -> None:
    """By a seed of its own each time, the first as if it were alone; a prompt's value is the mean of its answers."""
    url, truth = provider().url, graders.load("judgegen.simulator.truth:quality", {})
    once, _ = played(course(url, rounds=1, out="once"))
    whole = course(url, rounds=1, draws=3)
    done, _ = played(whole)
    draws = [Look(drawn_in(whole.out, draw)) for draw in range(3)]
    first = Look(drawn_in(whole.out.with_name("once"), 0))
    assert draws[0].graded(0, truth) == first.graded(0, truth)
    found = [draw.graded(0, truth) for draw in draws]
    assert found[0] != found[1] != found[2] != found[0]
    assert Held.of(whole.out).graded(0, truth) == {key: sum(one[key] for one in found) / 3 for key in found[0]}
    wins, alone = done.rounds[1].first, once.rounds[1].first
    assert wins is not None
    assert alone is not None
    count = 3 * (alone.judged + alone.alike + alone.unjudged)
    assert wins.judged + wins.alike + wins.unjudged == count == 3 * len(found[0])
    with pytest.raises(SpecError, match="other settings; take another --out"):
        played(course(url, rounds=1, draws=2))


def test_azure_answers_by_deployments(provider: Start, course: Callable[..., Course]) -> None:
    """Without the deployment it ends in words that name it; once it is there, the same command goes on."""
    server = provider()
    whole = course(server.azure, service="azure", model="my-deployment", rounds=1)

    def undeployed(request: Any) -> Any:
        said = "The API deployment for this resource does not exist."
        held = server.jobs and request.path.endswith("/chat/completions")
        return bad("model", said, status=404, code="DeploymentNotFound") if held else None

    server.before.append(undeployed)
    said: list[str] = []
    with pytest.raises(ProviderRefused):
        rounds(whole, said.append)
    server.before.clear()
    done, _ = played(whole)
    (job,) = server.jobs
    (told,) = [line for line in said if "deployment" in line]
    assert done.model in told
    assert job.tuned in told
    assert asked(whole.out / "round-1" / "run").keys() == {"my-deployment"}
    assert asked(whole.out / "held").keys() == {"my-deployment", done.model}


def test_the_cap_is_of_runs_and_jobs(provider: Start, course: Callable[..., Course]) -> None:
    """A job that may cost more than what is left is not made; at azure nobody knows, so a cap ends it before all."""
    server = provider()
    first = course(server.url, out="first", rounds=1)
    played(first)
    sampled = json.loads((first.out / "round-1" / "run" / "summary.json").read_text())["cost_usd"]["total"]
    capped = course(server.url, out="capped", max_usd=Decimal(sampled) + Decimal("0.01"))
    with pytest.raises(BudgetReached, match=r"a job on .* may cost"):
        played(replace(capped, order=ordered("openai", 0.3)))
    with pytest.raises(PriceUnknown, match="no cap can hold it"):
        played(course(server.azure, service="azure", out="azure", max_usd=Decimal(5)))
    assert len(server.jobs) == 1


def test_a_job_that_failed_is_made_again_by_the_same_command(provider: Start, course: Callable[..., Course]) -> None:
    """It ends in the job's id and status; the next invocation makes another, and pays for no answer again."""
    server = provider(failed_rate=1.0)
    whole = course(server.url, rounds=1)
    with pytest.raises(ProviderRefused, match=r"the job ftjob-\w+ failed: .* makes another"):
        played(whole)
    server.simulator.tunings._settings = replace(server.simulator.tunings._settings, failed_rate=0.0)
    before = calls(whole.out / "round-1")
    done, _ = played(whole)
    assert [job.status() for job in server.jobs] == ["failed", "succeeded"]
    assert calls(whole.out / "round-1") == before
    assert done.model == server.jobs[1].tuned


def test_a_control_is_trained_on_half_of_the_pairs_turned_round(provider: Start, course: Callable[..., Course]) -> None:
    """The same pairs in the same places, in the form of the service; what it teaches is far less."""
    server = provider()
    found = dict[str, list[dict[str, Any]]]()
    for labels in ("judged", "shuffled"):
        whole = course(server.azure, service="azure", out=labels, rounds=1)
        played(replace(whole, order=replace(ordered("azure"), labels=labels)))
        lines = (whole.out / "round-1" / "train" / "train.jsonl").read_text(encoding="utf-8-sig").splitlines()
        found[labels] = list(map(json.loads, lines))
    turned = [
        (one["preferred_output"], one["non_preferred_output"]) == (two["non_preferred_output"], two["preferred_output"])
        for one, two in zip(found["judged"], found["shuffled"], strict=True)
    ]
    assert [row["input"] for row in found["judged"]] == [row["input"] for row in found["shuffled"]]
    assert sum(turned) in (len(turned) // 2, (len(turned) + 1) // 2)
    judged, shuffled = (job.files["training_file"].better for job in server.jobs)
    assert abs(shuffled) < judged / 2


def test_what_trains_nothing_is_refused_before_all(provider: Start, course: Callable[..., Course]) -> None:
    """An endpoint in the process, an address that is not Azure's, another method: said before anything is asked."""
    server = provider()
    whole = course(server.url)
    text = whole.file.read_text(encoding="utf-8")
    whole.file.write_text(text.replace(f'base_url = "{server.url}"', 'provider = "scripted"'), encoding="utf-8")
    with pytest.raises(SpecError, match="trained where they are asked"):
        played(whole)
    for wrong, words in (
        (["--method", "kto"], "dpo or sft"),
        (["--lora-r", "4"], "on this machine"),
        (["--epochs", "1.5"], "whole ones"),
    ):
        ended = CliRunner().invoke(
            app, ["rounds", str(whole.file), "--model", BASE, "--provider", "openai", "--yes", *wrong]
        )
        assert ended.exit_code == 2
        assert words in " ".join(ended.stderr.replace("│", " ").split())
    assert not server.seen


KILLED = """
import sys
from pathlib import Path
from datetime import date
from judgegen.train.hosted import HostedOrder
from judgegen.train.rounds import Course, rounds
values = eval(sys.argv[1])
order = HostedOrder(**values.pop("order"), every=0.02, today=date(2026, 11, 21))
rounds(Course(file=Path(values.pop("file")), out=Path(values.pop("out")), order=order, **values), print)
"""


@pytest.mark.slow
def test_killed_in_every_stage_it_goes_on_to_the_same_selection(
    provider: Start, course: Callable[..., Course], popen: Popen
) -> None:
    """SIGKILL at an answer, an upload, a job's making, a look at it, a comparison: one job a round, nothing paid twice.

    What is in flight at a kill has no answer yet and is asked again, so a stage asks one request at a time.
    """
    server = provider()
    whole = course(server.url, out="killed")
    text = whole.file.read_text(encoding="utf-8")
    whole.file.write_text(text.replace("price =", "max_concurrency = 1\nprice ="))
    values: dict[str, Any] = {"order": whole.order.row(), "file": str(whole.file), "out": str(whole.out)}
    values |= {"rounds": 2, "held": 0.5, "truth": whole.truth, "every": True}
    running: list[subprocess.Popen[str]] = []
    stages = [
        ("POST", "/v1/chat/completions", 20),
        ("POST", "/v1/files", 1),
        ("POST", "/v1/fine_tuning/jobs", 1),
        ("GET", "/events", 1),
        ("POST", "/v1/chat/completions", 15),
    ]
    for method, path, number in stages:
        left = [number]

        def kill(request: Any, method: str = method, path: str = path, left: list[int] = left) -> None:
            left[0] -= request.method == method and request.path.endswith(path)
            if not left[0]:
                running[0].send_signal(signal.SIGKILL)
                running[0].wait()

        server.after[:] = [kill]
        command = [sys.executable, "-c", KILLED, repr(values)]
        process = popen(command, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        running[:] = [process]
        _, err = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, (path, err[-2000:])
    server.after.clear()
    done, _ = played(whole)
    assert len(server.jobs) == 2
    assert server.uploads == 2
    stats = server.simulator.tally.row()
    killed = sum(path.endswith("completions") for _, path, _ in stages)
    assert stats["sampler"] <= calls(whole.out) + killed
    never = course(server.url, out="whole")
    other, _ = played(never)
    assert len(server.jobs) == 2
    assert selection(whole.out) == selection(never.out) != []
    assert calls(whole.out) == calls(never.out)
    assert [one.row() for one in done.rounds] == [one.row() for one in other.rounds]
