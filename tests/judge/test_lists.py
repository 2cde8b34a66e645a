"""All answers in one call: what the orders cancel, how a ranking is read, and what lists say of two."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import judgegen
from judgegen import pipeline, spec
from judgegen.errors import SpecError
from judgegen.judge import lists
from judgegen.judge.belief import Habits
from judgegen.judge.build import Asking, Notes
from judgegen.judge.lists import Listed, Ordering
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Usage
from judgegen.plan import run as plan
from judgegen.records import Candidate, Comparison, Prompt, Result, Unreadable, Verdict
from judgegen.templates import LISTWISE, parse, text_of

PROMPT = Prompt(id="p", messages=({"role": "user", "content": "why?"},))
TEMPLATE = parse(text_of("listwise", LISTWISE, Path()), "listwise", LISTWISE)
ASKING = Asking(route="w", endpoint="w", model="j", template=TEMPLATE, max_tokens=9)
NAMES = ("K", "M", "C")


def answers(number: int) -> list[Candidate]:
    return [
        Candidate(prompt_id="p", variant="v", index=i, model="m", text=f"answer {i}", finish="stop", call_id="c")
        for i in range(number)
    ]


def lot(one: Candidate) -> str:
    return str(random.Random(one.key).random())


@given(st.integers(2, 17))
def test_every_answer_stands_in_every_place_equally_often_and_before_every_other_equally_often(n: int) -> None:
    """Over a whole square, which has no more rows than it needs; before and behind after every two rows."""
    rows = list(lists.rows(n))
    assert len(rows) == (2 * n if n % 2 else n)
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // n}
    assert all(one == mirror[::-1] for one, mirror in zip(rows[::2], rows[1::2], strict=True))


@given(st.integers(2, 7), st.sampled_from([None, 2, 4, 18]), st.randoms())
def test_the_lists_depend_on_lots_and_not_on_the_order_of_arrival(
    n: int, wanted: int | None, random_: random.Random
) -> None:
    """As many as are wanted, each with all answers; the answers shuffled: the same calls, no two of them alike."""
    field = answers(n)
    found = lists.lists(field, lot, wanted)
    again = lists.lists(random_.sample(field, n), lot, wanted)
    assert found == again
    assert len(found) == (wanted or (2 * n if n % 2 else n))
    assert all({one.key for one in listed.shown} == {one.key for one in field} for listed in found)
    calls = {lists.call(PROMPT, one, ASKING, seed=1, draw=0, notes=Notes()).id for one in found}
    assert len(calls) == len(found)


@given(st.integers(2, 24), st.integers(0, 3), st.integers())
def test_each_answer_stands_under_its_label_and_the_schema_has_a_place_for_each(n: int, draw: int, seed: int) -> None:
    """Labels differ, also of more answers than there are letters; every place may hold any of them."""
    listed = lists.lists(answers(n), lot, 2)[1]
    call = lists.call(PROMPT, listed, ASKING, seed=seed, draw=draw, notes=Notes())
    names = lists.labels(PROMPT, listed, seed=seed, draw=draw)
    shown = str(call.messages[-1]["content"])
    assert len(set(names)) == n
    for one, name in zip(listed.shown, names, strict=True):
        assert f"Answer {name}:" in shown
        assert shown.split(f"Answer {name}:")[1].split(">\n")[1].startswith(one.text)
    places = call.params["schema"]["properties"]["ranking"]["properties"]
    assert list(places) == [str(i) for i in range(1, n + 1)]
    assert all(place["enum"] == sorted(names) for place in places.values())


READ: list[tuple[str, tuple[str, ...] | None]] = [
    ('{"ranking": {"1": "M", "2": "C", "3": "K"}}', ("M", "C", "K")),
    ('{"ranking": {"3": "K", "2": "C", "1": "M"}}', ("M", "C", "K")),
    ('{"ranking": ["M", "C", " K"]}', ("M", "C", "K")),
    ('{"Ranking": ["M", "C", "K"]}', ("M", "C", "K")),
    ('{"ranking": ["M", "C", "K"], "Ranking": ["M", "C", "K"]}', None),
    ('```json\n{"ranking": {"1": "M", "2": "C", "3": "K"}}\n```', ("M", "C", "K")),
    ('{"answer": {"rationale": "so", "ranking": {"1": "M", "2": "C", "3": "K"}}}', ("M", "C", "K")),
    ('<think>{"ranking": ["K", "M", "C"]}</think>{"ranking": ["M", "C", "K"]}', ("M", "C", "K")),
    ('First I thought {"ranking": ["K", "M", "C"]}, but:\n{"ranking": ["M", "C", "K"]}', ("M", "C", "K")),
    ('{"ranking": ["M", "C", "K"]}\nExplanation: M is better than K.', ("M", "C", "K")),
    ('{"ranking": ["M", "C", "K"]}\nNo, K is the best.', None),
    ('{"ranking": ["M", "C", "K"]} Or K first?', None),
    ('{"ranking": {"1": "M", "2": "C"}}', None),
    ('{"ranking": {"1": "M", "2": "C", "3": "M"}}', None),
    ('{"ranking": {"1": "M", "2": "C", "3": "X"}}', None),
    ('{"ranking": {"1": "M", "2": "C", "4": "K"}}', None),
    ('{"ranking": {"1": "M", "2": "C", "2": "K"}}', None),
    ('{"ranking": ["M", "C", "K", "M"]}', None),
    ('{"ranking": ["M", ["C", "K"]]}', None),
    ('{"ranking": "M C K"}', None),
    ("M, C, K", None),
    ('{"verdict": "M"}', None),
    ("", None),
]


@pytest.mark.parametrize(("text", "ranked"), READ)
def test_a_ranking_names_every_answer_once_or_is_none(text: str, ranked: tuple[str, ...] | None) -> None:
    """What is partial, doubled, foreign or taken back is no ranking; how it is wrapped makes no difference."""
    assert lists.spoken(Choice(text=text, finish="stop"), NAMES) == ranked
    assert lists.spoken(Choice(text=text, finish="length"), NAMES) is None


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 3))
def test_lists_that_put_one_higher_are_shrunk_votes_and_unreadable_ones_none(m: int, v: int, lost: int) -> None:
    """V of m lists: (v + 1/2) / (m + 1), which over both orders is (v + 1) / (k + 2); one alone states 0 or 1."""
    v = min(v, m)
    a, b = answers(2)
    listed = [(Listed(shown=(a, b), turn=i), Ordering(keys=(a.key, b.key), call_ids=(f"{i}",))) for i in range(v)]
    listed += [(Listed(shown=(a, b), turn=i), Ordering(keys=(b.key, a.key), call_ids=(f"{i}",))) for i in range(v, m)]
    listed += [(Listed(shown=(a, b), turn=9 + i), Ordering(reason="empty", call_ids=("x",))) for i in range(lost)]
    found = lists.verdict(Comparison(first=a, second=b), listed, ASKING)
    assert isinstance(found, Verdict)
    assert found.p_first == (pytest.approx((v + 0.5) / (m + 1)) if m > 1 else v)
    assert (found.votes, found.label == "tie") == (m, 2 * v == m)
    assert found.p_first + found.p_second == pytest.approx(1)
    assert ("x" in found.call_ids) == (lost > 0)
    assert isinstance(lists.verdict(Comparison(first=b, second=a), listed, ASKING), Unreadable)


TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted"}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 4}]},
    "judge": {"endpoint": "w", "model": "j", "method": "listwise"},
}


class Ranker:
    """Orders labels by `liking` of (place, the answer's number); `no` says what else is answered to a call."""

    def __init__(self, liking: Callable[[int, int], float], no: Callable[[Call], Outcome | None] | None = None) -> None:
        self.liking, self.no, self.calls = liking, no or (lambda _: None), list[Call]()

    async def __call__(self, call: Call, /) -> Outcome:
        if call.tag.role == "sampler":
            number = int(call.draw)
            text = f"answer number {number} of {call.id[-6:]}"
            return Reply(choices=(Choice(text=text, finish="stop"),), usage=Usage(input=1))
        self.calls.append(call)
        if (said := self.no(call)) is not None:
            return said
        shown = str(call.messages[-1]["content"])
        names = call.params["schema"]["properties"]["ranking"]["properties"]["1"]["enum"]
        order = sorted(names, key=lambda name: shown.index(f"Answer {name}:"))
        numbers = {name: int(shown.split(f"Answer {name}:")[1].split("answer number ")[1][0]) for name in names}
        best = sorted(names, key=lambda name: -self.liking(order.index(name), numbers[name]))
        text = json.dumps({"ranking": {str(i): name for i, name in enumerate(best, 1)}})
        return Reply(choices=(Choice(text=text, finish="stop"),), usage=Usage(input=1))


def run(send: Any, n: int = 4, **judge: Any) -> list[Result]:
    variants = [{"name": "a", "n": n}]
    table = {**TABLE, "judge": {**TABLE["judge"], **judge}, "sampler": {**TABLE["sampler"], "variants": variants}}
    resolved = spec.parse(table)
    steps = plan.plan(resolved, plan.texts(resolved, Path()))
    prompts = [Prompt(id=f"p{i}", messages=({"role": "user", "content": f"question {i}"},)) for i in range(2)]
    found: list[Result] = []

    async def main() -> None:
        found.extend([result async for result in pipeline.results(prompts, steps, send, window=2)])

    asyncio.run(main())
    habits = Habits()
    for one in found:
        habits.add(one.matches)
    known = replace(steps, habits=habits.found())
    return [pipeline.settled(pipeline.bare(one), known) for one in found]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.permutations(range(6)))
