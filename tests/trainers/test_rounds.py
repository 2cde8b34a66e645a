"""`judgegen rounds` on the tiny model under a grader of its own: what is compared, killed in every stage, its cap."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import BudgetReached, SpecError
from judgegen.train.order import Order
from judgegen.train.rounds import Course, Finished, rounds
from judgegen.train.train import train

Model = Callable[[bool], str]
RUN = """
prompts = "prompts.jsonl"
seed = 3

[endpoints.world]
provider = "scripted"
price = { input = 1, output = 1 }

[sampler]
endpoint = "world"
model = "any"
max_tokens = 16

[[sampler.variants]]
name = "warm"
temperature = 1.0
n = 3

[judge]
method = "python"
grader = "taste:taste"

[gates]
max_cut_rate = 1.0
"""
TASTE = """
def taste(prompt, candidate):
    return len(candidate.text) % 5 / 4
"""
EXTRA: dict[str, Any] = {"batch": 4, "micro": 4, "lora_r": 4, "learning_rate": 0.01, "validation": 0.0}


@pytest.fixture(scope="module")
def brief(model: Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model, taught to come to an end: answers of random weights are all cut."""
    folder = tmp_path_factory.mktemp("brief")
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is {n} and {n}?"}],
            "chosen": [{"role": "assistant", "content": "ab dc ef"[: 1 + n % 7]}],
            "rejected": [{"role": "assistant", "content": "Nobody knows."}],
        }
        for n in range(64)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    order = Order(
        method="sft", model=model(False), lora_r=0, learning_rate=0.02, batch=8, micro=8, epochs=4.0, validation=0.0
    )
    return str(train(path, order, folder / "out", lambda _: None).model)


