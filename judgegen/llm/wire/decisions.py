"""Typed questions about one input as two APIs put them, and their answers as a Reply; pure.

    decisions   OpenAI's: `input` and a list of questions (predicate, choice, score), answered in their order
    systemone   TypeSafe's: `state` and a map of questions (noul, choice, score), answered by their names

A question of a call has a name, a type ("choice", "score" or "predicate"), instructions, and options in their order,
each with a value and what it means; a predicate's are its no and its yes. A Reply has one choice for each question: its
text is the likeliest option, its one token's logprobs are the probabilities of all; a refusal ends with "refusal", what
is in no shape that can be read with "malformed_response". An answer counts for a question only where it is sure that it
is that one's.

Sources: openai-python 3.57, resources/decisions.py and types/decision.py; vLLM 0.32, entrypoints/generate/
structured_decisions, and its documentation.
Knows nothing of connections, or of what is compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.llm import shape
from judgegen.llm.calls import UNREADABLE, Call, Choice, Failure, Message, Reply
from judgegen.llm.manner import Manner
from judgegen.llm.retry import Odd
from judgegen.llm.tokens import count_messages
from judgegen.llm.wire import counting
from judgegen.textual import clean

PATHS = {"decisions": "/decisions", "systemone": "/systemone"}
_OFF = 0.05
"""How far from 1 the probabilities of a question may sum: servers round them."""
_ENOUGH = 0.5
"""Probability that falls on the options, where a server tells it, below which they are no answer to the question."""
_SHORT = 512
"""Tokens below which tokenizers and templates differ too much to say anything of a count that is too low."""
_ROUND, _LEAST = 512, 256
"""What sizes of contexts are multiples of, and below which there are none."""
_OTHER_NAMES = {"predicate": "noul"}
"""What systemone calls a type."""
Question = Mapping[str, Any]


def path(row: Mapping[str, Any], otherwise: str) -> str:
    """Where a request is posted; what is none of these questions goes where all others do."""
    return PATHS["systemone" if "state" in row else "decisions"] if "questions" in row else otherwise


def body(call: Call, manner: Manner | None = None) -> dict[str, Any]:
    """The request body; without a system message in it where the server takes none."""
    apart = call.api == "decisions" and (manner or {}).get("system", "system") != "user"
    more = call.params.get("extra_body", {})
    if call.api == "systemone":
        asked = {one["name"]: _of_system_one(one) for one in call.params["questions"]}
        return {"model": call.model, "state": _joined(call.messages), "questions": asked, **more}
    asked_in_turn = [_of_decisions(one) for one in call.params["questions"]]
    given = [_input(message) for message in call.messages] if apart or _shows(call) else _joined(call.messages)
    return {"model": call.model, "input": given, "questions": asked_in_turn, **more}


def _of_decisions(question: Question) -> dict[str, Any]:
    kind = {name: question[name] for name in ("name", "type", "instructions")}
    if question["type"] == "predicate":
        return kind
    if question["type"] == "choice":
        return {**kind, "choices": [dict(one) for one in question["options"]]}
    levels = [{"label": one["value"], "description": one["description"]} for one in question["options"]]
    return {**kind, "levels": levels}


def _of_system_one(question: Question) -> dict[str, Any]:
    if question["type"] == "predicate":
        return {"type": _OTHER_NAMES["predicate"], "instructions": question["instructions"]}
    kind = {name: question[name] for name in ("type", "instructions")}
    if question["type"] == "choice":
        return {**kind, "criteria": {one["value"]: one.get("description") for one in question["options"]}}
    return {**kind, "criteria": [one["description"] for one in question["options"]]}


def _joined(messages: Sequence[Message]) -> str:
    """The messages as one text."""
    return "\n\n".join(text for message in messages for text in _texts(message["content"]))


def _texts(content: Any) -> list[str]:
    return [content] if isinstance(content, str) else [str(part.get("text", "")) for part in content]


def _shows(call: Call) -> bool:
    return any(not isinstance(message["content"], str) for message in call.messages)


def _input(message: Message) -> dict[str, Any]:
    """A chat message as the API takes it."""
    if isinstance(message["content"], str):
        return {"role": message["role"], "content": message["content"]}
    return {"role": message["role"], "content": [_part(part) for part in message["content"]]}


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(part.get("text"), str):
        return {"type": "input_text", "text": part["text"]}
    image = part.get("image_url")
    if part.get("type") != "image_url" or image is None:
        return part
    return {"type": "input_image", "image_url": image["url"] if isinstance(image, Mapping) else image}


def reply(call: Call, answer: Any) -> Reply | Failure:
    """The answers as a Reply; a Failure where they were billed and there are none, or the input was cut off.

    Raises:
        Odd: the server said 200 and sent something that holds no answers, and bills nothing for it.
    """
    given = answer if isinstance(answer, Mapping) else {}
    told = given.get("usage")
    usage = counting.usage(call, {"output_tokens": 0, **told} if isinstance(told, Mapping) else None, ())
    questions: Sequence[Question] = call.params["questions"]
    rows = _placed(questions, given.get("answers"))
    if rows is None:
        if usage.estimated:  # nothing is billed that anybody speaks of
            raise Odd("an answer that holds no decisions")
        return Failure(reason=UNREADABLE, detail=repr(answer)[:2_000], usage=usage)
    if not usage.estimated and (why := cut(usage.input, count_messages(call.messages))):
        return Failure(reason="too_long", detail=why, usage=usage)
    beside, says = given.get("diagnostics"), _says_tokens(given, questions)
    choices = tuple(
        _MALFORMED if _misses(beside, question["name"]) or (says and _hardly_said(row)) else _choice(question, row)
        for question, row in zip(questions, rows, strict=True)
    )
    model = given.get("model")
    return Reply(choices=choices, usage=usage, model=clean(model)[:200] if isinstance(model, str) else "")


def cut(counted: int, ours: int) -> str:
    """Why an input seems to have been cut off in silence, "" where it does not: what was cut was not judged.

    `ours` is of the messages: some do not count the questions. Few tokenizers count less than ours, none by three in
    ten; and one that does comes to the size of a context by chance alone. A count that no context is as small as is a
    server's that does not count. Of what is cut less, every answer is still seen in one of the two orders: where that
    decides a comparison the orders contradict each other.
    """
    fewer = counted * 10 < ours * 7 or (counted % _ROUND == 0 and counted * 50 < ours * 49)
    if not fewer or counted < _LEAST or ours <= _SHORT:
        return ""
    return f"the server counts {counted:,} tokens of input where about {ours:,} were sent: it cuts inputs in silence"


def _placed(questions: Sequence[Question], answers: Any) -> list[Any] | None:
    """The answer to each question, None for one without; None where there are no answers at all."""
    names = [question["name"] for question in questions]
    if isinstance(answers, Mapping):
        return [answers.get(name) for name in names] if answers.keys() & set(names) else None
    if not isinstance(answers, list) or not answers:
        return None
    named = [row.get("name") if isinstance(row, Mapping) else None for row in answers]
    if not any(named):
        return list(answers) if len(answers) == len(names) else [None] * len(names)
    return [answers[named.index(name)] if named.count(name) == 1 else None for name in names]


_MALFORMED = Choice(text="", finish="malformed_response")


def _misses(beside: Any, name: str) -> bool:
    """Whether a server tells, beside its answers, that most of what the model would say is no option of a question."""
    told = beside.get(name) if isinstance(beside, Mapping) else None
    return isinstance(told, Mapping) and _little(told.get("label_mass"))


def _says_tokens(given: Mapping[str, Any], questions: Sequence[Question]) -> bool:
    """Whether a server generates a token for each question and tells nothing beside its answers: vLLM at /decisions.

    Its `confidence` is then the named option's probability among all tokens. Of others it may be anything.
    """
    told = given.get("usage")
    counted = told.get("output_tokens") if isinstance(told, Mapping) else None
    return isinstance(given.get("answers"), list) and counted == len(questions)


def _hardly_said(row: Any) -> bool:
    """Whether an option has little of the probability that it has among the options."""
    if not isinstance(row, Mapping) or not isinstance(named := row.get("confidence"), int | float):
        return False
    shares = _pairs(row.get("probabilities")) or {}
    most = max(shares.values(), default=0.0)
    return most > 0 and _little(named / most)


def _little(mass: Any) -> bool:
    return isinstance(mass, int | float) and mass < _ENOUGH


def _choice(question: Question, row: Any) -> Choice:
    """One answer; what says nothing that can be relied on has no text."""
    if not isinstance(row, Mapping):
        return _MALFORMED
    if row.get("type") == "refusal":
        return Choice(text="", finish="refusal")
    if not _answers(question, row):
        return _MALFORMED
    values = [one["value"] for one in question["options"]]
    if question["type"] == "predicate":
        return _held(values, row)
    if row.get("probabilities") is None:
        said = row.get("choice")
        return Choice(text=str(said), finish="stop") if said in values else _MALFORMED
    shares = _shares(question, values, row)
    return _MALFORMED if shares is None else _spoken(shares)


def _answers(question: Question, row: Mapping[str, Any]) -> bool:
    """Whether what is said is of the kind that was asked for, and most of it falls on the options."""
    kind = row.get("type", question["type"])
    told = _little(row.get("label_mass", row.get("option_mass")))
    return not told and kind in (question["type"], _OTHER_NAMES.get(question["type"]))


def _held(values: Sequence[str], row: Mapping[str, Any]) -> Choice:
    """What is told of a predicate: how probable it is that it is so."""
    p = row.get("probability", row.get("noul"))
    if not _probability(p):
        return _MALFORMED
    no, yes = values
    return _spoken({no: max(0.0, 1 - p), yes: min(1.0, p)})


def _shares(question: Question, values: Sequence[str], row: Mapping[str, Any]) -> dict[str, float] | None:
    """The probability of each option; None where they are none, or speak of what was not asked."""
    told = _pairs(row["probabilities"])
    if question["type"] == "score":
        told = None if told is None else _levels(question, told, row.get("legend"))
    if told is None or not told.keys() <= set(values):
        return None
    total = math.fsum(told.values())
    if abs(total - 1) > _OFF:
        return None
    return {value: told.get(value, 0.0) / total for value in values}


def _pairs(given: Any) -> dict[str, float] | None:
    """By option its probability, from a map, or from a list of rows; None where one of them is none."""
    if isinstance(given, Mapping):
        rows = list(given.items())
    elif isinstance(given, list) and all(isinstance(one, Mapping) for one in given):
        rows = [(one.get("label", one.get("value")), one.get("probability")) for one in given]
    elif isinstance(given, list):
        rows = list(enumerate(given))
    else:
        return None
    found = {str(value): number for value, number in rows if _probability(number)}
    return found if len(found) == len(rows) > 0 else None


def _probability(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1 + 1e-6


def _levels(question: Question, told: Mapping[str, float], legend: Any) -> dict[str, float] | None:
    """What is told of levels by their labels, by their numbers, or by numbers that a legend puts into words."""
    values = [one["value"] for one in question["options"]]
    words = {one.get("description"): one["value"] for one in question["options"]}
    if (
        len(words) == len(values)
        and isinstance(legend, Mapping)
        and all(str(legend.get(name)) in words for name in told)
    ):
        return {words[str(legend[name])]: p for name, p in told.items()}
    if told.keys() == set(values):
        return dict(told)
    if len(told) != len(values) or not all(name.isdecimal() for name in told):
        return None
    ascending = sorted(told, key=int)
    return {value: told[name] for value, name in zip(values, ascending, strict=True)}


def _spoken(shares: Mapping[str, float]) -> Choice:
    top = [{"token": value, "logprob": min(0.0, math.log(p))} for value, p in shares.items() if p > 0]
    likeliest = max(shares, key=lambda value: shares[value])
    own = {"token": likeliest, "logprob": min(0.0, math.log(shares[likeliest]))}
    tokens, _ = shape.logprobs([{**own, "top_logprobs": top}])
    return Choice(text=likeliest, finish="stop", logprobs=tokens)
