"""Typed questions as two APIs put them: what is sent, what is read, and what a server without them comes to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from openai.types.decision import Decision
from openai.types.decision_create_params import DecisionCreateParams
from pydantic import TypeAdapter

from judgegen.errors import ProviderRefused
from judgegen.judge.read import shares
from judgegen.llm.calls import Api, Call, Failure, Reply, Tag, outcome_from_dict, outcome_to_dict
from judgegen.llm.providers.openai import ChatProvider, connect
from judgegen.llm.retry import Transient
from judgegen.llm.wire import decisions
from judgegen.spec import Endpoint

CHOICE = {
    "name": "K_T",
    "type": "choice",
    "instructions": "Which is better, answer K or answer T?",
    "options": [{"value": "K"}, {"value": "T"}, {"value": "tie"}],
}
SCORE = {
    "name": "clear",
    "type": "score",
    "instructions": "Is it clear?",
    "options": [
        {"value": "1", "description": "no"},
        {"value": "2", "description": "so so"},
        {"value": "3", "description": "yes"},
    ],
}
PREDICATE = {
    "name": "checklist-1",
    "type": "predicate",
    "instructions": "Does it name its source?",
    "options": [{"value": "0"}, {"value": "1"}],
}
USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 40,
}
K_T = {
    "type": "choice",
    "name": "K_T",
    "choice": "K",
    "confidence": 0.7,
    "probabilities": [
        {"value": "K", "probability": 0.7},
        {"value": "T", "probability": 0.2},
        {"value": "tie", "probability": 0.1},
    ],
}
CLEAR = {
    "type": "score",
    "name": "clear",
    "score": 1.5,
    "confidence": 0.6,
    "probabilities": [
        {"value": 0, "label": "1", "probability": 0.1},
        {"value": 1, "label": "2", "probability": 0.3},
        {"value": 2, "label": "3", "probability": 0.6},
    ],
}


def call(api: Api = "decisions", *questions: dict[str, Any], text: str = "words to judge", **params: Any) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "system", "content": "Judge."}, {"role": "user", "content": text}),
        params={"api": api, "questions": list(questions or (CHOICE, SCORE)), **params},
        tag=Tag(role="judge", prompt_id="p", variant="decision", route="here"),
    )


def said(*answers: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m-1", "answers": list(answers), "usage": USAGE, **more}


def heard(answer: Any, asked: Call | None = None) -> list[list[float] | str]:
    """Of each question the shares of its options, or how the answer to it ended."""
    asked = asked or call()
    found = decisions.reply(asked, answer)
    assert isinstance(found, Reply)
    kept = outcome_from_dict(json.loads(json.dumps(outcome_to_dict(found))), found.usage, None)
    assert isinstance(kept, Reply)
    assert len(kept.choices) == len(asked.params["questions"])
    rows: list[list[float] | str] = []
    for question, choice in zip(asked.params["questions"], kept.choices, strict=True):
        told = shares(choice, [one["value"] for one in question["options"]])
        rows.append(choice.finish if told is None else [round(p, 9) for p in told])
    return rows


def test_the_requests_are_what_the_apis_take() -> None:
    """OpenAI's own type takes the one; the other has a state, and questions by their names."""
    row = decisions.body(call(extra_body={"prompt_cache_key": "k"}))
    TypeAdapter(DecisionCreateParams).validate_python(row, strict=True)
    assert [message["role"] for message in row["input"]] == ["system", "user"]
    assert row["prompt_cache_key"] == "k"
    assert isinstance(decisions.body(call(), {"system": "user"})["input"], str)
    other = decisions.body(call("systemone"))
    assert other["state"] == "Judge.\n\nwords to judge"
    assert other["questions"]["K_T"]["criteria"] == {"K": None, "T": None, "tie": None}
    assert other["questions"]["clear"]["criteria"] == ["no", "so so", "yes"]
    assert {decisions.path(row, "/x"), decisions.path(other, "/x"), decisions.path({"messages": []}, "/x")} == {
        "/decisions",
        "/systemone",
        "/x",
    }


def test_a_picture_is_sent_as_the_api_takes_one() -> None:
    """Beside the words that speak of it."""
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    asked = call()
    shown = Call(
        **{f: getattr(asked, f) for f in ("endpoint", "model", "params", "tag")},
        messages=({"role": "user", "content": parts},),
    )
    row = decisions.body(shown)
    assert row["input"][0]["content"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "https://x/y.png"},
    ]


