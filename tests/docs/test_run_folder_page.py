"""docs/run-folder.md says what stands in a run folder.

`python tests/docs/test_run_folder_page.py > docs/run-folder.md` writes it.
The descriptions are the code's; here they are held to what runs write, both ways.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from judgegen import cli, errors
from judgegen.errors import EXIT_CODES, JudgegenError
from judgegen.finetune.book import IN_A_RUN
from judgegen.llm.calls import Call, Failure, Tag
from judgegen.llm.environment import VARIABLES
from judgegen.records import Prompt, Result
from judgegen.report.labelled import LABELS as LABELLED
from judgegen.review.labels import Labels
from judgegen.review.queue import Queued
from judgegen.review.sitting import Sitting
from judgegen.run.afar import HERE, POINT
from judgegen.run.anchors import FILE as ANCHORS
from judgegen.run.events import Events
from judgegen.run.rounds import FOLDER
from judgegen.sampler.read import REASONS as TOLD
from judgegen.writer.calibrated import BELOW
from judgegen.writer.columns import TABLES
from judgegen.writer.expected import NAME as EXPECTED
from judgegen.writer.keys import CALIBRATION, DROPS, LABELS, LOG, PREFERENCES, REFUSED, SUMMARY
from judgegen.writer.outputs import EARLIER
from judgegen.writer.summary import Summary

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "run-folder.md"
Commanded = tuple[Path, dict[str, list[Any]]]
"""Where commands were called, and what they printed."""
FILES = {
    "run.toml": "the run file as it was read: what the run uses, every path whole",
    "journal.sqlite": "the truth: every answered call, the prompts, the templates",
    "journal.sqlite.lock": "beside each journal: keeps a second process out; empty, and of no use to anybody else",
    "journal.finished": "of a finished run digests of its files and of what made them: run again, it has nothing to do",
    "preferences.jsonl": "a row per pair",
    "FORMAT.jsonl": "the same as a consumer takes it, one file per name in `[output] formats`",
    "summary.json": "counts, spend, and what the run says of its judge",
    "audit/*.parquet": "every prompt, candidate, verdict, call and pair; every drop with its reason",
    "run.log": "what happened to calls, a JSON object per line: sent again, refused, lost, adapted; no secrets",
    "report.html": "what `judgegen report` wrote, where it did",
    "labels.jsonl": "what people labelled in `judgegen review`, where they did: to keep, nothing makes it again",
    "earlier/": "what was made of other preferences, before the run file changed",
    "shard-K-of-N/": "in a run in parts: the run folder of a part, until `judgegen merge` and after it",
    "dataset/": "where `judgegen merge --dataset` wrote it: the audit once more, TABLE/shard=K/TABLE.parquet",
    "shard.json": "in the folder of a shard alone: which of how many it is, and of what",
    "store.json": "of a run at a store, in its folder here: which copy of the journal this folder last made or took",
    "checkpoint.json": "of a run at a store, there: which copy of the journal this is; writer.json says who writes",
    "batch-files/": "requests that wait for an engine without a server, and its answers",
    "finetune.json": "the fine-tuning jobs that `judgegen finetune submit` made of this run",
    "anchors.json": "what the judge said of its anchors, where `[judge] anchors` names some: for later runs",
    "attack.json": "in the folder of an attack alone: its figures and the judge they are of, for a data set's card",
    "expected.jsonl": "what was said of the cost before it was paid, a JSON object a time; for the report",
    "REHEARSAL.txt": "in the folder of a rehearsal alone: that all of it is made up",
    "answers.json": "beside it: the references that the made-up models were told",
}


def page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_rows(), *_reasons(), *_audit(), *_beside(), *_codes(), *_variables()]) + "\n"


def _head() -> Iterator[str]:
    yield from ("# The run folder", "")
    yield "<!-- Written by `python tests/docs/test_run_folder_page.py > docs/run-folder.md`. -->"
    yield ""
    yield (
        "To keep: run.toml, the journal, run.log, expected.jsonl, labels.jsonl, finetune.json, shard.json and the "
        "folders of shards. The outputs are derived: delete them, and `judgegen write DIR` makes the same bytes, "
        "`judgegen report DIR` the report."
    )
    yield ""
    yield from _table("file", FILES)


def _table(what: str, rows: dict[str, str] | Any) -> Iterator[str]:
    yield from (f"| {what} | what it is |", "| --- | --- |")
    yield from (f"| `{name}` | {text} |" for name, text in rows.items())


def _rows() -> Iterator[str]:
    yield from ("", "## preferences.jsonl", "", *_table("key", PREFERENCES))
    yield from ("", "## summary.json", "", "`*` is a name (a reason, a variant, a format) or any row of a list.", "")
    yield from _table("key", SUMMARY)


def _reasons() -> Iterator[str]:
    yield from ("", "## Why a prompt has no pair", "")
    yield from ("`drops` of summary.json, `outcome` in audit/prompts.parquet.", "", *_table("reason", DROPS))
    yield from ("", "## Why an answer may not compete", "")
    yield "`candidates.refused` of summary.json, `refused` in audit/candidates.parquet. Other words are the server's"
    yield from ("own: for how the answer ended, or for why there is none.", "", *_table("reason", REFUSED))


def _beside() -> Iterator[str]:
    yield from ("", "## run.log", "", *_table("key", LOG))
    yield from ("", "## labels.jsonl", "")
    yield from ("What `judgegen review` adds to, a line a label; no line is changed.", "", *_table("key", LABELS))
    yield from ("", "## calibration.json", "")
    yield from ("What `judgegen judge calibrate` writes, where it is told to.", "", *_table("key", CALIBRATION))


def _audit() -> Iterator[str]:
    yield from ("", "## audit", "", "The descriptions stand in the files too, with each column.")
    for name, schema in TABLES.items():
        yield from ("", f"### {name}.parquet", "", "| column | type | what it is |", "| --- | --- | --- |")
        for field in schema:
            text = field.metadata[b"description"].decode().replace("|", "\\|")
            yield f"| `{field.name}` | {field.type} | {text} |"


def _codes() -> Iterator[str]:
    yield from ("", "## Exit codes", "", "| code | means | then |", "| --- | --- | --- |")
    yield from (f"| {code} | {means} | {then} |" for code, (means, then) in EXIT_CODES.items())


def _variables() -> Iterator[str]:
    yield from ("", "## Environment variables", "", "| variable | what it says |", "| --- | --- |")
    yield from (f"| `{name}` | {text} |" for name, text in VARIABLES.items())
    yield ""
    yield "Besides these a run file names the variables that hold its keys: `api_key_env` of an endpoint, and"
    yield '`"env:NAME"` in its `headers` and `query`. A file `.env` in the working folder says what the environment'
    yield "does not. Python itself finds a proxy in `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, and"
    yield "certificates in `SSL_CERT_FILE` and `SSL_CERT_DIR`; tables and progress know `NO_COLOR`, `FORCE_COLOR`,"
    yield "`COLUMNS` and `TERM`."


def leaves(found: Any, path: str = "") -> Iterator[str]:
    """Where values stand, dotted; every name of a table with names of the user's, and every row, is `*`."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from leaves(value, f"{path}.{key}".lstrip("."))
    elif isinstance(found, list) and found and isinstance(found[0], dict):
        for value in found:
            yield from leaves(value, f"{path}.*")
    else:
        yield path


