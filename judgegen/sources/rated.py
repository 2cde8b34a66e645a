"""Rows of rated answers as comparisons: one answer a row, or one rater's word on it, or a list of answers.

The answers of one prompt are gathered from all rows, each with what every rater gave it for every criterion, and every
two of them become a comparison; its metadata keep what they were given. Knows nothing of judges.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.llm.calls import digest
from judgegen.sources import shapes, spellings, verdicts
from judgegen.sources.columns import CRITERIA, ColumnNames, known, plain_name
from judgegen.sources.questions import Question
from judgegen.sources.readings import EMPTIED, Names
from judgegen.sources.rows import Bad, NoPreference, ReadError, Row, RowError, Rows
from judgegen.sources.spellings import Chat

RATERS = frozenset(
    "rater rater_id worker worker_id annotator annotator_id reviewer reviewer_id evaluator evaluator_id labeler "
    "labeler_id labeller labeller_id judge judge_id".split()
)
"""Names of columns that say whose word a row is."""
KEPT = "answers-ratings"
"""In a comparison's metadata what its two answers were given."""
NamesOf = Callable[[tuple[str, ...]], Names]
Given = tuple[str | None, dict[str, float]]
"""Whose word it is, where that is known, and by criterion what was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scheme:
    """Where a row has its answer or its list of answers, what rates it, and who did."""

    answer: str
    many: bool
    criteria: tuple[str, ...]
    rater: str | None


def rates(columns: Sequence[str], names: Names) -> bool:
    """Whether rows of these columns are rated answers and compare nothing by themselves."""
    return _scheme(dict.fromkeys(columns), names) is not None


def told(rows: Rows, names: NamesOf) -> tuple[Rows, bool]:
    """The rows, and whether the first that can be read is of rated answers."""
    head: list[Row | Bad] = []
    try:
        for row in rows:
            head.append(row)
            if isinstance(row, Row):
                return itertools.chain(head, rows), _is_rated(row.value, names)
    except ReadError as error:
        return _ending(head, error), False
    return iter(head), False


def _ending(head: list[Row | Bad], error: ReadError) -> Rows:
    yield from head
    raise error


def _is_rated(value: Any, names: NamesOf) -> bool:
    if not isinstance(value, Mapping):
        return False
    row = {str(name): cell for name, cell in value.items()}
    return _scheme(row, names(tuple(row))) is not None


def _scheme(row: Mapping[str, Any], names: Names) -> _Scheme | None:
    table = known(tuple(row), _words(names))
    if table.several is not None or table.of("rejected") or table.of("chosen"):
        return None
    many = next((name for name in table.of("answers") if name in row), None)
    answer = many or next((name for name in table.of("answer") if name in row), None)
    criteria = _criteria(row, names, many)
    if answer is None or not criteria or (many and set(table.of("winner")) - set(criteria)):
        return None
    return _Scheme(answer=answer, many=many is not None, criteria=criteria, rater=rater_of(row, names))


def rater_of(columns: Iterable[str], names: Names) -> str | None:
    """The column that says whose word a row is, None where there is none."""
    own = dict(names.mapped).get("rater")
    return own or next((name for name in columns if plain_name(name) in RATERS), None)


def _words(names: Names) -> tuple[tuple[str, str], ...]:
    """The mapping without what says who rated and by what."""
    return tuple(one for one in names.mapped if one[0] not in ("rating", "rater", "scores"))


def _criteria(row: Mapping[str, Any], names: Names, many: str | None) -> tuple[str, ...]:
    """The columns that rate, or those that a mapping names; of listed answers also what stands inside them."""
    own = next((column for meaning, column in names.mapped if meaning in ("rating", "scores")), None)
    if own is not None:
        return tuple(own.split("+"))
    listed = spellings.listed(row.get(many)) or [] if many is not None else []
    inside = [name for one in listed[:1] if isinstance(one, Mapping) for name in one]
    return tuple(name for name in dict.fromkeys([*row, *inside]) if plain_name(name) in CRITERIA)


@dataclass(slots=True)
class _Answer:
    """One answer with its ratings, and how many rows spoke of it."""

    messages: Chat
    given: list[Given] = field(default_factory=list)
    rows: int = 0

    def mean(self) -> float:
        return math.fsum(math.fsum(marks.values()) / len(marks) for _, marks in self.given) / len(self.given)

    def ratings(self) -> list[dict[str, Any]]:
        """In an order that is their content's."""
        ordered = sorted(self.given, key=lambda one: (one[0] or "", sorted(one[1].items())))
        return [{"rater": rater, "ratings": dict(sorted(marks.items()))} for rater, marks in ordered]


