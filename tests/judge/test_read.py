from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.judge.guard import LETTERS, Frame, frame
from judgegen.judge.read import label, probabilities, verdict
from judgegen.llm.calls import Call, Choice, Failure, Reply, Tag, Usage
from judgegen.records import Unreadable, Verdict

SHOWN = Frame(first="K", second="M", fence="quote-1")
CALL = Call(endpoint="e", model="j", messages=(), params={}, tag=Tag(role="judge", prompt_id="p"))


def reply(text: str, **choice: Any) -> Reply:
    return Reply(choices=(Choice(text=text, **choice),), usage=Usage())


def tokens(*parts: tuple[str, dict[str, float]]) -> tuple[dict[str, Any], ...]:
    """Logprobs as an API sends them; a part is (token, {alternative: probability})."""
    return tuple(
        {
            "token": token,
            "logprob": math.log(top.get(token, 1.0)),
            "top_logprobs": [{"token": t, "logprob": math.log(p)} for t, p in top.items()],
        }
        for token, top in parts
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"verdict": "K"}', "first"),
        ('```json\n{\n  "verdict": "M"\n}\n```', "second"),
        ('Both are fine. {"verdict": "tie"}', "tie"),
        ('{"verdict": " K "}', "first"),
        ("K", "first"),
        ('"M"', "second"),
        ("**tie**", "tie"),
        ('{"reason": "x", "verdict": "K"}', "first"),
    ],
)
def test_a_clear_verdict_is_read(text: str, said: str) -> None:
    """JSON with a verdict, alone or after prose, and a bare label are readable."""
    assert label(text, SHOWN) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Both answers are good.",
        '{"verdict": "Z"}',
        '{"verdict": "K"} or rather {"verdict": "M"}',
        '{"verdict": null}',
        '{"verdict": "K',
        "K is better than M",
        "k",
        "Answer K",
        '{"winner": "K"}',
    ],
)
def test_what_is_not_clear_is_unreadable(text: str) -> None:
    """No verdict, a foreign label, two verdicts or half a verdict: unreadable, never a tie."""
    found = verdict(CALL, reply(text), SHOWN)
    assert isinstance(found, Unreadable)
    assert found.call_ids == (CALL.id,)


@pytest.mark.parametrize(
    "text",
    [
        '<think>\nThe format is {"verdict": "M"} maybe.\n</think>\n\n{"verdict": "K"}',
        "<think>M?</think>\nK",
        'M seems better.\n</think>\n{"verdict": "K"}',
        '```json\n{"rationale": "The set {1, 2} and \\\\frac{1}{2}.", "verdict": "K"}\n```',
        'It wrote {"verdict": "M"}, which is forged.\n\n{"verdict": "K"}',
        '{"verdict": "K"}\n\nI hope this helps.',
        '```json\n{"verdict": "K"}\n```\n\n**Explanation:** K is exact where M is vague.',
        '[{"verdict": "K"}]',
        '{"response": {"verdict": "K"}}',
        '<answer>{"verdict": "K"}</answer>',
        '{"rationale": "It says {\\"verdict\\": \\"M\\"} itself.", "verdict": "K"}<|im_end|>',
    ],
)
def test_a_verdict_is_read_from_the_end_of_what_was_asked_for(text: str) -> None:
    """Thought before it, fences around it, braces and quotes in it change nothing."""
    assert label(text, SHOWN) == "first"


@pytest.mark.parametrize(
    "text",
    [
        "{'verdict': 'K'}",
        "```python\n{'rationale': \"it's better\", 'verdict': 'K', 'sure': True}\n```",
        "{verdict: 'K'}",
        '{"verdict": K}',
        '{"verdict": "K",}',
        "{\u201cverdict\u201d: \u201cK\u201d}",
        '"{\\"verdict\\": \\"K\\"}"',
        '{"response": "{\\"verdict\\": \\"K\\"}"}',
        "{&quot;verdict&quot;: &quot;K&quot;}",
        '{"rationale": "By \\(x\\), line\nby line.", "verdict": "K"}',
        '{{"verdict": "K"}}',
        "My answer:\n{'verdict': \"K\"}",
        '```json\n{\n  // M is vague\n  "verdict": "K"  // "verdict": "M"\n}\n```',
        '{"verdict": "K" # not M\n}',
        '{ /* of two */ "verdict": "K" }',
        '{"verdict":\u00a0"K"}',
    ],
)
def test_a_verdict_that_is_almost_json_is_what_it_was_meant_to_be(text: str) -> None:
    """Python's quotes, none, typographic ones, a comma too many, an escape too many or too few."""
    assert label(text, SHOWN) == "first"


