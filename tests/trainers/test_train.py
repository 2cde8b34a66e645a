"""`judgegen train` on the tiny model: every method, killed and gone on with, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.train import trainer as trainers
from judgegen.train.order import METHODS, Order
from judgegen.train.train import DONE, Trained, train

Model = Callable[[bool], str]


@pytest.fixture
def source(pairs: list[dict[str, Any]], tmp_path: Path) -> Path:
    """Sixteen pairs in a file."""
    rows = [{**row, "prompt_id": f"{row['prompt_id']}-{n}"} for n in range(2) for row in pairs]
    for n, row in enumerate(rows):
        row["prompt"] = [*row["prompt"][:-1], {"role": "user", "content": f"{row['prompt'][-1]['content']} ({n})"}]
    path = tmp_path / "preferences.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def order(model: Model, method: str = "dpo", **more: Any) -> Order:
    given = {"batch": 2, "micro": 2, "validation": 0.25, "lora_r": 4, "learning_rate": 0.01, **more}
    return Order(method=method, model=model(False), **given)


def trained(source: Path, wanted: Order, out: Path) -> tuple[Trained, list[str]]:
    said: list[str] = []
    return train(source, wanted, out, said.append), said


def numbers(folder: Path) -> Iterator[Any]:
    """Every weight of a saved model."""
    safetensors: Any = pytest.importorskip("safetensors.torch")
    for path in sorted(folder.glob("*.safetensors")):
        yield from (tensor for _, tensor in sorted(safetensors.load_file(path).items()))


def same(one: Path, other: Path) -> bool:
    return all(bool((a == b).all()) for a, b in zip(numbers(one), numbers(other), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_leaves_what_it_promises(
    method: str, source: Path, model: Model, tmp_path: Path
) -> None:
    """The time before it starts, held-out figures on the way; an adapter, a whole model, a card; once and no more."""
    wanted, out = order(model, method), tmp_path / "out"
    done, said = trained(source, wanted, out)
    assert "about" in said[0]
    assert any("held out" in line and "loss" in line for line in said)
    figure = {"sft": "loss", "kto": "loss", "reward": "right"}.get(method, "reward margin")
    assert any("held out" in line and figure in line for line in said)
    assert (out / "adapter" / "adapter_config.json").is_file()
    assert not same(out / "model", Path(wanted.model)) if method != "reward" else (out / "model").is_dir()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"- `learning_rate` {wanted.rate}" in card
    assert done.fresh
    again, silence = trained(source, wanted, out)
    assert (again.fresh, silence, again.facts) == (False, [], json.loads(json.dumps(done.facts, default=float)))


def test_a_reward_is_trained_on_labels_alone(source: Path, model: Model, tmp_path: Path) -> None:
    """Where no row says by how much: the loss needs no margin. Where some do, the others are told as left out."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for kept in (0, len(rows) - 2):
        given = [row if n < kept else {k: v for k, v in row.items() if k != "margin"} for n, row in enumerate(rows)]
        source.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
        done, _ = trained(source, order(model, "reward"), tmp_path / f"out-{kept}")
        assert done.facts["rows"]["train"] + done.facts["rows"]["held"] == (kept or len(rows))
        assert sum(done.facts["left_out"].values()) == (2 if kept else 0)


def test_all_weights_are_trained_without_an_adapter(source: Path, model: Model, tmp_path: Path) -> None:
    """lora_r = 0 leaves no adapter, and other weights than the base's."""
    wanted = order(model, lora_r=0)
    trained(source, wanted, tmp_path / "out")
    assert not (tmp_path / "out" / "adapter").exists()
    assert not same(tmp_path / "out" / "model", Path(wanted.model))


KILLED = """
import os, signal, sys
from pathlib import Path
from transformers import TrainerCallback
from judgegen.train import trainer
from judgegen.train.order import Order
from judgegen.train.train import train
class Killer(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        if state.global_step == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
build = trainer.built
def built(*given):
    made = build(*given)
    made.add_callback(Killer())
    return made
trainer.built = built
train(Path(sys.argv[1]), Order(**eval(sys.argv[2])), Path(sys.argv[3]), print)
"""


def test_killed_it_goes_on_to_the_same_weights(source: Path, model: Model, tmp_path: Path) -> None:
    """Killed between two checkpoints, and again: what comes out is what an undisturbed training comes to."""
    wanted = order(model, epochs=2.0)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    trained(source, wanted, whole)
    given = repr(wanted.row())
    for step in ("5", "9"):
        command = [sys.executable, "-c", KILLED, str(source), given, str(cut), step]
        ended = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
        assert not (cut / DONE).exists()
    last = max(int(path.name.rpartition("-")[2]) for path in (cut / "checkpoints").glob("checkpoint-*"))
    half = cut / "checkpoints" / f"checkpoint-{last + 1}"
    half.mkdir()  # as a kill in the middle of writing leaves it
    (half / "model.safetensors").write_bytes(b"")
    trained(source, wanted, cut)
    assert same(whole / "model", cut / "model")


def test_a_folder_holds_one_training(source: Path, model: Model, tmp_path: Path) -> None:
    """Another method, or other rows, are refused there by name; less at once in memory is the same training."""
    wanted, out = order(model), tmp_path / "out"
    trained(source, wanted, out)
    with pytest.raises(SpecError, match=r"method = 'dpo'.*another --out"):
        trained(source, Order(**{**wanted.row(), "method": "ipo"}), out)
    assert not trained(source, Order(**{**wanted.row(), "micro": 1}), out)[0].fresh
    text = source.read_text(encoding="utf-8")
    source.write_text("".join(text.splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(SpecError, match="rows = "):
        trained(source, wanted, out)


def test_no_room_is_told_with_the_mend(
    source: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch says of memory becomes the option that needs less; other trouble stays what it is."""

    def full(*_: Any) -> float:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(trainers, "seconds", full)
    wanted = order(model)
    with pytest.raises(SpecError, match=r"--micro 1.*--max-length 512"):
        trained(source, wanted, tmp_path / "out")

    def broken(*_: Any) -> float:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(trainers, "seconds", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        trained(source, wanted, tmp_path / "out")


def test_what_cannot_be_trained_is_refused(source: Path, model: Model, tmp_path: Path) -> None:
    """A method nobody has, no model, labels that the robust loss can make nothing of."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for p, why in ((None, "no pair has p_chosen"), (0.5, "50% of the labels")):
        kept = [{**row, "p_chosen": p} if p else {k: v for k, v in row.items() if k != "p_chosen"} for row in rows]
        path = tmp_path / "unsure.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        with pytest.raises(SpecError, match=why):
            trained(path, order(model, "robust"), tmp_path / str(p))
    with pytest.raises(SpecError, match="not one of sft"):
        trained(source, order(model, "ppo"), tmp_path / "b")
    with pytest.raises(SpecError, match=r"no folder of a Hugging Face model"):
        trained(source, Order(method="dpo", model=str(tmp_path)), tmp_path / "c")
