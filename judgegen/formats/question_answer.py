"""Questions and answers in columns, mostly a CSV kept by hand; a column of worse answers makes pairs of them.

Without one the answer is the chosen side alone and the reference too: enough for openai-sft and openai-rft, and as
`prompts` of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, metadata

_QUESTION = ("question", "prompt", "instruction", "query", "input", "user")
_ANSWER = ("answer", "chosen", "preferred", "preferred_output", "good", "response", "output", "completion")
_WORSE = ("rejected", "rejected_answer", "non_preferred", "non_preferred_output", "worse", "bad", "wrong_answer")


def read(found: Mapping[str, Any]) -> Row:
    """A row. Columns are known by any of their common names, in any case.

    Raises:
        Unfit: no question or no answer.
    """
    names = {key.strip().lower().replace(" ", "_").replace("-", "_"): key for key in found}
    question, answer, worse, system = (
        _first(names, found, known) for known in (_QUESTION, _ANSWER, _WORSE, ("system",))
    )
    if question is None or answer is None:
        raise Unfit("no question or no answer in it")
    prompt = messages.user(found[question])
    if system is not None:
        prompt.insert(0, {"role": "system", "content": found[system]})
    row: Row = {"prompt": prompt, "chosen": messages.answer(found[answer])}
    row |= {"reference": found[answer]} if worse is None else {"rejected": messages.answer(found[worse])}
    return row | metadata(found, {key for key in (question, answer, worse, system) if key is not None})


def _first(names: Mapping[str, str], found: Mapping[str, Any], known: tuple[str, ...]) -> str | None:
    """The column that is there by one of the known names and holds a text."""
    return next((names[name] for name in known if name in names and isinstance(found[names[name]], str)), None)


ORIGIN = Origin(
    name="question-answer",
    about="questions and answers in columns (CSV and others), with worse answers where there are any",
    source="the columns' common names",
    read=read,
)
