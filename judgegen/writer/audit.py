"""The audit: five Parquet tables that hold every prompt, candidate, verdict, call and pair, drops with their reasons.

Typed columns, zstd, row groups of a fixed number of rows, so that the same results make the same bytes and memory stays
bounded. Nothing here depends on the clock: timings stay in the journal. Knows nothing of how results came about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from judgegen.llm.calls import Call, Failure, Outcome
from judgegen.records import Candidate, Comparison, Pair, Result, Unreadable, Verdict
from judgegen.writer.files import clean, part_of, put_in_place
from judgegen.writer.rows import cost, rounded

ROWS_PER_GROUP = 5_000
USD = pa.decimal128(38, 18)
_TEXT, _NUMBER, _SHARE, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_IDS = pa.list_(pa.string())


def _schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns])


PROMPTS = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("outcome", _TEXT, '"pairs", or the reason why there are none'),
    ("detail", _TEXT, "a sentence about the reason"),
    ("messages", _TEXT, "the chat, as JSON"),
    ("reference", _TEXT, "the reference answer, where the prompt brought one"),
    ("metadata", _TEXT, "what else its row held, as JSON"),
    ("line", _NUMBER, "where it stood in its file, from 1"),
    ("candidates", _NUMBER, "how many were drawn"),
    ("competing", _NUMBER, "how many of them could compete"),
    ("pairs", _NUMBER, "how many pairs it gave"),
)
CANDIDATES = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("candidate", _TEXT, "variant/index: its name within the prompt"),
    ("variant", _TEXT, "the variant that drew it"),
    ("index", _NUMBER, "its number within the variant, from 0"),
    ("model", _TEXT, "the model asked"),
    ("refused", _TEXT, "why it may not compete, null when it may"),
    ("score", _SHARE, "mean win share in 0..1, null without evidence"),
    ("rank", _NUMBER, "1 for the best, null when not ranked"),
    ("finish", _TEXT, "why the model stopped"),
    ("settings", _TEXT, "temperature and the like as sent, as JSON"),
    ("text", _TEXT, "the answer"),
    ("tool_calls", _TEXT, "the answer's tool calls, as JSON, null without"),
    ("call_id", _TEXT, "the call that drew it"),
)
VERDICTS = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("first", _TEXT, "the candidate shown first"),
    ("second", _TEXT, "the candidate shown second"),
    ("label", _TEXT, '"first", "second" or "tie" in display order, null when unreadable'),
    ("unreadable", _TEXT, "why it could not be read, null when it could"),
    ("p_first", _SHARE, "P(first is better)"),
    ("p_second", _SHARE, "P(second is better)"),
    ("p_tie", _SHARE, "P(tie)"),
    ("soft", _FLAG, "whether the probabilities were read from logprobs"),
    ("match_p", _SHARE, "P(first is better) over all orders asked, null without evidence"),
    ("consistent", _FLAG, "whether the orders agree, null when one was asked or one is unreadable"),
    ("call_ids", _IDS, "the calls, unreadable ones first"),
)
CALLS = _schema(
    ("call_id", _TEXT, "the id: what the model saw"),
    ("role", _TEXT, '"sampler" or "judge"'),
    ("prompt_id", _TEXT, "the prompt it was for"),
    ("variant", _TEXT, "the variant it was for, empty for a judge"),
    ("endpoint", _TEXT, "the endpoint's identity"),
    ("model", _TEXT, "the model asked"),
    ("model_answered", _TEXT, "the model that says it answered, null for a failure"),
    ("draw", _NUMBER, "the number of the repetition"),
    ("messages", _TEXT, "what was asked, as JSON"),
    ("params", _TEXT, "how it was asked, as JSON"),
    ("outcome", _TEXT, '"reply" or "failure"'),
    ("failure", _TEXT, "the reason of a failure, null for a reply"),
    ("text", _TEXT, "the first choice's text, null for a failure"),
    ("finish", _TEXT, "why the model stopped, null for a failure"),
    ("input_tokens", _NUMBER, "as the provider counted, cached included"),
    ("cached_tokens", _NUMBER, "read from the provider's cache"),
    ("cache_write_tokens", _NUMBER, "written to the provider's cache"),
    ("output_tokens", _NUMBER, "as the provider counted, reasoning included"),
    ("reasoning_tokens", _NUMBER, "thought before answering"),
    ("estimated", _FLAG, "whether tokens were counted here because the provider did not say"),
    ("cost_usd", USD, "exact"),
    ("day", _TEXT, "the UTC date of the answer"),
)
PAIRS = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("chosen", _TEXT, "the candidate that is better"),
    ("rejected", _TEXT, "the candidate that is worse"),
    ("p_chosen", _SHARE, "P(chosen is better)"),
    ("margin", _SHARE, "difference of their scores, 0..1"),
    ("consistent", _FLAG, "whether the orders agree, null when one was asked"),
    ("chosen_call", _TEXT, "the call that drew the chosen"),
    ("rejected_call", _TEXT, "the call that drew the rejected"),
    ("verdict_calls", _IDS, "the judge calls it rests on"),
    ("prompt_cost_usd", USD, "all that the prompt cost"),
)
TABLES: Mapping[str, pa.Schema] = {
    "prompts": PROMPTS,
    "candidates": CANDIDATES,
    "verdicts": VERDICTS,
    "calls": CALLS,
    "pairs": PAIRS,
}
Row = dict[str, Any]


class Table:
    """One Parquet file being written beside its place."""

    def __init__(self, path: Path, schema: pa.Schema, stamp: Mapping[str, str]) -> None:
        self.path = path
        self._schema = schema.with_metadata({f"judgegen.{key}": value for key, value in sorted(stamp.items())})
        self._writer = pq.ParquetWriter(part_of(path), self._schema, compression="zstd")
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Add one row; whole groups go to the file."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def finish(self) -> None:
        """Put the file in its place."""
        if self._rows:
            self._flush()
        self._writer.close()
        put_in_place(self.path)

    def abandon(self) -> None:
        """Leave what was there as it was."""
        self._writer.close()
        part_of(self.path).unlink(missing_ok=True)


class Audit:
    """The five tables of a run folder."""

    def __init__(self, folder: Path, stamp: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tables = {name: Table(folder / f"{name}.parquet", schema, stamp) for name, schema in TABLES.items()}

    def add(self, result: Result) -> None:
        """Add all that one prompt came to."""
        for name, lay_out in ROWS.items():
            for row in lay_out(result):
                self._tables[name].add(row)

    def finish(self) -> None:
        """Put all tables in their places."""
        for table in self._tables.values():
            table.finish()

    def abandon(self) -> None:
        """Leave the old tables as they were."""
        for table in self._tables.values():
            table.abandon()


def _json(value: object) -> str:
    return clean(json.dumps(value, ensure_ascii=False))


def prompts(result: Result) -> Iterator[Row]:
    """One row: what became of the prompt."""
    prompt = result.prompt
    yield {
        "prompt_id": prompt.id,
        "outcome": result.drop or "pairs",
        "detail": clean(result.detail),
        "messages": _json([dict(message) for message in prompt.messages]),
        "reference": None if prompt.reference is None else clean(prompt.reference),
        "metadata": _json(dict(prompt.metadata)),
        "line": prompt.line,
        "candidates": len(result.candidates),
        "competing": sum(candidate.refused is None for candidate in result.candidates),
        "pairs": len(result.pairs),
    }


def candidates(result: Result) -> Iterator[Row]:
    """A row per candidate."""
    ranked = {} if result.ranking is None else {c.key: i for i, c in enumerate(result.ranking.order, start=1)}
    for candidate in result.candidates:
        score = None if result.ranking is None else result.ranking.scores.get(candidate.key)
        rank = ranked.get(candidate.key) if score is not None else None
        yield _candidate(candidate, None if score is None else rounded(score), rank)


def _candidate(candidate: Candidate, score: float | None, rank: int | None) -> Row:
    return {
        "prompt_id": candidate.prompt_id,
        "candidate": candidate.key,
        "variant": candidate.variant,
        "index": candidate.index,
        "model": candidate.model,
        "refused": candidate.refused,
        "score": score,
        "rank": rank,
        "finish": candidate.finish,
        "settings": _json(dict(candidate.settings)),
        "text": clean(candidate.text),
        "tool_calls": _json(list(candidate.tool_calls)) if candidate.tool_calls else None,
        "call_id": candidate.call_id,
    }


def verdicts(result: Result) -> Iterator[Row]:
    """A row per comparison as it was displayed."""
    for match in result.matches:
        for shown, verdict in match.shown:
            p = match.p_of(shown.first)
            yield {
                **_verdict(shown, verdict),
                "prompt_id": result.prompt.id,
                "match_p": None if p is None else rounded(p),
                "consistent": match.consistent,
            }


def _verdict(shown: Comparison, verdict: Verdict | Unreadable) -> Row:
    row: Row = {"first": shown.first.key, "second": shown.second.key, "call_ids": list(verdict.call_ids)}
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


def calls(result: Result) -> Iterator[Row]:
    """A row per call that was asked for the prompt and answered."""
    for call, outcome in result.calls:
        yield {**_asked(call), **_answered(outcome)}


def _asked(call: Call) -> Row:
    return {
        "call_id": call.id,
        "role": call.tag.role,
        "prompt_id": call.tag.prompt_id,
        "variant": call.tag.variant,
        "endpoint": call.endpoint,
        "model": call.model,
        "draw": call.draw,
        "messages": _json([dict(message) for message in call.messages]),
        "params": _json(dict(call.params)),
    }


def _answered(outcome: Outcome) -> Row:
    usage = outcome.usage
    row: Row = {
        "input_tokens": usage.input,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "estimated": usage.estimated,
        "cost_usd": outcome.cost,
        "day": outcome.day,
    }
    if isinstance(outcome, Failure):
        return {**row, "outcome": "failure", "failure": outcome.reason}
    choice = outcome.first
    said = {"text": clean(choice.text), "finish": choice.finish, "model_answered": outcome.model}
    return {**row, "outcome": "reply", **said}


def pairs(result: Result) -> Iterator[Row]:
    """A row per pair."""
    for pair in result.pairs:
        yield {**_pair(pair), "prompt_id": result.prompt.id, "prompt_cost_usd": Decimal(cost(result)["total"])}


def _pair(pair: Pair) -> Row:
    return {
        "chosen": pair.chosen.key,
        "rejected": pair.rejected.key,
        "p_chosen": rounded(pair.p_chosen),
        "margin": rounded(pair.margin),
        "consistent": pair.consistent,
        "chosen_call": pair.chosen.call_id,
        "rejected_call": pair.rejected.call_id,
        "verdict_calls": list(pair.verdict_calls),
    }


ROWS: Mapping[str, Callable[[Result], Iterator[Row]]] = {
    "prompts": prompts,
    "candidates": candidates,
    "verdicts": verdicts,
    "calls": calls,
    "pairs": pairs,
}
