"""TRL's own trainers read what is exported for them, keep every row, and take a step."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export

Model = Callable[[bool], str]


def settings(folder: Path) -> dict[str, Any]:
    """One step on the CPU, telling nobody."""
    return {
        "output_dir": str(folder / "trained"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "report_to": [],
        "use_cpu": True,
        "save_strategy": "no",
        "max_length": 256,
        "bf16": False,
    }


def loaded(path: Path) -> Any:
    """A JSONL file as a data set."""
    datasets: Any = pytest.importorskip("datasets")

    return datasets.load_dataset("json", data_files=str(path), split="train")


def words(trainer: Any, tokenizer: Any, column: str) -> list[str]:
    """What a trainer made of a column, as text."""
    return [tokenizer.decode(ids) for ids in trainer.train_dataset[column]]


@pytest.mark.parametrize("standard", [False, True])
def test_dpo_trains_on_every_pair(
    standard: bool, pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """DPOTrainer keeps the rows, splits prompt from answer where we did, and its robust loss takes our flip rate."""
    trl: Any = pytest.importorskip("trl")

    done = export(pairs, "trl-dpo", tmp_path / "pairs.jsonl", standard=standard)
    args = trl.DPOConfig(**settings(tmp_path), loss_type=["robust"], label_smoothing=done.flip_rate)
    data = loaded(done.paths[0])
    trainer = trl.DPOTrainer(model=model(False), args=args, train_dataset=data, processing_class=tokenizer)
    assert len(trainer.train_dataset) == done.counts["train"] == (7 if standard else 8)
    assert words(trainer, tokenizer, "chosen_ids")[3] == "It is 6, surely.<|end|>"
    assert words(trainer, tokenizer, "rejected_ids")[3] == "Nobody knows.<|end|>"
    if not standard:
        turns = ["<|system|>Be terse.", "<|user|>Hello!", "<|assistant|>Hello.", "<|user|>And nine?", "<|assistant|>"]
        assert words(trainer, tokenizer, "prompt_ids")[7] == "<|end|>".join(turns)
    assert math.isfinite(trainer.train().training_loss)


def test_dpo_sees_tools_from_lines_and_from_the_folder(
    pairs: list[dict[str, Any]], tool_pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """Rows with and without tools stand in one file; definitions and calls reach the chat template, and no nulls do."""
    datasets: Any = pytest.importorskip("datasets")
    trl: Any = pytest.importorskip("trl")

    found = [*pairs, *tool_pairs]
    lines = loaded(export(found, "trl-dpo", tmp_path / "pairs.jsonl").paths[0])
    export(found, "huggingface", tmp_path / "hub", split=0.7)
    folder = datasets.load_dataset(str(tmp_path / "hub"))
    assert sorted(folder) == ["test", "train"]
    together = datasets.concatenate_datasets([folder["train"], folder["test"]]).sort("prompt_id")
    for data in (lines, together):
        args = trl.DPOConfig(**settings(tmp_path))
        trainer = trl.DPOTrainer(model=model(False), args=args, train_dataset=data, processing_class=tokenizer)
        assert len(trainer.train_dataset) == 10
        asked = [text for text in words(trainer, tokenizer, "prompt_ids") if "weather" in text]
        turns = ["<|tool|>weather", "<|user|>Weather?", '<|assistant|>weather {"town": "Bern"}', "<|tool|>rain"]
        assert asked == ["<|end|>".join([*turns, "<|assistant|>"])] * 2
        assert words(trainer, tokenizer, "chosen_ids").count('weather {"town": "Bern"}<|end|>') == 2
        assert math.isfinite(trainer.train().training_loss)


def test_the_reward_trainer_uses_the_margins(
    pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """RewardTrainer keeps the rows and finds a margin in every batch."""
    trl: Any = pytest.importorskip("trl")

    done = export(pairs, "trl-reward", tmp_path / "pairs.jsonl")
    args = trl.RewardConfig(**settings(tmp_path))
    data = loaded(done.paths[0])
    trainer = trl.RewardTrainer(model=model(True), args=args, train_dataset=data, processing_class=tokenizer)
    assert len(trainer.train_dataset) == 8
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["margin"].tolist() == [0.5, 0.5]
    assert math.isfinite(trainer.train().training_loss)


def test_kto_trains_on_answers_one_by_one(
    pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """KTOTrainer keeps both sides and the unpaired, and never lends an answer its own prompt for the KL term."""
    trl: Any = pytest.importorskip("trl")

    spare = [{"prompt": pairs[0]["prompt"], "completion": [{"role": "assistant", "content": "Nil."}], "label": False}]
    done = export(pairs, "trl-kto", tmp_path / "pairs.jsonl", unpaired=spare)
    args = trl.KTOConfig(**settings(tmp_path))
    data = loaded(done.paths[0])
    trainer = trl.KTOTrainer(model=model(False), args=args, train_dataset=data, processing_class=tokenizer)
    rows = trainer.train_dataset
    assert sum(rows["label"]) == 8
    assert len(rows) == 17
    assert all(a["prompt_ids"] != b["prompt_ids"] for a, b in zip(rows, list(rows)[1:], strict=False))
    assert math.isfinite(trainer.train().training_loss)


@pytest.mark.parametrize("first", ["train", "test"])
def test_a_split_with_tools_on_one_side_trains(
    first: str,
    pairs: list[dict[str, Any]],
    tool_pairs: list[dict[str, Any]],
    model: Model,
    tokenizer: Any,
    tmp_path: Path,
) -> None:
    """Train and test load as one whichever is named first, and no message gains tool calls that are none."""
    datasets: Any = pytest.importorskip("datasets")
    trl: Any = pytest.importorskip("trl")

    done = export([*pairs, tool_pairs[0]], "trl-dpo", tmp_path / "pairs.jsonl", split=0.5)
    files = dict(zip(("train", "test"), map(str, done.paths), strict=False))
    order = {first: files[first], **files}
    both = datasets.load_dataset("json", data_files=order, cache_dir=str(tmp_path / "cache"))
    for side in ("train", "test"):
        args = trl.DPOConfig(**settings(tmp_path / side))
        trainer = trl.DPOTrainer(model=model(False), args=args, train_dataset=both[side], processing_class=tokenizer)
        assert len(trainer.train_dataset) == done.counts[side]
        assert math.isfinite(trainer.train().training_loss)
    calls = [m for side in both.values() for row in side for m in row["prompt"] if m.get("tool_calls")]
    assert len(calls) == 1


def test_grpo_samples_for_the_prompts(
    pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """GRPOTrainer samples, its reward function is given reference and spread of each prompt, and it takes a step."""
    trl: Any = pytest.importorskip("trl")

    answers = [{"completion": p["chosen"], "score": 0.75, "rank": 1, "model": "a"} | {} for p in pairs]
    found = [
        p | {"reference": f"r{n}", "candidates": [answers[n], {**answers[n], "score": 0.25, "rank": 2}]}
        for n, p in enumerate(pairs)
    ]
    done = export(found, "trl-prompts", tmp_path / "prompts.jsonl")
    told: list[tuple[str, float]] = []

    def reward(completions: list[Any], reference: list[str], spread: list[float], **_: Any) -> list[float]:
        told.extend(zip(reference, spread, strict=True))
        return [float(len(str(each)) % 7) for each in completions]

    args = trl.GRPOConfig(
        **{key: value for key, value in settings(tmp_path).items() if key != "max_length"},
        num_generations=2,
        max_completion_length=8,
    )
    trainer = trl.GRPOTrainer(
        model=model(False),
        reward_funcs=reward,
        args=args,
        train_dataset=loaded(done.paths[0]),
        processing_class=tokenizer,
    )
    assert len(trainer.train_dataset) == 8
    assert math.isfinite(trainer.train().training_loss)
    assert told
    assert {spread for _, spread in told} == {0.5}


def test_tpo_trains_on_pairs_with_a_reference(
    pairs: list[dict[str, Any]], model: Model, tokenizer: Any, tmp_path: Path
) -> None:
    """TPOTrainer keeps the rows and reads the third column."""
    trl: Any = pytest.importorskip("trl.experimental.tpo")

    done = export([p | {"reference": "Gold."} for p in pairs], "trl-tpo", tmp_path / "pairs.jsonl")
    args = trl.TPOConfig(**settings(tmp_path))
    trainer = trl.TPOTrainer(
        model=model(False), args=args, train_dataset=loaded(done.paths[0]), processing_class=tokenizer
    )
    assert len(trainer.train_dataset) == 8
    assert words(trainer, tokenizer, "reference_ids")[0].startswith("Gold.")
    assert math.isfinite(trainer.train().training_loss)