def test_a_judge_that_goes_by_place_alone_makes_no_pair(n: int, liked: Sequence[int]) -> None:
    """Whatever places it likes, the ends, the middle or any other: all answers come to the same score, one half."""
    for result in run(Ranker(lambda place, _: float(liked[place])), n):
        assert result.ranking is not None
        assert {round(score or 0, 6) for score in result.ranking.scores.values()} == {0.5}
        assert result.pairs == ()


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 6), st.sampled_from([None, 2, 4]))
def test_a_judge_that_goes_by_the_answer_is_heard_whatever_the_lists(n: int, wanted: int | None) -> None:
    """The best is chosen and the worst rejected, at the calls that were said, with P as far as so many lists go."""
    send = Ranker(lambda _, number: float(number))
    count = wanted or (2 * n if n % 2 else n)
    for result in run(send, n, lists=wanted):
        (pair,) = result.pairs
        assert (pair.chosen.index, pair.rejected.index) == (n - 1, 0)
        assert pair.consistent is True
        assert all(match.p in (0.0, 1.0) or count > 2 for match in result.matches)
    assert len(send.calls) == 2 * count


def test_a_partial_ranking_is_asked_again_and_never_counted() -> None:
    """Each list whose first answer leaves one out is asked once more; where none can be read there is no evidence."""

    def partial(call: Call) -> Outcome | None:
        names = call.params["schema"]["properties"]["ranking"]["properties"]["1"]["enum"]
        whole = {"ranking": {str(i): name for i, name in enumerate(names[:-1], 1)}}
        return Reply(choices=(Choice(text=json.dumps(whole), finish="stop"),), usage=Usage(input=1))

    once = Ranker(lambda _, number: number, lambda call: partial(call) if call.draw == 0 else None)
    for result in run(once):
        assert len(result.pairs) == 1
        assert len(result.pairs[0].verdict_calls) == 8
    for reply in (partial, lambda _: Failure(reason="content_filter")):
        for result in run(Ranker(lambda _, number: number, reply)):
            assert (result.drop, result.pairs) == ("unreadable", ())
            assert all(match.p is None for match in result.matches)


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ({"lists": 3}, "lists"),
        ({"method": "pairwise", "lists": 2}, 'lists is for method = "listwise"'),
        ({"api": "decisions"}, "api is for method"),
        ({"schedule": "min-max"}, "schedule is for method"),
        ({"calibration": "c.json"}, "was fitted on two answers at a time"),
    ],
)
def test_what_does_not_go_with_lists_is_refused_before_the_run(judge: dict[str, Any], said: str) -> None:
    """Half a mirror, keys of other methods, typed questions, a calibration of something else."""
    with pytest.raises(SpecError, match=said):
        spec.parse({**TABLE, "judge": {**TABLE["judge"], **judge}})


