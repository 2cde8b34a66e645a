"""The audit: five Parquet tables that hold every prompt, candidate, verdict, call and pair, drops with their reasons.

Row groups end by what is in them, so that the same results make the same bytes and memory stays bounded. Nothing here
depends on the clock: timings stay in the journal. Knows nothing of how results came about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import JudgegenError
from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.records import Candidate, Comparison, Ranking, Result, Score, Unreadable, Verdict
from judgegen.writer.files import json_text, part_of
from judgegen.writer.money import DECIMALS, DIGITS, fitting
from judgegen.writer.rows import Asked, Bill, Spent, rounded

if TYPE_CHECKING:
    from judgegen.writer.parquet import AuditTable

NAMES = ("prompts", "candidates", "verdicts", "calls", "pairs")
"""Of the tables, as the columns of each are listed."""

Row = dict[str, Any]


class Audit:
    """The five tables of a run folder.

    That they can be written is tried at once, before a call is paid for; Arrow is loaded when there is something to
    write, so that the first calls need not wait for it.
    """

    def __init__(self, folder: Path, stamp: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stamp = folder, stamp
        self._begun: dict[str, AuditTable] = {}
        self._tried: list[Path] = []
        try:
            for name in NAMES:
                self._try(part_of(self._path(name)))
        except BaseException:
            self.abandon()
            raise

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _try(self, part: Path) -> None:
        part.open("wb").close()
        self._tried.append(part)

    @property
    def _tables(self) -> dict[str, AuditTable]:
        for name in () if self._begun else NAMES:
            self._begin(name)
        return self._begun

    def _begin(self, name: str) -> None:
        from judgegen.writer.columns import TABLES
        from judgegen.writer.parquet import AuditTable

        self._begun[name] = AuditTable(self._path(name), TABLES[name], self._stamp)

    def heard(self, fresh: Iterable[Asked]) -> None:
        """Add the calls of one prompt that no row holds yet."""
        for call, outcome in fresh:
            self._tables["calls"].add(called(call, outcome))

    def came(self, result: Result, preferences: Iterable[Mapping[str, Any]], billed: Bill) -> None:
        """Add all that one prompt came to, its calls aside; `preferences` are its rows of preferences.jsonl."""
        rows = {
            "prompts": [prompt(result)],
            "candidates": candidates(result, billed.tokens),
            "verdicts": verdicts(result),
            "pairs": (pair(row, billed.spent) for row in preferences),
        }
        for name, laid_out in rows.items():
            for row in laid_out:
                self._tables[name].add(row)

    def again(self) -> None:
        """Take back all that came; the calls stay."""
        for name, table in list(self._tables.items()):
            if name != "calls":
                table.abandon()
                self._begin(name)

    def close(self) -> None:
        """Make every file whole beside its place."""
        for table in self._tables.values():
            table.close()

    def land(self) -> None:
        """Put all tables in their places."""
        for table in self._tables.values():
            table.land()

    def abandon(self) -> None:
        """Leave the old tables as they were."""
        for table in self._begun.values():
            table.abandon()
        for part in self._tried:
            part.unlink(missing_ok=True)


def _json(value: object) -> str:
    return json_text(value)


def _json_if_any(values: Sequence[Any]) -> str | None:
    return _json(list(values)) if values else None


def prompt(result: Result) -> Row:
    """What became of the prompt."""
    asked = result.prompt
    return {
        "prompt_id": asked.id,
        "outcome": result.drop or "pairs",
        "detail": result.detail,
        "messages": _json(list(asked.messages)),
        "reference": asked.reference,
        "tools": _json_if_any(asked.tools),
        "metadata": _json(dict(asked.metadata)),
        "line": asked.line,
        "candidates": len(result.candidates),
        "competing": sum(candidate.refused is None for candidate in result.candidates),
        "pairs": len(result.pairs),
    }


def candidates(result: Result, tokens: Mapping[str, int | None]) -> Iterator[Row]:
    """A row per candidate; `tokens` of each call that drew one."""
    ranking = result.ranking or Ranking(order=(), scores={})
    scores = ranking.scores
    known = sorted((score for score in scores.values() if score is not None), reverse=True)
    for candidate in result.candidates:
        score = scores.get(candidate.key)
        yield {
            **_candidate(candidate),
            "score": rounded(score),
            "rank": None if score is None else known.index(score) + 1,
            "strength": rounded(ranking.strengths.get(candidate.key)),
            "strength_error": rounded(ranking.errors.get(candidate.key)),
            "scores": _json_if_any([_scored(one) for one in result.scores.get(candidate.key, ())]),
            "output_tokens": tokens.get(candidate.call_id),
        }


def _scored(one: Score | Unreadable) -> Row:
    """What one judge or grader gave: the score in 0..1 and its aspects on their own scales, or why there is none."""
    head: Row = {"judge": one.judge or None, "weight": one.weight, "calls": list(one.call_ids)}
    if isinstance(one, Unreadable):
        return {**head, "unreadable": one.reason}
    aspects = {name: rounded(value) for name, value in one.aspects.items()}
    return {**head, "score": rounded(one.value), "sd": rounded(one.sd), "aspects": aspects}


def _candidate(candidate: Candidate) -> Row:
    return {
        "prompt_id": candidate.prompt_id,
        "candidate": candidate.key,
        "variant": candidate.variant,
        "index": candidate.index,
        "model": candidate.model,
        "refused": candidate.refused,
        "suspicions": list(candidate.suspicions),
        "finish": candidate.finish,
        "settings": _json(dict(candidate.settings)),
        "text": candidate.text,
        "tool_calls": _json_if_any(candidate.tool_calls),
        "call_id": candidate.call_id,
    }


def verdicts(result: Result) -> Iterator[Row]:
    """A row per comparison as it was displayed."""
    for number, match in enumerate(result.matches):
        for order, (shown, verdict) in enumerate(match.shown):
            yield {
                **_verdict(shown, verdict),
                "prompt_id": result.prompt.id,
                "match": number,
                "order": order,
                "counted": order >= match.since,
                "match_p": rounded(match.p_of(shown.first)),
                "consistent": match.consistent,
            }


def _verdict(shown: Comparison, verdict: Verdict | Unreadable) -> Row:
    row: Row = {
        "first": shown.first.key,
        "second": shown.second.key,
        "judge": verdict.judge or None,
        "weight": rounded(verdict.weight),
        "call_ids": list(verdict.call_ids),
    }
    if isinstance(verdict, Unreadable):
        return {**row, "unreadable": verdict.reason}
    return {
        **row,
        "label": verdict.label,
        "p_first": rounded(verdict.p_first),
        "p_second": rounded(verdict.p_second),
        "p_tie": rounded(verdict.p_tie),
        "soft": verdict.soft,
    }


def called(call: Call, outcome: Outcome) -> Row:
    """A call that was asked and answered."""
    usage, tag = outcome.usage, call.tag
    return {
        "call_id": call.id,
        "role": tag.role,
        "prompt_id": tag.prompt_id,
        "variant": tag.variant,
        "endpoint": call.endpoint,
        "model": call.model,
        "draw": call.draw,
        "messages": _json(list(call.messages)),
        "params": _json(dict(call.params)),
        "input_tokens": usage.input,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "estimated": usage.estimated,
        "cost_usd": _usd(outcome.cost, "call ", call.id),
        "day": outcome.day,
        **_answered(outcome),
    }


def _answered(outcome: Outcome) -> Row:
    if isinstance(outcome, Failure):
        return {"outcome": "failure", "failure": outcome.reason, "detail": outcome.detail}
    first, *more = outcome.choices
    return {
        "outcome": "reply",
        "text": _written_by(first),
        "finish": first.finish,
        "tool_calls": _json_if_any(first.tool_calls),
        "more_texts": [_written_by(choice) for choice in more] or None,
        "model_answered": outcome.model,
    }


def _written_by(choice: Choice) -> str:
    """What the model wrote: a thought that the server took out of the text stands before it."""
    return f"<think>\n{choice.thought}\n</think>\n\n{choice.text}" if choice.thought else choice.text


def _usd(value: Decimal | None, what: str, name: str) -> Decimal | None:
    """An amount, of what is called so, that the column holds to the last digit.

    Raises:
        JudgegenError: it does not.
    """
    if value is None:
        return None
    if (held := fitting(value, DIGITS, DECIMALS)) is None:
        raise JudgegenError(
            f"{what}{name} cost {value:f} USD: the audit keeps {DECIMALS} decimals and {DIGITS - DECIMALS} digits "
            f"before them; set a price with fewer and begin a new run folder"
        )
    return held


def pair(row: Mapping[str, Any], spent: Spent) -> Row:
    """A pair, from its row in preferences.jsonl and what its prompt's calls cost."""
    sides = {side: row[f"{side}_from"] for side in ("chosen", "rejected")}
    laid_out = {name: row[name] for name in ("prompt_id", "p_chosen", "margin", "consistent", "verdict_calls")}
    for side, origin in sides.items():
        laid_out[side] = f"{origin['variant']}/{origin['index']}"
        laid_out[f"{side}_text"] = row[side][0]["content"]
        laid_out[f"{side}_model"], laid_out[f"{side}_call"] = origin["model"], origin["call"]
    counts = {f"{name}_tokens": count for name, count in row["tokens"].items()}
    names = {"sampling": "sampling_cost_usd", "judging": "judging_cost_usd", "total": "prompt_cost_usd"}
    usd = {column: _usd(spent[name], "prompt ", repr(row["prompt_id"])) for name, column in names.items()}
    return {**laid_out, **counts, **usd}
