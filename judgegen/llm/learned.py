"""What each model at each endpoint takes, found out by asking it, kept in the journal, and said once.

A way of asking is `taken` once an answer came to it. Of several wishes that were left out together each is `doubted`
until a later call has tried it by itself. Knows nothing of HTTP or of what refusals say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from judgegen.llm import manner
from judgegen.llm.calls import Call, Choice, Outcome, Reply
from judgegen.llm.ends import end
from judgegen.llm.facts import Facts
from judgegen.llm.manner import Manner
from judgegen.llm.thought import part

ROOMS = (4096, 16384)
"""Tokens of a whole answer, thought included, that a judge is given in turn where its answers are cut off."""


_SINCE = ("thinks", "silent", "context")
"""What is kept only where there is something to say."""


@dataclass(slots=True)
class Known:
    """What is known of one model at one endpoint.

    Attributes:
        answered: whether it ever answered; `answers` counts those of this process.
        begun: how many calls were sent in this process; `alive` is the number of the latest that was answered: whatever
            was refused before that one was sent, was refused by a model that answers others.
        taken: (wish, way) pairs that were answered.
        instead: by wish, the way that is used instead of the fullest.
        doubted: by wish, the way used until it is known which of several it was.
        whole: whether a judge's answer ever came to its own end; `cut` counts those in a row that did not.
        most: tokens of a whole answer that a judge is given where the run file does not say; 0 while nothing is known.
        thinks, silent: whether it was told that it thinks, and that it gives no logprobs though it takes them.
        context: tokens of its context, as a refusal said; 0 while nothing is known.
    """

    answered: bool = False
    answers: int = 0
    begun: int = 0
    alive: int = 0
    taken: set[tuple[str, str]] = field(default_factory=set)
    instead: dict[str, Any] = field(default_factory=dict)
    doubted: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    cut: int = 0
    most: int = 0
    thinks: bool = False
    silent: bool = False
    context: int = 0

    def begins(self) -> int:
        """The number of a call that is about to be sent."""
        self.begun += 1
        return self.begun

    def lives(self, number: int) -> None:
        """The call of this number was answered."""
        self.alive = max(self.alive, number)

    def usual(self, wish: str, ways: tuple[Any, ...]) -> Any:
        """The way in which a wish is known to be best sent."""
        return self.instead[wish] if self.instead.get(wish) in ways else ways[0]

    def manner(self, ways: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """How a call with these ways is to be sent, as far as is known."""
        if not self.instead and not self.doubted:
            return {wish: choice[0] for wish, choice in ways.items()}
        usual = {wish: self.usual(wish, choice) for wish, choice in ways.items()}
        return usual | {wish: way for wish, way in self.doubted.items() if way in ways.get(wish, ())}

    def settled(self, ways: Mapping[str, tuple[Any, ...]]) -> bool:
        """Whether everything about such a call was answered before."""
        if not self.answered or self.doubted.keys() & ways.keys():
            return False
        return self.taken.issuperset([(wish, str(way)) for wish, way in self.manner(ways).items()])

    def mark(self) -> tuple[Any, ...]:
        """What differs whenever `row` does; sooner made, and made after every answer."""
        ways = (len(self.taken), tuple(self.instead.items()), tuple(self.doubted.items()))
        return (self.answered, *ways, self.whole, self.most, self.thinks, self.silent, self.context)

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "answered": self.answered,
            "taken": sorted(self.taken),
            "instead": self.instead,
            "doubted": self.doubted,
            "whole": self.whole,
            "most": self.most,
            **{name: value for name in _SINCE if (value := getattr(self, name))},
        }


class Learned:
    """What is known of every model; `say` is told each thing once, in a sentence."""

    def __init__(self, facts: Facts | None = None, say: Callable[[str], None] | None = None) -> None:
        self._facts, self._say = facts, say or (lambda _: None)
        self._known: dict[tuple[str, str], Known] = {}
        self._kept: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._told: set[str] = set()
        self._names: dict[tuple[str, str], str] = {}

    def of(self, call: Call) -> Known:
        """What is known of the call's model where it is asked."""
        place = (call.endpoint, call.model)
        if place not in self._known:
            row = None if self._facts is None else self._facts.get(_key(call))
            self._known[place] = _known(row) if isinstance(row, dict) else Known()
        return self._known[place]

    def keep(self, call: Call) -> None:
        """Write down what is known of the call's model, unless it says what was written last."""
        known = self.of(call)
        where, mark = (call.endpoint, call.model), known.mark()
        if self._facts is not None and self._kept.get(where) != mark:
            self._kept[where] = mark
            self._facts.put(_key(call), {"endpoint": call.endpoint, "model": call.model, **known.row()})

    def tell(self, call: Call, wish: str, way: Any) -> None:
        """Say that a model does not take a wish as it was."""
        if wish != "limit":
            self.say(f"{call.model} at {call.endpoint} {manner.said(wish, way)}")

    def say(self, sentence: str) -> None:
        """Tell the user, unless that was told before."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._say(sentence)

    def doubt(self, call: Call, said: str) -> None:
        """Note that a call failed while others were answered."""
        if self._facts is not None:
            self._facts.put(_doubt(call), said[:300])

    def doubted(self, call: Call) -> bool:
        """Whether that was noted of a call, here or in an earlier run."""
        return self._facts is not None and self._facts.get(_doubt(call)) is not None

    def heard(self, call: Call, outcome: Outcome, used: Manner) -> None:
        """An answer came to a call that was sent in this manner."""
        known = self.of(call)
        known.answered, known.answers = True, known.answers + 1
        known.taken.update([(wish, str(way)) for wish, way in used.items()])
        if isinstance(outcome, Reply):
            self._looked(call, known, outcome, used)
        if call.tag.role == "judge" and isinstance(outcome, Reply):
            self._measured(call, known, outcome, used)
        self.keep(call)

    def _looked(self, call: Call, known: Known, outcome: Reply, used: Manner) -> None:
        """Say what answers show that was not asked for, or was in vain."""
        choices, where = outcome.choices, f"{call.model} at {call.endpoint}"
        thinks = outcome.usage.reasoning or any(choice.thought or part(choice.text).thought for choice in choices)
        if thinks and not known.thinks:
            known.thinks = True
            counted = f", {outcome.usage.reasoning:,} tokens at first" if outcome.usage.reasoning else ""
            self.say(f"{where} thinks before it answers{counted}: its thought is billed, and is in no answer")
        self._named(call, outcome.model)
        if used.get("top_logprobs") and not known.silent and not any(map(_tells, choices)):
            known.silent = True
            self.say(f"{where} takes logprobs in silence and gives none: a verdict is a label without a probability")

    def _named(self, call: Call, name: str) -> None:
        """Say that answers come from another model than before, as they do behind a router or after an update."""
        before = self._names.setdefault((call.endpoint, call.model), name)
        if name and before and name != before:
            self.say(f"{call.model} at {call.endpoint} was answered by {before!r} at first, and now is by {name!r}")

    def _measured(self, call: Call, known: Known, outcome: Reply, used: Manner) -> None:
        """Learn from how a judge's answer ended how much room this judge needs, or that a schema never lets it end."""
        if not all(end(choice.finish) == "length" for choice in outcome.choices):
            known.whole, known.cut = True, 0
            return
        if _blank(outcome) and used.get("schema", "words") != "words" and not call.params.get("schema_as"):
            known.instead["schema"] = "words"
            self.say(
                f"{call.model} at {call.endpoint} fills a JSON schema with white space until it is cut off, "
                "and is told the form of a verdict in words"
            )
            return
        known.cut += 1
        had = call.most_tokens or 0
        more = next((room for room in ROOMS if room > had), 0)
        if "max_tokens" in call.wishes and more > known.most:
            known.most = more
            self.say(
                f"{call.model} at {call.endpoint} was cut off within {had} tokens, thought included, and is given "
                f"{more} from now on; judge.max_tokens sets another limit"
            )

    def room(self, call: Call) -> int:
        """Tokens beyond the call's own limit that its model is known to need."""
        if "max_tokens" not in call.wishes or call.max_tokens is None:
            return 0
        return max(call.room, self.of(call).most - call.max_tokens)


