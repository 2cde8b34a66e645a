"""The audit: five Parquet tables that hold every prompt, candidate, verdict, call and pair, drops with their reasons.

Typed columns, zstd, row groups of a fixed number of rows, so that the same results make the same bytes and memory stays
bounded. Nothing here depends on the clock: timings stay in the journal. Knows nothing of how results came about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from judgegen.errors import JudgegenError
from judgegen.llm.calls import Call, Failure, Outcome
from judgegen.records import Candidate, Comparison, Result, Unreadable, Verdict
from judgegen.textual import clean
from judgegen.writer.files import part_of, put_in_place
from judgegen.writer.money import fitting
from judgegen.writer.rows import Asked, cost, rounded

ROWS_PER_GROUP, CHARACTERS_PER_GROUP = 5_000, 16_000_000
"""A row group ends at whichever comes first, so that neither many rows nor long ones fill the memory."""

DIGITS, DECIMALS = 38, 30
USD = pa.decimal128(DIGITS, DECIMALS)
"""Exact for prices per million tokens of 23 decimals, in the most digits that other readers of Parquet take."""

_TEXT, _NUMBER, _SHARE, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_TEXTS = pa.list_(pa.string())


def _schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns])


PROMPTS = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("outcome", _TEXT, '"pairs", or the reason why there are none'),
    ("detail", _TEXT, "a sentence about the reason"),
    ("messages", _TEXT, "the chat, as JSON"),
    ("reference", _TEXT, "the reference answer, where the prompt brought one"),
    ("tools", _TEXT, "the tools the model could call, as JSON, null without"),
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
    ("suspicions", _TEXTS, "what of a judge's frame its text imitates: delimiter, role, schema, verdict"),
    ("score", _SHARE, "mean win share in 0..1, null without evidence"),
    ("rank", _NUMBER, "1 for the best, null when not ranked"),
    ("finish", _TEXT, "why the model stopped"),
    ("settings", _TEXT, "temperature and the like as sent, as JSON"),
    ("text", _TEXT, "the answer"),
    ("tool_calls", _TEXT, "the answer's tool calls, as JSON, null without"),
    ("output_tokens", _NUMBER, "of the call that drew it alone, as the provider counted, reasoning included"),
    ("call_id", _TEXT, "the call that drew it"),
)
VERDICTS = _schema(
    ("prompt_id", _TEXT, "the prompt's id"),
    ("match", _NUMBER, "which match of the prompt it belongs to, from 0"),
    ("order", _NUMBER, "its place among the displays of that match, from 0"),
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
    ("call_ids", _TEXTS, "the calls, unreadable ones first"),
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
    ("detail", _TEXT, "what the provider said of a failure, null for a reply"),
    ("text", _TEXT, "the first choice's text, null for a failure"),
    ("finish", _TEXT, "why the model stopped, null for a failure"),
    ("tool_calls", _TEXT, "the first choice's tool calls, as JSON, null without"),
    ("more_texts", _TEXTS, "the other choices' texts, null where one was asked for"),
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
    ("chosen_text", _TEXT, "what the chosen says"),
    ("rejected_text", _TEXT, "what the rejected says"),
    ("chosen_model", _TEXT, "the model that was asked for the chosen"),
    ("rejected_model", _TEXT, "the model that was asked for the rejected"),
    ("prompt_tokens", _NUMBER, "of the prompt as a chat"),
    ("chosen_tokens", _NUMBER, "of what the chosen says"),
    ("rejected_tokens", _NUMBER, "of what the rejected says"),
    ("chosen_call", _TEXT, "the call that drew the chosen"),
    ("rejected_call", _TEXT, "the call that drew the rejected"),
    ("verdict_calls", _TEXTS, "the judge calls it rests on"),
    ("sampling_cost_usd", USD, "what the prompt's candidates cost"),
    ("judging_cost_usd", USD, "what the prompt's verdicts cost"),
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
        self._characters = 0

    def add(self, row: Row) -> None:
        """Add one row; whole groups go to the file."""
        self._rows.append({name: _written(value) for name, value in row.items()})
        self._characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._rows) >= ROWS_PER_GROUP or self._characters >= CHARACTERS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()
        self._characters = 0

    def close(self) -> None:
        """Write what is left; the file is whole beside its place."""
        if self._rows:
            self._flush()
        self._writer.close()

    def land(self) -> None:
        """Put the closed file in its place."""
        put_in_place(self.path)

    def abandon(self) -> None:
        """Leave what was there as it was."""
        self._rows.clear()
        self._writer.close()
        part_of(self.path).unlink(missing_ok=True)


class Audit:
    """The five tables of a run folder."""

    def __init__(self, folder: Path, stamp: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tables = {name: Table(folder / f"{name}.parquet", schema, stamp) for name, schema in TABLES.items()}

    def add(self, result: Result, *, fresh: Iterable[Asked], preferences: Iterable[Mapping[str, Any]]) -> None:
        """Add all that one prompt came to.

        Args:
            result: of the prompt.
            fresh: those of its calls that no row holds yet.
            preferences: its pairs as rows of preferences.jsonl.
        """
        rows = {
            "prompts": [prompt(result)],
            "candidates": candidates(result),
            "verdicts": verdicts(result),
            "calls": (called(call, outcome) for call, outcome in fresh),
            "pairs": (pair(row, result) for row in preferences),
        }
        for name, laid_out in rows.items():
            for row in laid_out:
                self._tables[name].add(row)

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
        for table in self._tables.values():
            table.abandon()


def _written(value: Any) -> Any:
    """A cell as UTF-8 can hold it."""
    if isinstance(value, str):
        return clean(value)
    return [clean(text) for text in value] if isinstance(value, list) else value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _json_if_any(values: Iterable[Any]) -> str | None:
    found = list(values)
    return _json(found) if found else None


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


def candidates(result: Result) -> Iterator[Row]:
    """A row per candidate."""
    scores = {} if result.ranking is None else result.ranking.scores
    known = sorted((score for score in scores.values() if score is not None), reverse=True)
    drawn = {call.id: outcome for call, outcome in result.calls}
    for candidate in result.candidates:
        score = scores.get(candidate.key)
        yield {
            **_candidate(candidate),
            "score": rounded(score),
            "rank": None if score is None else known.index(score) + 1,
            "output_tokens": _tokens(drawn.get(candidate.call_id)),
        }


def _tokens(outcome: Outcome | None) -> int | None:
    """Of an answer that stands alone: of several choices nobody says how many tokens each had."""
    alone = outcome is not None and (isinstance(outcome, Failure) or len(outcome.choices) == 1)
    return outcome.usage.output if outcome is not None and alone else None


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
                "match_p": rounded(match.p_of(shown.first)),
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


def called(call: Call, outcome: Outcome) -> Row:
    """A call that was asked and answered."""
    return {**_asked(call), **_used(call, outcome), **_answered(outcome)}


def _asked(call: Call) -> Row:
    return {
        "call_id": call.id,
        "role": call.tag.role,
        "prompt_id": call.tag.prompt_id,
        "variant": call.tag.variant,
        "endpoint": call.endpoint,
        "model": call.model,
        "draw": call.draw,
        "messages": _json(list(call.messages)),
        "params": _json(dict(call.params)),
    }


def _used(call: Call, outcome: Outcome) -> Row:
    usage = outcome.usage
    return {
        "input_tokens": usage.input,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "estimated": usage.estimated,
        "cost_usd": _usd(outcome.cost, f"call {call.id}"),
        "day": outcome.day,
    }


def _answered(outcome: Outcome) -> Row:
    if isinstance(outcome, Failure):
        return {"outcome": "failure", "failure": outcome.reason, "detail": outcome.detail}
    return {
        "outcome": "reply",
        "text": outcome.first.text,
        "finish": outcome.first.finish,
        "tool_calls": _json_if_any(outcome.first.tool_calls),
        "more_texts": [choice.text for choice in outcome.choices[1:]] or None,
        "model_answered": outcome.model,
    }


def _usd(value: Decimal | None, where: str) -> Decimal | None:
    """An amount that the column holds to the last digit.

    Raises:
        JudgegenError: it does not.
    """
    if value is None:
        return None
    if (held := fitting(value, DIGITS, DECIMALS)) is None:
        raise JudgegenError(
            f"{where} cost {value:f} USD: the audit keeps {DECIMALS} decimals and {DIGITS - DECIMALS} digits before "
            f"them; set a price with fewer and begin a new run folder"
        )
    return held


def pair(row: Mapping[str, Any], result: Result) -> Row:
    """A pair, from its row in preferences.jsonl."""
    sides = {side: row[f"{side}_from"] for side in ("chosen", "rejected")}
    laid_out = {name: row[name] for name in ("prompt_id", "p_chosen", "margin", "consistent", "verdict_calls")}
    for side, origin in sides.items():
        laid_out[side] = f"{origin['variant']}/{origin['index']}"
        laid_out[f"{side}_text"] = row[side][0]["content"]
        laid_out[f"{side}_model"], laid_out[f"{side}_call"] = origin["model"], origin["call"]
    counts = {f"{name}_tokens": count for name, count in row["tokens"].items()}
    spent = cost(result.calls)
    names = {"sampling": "sampling_cost_usd", "judging": "judging_cost_usd", "total": "prompt_cost_usd"}
    usd = {column: _usd(spent[name], f"prompt {row['prompt_id']!r}") for name, column in names.items()}
    return {**laid_out, **counts, **usd}