@pytest.fixture
def course(brief: str, tmp_path: Path) -> Course:
    """Two rounds over twenty prompts."""
    rows = "".join(json.dumps({"prompt": f"What is {n} and {n}?", "reference": "e"}) + "\n" for n in range(20))
    (tmp_path / "prompts.jsonl").write_text(rows, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(RUN, encoding="utf-8")
    (tmp_path / "taste.py").write_text(TASTE, encoding="utf-8")
    order = Order(method="dpo", model=brief, **EXTRA)
    return Course(file=tmp_path / "mine.toml", rounds=2, order=order, out=tmp_path / "out", truth=("contains", {}))


def played(course: Course) -> tuple[Finished, list[str]]:
    said: list[str] = []
    return rounds(course, said.append), said


def selection(out: Path) -> list[list[str]]:
    """Every pair of every round."""
    found = sorted(out.glob("round-*/run/preferences.jsonl"))
    return [path.read_text(encoding="utf-8").splitlines() for path in found]


def paid(out: Path) -> int:
    """Calls in all journals."""
    count = 0
    for path in out.rglob("journal.sqlite"):
        with closing(sqlite3.connect(path)) as db:
            count += db.execute("SELECT count(*) FROM calls").fetchone()[0]
    return count


def test_rounds_compare_every_model_with_those_before(course: Course) -> None:
    """Round 0 has no other; round 1 and 2 stand against the one before and the first; the figures have intervals."""
    done, said = played(course)
    assert [one.number for one in done.rounds] == list(range(len(done.rounds)))
    assert done.rounds[0].before is None
    for one in done.rounds[1:]:
        assert one.pairs > 0
        for wins in (one.before, one.first):
            assert wins is not None
            assert wins.judged + wins.alike + wins.unjudged == len(json.loads(json.dumps(held(course))))
        assert one.right.value is not None
    assert sum(line.startswith("round ") and "held out:" in line for line in said) == len(done.rounds)
    kept = json.loads((course.out / "rounds.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(done.row()))
    again, _ = played(course)
    assert again == done


SHOWN = re.compile(r"Answer (\w+):\n\n<(quote-\w+)>\n(.*?)\n</\2>", re.DOTALL)


class Judge(BaseHTTPRequestHandler):
    """Prefers by the length's rest by five, and what stands first where both lengths together are even."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """In silence."""

    def do_POST(self) -> None:
        """Answer."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        first, second = [(name, len(text)) for name, _, text in SHOWN.findall(asked["messages"][-1]["content"])]
        leans = (first[1] + second[1]) % 2 == 0
        ranked = sorted([first, second], key=lambda one: -(one[1] % 5))
        verdict = first[0] if leans else ranked[0][0] if first[1] % 5 != second[1] % 5 else "tie"
        message = {"role": "assistant", "content": json.dumps({"verdict": verdict})}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = json.dumps({"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def judge() -> Iterator[str]:
    """Where it stands."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_judge_that_compares_is_asked_in_both_orders(course: Course, judge: str) -> None:
    """Of every two rounds' answers, both ways round; what it prefers for its place alone wins nothing, and is told."""
    text = course.file.read_text(encoding="utf-8").replace('method = "python"', 'method = "pairwise"')
    text = text.replace('grader = "taste:taste"', 'endpoint = "judge"\nmodel = "one"')
    table = f'\n[endpoints.judge]\nbase_url = "{judge}"\nprice = {{ input = 1, output = 1 }}\n'
    course.file.write_text(text + table, encoding="utf-8")
    done, _ = played(Course(**{**vars_of(course), "every": True}))
    assert [one.number for one in done.rounds] == [0, 1, 2]
    for one in done.rounds[1:]:
        assert one.pairs > 0
        for wins in (one.first, one.before):
            assert wins is not None
            assert wins.judged > 0
    shown = verdicts(course)
    assert shown
    assert all((prompt, second, first) in shown for prompt, first, second in shown)
    assert 0 < done.judge["flip_rate"] < 1
    assert done.judge["p_first"] > 0.5
    assert done.usd > 0


def verdicts(course: Course) -> set[tuple[str, str, str]]:
    """(prompt, shown first, shown second) of everything that the judge compared on held-out prompts."""
    path = course.out / "held" / "audit" / "verdicts.parquet"
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    return {(row["prompt_id"], row["first"], row["second"]) for row in parquet.read_table(path).to_pylist()}


def test_all_rounds_are_done_where_it_is_wished(course: Course) -> None:
    """Where no interval over six prompts lies above a half, --sure ends after one round, and --all after none."""
    stopped, _ = played(Course(**{**vars_of(course), "sure": True}))
    assert [one.number for one in stopped.rounds] == [0, 1]
    done, _ = played(Course(**{**vars_of(course), "every": True}))
    assert [one.number for one in done.rounds] == [0, 1, 2]
    assert done.rounds[:2] == stopped.rounds


def held(course: Course) -> list[str]:
    rows = (course.out / "held" / "audit" / "prompts.parquet").as_posix()
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    return [row["prompt_id"] for row in parquet.read_table(rows).to_pylist()]


def test_held_out_prompts_are_trained_on_by_nobody(course: Course) -> None:
    """No pair of any round is of a prompt that is kept to compare on."""
    played(course)
    kept = set(held(course))
    trained = {json.loads(pair)["prompt_id"] for pairs in selection(course.out) for pair in pairs}
    assert kept
    assert trained
    assert not kept & trained


KILLED = """
import os, signal, sys
from pathlib import Path
from judgegen.train import rounds as room, train as training, trainer
from judgegen.train.order import Order
stage = sys.argv[3]
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if stage == "sampling":
    from judgegen.llm.providers import hugging_face
    whole, count = hugging_face.write, []
    def write(*given):
        count.append(1)
        return dies() if len(count) == 3 else whole(*given)
    hugging_face.write = write
if stage == "training":
    from transformers import TrainerCallback
    class Killer(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 2:
                dies()
    build = trainer.built
    def built(*given):
        made = build(*given)
        made.add_callback(Killer())
        return made
    trainer.built = built
if stage == "saving":
    trainer.saved = dies
if stage == "comparing":
    looked, seen = room._looked, []
    def look(*given):
        seen.append(1)
        return dies() if len(seen) == 1 else looked(*given)
    room._looked = look
values = eval(sys.argv[2])
order, out = Order(**values.pop("order")), Path(values.pop("out"))
room.rounds(room.Course(file=Path(sys.argv[1]), order=order, out=out, **values), print)
"""


def test_killed_in_every_stage_it_goes_on_to_the_same_selection(course: Course, tmp_path: Path) -> None:
    """Killed -9 while sampling, training, saving, comparing: the same pairs and figures, nothing paid for twice.

    And in another folder than what was left alone: where a model lies tells no equal answers apart.
    """
    alone = tmp_path / "left" / "alone"
    whole, _ = played(Course(**{**vars_of(course), "out": alone}))
    values = {"order": course.order.row(), "out": str(course.out), "rounds": 2, "truth": course.truth, "slots": 8}
    for stage in ("sampling", "training", "saving", "comparing"):
        command = [sys.executable, "-c", KILLED, str(course.file), repr(values), stage]
        ended = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, (stage, ended.stderr[-2000:])
    done, _ = played(course)
    assert selection(course.out) == selection(alone)
    assert paid(course.out) == paid(alone)
    assert [one.row() for one in done.rounds] == [one.row() for one in whole.rounds]


def asked(out: Path) -> set[str]:
    """Every model of which a journal holds an answer."""
    found = set[str]()
    for path in out.rglob("journal.sqlite"):
        with closing(sqlite3.connect(path)) as db:
            found |= {json.loads(said)["model"] for (said,) in db.execute("SELECT request FROM calls")}
    return found


def test_rounds_that_began_under_paths_go_on_under_them(course: Course) -> None:
    """What was answered before models had names stays valid; in a fresh folder they are called by their rounds."""
    one = Course(**{**vars_of(course), "rounds": 1})
    first, _ = played(one)
    assert asked(one.out) == {"round-0", "round-1"}
    assert first.model == str((one.out / "round-1" / "train" / "model").resolve())
    before = Course(**{**vars_of(one), "out": one.out.parent / "before"})
    told = json.loads((one.out / "train.json").read_text(encoding="utf-8"))
    del told["models"]
    before.out.mkdir()
    (before.out / "train.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    second, _ = played(before)
    assert asked(before.out) == {one.order.model, second.model}
    assert [round_.pairs for round_ in first.rounds] == [round_.pairs for round_ in second.rounds]


def vars_of(course: Course) -> dict[str, Any]:
    return {name: getattr(course, name) for name in course.__dataclass_fields__}


def test_the_cap_is_of_the_whole(course: Course) -> None:
    """What an earlier round cost counts: nothing more is asked where all of the cap is spent."""
    earlier = course.out / "round-9" / "run"
    earlier.mkdir(parents=True)
    (earlier / "summary.json").write_text('{"cost_usd": {"total": "0.75"}}', encoding="utf-8")
    with pytest.raises(BudgetReached, match=r"0.75 USD so far, and 0.5 is the most"):
        played(Course(**{**vars_of(course), "max_usd": Decimal("0.5")}))
    assert not list(course.out.rglob("journal.sqlite"))


def test_a_folder_holds_one_run_files_rounds(course: Course) -> None:
    """Another share kept, or another method, is refused there; a share that leaves nothing is refused anywhere."""
    with pytest.raises(SpecError, match="leaves"):
        played(Course(**{**vars_of(course), "held": 1e-9}))
    (course.out).mkdir()
    (course.out / "train.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SpecError, match="other settings; take another --out"):
        played(course)
