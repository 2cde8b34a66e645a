"""Consumers of comparisons with ties, of rubrics and of ranks load what is exported for them, and lose nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export

Module = Callable[..., Any]
Loaded = Callable[[Path], list[dict[str, Any]]]
TINKER = ("distro", "orjson", "pyqwest", "pyrage", "renderers", "sniffio", "termcolor", "tml_renderers", "zstandard")
VERIFIERS = (
    *("anthropic", "gepa", "h11", "loguru", "math_verify", "mcp", "prime_runs", "prime_sandboxes", "prime_tunnel"),
    *("renderers", "uvicorn", "zmq"),
)
OUMI = (
    *(
        "aiofiles",
        "backoff",
        "hdrhistogram",
        "lm_eval",
        "mlflow",
        "pexpect",
        "posthog",
        "responses",
        "sky",
        "termcolor",
    ),
    *("torch.utils.tensorboard", "wandb"),
)


@pytest.fixture
def judged(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs, each with a reference and with what it was judged by."""
    rubric = [
        {"name": "right", "description": "Is the sum right?", "weight": 3.0, "choices": ["no", "half", "yes"]},
        {"name": "short", "description": "Is it short?", "weight": 1},
    ]
    return [p | {"rubric": rubric, "reference": f"r{n}"} for n, p in enumerate(pairs)]


def test_tinker_reads_comparisons_and_ties(pairs: list[dict[str, Any]], module: Module, tmp_path: Path) -> None:
    """Its builder gives every comparison of both files, each label on the side of the better answer, ties as ties."""
    built = module("tinker_cookbook.preference.preference_datasets", *TINKER)
    tie = pairs[0] | {"prompt": [{"role": "user", "content": "Tied?"}], "tie": True}
    done = export([*pairs, tie], "tinker", tmp_path / "pairs.jsonl", split=0.5)
    train, test = map(str, done.paths)
    both = built.ComparisonBuilderFromJsonl(train_path=train, test_path=test).get_labeled_comparisons()
    assert [len(side) for side in both] == [done.counts["train"], done.counts["test"]]
    found = [one for side in both for one in side]
    assert [one.comparison.prompt_conversation for one in found if one.label == "Tie"] == [tie["prompt"]]
    good = {p["chosen"][0]["content"] for p in pairs}
    for one in (one for one in found if one.label != "Tie"):
        better = one.comparison.completion_A if one.label == "A" else one.comparison.completion_B
        assert better[0]["content"] in good


def test_tinker_reads_rubrics(judged: list[dict[str, Any]], module: Module, tmp_path: Path) -> None:
    """Its builder reads chat and criteria, and finds the score that our words ask a grader for."""
    built = module("tinker_cookbook.recipes.rubric.data", *TINKER)
    done = export(judged, "rubric-tinker", tmp_path / "rubrics.jsonl")
    points = built.RubricDatapointListBuilderFromJsonl(jsonl_path=str(done.paths[0]))()
    assert [point.convo for point in points] == [row["prompt"] for row in judged]
    assert [item.rubric_str for item in points[7].rubric_items] == ["Is the sum right?", "Is it short?"]
    item = points[0].rubric_items[0]
    assert "<score>0.5</score>" in item.grader_output_format_instruction
    assert item.extract_score("Fine. <score>0.5</score>") == 0.5


def test_verifiers_reads_criteria(judged: list[dict[str, Any]], module: Module, tmp_path: Path) -> None:
    """Its judge's loader takes the criteria of every row, with their weights and choices, the worst first."""
    rubric = module("verifiers.v1.judges.rubric", *VERIFIERS)
    done = export(judged, "rubric-verifiers", tmp_path / "rubrics.jsonl")
    rows = [json.loads(line) for line in done.paths[0].read_text().splitlines()]
    for row in rows:
        (tmp_path / "one.json").write_text(json.dumps({"criteria": row["criteria"]}))
        right, short = rubric.load_criteria(tmp_path / "one.json")
        assert (right.name, right.text, right.weight) == ("right", "Is the sum right?", 3.0)
        assert [rubric.normalize_choice(choice, right.choices) for choice in ("no", "half", "yes")] == [0, 0.5, 1]
        assert short.choices == ["no", "yes"]
    assert [row["answer"] for row in rows] == [row["reference"] for row in judged]


def test_oumi_reads_rubrics(judged: list[dict[str, Any]], module: Module, tmp_path: Path) -> None:
    """Its rubric data set loads the file and transforms every row; a system message stands where it looks for it."""
    grpo = module("oumi.datasets.grpo.rlvr_rubric", *OUMI)
    done = export(judged, "rubric-oumi", tmp_path / "rubrics.jsonl")
    data = grpo.RlvrRubricDataset(dataset_path=str(done.paths[0]))
    rows = [data.transform(data.raw(number)) for number in range(len(data))]
    assert len(rows) == done.counts["train"] == 7
    assert rows[3]["prompt"] == "What is 3 and 3?"
    assert [(one["name"], one["weight"]) for one in rows[3]["rubrics"]] == [("right", 3.0), ("short", 1.0)]


def test_oumi_reads_rubrics_as_rewards(judged: list[dict[str, Any]], module: Module, tmp_path: Path) -> None:
    """Its loader of the RaR sets finds every column that it asks for."""
    grpo = module("oumi.datasets.grpo.rar_dataset", *OUMI)
    done = export(judged, "rubric-rar", tmp_path / "rubrics.jsonl")
    data = grpo.RaRMedicineDataset(dataset_path=str(done.paths[0]))
    rows = [data.transform(data.raw(number)) for number in range(len(data))]
    assert [row["metadata"]["reference_answer"] for row in rows] == [f"r{n}" for n in range(7)]
    assert [(one["name"], one["weight"]) for one in rows[0]["rubrics"]] == [("right", 5.0), ("short", 2.0)]


def test_nemo_rl_finds_the_better_completion(
    pairs: list[dict[str, Any]], loaded: Loaded, tokenizer: Any, tmp_path: Path
) -> None:
    """No package of NeMo RL is published that holds its loaders: this is what its guide to DPO documents of them.

    docs/guides/dpo.md and data/processors.py at 7ea279a, 2026-08-22: `datasets` reads the file, there are two
    completions, the one of the lower rank is preferred, and context and completion go through the chat template.
    """
    done = export(pairs, "nemo-rl", tmp_path / "pairs.jsonl")
    for row, pair in zip(loaded(done.paths[0]), pairs, strict=True):
        better, worse = sorted(row["completions"], key=lambda one: int(one["rank"]))
        assert better["rank"] < worse["rank"]
        chats = [row["context"] + one["completion"] for one in (better, worse)]
        said = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
        assert said[0].endswith(f"<|assistant|>{pair['chosen'][0]['content']}<|end|>")
        assert said[1].endswith(f"<|assistant|>{pair['rejected'][0]['content']}<|end|>")
