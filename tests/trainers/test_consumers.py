"""The other consumers' own loading code takes what is exported for them, row by row, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.exchange.export import export

Module = Callable[..., Any]
Loaded = Callable[[Path], list[dict[str, Any]]]


def test_axolotl(pairs: list[dict[str, Any]], tokenizer: Any, module: Module, loaded: Loaded, tmp_path: Path) -> None:
    """`chat_template.default` finds prompt and both answers whole, those with outer white space too."""
    strategy = module("axolotl.prompt_strategies.dpo.chat_template")
    pairs[1]["rejected"][0]["content"] = "  padded\n\n"
    done = export(pairs, "axolotl", tmp_path / "pairs.jsonl")
    transform, _ = strategy.default({"datasets": [{"chat_template": "tokenizer_default"}]})
    rows = [transform(row, tokenizer=tokenizer) for row in loaded(done.paths[0])]
    assert [row["chosen"] for row in rows] == [f"{p['chosen'][0]['content']}<|end|>" for p in pairs]
    assert rows[1]["rejected"] == "padded<|end|>"
    assert rows[7]["prompt"].startswith("<|system|>Be terse.<|end|><|user|>Hello!")


def test_llama_factory(
    pairs: list[dict[str, Any]], tool_pairs: list[dict[str, Any]], module: Module, loaded: Loaded, tmp_path: Path
) -> None:
    """Its parser finds the entries, and its converter keeps system, turns, tools and both sides of every row."""
    converter = module("llamafactory.data.converter")
    parser = module("llamafactory.data.parser")
    done = export([*pairs, *tool_pairs], "llama-factory", tmp_path / "pairs.jsonl")
    (attributes,) = parser.get_dataset_list(["pairs"], str(tmp_path))
    assert (attributes.dataset_name, attributes.ranking) == ("pairs.jsonl", True)
    convert = converter.get_dataset_converter(attributes.formatting, attributes, None)
    rows = [convert(row) for row in loaded(done.paths[0])]
    assert all(len(row["_prompt"]) % 2 == 1 and len(row["_response"]) == 2 for row in rows)
    assert [row["_response"][0]["content"] for row in rows[:8]] == [p["chosen"][0]["content"] for p in pairs]
    assert (rows[7]["_system"], len(rows[7]["_prompt"]), rows[7]["_tools"]) == ("Be terse.", 3, "")
    assert json.loads(rows[9]["_tools"]) == tool_pairs[1]["tools"]
    assert rows[9]["_response"][0]["role"] == "function"
    assert json.loads(rows[9]["_response"][0]["content"]) == {"name": "weather", "arguments": {"town": "Bern"}}


def test_openrlhf(pairs: list[dict[str, Any]], tokenizer: Any, module: Module, loaded: Loaded, tmp_path: Path) -> None:
    """Its reward and DPO data set reads prompt, both answers and the margin."""
    data = module("openrlhf.datasets.reward_dataset")
    done = export(pairs, "openrlhf", tmp_path / "pairs.jsonl")
    keys = ("prompt", "chosen", "rejected")
    apply = tokenizer.apply_chat_template
    rows = [data.preprocess_data(row, None, *keys, apply, is_dpo=True) for row in loaded(done.paths[0])]
    assert [row[1] for row in rows] == [f"{p['chosen'][0]['content']}<|end|>" for p in pairs]
    assert rows[7][0].startswith("<|system|>Be terse.<|end|>")
    assert {row[3] for row in rows} == {0.5}


def test_ms_swift(
    pairs: list[dict[str, Any]], tool_pairs: list[dict[str, Any]], module: Module, loaded: Loaded, tmp_path: Path
) -> None:
    """Its preprocessor keeps every row, strictly, and turns tool calls of both sides into its own turns."""
    core = module("swift.dataset.preprocessor.core")
    done = export([*pairs, *tool_pairs], "ms-swift", tmp_path / "pairs.jsonl")
    rows = loaded(done.paths[0])
    batch = {key: [row[key] for row in rows] for key in rows[0]}
    out = core.MessagesPreprocessor().batched_preprocess(batch, strict=True, ignore_max_length_error=False)
    assert len(out["messages"]) == len(out["rejected_messages"]) == 10
    assert out["rejected_messages"][0][-1] == {"role": "assistant", "content": "Nobody knows."}
    assert [m["role"] for m in out["messages"][9]] == ["user", "tool_call", "tool", "tool_call"]
    assert out["tools"][9] == tool_pairs[1]["tools"]


def test_verl(
    pairs: list[dict[str, Any]], tokenizer: Any, module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RLHFDataset reads chat prompts with what they are rewarded by; RMDataset reads the strings."""
    chats = module("verl.utils.dataset.rl_dataset")
    strings = module("verl.utils.dataset.rm_dataset")
    omegaconf: Any = pytest.importorskip("omegaconf")

    config = omegaconf.OmegaConf.create({"cache_dir": str(tmp_path), "filter_overlong_prompts_workers": 1})
    export(pairs, "verl", tmp_path / "rl.parquet")
    found = chats.RLHFDataset(str(tmp_path / "rl.parquet"), tokenizer, config)
    assert len(found) == 8
    assert [dict(m) for m in found[7]["raw_prompt"]] == pairs[7]["prompt"]
    assert found[0]["reward_model"]["ground_truth"] == "It is 0, surely."
    done = export(pairs, "verl", tmp_path / "rm.parquet", standard=True)
    monkeypatch.setattr(strings, "download_files_distributed", lambda fetch: fetch())
    scored = strings.RMDataset(str(tmp_path / "rm.parquet"), tokenizer, max_length=64, cache_dir=str(tmp_path))
    assert len(scored) == done.counts["train"] == 7
    assert tokenizer.decode(scored[2]["input_ids"][0]).startswith("What is 2 and 2?It is 4, surely.<|end|>")
