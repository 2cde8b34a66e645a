"""What a consumer of preferences is, as data: what it takes, how a preference is laid out for it, how one is read back.

One frozen `Format` per consumer; the exporter, the importer and the validator all read the same one. Knows nothing of
files: a format lays out rows, others write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

Preference = Mapping[str, Any]
"""A row of preferences.jsonl, or what an importer made of a row from outside.

`prompt` is a list of messages, `chosen` and `rejected` lists with the assistant's message (or its steps), everything
else is optional. `tie` is true where neither is better. `candidates` are all answers to the prompt, each with
`completion`, `score` and `rank`; `rubric` is what they are judged by, each with `name`, `description` and `weight`."""
Row = dict[str, Any]

SYSTEM_USER_ASSISTANT = frozenset({"system", "user", "assistant"})
API_KEYS = frozenset({"role", "content", "name", "refusal", "weight", "tool_calls", "tool_call_id", "function_call"})
"""What a message of the chat API may hold; a file with another key is refused."""
WITH_TOOLS = SYSTEM_USER_ASSISTANT | {"tool"}
MESSAGE_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")
PAIR = frozenset({"chosen", "rejected"})


OLD = timedelta(days=90)


def aged(what: str, as_of: date, source: str, today: date) -> Iterator[str]:
    """That what was looked up is older than ninety days, and where to look."""
    if today - as_of > OLD:
        yield f"{what} are known as of {as_of}, {(today - as_of).days} days ago: look at {source}"


class Unfit(Exception):  # noqa: N818 - a finding about a row, as the tree of errors spells its own
    """Why one preference cannot be written for a consumer, or one row not be read as a preference: a sentence.

    The sentence is the same for every row with that fault, so that faults can be counted by it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a consumer documents of whole files. None where it documents nothing.

    Attributes:
        rows: the fewest it takes; `most_rows` the most.
        size: bytes of one file.
        tokens: of one example; what follows is cut off or the example is dropped, as `rules` says.
        model: the consumer's usual model, by whose tokens they are counted where none is named.
        most_test: the most rows of a file that is tested on; `test_share` the most as a share of the training file's
            rows, once it has more than a thousand.
    """

    rows: int = 1
    most_rows: int | None = None
    size: int | None = None
    tokens: int | None = None
    model: str = "gpt-4o"
    most_test: int | None = None
    test_share: float | None = None

    def faults(self, rows: int, name: str, *, fewest: int | None = None) -> Iterator[str]:
        """Why the consumer `name` refuses a file of so many rows, behind what the file is called; with the mend.

        `fewest`: as many are needed, where it is no file to train on.
        """
        fewest = self.rows if fewest is None else fewest
        if rows < fewest:
            more = f"{fewest - rows:,} more are needed: more prompts, or a lower bar for pairs"
            yield f"{rows:,} rows, and {name} refuses a file with fewer than {fewest:,}; {more}"
        if self.most_rows is not None and rows > self.most_rows:
            yield f"{rows:,} rows, and {name} refuses a file with more than {self.most_rows:,}; divide it"

    def test_faults(self, rows: int, train: int) -> Iterator[str]:
        """Why a file of so many rows is not tested on, beside one of `train` rows to train on."""
        most = rows if self.most_test is None else self.most_test
        if self.test_share is not None:
            most = min(most, max(1000, int(self.test_share * train)))
        if rows > most:
            yield f"{rows:,} rows to test on beside {train:,} to train on; at most {most:,} are taken"


@dataclass(slots=True, kw_only=True)
class Written:
    """What the exported preferences were, counted as they passed.

    Attributes:
        pairs: preferences laid out; `soft` of them carry a p_chosen, and `loss` sums 1 - p_chosen over those.
        buckets: p_chosen in tenths: at index i those in [i/10, (i+1)/10), 1.0 in the last.
        consistent: how often both orders agreed (True), disagreed (False), or were not both asked (None).
        references: preferences with a reference answer.
        models: how often a model wrote the chosen and the rejected side.
        message_keys: every key that a message had.
    """

    pairs: int = 0
    soft: int = 0
    loss: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * 10)
    consistent: dict[bool | None, int] = field(default_factory=dict)
    references: int = 0
    models: dict[str, list[int]] = field(default_factory=dict)
    message_keys: set[str] = field(default_factory=set)

    @property
    def flip_rate(self) -> float | None:
        """mean(1 - p_chosen) to six digits, None without: the share of wrong labels where they are calibrated."""
        return round(self.loss / self.soft, 6) if self.soft else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An export whose rows are written, as its companion files want to know it.

    Attributes:
        files: the data files by split ("train", "test"; "train" alone without a split).
        rows: rows in each.
        left_out: preferences left out, by reason.
        facts: what is known of the run: `summary`, `run` (its run file as a table), `judge_template` (text).
    """

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    left_out: Mapping[str, int]
    tally: Written
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One consumer.

    Attributes:
        name: as the command line says it.
        about: what it is, in a few words.
        source: where its rules stand.
        as_of: the day of the sources that its rules were last compared with.
        rules: what it documents or does that a reader of the file should know; a sentence each.
        rows: the rows that one preference becomes, after `fit.check` has passed it.
        back: the inverse, None where a row does not hold the whole preference.
        seen: a row as the preference that the rules look at, where `back` is None because something is lost on the way.
        carries: the keys of a preference that survive `rows` and, where there is one, `back`.
        fill: what a row says in a column that it has no value for, where other rows have one. A column that is neither
            here nor in `loose` stands in every row or in none.
        loose: columns that stand only in rows that have something to say in them.
        spare: for an object, keys that change nothing: where loaders infer types, one object is given them, so that
            they take others whose keys differ.
        suffix, bom: of the files.
        folder: whether an export is a folder with its data in data/, and not a file.
        sides: which of chosen and rejected it needs and reads; where none, it reads what there is.
        unit: what a row is about: a "pair", or a "prompt" with all that is known of its answers.
        ties: whether a pair of which neither side is the better one is a row, too.
        steps: whether a side may be several messages: calls of tools, what they answered, and the answer.
        roles: of the prompt's messages.
        tools: takes "definitions" and turns, "turns" alone, or "none" of them.
        turns: takes "many" turns, only "alternating" ones (user, assistant, user …), or "one" user message.
        halves: whether half of a character (a lone surrogate) may stand in a file, written as its JSON escape.
        margin: whether every row must have one.
        stagger: whether a preference's later rows follow all the others' first ones.
        once: of rows with one and the same key only the first is written; None writes all.
        columns: the Arrow schema, given the keys that messages had; None for JSONL.
        companions: files that go with the data, as (path, text).
        standard: the same consumer's rows with plain strings in place of messages, where it has such a form.
    """

    name: str
    about: str
    source: str
    as_of: date = date(2026, 11, 20)
    rules: tuple[str, ...] = ()
    rows: Callable[[Preference], list[Row]]
    back: Callable[[Mapping[str, Any]], Row] | None = None
    seen: Callable[[Mapping[str, Any]], Row] | None = None
    carries: frozenset[str] = frozenset()
    suffix: str = ".jsonl"
    bom: bool = False
    folder: bool = False
    fill: Mapping[str, Any] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()
    spare: Callable[[Mapping[str, Any]], Row] = lambda _: {"refusal": None}
    sides: frozenset[str] = PAIR
    unit: Literal["pair", "prompt"] = "pair"
    ties: bool = False
    steps: bool = False
    roles: frozenset[str] = SYSTEM_USER_ASSISTANT
    tools: Literal["definitions", "turns", "none"] = "none"
    turns: Literal["many", "alternating", "one"] = "many"
    halves: bool = False
    margin: bool = False
    stagger: bool = False
    once: Callable[[Row], Any] | None = None
    columns: Callable[[frozenset[str]], Any] | None = None
    companions: Callable[[Done], Iterator[tuple[Path, str]]] | None = None
    standard: Format | None = None
    limits: Limits = Limits()

    def aged(self, today: date) -> Iterator[str]:
        """That its rules were looked up more than ninety days ago."""
        return aged(f"the rules of {self.name}", self.as_of, self.source, today)

    @property
    def streams(self) -> bool:
        """Whether its file is its rows as they come: one JSONL file, nothing beside it, no row waits for others."""
        whole = self.folder or self.bom or self.columns or self.companions or self.stagger or self.once
        return not whole
