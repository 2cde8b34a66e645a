from __future__ import annotations

import gc
import json
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from results import compared, generated, known, prompt, two

from judgegen.errors import JudgegenError
from judgegen.llm.calls import Choice, Reply
from judgegen.records import Match, Ranking, Result, Unreadable
from judgegen.textual import clean
from judgegen.writer import audit, parquet
from judgegen.writer.columns import TABLES

Write = Callable[..., dict[str, Any]]
Rows = list[dict[str, Any]]


def table(folder: Path, name: str) -> Rows:
    rows: Rows = pq.ParquetFile(folder / "audit" / f"{name}.parquet").read().to_pylist()
    return rows


def of(rows: Rows, **named: Any) -> Rows:
    return [row for row in rows if all(row[key] == value for key, value in named.items())]


@pytest.mark.slow
@settings(max_examples=20)
@given(generated())
def test_the_audit_holds_everything_once(
    write: Write, tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    """Every prompt, candidate, displayed comparison, distinct call and pair is a row, in prompt order."""
    folder = tmp_path_factory.mktemp("run")
    write(folder, results)
    rows = {name: table(folder, name) for name in TABLES}
    assert [(row["prompt_id"], row["outcome"]) for row in rows["prompts"]] == [
        (r.prompt.id, r.drop or "pairs") for r in results
    ]
    assert [(row["prompt_id"], row["candidate"], row["text"], row["refused"]) for row in rows["candidates"]] == [
        (r.prompt.id, c.key, clean(c.text), c.refused) for r in results for c in r.candidates
    ]
    shown = [(r.prompt.id, c.first.key, c.second.key, v) for r in results for m in r.matches for c, v in m.shown]
    assert [(row["prompt_id"], row["first"], row["second"]) for row in rows["verdicts"]] == [s[:3] for s in shown]
    assert [row["label"] is None for row in rows["verdicts"]] == [isinstance(s[3], Unreadable) for s in shown]
    assert [row["call_id"] for row in rows["calls"]] == list(dict.fromkeys(c.id for r in results for c, _ in r.calls))
    assert [(row["prompt_id"], row["chosen"], row["rejected"]) for row in rows["pairs"]] == [
        (r.prompt.id, p.chosen.key, p.rejected.key) for r in results for p in r.pairs
    ]


@pytest.mark.slow
@settings(max_examples=20)
@given(generated())
def test_the_calls_sum_to_the_total(
    write: Write, tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    """Calls, tokens and USD of the audit are those of the summary, to the last digit, by role and in all."""
    folder = tmp_path_factory.mktemp("run")
    summary = write(folder, results)
    calls = table(folder, "calls")
    for role, rows in (("sampler", of(calls, role="sampler")), ("judge", of(calls, role="judge")), ("total", calls)):
        assert exact(row["cost_usd"] for row in rows) == exact([Decimal(summary["cost_usd"][role])])
    for name in ("input", "output", "cached", "reasoning"):
        assert sum(row[f"{name}_tokens"] for row in calls) == summary["tokens"][name]
        assert name == "cached" or sum(row[name] for row in summary["spend"]) == summary["tokens"][name]
    asked = summary["calls"]
    assert len(calls) == asked["sampler"] + asked["judge"] - asked["from_journal"]
    assert sum(row["calls"] for row in summary["by_model"]) == len(calls)


def exact(amounts: Any) -> int:
    """Their sum in the audit's smallest unit, as an integer: no rounding can hide in it."""
    return sum(int(f"{amount:.30f}".replace(".", "")) for amount in amounts)


def test_a_pair_is_the_row_of_the_preferences(write: Write, tmp_path: Path) -> None:
    """The table of pairs says what preferences.jsonl says, by columns."""
    write(tmp_path, known())
    rows = [json.loads(line) for line in (tmp_path / "preferences.jsonl").read_bytes().splitlines()]
    for row, pair in zip(rows, table(tmp_path, "pairs"), strict=True):
        same = ("prompt_id", "p_chosen", "margin", "consistent", "verdict_calls")
        assert [pair[name] for name in same] == [row[name] for name in same]
        for side in ("chosen", "rejected"):
            origin = row[f"{side}_from"]
            assert pair[side] == f"{origin['variant']}/{origin['index']}"
            assert (pair[f"{side}_model"], pair[f"{side}_call"]) == (origin["model"], origin["call"])
            assert pair[f"{side}_text"] == row[side][0]["content"]
            assert pair[f"{side}_tokens"] == row["tokens"][side]
        names = {"sampling_cost_usd": "sampling", "judging_cost_usd": "judging", "prompt_cost_usd": "total"}
        assert [pair[name] for name in names] == [Decimal(row["cost_usd"][key]) for key in names.values()]


def test_every_drop_has_its_reason(write: Write, tmp_path: Path) -> None:
    """A prompt without pairs says why, with what it had."""
    write(tmp_path, known())
    found = {row["prompt_id"]: row for row in table(tmp_path, "prompts")}
    assert [found[f"p{n}"]["outcome"] for n in range(1, 9)] == [
        *("pairs", "tie", "flip", "unreadable", "too-few", "incomplete", "pairs", "pairs")
    ]
    assert (found["p5"]["candidates"], found["p5"]["competing"], found["p5"]["pairs"]) == (2, 1, 0)
    assert found["p5"]["detail"] == "1 of 2 may compete"
    assert json.loads(found["p1"]["messages"]) == [{"role": "user", "content": "what is p1 ?"}]
    assert (found["p1"]["line"], found["p2"]["line"]) == (1, None)
    assert (found["p1"]["reference"], json.loads(found["p1"]["metadata"])) == ("good", {"topic": "sums", "n": 1})
    assert json.loads(found["p7"]["tools"])[0]["function"]["name"] == "weather"


def test_a_failure_is_not_spelled_like_an_answer(write: Write, tmp_path: Path) -> None:
    """A refused answer has a reason and no text; its candidate says so, and it was paid for."""
    write(tmp_path, known())
    (failed,) = of(table(tmp_path, "calls"), outcome="failure")
    assert (failed["failure"], failed["detail"]) == ("content_filter", "no")
    assert [failed[name] for name in ("text", "finish", "model_answered", "tool_calls", "more_texts")] == [None] * 5
    assert failed["cost_usd"] == Decimal("0.001")
    (candidate,) = of(table(tmp_path, "candidates"), call_id=failed["call_id"])
    assert (candidate["refused"], candidate["score"], candidate["rank"]) == ("content_filter", None, None)


def test_an_unreadable_verdict_has_no_label_and_no_number(write: Write, tmp_path: Path) -> None:
    """It has its reason and every attempt; a readable one has a label and probabilities."""
    write(tmp_path, known())
    read, torn = of(table(tmp_path, "verdicts"), prompt_id="p4")
    assert [torn[name] for name in ("label", "p_first", "p_second", "p_tie", "soft")] == [None] * 5
    assert (torn["unreadable"], len(torn["call_ids"])) == ("no-verdict", 2)
    assert (read["label"], read["p_second"], read["unreadable"], read["match_p"]) == ("second", 1.0, None, None)
    assert [(row["match"], row["order"]) for row in (read, torn)] == [(0, 0), (0, 1)]


def test_verdicts_stand_in_display_order(write: Write, tmp_path: Path) -> None:
    """What was shown first is first, and the match's probability is of that candidate."""
    write(tmp_path, known())
    one, other = of(table(tmp_path, "verdicts"), prompt_id="p1")
    assert (one["first"], one["second"], one["label"], one["match_p"]) == ("loose/0", "terse/0", "second", 0.0)
    assert (other["first"], other["second"], other["label"], other["match_p"]) == ("terse/0", "loose/0", "first", 1.0)


def test_judges_and_strengths_are_told(write: Write, tmp_path: Path) -> None:
    """Whose verdict it is, whether it counted, and how sure a strength is, where there is more than one."""
    first = known()[0]
    (match,) = first.matches
    named = tuple((c, replace(v, judge=name, weight=2.0)) for (c, v), name in zip(match.shown, "xy", strict=True))
    other: Match = replace(match, shown=named, since=1)
    assert first.ranking is not None
    ranking: Ranking = replace(first.ranking, strengths={"terse/0": 1.5}, errors={"terse/0": 0.25})
    write(tmp_path, [replace(first, matches=(other,), ranking=ranking)])
    rows = table(tmp_path, "verdicts")
    assert [(r["judge"], r["weight"], r["counted"]) for r in rows] == [("x", 2.0, False), ("y", 2.0, True)]
    strengths = {r["candidate"]: (r["strength"], r["strength_error"]) for r in table(tmp_path, "candidates")}
    assert strengths == {"loose/0": (None, None), "terse/0": (1.5, 0.25)}


def test_equal_scores_have_one_rank(write: Write, tmp_path: Path) -> None:
    """A tie has no order: both are first."""
    write(tmp_path, known())
    ranks = {row["candidate"]: row["rank"] for row in of(table(tmp_path, "candidates"), prompt_id="p2")}
    assert ranks == {"loose/0": 1, "terse/0": 1}
    ranks = {row["candidate"]: row["rank"] for row in of(table(tmp_path, "candidates"), prompt_id="p1")}
    assert ranks == {"loose/0": 2, "terse/0": 1}


def test_tokens_of_several_choices_are_nobodys(write: Write, tmp_path: Path) -> None:
    """One request for several answers: the first stands as the text, the others beside it, and none has its tokens."""
    first = known()[0]
    call, reply = first.calls[0]
    assert isinstance(reply, Reply)
    several = replace(reply, choices=(*reply.choices, Choice(text="other \ud800")))
    write(tmp_path, [replace(first, calls=((call, several), *first.calls[1:]))])
    assert table(tmp_path, "calls")[0]["more_texts"] == ["other \ufffd"]
    assert [row["output_tokens"] for row in table(tmp_path, "candidates")] == [None, 5]


def test_half_a_character_does_not_stop_the_audit(write: Write, tmp_path: Path) -> None:
    """Wherever a model's words stand, they are written with U+FFFD."""
    torn = "\ud800"
    first = compared(p := prompt("p"), two(p, f"good {torn}", f"bad {torn}"), ("second", "first"))
    (call, reply), *others = first.calls
    assert isinstance(reply, Reply)
    calls = ((call, replace(reply, model=torn, choices=(replace(reply.first, finish=torn),))), *others)
    write(
        tmp_path,
        [
            replace(
                first,
                calls=calls,
                candidates=(replace(first.candidates[0], refused=torn),) * 2,
                pairs=(),
                drop=torn,
                detail=torn,
            )
        ],
    )
    for name in ("prompts", "candidates", "calls"):
        assert "\ufffd" in json.dumps(table(tmp_path, name), ensure_ascii=False, default=str)


def test_a_file_says_what_made_it_and_what_it_holds(write: Write, tmp_path: Path) -> None:
    """The stamp stands in the metadata, a description at every column; all is zstd."""
    write(tmp_path, known())
    for name, columns in TABLES.items():
        file = pq.ParquetFile(tmp_path / "audit" / f"{name}.parquet")
        found = file.schema_arrow
        assert found.equals(columns, check_metadata=False)
        assert found.metadata == {
            b"judgegen.judgegen": b"0.0",
            b"judgegen.pyarrow": b"0",
            b"judgegen.run": b"abc",
        }
        assert all(len(field.metadata[b"description"]) > 3 for field in found)
        group = file.metadata.row_group(0)
        assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}


def groups(path: Path) -> list[int]:
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def test_row_groups_end_by_what_is_in_them(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many rows, or so many characters, whichever comes first."""
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)
    write(tmp_path / "rows", known())
    assert groups(tmp_path / "rows" / "audit" / "prompts.parquet") == [3, 3, 2]
    monkeypatch.setattr(parquet, "CHARACTERS_PER_GROUP", 1)
    write(tmp_path / "characters", known())
    assert groups(tmp_path / "characters" / "audit" / "prompts.parquet") == [1] * 8


@pytest.mark.parametrize("count", [2_500, 2_048])
def test_rows_laid_out_in_parts_make_the_same_bytes(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages end where they would if the rows of a group were laid out at once, long texts and repeated ones."""
    rows = [{"prompt_id": f"p{i}", "messages": f"{i} " * (i % 500), "detail": "same", "line": i} for i in range(count)]

    def written(name: str) -> bytes:
        made = parquet.AuditTable(tmp_path / name, TABLES["prompts"], {})
        for row in rows:
            made.add(row)
        made.close()
        made.land()
        return (tmp_path / name).read_bytes()

    parts = written("parts")
    monkeypatch.setattr(parquet, "ROWS_LAID_OUT", 1_000_000)
    assert written("whole") == parts


@pytest.mark.parametrize("usd", ["1E-31", "100000000", "0.1234567890123456789012345678901"])
def test_an_amount_that_would_lose_a_digit_is_an_error(write: Write, tmp_path: Path, usd: str) -> None:
    """It names the call and the amount; nothing is rounded."""
    first = known()[0]
    (call, reply), *others = first.calls
    dear = replace(first, calls=((call, replace(reply, cost=Decimal(usd))), *others))
    with pytest.raises(JudgegenError, match=call.id):
        write(tmp_path, [dear])


@pytest.mark.parametrize("usd", ["1E-30", "99999999.999999999999999999999999999999", "1E+2", "0E-40", "0.10"])
def test_amounts_are_kept_to_the_last_digit(write: Write, tmp_path: Path, usd: str) -> None:
    """Whatever way they were written."""
    incomplete = known()[5]
    ((call, reply),) = incomplete.calls
    write(tmp_path, [replace(incomplete, calls=((call, replace(reply, cost=Decimal(usd))),))])
    assert table(tmp_path, "calls")[0]["cost_usd"] == Decimal(usd)


def test_an_unknown_cost_is_null(write: Write, tmp_path: Path) -> None:
    """In the call, in the pair, and in every sum that would need it."""
    first = known()[0]
    (call, reply), *others = first.calls
    summary = write(tmp_path, [replace(first, calls=((call, replace(reply, cost=None)), *others))])
    assert table(tmp_path, "calls")[0]["cost_usd"] is None
    (pair,) = table(tmp_path, "pairs")
    assert [pair[f"{name}_cost_usd"] for name in ("sampling", "judging", "prompt")] == [None, Decimal("0.02"), None]
    assert summary["cost_usd"] == {"sampler": None, "judge": "0.02", "total": None}


@pytest.fixture
def no_room() -> Iterator[Callable[[], None]]:
    """Once called, no file of this process grows."""
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))


def test_a_full_disk_ends_in_one_error(
    no_room: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be ended is left: nothing is tried again, in words of its own, when it is collected."""
    heard: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    opened = audit.Audit(tmp_path, {})
    no_room()
    with pytest.raises(OSError, match="File too large"):
        opened.close()
    opened.abandon()
    del opened
    gc.collect()
    assert heard == []
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_begun_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those opened before it are closed and gone."""
    heard: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    (tmp_path / "pairs.parquet.part").mkdir()
    with pytest.raises(OSError, match=r"pairs\.parquet\.part"):
        audit.Audit(tmp_path, {})
    gc.collect()
    assert heard == []
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.parquet.part"]
