"""Where preferences come from, as data: one `Origin` per shape, and the rows of preferences that a reading becomes.

What a row says is found by `judgegen.sources.shapes`; here it is checked against the shape that was named, and ratings
get the scale on which their gap is a margin. Knows nothing of files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judgegen.formats import fit, messages, plainly
from judgegen.formats.format import WITH_TOOLS, Format, Preference, Row, Unfit
from judgegen.llm.calls import canonical_json
from judgegen.sources.columns import plain_name
from judgegen.sources.readings import Answer, Names, Reading
from judgegen.sources.rows import RowError, quoted
from judgegen.sources.shapes import read as read_row
from judgegen.sources.verdicts import number

Pairs = Literal["all", "best-worst"]
KINDS = {
    "pair": "a chosen and a rejected answer",
    "comparison": "two answers and a label that says which is better",
    "ranked": "several answers with ratings or ranks",
    "labelled": "one answer that is wanted or not",
    "rated": "one answer with a rating",
    "answer": "one answer to each question",
    "chat": "a chat that ends with an answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One shape.

    Attributes:
        name: as the command line says it.
        about: what it is, in a few words.
        source: where the shape was seen.
        kinds: what its rows are, of `KINDS`.
        columns: names that its rows have together and no other shape's, one or several sets of them; none where it is
            not known by its columns.
        scale: the longest gap that two of its ratings can have; None: their gaps are no margins.
        values: what its labels' values mean, where that is not to be seen: "A", "B", "tie", "wanted", "unwanted".
        ours: whether margin is judgegen's, the gap of two scores in 0..1.
        read: a reading of its own in place of the shared one; raises `Unfit`.
    """

    name: str
    about: str
    source: str
    kinds: frozenset[str] = frozenset(KINDS)
    columns: tuple[frozenset[str], ...] = ()
    scale: float | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False
    read: Callable[[Mapping[str, Any]], Row] | None = None


_ANY = Format(
    name="judgegen",
    about="",
    source="",
    rows=lambda preference: [dict(preference)],
    sides=frozenset(),
    roles=WITH_TOOLS | {"developer", "function"},
    tools="definitions",
    steps=True,
    ties=True,
    halves=True,
)
_OBJECTS = ("tokens", "chosen_from", "rejected_from", "cost_usd", "metadata", "scores")
LABELS = ("p_chosen", "margin", "prompt_id", "consistent", "verdict_calls", *_OBJECTS)