def test_the_answers_are_what_openais_types_say() -> None:
    """Probabilities of every option, in the question's order; what the SDK reads of the same bytes is the same."""
    theirs = Decision.model_validate(said(K_T, CLEAR))
    assert heard(said(K_T, CLEAR)) == [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]
    assert [p.probability for p in theirs.answers[0].probabilities] == [0.7, 0.2, 0.1]  # type: ignore[union-attr]
    found = decisions.reply(call(), said(K_T, CLEAR))
    assert (found.usage.input, found.usage.cached, found.usage.output, found.usage.estimated) == (40, 8, 0, False)


def test_answers_are_found_by_name_and_never_given_to_another_question() -> None:
    """In another order they are put back; a name that stands twice, or nowhere, leaves its question without one."""
    assert heard(said(CLEAR, K_T)) == heard(said(K_T, CLEAR))
    nameless = [{**one, "name": None} for one in (K_T, CLEAR)]
    assert heard(said(*nameless)) == heard(said(K_T, CLEAR))
    assert heard(said(*nameless[::-1])) == ["malformed_response", "malformed_response"]
    assert heard(said(nameless[0])) == ["malformed_response", "malformed_response"]
    assert heard(said(K_T, K_T, CLEAR)) == ["malformed_response", [0.1, 0.3, 0.6]]
    assert heard(said(K_T)) == [[0.7, 0.2, 0.1], "malformed_response"]


def test_a_refusal_is_one_and_the_others_keep_their_answers() -> None:
    """OpenAI: any question can return a refusal; the others can still receive answers."""
    assert heard(said({"type": "refusal", "name": "K_T"}, CLEAR)) == ["refusal", [0.1, 0.3, 0.6]]


SYSTEM_ONE: list[tuple[dict[str, Any], Any]] = [
    ({"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": 0.2, "tie": 0.1}}, [0.7, 0.2, 0.1]),
    ({"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": 0.301}}, [0.699300699, 0.300699301, 0.0]),
    ({"type": "choice", "choice": "T"}, [0.0, 1.0, 0.0]),
    ({"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": 0.2, "X": 0.1}}, "malformed_response"),
    ({"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": 0.7}}, "malformed_response"),
    ({"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": "much"}}, "malformed_response"),
    ({"type": "choice", "choice": "K", "probabilities": {"K": 1.0, "T": 0.0}, "label_mass": 0.2}, "malformed_response"),
    ({"type": "noul", "noul": 0.7}, "malformed_response"),
    ({"type": "refusal"}, "refusal"),
]


@pytest.mark.parametrize(("answer", "wanted"), SYSTEM_ONE)
def test_system_one_answers_by_name(answer: dict[str, Any], wanted: Any) -> None:
    """Rounding is evened out; what speaks of options that were not offered, or sums to something else, says nothing."""
    asked = call("systemone", CHOICE)
    assert heard({"answers": {"K_T": answer}, "usage": {"input_tokens": 9}}, asked) == [wanted]


HELD: list[tuple[Api, dict[str, Any], Any]] = [
    ("decisions", {"type": "predicate", "name": "checklist-1", "probability": 0.8}, [0.2, 0.8]),
    ("systemone", {"type": "noul", "noul": 0.8}, [0.2, 0.8]),
    ("systemone", {"type": "noul", "noul": 1}, [0.0, 1.0]),
    ("systemone", {"type": "noul", "noul": 0.0}, [1.0, 0.0]),
    ("systemone", {"type": "noul", "noul": True}, "malformed_response"),
    ("systemone", {"type": "noul", "noul": 1.2}, "malformed_response"),
    ("systemone", {"type": "noul"}, "malformed_response"),
    ("systemone", {"type": "choice", "choice": "1"}, "malformed_response"),
    ("systemone", {"type": ["noul"], "noul": 0.5}, "malformed_response"),
    ("systemone", {"type": "noul", "noul": 0.8, "label_mass": 0.1}, "malformed_response"),
    ("decisions", {"type": "refusal", "name": "checklist-1"}, "refusal"),
]


