"""The columns of the audit's tables: names, types, and what each holds, which stands in the files as well.

Knows nothing of rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from judgegen.writer.money import DECIMALS, DIGITS

USD = pa.decimal128(DIGITS, DECIMALS)

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
    ("score", _SHARE, "mean win share in 0..1, or its own score where nobody compares; null without evidence"),
    ("rank", _NUMBER, "1 for the best and for all that score as much, null without a score"),
    ("strength", _SHARE, "log strength by Bradley and Terry's model, null where every two met"),
    ("strength_error", _SHARE, "its standard error"),
    ("scores", _TEXT, "what each judge and grader gave it by itself, unreadable ones with the reason, as JSON"),
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
    ("judge", _TEXT, "whose verdict it is where there are several judges, null where there is one"),
    ("weight", _SHARE, "how much it counts among the judges"),
    ("counted", _FLAG, "false for a judge that the match was taken away from"),
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
