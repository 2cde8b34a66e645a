"""`provider = "transformers"`: the tiny model in this process, batched, seeded, with logprobs, under a run file."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from judgegen import api, spec
from judgegen.errors import ProviderRefused, SpecError
from judgegen.llm.calls import Call, Failure, Outcome, Reply, Tag
from judgegen.train.order import Order
from judgegen.train.train import train

Model = Callable[[bool], str]


def call(model: str, question: str, **params: Any) -> Call:
    return Call(
        endpoint="transformers",
        model=model,
        messages=({"role": "user", "content": question},),
        params={"max_tokens": 6, "temperature": 1.0, "seed": 5, **params},
        tag=Tag(role="sampler", prompt_id="p", route="here"),
    )


def asked(calls: Sequence[Call], *, slots: int = 64) -> list[Outcome]:
    endpoint = spec.Endpoint(provider="transformers", slots=slots)

    async def main() -> list[Outcome]:
        provider = endpoint.listing.connect(endpoint, "here")
        try:
            return await asyncio.gather(*map(provider, calls))
        finally:
            await provider.aclose()

    return asyncio.run(main())


def texts(outcomes: Sequence[Outcome]) -> list[list[str]]:
    return [[choice.text for choice in one.choices] for one in outcomes if isinstance(one, Reply)]


def test_an_answer_is_the_same_alone_and_beside_others(model: Model) -> None:
    """Whatever stands in the batch, and in whatever order, each call's answers are its own; another seed has others."""
    folder = model(False)
    calls = [call(folder, "x" * n, n=2, max_tokens=3 + n, seed=n) for n in range(5)]
    together = asked(calls)
    assert asked(calls, slots=1) == together
    assert asked(calls[::-1])[::-1] == together
    assert texts(asked([call(folder, "x" * n, n=2, max_tokens=3 + n, seed=9) for n in range(5)])) != texts(together)
    for n, one in enumerate(together):
        assert isinstance(one, Reply)
        assert len(one.choices) == 2
        assert one.usage.output <= 2 * (3 + n)


def test_what_is_drawn_is_as_likely_as_the_model_says(model: Model) -> None:
    """First tokens of many answers occur as often as their probability; top_p and top_k leave no others."""
    folder = model(False)
    first = asked([call(folder, "go", temperature=0.3, max_tokens=1, top_logprobs=20, n=600)], slots=600)[0]
    assert isinstance(first, Reply)
    logprobs = first.choices[0].logprobs
    assert logprobs is not None
    scaled = {row["token"]: math.exp(row["logprob"] / 0.3) for row in logprobs[0]["top_logprobs"]}
    seen = Counter(choice.logprobs[0]["token"] for choice in first.choices if choice.logprobs)
    (one, p), (other, q) = list(scaled.items())[:2]
    assert abs(seen[one] / (seen[one] + seen[other]) - p / (p + q)) < 4 * 0.5 / math.sqrt(seen[one] + seen[other])
    for limits, most in (({"top_k": 3}, 3), ({"top_p": 1e-6}, 1)):
        few = asked([call(folder, "go", max_tokens=1, top_logprobs=1, n=60, **limits)], slots=60)[0]
        assert isinstance(few, Reply)
        assert len({choice.logprobs[0]["token"] for choice in few.choices if choice.logprobs}) <= most


def test_a_chat_that_has_no_room_is_a_failure(model: Model) -> None:
    """It is told by its reason, and those beside it are answered."""
    folder = model(False)
    short, long = asked([call(folder, "x"), call(folder, "word " * 2000)])
    assert isinstance(short, Reply)
    assert isinstance(long, Failure)
    assert (long.reason, "512" in long.detail) == ("too_long", True)


def test_what_it_cannot_do_ends_the_run(model: Model) -> None:
    """A parameter that the user wrote is refused by name, and not ignored."""
    with pytest.raises(ProviderRefused, match="reasoning_effort"):
        asked([call(model(False), "x", reasoning_effort="low")])
    with pytest.raises(ProviderRefused, match='schema = "off"'):
        asked([call(model(False), "x", schema={"type": "object"})])


def test_a_run_file_samples_from_it(model: Model, tmp_path: Path) -> None:
    """Two variants of the folder's model under a grader: candidates, tokens, no cost; again, from disk."""
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"What is {n} and {n}?"}) + "\n" for n in range(3)), encoding="utf-8"
    )
    variants = [{"name": "cool", "temperature": 0.7, "n": 2}, {"name": "hot", "temperature": 1.3, "n": 2}]
    table = {
        "prompts": str(tmp_path / "prompts.jsonl"),
        "endpoints": {"here": {"provider": "transformers"}},
        "sampler": {"endpoint": "here", "model": model(False), "max_tokens": 8, "variants": variants},
        "judge": {"method": "python", "grader": "length", "options": {"min_chars": 12}},
        "gates": {"min_pairs": 0, "max_cut_rate": 1.0},
    }
    runs = [asyncio.run(api.generate(table, out=tmp_path / "run")) for _ in range(2)]
    summary = runs[0].summary
    assert summary["candidates"]["total"] == 12
    assert summary["cost_usd"]["total"] == "0"
    assert summary["tokens"]["output"] > 12
    assert runs[1].summary["calls"]["from_journal"] == summary["calls"]["sampler"]


