"""The card of a Hugging Face data set: how it was made, by which models, what its labels are worth, what it cost.

Says what is known and leaves out what is not. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from judgegen.formats.format import Done, Written

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def doubt(rate: float, *, calibrated: bool) -> str:
    """What mean(1 - p_chosen) is: measured only where the judge was calibrated on labels, and else its own word."""
    if calibrated:
        return f"expected share of wrong labels by the judge's calibration, mean(1 - p_chosen): {rate}"
    return (
        f"the judge's own doubt, mean(1 - p_chosen): {rate}; it would be the expected share of wrong labels if the "
        "judge were calibrated (`judgegen judge calibrate`), and is nobody's measurement until then"
    )


def is_calibrated(facts: Mapping[str, Any]) -> bool:
    """Whether the run's probabilities went through a calibration."""
    return bool(facts.get("run", {}).get("judge", {}).get("calibration"))


def companions(done: Done) -> Iterator[tuple[Path, str]]:
    """README.md in the data set's folder, and the pictures that it shows."""
    folder = next(iter(done.files.values())).parent.parent
    yield folder / "README.md", "\n".join(_lines(done)) + "\n"
    for figure in done.facts.get("figures", ()):
        yield folder / "figures" / f"{figure.name}.svg", figure.svg


def _lines(done: Done) -> Iterator[str]:
    yield from _front(done)
    yield from ["", "# Preference pairs", ""]
    yield (
        "Pairs of answers to one prompt: `chosen` was judged the better one, `rejected` the worse. "
        "Made with judgegen; answers and labels are models' work."
    )
    for title, lines in (
        ("How it was made", list(_made(done))),
        ("Counts", list(_counts(done))),
        ("What the labels are worth", list(_evidence(done.tally, done.facts))),
        ("Figures", list(_figures(done.facts))),
        ("Cost", list(_cost(done.facts))),
        ("Columns", list(_COLUMNS)),
        ("Use", list(_use(done.tally))),
        ("Licence", list(_LICENCE)),
    ):
        if lines:
            yield from ["", f"## {title}", "", *lines]


def _front(done: Done) -> Iterator[str]:
    total = sum(done.rows.values())
    yield "---"
    yield "license: other  # fill in: the licence under which you publish this"
    yield "task_categories:\n- text-generation"
    yield "tags:\n- preference\n- dpo\n- synthetic\n- judgegen"
    yield "size_categories:\n- " + next((name for limit, name in _SIZES if total < limit), "n>1M")
    yield "configs:\n- config_name: default\n  data_files:"
    for split, path in done.files.items():
        yield f"  - split: {split}\n    path: data/{path.name}"
    yield "---"


def _figures(facts: Mapping[str, Any]) -> Iterator[str]:
    for number, figure in enumerate(facts.get("figures", ())):
        yield from [""] * bool(number)
        yield f"![{figure.caption}](figures/{figure.name}.svg)"


def _made(done: Done) -> Iterator[str]:
    run = done.facts.get("run")
    if run is not None:
        sampler, judge = run["sampler"], run["judge"]
        for variant in sampler["variants"]:
            model = variant.get("model") or sampler["model"]
            yield f"- answers by `{model}`, variant `{variant['name']}`{_settings(variant)}"
        yield from _judged(judge)
        pairs = run.get("pairs", {})
        chosen = f"{pairs.get('select')}, with p_chosen from {pairs.get('min_p_chosen')}"
        yield f"- selected: {chosen}; seed {run.get('seed')}"
    elif done.tally.models:
        for name, (good, bad) in sorted(done.tally.models.items()):
            yield f"- `{name}` wrote {good:,} chosen and {bad:,} rejected answers"


def _judged(judge: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in (judge.get("model"), *(one["model"] for one in judge.get("panel") or ())) if name]
    by = " and ".join(f"`{name}`" for name in names) or f"the grader `{judge.get('grader') or 'none'}`"
    rubric = judge.get("method") == "rubric"
    template = judge.get("rubric" if rubric else "template")
    yield f"- judged by {by} with the template `{template}`" + ("" if rubric else f", orders: {judge.get('orders')}")


