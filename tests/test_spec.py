from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from judgegen import spec
from judgegen.errors import SpecError
from judgegen.plan import run as plan

GOOD: dict[str, Any] = {
    "prompts": "prompts.jsonl",
    "endpoints": {"vllm": {"base_url": "http://127.0.0.1:8000/v1", "max_concurrency": 8}},
    "sampler": {
        "endpoint": "vllm",
        "model": "small",
        "variants": [
            {"name": "focused", "temperature": 0.3},
            {"name": "loose", "temperature": {"low": 0.9, "high": 1.3}},
        ],
    },
    "judge": {"endpoint": "vllm", "model": "big"},
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    table = copy.deepcopy(GOOD)
    change(table)
    return table


BAD: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda t: t.update(promts="x"), "unknown key 'promts'; did you mean 'prompts'"),
    (lambda t: t["sampler"].update(temprature=1), "'temperature' in variants"),
    (lambda t: t["sampler"]["variants"][0].update(temperture=1), "did you mean 'temperature'"),
    (lambda t: t["endpoints"]["vllm"].update(base_ur="x"), "did you mean 'base_url'"),
    (lambda t: t["endpoints"]["vllm"].update(xyzzy=1), "nearest known key is"),
    (lambda t: t.pop("judge"), "missing key 'judge'"),
    (lambda t: t["sampler"].update(endpoint="nowhere"), "sampler.endpoint = 'nowhere' is not one of"),
    (lambda t: t["sampler"].update(variants=[{"name": "a"}]), "nothing to compare"),
    (lambda t: t["sampler"].update(variants=[{"name": "a"}, {"name": "a"}]), "'a' stands twice"),
    (lambda t: t["sampler"]["variants"][1].update(temperature={"low": 2, "high": 1}), "above high"),
    (lambda t: t["sampler"]["variants"][1].update(temperature={"low": 2, "hgh": 1}), "did you mean 'high'"),
    (lambda t: t["sampler"]["variants"][1].update(temperature="hot"), "temperature"),
    (lambda t: t["sampler"]["variants"][0].update(system="a", system_file="b"), "both system and system_file"),
    (lambda t: t["judge"].update(orders="two"), "judge.orders"),
    (lambda t: t["judge"].update(max_attempts=0), "judge.max_attempts"),
    (lambda t: t["judge"].update(model="gpt-6.1-sol", temperature=0), "judge.temperature: gpt-6.1-sol refuses"),
    (lambda t: t["judge"].update(model="gpt-6.1-sol", logprobs=True), "judge.logprobs: gpt-6.1-sol refuses"),
    (lambda t: t["judge"].update(model="gpt-6.1-sol", reasoning_effort="none"), "always reasons"),
    (lambda t: t["sampler"].update(model="gpt-6-luna"), 'set reasoning_effort = "none"'),
    (lambda t: t["sampler"].update(model="gpt-5-mini"), "sampler.variants.focused.temperature"),
    (lambda t: t["pairs"].update(min_p_chosen=0.4) if "pairs" in t else t.update(pairs={"min_p_chosen": 0.4}), "min_p"),
    (lambda t: t["endpoints"].update(x={"provider": "openai"}), "endpoints.x has no base_url"),
    (lambda t: t["endpoints"]["vllm"].update(folders={"m": "/m"}), 'folders goes with provider = "transformers"'),
    (lambda t: t["judge"].update(extra_body={"max_tokens": 9}), "extra_body may not set 'max_tokens'"),
    (lambda t: t.update(budget={"max_usd": -1}), "budget.max_usd"),
    (lambda t: t["endpoints"]["vllm"].update(base_url="localhost:8000/v1"), "lacks http:// or https://"),
    (lambda t: t["endpoints"]["vllm"].update(base_url="ftp://here/v1"), "begins with 'ftp://'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_run_file_that_does_not_hold_is_refused_by_key(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Every mistake is an error that names the key and what to write."""
    with pytest.raises(SpecError) as caught:
        spec.parse(changed(change), where="mine.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")


@pytest.mark.parametrize("key", ["sk-planted-1f2e3d", "gsk_Planted1F2e3D4c5B6a7", "Bearer planted", ""])
def test_a_key_in_place_of_its_variables_name_is_refused_and_not_repeated(key: str) -> None:
    """Else it would be printed, logged and kept in the run folder as the name of a variable."""
    with pytest.raises(SpecError, match=r"endpoints.vllm.api_key_env: names the environment variable") as caught:
        spec.parse(changed(lambda t: t["endpoints"]["vllm"].update(api_key_env=key)))
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("name", ["MY_KEY", "_key2", "AzureOpenAIKeyEastUS2025", "OpenAI_v2_Key_of_2026"])
def test_whatever_may_name_a_variable_is_taken(name: str) -> None:
    """Of either case, with digits: nobody's names are ours to choose."""
    found = spec.parse(changed(lambda t: t["endpoints"]["vllm"].update(api_key_env=name)))
    assert found.endpoints["vllm"].api_key_env == name


def test_all_problems_are_listed_at_once() -> None:
    """Two mistakes are two lines."""
    table = changed(lambda t: (t.update(promts="x"), t["judge"].update(orders="two")))
    with pytest.raises(SpecError) as caught:
        spec.parse(table)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("mien.toml", "did you mean .*mine.toml"),
        ("nosuch/run.toml", "there is no folder .*nosuch"),
        ("elsewhere.toml", "`judgegen init DIR` writes one"),
    ],
)
def test_a_run_file_that_is_not_there_is_looked_for_beside_it(tmp_path: Path, asked: str, words: str) -> None:
    """A name mistyped is told apart from a folder that is not there and from no run file at all."""
    (tmp_path / "mine.toml").touch()
    with pytest.raises(SpecError, match=f"cannot be read.*{words}"):
        spec.read(tmp_path / asked)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"prompts = ", "not TOML"), (b'prompts = "caf\xe9"', "not UTF-8"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Missing, broken or badly encoded, the message names the file."""
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        spec.read(path)
    assert "mine.toml" in str(caught.value)


def test_openai_is_there_without_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address comes from the environment, its key from OPENAI_API_KEY."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1/")
    found = spec.parse(GOOD).endpoints["openai"]
    assert (found.address, found.api_key_env) == ("http://127.0.0.1:1/v1", "OPENAI_API_KEY")


def test_the_resolved_run_file_reads_back_as_itself(tmp_path: Path) -> None:
    """Writing and reading a run file changes nothing."""
    first = spec.parse(GOOD)
    (tmp_path / "run.toml").write_text(
        tomli_w.dumps(first.model_dump(mode="json", exclude_none=True)), encoding="utf-8"
    )
    assert spec.read(tmp_path / "run.toml") == first


OPERATIONAL = {"max_concurrency": 3, "rpm": 10.0, "tpm": 99.0, "timeout_s": 5.0, "max_retries": 1, "api_key_env": "KEY"}


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(OPERATIONAL)), st.none()))
def test_how_we_send_is_not_what_the_run_means(keys: dict[str, None]) -> None:
    """Timeouts, rates, keys and concurrency change neither calls nor outputs."""
    table = changed(lambda t: t["endpoints"]["vllm"].update({key: OPERATIONAL[key] for key in keys}))
    kept = plan.texts(spec.parse(GOOD), Path())
    assert spec.parse(table).meaning() == spec.parse(GOOD).meaning()
    assert plan.plan(spec.parse(table), kept) == plan.plan(spec.parse(GOOD), kept)


def test_an_identity_keeps_calls_valid_when_the_address_changes() -> None:
    """With an identity the address is not what calls carry."""
    moved = changed(lambda t: t["endpoints"]["vllm"].update(base_url="http://127.0.0.1:9/v1", identity="ours"))
    stayed = changed(lambda t: t["endpoints"]["vllm"].update(identity="ours"))
    assert spec.parse(moved).meaning() == spec.parse(stayed).meaning()


def test_a_judge_that_thinks_gets_room_to() -> None:
    """The default token limit follows whether the model is known to reason."""
    thinking = spec.parse(changed(lambda t: t["judge"].update(model="gpt-6.1-sol")))
    assert (thinking.judge.token_limit, spec.parse(GOOD).judge.token_limit) == (4096, 512)
