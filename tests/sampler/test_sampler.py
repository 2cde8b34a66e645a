from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.calls import Choice, Failure, Reply, Usage
from judgegen.records import Candidate, Prompt
from judgegen.sampler.build import Setting, calls, draw, missing, with_system
from judgegen.sampler.read import candidates
from judgegen.sampler.screen import screen

PROMPT = Prompt(id="p1", messages=({"role": "user", "content": "Why is the sky blue?"},))
LOOSE = Setting(
    name="loose",
    n=2,
    route="r",
    endpoint="e",
    model="m",
    max_tokens=50,
    drawn={"temperature": (0.9, 1.3), "top_p": 0.95},
)
FOCUSED = Setting(name="focused", n=1, route="r", endpoint="e", model="m", max_tokens=50, system="Be brief.")


def answer(text: str, *, variant: str = "v", index: int = 0, **fields: Any) -> Candidate:
    given: dict[str, Any] = {"finish": "stop", **fields}
    return Candidate(prompt_id="p", variant=variant, index=index, model="m", text=text, call_id=f"b2:{index}", **given)


def test_candidates_are_variants_times_n() -> None:
    """Each candidate is its own call, all different."""
    made = calls(PROMPT, (FOCUSED, LOOSE), 0)
    assert [(c.tag.variant, c.draw) for c in made] == [("focused", 0), ("loose", 0), ("loose", 1)]
    assert len({c.id for c in made}) == 3
    assert made[1].params["seed"] != made[2].params["seed"]


def test_adding_a_variant_changes_no_other_call() -> None:
    """The calls of a variant do not depend on its neighbours."""
    alone = {c.id for c in calls(PROMPT, (LOOSE,), 0)}
    assert alone <= {c.id for c in calls(PROMPT, (FOCUSED, LOOSE), 0)}


@given(st.floats(0, 2), st.floats(0, 2), st.integers(), st.text())
def test_a_drawn_setting_lies_between_its_ends(a: float, b: float, seed: int, prompt_id: str) -> None:
    """The draw is a function of its key alone and never leaves the range."""
    low, high = sorted((round(a, 4), round(b, 4)))
    value = draw((low, high), seed, prompt_id, "v", "temperature")
    assert low <= value <= high
    assert value == draw((low, high), seed, prompt_id, "v", "temperature")


def test_every_variant_draws_for_itself() -> None:
    """Two variants of one range, and two settings of one variant, get numbers of their own under every prompt."""
    both = {"temperature": (0.0, 2.0), "presence_penalty": (0.0, 2.0)}
    settings = tuple(replace(LOOSE, name=name, n=1, drawn=both) for name in ("loose", "looser"))
    drawn: list[float] = []
    for number in range(50):
        made = calls(replace(PROMPT, id=f"p{number}"), settings, 0)
        drawn += [call.params[name] for call in made for name in both]
    assert len(set(drawn)) >= 195  # of 200, from 20,001 numbers


def test_draws_are_spread_evenly() -> None:
    """Over many prompts the mean of a uniform draw is its middle."""
    values = [draw((0.0, 1.0), 0, f"p{i}", "v", "temperature") for i in range(4000)]
    assert abs(sum(values) / 4000 - 0.5) < 0.03
    assert len(set(values)) > 3000


def test_a_variants_system_prompt_stands_with_the_prompts_own() -> None:
    """The prompt's system message is kept, the variant's follows it; the prompt itself is not changed."""
    own = ({"role": "system", "content": "You are kind."}, *PROMPT.messages)
    assert with_system(PROMPT.messages, "Be brief.")[0] == {"role": "system", "content": "Be brief."}
    assert with_system(own, "Be brief.")[0]["content"] == "You are kind.\n\nBe brief."
    assert own[0]["content"] == "You are kind."
    assert with_system(own, None) is own


def test_a_failure_is_a_refused_candidate_never_a_text() -> None:
    """Filtered is not an answer."""
    call = calls(PROMPT, (FOCUSED,), 0)[0]
    (found,) = candidates(call, Failure(reason="content_filter", detail="flagged"))
    assert (found.refused, found.text) == ("content-filtered", "")


