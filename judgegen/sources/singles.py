"""Rows with a list of answers, rated or ranked, and rows with one answer: wanted or not, rated, or just there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.sources import spellings, verdicts
from judgegen.sources.beside import check_alone, check_named, yes
from judgegen.sources.columns import ColumnNames, Several, plain_name
from judgegen.sources.questions import question
from judgegen.sources.readings import Answer, Names, Reading, first, outranked, parted, rated, side
from judgegen.sources.rows import NoPreference, RowError, quoted
from judgegen.sources.spellings import optional

_TEXTS = ("response", "answer", "completion", "text", "output", "content", "messages")
_FLAGS = frozenset(
    "chosen preferred accepted good better positive rejected worse bad wrong negative dispreferred unpreferred".split()
)
_LEARNED = ("weight", "train", "training", "loss")
"""Keys of a message by which trainers leave it out, where they are 0 or false."""
_RANKS = ("rank",)
_SCORES = ("fine-grained_score", "score", "rating", "overall_score", "reward")


def ranked(cells: Mapping[str, Any], table: ColumnNames, names: Names) -> Reading | None:
    """Several answers with their ratings or ranks, None where a row is of another kind.

    Raises:
        NoPreference: fewer than two answers, or all with one rating.
        RowError: they have no ratings, or there are not as many as answers.
    """
    if table.several is not None and len(table.several.columns) > 2:
        return _numbered(cells, table, table.several)
    name = first(cells, table, "answers")
    given = None if name is None else spellings.listed(cells[name])
    if name is None or given is None or spellings.is_chat(given):
        return None
    chosen = first(cells, table, "winner")
    if len(given) == 2 and chosen is not None and isinstance(cells[chosen], int):
        return _chosen(cells, table, names, name, given, chosen)
    cells, given = _without_unrated(cells, table, given)
    scores, is_rank, used, doubts = _rates(cells, table, given)
    if scores is None:
        raise RowError(_unrated(cells, name, given))
    return _several(cells, table, frozenset({name, *used}), given, scores, is_rank, doubts)


def _without_unrated(
    cells: Mapping[str, Any], table: ColumnNames, given: list[Any]
) -> tuple[Mapping[str, Any], list[Any]]:
    """The row and its listed answers without those whose rating beside them is null, where others have one."""
    found = {name: spellings.listed(cells.get(name)) for meaning in ("ranks", "scores") for name in table.of(meaning)}
    lists = {name: listed for name, listed in found.items() if listed is not None and len(listed) == len(given)}
    gone = {place for listed in lists.values() if any(map(optional, listed)) for place in _empty(listed)}
    if not gone:
        return cells, given
    kept = [place for place in range(len(given)) if place not in gone]
    shorter = {name: [listed[place] for place in kept] for name, listed in lists.items()}
    return {**cells, **shorter}, [given[place] for place in kept]


def _empty(listed: list[Any]) -> list[int]:
    return [place for place, value in enumerate(listed) if not optional(value)]


def _unrated(cells: Mapping[str, Any], name: str, given: list[Any]) -> str:
    """That nothing rates listed answers, and what may."""
    beside = [
        other
        for other, value in cells.items()
        if other not in (name, "labels") and isinstance(value, list) and len(value) == len(given) and _numbers(value)
    ]
    keys = given[0] if given and isinstance(given[0], Mapping) else {}
    may = [*beside, *(key for key in keys if not key.lower().endswith("id") and _at(given, key))]
    hint = may[0] if len(may) == 1 else "NAME"
    told = f"if {quoted(may)} does" if len(may) == 1 else f"if one of {quoted(may)} does" if may else "name what does"
    return (
        f"{name} is a list of answers, and nothing rates them: the columns are {quoted(list(cells))}; {told}: "
        f"--map scores={hint}"
    )


def _at(given: list[Any], path: str) -> list[float] | None:
    """The numbers that every answer has at a path of keys."""
    return _numbers([_leads(one, path) for one in given])


def _leads(one: Any, path: str) -> Any:
    for key in path.split("."):
        one = one.get(key) if isinstance(one, Mapping) else None
    return one


def _several(
    cells: Mapping[str, Any],
    table: ColumnNames,
    used: frozenset[str],
    given: list[Any],
    scores: list[float],
    ranks: bool,
    doubts: frozenset[tuple[int, int]] = frozenset(),
) -> Reading:
    name = next(iter(used))
    asked = question(cells, table, used)
    chats, asked = parted([side(one, name) for one in given], asked)
    answers = tuple(
        Answer(messages=chat, score=score, model=_model(one))
        for chat, score, one in zip(chats, scores, given, strict=True)
    )
    if len(answers) < 2:
        raise NoPreference("one answer alone: there is nothing to prefer it to")
    if len(set(scores)) == 1:
        raise NoPreference("all answers have the same score: a tie, not a preference")
    return Reading(kind="ranked", asked=asked, answers=answers, ranks=ranks, doubts=doubts, used=asked.columns | used)


def _model(one: Any) -> str | None:
    model = one.get("model") if isinstance(one, Mapping) else None
    return model if isinstance(model, str) else None


def _rates(
    cells: Mapping[str, Any], table: ColumnNames, given: list[Any]
) -> tuple[list[float] | None, bool, frozenset[str], frozenset[tuple[int, int]]]:
    """The ratings of listed answers, whether they are ranks, their columns, and what another rating contradicts."""
    beside: list[tuple[str, list[float], bool]] = []
    for meaning, is_rank in (("ranks", True), ("scores", False)):
        name = first(cells, table, meaning)
        numbers = _numbers(spellings.listed(cells[name])) if name is not None else None
        if name is None and (own := next((n for n in table.of(meaning) if n in table.own), None)) is not None:
            name, numbers = own, _at(given, own)
        if name is None or numbers is None or any(name == other for other, _, _ in beside):
            continue
        if len(numbers) != len(given):
            raise RowError(f"{name} has {len(numbers)} entries for {len(given)} answers")
        if is_rank and name not in table.own:
            _check_ranks(name, numbers)
        beside.append((name, numbers, is_rank))
    if beside:
        doubts = _doubts([[-one for one in numbers] if ranks else numbers for _, numbers, ranks in beside])
        return beside[0][1], beside[0][2], frozenset(name for name, _, _ in beside), doubts
    for keys, is_rank in ((_RANKS, True), (_SCORES, False)):
        sets = [numbers for key in keys if (numbers := _inside(given, key)) is not None]
        if sets:
            return sets[0], is_rank, frozenset(), _doubts(sets)
    return None, False, frozenset(), frozenset()


def _check_ranks(name: str, numbers: list[float]) -> None:
    """Refuse a ranking that may as well be the answers' places, the best first.

    Raises:
        RowError: read either way it ranks them, and not the same.
    """
    start, places = min(numbers), range(len(numbers))
    if plain_name(name) not in ("ranking", "rankings") or sorted(numbers) != [start + place for place in places]:
        return
    order = [int(number - start) for number in numbers]
    if start in (0, 1) and any(order[order[place]] != place for place in places):
        raise RowError(
            f"{name} may be each answer's rank, or the answers' places from best to worst; if it is ranks: "
            f"--map ranks={name}"
        )


def _inside(given: list[Any], key: str) -> list[float] | None:
    """The numbers that every answer has under a key, or in its `evals`."""
    values = [one.get(key, (one.get("evals") or {}).get(key)) if isinstance(one, Mapping) else None for one in given]
    return _numbers(values)


def _numbers(values: list[Any] | None) -> list[float] | None:
    numbers = [float(value) if isinstance(value, bool) else verdicts.number(value) for value in values or ()]
    return [n for n in numbers if n is not None] if numbers and None not in numbers else None


def _doubts(sets: list[list[float]]) -> frozenset[tuple[int, int]]:
    """Pairs whose order by the first ratings is the reverse of their order by others."""
    places = range(len(sets[0]))
    return frozenset(
        (i, j) for i in places for j in places for other in sets[1:] if sets[0][i] > sets[0][j] and other[i] < other[j]
    )


def _chosen(
    cells: Mapping[str, Any], table: ColumnNames, names: Names, name: str, given: list[Any], chosen: str
) -> Reading:
    """Two listed answers and which of them was chosen, counted from 0."""
    if chosen in names.unsure and not {**names.values, **table.values}:
        raise RowError(
            f"{chosen} is {cells[chosen]}, and elsewhere a number that is neither 0 nor 1: which of the two answers in "
            f"{name} that is, cannot be told; say it: --map winner={chosen},A=1,B=2"
        )
    two = Several(columns=(f"{name} 0", f"{name} 1"), tokens=("0", "1"), stem=name)
    vote = verdicts.vote(cells[chosen], two, {**names.values, **table.values})
    if vote is None:
        raise RowError(f"{chosen} is {cells[chosen]!r}, neither 0 nor 1, and {name} has two answers")
    asked = question(cells, table, frozenset({name, chosen}))
    chats, asked = parted([side(one, name) for one in given], asked)
    answers = tuple(Answer(messages=chat, model=_model(one)) for chat, one in zip(chats, given, strict=True))
    used = asked.columns | {name, chosen}
    return Reading(kind="comparison", asked=asked, answers=answers, votes=(vote,), used=used)


def _numbered(cells: Mapping[str, Any], table: ColumnNames, several: Several) -> Reading:
    """More than two answers in numbered columns, with a rating or rank in numbered columns of their own."""
    scores, ranks = rated(cells, table) or _listed_scores(cells, table, several), False
    if not scores:
        scores, ranks = [tuple(-one for one in each) for each in outranked(cells, table)], True
    if not scores or any(name not in cells for name in several.columns):
        raise RowError(f"{quoted(several.columns)} are answers, and nothing rates each of them")
    given = [cells[name] for name in several.columns]
    return _several(cells, table, frozenset(several.columns), given, list(scores[0]), ranks)


def _listed_scores(cells: Mapping[str, Any], table: ColumnNames, several: Several) -> list[tuple[float, ...]]:
    """The ratings of numbered answers that stand in one list."""
    name = first(cells, table, "scores")
    numbers = _numbers(spellings.listed(cells[name])) if name is not None else None
    return [tuple(numbers)] if numbers is not None and len(numbers) == len(several.columns) else []


def flagged(cells: Mapping[str, Any], table: ColumnNames) -> Reading | None:
    """One answer beside a `chosen`, an `accepted`, a `rejected` that is no answer but says yes or no of it.

    Raises:
        RowError: two of them contradict each other, or one may be an answer.
    """
    answer = first(cells, table, "answer")
    if answer is None or table.several is not None or table.of("answers"):
        return None
    if not (table.of("chosen") or table.of("rejected")):
        return None
    sides = {name: good for good in (True, False) for name in table.of("chosen" if good else "rejected")}
    beside = {name: yes(cells[name]) for name in sides if name in cells and name not in {answer, *table.own}}
    if not beside or None in beside.values():
        return None
    if words := [name for name in beside if isinstance(cells[name], str)]:
        if len(words) > 1 or plain_name(words[0]) not in _FLAGS:
            return None
        raise RowError(
            f"{words[0]} is {cells[words[0]]!r}: an answer, or what is said of {answer}, cannot be told; say it: "
            f"--map chosen={words[0]}, or label={words[0]}"
        )
    said = {told == sides[name] for name, told in beside.items()}
    if len(said) > 1:
        raise RowError(
            f"{quoted(list(beside))} contradict each other; say which counts: --map label={next(iter(beside))}"
        )
    asked = question({k: v for k, v in cells.items() if k not in beside}, table, frozenset({answer}))
    (chat,), asked = parted([side(cells[answer], answer)], asked)
    used = asked.columns | {answer, *beside}
    return Reading(kind="labelled", asked=asked, answers=(Answer(messages=chat),), wanted=said.pop(), used=used)


def single(cells: Mapping[str, Any], table: ColumnNames) -> Reading | None:
    """One answer, None where there is none.

    Raises:
        RowError: its label is none.
    """
    name = first(cells, table, "chosen") or first(cells, table, "answer") or ended(cells, table)
    if name is None:
        return None
    wanted, label = _wanted(cells, table, name)
    _check_words(cells, name, table)
    check_named(cells, table, (name,))
    asked = question({k: v for k, v in cells.items() if k != name}, table, frozenset({name}))
    (chat,), asked = parted([side(cells[name], name)], asked)
    if verdicts.is_step(chat[-1].get("content")) and name not in table.own:
        mark = chat[-1]["content"]
        raise RowError(f"{name} ends with {mark!r}, the mark of a step; where it is an answer: --map chat={name}")
    if wanted is None and (told := _unlearned(cells[name], name)) is not None:
        raise RowError(f"the answer that {name} ends with has {told}: it is not to be learned; leave the row out")
    rating = next((n for n in table.of("rating") if _rating(cells.get(n)) is not None and n != name), None)
    used = asked.columns | {name} | ({label} if label else set())
    if wanted is not None:
        answer = (Answer(messages=chat),)
        return Reading(kind="labelled", asked=asked, answers=answer, wanted=wanted, used=used)
    if rating is None:
        check_alone(cells, table, {*asked.columns, name})
        plain = name in (*table.of("chosen"), *table.of("answer"))
        return Reading(kind="answer" if plain else "chat", asked=asked, answers=(Answer(messages=chat),), used=used)
    score = _rating(cells[rating])
    return Reading(kind="rated", asked=asked, answers=(Answer(messages=chat, score=score),), used=used | {rating})


def _rating(value: Any) -> float | None:
    """A number, or the mean of several people's."""
    found = verdicts.together(value) if isinstance(value, list) else None
    return found[0] if found is not None else verdicts.number(value)


