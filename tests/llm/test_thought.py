"""What a model thinks is no part of what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.thought import part

MARKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Think>", "</Think>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("Here is my thought process:", "Here is my response:"),
    ("<longcat_think>", "</longcat_think>"),
    ("<think >", "</think >"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|begin_of_thinking|>", "<|end_of_thinking|>"),
    ("<\uff5cbegin\u2581of\u2581thinking\uff5c>", "<\uff5cend\u2581of\u2581thinking\uff5c>"),
    ("<thinking_process>", "</thinking_process>"),
    ("<internal_thoughts>", "</internal_thoughts>"),
    ("[REASONING]", "[/REASONING]"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("```thinking\n", "\n```"),
    ("<|im_start|>think", "<|im_start|>answer"),
]
WORDS = st.text(alphabet="abc {}\"'\n.,", max_size=30).map(lambda text: f"w{text}w")


@pytest.mark.parametrize("marks", MARKS)
@given(thought=WORDS, said=WORDS)
def test_a_thought_before_an_answer_is_split_off(marks: tuple[str, str], thought: str, said: str) -> None:
    """Whatever marks it, and whatever white space stands around."""
    opened, closed = marks
    found = part(f"\n{opened}\n{thought}\n{closed}\n\n{said}")
    assert (found.thought, found.said) == (thought, said)


@given(thought=WORDS, said=WORDS)
def test_a_closing_mark_alone_closes_what_the_template_opened(thought: str, said: str) -> None:
    """All before it is thought."""
    for between in ("\n</think>\n\n", "</think>\n"):
        found = part(thought + between + said)
        assert (found.thought, found.said) == (thought, said)


@given(thought=WORDS)
def test_a_thought_that_never_ends_says_nothing(thought: str) -> None:
    """An opening mark alone leaves no answer."""
    found = part(f"<think>\n{thought}")
    assert (found.thought, found.said) == (thought, "")


@pytest.mark.parametrize(
    "text",
    [
        "A plain answer.",
        "Qwen closes its thought with `</think>`, in code.",
        'The mark "</think>" closes a thought.',
        "```\n<think>x</think>\n```\nis how it looks.",
        "In XML, <reasoning>why</reasoning> may be of an answer.",
        "",
    ],
)
def test_an_answer_that_speaks_of_marks_stands_as_it_is(text: str) -> None:
    """Code and quotes hold no thought."""
    assert part(text).said == text
    assert not part(text).thought


@given(st.text(alphabet='<>/think[]THINK|`\n" \u25c1\u25b7x'))
def test_any_text_is_parted_within_its_own_characters(text: str) -> None:
    """Nothing is said that is not in the text, and no thought is read twice."""
    found = part(text)
    assert set(found.said) <= set(text)
    assert 0 <= found.begins <= len(text)
    assert found.thought or found.said == text or len(found.said) < len(text)
