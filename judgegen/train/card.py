"""The card of a trained model: what it was trained on, what speaks for those labels, how, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judgegen.train.order import METHODS

_JUDGE = {
    "prompts": "prompts judged",
    "pairs": "pairs that came of them",
    "flip_rate": "of the comparisons decided in both orders, those whose winner changed with the order",
    "tie_rate": "of the readable verdicts, ties",
    "unreadable_rate": "of the verdicts, those that could not be read",
    "longer_chosen": "of the pairs of unequal length, those whose longer answer was chosen",
}


def card(facts: Mapping[str, Any]) -> str:
    """The README.md of a model's folder, by what trained.json says."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    order, counted = facts["order"], facts["rows"]
    yield from ("---", f"base_model: {order['model']}", f"tags: [judgegen, {order['method']}]", "---", "")
    yield f"# {order['model']}, trained by {order['method']} on preferences"
    yield from ("", "## Data", "")
    yield f"{counted['train']:,} rows of `{facts['source']}`, {counted['held']:,} held out; no prompt is in both."
    yield f"The digest of these rows is {counted['digest']}."
    yield from (f"Left out, {reason}: {n:,}." for reason, n in facts["left_out"].items())
    if facts["flip_rate"] is not None:
        yield f"By the judge's own probabilities {facts['flip_rate']:.1%} of these labels are wrong."
    yield from ("", "## What speaks for the labels", "")
    yield from _judge(facts["judge"])
    yield from (
        "",
        "## Settings",
        "",
        METHODS[order["method"]].about[0].upper() + METHODS[order["method"]].about[1:] + ".",
        "",
    )
    yield from (f"- `{key}` {value}" for key, value in order.items() if key not in ("model", "method"))
    yield from ("", "## What came of it", "")
    yield from _figures(facts["history"])
    yield from ("", "## To sample from it", "", "```toml", "[endpoints.tuned]", 'provider = "transformers"', "")
    yield from (
        "[sampler]",
        'endpoint = "tuned"',
        'model = "model"  # the path of the folder beside this file',
        "```",
        "",
    )
    yield "Larger ones are served by vLLM, `vllm serve model`, and sampled by `base_url`."


def _judge(judge: Mapping[str, Any]) -> Iterator[str]:
    if not judge:
        yield "Nothing is known: the rows came from a file, and not from a run."
        return
    for key, about in _JUDGE.items():
        value = judge.get(key)
        shown = "not known" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.1%}"
        yield f"- {about}: {shown}"
    yield "- Whether people would agree, `judgegen judge check` says."


def _figures(history: list[Mapping[str, Any]]) -> Iterator[str]:
    """The held-out figures over the steps; the training's own where nothing was held out."""
    held = [row for row in history if "eval_loss" in row]
    rows, prefix = (held, "eval_") if held else ([row for row in history if "loss" in row], "")
    yield from ("Held out:" if held else "Nothing was held out; of the training itself:", "")
    yield from ("| step | loss | reward margin | right |", "| --- | --- | --- | --- |")
    for row in rows:
        right = row.get(f"{prefix}rewards/accuracies", row.get(f"{prefix}accuracy"))
        shown = (row[f"{prefix}loss"], row.get(f"{prefix}rewards/margins"), right)
        yield f"| {row['step']} | {' | '.join('' if v is None else f'{float(v):.4g}' for v in shown)} |"