@pytest.mark.parametrize(("api", "answer", "wanted"), HELD)
def test_a_predicate_is_asked_as_one_and_read_as_no_and_yes(api: Api, answer: dict[str, Any], wanted: Any) -> None:
    """What is sent has no options in either API; what comes back is the probability of yes, or nothing."""
    asked = call(api, PREDICATE)
    row = decisions.body(asked)
    if api == "decisions":
        TypeAdapter(DecisionCreateParams).validate_python(row, strict=True)
        Decision.model_validate(said(answer))
        told = [answer]
    else:
        assert row["questions"] == {"checklist-1": {"type": "noul", "instructions": PREDICATE["instructions"]}}
        told = {"checklist-1": answer}  # type: ignore[assignment]
    assert heard({"answers": told, "usage": USAGE, "model": "m"}, asked) == [wanted]


def test_what_a_server_tells_beside_its_answers_is_read() -> None:
    """As vLLM answers: a question whose labels have little of the probability has no answer, the others stand."""
    noul = {"type": "noul", "noul": 0.9, "probabilities": {"yes": 0.9, "no": 0.1}, "confidence": 0.8}
    choice = {"type": "choice", "choice": "K", "probabilities": {"K": 0.7, "T": 0.2, "tie": 0.1}, "confidence": 0.1}
    answer = {
        "id": "decision-1",
        "object": "structured_decision",
        "answers": {"K_T": choice, "checklist-1": noul},
        "usage": {"input_tokens": 90, "output_tokens": 2},
    }
    asked = call("systemone", CHOICE, PREDICATE)
    assert heard(answer, asked) == [[0.7, 0.2, 0.1], [0.1, 0.9]]
    seen = {"K_T": {"label_mass": 0.14, "argmax_is_label": False}, "checklist-1": {"label_mass": 0.9}}
    assert heard({**answer, "diagnostics": seen}, asked) == ["malformed_response", [0.1, 0.9]]
    strange: list[Any] = [None, [], {"K_T": None}, {"K_T": {"label_mass": "much"}}]
    for odd in strange:
        assert heard({**answer, "diagnostics": odd}, asked) == [[0.7, 0.2, 0.1], [0.1, 0.9]]


def test_what_vllm_tells_at_openais_route_is_how_sure_it_is_among_all_tokens() -> None:
    """Of SmolLM2 vLLM 0.33 says .73 for an option and .11 of confidence: most of what it would say is none of them.

    OpenAI bills no output, and what its confidence is nobody says.
    """
    shares = [{"value": value, "probability": p} for value, p in (("K", 0.7265), ("T", 0.1114), ("tie", 0.1621))]
    answer = {"type": "choice", "name": "K_T", "choice": "K", "probabilities": shares, "confidence": 0.1111}
    sure = {**answer, "confidence": 0.7}
    asked, spoken = call("decisions", CHOICE), {**USAGE, "output_tokens": 1}

    def read(one: dict[str, Any], usage: dict[str, Any]) -> list[Any]:
        return heard({"answers": [one], "usage": usage, "model": "m"}, asked)

    assert read(answer, spoken) == ["malformed_response"]
    assert read(sure, spoken) == read(answer, USAGE) == [[0.7265, 0.1114, 0.1621]]
    assert read({**answer, "confidence": "much"}, spoken) == [[0.7265, 0.1114, 0.1621]]


LEVELS: list[tuple[dict[str, Any], Any]] = [
    (
        {"legend": {"0": "no", "1": "so so", "2": "yes"}, "probabilities": {"0": 0.1, "1": 0.3, "2": 0.6}},
        [0.1, 0.3, 0.6],
    ),
    (
        {"legend": {"1": "no", "2": "so so", "3": "yes"}, "probabilities": {"3": 0.6, "2": 0.3, "1": 0.1}},
        [0.1, 0.3, 0.6],
    ),
    ({"legend": {"2": "yes", "0": "no"}, "probabilities": {"2": 0.9, "0": 0.1}}, [0.1, 0.0, 0.9]),
    ({"probabilities": {"0": 0.1, "1": 0.3, "2": 0.6}}, [0.1, 0.3, 0.6]),
    ({"probabilities": [0.1, 0.3, 0.6]}, [0.1, 0.3, 0.6]),
    ({"probabilities": {"0": 0.4, "1": 0.6}}, "malformed_response"),
    ({"probabilities": {"good": 0.4, "bad": 0.6}}, "malformed_response"),
]


