"""What a tiny judge is taught: which of two answers is in capital letters, or that both or neither are; whether one is.

The lessons are what judgegen's own builders make of prompts and answers with a known truth, the typed questions as vLLM
puts them to a model: two answers compared in a chat, every two of four by questions about one input, one answer scored
both ways. Before them come lessons by which an answer is found by its label. Half of all words are invented, and
nothing is taught about the kinds of things in `HELD`.

Templates show each label behind its answer, which a model of this size learns sooner than one before it.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.judge import build, guard, sheets
from judgegen.judge.build import Asking, Notes
from judgegen.judge.sheets import Sheet
from judgegen.llm.calls import Api, Call
from judgegen.llm.wire import decisions
from judgegen.records import Candidate, Comparison, Prompt
from judgegen.templates import DECISION, PAIRWISE, RUBRIC, Kind, parse

WORDS = {
    "animal": "otter badger heron beetle salmon lizard donkey rabbit spider falcon turtle walrus camel monkey",
    "fruit": "apple cherry mango lemon peach plum grape melon banana orange papaya quince fig pear kiwi",
    "tool": "hammer chisel saw drill wrench pliers shovel rake axe knife needle brush ladder clamp file",
    "city": "Paris Cairo Oslo Lima Tokyo Delhi Madrid Dublin Rome Athens Berlin Vienna Prague Seoul Lagos",
    "job": "baker miner pilot nurse farmer painter tailor lawyer sailor singer teacher dancer butcher barber",
    "sport": "tennis rugby hockey cricket golf boxing rowing skiing sailing judo polo archery fencing cycling",
    "metal": "iron copper zinc tin lead nickel silver gold cobalt chrome titanium steel brass bronze mercury",
}
HELD = ("metal", "sport")
"""Kinds of things that nothing is trained on."""
FORMS = "{}|the {}|it is {}|perhaps {}|{}, of course".split("|")
ASKS = "Name one {} in capital letters.|Write one {} in capital letters.".split("|")
ANSWERS = 4
"""To a prompt."""


def _front(kind: str, fields: str, returns: str, more: str = "") -> str:
    asks = ", ".join(f'"{name}"' for name in fields.split())
    told = f'kind = "{kind}"\nsummary = "Capital letters."\nasks = [{asks}]\nreturns = "{returns}"\n{more}'
    return f"+++\n{told}+++\n# user\n\nRequest: {{{{ request }}}}\n\n"


_SCORED = _front(
    "rubric",
    "request answer aspects",
    "scores",
    '\n[[aspects]]\nname = "form"\nquestion = "Is it in capital letters?"\nanchors = ["No.", "Yes."]\n',
)
_QUESTION, _NAME = (
    f"{{% for aspect in aspects %}}{{{{ aspect.{field} }}}}{{% endfor %}}" for field in ("question", "name")
)
COMPARED: dict[Api, str] = {
    "chat": _front("pairwise", "request first second first_label second_label", "verdict")
    + """{{ first }} ({{ first_label }})

{{ second }} ({{ second_label }})

Which is in capital letters? Reply with JSON: \
{"verdict": "{{ first_label }}"} or {"verdict": "{{ second_label }}"} or {"verdict": "tie"}
""",
    "systemone": _front("decision", "request answers", "verdict")
    + """{% for answer in answers -%}
{{ answer.text }} ({{ answer.label }})

{% endfor -%}
The better answer is in capital letters.
""",
}
SCORED: dict[Api, str] = {
    "chat": f"""{_SCORED}{{{{ answer }}}}

{_QUESTION} Reply with JSON: {{"form": 1}} for no or {{"form": 2}} for yes
""",
    "systemone": f"""{_SCORED}{{{{ answer }}}}