def _check_words(cells: Mapping[str, Any], name: str, table: ColumnNames) -> None:
    """Refuse a word that an annotator said of an answer, in the place of the answer.

    Raises:
        RowError: it is one.
    """
    value = cells[name]
    if not verdicts.is_decision(value) or name in table.own:
        return
    told = f"{name} is {value!r}, a word about an answer and none itself"
    may = may_answer(cells, table)
    if not may:
        raise RowError(f"{told}; no other column holds an answer: the columns are {quoted(list(cells))}")
    which = may[0] if len(may) == 1 else "NAME"
    hint = "say which column the answer is" if len(may) == 1 else f"say which of {quoted(may)} the answer is"
    raise RowError(f"{told}; {hint}, and that this is its label: --map answer={which},label={name}")


def may_answer(cells: Mapping[str, Any], table: ColumnNames) -> list[str]:
    """The columns that nobody knows, or known as answers, in which one may stand: words of a judgement are none."""
    meant = {name for meaning, names in table.by.items() if meaning not in ("answer", "chosen") for name in names}
    meant |= {name for name in cells if name.startswith("_")}
    left = {name: cell for name, cell in cells.items() if name not in meant | table.own}
    return [
        name
        for name, cell in left.items()
        if isinstance(cell, str | list | Mapping) and not verdicts.is_decision(cell)
        if name in table.of("answer") or verdicts.wanted(cell, table.values) is None
    ]


