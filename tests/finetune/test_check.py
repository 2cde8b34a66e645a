from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.exchange.validate import validate
from judgegen.finetune.check import Service, check
from judgegen.finetune.rows import Method
from judgegen.simulator import training

Write = Callable[..., Path]
USER = {"role": "user", "content": "Name a colour."}
SAID = {"role": "assistant", "content": "Red."}
OTHER = {"role": "assistant", "content": "No."}
TOOL = {"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {}}}}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "go", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "went"}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [OTHER]}
CHAT = {"messages": [USER, SAID]}
ITEM = {"messages": [USER], "reference": "red", "anything": [1]}
GOOD: dict[Method, dict[str, Any]] = {"dpo": PAIR, "sft": CHAT, "rft": ITEM}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}


def asked(*messages: Any, **more: Any) -> dict[str, Any]:
    return {**PAIR, "input": {"messages": list(messages), **more}}


FINE: list[tuple[Method, dict[str, Any]]] = [
    ("dpo", PAIR),
    ("dpo", asked({"role": "system", "content": ""}, USER, tools=[TOOL], parallel_tool_calls=False)),
    ("dpo", asked(USER, {**SAID, "weight": 0}, USER)),
    ("dpo", asked(USER, CALLS, RESULT, tools=[TOOL])),
    ("dpo", {**PAIR, "preferred_output": [CALLS]}),
    ("dpo", {**PAIR, "preferred_output": [{"role": "assistant", "content": "\ud83d"}]}),
    ("sft", CHAT),
    ("sft", {"messages": [{"role": "system", "content": "Be brief."}, USER, SAID], "tools": [TOOL]}),
    ("sft", {"messages": [IMAGE, SAID]}),
    ("rft", ITEM),
    ("rft", {"messages": [{"role": "developer", "content": "Be brief."}, USER], "tools": [TOOL], "chosen": "x"}),
]

