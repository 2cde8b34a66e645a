"""Rows with two answers that are lettered or numbered, and a label, votes or ratings that say which is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judgegen.sources import spellings, verdicts
from judgegen.sources.columns import STRENGTHS, ColumnNames, Several, plain_name
from judgegen.sources.questions import parted as system_and_turns
from judgegen.sources.questions import question
from judgegen.sources.readings import Answer, Names, Reading, models, outranked, parted, rated, side, side_columns
from judgegen.sources.rows import RowError, quoted
from judgegen.sources.spellings import Chat, given
from judgegen.sources.verdicts import Vote

_ONE_HOT = (
    ("winner_model_a", "winner_model_b", "winner_tie"),
    ("winner_a", "winner_b", "winner_tie"),
    ("a_wins", "b_wins", "tie"),
)
_TIED = ("both_equal", "is_tie", "equal")
_ANNOTATORS = 9
_RATERS = ("annotator", "rater", "labeler", "reviewer", "evaluator", "judge", "worker", "vote", "label")


def compared(cells: Mapping[str, Any], table: ColumnNames, names: Names) -> Reading | None:
    """The comparison in a row, None where it is of another kind.

    Raises:
        RowError: it contradicts itself, or does not say which answer is better.
    """
    several = table.several
    if several is None or len(several.columns) != 2:
        return None
    if missing := [name for name in several.columns if name not in cells]:
        if len(missing) == 2:
            return None
        raise RowError(f"{missing[0]} is empty, or not there")
    chats, cells = _chats(cells, table, several)
    chats = _to_turn(chats, cells, table)
    asked = question(cells, table, frozenset(several.columns))
    chats, asked = parted(chats, asked)
    scores = rated(cells, table)
    ordered = [*outranked(cells, table), *scores]
    votes, strength, used = _votes(cells, table, names, several, ordered)
    sides = zip(chats, scores[0] if scores else (None, None), models(cells, table) or (None, None), strict=True)
    answers = tuple(Answer(messages=chat, score=score, model=model) for chat, score, model in sides)
    used |= asked.columns | frozenset(several.columns) | side_columns(table) | _named_worse(cells, table)
    return Reading(kind="comparison", asked=asked, answers=answers, votes=votes, strength=strength, used=used)


def _chats(cells: Mapping[str, Any], table: ColumnNames, several: Several) -> tuple[list[Chat], Mapping[str, Any]]:
    """The two answers or chats. Where prompt and answers are lists of texts, one a turn, they are whole chats."""
    prompt = next((name for name in table.of("prompt") if name in cells), None)
    chats = turned(cells, prompt, several) if prompt is not None else None
    if chats is None:
        return [side(cells[name], name) for name in several.columns], cells
    return chats, {name: cell for name, cell in cells.items() if name != prompt}


def turned(cells: Mapping[str, Any], prompt: str, several: Several) -> list[Chat] | None:
    """The whole chats of a prompt and answers that are lists of texts, one a turn; None where they are no such lists.

    Raises:
        RowError: they are of different lengths, or a turn is empty.
    """
    turns = [spellings.listed(cells.get(name)) for name in (prompt, *several.columns)]
    if len(turns) != 3 or any(not _texts(one) for one in turns):
        return None
    asked, *answers = (list(turn) for turn in turns if turn is not None)
    if any(len(answer) != len(asked) for answer in answers):
        raise RowError(f"{prompt} and its answers are lists of different lengths")
    return [[m for q, a in zip(asked, answer, strict=True) for m in _turn(q, a)] for answer in answers]


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(one is None or isinstance(one, str) for one in value)


def _turn(asked: str | None, answer: str | None) -> Chat:
    if not given(asked) or not given(answer):
        raise RowError("a turn is empty")
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _named_worse(cells: Mapping[str, Any], table: ColumnNames) -> frozenset[str]:
    """The column that names the worse side where `chosen` names the better one."""
    return frozenset(name for name in table.of("rejected") if isinstance(cells.get(name), str | int))


def _to_turn(chats: list[Chat], cells: Mapping[str, Any], table: ColumnNames) -> list[Chat]:
    """The chats up to the turn that was judged, where a column says which that is."""
    name = next((name for name in table.of("turn") if isinstance(cells.get(name), int)), None)
    if name is None:
        return chats
    return [_until(chat, cells[name]) for chat in chats]


def _until(chat: Chat, turn: int) -> Chat:
    system, turns = system_and_turns(chat)
    starts = [place for place, message in enumerate(turns) if message.get("role") == "user"]
    kept = turns[: starts[turn]] if 0 < turn < len(starts) else turns
    return kept if system is None else [system, *kept]


def _votes(
    cells: Mapping[str, Any], table: ColumnNames, names: Names, several: Several, scores: list[tuple[float, ...]]
) -> tuple[tuple[Vote, ...], float | None, frozenset[str]]:
    """The votes, their strength, and the columns they stood in.

    Raises:
        RowError: two labels differ, or there is none to be read.
    """
    stated = [*_stated(cells, table, names, several)] or [*_each(cells, table, several)]
    if not stated:
        return (_by_score(cells, table, several, scores),), None, frozenset()
    column, votes, strength = stated[0]
    for other, differing, _ in stated[1:]:
        if differing != votes:
            raise RowError(f"{column} and {other} prefer different answers; say which counts: --map winner={column}")
    better = votes.count("A") - votes.count("B") if len(votes) == 1 else 0
    if scores and better * (scores[0][0] - scores[0][1]) < 0:
        raise RowError(f"{column} prefers the answer with the lower score")
    return votes, strength, frozenset(name for name, _, _ in stated)


def _stated(
    cells: Mapping[str, Any], table: ColumnNames, names: Names, several: Several
) -> Iterator[tuple[str, tuple[Vote, ...], float | None]]:
    values = {**names.values, **table.values}
    named = tuple(models(cells, table))
    for name in table.of("winner"):
        if name not in cells or name in several.columns:
            continue
        if (most := STRENGTHS.get(plain_name(name))) is not None:
            yield name, *_strong(cells[name], name, most)
        elif name in names.unsure and verdicts.number(cells[name]) is not None:
            continue
        elif votes := _quoted(cells, name, several) or _spelled(cells[name], several, values, named):
            yield name, votes, None
    for first, second, tie in _ONE_HOT:
        hot = [cells.get(table.plain.get(name, "")) for name in (first, second, tie)]
        if None not in hot[:2] and sum(value in (1, "1", "True", "true") for value in hot) == 1:
            spelled: tuple[Vote, ...] = ("A", "B", "tie")
            yield (
                table.plain[first],
                (spelled[next(i for i, v in enumerate(hot) if v in (1, "1", "True", "true"))],),
                None,
            )
            break
    yield from _tied(cells, table)
    annotated = [table.plain.get(f"annotator{number}") for number in range(1, _ANNOTATORS)]
    found = [cells[name] for name in annotated if name is not None and name in cells]
    if found:
        each = [verdicts.vote(value, several, {"0": "tie", **values}) for value in found]
        if None in each:
            raise RowError("an annotator's vote is none of 0, 1 and 2")
        yield "votes of the annotators", tuple(vote for vote in each if vote is not None), None


def _each(
    cells: Mapping[str, Any], table: ColumnNames, several: Several
) -> Iterator[tuple[str, tuple[Vote, ...], float | None]]:
    """The votes of raters who have a column each, in words; numbers there may be ratings."""
    for who in _RATERS:
        columns = [table.plain.get(f"{who}{gap}{number}") for number in range(1, _ANNOTATORS) for gap in ("", "_")]
        said = [cells[name] for name in columns if name is not None and name in cells]
        votes = [verdicts.vote(one, several, {}) for one in said if verdicts.number(one) is None]
        if votes and len(votes) == len(said) and None not in votes:
            yield f"votes of each {who}", tuple(vote for vote in votes if vote is not None), None


def _quoted(cells: Mapping[str, Any], name: str, several: Several) -> tuple[Vote, ...]:
    """The vote of a label that is the text of one of the two answers."""
    answers, said = [cells.get(column) for column in several.columns], cells[name]
    if not isinstance(said, str) or answers.count(said) != 1:
        return ()
    return ("A",) if answers[0] == said else ("B",)


def _tied(cells: Mapping[str, Any], table: ColumnNames) -> Iterator[tuple[str, tuple[Vote, ...], float | None]]:
    """A flag that says that the answers are equal."""
    for column in (table.plain.get(flag) for flag in _TIED):
        if column is not None and cells.get(column) in (True, "True", "true"):
            yield column, ("tie",), None


def _spelled(value: Any, several: Several, values: Mapping[str, str], named: tuple[Any, ...]) -> tuple[Vote, ...]:
    listed = spellings.listed(value)
    votes = [verdicts.vote(one, several, values, named) for one in (listed if listed is not None else [value])]
    return tuple(vote for vote in votes if vote is not None) if None not in votes else ()


def _strong(value: Any, name: str, most: float) -> tuple[tuple[Vote, ...], float | None]:
    number = verdicts.number(value)
    if number is None or abs(number) > most:
        raise RowError(f"{name} is not a number from -{most:g} to {most:g}")
    return (("tie",) if number == 0 else ("A",) if number < 0 else ("B",)), round(abs(number) / most, 6)


def _by_score(cells: Mapping[str, Any], table: ColumnNames, several: Several, scores: list[tuple[float, ...]]) -> Vote:
    told = [(name, cells[name]) for name in table.of("winner") if name in cells and name not in several.columns]
    if told:
        name, value = told[0]
        raise RowError(
            f"{name} is {str(value)[:20]!r}: which of {quoted(several.columns)} that is, cannot be told; "
            f"say what its values mean: --map winner={name},A=VALUE,B=VALUE,tie=VALUE"
        )
    if not scores:
        raise RowError(
            f"nothing says which of {quoted(several.columns)} is better: the columns are {quoted(list(cells))}; "
            "name it, like --map winner=label"
        )
    if len({(first > second) - (first < second) for first, second in scores}) > 1:
        raise RowError("two ratings prefer different answers; say which counts: --map winner=…")
    first, second = scores[0]
    return "tie" if first == second else "A" if first > second else "B"
