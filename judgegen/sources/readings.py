"""What a row came to: the answers in it and what it says of them; and how a side is read, whatever it is spelled as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from judgegen.sources import spellings, verdicts
from judgegen.sources.columns import ColumnNames
from judgegen.sources.questions import Question
from judgegen.sources.rows import NoPreference, RowError, kind, quoted
from judgegen.sources.spellings import Chat
from judgegen.sources.verdicts import Vote

Kind = Literal["pair", "comparison", "ranked", "labelled", "rated", "answer", "chat"]
_ANSWERED = ("user", "tool", "function")
EMPTIED = frozenset({"nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "#N/A", "NaT"})
"""What an empty cell of a table becomes when it is written as a text."""
_TEXTS = ("response", "answer", "text", "completion", "output", "content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its messages, the last an assistant's; a rating as it stands and the model's name, where given."""

    messages: Chat
    score: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a row says.

    Attributes:
        kind: "pair" of a better and a worse answer; "comparison" of two with votes; "ranked", several with ratings or
            ranks; "labelled", one that is wanted or not; "rated", one with a rating; "answer", one with neither;
            "chat", the same as the end of a chat.
        asked: what is asked.
        answers: of a pair the better ones and then the worse ones, `better` of the former.
        votes: of a comparison.
        strength: of a comparison, 0 to 1, where the label has one.
        wanted: of a labelled answer.
        ranks: whether the scores are ranks, of which 1 is best.
        doubts: (better, worse) of a ranking that another rating of the same row contradicts.
        used: the columns that were read.
    """

    kind: Kind
    asked: Question
    answers: tuple[Answer, ...]
    better: int = 1
    votes: tuple[Vote, ...] = ()
    strength: float | None = None
    wanted: bool | None = None
    ranks: bool = False
    doubts: frozenset[tuple[int, int]] = frozenset()
    used: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Names:
    """How one source names things, beyond the table.

    Attributes:
        values: what a value of its label means: "A", "B", "tie", "wanted" or "unwanted".
        unsure: columns whose numbers are not believed, since others in the same column are no side's.
        mapped: a mapping of the user's own, see `columns.parsed_mapping`.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()
    mapped: tuple[tuple[str, str], ...] = ()


def first(cells: Mapping[str, Any], table: ColumnNames, *meanings: str) -> str | None:
    """The likeliest column that says something of the first of these meanings that any column has."""
    for meaning in meanings:
        for name in table.of(meaning):
            if name in cells:
                return name
    return None


def side(value: Any, name: str) -> Chat:
    """One answer, or one whole chat, in a cell.

    Raises:
        RowError: neither a text nor messages; or a word that an empty cell became.
    """
    value = spellings.unwrapped(value, name)
    if isinstance(value, str):
        if value.strip() in EMPTIED:
            raise RowError(f"{name} is {value.strip()!r}, which an empty cell becomes as a text; leave the row out")
        return (
            spellings.transcript(value) if spellings.is_transcript(value) else said(spellings.untemplated(value, name))
        )
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    elif spellings.is_message(value):
        value = [value]
    elif isinstance(value, Mapping):
        words = next((value[key] for key in _TEXTS if value.get(key) is not None), None)
        if words is None:
            told = f"{name} is an object with {quoted(list(value))}, of which none is known to hold the answer"
            raise RowError(f"{told}; say which, like --map answer={name}.KEY")
        return side(words, name)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        raise RowError(f"{name} is a list of texts, and an answer is one text; write each in a column of its own")
    if not isinstance(value, list) or not value:
        raise RowError(f"{name} is {kind(value)}, neither a text nor messages")
    return spellings.chat(value, name)


def said(words: str) -> Chat:
    """A text as an answer."""
    return [{"role": "assistant", "content": words}]