Scored by its {_NAME}.
""",
}
Lesson = tuple[Sequence[Any], str]
"""Messages, and what is to be replied."""
Maker = Callable[[random.Random], list[Lesson]]
"""Makes lessons that begin alike."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, answers to it, and which of them are in capital letters, as was asked."""

    prompt: str
    answers: tuple[str, ...]
    right: tuple[bool, ...]

    def couples(self) -> set[tuple[str, str, str]]:
        """(Prompt, right answer, wrong answer) of each such two."""
        sides = list(zip(self.answers, self.right, strict=True))
        return {(self.prompt, one, other) for one, yes in sides for other, no in sides if yes and not no}


def drawn(lot: random.Random, kinds: Sequence[str], number: int) -> Asked:
    """A prompt about one of the kinds, some of whose answers are right and not all; `number` tells it from others."""
    kind = lot.choice(kinds)
    return _asked(lot, lot.sample(WORDS[kind].split(), ANSWERS), f"{number}. {lot.choice(ASKS).format(kind)}")


def _asked(lot: random.Random, words: Sequence[str], prompt: str) -> Asked:
    right = [False] * ANSWERS
    while len(set(right)) == 1:
        right = [lot.random() < 0.5 for _ in right]
    texts = [lot.choice(FORMS).format(word) for word in words]
    answers = [text.upper() if yes else text[0].upper() + text[1:] for text, yes in zip(texts, right, strict=True)]
    return Asked(prompt, tuple(answers), tuple(right))


def _taught(lot: random.Random, kinds: Sequence[str]) -> Asked:
    """Like what will be asked; the words of every second one are invented."""
    number = lot.randrange(1000)
    if lot.random() < 0.5:
        return drawn(lot, kinds, number)
    kind, *words = (_invented(lot) for _ in range(ANSWERS + 1))
    return _asked(lot, words, f"{number}. {lot.choice(ASKS).format(kind)}")


def _invented(lot: random.Random) -> str:
    return "".join(lot.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(lot.randint(3, 8)))


# What the judge will be asked, with what is right.


def _asking(how: Api, template: str, kind: Kind) -> Asking:
    return Asking(route="v", endpoint="v", model="j", template=parse(template, how, kind), max_tokens=64, api=how)


CHAT = _asking("chat", COMPARED["chat"], PAIRWISE)
TYPED = _asking("systemone", COMPARED["systemone"], DECISION)
SCORE_CHAT = _asking("chat", SCORED["chat"], RUBRIC)
SCORE_TYPED = _asking("systemone", SCORED["systemone"], RUBRIC)


def _shown(asked: Asked, lot: random.Random) -> tuple[Prompt, list[Candidate]]:
    """The prompt and its answers; their ids are new, and with them the labels that are drawn."""
    prompt = Prompt(id=f"{lot.random()}", messages=({"role": "user", "content": asked.prompt},))
    return prompt, [_candidate(prompt.id, place, text) for place, text in enumerate(asked.answers)]


def _candidate(prompt_id: str, place: int, text: str) -> Candidate:
    call_id, variant = f"{prompt_id} {place}", str(place)
    return Candidate(
        prompt_id=prompt_id, variant=variant, index=0, model="a", text=text, finish="stop", call_id=call_id
    )


def _which(asked: Asked, i: int, j: int) -> int:
    """0 where the first of two is right, 1 where the second is, 2 where both or neither are."""
    one, other = asked.right[i], asked.right[j]
    return 2 if one == other else 0 if one else 1


def chatted(asked: Asked, lot: random.Random) -> list[Lesson]:
    """Two of the answers, compared in a chat."""
    prompt, shown = _shown(asked, lot)
    i, j = lot.sample(range(len(shown)), 2)
    call = build.call(prompt, Comparison(first=shown[i], second=shown[j]), CHAT, seed=0, draw=0, notes=Notes())
    labels = call.params["schema"]["properties"]["verdict"]["enum"]
    return [(call.messages, json.dumps({"verdict": labels[_which(asked, i, j)]}))]