def matches(path: str, pattern: str) -> bool:
    """Whether a path is one that the pattern means."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+|.+"), path) is not None


def summaries() -> list[dict[str, Any]]:
    """Summaries as runs wrote them, and one of made-up results that has the rest."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("tests/before/*/run/summary.json")]
    made = Summary()
    for reason in ("flip", "incomplete"):
        lost = Result(prompt=Prompt(id="p", messages=()), drop=reason)
        made.add(lost, lost.calls)
    call = Call(endpoint="e", model="m", messages=(), params={}, tag=Tag(role="judge", prompt_id="p"))
    made.failures.add(call, Failure(reason="rejected", detail="no"))
    made.suspicions["verdict"] += 1
    made.rules["short"]["broken"] += 1
    extra = {
        "rehearsal": True,
        "in_doubt": {"requests": 1, "usd_at_most": "0.1"},
        "probe": {"calls": 9, "usd": "0"},
        "alike": [{"variants": ["cold", "hot"], "prompts": 9}],
        "wanted": {"pairs": 3, "taken": 4, "prompts": 9},
        "shift": [{"name": "first", "then": 0.5, "now": 0.7, "p": 0.0001}],
        "further": {"prompts": 2, "candidates": 3, "pairs": 1},
        "anchors": {
            **dict.fromkeys(("judged", "lacking", "decided", "agreed", "known", "moved", "stayed", "returned"), 1),
            "lost": 1,
            "gained": 0,
            "p": {"moved": 0.1},
            "level": 0.025,
            "alarms": None,
            "reference": "a.json",
        },
        "topics": {"looked_at": 9, "off": 2, "chosen": 1, "against": 100},
        "constants": [{"text": "Yes.", "prompts": 3, "barred": False}],
        "formats": {"openai-dpo": {"rows": 1, "left_out": {"several turns": 1}}},
    }
    return [*kept, {**made.row(), **extra}]


def test_the_page_says_what_the_code_says() -> None:
    """docs/run-folder.md is as `python tests/docs/test_run_folder_page.py > docs/run-folder.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_key_of_the_summary_is_described_and_no_other(commanded: Commanded) -> None:
    """What runs write and what the page lists are the same keys."""
    found = {path for one in [*summaries(), *commanded[1]["run"]] for path in leaves(one)}
    empty = {path for path in found if any(pattern.startswith(f"{path}.") for pattern in SUMMARY)}
    assert [path for path in found - empty if not any(matches(path, pattern) for pattern in SUMMARY)] == []
    assert [pattern for pattern in SUMMARY if not any(matches(path, pattern) for path in found)] == []


def test_every_key_of_a_preference_is_described_and_no_other() -> None:
    """What runs write in preferences.jsonl and what the page lists are the same keys; no kept run has all of them."""
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/before/*/run/preferences.jsonl")]
    kept = {key for text in texts for line in text.splitlines() for key in json.loads(line)}
    assert kept | {"tools", "rehearsal"} == PREFERENCES.keys()


