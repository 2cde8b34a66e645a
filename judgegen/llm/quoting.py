"""What many questions say alike stands in a journal once: a prompt, answers that are quoted, instructions.

In a question's row a mark takes the place of the text: `«ID#N LENGTH»` of choice N of the answer to call ID, `«ID@N
LENGTH»` of message N of that call's question, without the white space at its ends; so many characters. Canonical JSON
is ASCII, so a mark is never mistaken, and it is inside a string, so a row with marks is JSON as before. A run goes on
without reading its questions; whoever looks has them whole in the view `asked` (`schema.py`).

Pure; knows nothing of SQLite.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from contextlib import suppress
from json.encoder import encode_basestring_ascii as _encoded

from judgegen.llm.calls import Call, Outcome, Reply

_LEAST = 120
"""Characters from which on a mark is shorter by more than it is worth looking at."""
_MOST, _RULES = 4_000_000, 64
"""Characters that are remembered, of prompts and answers that questions of soon may quote; and instructions."""
_BLANK = " \t\n\r"
_MARK = re.compile(r"«b2:[0-9a-f]{32}[#@]\d+ (\d+)»")


class Quotable:
    """Texts of late, by prompt, and instructions, as canonical JSON spells them; `most` characters of the former."""

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._size = most, 0
        self._texts: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._rules: dict[str, tuple[str, str]] = {}

    def heard(self, prompt_id: str, call_id: str, outcome: Outcome) -> None:
        """Remember an answer to a call of this prompt."""
        for number, choice in enumerate(outcome.choices if isinstance(outcome, Reply) else ()):
            if text := _worth_it(choice.text):
                self._remember(prompt_id, _spelt(text), f"«{call_id}#{number} ", len(text))

    def _remember(self, prompt_id: str, spelt: str, mark: str, length: int) -> None:
        """The first answer to a call is the one that stays."""
        texts = self._texts.setdefault(prompt_id, {})
        if spelt not in texts and not any(known.startswith(mark) for known in texts.values()):
            texts[spelt] = f"{mark}{length}»"
            self._size += len(spelt)
        while self._size > self._most:
            _, oldest = self._texts.popitem(last=False)
            self._size -= sum(map(len, oldest))

    def marked(self, call: Call) -> str:
        """The canonical JSON of a question, with marks; what is new of it, others may say again."""
        asked, prompt_id = call.canonical.decode("ascii"), call.tag.prompt_id
        known = self._texts.get(prompt_id, {})
        for spelt in sorted(known, key=len, reverse=True):
            asked = asked if known[spelt].startswith(f"«{call.id}") else _put(asked, spelt, known[spelt])
        for number, message in enumerate(call.messages):
            said, mark = message["content"], f"«{call.id}@{number} "
            if not isinstance(said, str):
                continue
            if message["role"] == "system":
                asked = self._ruled(asked, said, mark)
            elif call.tag.role == "sampler" and (text := _worth_it(said)) and (spelt := _spelt(text)) in asked:
                self._remember(prompt_id, spelt, mark, len(text))
        return asked

    def _ruled(self, asked: str, said: str, mark: str) -> str:
        """A question with a mark for instructions that another one had before it."""
        if (known := self._rules.get(said)) is None:
            if (text := _worth_it(said)) and len(self._rules) < _RULES and (spelt := _spelt(text)) in asked:
                self._rules[said] = spelt, f"{mark}{len(text)}»"
            return asked
        return asked if known[1].startswith(mark) else _put(asked, *known)


def _worth_it(said: str) -> str:
    """A text without the white space at its ends; "" where it is short, or SQLite would not read it as it is."""
    text = said.strip(_BLANK)
    if len(text) < _LEAST or "\0" in text:
        return ""
    with suppress(UnicodeEncodeError):  # half of a character
        text.encode()
        return text
    return ""


def _spelt(text: str) -> str:
    """As canonical JSON has it."""
    return _encoded(text)[1:-1]


def _put(asked: str, spelt: str, mark: str) -> str:
    """A mark in the place of a text, unless a backslash is before it, which may belong to its first letter."""
    return asked.replace(spelt, mark) if spelt in asked and f"\\{spelt}" not in asked else asked


def characters(content: str) -> int:
    """How many characters a message had, by its row; fewer where it speaks of marks itself."""
    return len(_MARK.sub("", content)) + sum(map(int, _MARK.findall(content)))