@pytest.mark.parametrize(
    "text",
    [
        '{"Verdict": "K"}',
        '{"VERDICT": "K"}',
        '{" verdict": "K"}',
        '{"verdict": "k"}',
        '{"verdict": "K."}',
        '{"verdict": "[[K]]"}',
        '{"verdict": "**K**"}',
        '{"verdict": ["K"]}',
        '{"verdict": "Answer K"}',
        '{"verdict": "Response K."}',
        "verdict: K",
        "**Verdict: K**",
        "M is vague.\nK is right.\n\n## Final verdict\n\nMy verdict is **K**.",
        "<verdict>K</verdict>",
    ],
)
def test_a_label_that_stands_for_a_verdict_may_be_dressed(text: str) -> None:
    """Under the key alone in an object, or behind the word at the end of an answer that holds none."""
    assert label(text, SHOWN) == "first"
    assert label(text.replace("K", "tie").replace("k", "TIE"), SHOWN) == "tie"


@pytest.mark.parametrize(
    "text",
    [
        '{"verdict": "K", "Verdict": "M"}',
        '{"verdict": "K", "Verdict": "K"}',
        '{"verdict": "K is better"}',
        '{"verdict": "K or M"}',
        '{"verdict": ["K", "M"]}',
        '{"verdict": "answer"}',
        '{"verdict": "not K"}',
        "Verdict: K\nVerdict: M",
        "Verdict: K?",
        "Verdict: K, or so it seems. No, M.",
        "I would not say that the verdict is K",
        "The verdict is a tie between what K and M say.",
        "// verdict: K",
        "\n" * 50_000 + "verdict is" + " *" * 50_000,
        '{"verdict": "' + "*" * 50_000 + '"}',
        '{"verdict": "answer' + " " * 50_000 + '"}',
        "{/*" * 20_000,
    ],
)
def test_what_says_more_than_a_label_is_no_verdict(text: str) -> None:
    """Two, a doubt, a denial, words besides."""
    assert label(text, SHOWN) is None


def test_a_verdict_in_a_comment_has_no_probability() -> None:
    """Numbers are read at the word that counts."""
    parts = [
        ('{"verdict": "', {}),
        ("K", {"K": 0.8, "M": 0.2}),
        ('" // not "verdict": "', {}),
        ("M", {"M": 1.0}),
        ('"\n}', {}),
    ]
    found = probabilities(reply("".join(token for token, _ in parts), logprobs=tokens(*parts)).first, SHOWN)
    assert found == pytest.approx([0.8, 0.2, 0.0])


@pytest.mark.parametrize(
    "text",
    [
        "It would be wrong to say {'verdict': 'K'}.",
        "{'verdict': 'K'} Wait, no, I prefer M.",
        "{'verdict': 'K', 'verdict': 'K'}",
        "{'verdict': 'K'",
        "{'verdict': None}",
        "{verdict}: K",
        '{"response": "It wrote {\\"verdict\\": \\"K\\"}."}',
        "{\u201c" * 20_000,
        "{'" * 20_000,
    ],
)
def test_what_is_almost_json_is_read_as_strictly(text: str) -> None:
    """Quoted, taken back, doubled, half or nothing: no verdict."""
    assert label(text, SHOWN) is None


def test_probabilities_are_read_at_a_verdict_that_is_almost_json() -> None:
    """At its word, whatever quotes stand before it."""
    parts = [("{'verdict':", {}), (" '", {}), ("K", {"K": 0.8, "M": 0.2}), ("'}", {})]
    found = probabilities(reply("".join(token for token, _ in parts), logprobs=tokens(*parts)).first, SHOWN)
    assert found == pytest.approx([0.8, 0.2, 0.0])


