from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from judgegen.cli import main

ROOT = Path(__file__).parents[2]
RUN_FILE = """\
prompts = "prompts.jsonl"
[endpoints.world]
provider = "scripted"
scripted = { accuracy = 0.9 }
[sampler]
endpoint = "world"
model = "scripted-small"
[[sampler.variants]]
name = "plain"
n = 2
[judge]
endpoint = "world"
model = "JUDGE"
"""
LABELLED = ROOT / "examples" / "calibrated" / "labelled.jsonl"
COMMANDS = """\
run  one.toml -o one
run  two.toml -o two
run  one.toml -o sharded --shard 1/2
run  one.toml -o sharded --shard 2/2
merge  sharded --dataset
status  one
write  one
estimate  one.toml -o one
rehearse  one.toml
show  one -n 9
report  one
probe  one.toml -o one
compare  one two
judge check  LABELLED --run one.toml -n 6
judge calibrate  LABELLED --run one.toml -n 40 --target 0.6
judge attack  one.toml -o one -n 2
judge compare  one.toml two.toml --on LABELLED -n 6
export  one --to trl-dpo -o trl.jsonl --split 0.5
import  mixed.jsonl -o imported.jsonl
inspect  mixed.jsonl
validate  one/openai-dpo.jsonl --for openai-dpo
finetune cost  one/openai-dpo.jsonl --model gpt-4.1
finetune cost  one/openai-dpo.jsonl --model gpt-4.1 --requests-per-day 9 --input-tokens 9 --output-tokens 9
"""


@pytest.fixture(scope="session")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    """The folder in which commands were called, and what they print with --json, by their names."""
    folder = tmp_path_factory.mktemp("commands")
    for name, judge in (("one", "scripted-judge"), ("two", "another-judge")):
        (folder / f"{name}.toml").write_text(RUN_FILE.replace("JUDGE", judge))
    asked = ({"prompt": f"Is {n} odd or even?", "reference": "odd"} for n in range(1, 17, 2))
    (folder / "prompts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked))
    pair = {"prompt": "Why?", "chosen": "Because it is so.", "rejected": "It is not so.", "source": "us"}
    other = {"prompt": "Why not?", "chosen": "Since it is not.", "rejected": "It is."}
    lines = (pair, pair, other, {**pair, "chosen": ""})
    (folder / "mixed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found: dict[str, list[Any]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in COMMANDS.splitlines():
            name, *arguments = line.replace("LABELLED", str(LABELLED)).split("  ")
            found.setdefault(name, []).extend(_called([*name.split(), *" ".join(arguments).split()]))
    return folder, found


def _called(arguments: list[str]) -> list[Any]:
    more = ("--quiet", "--yes") if arguments[0] in ("run", "judge") else ()
    with redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        main([*arguments, "--json", *more])
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def printed(commanded: tuple[Path, dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """What they print alone."""
    return commanded[1]
