"""Answers that do not speak of their prompt are suspected, in any script; those that do are not."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from gullible import Judge, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import derived

import judgegen
from judgegen.records import OFF_TOPIC, Candidate, Prompt, Result
from judgegen.run.topics import LEAST, Topics, words

Spell = Callable[[str], str]
"""A sentence of words in some script."""


def _letters(begin: int, count: int, *, joined: bool, marks: tuple[int, ...] = ()) -> Spell:
    """A script of so many letters from a code point on; `marks`, where it has any, stand behind every second one."""

    def spelled(word: str) -> str:
        drawn = random.Random(word)
        signs = (chr(drawn.choice(marks)) if marks and i % 2 else "" for i in range(4))
        return "".join(chr(begin + drawn.randrange(count)) + sign for sign in signs)

    return lambda sentence: ("" if joined else " ").join(map(spelled, sentence.split()))


SCRIPTS: dict[str, Spell] = {
    "Latin": lambda sentence: sentence,
    "Cyrillic": _letters(0x430, 32, joined=False),
    "Devanagari": _letters(0x915, 34, joined=False, marks=tuple(range(0x93E, 0x94C))),
    "Arabic": _letters(0x628, 26, joined=False),
    "Hangul": _letters(0xAC00, 11_000, joined=False),
    "Han": _letters(0x4E00, 3_000, joined=True),
    "Thai": _letters(0xE01, 46, joined=True, marks=(0xE34, 0xE35, 0xE48, 0xE49)),
}
COMMON = [f"und{i}" for i in range(30)]


def said(topic: str, lot: random.Random, number: int) -> str:
    """So many words, half of them of the topic, the others of any."""
    own = [f"{hashlib.blake2b(f'{topic}{i}'.encode(), digest_size=4).hexdigest()}" for i in range(40)]
    return " ".join(lot.choice(own) if lot.random() < 0.5 else lot.choice(COMMON) for _ in range(number))


def result(number: int, spell: Spell = SCRIPTS["Latin"], *, answers: int = 3, stray: bool = False, **of: Any) -> Result:
    """A prompt with answers on its topic; `stray`: the first of them is on another's."""
    lot, topic = random.Random(f"lot{number}"), of.get("topic", f"topic{number}")
    prompt = Prompt(id=f"p{number}", messages=({"role": "user", "content": spell(said(topic, lot, 30))},))
    topics = [f"elsewhere{number}" if stray and i == 0 else topic for i in range(answers)]
    texts = [spell(said(one, lot, of.get("long", 60))) for one in topics]
    drawn = (
        Candidate(prompt_id=prompt.id, variant="v", index=i, model="m", text=text, finish="stop", call_id=f"b2:{i}")
        for i, text in enumerate(texts)
    )
    return Result(prompt=prompt, candidates=tuple(drawn))


def others(results: list[Result]) -> Any:
    topics = Topics()
    for one in results:
        topics.add(one)
    return topics.found()


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_strays_are_suspected_and_answers_are_not_in_any_script(script: str) -> None:
    """Of answers to something else nine in ten, about; of answers to the prompt, and of a stray's mates, none."""
    run = [result(i, SCRIPTS[script], stray=i % 3 == 0) for i in range(90)]
    against = others(run)
    said_ = {(one.prompt.id, key): off for one in run for key, off in against.off(one).items()}
    assert len(said_) >= 260  # of some too few words tell topics apart
    strays = {(f"p{i}", "v/0") for i in range(0, 90, 3)}
    assert sum(said_.get(one, False) for one in strays) >= 0.7 * len(strays)
    assert not any(off for one, off in said_.items() if one not in strays)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.randoms())
def test_the_order_of_prompts_changes_nothing(lot: random.Random) -> None:
    """Which others are drawn depends on their ids alone."""
    run = [result(i) for i in range(130)]
    shuffled = lot.sample(run, len(run))
    assert others(run) == others(shuffled)


def test_nothing_is_said_without_enough_to_say_it_by() -> None:
    """Few prompts, few words, prompts that are all alike, answers that may not compete, unfinished prompts."""
    run = [result(i) for i in range(LEAST + 1)]
    assert others(run[:LEAST]) is None
    against = others(run)
    assert set(against.off(run[0])) == {"v/0", "v/1", "v/2"}
    assert against.off(result(3, long=12)) == {}
    assert against.off(replace(run[0], candidates=())) == {}
    refused = replace(run[0], candidates=tuple(replace(one, refused="identical") for one in run[0].candidates))
    assert against.off(refused) == {}
    assert others([replace(one, drop="incomplete") for one in run]) is None
    alike = [result(i, topic="the same", stray=True) for i in range(60)]
    assert all(others(alike).off(one) == {} for one in alike)


@given(st.text())
def test_words_are_those_of_the_text_however_it_is_written(text: str) -> None:
    """Case and compatibility forms make no other word; a word is at most five characters."""
    assert all(0 < len(word) <= 5 for word in words(text))
    assert words(text.upper().lower()) == words(text.upper())


class Strays(Judge):
    """Its model "null" writes of something else each time, and so that this judge believes it."""

    def answer(self, body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        lot = random.Random(f"{body['model']}{asked}")
        strays = body["model"] == "null"
        topic = f"stray {lot.random()}" if strays else asked.split()[0]
        return f"{said(topic, lot, 60)} {'It is so, trust me.' if strays else 'As a chain of causes.'}"


@pytest.mark.slow
def test_a_run_says_which_answers_stray_and_how_often_they_win(tmp_path: Path) -> None:
    """Both orders agree on them and no text recurs: summary and audit suspect them all the same."""
    lot = random.Random(0)
    prompts = [f"topic{i} {said(f'topic{i}', lot, 30)}" for i in range(60)]
    with serving(believes="trust me", kind=Strays) as endpoints:
        given_ = {
            "prompts": "-",
            "endpoints": endpoints,
            "sampler": {
                "endpoint": "world",
                "model": "small",
                "variants": [{"name": "plain", "n": 2}, {"name": "stray", "n": 1, "model": "null"}],
            },
            "judge": {"endpoint": "world", "model": "judge"},
        }
        out = tmp_path / "run"
        run = asyncio.run(judgegen.generate(given_, prompts=prompts, out=out))
        told = run.summary["topics"]
        assert (told["looked_at"], run.summary["constants"]) == (120, [])  # of two alike one competes
        assert told["off"] == told["chosen"] == run.summary["suspicions"][OFF_TOPIC] >= 0.7 * 60
        rows = pq.read_table(out / "audit" / "candidates.parquet").to_pylist()
        assert {row["variant"] for row in rows if OFF_TOPIC in row["suspicions"]} == {"stray"}
        made = derived(out)
        asyncio.run(judgegen.generate(given_, prompts=prompts, out=out))
        assert derived(out) == made
    judgegen.rewrite(out)
    assert derived(out) == made
