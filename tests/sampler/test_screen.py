from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.records import Candidate
from judgegen.sampler.screen import LOOPING, controlled, loops, repetition, unfit


def answer(text: str) -> Candidate:
    return Candidate(prompt_id="p", variant="v", index=0, model="m", text=text, finish="stop", call_id="b2:0")


@pytest.mark.parametrize(
    "text",
    [
        "A fine answer.<|im_end|>",
        "Yes.\n<|im_start|>user\nAnd then?",
        "<s>[INST] What is it? [/INST] It is so.",
        "done</s>",
        "It is so. [INST] And then? [/INST] Nothing.",
        "It is so.\n[INST] And then?",
        "It is so.[/INST]",
        "It is so [/INST]",
        "[INST] <<SYS>> Be good. <</SYS>> Hello",
        "ok<|eot_id|><|start_header_id|>user<|end_header_id|>",
        "x<\uff5cend\u2581of\u2581sentence\uff5c>",
        "bell\x07",
        "null\x00",
    ],
)
def test_a_chat_templates_tokens_are_no_answer(text: str) -> None:
    """What ran past its end, or brings its own turns, may not compete."""
    assert unfit(answer(text)) == "control-tokens"


@pytest.mark.parametrize(
    "text",
    [
        "ChatML opens a turn with `<|im_start|>` and ends it with `<|im_end|>`.",
        "```\n<s>[INST] hello [/INST]\n```\nis Llama's template.",
        "Use <s>old</s> in HTML for what is struck out.",
        "x |> f <| y",
        "tab\there\r\nand form feed\x0c",
        "Llama's template puts [INST] and [/INST] around what the user says, and <<SYS>> before that.",
        "Its marks ([INST], [/INST]) are plain text.",
        "Die Marke [INST] eröffnet die Frage, \u201c[/INST]\u201d schließt sie.",
        "| [INST] | opens the question |",
        "The token <s> begins a sequence and </s> ends it.",
    ],
)
def test_a_token_that_is_quoted_or_spoken_of_is_an_answer(text: str) -> None:
    """Whoever explains a template shows it as code, or names its marks in the middle of a sentence."""
    assert unfit(answer(text)) is None


@pytest.mark.parametrize("unit", ["the ", "I am stuck in a loop. ", "\u54c8", "- instruct \n", "0,"])
def test_a_loop_is_no_answer(unit: str) -> None:
    """A model that got stuck repeats itself, in whatever script."""
    assert unfit(answer("It began well enough, as answers do. " + unit * 600)) == "looping"


def test_what_repeats_as_much_as_speech_does_is_an_answer() -> None:
    """A refrain, a table and a sentence ten times over as it was asked for are answers; short texts never loop."""
    verse = "Another one bites the dust, and I am gone before the night is through. "
    table = "\n".join(f"| {i:04} | item number {i} | {i * 7919 % 1000:03} |" for i in range(60))
    lines = "\n".join(f"{i}. I will not talk in class, because it is rude." for i in range(10))
    for text in (verse * 3 + "And so it ends, on a street that I never knew, with nobody to call. " * 2, table, lines):
        assert unfit(answer(text)) is None
    assert unfit(answer("ha " * 40)) is None


@pytest.mark.parametrize("text", ["", " \n\t\u00a0", "\u200b", "\ufeff\u2060 \u00ad"])
def test_what_nobody_sees_is_no_answer(text: str) -> None:
    """White space, and characters without a width, which Python does not take for such."""
    assert unfit(answer(text)) == "empty"


@given(st.text(max_size=60), st.integers(1, 40))
def test_repetition_is_a_share(text: str, times: int) -> None:
    """Between nothing and all, and more of the same never lowers it below what one more copy adds."""
    assert 0 <= repetition(text * times) < 1


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="<[")))
def test_text_without_markup_has_no_control_tokens(text: str) -> None:
    """Words in any script are words."""
    assert not controlled(text)


STUCK = 9
"""Recorded answers, of those below, that repeat themselves until they were cut off: looked at one by one."""


def recorded(data: Path) -> Iterator[str]:
    for line in (data / "prd_vicuna80" / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)["text"]
    for line in (data / "llmbar" / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield from (row["output_1"], row["output_2"])
    for path in sorted((data / "alpaca_eval" / "outputs").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["output"] for line in lines)


@pytest.mark.slow
def test_no_sound_real_answer_is_screened(shared: Path) -> None:
    """Of 4,824 recorded answers only those of stuck models, and an empty one, may not compete."""
    reasons = [unfit(answer(text)) for text in recorded(shared / "data")]
    assert len(reasons) == 4824
    assert {reason: reasons.count(reason) for reason in set(reasons) - {None}} == {"looping": STUCK, "empty": 1}


@given(st.text(max_size=40), st.text("ab ", min_size=1, max_size=60), st.integers(0, 40), st.text(max_size=300))
def test_looking_at_few_stretches_finds_the_loops_that_all_show(head: str, unit: str, times: int, tail: str) -> None:
    """Whatever is looked at first, the share of all stretches decides."""
    text = head + unit * times + tail
    assert loops(text) == (repetition(text) > LOOPING)