BAD: list[tuple[Method, Any, str]] = [
    ("dpo", b"{broken\n", "not JSON"),
    ("dpo", b"\n", "blank"),
    ("dpo", b'{"input": "\xff"}\n', "not UTF-8"),
    ("dpo", [1], "not a JSON object"),
    ("dpo", {"prompt": "x", "chosen": "y", "rejected": "z"}, "input is missing"),
    ("dpo", {**PAIR, "confidence": 0.9}, "key 'confidence'"),
    ("dpo", {key: PAIR[key] for key in ("input", "preferred_output")}, "non_preferred_output is missing"),
    ("dpo", {**PAIR, "preferred_completion": [SAID]}, "key 'preferred_completion'"),
    ("dpo", {**PAIR, "input": [USER]}, "input is not an object"),
    ("dpo", asked(), "input.messages is empty"),
    ("dpo", asked(USER, temperature=1), "key 'temperature' in input"),
    ("dpo", asked({"role": "developer", "content": "x"}, USER), "role 'developer'"),
    ("dpo", asked({"content": "x"}), "has no role"),
    ("dpo", asked({**USER, "id": 3}), "key 'id' in a message"),
    ("dpo", asked(USER, SAID), "ends with a message of role 'assistant'"),
    ("dpo", asked({"role": "user", "content": " "}), "says nothing"),
    ("dpo", asked(IMAGE), "content that is not text"),
    ("dpo", {**PAIR, "preferred_output": []}, "preferred_output is empty"),
    ("dpo", {**PAIR, "preferred_output": SAID}, "preferred_output is not a list"),
    ("dpo", {**PAIR, "non_preferred_output": [USER]}, "non_preferred_output has no message of the assistant"),
    ("dpo", {**PAIR, "non_preferred_output": [{"role": "assistant", "content": ""}]}, "says nothing"),
    ("dpo", {**PAIR, "non_preferred_output": [SAID]}, "chosen and rejected are the same"),
    ("sft", PAIR, "key 'input'"),
    ("sft", {"messages": [USER]}, "the last message is of role 'user'"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": ""}]}, "the last message says nothing"),
    ("sft", {"messages": [SAID]}, "the prompt is empty"),
    ("sft", {**CHAT, "source": "x"}, "key 'source'"),
    ("rft", {"item": 1}, "messages is not a list"),
    ("rft", {"messages": [{"role": "system", "content": "x"}, USER]}, "role 'system'"),
    ("rft", {"messages": [USER, SAID]}, "ends with a message of role 'assistant'"),
]


@pytest.mark.parametrize("service", ["openai", "azure"])
@pytest.mark.parametrize(("method", "row"), FINE)
def test_what_the_service_takes_passes(write: Write, service: Service, method: Method, row: dict[str, Any]) -> None:
    """Tools, turns, weights, images where they are trained on, half characters: and the simulated service takes it."""
    path = write([GOOD[method]] * 9 + [row], mark=service == "azure")
    assert check(path, service, method) == 10
    kind = {"dpo": "dpo", "sft": "supervised", "rft": "reinforcement"}[method]
    assert training.check(path, kind, azure=service == "azure").errors == ()


@pytest.mark.parametrize("service", ["openai", "azure"])
@pytest.mark.parametrize(("method", "row", "words"), BAD)
def test_a_planted_fault_is_found_at_its_line(
    write: Write, service: Service, method: Method, row: Any, words: str
) -> None:
    """And nothing but it is, in a file that is right otherwise."""
    path = write([GOOD[method]] * 6 + [row] + [GOOD[method]] * 6, mark=service == "azure")
    with pytest.raises(SpecError) as caught:
        check(path, service, method)
    said = str(caught.value)
    assert said.startswith(f"{path}:7: ")
    assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(("method", "row"), [*FINE, *((method, row) for method, row, _ in BAD)])
def test_whatever_validate_calls_an_error_is_not_submitted(method: Method, row: Any, write: Write) -> None:
    """The free step is no stricter than the one that is paid for."""
    path = write([GOOD[method]] * 6 + [row] + [GOOD[method]] * 6)
    if not validate(path, f"openai-{method}").refused:
        return
    with pytest.raises(SpecError):
        check(path, "openai", method)


def test_azure_takes_more_than_one_message(write: Write) -> None:
    """Its page asks for at least one of the assistant in each output, OpenAI's schema for exactly one."""
    row = {**PAIR, "preferred_output": [SAID, OTHER]}
    assert check(write([row] * 10, mark=True), "azure", "dpo") == 10
    with pytest.raises(SpecError, match=":1: preferred_output has more than one message"):
        check(write([row] * 10), "openai", "dpo")


@pytest.mark.parametrize(("service", "mark"), [("openai", True), ("azure", False)])
@pytest.mark.parametrize("method", ["dpo", "sft", "rft"])
def test_a_byte_order_mark_is_azures(write: Write, service: Service, mark: bool, method: Method) -> None:
    """Azure's files have one and OpenAI's have none; the export that makes them so is named, where there is one."""
    path = write([GOOD[method]] * 10, mark=mark)
    mend = "utf-8-sig" if service == "azure" and method != "dpo" else f"--to {service}-{method}"
    with pytest.raises(SpecError, match=rf"byte order mark.*{mend}"):
        check(path, service, method)
    kind = {"dpo": "dpo", "sft": "supervised", "rft": "reinforcement"}[method]
    assert training.check(path, kind, azure=service == "azure").errors != ()


@pytest.mark.parametrize("service", ["openai", "azure"])
@pytest.mark.parametrize("method", ["dpo", "sft"])
def test_ten_lines_are_the_fewest(write: Write, service: Service, method: Method) -> None:
    """Nine are too few, ten are not; neither is a file without any."""
    for count, ok in ((10, True), (9, False), (0, False)):
        path = write([GOOD[method]] * count or [b""], mark=service == "azure")
        if ok:
            assert check(path, service, method) == count
            continue
        with pytest.raises(SpecError, match="needs at least 10"):
            check(path, service, method)


def test_a_file_that_is_too_large_is_refused(write: Write) -> None:
    """By its bytes, before they are sent: 512 MB."""
    path = write([PAIR] * 10)
    with path.open("r+b") as file:
        file.seek(512 * 10**6)
        file.write(b"\n")
    with pytest.raises(SpecError, match=r"512,000,001 bytes; openai-dpo takes at most 512,000,000$"):
        check(path, "openai", "dpo")


def test_a_validation_file_may_be_short(write: Write) -> None:
    """Ten lines are asked for to train on."""
    assert check(write([PAIR]), "openai", "dpo", validation=True) == 1


@pytest.mark.slow
def test_items_have_a_most(write: Write) -> None:
    """50,000 to train on and 1,000 to validate on."""
    path = write([ITEM] * 1001)
    assert check(path, "openai", "rft") == 1001
    with pytest.raises(SpecError, match=r"1,001 examples; openai-rft takes at most 1,000"):
        check(path, "openai", "rft", validation=True)
    path.write_text(f"{json.dumps(ITEM)}\n" * 50_001)
    with pytest.raises(SpecError, match=r"50,001 examples; openai-rft takes at most 50,000"):
        check(path, "openai", "rft")


def test_faults_are_listed_up_to_twenty(write: Write) -> None:
    """With their lines, so that they can be mended at once."""
    path = write([PAIR, {**PAIR, "x": 1}] * 30)
    with pytest.raises(SpecError) as caught:
        check(path, "openai", "dpo")
    numbers = [int(line.removeprefix(f"{path}:").split(":")[0]) for line in str(caught.value).splitlines()]
    assert numbers == list(range(2, 42, 2))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(SpecError, match=r"gone\.jsonl: cannot be read"):
        check(tmp_path / "gone.jsonl", "openai", "dpo")