@dataclass(slots=True)
class _Asked:
    """A prompt, where it stood first, and its answers by what they say."""

    question: Question
    line: int
    answers: dict[str, _Answer] = field(default_factory=dict)


def comparisons(rows: Rows, names: NamesOf, passed: Callable[[str], None]) -> Rows:
    """Every two rated answers of a prompt as a row that `labelled` reads; a lot, their content's, says which is A.

    Where the same raters, by name, rated both, each has a vote; else the mean ratings are one. `passed` hears of rows
    that rate nothing, and of prompts with one rated answer.
    """
    prompts: dict[str, _Asked] = {}
    for row in rows:
        if isinstance(row, Bad):
            yield row
            continue
        try:
            _gather(row, names, prompts)
        except NoPreference as error:
            passed(str(error))
        except RowError as error:
            yield Bad(line=row.line, why=str(error))
    for asked in prompts.values():
        yield from _pairs(asked, passed)


def _gather(row: Row, names: NamesOf, prompts: dict[str, _Asked]) -> None:
    if not isinstance(row.value, Mapping):
        raise RowError("is text, and a rated answer has columns")
    value = {str(name): cell for name, cell in row.value.items()}
    found = names(tuple(value))
    scheme = _scheme(value, found)
    if scheme is None:
        raise RowError("has no answer with a rating, as the rows before it have; name the columns: --map rating=x+y")
    rated = False
    for cells in _each(value, scheme):
        given = _given(cells, scheme)
        question, messages = _read(cells, scheme, found)
        key = digest([question.messages, question.reference, list(question.tools)], size=16)
        asked = prompts.setdefault(key, _Asked(question=question, line=row.line))
        answer = asked.answers.setdefault(digest(messages, size=16), _Answer(messages=messages))
        answer.given += given
        answer.rows += 1
        rated = rated or bool(given)
    if not rated:
        raise NoPreference("nobody rated the answer")


def _each(row: Mapping[str, Any], scheme: _Scheme) -> Iterator[dict[str, Any]]:
    """A row for each answer."""
    if not scheme.many:
        yield dict(row)
        return
    answers = spellings.listed(row[scheme.answer])
    if answers is None:
        raise RowError(f"{scheme.answer} is no list of answers")
    beside = {name: _as_many(row[name], name, len(answers)) for name in scheme.criteria if row.get(name) is not None}
    for place, answer in enumerate(answers):
        inside = answer if isinstance(answer, Mapping) else {}
        marks = {name: inside.get(name) for name in scheme.criteria}
        yield {**row, **marks, **{name: cells[place] for name, cells in beside.items()}, scheme.answer: answer}


def _as_many(cell: Any, name: str, count: int) -> list[Any]:
    found = spellings.listed(cell)
    if found is None or len(found) != count:
        raise RowError(f"{name} has {'no list' if found is None else len(found)} for {count} answers")
    return found


