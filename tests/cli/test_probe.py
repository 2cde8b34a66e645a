from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]
WriteRunFile = Callable[..., Path]


def test_a_probe_in_words(judgegen: Command, run_file: WriteRunFile) -> None:
    """Each model with what it is used for, and a row for each thing found, within 80 columns; nothing in the way: 0."""
    run_file()
    done = judgegen("probe", "mine.toml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.match(r"scripted-small at world \(scripted:\w+\): sampler \(plain\)$", lines[0])
    assert re.search(r"^seed +honoured +one seed gave one text; ", done.stdout, re.MULTILINE)
    assert re.search(r"^scripted-judge at world .*: judge$", done.stdout, re.MULTILINE)
    assert re.search(r"^logprobs +honoured +3 alternatives came; ", done.stdout, re.MULTILINE)
    assert lines[-1] == "nothing speaks against a run; 6 calls, 0 of them from the journal, $0"
    assert max(map(len, lines)) <= 80
    again = judgegen("probe", "mine.toml")
    assert again.stdout.splitlines()[:-1] == lines[:-1]
    assert again.stdout.splitlines()[-1] == "nothing speaks against a run; 6 calls, 6 of them from the journal, $0"


def test_a_probe_as_json(judgegen: Command, run_file: WriteRunFile) -> None:
    """One object: by model what each thing is, what was seen and what a run does, and what stands in the way."""
    run_file(endpoint="[endpoints.world.scripted]\nunreadable_rate = 1.0")
    done = judgegen("probe", "mine.toml", "--json", "--quiet", "--out", "elsewhere")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["works"] is False
    assert [one["model"] for one in found["models"]] == ["scripted-small", "scripted-judge"]
    assert found["models"][1]["findings"]["schema"]["is"] == "looks ignored"
    assert found["error"]["type"] == "ProviderRefused"
    assert "no verdict of it can be read" in found["models"][1]["troubles"][0]
    assert found["folder"] == "elsewhere"


def test_a_probe_that_finds_a_run_unfit_says_why_and_how_to_mend_it(judgegen: Command, run_file: WriteRunFile) -> None:
    """In the table under its model, and as the error that ends the command with 3."""
    run_file(endpoint="[endpoints.world.scripted]\nunreadable_rate = 1.0")
    done = judgegen("probe", "mine.toml")
    assert done.returncode == 3
    assert "- judge: no verdict of it can be read (no-verdict); name a stronger judge.model" in done.stdout
    assert "error: a run could not work\n  scripted-judge: judge: no verdict" in done.stderr
