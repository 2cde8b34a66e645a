"""One P, one meaning: what a check's comparisons are worth, and which runs a calibration is for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from judgegen import spec
from judgegen.errors import SpecError
from judgegen.judge import decide
from judgegen.pipeline import Plan
from judgegen.plan import fitting
from judgegen.plan import run as plan
from judgegen.records import Candidate, Comparison, Label, Prompt, Result, Verdict
from judgegen.study.worth import check_schedule, worth
from judgegen.trust import CalibrationMap, Gate
from judgegen.writer.calibrated import Calibration

TABLE: dict[str, Any] = {
    "prompts": "-",
    "endpoints": {"w": {"provider": "scripted", "price": {"input": 1, "output": 1}}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 4}]},
}


def spec_of(judge: dict[str, Any], pairs: dict[str, Any]) -> spec.Spec:
    return spec.parse({**TABLE, "judge": {"endpoint": "w", "model": "j", **judge}, "pairs": pairs})


def steps(**more: Any) -> Plan:
    resolved = spec_of(more.get("judge", {}), more.get("pairs", {}))
    return plan.plan(resolved, plan.texts(resolved, Path()))


def spoken(label: Label) -> Verdict:
    return Verdict(label=label, p_first=label == "first", p_second=label == "second", p_tie=label == "tie")


def compared(prompt: str, better: str, worse: str, *, tie: bool = False) -> Result:
    """Two responses and a judge that says the same in both orders."""
    a, b = (
        Candidate(prompt_id=prompt, variant=side, index=0, model="", text=text, finish="stop", call_id=f"t-{text}")
        for side, text in (("response_a", better), ("response_b", worse))
    )
    labels: tuple[Label, Label] = ("tie", "tie") if tie else ("first", "second")
    shown = [(Comparison(first=a, second=b), spoken(labels[0])), (Comparison(first=b, second=a), spoken(labels[1]))]
    asked = Prompt(id=prompt, messages=({"role": "user", "content": prompt},))
    return Result(prompt=asked, matches=(decide.match(a, b, shown),))


def round_robin(prompt: str, ties: frozenset[frozenset[str]] = frozenset()) -> list[Result]:
    """Every two of four responses, the earlier letter the better one."""
    return [compared(prompt, a, b, tie=frozenset((a, b)) in ties) for a, b in itertools.combinations("abcd", 2)]


def test_p_is_pooled_where_every_two_of_a_prompt_were_compared_and_direct_elsewhere() -> None:
    """Of a chain of wins the ends are surer than neighbours; of lone pairs each is as sure as the other."""
    whole = worth([*round_robin("p"), *round_robin("q")], steps())
    assert whole.kind == "pooled"
    p = {(m.a.text, m.b.text): m.p or 0.0 for m in whole.matches}
    assert p["a", "d"] > p["a", "b"] > 0.5
    lone = worth([compared("p", "a", "b"), compared("q", "a", "b"), compared("q", "b", "c")], steps())
    assert (lone.kind, len({m.p for m in lone.matches})) == ("direct", 1)
    assert worth(round_robin("p"), steps(pairs={"p_chosen": "stated"})).kind == "stated"


def test_a_pooled_tie_stays_a_tie() -> None:
    """What its own comparison leaves open is no label, however the others place the two."""
    tied = frozenset((frozenset("ad"),))
    found = worth(round_robin("p", tied), steps())
    (p,) = [m.p for m in found.matches if {m.a.text, m.b.text} == {"a", "d"}]
    assert (found.kind, p) == ("pooled", 0.5)


def test_a_schedule_is_played_over_labelled_prompts_and_else_refused() -> None:
    """Min-max is calibrated where its chains show; from lone pairs it cannot be."""
    chained = steps(judge={"schedule": "min-max"})
    played = worth([*round_robin("p"), *round_robin("q")], chained)
    assert (played.kind, played.schedule) == ("pooled", "min-max")
    check_schedule(played, chained)
    with pytest.raises(SpecError, match="two that never met"):
        check_schedule(worth([compared("p", "a", "b")], chained), chained)


def calibration(resolved: spec.Spec, **of: Any) -> Calibration:
    table, template = fitting.judge_of(resolved, plan.texts(resolved, Path()))
    fitted = CalibrationMap(method="shrink", strength=0.9)
    gate = Gate(threshold=0.6, target=0.8, confidence=0.95, pairs=9, kept=9, agreed=9, bound=0.9)
    return Calibration(map=fitted, gate=gate, n=9, prompts=9, judge=table, template=template, fingerprint="", **of)


REFUSED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({"kind": "direct"}, {"schedule": "min-max"}, {}, "may not have met"),
    ({"kind": "stated"}, {"schedule": "swiss"}, {}, "may not have met"),
    ({"kind": "pooled", "schedule": "min-max"}, {}, {}, "not on one scale"),
    ({"kind": "direct"}, {}, {"p_chosen": "pooled"}, 'P\\(chosen\\) that is "direct"'),
    ({"kind": "pooled"}, {}, {"p_chosen": "stated"}, 'P\\(chosen\\) that is "pooled"'),
]


@pytest.mark.parametrize(("of", "judge", "pairs", "words"), REFUSED)
def test_a_calibration_of_another_kind_of_p_is_refused(
    of: dict[str, Any], judge: dict[str, Any], pairs: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """A map and a threshold are of one kind of P; before the run the mend is said."""
    resolved = spec_of(judge, pairs)
    text = calibration(resolved, **of).text()
    with pytest.raises(SpecError, match=words):
        fitting.fitting(fitting.parse(text, "c.json"), resolved, plan.texts(resolved, Path()), "c.json")


def test_a_run_takes_the_kind_of_its_calibration(tmp_path: Path) -> None:
    """Unless the run file says otherwise P is what the map was fitted to, with the habits that were taken off there."""
    resolved = spec_of({}, {})
    (tmp_path / "c.json").write_text(calibration(resolved, kind="direct", habits={}).text())
    named = spec_of({"calibration": "c.json"}, {})
    found = plan.plan(named, plan.texts(named, tmp_path))
    assert (found.meaning, found.habits, found.wants_habits) == ("direct", {}, False)