@runtime_checkable
class Learning(Protocol):
    """A provider that finds out how its models want to be asked."""

    def learns(self, learned: Learned) -> None:
        """Know and keep from now on what `learned` holds."""
        ...

    def settled(self, call: Call) -> bool:
        """Whether nothing is left to find out about such a call."""
        ...


_LONG_BLANK = 64
"""Characters of white space at its end with which an answer was not about to go on."""


def _blank(outcome: Reply) -> bool:
    """Whether an answer ends in nothing but white space, as constrained decoding has it that finds no way out."""
    text = outcome.first.text
    return len(text) - len(text.rstrip()) >= _LONG_BLANK


def _tells(choice: Choice) -> bool:
    """Whether it says what else a token might have been."""
    return any(token["top_logprobs"] for token in choice.logprobs or ())


def _doubt(call: Call) -> str:
    return f"doubt/{call.id}"


def _key(call: Call) -> str:
    return f"takes/{call.endpoint}/{call.model}"


def _known(row: Mapping[str, Any]) -> Known:
    taken = {(str(wish), str(way)) for wish, way in row.get("taken", ())}
    names = ("answered", "instead", "doubted", "whole", "most", *_SINCE)
    kept = {name: row[name] for name in names if name in row}
    return Known(taken=taken, **kept)
