from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price

from judgegen import spec
from judgegen.errors import SpecError
from judgegen.sources import prompts
from judgegen.sources.starter import recipe_next, recipes, write_starter

FIXED = {
    "": "prompts seed",
    "endpoints.vllm": "base_url api_key_env max_concurrency rpm tpm timeout_s identity price",
    "endpoints.embedded": "provider",
    "sampler": "endpoint model reasoning_effort max_tokens",
    "judge": "endpoint model template orders max_attempts",
    "pairs": "select min_p_chosen",
    "budget": "max_usd",
    "output": "formats",
}
VARIANT = "name temperature n top_p top_k system system_file extra_body"


def uncommented(text: str) -> str:
    """The run file with the settings it only shows switched on."""
    return re.sub(r"^# (\[.*\]|\w+ = .*)$", r"\1", text, flags=re.MULTILINE)


def test_the_starter_works_as_it_is(tmp_path: Path) -> None:
    """The run file parses, its prompts load, and both are where the first says."""
    run_file, _ = write_starter(tmp_path / "new" / "folder")
    read = spec.read(run_file)
    said: list[str] = []
    found = list(prompts(run_file.parent / read.prompts, warn=said.append))
    assert 6 <= len(found) <= 8
    assert said == []
    assert any(len(p.messages) > 2 for p in found)
    assert any(p.reference for p in found)
    assert any(p.metadata for p in found)


def test_the_run_file_shows_every_key(tmp_path: Path) -> None:
    """Each key of a run file stands in it, live or in a comment, and the commented ones parse too."""
    run_file, _ = write_starter(tmp_path)
    text = run_file.read_text()
    table = tomllib.loads(uncommented(text))
    spec.parse(table)
    for place, names in FIXED.items():
        here = table
        for part in place.split(".") if place else ():
            here = here[part]
        assert set(names.split()) <= set(here), place
    assert all(f"{name} = " in text for name in VARIANT.split())


def test_the_defaults_shown_are_the_defaults(tmp_path: Path) -> None:
    """A setting that the starter spells out and that has a default has the default's value."""
    run_file, _ = write_starter(tmp_path)
    read = spec.read(run_file)
    assert read.pairs == spec.Pairs()
    assert read.output == spec.Output()
    assert (read.judge.template, read.judge.orders, read.judge.max_attempts) == ("pairwise", "both", 3)
    assert read.judge.max_attempts == spec.Judge(model="m").max_attempts


def test_the_costs_it_states_are_right(tmp_path: Path) -> None:
    """The calls and USD in the comments are what the settings and the price table come to."""
    run_file, _ = write_starter(tmp_path)
    text, read = run_file.read_text(), spec.read(run_file)
    n = sum(v.n for v in read.sampler.variants if isinstance(v.n, int))
    calls = n * (n - 1)
    assert f"{n} sampler calls and {calls} judge calls" in text

    def price(model: str, side: str) -> Decimal:
        usage = Usage(input_tokens=1000 * (side == "in"), output_tokens=1000 * (side == "out"))
        return calc_price(usage, model_ref=model, provider_id="openai").total_price * 1000

    sampler, judge = read.sampler.model, read.judge.model
    assert f"{sampler} ${price(sampler, 'in'):.2f} in and ${price(sampler, 'out'):.2f} out" in " ".join(text.split())
    assert f"{judge} ${price(judge, 'in'):.0f} and ${price(judge, 'out'):.0f}" in text
    candidates = n * read.sampler.max_tokens * price(sampler, "out") / 1_000_000
    verdicts = calls * read.judge.token_limit * price(judge, "out") / 1_000_000
    stated = [Decimal(found) for found in re.findall(r"at most \$(\S+) for .* and \$(\S+) for its", text)[0]]
    assert stated == [round(candidates, 4), round(verdicts, 3)]
    assert f"{read.judge.token_limit:,} tokens a verdict" in text


@pytest.mark.parametrize("name", recipes())
def test_the_next_command_is_the_pages(name: str) -> None:
    """With the folder that was named; a run that costs is played through first."""
    folder = Path("my folder") / "here"
    words = recipe_next(name, folder)
    assert words[0] in ("judgegen", "pip")
    assert words[:2] != ["judgegen", "run"]
    assert any("my folder/here/" in word for word in words)


@pytest.mark.parametrize("there", [["run.toml"], ["prompts.jsonl"], ["run.toml", "prompts.jsonl"]])
def test_nothing_is_overwritten(tmp_path: Path, there: list[str]) -> None:
    """A file in the way is named, kept, and nothing is written beside it."""
    for name in there:
        (tmp_path / name).write_text("mine")
    with pytest.raises(SpecError) as error:
        write_starter(tmp_path)
    assert all(str(tmp_path / name) in str(error.value) for name in there)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(there, "mine")


def test_a_link_to_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    """What would be written through a dangling link stands somewhere the user did not name."""
    (tmp_path / "prompts.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpecError, match=r"prompts\.jsonl: there already"):
        write_starter(tmp_path)
    assert not (tmp_path / "run.toml").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """A folder that cannot be made is an error with the reason."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SpecError, match=r"file: cannot be written \(File exists\)"):
        write_starter(tmp_path / "file")