def _settings(variant: Mapping[str, Any]) -> str:
    keys = ("n", "temperature", "top_p", "top_k", "reasoning_effort", "system", "system_file")
    told = [f"{key} = {json.dumps(variant[key], ensure_ascii=False)}" for key in keys if variant.get(key) is not None]
    return " (" + ", ".join(told) + ")" if told else ""


def _counts(done: Done) -> Iterator[str]:
    for split, rows in done.rows.items():
        yield f"- {split}: {rows:,} pairs"
    summary = done.facts.get("summary")
    if summary is not None:
        drops = ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary["drops"].items()) if count)
        yield f"- {summary['prompts']:,} prompts went in" + (f"; without a pair: {drops}" if drops else "")
    for reason, count in sorted(done.left_out.items()):
        yield f"- left out here: {count:,}, {reason}"


def _evidence(tally: Written, facts: Mapping[str, Any]) -> Iterator[str]:
    rate = tally.flip_rate
    if rate is not None:
        yield f"- mean p_chosen {1 - rate:.4f} over {tally.soft:,} pairs"
        yield f"- {doubt(rate, calibrated=is_calibrated(facts))}"
        spread = ", ".join(f"{i / 10:.1f} to {(i + 1) / 10:.1f}: {n:,}" for i, n in enumerate(tally.buckets) if n)
        yield f"- p_chosen: {spread}"
    asked = {key: n for key, n in tally.consistent.items() if key is not None}
    total = sum(asked.values())
    if total:
        yield f"- both orders agreed on {asked.get(True, 0):,} of {total:,} pairs that were judged in both"
    found = facts.get("summary", {}).get("diagnostics") or {}
    told = {"flip_rate": "comparisons that flipped with the order", "p_first": "wins of the first shown"}
    for key, words in told.items():
        if found.get(key) is not None:
            yield f"- {words}: {found[key]:.1%}"
    yield from attacked(facts)


def attacked(facts: Mapping[str, Any]) -> Iterator[str]:
    """How hostile answers fared before the judge of a run, or that nobody tried, a line each."""
    found = facts.get("attack")
    if facts.get("judge_template") is None:
        return
    if found is None:
        yield "- how this judge stands hostile answers was not tried (`judgegen judge attack`)"
        return
    kinds = {row["attack"] for row in found["attacks"]}
    yield (
        f"- of {len(kinds)} kinds of hostile answers put before this judge under {found['prompts']:,} prompts, "
        f"{len(kinds) - len(found['won'])} won under {found['tolerated']:.0%} of them or fewer"
    )
    for row in (row for row in found["attacks"] if row["won"]):
        rate = row["win_rate"]
        yield (
            f"- `{row['attack']}` wins before `{row['judge']}` under {rate['value']:.0%} "
            f"[{rate['low']:.0%}, {rate['high']:.0%}] of {row['n']:,}: do not trust its labels of strangers' answers"
        )


def _cost(facts: Mapping[str, Any]) -> Iterator[str]:
    usd = facts.get("summary", {}).get("cost_usd")
    if usd:
        yield f"${usd['total']}: ${usd['sampler']} for answers, ${usd['judge']} for verdicts (USD)."


def _use(tally: Written) -> Iterator[str]:
    yield "```python"
    yield "from datasets import load_dataset"
    yield 'pairs = load_dataset("PATH_OR_NAME", split="train")  # trl.DPOTrainer takes it as it is'
    yield "```"
    rate = tally.flip_rate
    if rate is not None and 0 < rate < 0.5:
        yield "\nThe loss that allows for wrong labels ([robust DPO](https://arxiv.org/abs/2403.00409)):\n"
        yield f'```python\nDPOConfig(loss_type="robust", label_smoothing={rate:.4f})\n```'


_COLUMNS = (
    "- `prompt`, `chosen`, `rejected`: lists of messages; `tools`: JSON in a text, where there are any",
    "- `p_chosen`: the probability that chosen is the better one; `margin`: the gap of the two scores, 0 to 1",
    "- `consistent`: whether both orders of showing agreed; null where one was asked",
    "- `prompt_id`, `chosen_from`, `rejected_from`, `tokens`, `cost_usd`, `reference`, `metadata`: where it came from",
)
_LICENCE = (
    "Fill in. The prompts have a licence of their own, and the terms of the models' providers may limit",
    "what the answers are used for.",
)
