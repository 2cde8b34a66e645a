"""docs/json.md says what `--json` prints.

`PYTHONPATH=tests python tests/docs/test_json_page.py > docs/json.md` writes it.

What each key says stands in tests/printed.py; here it is held to what the commands print, both ways.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from printed import ELSEWHERE, ERROR, OF_JOB, OF_SUMMARY, PRINTED, leaves

from judgegen.cli.export import _object
from judgegen.cli.validate import _plain
from judgegen.exchange.contamination import Overlap
from judgegen.exchange.export import Exported
from judgegen.exchange.moderating import Moderated
from judgegen.exchange.personal import Found
from judgegen.exchange.validate import Finding, Findings
from judgegen.finetune.tuner import Job
from judgegen.report.entries import Entry, Side, Utterance
from judgegen.report.packing import WHOLE, row
from judgegen.run.status import BatchStanding, Status
from judgegen.study.aligned import Aligned, Tried
from judgegen.study.grouped import Group
from judgegen.train.held import Wins
from judgegen.train.order import Order
from judgegen.train.rounds import Finished, Round
from judgegen.trust.figures import Figure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "json.md"
HEAD = """\
# What `--json` prints

<!-- Written by `PYTHONPATH=tests python tests/docs/test_json_page.py > docs/json.md`. -->

With `--json` a command prints one JSON object on stdout and nothing else. Progress, warnings and questions go to
stderr; the exit codes are the same. `show` prints an object per line and leaves out what is not there. Money is exact,
as a text.

In the tables `*` stands for a name (a reason, a model, a format) or for any row of a list. A figure is an object with
`value`, `low` and `high`, the ends of its 95 % interval; each is null where it is not defined. A range is an object
with `low`, `high` and mostly `expected`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_summaries(), *_commands(), *_failed()]) + "\n"


def _summaries() -> Iterator[str]:
    yield f"`{'`, `'.join(OF_SUMMARY)}` print what [summary.json](run-folder.md#summary-json) holds, and"
    yield "`judge calibrate` what [calibration.json](run-folder.md#calibration-json) holds."


def _commands() -> Iterator[str]:
    for name, keys in PRINTED.items():
        yield from ("", f"## {name}", "")
        if name == "finetune submit":
            yield f"The job as the provider tells it. `{'` and `'.join(OF_JOB)}` print the same without the"
            yield from ("last four keys, and `finetune list` a list of such jobs, under `jobs`.", "")
        yield from _table(keys)


def _failed() -> Iterator[str]:
    yield from ("", "## When a command fails", "", "Beside what there is to tell in spite of it:", "", *_table(ERROR))


def _table(keys: Mapping[str, str]) -> Iterator[str]:
    yield from ("| key | what it is |", "| --- | --- |")
    yield from (f"| `{key}` | {text} |" for key, text in keys.items())


def test_the_page_says_what_the_tables_say() -> None:
    """docs/json.md is as `PYTHONPATH=tests python tests/docs/test_json_page.py > docs/json.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_with_json_has_its_keys() -> None:
    """No command has the option without a table, and no table stands for a command without it."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## judgegen ([a-z ]+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert {name for name, help_ in parts if re.search(r"^  --json ", help_, re.MULTILINE)} == {*PRINTED, *ELSEWHERE}