def test_every_column_is_described() -> None:
    """A column of the audit has a description of its own."""
    assert all(field.metadata[b"description"] for schema in TABLES.values() for field in schema)


def test_every_exit_code_is_described_and_no_other() -> None:
    """The codes are those of the errors, 0 and what the command line ends with by itself."""
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, JudgegenError)]
    assert EXIT_CODES.keys() == {0} | {found.exit_code for found in classes}


@pytest.mark.slow
def test_every_environment_variable_is_described_and_no_other() -> None:
    """Every name that the package looks up in the environment is listed, and every name that is listed is looked up."""
    names = re.compile(
        r"(?:OPENAI|AZURE_OPENAI|ANTHROPIC|JUDGEGEN)_(?:API_KEY|BASE_URL|ORG_ID|PROJECT_ID|TRACEBACK)|XDG_\w+_HOME|RAY_ADDRESS"
    )
    ours = [ROOT / "judgegen" / "llm" / name for name in ("environment.py", "dialects.py")]
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "judgegen").rglob("*.py") if path not in ours)
    trees = (ast.parse(text) for text in texts if names.search(text))
    nodes = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    found = {value for value in nodes if _is_name(value, names)}
    assert found == VARIABLES.keys()


def _is_name(value: Any, names: re.Pattern[str]) -> bool:
    return isinstance(value, str) and names.fullmatch(value) is not None


WORD = re.compile(r"[a-z]+(-[a-z]+)*")


def said_in(*modules: str) -> set[str]:
    """The words that functions return, or that become a drop, in modules of the package."""
    trees = (ast.parse((ROOT / "judgegen" / name).read_text(encoding="utf-8")) for name in modules)
    return {word for tree in trees for node in ast.walk(tree) for word in _words(_value_of(node))}


def _value_of(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.Assign):
        return node.value if "drop" in ast.unparse(node.targets[0]) else None
    if isinstance(node, ast.keyword):
        return node.value if node.arg in ("drop", "refused") else None
    return node.value if isinstance(node, ast.Return) else None