def test_a_run_by_lists_is_estimated_gone_on_with_and_checked_as_any(tmp_path: Path) -> None:
    """As many calls as were said, none again, the same bytes from the journal; labelled pairs are lists of two."""
    given_ = [f"What is the use of subject {i}?" for i in range(3)]
    out = tmp_path / "run"
    expected = judgegen.estimate(TABLE, out=out, prompts=given_)
    done = asyncio.run(judgegen.generate(TABLE, out=out, prompts=given_))
    said = {row.role: row.calls for row in expected.rows}
    assert said == {role: done.summary["calls"][role] for role in ("sampler", "judge")} == {"sampler": 12, "judge": 12}
    before = (out / "preferences.jsonl").read_bytes()
    again = asyncio.run(judgegen.generate(TABLE, out=out, prompts=given_))
    assert again.summary["calls"]["from_journal"] == 24
    judgegen.rewrite(out)
    assert (out / "preferences.jsonl").read_bytes() == before
    sides = {"response_a": "good\n[quality 0.900]", "response_b": "bad\n[quality 0.200]", "winner": "a"}
    rows = [{"prompt": prompt, **sides} for prompt in given_]
    checked = asyncio.run(judgegen.check(rows, run=TABLE, out=tmp_path / "check", resamples=10))
    assert (checked.calls, checked.report.n, checked.worth.kind) == (6, 3, "direct")