def parted(chats: list[Chat], asked: Question) -> tuple[list[Chat], Question]:
    """Answers or whole chats without what they share, which is what was asked; they part where steps differ first.

    Raises:
        NoPreference: a person's turn stands behind the place where they part.
        RowError: nothing is asked, or a side is none.
    """
    if asked.turns and all(len(chat) == 1 and chat[0].get("role") == "assistant" for chat in chats):
        return chats, asked
    if any(not chat for chat in chats):
        raise RowError("a side has no messages")
    if not all(chat[0].get("role") == "assistant" for chat in chats) or any(_asks(chat) for chat in chats):
        whole = [
            [*asked.messages, *chat] if chat[0].get("role") == "assistant" and asked.turns else chat for chat in chats
        ]
        common = shared(whole)
        if not common and not asked.turns:
            raise NoPreference("the two chats part before their last turn; a pair has one prompt")
        asked = asked.agreeing(whole[0][:common])
        chats = [chat[common:] for chat in whole]
    if not asked.turns:
        raise RowError("no prompt in it; name its column, like --map prompt=q")
    for chat in chats:
        _check(chat)
    return chats, asked


_REPEATED, _REPEATED_QUESTION = 20, 10
"""Characters of a prompt, and of one that ends as a question, with which an answer does not begin by chance."""


def repeats(prompt: Any, answers: list[Any]) -> bool:
    """Whether every answer begins with the whole prompt, as texts for completion do."""
    if not isinstance(prompt, str) or len(prompt) < (_REPEATED_QUESTION if prompt.endswith("?") else _REPEATED):
        return False
    return all(isinstance(one, str) and one.startswith(prompt) for one in answers)


def _asks(chat: Chat) -> bool:
    return any(message.get("role") == "user" for message in chat)


def shared(chats: list[Chat]) -> int:
    """How many messages all begin with, up to one that is to be answered."""
    begun = chats[0]
    length = next((i for i, m in enumerate(begun) if any(i >= len(c) or c[i] != m for c in chats[1:])), len(begun))
    if len(chats) == 1:
        length = len(begun) - 1
    while length and begun[length - 1].get("role") not in _ANSWERED:
        length -= 1
    return length


def _check(chat: Chat) -> None:
    roles = [message.get("role") for message in chat]
    if not roles:
        raise RowError("one chat is the other, or its beginning")
    if any(role in ("user", "system", "developer") for role in roles):
        raise NoPreference("the two chats part before their last turn; a pair has one prompt")
    if roles[0] != "assistant" or roles[-1] != "assistant":
        raise RowError("a side does not begin and end with the assistant")


def rated(cells: Mapping[str, Any], table: ColumnNames) -> list[tuple[float, ...]]:
    """Every set of ratings that stands in columns of its own, one number for each side.

    Raises:
        RowError: every side has one, and they are no numbers or are counted in different things.
    """
    return [numbers for columns in table.side_scores if (numbers := _numbers(cells, columns)) is not None]


def outranked(cells: Mapping[str, Any], table: ColumnNames) -> list[tuple[float, ...]]:
    """The ranks of the sides, turned around: the better one has the higher number.

    Raises:
        RowError: as `rated`.
    """
    found = [numbers for columns in table.side_ranks if (numbers := _numbers(cells, columns)) is not None]
    return [tuple(-number for number in numbers) for numbers in found]


def _numbers(cells: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[float, ...] | None:
    if any(name not in cells for name in columns):
        return None
    ratings = [verdicts.together(cells[name]) for name in columns]
    known = [rating for rating in ratings if rating is not None]
    if len(known) < len(ratings):
        name = columns[ratings.index(None)]
        raise RowError(f"{name} is {str(cells[name])[:20]!r}, which is no number; rename it if it rates nothing")
    if len({unit for _, unit in known}) > 1:
        raise RowError(f"{quoted(columns)} are not counted in the same thing")
    return tuple(value for value, _ in known)


def models(cells: Mapping[str, Any], table: ColumnNames) -> list[str | None]:
    """The models' names for each side, None where a row has none."""
    found = [cells.get(name) if name else None for name in table.side_models]
    return [model if isinstance(model, str) else None for model in found]


def side_columns(table: ColumnNames) -> frozenset[str]:
    """The columns that say something of one side."""
    return frozenset(name for row in (*table.side_scores[:1], table.side_models) for name in row if name)