def test_a_model_that_is_called_by_a_name_may_lie_anywhere(model: Model, tmp_path: Path) -> None:
    """What it answered stays valid when its folder moves, and is told under its name."""
    first, moved = shutil.copytree(model(False), tmp_path / "first"), tmp_path / "moved"
    table: dict[str, Any] = {
        "prompts": str(tmp_path / "prompts.txt"),
        "sampler": {"endpoint": "here", "model": "tiny", "max_tokens": 8, "variants": [{"name": "a", "n": 2}]},
        "judge": {"method": "python", "grader": "length", "options": {"min_chars": 12}},
        "gates": {"min_pairs": 0, "max_cut_rate": 1.0},
    }
    (tmp_path / "prompts.txt").write_text("What is one and one?\n", encoding="utf-8")
    fresh = []
    for folder in (first, moved):
        endpoints = {"here": {"provider": "transformers", "folders": {"tiny": str(folder)}}}
        run = asyncio.run(api.generate({**table, "endpoints": endpoints}, out=tmp_path / "run", replace_folder=True))
        fresh.append(run.summary["calls"]["sampler"] - run.summary["calls"]["from_journal"])
        if not moved.exists():
            shutil.move(first, moved)
    assert fresh == [2, 0]
    assert str(tmp_path) not in (tmp_path / "run" / "preferences.jsonl").read_text(encoding="utf-8")


def scored(folder: str, said: str, **params: Any) -> Call:
    chat = ({"role": "user", "content": "go"}, {"role": "assistant", "content": said})
    return Call(
        endpoint="transformers",
        model=folder,
        messages=chat,
        params={"api": "pooling", **params},
        tag=Tag(role="judge", prompt_id="p", route="here"),
    )


def numbers(outcomes: Sequence[Outcome]) -> list[float]:
    return [float(text) for one in texts(outcomes) for text in one]


def test_a_score_is_what_the_model_gives_alone_and_beside_others(model: Model) -> None:
    """By the model called itself, unpadded; where no raw score is asked for, it lies between 0 and 1 as a server's."""
    transformers: Any = pytest.importorskip("transformers")
    torch: Any = pytest.importorskip("torch")
    folder, said = model(True), ["ab", "a longer answer than that", "ab", "x"]
    calls = [scored(folder, text, raw=True) for text in said]
    together = numbers(asked(calls))
    itself = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for one, found, alone in zip(calls, together, numbers(asked(calls, slots=1)), strict=True):
        chat = tokenizer.apply_chat_template(list(one.messages), return_dict=True)
        with torch.inference_mode():
            told = float(itself(input_ids=torch.tensor([chat["input_ids"]])).logits[0, 0])
        assert found == pytest.approx(told, abs=1e-4)
        assert alone == pytest.approx(told, abs=1e-4)
    assert len({round(one, 5) for one in together}) == len(set(said))  # a batch rounds the last digits as it lies
    shares = numbers(asked([scored(folder, text) for text in said]))
    assert shares == pytest.approx([1 / (1 + math.exp(-score)) for score in together], abs=1e-4)


def test_what_is_no_reward_model_scores_nothing(model: Model) -> None:
    """One that writes is refused, for its scores would be random; so is a route that needs a server."""
    with pytest.raises(SpecError, match="no reward model"):
        asked([scored(model(False), "x", raw=True)])
    with pytest.raises(ProviderRefused, match='api = "pooling"'):
        asked([scored(model(True), "x", api="rerank")])


def test_a_model_that_was_trained_to_score_judges(model: Model, tmp_path: Path) -> None:
    """`train --method reward` on brief chosen answers: the model, and its adapter alone, prefer them elsewhere, too."""
    rows = [
        {
            "prompt_id": str(n),
            "prompt": [{"role": "user", "content": f"What is {n} and {n}?"}],
            "chosen": [{"role": "assistant", "content": "ab"}],
            "rejected": [{"role": "assistant", "content": "ab dc ef ab dc ef"}],
            "margin": 0.5,
        }
        for n in range(48)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    order = Order(
        method="reward", model=model(False), lora_r=4, learning_rate=0.01, batch=4, micro=4, epochs=3.0, validation=0.0
    )
    out = train(tmp_path / "rows.jsonl", order, tmp_path / "out", lambda _: None)
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"What is {n} and 7?"}) + "\n" for n in range(4)), encoding="utf-8"
    )
    variants = [{"name": "warm", "temperature": 1.0, "n": 4}]
    given = []
    for folder in (out.model, out.folder / "adapter"):
        given += numbers(asked([scored(str(folder), text, raw=True) for text in ("ab", "ab dc ef ab dc ef")]))
        table = {
            "prompts": str(tmp_path / "prompts.jsonl"),
            "endpoints": {"here": {"provider": "transformers"}, "world": {"provider": "scripted"}},
            "sampler": {"endpoint": "world", "model": "any", "variants": variants},
            "judge": {"method": "reward", "endpoint": "here", "api": "pooling", "model": str(folder)},
            "gates": {"min_pairs": 0, "max_cut_rate": 1.0},
        }
        run = asyncio.run(api.generate(table, out=tmp_path / folder.name))
        found = [json.loads(line) for line in run.folder.joinpath("preferences.jsonl").read_text().splitlines()]
        assert len(found) == 4
        assert all(row["p_chosen"] > 0.5 for row in found)
    brief, long, *adapter = given
    assert brief > long
    assert adapter == pytest.approx([brief, long], abs=1e-3)
