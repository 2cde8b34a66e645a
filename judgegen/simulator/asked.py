"""What a request asks for, told by its form: an answer, a text for the judge's own use, a verdict, or scores.

    verdict   a form with a slot for a label, and two marked answers to compare
    ranking   a form with a place for each of some labels, and as many marked answers that they name
    scores    a form with levels alone, and one marked answer; of several the last, the others being what was given
    note      a question with this project's fences around what it quotes, that asks for no form: a judge's reference
              or checklist
    answer    anything else: a sampler's

The form is the request's JSON schema; where there is none (servers that take none are told it in words) it is read
from the words. Two marked answers without any form are compared, too. Pure; knows nothing of what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from judgegen.simulator import instruction
from judgegen.simulator.bodies import text_of
from judgegen.simulator.quoted import Displayed, Quoted, compared, quoted
from judgegen.simulator.rewards import asks as scores
from judgegen.simulator.verdicts import LabelPlace, Level, Piece, Rank, of_schema

Kind = Literal["answer", "note", "verdict", "ranking", "scores"]
NEEDED: Mapping[Kind, int] = {"verdict": 2, "scores": 1}
"""How many answers have to be shown; of a ranking as many as it has places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        shown: the marked answers it is about, in the order of the labels.
        pieces: the form of the reply.
        request: what a note is about.
    """

    kind: Kind
    shown: tuple[Displayed, ...] = ()
    pieces: tuple[Piece, ...] = ()
    request: str = ""
    lists: bool = False  # of a note: whether it is to be a list of questions

    @property
    def needs(self) -> int:
        """How many answers have to be shown."""
        places = sum(isinstance(piece, Rank) for piece in self.pieces)
        return places if self.kind == "ranking" else NEEDED.get(self.kind, 0)

    @property
    def role(self) -> Literal["sampler", "judge"]:
        """Who asks."""
        return "sampler" if self.kind == "answer" else "judge"


def asked(body: Mapping[str, Any]) -> Wanted:
    """What `body`, which is sound, asks for.

    Raises:
        ValueError: its schema is none that a value can be made of.
    """
    if "questions" in body or scores(body):
        return Wanted(kind="scores")
    users = [number for number, message in enumerate(body["messages"]) if message["role"] == "user"]
    if not users:
        return Wanted(kind="answer")
    found = quoted(text_of(body["messages"][users[-1]]))
    told = "\n".join(text_of(m) for number, m in enumerate(body["messages"]) if number != users[-1])
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return _formal(found, of_schema(wanted["json_schema"]["schema"]))
    return _in_words(found, told, as_json=wanted.get("type") == "json_object")


def _formal(found: Quoted, pieces: Sequence[Piece]) -> Wanted:
    """What a form asks for: an order, a comparison where it has a slot, else scores; nothing else can be said."""
    ranks = next((piece.labels for piece in pieces if isinstance(piece, Rank)), None)
    if ranks is not None:
        named = tuple(one for one in found.answers if any(one.called(label) for label in ranks))
        return Wanted(kind="ranking", shown=named, pieces=tuple(pieces))
    slots = [piece for piece in pieces if isinstance(piece, LabelPlace)]
    scores = not slots and any(isinstance(piece, Level) for piece in pieces)
    if scores:
        return Wanted(kind="scores", shown=found.answers[-1:], pieces=tuple(pieces))
    labels = (slots[0].first, slots[0].second) if slots else ()
    return Wanted(kind="verdict", shown=compared(found, labels), pieces=tuple(pieces))


def _in_words(found: Quoted, told: str, *, as_json: bool) -> Wanted:
    judges = found.fenced or bool(found.answers)
    form = instruction.form(found, told) if judges else None
    if form is not None and not (_is_verdict(form) and len(found.answers) == 1 and not (found.fenced or as_json)):
        return _formal(found, form)
    if len(found.answers) > 1:
        bare = (instruction.LETTERS,)
        return _formal(found, ('{"verdict":"', *bare, '"}') if as_json else bare)
    if found.fenced and found.texts and not found.answers:
        lists = re.search(r"checklist", f"{told}\n{found.before}", re.IGNORECASE) is not None
        return Wanted(kind="note", request=found.texts[0], lists=lists)
    return Wanted(kind="answer")


def _is_verdict(form: Sequence[Piece]) -> bool:
    return any(isinstance(piece, LabelPlace) for piece in form)
