"""What a run shows to be wrong with it is said with the key that mends it, as soon as it shows; exit 0 means data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from judgegen.judge import decide
from judgegen.judge.build import pictures
from judgegen.records import Candidate, Comparison, Prompt, Result, Unreadable, Verdict
from judgegen.run.notices import Notices
from judgegen.spec import Spec, gates
from judgegen.spec.gates import Gates
from judgegen.spec.reading import parse
from judgegen.watch import Watch

FILE: dict[str, Any] = {
    "prompts": "p.jsonl",
    "endpoints": {"here": {"base_url": "http://127.0.0.1:1/v1", "price": {"input": 1, "output": 1}}},
    "sampler": {
        "endpoint": "here",
        "model": "m",
        "max_tokens": 64,
        "variants": [{"name": "cold", "temperature": 0.0}, {"name": "hot", "temperature": 1.0, "max_tokens": 99}],
    },
    "judge": {"endpoint": "here", "model": "j"},
}


class Heard(Watch):
    def __init__(self) -> None:
        self.words: list[str] = []

    def warned(self, message: str) -> None:
        self.words.append(message)


def noticing() -> tuple[Notices, Heard]:
    heard = Heard()
    spec: Spec = parse(FILE)
    return Notices(spec, heard), heard


def candidate(prompt: str, variant: str, text: str, refused: str | None = None) -> Candidate:
    return Candidate(
        prompt_id=prompt, variant=variant, index=0, model="m", text=text, finish="stop", call_id="b2:0", refused=refused
    )


def result(number: int, *labels: str, cut: bool = False, same: bool = False) -> Result:
    name = f"p{number}"
    texts = ("same", "same") if same else (f"a{number}", f"b{number}")
    cold, hot = (candidate(name, variant, text) for variant, text in zip(("cold", "hot"), texts, strict=True))
    shown = Comparison(first=cold, second=hot)
    said = [
        Unreadable(reason=label)
        if label not in ("first", "second", "tie")
        else Verdict(label=label, p_first=0, p_second=0, p_tie=1)  # type: ignore[arg-type]
        for label in labels
    ]
    displays = zip((shown, shown.swap()), said, strict=False)
    matches = (decide.match(cold, hot, list(displays)),) if labels else ()
    cold = replace(cold, refused="truncated" if cut else None)
    return Result(
        prompt=Prompt(id=name, messages=({"role": "user", "content": "?"},)), candidates=(cold, hot), matches=matches
    )


def test_answers_that_a_limit_cuts_are_told_with_its_key_while_the_run_goes_on() -> None:
    """After some dozens, not at the end; a variant's own limit is not blamed for another's."""
    notices, heard = noticing()
    for number in range(24):
        notices.add(result(number, cut=True))
    assert len(heard.words) == 1
    assert "sampler.max_tokens = 64 cut 24 of 24 answers" in heard.words[0]
    notices.close()
    assert len(heard.words) == 1


@pytest.mark.parametrize(
    ("label", "words"), [("truncated", "judge.max_tokens ="), ("no-verdict", "judge.model"), ("odd", "'odd'")]
)
def test_verdicts_that_nobody_can_read_are_told_with_their_cause(label: str, words: str) -> None:
    """Each cause has a mend of its own."""
    notices, heard = noticing()
    for number in range(12):
        notices.add(result(number, label, label))
    assert "24 of 24 verdicts cannot be read" in heard.words[0]
    assert words in heard.words[0]


def test_a_judge_that_goes_by_the_place_is_told_of() -> None:
    """Both orders name the first shown: the verdict is about the order."""
    notices, heard = noticing()
    for number in range(24):
        notices.add(result(number, "first", "first"))
    assert "24 of 24 verdicts turned with the order" in heard.words[0]


def test_variants_that_come_out_alike_are_named() -> None:
    """A gateway that ignores temperature gives the same answers under both."""
    notices, heard = noticing()
    for number in range(24):
        notices.add(result(number, same=True))
    assert any("'cold' and 'hot' gave one answer under 24 of 24" in words for words in heard.words)


def test_a_sound_run_hears_nothing() -> None:
    """Few cuts, few unreadables and few flips are as runs are."""
    notices, heard = noticing()
    for number in range(60):
        notices.add(result(number, "first", "second", cut=number % 9 == 0))
    notices.close()
    assert heard.words == []


def summary(**found: Any) -> dict[str, Any]:
    sound = {"prompts": 9, "pairs": 5, "candidates": {"total": 20, "refused": {}}}
    return {**sound, "diagnostics": {"unreadable_rate": 0.0}, **found}


@pytest.mark.parametrize(
    ("found", "key"),
    [
        ({"pairs": 0}, "min_pairs"),
        ({"diagnostics": {"unreadable_rate": 0.9}}, "max_unreadable_rate"),
        ({"candidates": {"total": 20, "refused": {"truncated": 18}}}, "max_cut_rate"),
    ],
)
def test_a_run_that_gave_nothing_useful_fails_unless_its_gates_allow_it(found: dict[str, Any], key: str) -> None:
    """No pair, most verdicts unreadable, most answers cut: exit 6, until the key says that it is meant."""
    error = gates.failed(Gates(), summary(**found))
    assert error is not None
    assert f"gates.{key}" in str(error)
    assert gates.failed(Gates(min_pairs=0, max_unreadable_rate=1, max_cut_rate=1), summary(**found)) is None
    assert gates.failed(Gates(), summary()) is None


def test_what_a_prompt_shows_beside_its_text_is_found() -> None:
    """Images stand in content parts; a text is none."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    shows = Prompt(id="p", messages=({"role": "user", "content": [{"type": "text", "text": "What?"}, part]},))
    assert pictures(shows) == (part,)
    assert pictures(Prompt(id="p", messages=({"role": "user", "content": "What?"},))) == ()