@pytest.mark.parametrize(("answer", "wanted"), LEVELS)
def test_levels_are_told_by_their_words_or_by_their_numbers_from_wherever_these_begin(
    answer: dict[str, Any], wanted: Any
) -> None:
    """Where it is not sure which level a number means, nothing is read."""
    row = {"type": "score", "score": 1.5, **answer}
    assert heard({"answers": {"clear": row}, "usage": {"input_tokens": 9}}, call("systemone", SCORE)) == [wanted]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["K", "choice", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["answers", "usage", "type", "name", "probabilities", "K_T", "value", "probability", "input_tokens"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, st.sampled_from(["decisions", "systemone"]))
def test_whatever_a_server_says_is_an_answer_a_failure_or_nothing(answer: Any, inner: Any, api: Api) -> None:
    """Total over any JSON; shares that are read sum to 1."""
    every = (CHOICE, SCORE, PREDICATE)
    held = {"type": "noul", "name": PREDICATE["name"], "noul": inner}
    whole = (said({**K_T, "probabilities": inner}), {"answers": {"K_T": answer, PREDICATE["name"]: held}})
    for given_ in (answer, said(answer, inner), said(answer, inner, held), *whole):
        try:
            found = decisions.reply(call(api, *every), given_)
        except Transient:
            continue
        if isinstance(found, Failure):
            continue
        for row in heard(given_, call(api, *every)):
            assert isinstance(row, str) or abs(sum(row) - 1) < 1e-6


def test_an_input_that_was_cut_in_silence_was_not_judged() -> None:
    """Far fewer tokens than were sent, or fewer and as many as a context has: too long, whatever was answered."""
    asked = call(text="word " * 4000)
    sent = 4000
    cut = {2048, 3584, 1900, 2500}
    for counted in (*cut, 3501, sent, 5120, 9):
        found = decisions.reply(asked, said(K_T, CLEAR, usage={**USAGE, "input_tokens": counted}))
        assert isinstance(found, Failure) == (counted in cut), counted
        assert found.usage.input == counted
        if isinstance(found, Failure):
            assert found.reason == "too_long"
    short = decisions.reply(call(), said(K_T, CLEAR, usage={**USAGE, "input_tokens": 3}))
    assert isinstance(short, Reply)


@asynccontextmanager
async def served(status: int, answer: Any) -> AsyncIterator[tuple[ChatProvider, list[str]]]:
    """A server that gives one answer to whatever it is asked; the paths at which it was."""
    paths: list[str] = []

    async def told(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/{path:.*}", told)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    provider = connect(Endpoint(base_url=url), "here")
    try:
        yield provider, paths
    finally:
        await provider.aclose()
        await runner.cleanup()


def asked(status: int, answer: Any, one: Call) -> tuple[Any, list[str]]:
    async def main() -> tuple[Any, list[str]]:
        async with served(status, answer) as (provider, paths):
            return await provider(one), paths

    return asyncio.run(main())


def test_each_api_has_its_route() -> None:
    """Beside the chat's, below the same address."""
    _, paths = asked(200, said(K_T, CLEAR), call())
    assert paths == ["/v1/decisions"]
    named = {"answers": {"K_T": SYSTEM_ONE[0][0]}, "usage": {"input_tokens": 9}}
    found, paths = asked(200, named, call("systemone", CHOICE))
    assert (paths, found.first.text) == (["/v1/systemone"], "K")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, {"detail": "Not Found"}),
        (404, {"error": {"message": "Invalid URL (POST /v1/decisions)", "type": "invalid_request_error"}}),
        (405, {"detail": "Method Not Allowed"}),
        (501, {"error": {"message": "This model has no read strategy", "type": "NotImplementedError"}}),
    ],
)
def test_a_server_without_the_route_says_what_it_lacks(status: int, answer: Any) -> None:
    """The run ends at once with the route, who has it, and the key to change."""
    with pytest.raises(ProviderRefused, match=r"does not serve /v1/decisions for m .*api = .chat."):
        asked(status, answer, call())


def test_an_unknown_model_is_told_as_such() -> None:
    """It is not the route that is missing then."""
    with pytest.raises(ProviderRefused, match=r"judge\.model = 'm'"):
        asked(404, {"error": {"message": "The model m does not exist", "code": "model_not_found"}}, call())


def test_what_holds_no_answers_is_asked_for_again_unless_it_was_billed() -> None:
    """Nobody bills what says nothing; what was billed for nothing is kept as that."""
    with pytest.raises(Transient):
        decisions.reply(call(), {"hello": 1})
    found = decisions.reply(call(), {"answers": [], "usage": USAGE})
    assert isinstance(found, Failure)
    assert (found.reason, found.usage.input) == ("unreadable-reply", 40)