_PLAIN = frozenset({str, int, bool, type(None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A row's reading, with the cells that it was read from."""

    reading: Reading
    cells: Mapping[str, Any]

    @property
    def grouped(self) -> bool:
        """Whether it is one rated answer of several, which stand in the rows beside it."""
        return self.reading.kind == "rated"


def read(found: Mapping[str, Any], origin: Origin, names: Names = Names()) -> Read:  # noqa: B008 - frozen
    """What a row says, where it is of the shape.

    Raises:
        Unfit: why it is not.
    """
    if origin.columns:
        _check_columns(found, origin)
    if origin.values:
        names = replace(names, values={**origin.values, **names.values})
    try:
        reading, cells = read_row(found, names)
    except RowError as error:
        raise Unfit(str(error)) from None
    if reading.kind not in origin.kinds:
        raise Unfit(f"{KINDS[reading.kind]}, which is no row of {origin.name} ({origin.about}); leave out --from")
    return Read(reading=reading, cells=cells)


def has_columns(names: tuple[str, ...], origin: Origin) -> bool:
    """Whether rows with these columns may be of the shape."""
    plain = {plain_name(name) for name in names}
    return not origin.columns or any(columns <= plain for columns in origin.columns)


def _check_columns(found: Mapping[str, Any], origin: Origin) -> None:
    if not has_columns(tuple(found), origin):
        plain = {plain_name(name) for name in found}
        lacking = min((sorted(columns - plain) for columns in origin.columns), key=len)
        raise Unfit(f"no row of {origin.name}: it has no {quoted(lacking)}; leave out --from")


def together(group: list[Read]) -> Read:
    """Rated answers to one prompt as one ranking; one that was rated several times has the mean of its ratings."""
    rated: dict[str, list[Answer]] = {}
    for answer in (answer for one in group for answer in one.reading.answers):
        rated.setdefault(json.dumps(answer.messages, sort_keys=True), []).append(answer)
    answers = tuple(same[0] if len(same) == 1 else replace(same[0], score=_mean(same)) for same in rated.values())
    return replace(group[0], reading=replace(group[0].reading, kind="ranked", answers=answers))


def _mean(answers: list[Answer]) -> float:
    return math.fsum(answer.score or 0.0 for answer in answers) / len(answers)


def preferences(found: Read, origin: Origin, *, system: str | None = None, pairs: Pairs = "all") -> list[Row]:
    """The preferences in a reading, checked and named; `system` becomes their first message.

    Raises:
        Unfit: why there is none in it.
    """
    asked = found.reading.asked
    prompt = asked.messages if system is None else under(asked.messages, system)
    shared: Row = {"prompt": prompt} | ({"tools": list(asked.tools)} if asked.tools else {})
    shared |= {"reference": asked.reference} if asked.reference is not None else {}
    kept = _carried(found, origin)
    spelled = is_json(shared) and is_json(kept)  # once for all sides, which are few words beside a row's other columns
    made = []
    for side in _sides(found.reading, origin, pairs):
        made.append(checked(shared | side | kept, spelled=spelled and is_json(side)))
        shared = {"prompt_id": made[-1]["prompt_id"], **shared}
        kept.pop("prompt_id", None)
    return made


def checked(row: Row, *, spelled: bool = False) -> Row:
    """A preference, once it is one, under the name that its prompt gives it where it has none.

    `spelled`: whether it is known already that JSON has words for it.

    Raises:
        Unfit: why it is none.
    """
    if not (row.get("chosen") or row.get("rejected")):
        raise Unfit("neither a chosen nor a rejected side")
    if not plainly.sound(row, _ANY):
        fit.check(messages.plain(row), _ANY)
    if not (spelled or is_json(row)):
        try:
            canonical_json(row)
        except (TypeError, ValueError):
            cells = {**(row.get("metadata") or {}), **row}
            told = next((name for name, cell in cells.items() if not is_json(cell)), "a column")
            raise Unfit(f"{told} holds something that JSON has no word for; leave the column out") from None
    name = row.pop("prompt_id", None) or messages.prompt_id(row["prompt"], row.get("tools") or ())
    return {"prompt_id": str(name), **row}


def is_json(value: Any) -> bool:
    """Whether JSON surely has words for it; of what is rarely met, its writer has to be asked."""
    kind = type(value)
    if kind is dict:
        for key, inner in value.items():
            if type(key) is not str or not (type(inner) in _PLAIN or is_json(inner)):
                return False
        return True
    if kind is list:
        return all(map(is_json, value))
    return kind in _PLAIN or (kind is float and math.isfinite(value))


def _sides(reading: Reading, origin: Origin, pairs: Pairs) -> Iterator[Row]:
    answers = reading.answers
    if reading.kind == "pair":
        for good in answers[: reading.better]:
            yield from (_pair(good, bad, origin) for bad in answers[reading.better :])
    elif reading.kind == "comparison":
        yield _compared(reading, origin)
    elif reading.kind == "ranked":
        yield from _ranked(reading, origin, pairs)
    elif reading.kind == "rated":
        raise Unfit(
            "one answer with a rating, and no other to its prompt in the rows beside it: not a preference; where the "
            "rating says that it is wanted: --map label=COLUMN,wanted=VALUE"
        )
    else:
        side = "rejected" if reading.wanted is False else "chosen"
        words = answers[0].messages[-1].get("content")
        known = reading.kind == "answer" and reading.asked.reference is None and isinstance(words, str)
        yield {side: answers[0].messages} | ({"reference": words} if known else {})


def _pair(good: Answer, bad: Answer, origin: Origin) -> Row:
    row: Row = {"chosen": good.messages, "rejected": bad.messages}
    if good.score is not None and bad.score is not None:
        row |= scored(good.score, bad.score, origin.scale)
    models = {"chosen_from": good.model, "rejected_from": bad.model}
    return row | {key: {"model": model} for key, model in models.items() if model}


def scored(good: float, bad: float, scale: float | None) -> Row:
    """The ratings of two sides; their gap is a margin where the longest gap, `scale`, is known."""
    ratings: Row = {"scores": {"chosen": good, "rejected": bad}}
    return ratings if scale is None else ratings | {"margin": round(min(1.0, (good - bad) / scale), 6)}


def _compared(reading: Reading, origin: Origin) -> Row:
    """The pair that the votes make; `p_chosen` is their share, ties half, where there are several."""
    share = sum({"A": 1.0, "B": 0.0, "tie": 0.5}[vote] for vote in reading.votes) / len(reading.votes)
    if share == 0.5:
        words = "both are called equal" if len(reading.votes) == 1 else "the votes balance"
        raise Unfit(f"{words}: a tie, not a preference")
    good, bad = reading.answers if share > 0.5 else reversed(reading.answers)
    row = _pair(good, bad, origin)
    if reading.strength is not None:
        row["margin"] = reading.strength
    if len(reading.votes) > 1:
        p = max(share, 1 - share)
        row |= {"p_chosen": round(p, 6), "margin": round(2 * p - 1, 6)}
    return row


def _ranked(reading: Reading, origin: Origin, pairs: Pairs) -> Iterator[Row]:
    """Every pair of which one is rated higher, or the best and the worst; a rank's gap is a share of the longest."""
    sign = -1 if reading.ranks else 1
    values = [sign * (answer.score or 0.0) for answer in reading.answers]
    places = range(len(values))
    wanted = [(i, j) for i in places for j in places if values[i] > values[j] and (i, j) not in reading.doubts]
    if pairs == "best-worst" and wanted:
        wanted = [max(wanted, key=lambda pair: values[pair[0]] - values[pair[1]])]
    if not wanted:
        raise Unfit("no two answers of which one is surely better: a tie, not a preference")
    for i, j in wanted:
        good, bad = reading.answers[i], reading.answers[j]
        if messages.alike(good.messages, bad.messages):
            continue
        row = _pair(good, bad, origin)
        if reading.ranks:
            row = {key: value for key, value in row.items() if key not in ("scores", "margin")}  # a rank is no score
            row["margin"] = round((values[i] - values[j]) / (len(values) - 1), 6)
        yield row


def _carried(found: Read, origin: Origin) -> Row:
    """What a row knows of its label and where it came from; the columns nobody knows are metadata.

    Raises:
        Unfit: its own probability or margin contradicts its label.
    """
    rest = {key: value for key, value in found.cells.items() if key not in found.reading.used}
    kept = {key: value for key in LABELS if key in rest and (value := _carry(rest[key], key)) is not None}
    labels(kept)
    if not (origin.ours or "p_chosen" in kept) or not 0 <= kept.get("margin", 0) <= 1:
        kept.pop("margin", None)
    own = kept.pop("metadata", {})
    others = {key: value for key, value in rest.items() if key not in kept and (key != "metadata" or not own)}
    return kept | ({"metadata": {**own, **others}} if own or others else {})


def _carry(value: Any, key: str) -> Any:
    if key in _OBJECTS:
        if isinstance(value, str) and value.startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                return None
        return value if isinstance(value, Mapping) else None
    if key in ("p_chosen", "margin"):
        return value if isinstance(value, str) and key == "p_chosen" else number(value)
    kinds = {"prompt_id": str, "consistent": bool, "verdict_calls": list}
    return value if isinstance(value, kinds[key]) else None


def labels(row: Preference) -> None:
    """Pass a row whose probability and margin do not contradict its label.

    Raises:
        Unfit: they do.
    """
    p, margin = row.get("p_chosen"), row.get("margin")
    if p is not None and not (isinstance(p, int | float) and 0 <= p <= 1):
        raise Unfit("p_chosen is not a probability")
    if p is not None and p < 0.5:
        raise Unfit("p_chosen is below a half: it says that the rejected side is the better one")
    if isinstance(margin, int | float) and margin < 0:
        raise Unfit("margin is below zero: it says that the rejected side is the better one")


def under(prompt: list[Any], system: str) -> list[Any]:
    """A prompt with a system message before it.

    Raises:
        Unfit: it has one.
    """
    if any(isinstance(m, Mapping) and m.get("role") in ("system", "developer") for m in prompt):
        raise Unfit("has a system message of its own; leave out --system")
    return [{"role": "system", "content": system}, *prompt]


def as_they_stand(found: Preference) -> Row:
    """A row of preferences.jsonl. A margin that is no share of a score's range is left out.

    Raises:
        Unfit: the prompt is not a list of messages, or the row contradicts its label.
    """
    if not isinstance(found.get("prompt"), list):
        raise Unfit("prompt is not a list of messages")
    row = {key: value for key, value in found.items() if value is not None}
    if isinstance(row.get("tools"), str):
        row["tools"] = messages.tool_list(row["tools"])
    labels(row)
    margin = row.get("margin")
    if margin is not None and not (isinstance(margin, int | float) and margin <= 1):
        row["metadata"] = {**(row.get("metadata") or {}), "margin": row.pop("margin")}
    return row