def test_a_reply_becomes_a_candidate_with_its_settings() -> None:
    """What was drawn stands beside the answer."""
    call = calls(PROMPT, (LOOSE,), 0)[1]
    (found,) = candidates(call, Reply(choices=(Choice(text="Rayleigh."),), usage=Usage()))
    assert (found.key, found.text, found.refused) == ("loose/1", "Rayleigh.", None)
    assert 0.9 <= found.settings["temperature"] <= 1.3
    assert found.settings["top_p"] == 0.95


def test_every_reason_is_given() -> None:
    """Empty, cut, filtered, refused, the same and nearly the same answers may not compete, and say why."""
    long = "The sky is blue because short wavelengths of sunlight scatter more in the air than long ones do."
    drawn = [
        answer(long, variant="a"),
        answer("  \n ", variant="b"),
        answer("Because it", variant="c", finish="length"),
        answer("", variant="d", finish="content_filter"),
        answer(
            "  THE sky is blue because short wavelengths of sunlight scatter more in the air than long ones do.",
            variant="e",
        ),
        answer(long.replace("short", "shorts"), variant="f"),
        answer("Ask a physicist.", variant="g"),
        answer("I cannot", variant="h", finish="refusal"),
    ]
    found = [c.refused for c in screen(drawn, near_identical=0.95)]
    assert found == [None, "empty", "truncated", "content-filtered", "identical", "near-identical", None, "refusal"]


def test_a_refused_candidate_shadows_nobody() -> None:
    """Only an answer that may compete makes another one a duplicate."""
    drawn = [answer("Same words", variant="a", finish="length"), answer("Same words", variant="b")]
    assert [c.refused for c in screen(drawn, near_identical=0.95)] == ["truncated", None]


@given(st.lists(st.text(max_size=30), max_size=6))
def test_who_may_compete_differs_from_all_others(texts: list[str]) -> None:
    """No two competing answers are the same after normalisation, and every first of its kind competes."""
    screened = screen([answer(t, variant=str(i)) for i, t in enumerate(texts)], near_identical=1.0)
    standing = [" ".join(c.text.split()).casefold() for c in screened if c.refused is None]
    assert len(standing) == len(set(standing))
    assert [c.text for c in screened] == texts


def test_tool_calls_are_an_answer() -> None:
    """An empty text with a tool call competes, and differs from another call."""
    one = answer("", variant="a", tool_calls=({"id": "1", "function": {"name": "f", "arguments": "{}"}},))
    two = answer("", variant="b", tool_calls=({"id": "1", "function": {"name": "g", "arguments": "{}"}},))
    assert [c.refused for c in screen([one, two], near_identical=0.95)] == [None, None]


TOGETHER = replace(LOOSE, n=3, in_one_call=True)


def test_all_of_a_variant_can_be_asked_for_in_one_call() -> None:
    """One request with n; its choices are as many candidates, numbered, of one call."""
    (call,) = calls(PROMPT, (TOGETHER,), 0)
    assert call.params["n"] == 3
    reply = Reply(choices=tuple(Choice(text=f"answer {i}") for i in range(3)), usage=Usage())
    found = candidates(call, reply)
    assert [(c.index, c.text, c.call_id) for c in found] == [(i, f"answer {i}", call.id) for i in range(3)]
    assert missing(PROMPT, (TOGETHER,), 0, {"loose": 3}) == ()
    assert [c.refused for c in candidates(call, Failure(reason="too_long"))] == ["too-long"] * 3


def test_what_one_call_did_not_bring_is_asked_for_singly() -> None:
    """An endpoint that ignores n, or refuses it, still gives n candidates, each by a call of its own."""
    (call,) = calls(PROMPT, (TOGETHER,), 0)
    assert "n" in call.wishes
    rest = missing(PROMPT, (TOGETHER,), 0, {"loose": 1})
    assert [c.draw for c in rest] == [1, 2]
    assert all("n" not in c.params for c in rest)
    assert len({c.id for c in (call, *rest)}) == 3
