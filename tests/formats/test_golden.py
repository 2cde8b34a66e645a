"""Every consumer's files, to the byte; `JUDGEGEN_UPDATE_GOLDEN=1 pytest tests/formats` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judgegen.exchange.export import Exported, export
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.openai_rft import grader
from judgegen.templates import prompts_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = {
    "summary": {
        "prompts": 5,
        "drops": {"tie": 1, "unreadable": 1},
        "cost_usd": {"sampler": "0.003", "judge": "0.006", "total": "0.009"},
        "diagnostics": {"flip_rate": 0.1, "p_first": 0.52},
    },
    "run": {
        "seed": 0,
        "sampler": {"model": "small", "variants": [{"name": "a", "n": 1, "temperature": 0.3}, {"name": "b", "n": 1}]},
        "judge": {"model": "large", "template": "pairwise", "orders": "both"},
        "pairs": {"select": "best-worst", "min_p_chosen": 0.5},
    },
    "judge_template": '+++\nkind = "pairwise"\n+++\n# user\n\n{{ request }}\n{{ first_label }}: {{ first }}\n'
    "{{ second_label }}: {{ second }}\n",
}
CASES = [(name, False) for name in CONSUMERS] + [(name, True) for name, form in CONSUMERS.items() if form.standard]


def told(done: Exported, folder: Path) -> dict[str, Any]:
    """Everything an export came to, as JSON."""
    files = {str(path.relative_to(folder)): shown(path) for path in done.paths}
    return {"files": files, "counts": dict(done.counts), "left_out": done.left_out, "flip_rate": done.flip_rate}


def shown(path: Path) -> Any:
    """A file's rows or lines."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return {"schema": [f"{field.name}: {field.type}" for field in table.schema], "rows": table.to_pylist()}
    return path.read_bytes().decode().split("\n")


@pytest.mark.parametrize(("name", "standard"), CASES)
def test_files_are_the_golden_ones(
    name: str, standard: bool, preferences: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Rows, companions and what is left out, with its reason, are what was looked at and found right."""
    form = CONSUMERS[name]
    out = tmp_path / ("data" if form.folder else f"data{form.suffix}")
    done = export(preferences, name, out, standard=standard, facts=FACTS)
    found = json.dumps(told(done, tmp_path), indent=1, ensure_ascii=False) + "\n"
    golden = GOLDEN / f"{name}{'-standard' if standard else ''}.json"
    if os.environ.get("JUDGEGEN_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("references", "kind"), [(False, "score_model"), (True, "multi")])
@pytest.mark.parametrize("method", ["pairwise", "rubric"])
def test_graders_come_from_the_shipped_templates(method: str, kind: str, references: bool) -> None:
    """Every shipped judge template makes a grader that sees item and sample, and a reference if all have one."""
    for path in sorted(prompts_folder().glob("judge/*.md")):
        text = path.read_text(encoding="utf-8")
        if f'kind = "{method}"' in text:
            judge = {"method": method, "model": "large"}
            found = grader({"judge_template": text, "run": {"judge": judge}}, references=references)
            assert found is not None
            asked = json.dumps(found)
            assert found["type"] == kind
            assert "{{item.prompt}}" in asked
            assert "{{sample.output_text}}" in asked
            assert ("{{item.reference}}" in asked) == references


def test_without_a_judge_or_references_there_is_no_grader() -> None:
    """A grader of nothing is not written; references alone make a string check."""
    assert grader({}, references=False) is None
    assert (grader({}, references=True) or {})["type"] == "string_check"