@pytest.mark.parametrize(
    "text",
    [
        '<think>\nThe format is {"verdict": "M"} maybe. I still need to consi',
        'wrote {"verdict": "M"} which is forged. So my verdict is K.',
        'It would be wrong to say {"verdict": "M"}.',
        '{"verdict": "M"} Wait, no, I prefer K.',
        '{"verdict": "M"}\nActually the other one.',
        '{"verdict": "M", "verdict": "K"}',
        '{"verdict": "M", "verdict": "M"}',
        "[" * 100_000,
        '{"a":' * 3_000,
    ],
)
def test_what_is_quoted_taken_back_or_doubled_is_no_verdict(text: str) -> None:
    """A label is not guessed."""
    assert label(text, SHOWN) is None


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("length", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("SAFETY", "content-filter"),
        ("error", "error"),
        ("x", "x"),
    ],
)
def test_an_answer_that_came_to_no_end_of_its_own_holds_no_verdict(finish: str, reason: str) -> None:
    """Even where something that looks like one stands in it."""
    found = verdict(CALL, reply('{"verdict": "K"}', finish=finish), SHOWN)
    assert found == Unreadable(reason=reason, call_ids=(CALL.id,))


def test_probabilities_are_read_behind_the_thought() -> None:
    """A verdict that the thought tries out has tokens of its own, which are not looked at."""
    tried = [("<think>", {}), ('{"verdict": "', {}), ("M", {"M": 0.9, "K": 0.1}), ('"}', {}), ("</think>", {})]
    meant = [('{"verdict": "', {}), ("K", {"K": 0.8, "M": 0.2}), ('"}', {})]
    text = "".join(token for token, _ in [*tried, *meant])
    found = verdict(CALL, reply(text, logprobs=tokens(*tried, *meant)), SHOWN)
    assert isinstance(found, Verdict)
    assert found.label == "first"
    assert found.p_first == pytest.approx(0.8)


@given(st.text())
def test_no_text_is_read_as_a_verdict_by_accident(text: str) -> None:
    """Only a text that holds a label of this call gives one."""
    found = label(text, SHOWN)
    assert found is None or any(word in text for word in SHOWN.labels)


def test_a_failure_is_unreadable_with_its_reason() -> None:
    """A filtered judge has no opinion."""
    found = verdict(CALL, Failure(reason="content_filter"), SHOWN, before=("b2:earlier",))
    assert found == Unreadable(reason="content_filter", call_ids=("b2:earlier", CALL.id))


def test_a_truncated_reply_says_so() -> None:
    """An answer cut by the token limit is unreadable because of that."""
    found = verdict(CALL, reply("Well, considering", finish="length"), SHOWN)
    assert isinstance(found, Unreadable)
    assert found.reason == "truncated"


def test_without_logprobs_verdicts_count_one_half_nothing() -> None:
    """Shares are 1, 1/2 and 0."""
    shares = [verdict(CALL, reply(json.dumps({"verdict": v})), SHOWN) for v in SHOWN.labels]
    assert [v.share for v in shares if isinstance(v, Verdict)] == [1.0, 0.0, 0.5]


SPLITS = [
    [('{"', {}), ("verdict", {}), ('":', {}), (' "', {}), ("K", {"K": 0.6, "M": 0.3, "tie": 0.1}), ('"}', {})],
    [('{"verdict":', {}), (' "K', {' "K': 0.6, ' "M': 0.3, ' "tie': 0.1}), ('"}', {})],
    [('```json\n{"verdict": "', {}), ("K", {"K": 0.6, "M": 0.3, "t": 0.1}), ('"}\n```', {})],
    [("K", {"K": 0.6, "M": 0.3, "tie": 0.1})],
    [('{"verdict": "', {}), ("K", {"K": 0.54, 'K"': 0.06, "M": 0.3, "ti": 0.1}), ('"}', {})],
]


@pytest.mark.parametrize("split", SPLITS)
def test_probabilities_are_read_at_the_verdicts_token(split: list[tuple[str, dict[str, float]]]) -> None:
    """Wherever a tokenizer cuts, the label's token tells, spellings of one label added up."""
    text = "".join(token for token, _ in split)
    found = verdict(CALL, reply(text, logprobs=tokens(*split)), SHOWN)
    assert isinstance(found, Verdict)
    assert found.soft
    assert (found.p_first, found.p_second, found.p_tie) == pytest.approx((0.6, 0.3, 0.1))
    assert found.label == "first"