def _unlearned(value: Any, name: str) -> str | None:
    """What a chat's last message has that says to trainers that it is context alone."""
    value = spellings.unwrapped(value, name)
    last = value[-1] if isinstance(value, list) and value else None
    if not isinstance(last, Mapping):
        return None
    return next((f"{key} {last[key]}" for key in _LEARNED if last.get(key) in (0, 0.0, False)), None)


def ended(cells: Mapping[str, Any], table: ColumnNames) -> str | None:
    """The column of a chat that ends with an answer, among chats' and prompts' columns."""
    for name in (*table.of("chat"), *table.of("prompt")):
        value = spellings.unwrapped(cells.get(name), name)
        if spellings.is_chat(value) and spellings.chat(value, name)[-1].get("role") == "assistant":
            return name
        if isinstance(value, str) and spellings.is_transcript(value) and not value.rstrip().endswith("Assistant:"):
            return name
    return None


def _wanted(cells: Mapping[str, Any], table: ColumnNames, answer: str) -> tuple[bool | None, str | None]:
    """Whether a row says that its answer is wanted, and the column that says so."""
    labels = [name for name in table.of("label") if name in cells and name != answer]
    status = table.plain.get("status")
    if status in cells and status is not None and verdicts.wanted(cells[status], table.values) is not None:
        labels.append(status)
    if not labels:
        return None, None
    said = [verdicts.all_wanted(cells[name], table.values) for name in labels]
    if said[0] is None:
        told = str(cells[labels[0]])[:20]
        if told == "ignore":
            raise NoPreference("the annotator ignored it")
        raise RowError(
            f"{labels[0]} is {told!r}: whether the answer is wanted, cannot be told; "
            f"say it: --map label={labels[0]},wanted={told}, or unwanted={told}"
        )
    if any(other is not None and other != said[0] for other in said):
        raise RowError(f"{quoted(labels)} contradict each other; say which counts: --map label={labels[0]}")
    return said[0], labels[0]