def _rarely() -> dict[str, list[Any]]:
    """What takes a provider, hours or gigabytes to be printed by a command: made of the same objects."""
    side = Side(
        key="a/0", variant="a", model="m", text="t", called="c", settings={"top_p": 1}, refused="looping",
        suspicions=("role",), score=0.5, tokens=1, call="c1",
    )  # fmt: skip
    heard = Utterance(
        judge="j", first="a/0", second="a/1", said="empty", readable=False, p_first=0.5, counted=False, words="w",
        calls=("c2",), tokens=1, usd=Decimal(1),
    )  # fmt: skip
    entry = Entry(
        prompt_id="p", number=0, place=0, outcome="flip", detail="d", messages=({"role": "user", "content": "q"},),
        reference="r", metadata={"source": "us"}, chosen=side, rejected=side, others=1, opinions=(heard,),
        p_chosen=0.5, margin=0.5, consistent=False, usd=Decimal(1),
    )  # fmt: skip
    batch = BatchStanding(endpoint="e", model="m", provider_id=None, calls=1, waited_s=1.0)
    status = Status(
        prompts=1, begun=1, calls={"judge": 1}, again=0, usd=None, cap=None, lately=0, quiet_s=None, batches=(batch,)
    )
    findings = Findings(
        file="f", consumer="openai-dpo", rows=1, size=1, findings=(Finding(words="w", fatal=True),), lengths={},
        margins=(), tokens=(), overlaps=(Overlap(line=1, ngram="a b", file="g"),), personal={"email": Found()},
    )  # fmt: skip
    moderated = Moderated(rows=1, flagged={1: ("unsafe",)}, unanswered={2: "503"})
    wins = Wins(rate=Figure(), judged=1, alike=0, unjudged=0, longer=None)
    rounds = (Round(number=1, before=wins, first=wins), Round(number=0))
    done = Finished(rounds=rounds, why="w", model="m", usd=Decimal(0), judge={"flip_rate": 0.1})
    job = asdict(Job(id="j", status="s", model="m", created_at=1))
    more = dict.fromkeys(("made", "record", "warnings", "cost"))  # tests/finetune holds them to what is printed
    trained = {key: {"of": 1} if key in ("order", "left_out", "judge") else None for key in _facts() - {"rows"}}
    tried = Tried(name="rules-1", template=Path("rules-1.md"), agreement=Figure(), gain=Figure())
    group = Group(name="all", comparisons=1, apart=0, rate=Figure())
    aligned = Aligned(
        judge="j", learned=1, held=1, tried=(tried,), chosen=tried, before=Figure(), after=Figure(), gain=Figure(),
        groups=(group,), cost_usd=Decimal(0), folder=Path(),
    )  # fmt: skip
    exported = Exported(paths=(), counts={}, left_out=(), columns_left_out={"tools": 1}, flip_rate=None)
    return {
        "export": [_object("trl-dpo", exported, calibrated=False)],
        "show": [row(entry, WHOLE)],
        "status": [status.to_dict()],
        "validate": [_plain(findings, moderated)],
        "judge align": [aligned.summary],
        "rounds": [done.row()],
        "finetune submit": [{**job, **more}],
        "train": [{**trained, "folder": "f", "fresh": True, "rows": dict.fromkeys(("train", "held", "digest"))}],
    }


def _facts() -> set[str]:
    """The keys of what a training says of itself, from the code: it takes gigabytes to run."""
    tree = ast.parse((ROOT / "judgegen" / "train" / "train.py").read_text(encoding="utf-8"))
    made = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "facts"
    )
    keys = (key for table in made if isinstance(table, ast.Dict) for key in table.keys)
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def _meant(pattern: str, path: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), path) is not None


def _odd(keys: Mapping[str, str], printed: list[Any]) -> tuple[list[str], list[str]]:
    """What is printed and in no table, what is in the table and not printed; null and {} stand for what is below."""
    found = {path for one in printed for path in leaves(json.loads(json.dumps(one)))}
    above = {path for path in found if any(_meant(key, f"{path}.x") or key.startswith(f"{path}.") for key in keys)}
    unknown = [path for path in sorted(found - above) if not any(_meant(key, path) for key in keys)]
    bare = {key for key in keys if any(key.startswith(f"{path}.") for path in above)}
    return unknown, [key for key in keys if key not in bare and not any(_meant(key, path) for path in found)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_every_key_that_is_printed_is_described_and_no_other(name: str, printed: dict[str, list[Any]]) -> None:
    """What the command prints and what the page lists are the same keys."""
    keys = {**PRINTED[name], **(ERROR if name == "judge attack" else {})}  # an attack wins, so that command fails
    assert _odd(keys, [*printed.get(name, []), *_rarely().get(name, [])]) == ([], [])


@pytest.mark.parametrize("name", [*OF_SUMMARY, "judge calibrate"])
def test_what_other_commands_print_stands_where_the_page_says(name: str, printed: dict[str, list[Any]]) -> None:
    """A run's end is its summary, a calibration is its file."""
    assert printed[name]
    assert _odd(ELSEWHERE[name], printed[name])[0] == []


def test_the_settings_of_a_training_are_those_that_are_named() -> None:
    """The one row that names keys in a sentence."""
    assert PRINTED["train"]["order.*"].split(": ")[1].split(", ") == list(Order(method="dpo", model="m").row())


if __name__ == "__main__":
    sys.stdout.write(page())