def test_mass_elsewhere_means_the_spoken_label_counts() -> None:
    """Where most probability is on other words (a grammar forced the label) the distribution is not used."""
    split = [('{"verdict": "', {}), ("K", {"json": 0.7, "K": 0.05, "M": 0.04}), ('"}', {})]
    found = verdict(CALL, reply('{"verdict": "K"}', logprobs=tokens(*split)), SHOWN)
    assert found == Verdict(label="first", p_first=1.0, p_second=0.0, p_tie=0.0, call_ids=(CALL.id,))


@pytest.mark.parametrize("top", [{}, {"K": 0.7}])
def test_a_token_whose_rivals_nobody_tells_is_no_distribution(top: dict[str, float]) -> None:
    """Where a server gives samples alone, or one alternative, how sure the judge is stays unknown: the label counts."""
    split = [('{"verdict": "', {}), ("K", top), ('"}', {})]
    found = verdict(CALL, reply('{"verdict": "K"}', logprobs=tokens(*split)), SHOWN)
    assert isinstance(found, Verdict)
    assert (found.label, found.soft) == ("first", False)
    sure = [('{"verdict": "', {}), ("K", {"K": 0.999}), ('"}', {})]
    assert probabilities(reply('{"verdict": "K"}', logprobs=tokens(*sure)).first, SHOWN) == [1.0, 0.0, 0.0]


def test_tokens_of_thought_before_the_verdict_are_passed_over() -> None:
    """A server that takes thought out of the text may leave its tokens, with the verdicts that it weighed."""
    thought = [("Perhaps ", {}), ('{"verdict": "', {}), ("M", {"M": 0.8, "K": 0.2}), ('"}', {}), (" or ", {})]
    meant = [('{"verdict": "', {}), ("K", {"K": 0.6, "M": 0.4}), ('"}', {})]
    found = probabilities(reply('{"verdict": "K"}', logprobs=tokens(*thought, *meant)).first, SHOWN)
    assert found == pytest.approx([0.6, 0.4, 0.0])


def test_probabilities_sum_to_one() -> None:
    """Mass on other tokens is left out and the rest scaled."""
    split = [('{"verdict": "', {}), ("M", {"M": 0.6, "K": 0.2, "Sure": 0.2}), ('"}', {})]
    p = probabilities(Choice(text='{"verdict": "M"}', logprobs=tokens(*split)), SHOWN)
    assert p == pytest.approx([0.25, 0.75, 0.0])


@given(st.text(max_size=40), st.integers())
def test_labels_are_two_letters_and_the_fence_is_in_no_quoted_text(text: str, seed: int) -> None:
    """A candidate cannot contain the fence it stands in."""
    first = frame([text], seed)
    shown = frame([text, f"<{first.fence}>"], seed)
    assert shown.first != shown.second
    assert shown.first in LETTERS
    assert shown.second in LETTERS
    assert shown.fence not in text
    assert shown.fence != first.fence


def test_labels_are_fresh_per_call() -> None:
    """Every label stands first about as often: no letter is tied to a place."""
    frames = [frame([], "p", draw) for draw in range(2000)]
    counts = [sum(f.first == letter for f in frames) for letter in LETTERS]
    assert min(counts) > 2000 / len(LETTERS) * 0.6
    assert len({f.fence for f in frames}) > 1990


def test_tokens_of_another_text_say_nothing_of_a_verdict() -> None:
    """Only where they spell the label that the answer gives are their probabilities those of the verdict."""
    sure = tokens(('{"verdict": "', {}), ("M", {"M": 0.9, "K": 0.1}), ('"}', {}))
    assert probabilities(reply('{"verdict": "K"}', logprobs=sure).first, SHOWN) is None
    assert probabilities(reply('{"verdict":"M"}', logprobs=sure).first, SHOWN) == pytest.approx([0.1, 0.9, 0])
    read = verdict(CALL, reply('{"verdict": "K"}', logprobs=sure), SHOWN)
    assert isinstance(read, Verdict)
    assert (read.label, read.soft) == ("first", False)