def _given(cells: Mapping[str, Any], scheme: _Scheme) -> list[Given]:
    """What each rater of the row gave; a list in a cell is of several, by their places."""
    columns = {name: _marks(cells.get(name), name) for name in scheme.criteria}
    who = cells.get(scheme.rater) if scheme.rater is not None else None
    rater = None if missing(who) else str(who)
    found = []
    for place in range(max(map(len, columns.values()))):
        marks = {name: given[place] for name, given in columns.items() if place < len(given)}
        if known_ones := {name: mark for name, mark in marks.items() if mark is not None}:
            found.append((rater, known_ones))
    return found


def _marks(cell: Any, name: str) -> list[float | None]:
    listed = spellings.listed(cell)
    return [_mark(one, name) for one in ([cell] if listed is None else listed)]


def _mark(value: Any, name: str) -> float | None:
    if missing(value):
        return None
    if (found := verdicts.number(value)) is None:
        raise RowError(f"{name} is {str(value)[:20]!r}, which is no rating; say which columns are: --map rating=x+y")
    return found


def missing(value: Any) -> bool:
    """Whether a cell says nothing, as a rating or as a name."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and (not value.strip() or value.strip() in EMPTIED))


def _read(cells: Mapping[str, Any], scheme: _Scheme, names: Names) -> tuple[Question, Chat]:
    """What is asked, and the answer, without what rates it or labels the row."""
    table = known(tuple(cells), _words(names))
    beside = {*scheme.criteria, scheme.rater, *_labels(table)} - {scheme.answer, *table.own}
    kept = {name: cell for name, cell in cells.items() if name not in beside}
    # A rating, whichever: what stands beside an answer that has one does not speak against it.
    kept[scheme.criteria[0]] = 0.0
    mapped = dict(_words(names)) | {"answer": scheme.answer, "rating": scheme.criteria[0]}
    mapped.pop("answers", None)
    found, _ = shapes.read(kept, replace(names, mapped=tuple(sorted(mapped.items()))))
    if len(found.answers) != 1:
        raise RowError("is no answer with a rating")
    return found.asked, found.answers[0].messages


def _labels(table: ColumnNames) -> tuple[str, ...]:
    return (*table.of("label"), *table.of("winner"), *table.of("scores"), *table.of("ranks"))


def _pairs(asked: _Asked, passed: Callable[[str], None]) -> Iterator[Row]:
    rated = {key: one for key, one in asked.answers.items() if one.given}
    if len(rated) < 2:
        for _ in range(sum(one.rows for one in rated.values())):
            passed("one rated answer to its prompt alone: there is nothing to rank it against")
        return
    for first, second in itertools.combinations(sorted(rated), 2):
        lot = int(digest(sorted((first, second)), size=8), 16) % 2
        a, b = (rated[key] for key in ((first, second) if lot else (second, first)))
        yield Row(line=asked.line, value=_row(asked.question, a, b))


def _row(asked: Question, a: _Answer, b: _Answer) -> dict[str, Any]:
    return {
        "messages": asked.messages,
        "response_a": a.messages,
        "response_b": b.messages,
        "votes": _votes(a, b),
        "metadata": {KEPT: {"response_a": a.ratings(), "response_b": b.ratings()}},
        **({"reference": asked.reference} if asked.reference is not None else {}),
        **({"tools": [dict(tool) for tool in asked.tools]} if asked.tools else {}),
    }


def _votes(a: _Answer, b: _Answer) -> list[str]:
    """A vote of each rater where the same people rated both, each once; else one, of the means."""
    ones = [{rater: math.fsum(marks.values()) / len(marks) for rater, marks in side.given} for side in (a, b)]
    alike = set(ones[0]) == set(ones[1]) and None not in ones[0]
    if alike and len(ones[0]) == len(a.given) == len(b.given):
        return [_vote(ones[0][rater], ones[1][rater]) for rater in sorted(ones[0], key=str)]
    return [_vote(a.mean(), b.mean())]


def _vote(a: float, b: float) -> str:
    return "tie" if math.isclose(a, b, abs_tol=1e-9) else "A" if a > b else "B"