def _words(node: ast.expr | None) -> Iterator[str]:
    if isinstance(node, ast.Tuple):
        yield from (word for inner in node.elts for word in _words(inner))
    elif isinstance(node, ast.IfExp):
        yield from (*_words(node.body), *_words(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
        yield node.value


def test_every_reason_is_described_and_no_other() -> None:
    """What the code drops prompts and refuses answers for is what the page lists."""
    assert said_in("pipeline.py", "writer/select.py", "writer/calibrated.py") | {BELOW} == DROPS.keys()
    found = said_in("sampler/screen.py", "llm/ends.py", "writer/constants.py") | set(TOLD.values())
    assert found == REFUSED.keys()


def test_every_key_of_the_log_is_described_and_no_other() -> None:
    """Each event of a run, and the line that ends the log, as they are written."""
    lines: list[dict[str, Any]] = []
    events = Events(lambda event: lines.append(event.row()))
    call = Call(endpoint="e", model="m", messages=(), params={}, tag=Tag(role="judge", prompt_id="p"))
    events.started(prompts=1, folder="f")
    events.capped(Decimal(1))
    events.landed(call, Failure(reason="too_long"), fresh=True)
    events.retried(call, "503", 1.0)
    events.lost(call, "503")
    for told in (events.divided, events.warned, events.adapted, events.waits, events.engine):
        told("so")
    kinds = {line["event"] for line in lines} | {"ended"}
    assert {key for line in lines for key in line} | {"at"} == LOG.keys()
    assert set(LOG["event"].split(", ")) == kinds


def test_every_key_of_a_label_is_described_and_no_other(tmp_path: Path) -> None:
    """A vote as it is written."""
    item = Queued(id="c", prompt_id="p", messages=({"role": "user", "content": "q"},), a="x", b="y", p=0.9)
    with Labels(tmp_path / "labels.jsonl") as labels:
        Sitting([item], labels, "ana").vote("c", "1", "clear")
    (line,) = (tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line).keys() == LABELS.keys()


def test_every_key_of_a_calibration_is_described_and_no_other(commanded: Commanded) -> None:
    """A calibration as it is written, with what it saw."""
    found = set(leaves(json.loads((commanded[0] / "calibration.json").read_text(encoding="utf-8"))))
    assert [path for path in found if not any(matches(path, key) for key in CALIBRATION)] == []
    assert [key for key in CALIBRATION if not any(matches(path, key) for path in found)] == []


def test_every_file_of_a_run_folder_is_described_and_no_other(commanded: Commanded) -> None:
    """What a run, a part of one, a rehearsal, an attack, a check, a report leave; and what takes a person or money."""
    folders = {path.parent for path in commanded[0].rglob("journal.sqlite")}
    assert {"one", "sharded", "one-attack", "one-check", "shard-1-of-2"} <= {folder.name for folder in folders}
    found = {_listed(path) for folder in folders for path in folder.iterdir()}
    rare = {LABELLED, IN_A_RUN, EXPECTED, ANCHORS, f"{EARLIER}/", f"{FOLDER}/", HERE, POINT}
    assert found - rare == FILES.keys() - rare
    assert rare <= FILES.keys()


def _listed(path: Path) -> str:
    """A file's name as the list has it."""
    name = f"{path.name}/" if path.is_dir() else path.name
    name = re.sub(r"^shard-\d+-of-\d+/$", "shard-K-of-N/", name)
    return {"audit/": "audit/*.parquet", "openai-dpo.jsonl": "FORMAT.jsonl"}.get(name, name)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_codes_that_help_names_are_described(name: str) -> None:
    """A command's help names no exit code that the table lacks, and each in order."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for part in re.findall(rf"## judgegen {name}\b.*?(?=\n## |\Z)", page, re.DOTALL):
        found = re.findall(r"^    (\d+)(?:-(\d+))?  ", part, re.MULTILINE)
        codes = [int(code) for low, high in found for code in (low, high or low)]
        assert codes == sorted(codes)
        assert set(codes) <= EXIT_CODES.keys()


@pytest.mark.parametrize("path", sorted((ROOT / "judgegen").rglob("*.py")))
def test_the_environment_is_read_by_known_names(path: Path) -> None:
    """A constant that is looked up in the environment is a listed variable or one that libraries define."""
    source = path.read_text(encoding="utf-8")
    looked_up = re.findall(r"environ(?:\.get\(|\[)\s*[\"'](\w+)[\"']", source)
    assert [name for name in looked_up if name not in VARIABLES] == []


if __name__ == "__main__":
    sys.stdout.write(page())