def typed(asked: Asked, lot: random.Random) -> list[Lesson]:
    """Every two of the answers, by questions about one input."""
    prompt, shown = _shown(asked, lot)
    couples = list(itertools.combinations(range(len(shown)), 2))
    every = tuple(Comparison(first=shown[i], second=shown[j]) for i, j in couples)
    call = sheets.call(prompt, Sheet(shown=tuple(shown), comparisons=every), TYPED, seed=0, draw=0, notes=Notes())
    texts = as_vllm_asks(call)
    return [(_user(text), "ABC"[_which(asked, i, j)]) for text, (i, j) in zip(texts, couples, strict=True)]


def scored(asked: Asked, lot: random.Random) -> list[Lesson]:
    """One of the answers, scored one of both ways."""
    prompt, shown = _shown(asked, lot)
    place = lot.randrange(len(shown))
    right = asked.right[place]
    if lot.random() < 0.5:
        chat = build.scoring(prompt, shown[place], SCORE_CHAT, seed=0, draw=0, notes=Notes())
        return [(chat.messages, json.dumps({"form": 1 + right}))]
    call = sheets.scoring(prompt, shown[place], SCORE_TYPED, seed=0, draw=0, notes=Notes())
    return [(_user(text), str(int(right))) for text in as_vllm_asks(call)]


def as_vllm_asks(call: Call) -> list[str]:
    """The questions of a call, each as vLLM puts it to a chat model."""
    from vllm.entrypoints.generate.structured_decisions.question_types import build_question

    row, found = decisions.body(call), []
    for name, question in row["questions"].items():
        built = build_question(name, question["type"], question["instructions"], question["criteria"], 10)
        found.append(f"{row['state']}\n\n{built.type.prompt(built)}")
    return found


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


# What it is taught before that: to find what stands at a label.


def _found(asked: Asked, lot: random.Random) -> list[Lesson]:
    """Answers with a label behind each, and for each label whether its answer is right."""
    labels = lot.sample(guard.LETTERS, len(asked.answers))
    head = "".join(f"{text} ({label})\n\n" for text, label in zip(asked.answers, labels, strict=True))
    return [(_user(f"{head}answer {label}"), _yes(right)) for label, right in zip(labels, asked.right, strict=True)]


def _sheet(asked: Asked, lot: random.Random) -> list[Lesson]:
    """Whether each answer on a whole sheet is right, by its label; then every two of them."""
    lessons = typed(asked, lot)
    head = lessons[0][0][0]["content"].rpartition("Question: ")[0]
    labels = [line[-2] for line in head.splitlines() if line.endswith(")")]
    asks = [_user(f"{head}Question: Is answer {label} in capital letters?") for label in labels]
    return [*zip(asks, map(_yes, asked.right), strict=True), *lessons]


def _yes(right: bool) -> str:
    return "yes" if right else "no"


def stages(kinds: Sequence[str]) -> list[tuple[Maker, ...]]:
    """From an answer at a label to all that the judge will be asked; each begins when the one before is known."""

    def of(made: Callable[[Asked, random.Random], list[Lesson]]) -> Maker:
        return lambda lot: made(_taught(lot, kinds), lot)

    return [(of(_found),), (of(_sheet),), (of(_sheet), of(chatted), of(chatted), of(chatted), of(scored))]


def texts(lessons: Sequence[Lesson]) -> list[str]:
    """All that a model reads and says in them."""
    return [f"{messages[0]['content']} {reply}" for messages, reply in lessons]


def frames() -> list[str]:
    """What stands in every lesson, whatever the answers are."""
    asked, lot = (
        Asked(" ".join(ASKS).replace("{}", "1"), ("1", "2", "3", "4"), (True, False, True, False)),
        random.Random(0),
    )
    made = [_found(asked, lot), _sheet(asked, lot), chatted(asked, lot), *(scored(asked, lot) for _ in range(9))]
    return [*itertools.chain.from_iterable(map(texts, made)), "yes no tie"]
