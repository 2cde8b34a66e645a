"""The known-truth world: scripted answers whose quality is known, and a scripted judge whose odds are.

    quality   clip(base(model) - 0.3 x (temperature - 0.7 where above) x top_p + system + noise, 0, 1)
              base: 0.40 to 0.75 by the model's name; system: ±0.05 by the system prompt's text, 0 without one;
              noise: bell-shaped, standard deviation 0.06 x (1 + temperature), by the whole body and the choice
    verdict   P(first is better) = logistic(±logit(accuracy) + position_bias + length_bias x log2(lengths' ratio));
              + where the first has the higher quality, - where the lower, nothing where they are equal, so that
              without bias the better one wins with probability `accuracy` whatever the gap. Then ties take
              `tie_rate` of all verdicts, and `unreadable_rate` of all replies are no verdict at all.
    ranking   by Plackett and Luce: of n answers the log strength of each is logit(accuracy) x 3 / (n + 1) higher for
              each that it is better than, so that two of average distance are told apart as two alone are;
              position_bias more for each that stands behind it, middle_bias less in the middle of the list, nothing
              less at its ends, length_bias per doubling. Of two it is a verdict. `tie_rate` has no place in it.
    score     each on its scale, lowest 0 and highest 1, with mean accuracy x height + (1 - accuracy) x (1 - height);
              the height is the quality, in logits length_bias higher per doubling of `TYPICAL` characters. So a judge
              without flaw gives the quality, one of accuracy 1/2 the same to all, and one of 0 the reverse.
              `unreadable_rate` of all replies are no scores.

Where it is known what is right (`answers`), a sampler says it behind its mark with probability `quality`, for graders.

What is asked for is told by the request's form (`asked`): a verdict, scores, a judge's reference or checklist (these
have no quality), else a sampler's answer. An unset temperature or top_p is 1. What else a body holds (penalties, stop,
tools, unknown names) changes the draw and nothing else. A token is four characters; a prompt has three more for each
message and three for the reply. The answer is a function of the settings and the body alone; which name the token
limit goes by makes no difference.

Knows nothing of HTTP, of this project's calls, or of what its answers are for.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from judgegen.errors import SpecError
from judgegen.llm import dialects
from judgegen.llm.calls import digest
from judgegen.simulator import bodies, prose, verdicts
from judgegen.simulator.asked import Wanted, asked
from judgegen.simulator.bodies import Problem
from judgegen.simulator.decisions import decided
from judgegen.simulator.dialect import Accent
from judgegen.simulator.lots import Lots
from judgegen.simulator.prose import quality_of
from judgegen.simulator.quoted import Displayed, doublings
from judgegen.simulator.rewards import asks as scores
from judgegen.simulator.rewards import rewarded
from judgegen.simulator.verdicts import Odds, Rank, Token
from judgegen.simulator.weather import Weather
from judgegen.spec import Scripted

__all__ = ["Problem", "Response", "ScriptedProvider", "World", "quality_of"]

Kind = Literal["sampler", "judge", "refused", "throttled", "fault"]
CHARACTERS_PER_TOKEN = 4
TUNE = re.compile(r"ft:[^:]*:scripted:")
"""How the names of models begin that were tuned here."""
_SURE = 1e6
"""Logits that stand for a judge without flaw where they are added up."""
TYPICAL = 320
"""Characters of an answer that is neither long nor short to a judge who scores it by itself."""
_LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One choice's text, its tokens where logprobs are asked for, and whether it came to its end."""

    text: str
    tokens: Sequence[Token] = ()
    whole: bool = True

    def within(self, length: int) -> Spoken:
        """What fits into `length` characters."""
        if len(self.text) <= length:
            return self
        kept: list[Token] = []
        room = length
        for token, chances in self.tokens:
            kept.extend([(token, chances)] if len(token) <= room else verdicts.plain(token[:room]))
            room = max(0, room - len(token))
        return Spoken(text=self.text[:length], tokens=kept, whole=False)


@dataclass(frozen=True, slots=True)
class World:
    """Answers chat-completions bodies; the same body gets the same answer, on every machine.

    Attributes:
        answers: by a question's text what is right, where that is known.
        tuned: by its name how good a model is that was tuned here: its expected quality at a low temperature.
    """

    settings: Scripted
    answers: Mapping[str, str] = field(default_factory=dict)
    tuned: MutableMapping[str, float] = field(default_factory=dict)

    def answer(self, body: Mapping[str, Any]) -> dict[str, Any] | Problem:
        """The chat.completion for `body`, or why there is none."""
        if (refusal := bodies.problem(body)) is not None:
            return refusal
        if body.get("logprobs") and not self.settings.logprobs:
            return bodies.NO_LOGPROBS
        if TUNE.match(body["model"]) and body["model"] not in self.tuned:
            said = f"The model `{body['model']}` does not exist or you do not have access to it."
            return Problem(message=said, status=404, code="model_not_found")
        try:
            what = asked(body)
        except ValueError as error:
            message = f"Invalid schema for response_format: {error}"
            return Problem(message=message, param="response_format", code="invalid_json_schema")
        if (refusal := _mismatch(what)) is not None:
            return refusal
        key = body_digest(body)
        return _completion(body, key, [self._said(what, body, f"{key}/{i}") for i in range(body.get("n") or 1)])

    def _said(self, what: Wanted, body: Mapping[str, Any], key: str) -> Spoken:
        if what.kind == "answer":
            return self._sample(body, key)
        if what.kind == "note":
            return self._note(what, body, key)
        return self._judge(what, key)

    def expected_quality(self, body: Mapping[str, Any]) -> float:
        """The quality of answers to `body` before noise and clipping."""
        heat = max(0.0, _number(body, "temperature") - 0.7) * _number(body, "top_p")
        system = [bodies.text_of(m) for m in body["messages"] if m["role"] in ("system", "developer")]
        base = self.quality_of_model(body["model"])
        tone = 0.1 * (Lots("system", self.settings.seed, *system).unit() - 0.5) if system else 0.0
        return base - 0.3 * heat + tone

    def quality_of_model(self, model: str) -> float:
        """By lot of its name, or what it was tuned to."""
        return self.tuned.get(model, 0.40 + 0.35 * Lots("model", self.settings.seed, model).unit())

    def p_first(self, first: float, second: float, *, doublings: float = 0.0) -> float:
        """P(the answer shown first wins), ties aside, for two qualities.

        `doublings` is the first's length over the second's as a power of two.
        """
        better = (first > second) - (first < second)
        bias = self.settings.position_bias + self.settings.length_bias * doublings
        return _logistic((better * _logit(self.settings.accuracy) if better else 0.0) + bias)

    def odds(self, first: Displayed, second: Displayed) -> Odds:
        """The true probabilities of a verdict on two answers as shown."""
        p = self.p_first(first.quality, second.quality, doublings=doublings(first, second))
        tie = self.settings.tie_rate
        return Odds(first=(1 - tie) * p, second=(1 - tie) * (1 - p), tie=tie)

    def heights(self, shown: Displayed) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where on its scale a score falls, 0 to 1, each height with its share: the true one, and its reverse."""
        longer = math.log2(max(shown.length, 1) / TYPICAL)
        height = _logistic(_logit(shown.quality) + self.settings.length_bias * longer)
        return (self.settings.accuracy, height), (1 - self.settings.accuracy, 1 - height)

    def strengths(self, what: Wanted) -> dict[str, float]:
        """The log strength of each label in a list as it is shown."""
        labels = next(piece.labels for piece in what.pieces if isinstance(piece, Rank))
        n, flaws = len(what.shown), self.settings
        step = max(-_SURE, min(_SURE, _logit(flaws.accuracy))) * 3 / (n + 1)
        found: dict[str, float] = {}
        for place, one in enumerate(what.shown):
            below = sum((one.quality > other.quality) - (one.quality < other.quality) for other in what.shown) / 2
            middle = 1 - abs(2 * place / (n - 1) - 1) if n > 2 else 0.0
            biased = flaws.position_bias * (n - 1 - place) + flaws.length_bias * math.log2(max(one.length, 1) / TYPICAL)
            label = next(label for label in labels if one.called(label))
            found[label] = step * below + biased - flaws.middle_bias * middle
        return found

    def _sample(self, body: Mapping[str, Any], key: str) -> Spoken:
        lots = Lots("sampler", self.settings.seed, key)
        noise = 0.06 * (1 + _number(body, "temperature")) * lots.bell()
        quality = min(1.0, max(0.0, self.expected_quality(body) + noise))
        truncated = lots.unit() < self.settings.truncated_rate
        asked = bodies.text_of(body["messages"][-1])
        text = prose.answer(asked, quality, lots)
        if (right := self._right(asked)) is not None and lots.unit() < quality:
            text = f"{text}\n{right}"
        text = prose.broken_off(text, lots) if truncated else text
        return Spoken(text=text, tokens=verdicts.plain(text) if body.get("logprobs") else (), whole=not truncated)

    def _right(self, asked: str) -> str | None:
        """What is right to say, of the question or of what it ends with: a system message may stand before it."""
        while asked and self.answers:
            if asked in self.answers:
                return self.answers[asked]
            _, _, asked = asked.partition("\n\n")
        return None

    def _judge(self, what: Wanted, key: str) -> Spoken:
        lots = Lots("judge", self.settings.seed, key)
        if lots.unit() < self.settings.unreadable_rate:
            tokens = verdicts.plain(lots.one(verdicts.GARBAGE))
        elif what.kind == "verdict":
            tokens = verdicts.verdict(what.pieces, self.odds(*what.shown), lots.unit())
        elif what.kind == "ranking":
            tokens = verdicts.ranking(what.pieces, self.strengths(what), lots.unit)
        else:
            tokens = verdicts.scores(what.pieces, self.heights(*what.shown), lots.unit)
        return Spoken(text="".join(token for token, _ in tokens), tokens=tokens)

    def _note(self, what: Wanted, body: Mapping[str, Any], key: str) -> Spoken:
        """A reference or a checklist; it has no quality, so that no judge takes it for one of the answers."""
        lots = Lots("note", self.settings.seed, key)
        text = (prose.checklist if what.lists else prose.reference)(what.request, lots)
        return Spoken(text=text, tokens=verdicts.plain(text) if body.get("logprobs") else ())


def body_digest(body: Mapping[str, Any]) -> str:
    """32 hex digits of what `body` asks; the name of the token limit makes no difference."""
    limit = bodies.limit(body)
    return digest({**{k: v for k, v in body.items() if k not in _LIMITS}, "max_tokens": limit})


def role(body: Mapping[str, Any]) -> Literal["sampler", "judge"]:
    """Who asks."""
    return asked(body).role


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Input tokens of a body."""
    return sum(3 + _tokens(bodies.text_of(message)) for message in body["messages"]) + 3


def _mismatch(what: Wanted) -> Problem | None:
    """A verdict that cannot be given is refused: a guess would look like data."""
    needed, found = what.needs, len(what.shown)
    if found == needed or not needed:
        return None
    marks = f"the last user message shows {found} answers with a [quality 0.000] mark"
    wants = {"verdict": "a verdict needs two", "ranking": f"a ranking needs {needed} under its labels"}
    said = f"Scripted: {marks}; {wants.get(what.kind, 'a score needs one')}."
    return Problem(message=said, param="messages", code="invalid_value")


def _number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    return 1.0 if value is None else float(value)


def _logit(p: float) -> float:
    return math.copysign(math.inf, p - 0.5) if p in (0.0, 1.0) else math.log(p / (1 - p))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _completion(body: Mapping[str, Any], key: str, said: Sequence[Spoken]) -> dict[str, Any]:
    choices = [_choice(body, i, one) for i, one in enumerate(said)]
    asked = prompt_tokens(body)
    answered = sum(_tokens(choice["message"]["content"]) for choice in choices)
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    head = {"id": f"chatcmpl-{key}", "object": "chat.completion", "created": 0, "model": body["model"]}
    return {**head, "choices": choices, "usage": usage, "system_fingerprint": "scripted"}


def _choice(body: Mapping[str, Any], index: int, said: Spoken) -> dict[str, Any]:
    limit = bodies.limit(body)
    kept = said if limit is None else said.within(limit * CHARACTERS_PER_TOKEN)
    listed = verdicts.logprobs(kept.tokens, body.get("top_logprobs") or 0) if body.get("logprobs") else None
    return {
        "index": index,
        "message": {"role": "assistant", "content": kept.text, "refusal": None},
        "logprobs": None if listed is None else {"content": listed, "refusal": None},
        "finish_reason": "stop" if kept.whole else "length",
    }


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a request came to; `kind` says on whose account."""

    kind: Kind
    status: int
    headers: Mapping[str, str]
    payload: Any


def _known(path: str | None) -> dict[str, str]:
    """The right answers that a file holds.

    Raises:
        SpecError: it cannot be read, or is no JSON object of texts.
    """
    if path is None:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: the right answers cannot be read ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(right, str) for right in found.values()):
        raise SpecError(f"{path}: no JSON object of texts, each question with what is right")
    return found


class Speaker:
    """The world in the words of a family of servers, in OpenAI's where none is named; nothing goes wrong on the way."""

    def __init__(self, settings: Scripted) -> None:
        self.world = World(settings, _known(settings.answers))
        self.dialect = None if settings.dialect is None else dialects.named(settings.dialect)
        self._accent = None if self.dialect is None else Accent(self.dialect)
        self._draws = Counter[str]()

    def answer(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
        """The response to a chat-completions body, or to typed questions, with `headers` on it."""
        headers = headers or {}
        typed = "questions" in body or scores(body)
        if self._accent is not None and not typed and bodies.problem(body) is None:
            if (refused := self._accent.refusal(body)) is not None:
                return Response(kind="refused", status=refused[0], headers=headers, payload=refused[1])
            body = self._drawn(self._accent.heard(body))
        if scores(body):
            answer = rewarded(self.world, body)
        else:
            answer = decided(self.world, body) if typed else self.world.answer(body)
        if isinstance(answer, Problem):
            return Response(kind="refused", status=answer.status, headers=headers, payload=answer.payload())
        said = answer if self._accent is None or typed else self._accent.said(answer)
        return Response(kind=role(body), status=200, headers=headers, payload=said)

    def _drawn(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with a seed: without one each answer is another, whatever else is asked for in between."""
        if "seed" in body:
            return body
        key = body_digest(body)
        self._draws[key] += 1
        return {"seed": self._draws[key] - 1, **body}


class ScriptedProvider:
    """The world behind its weather, in this process."""

    def __init__(self, settings: Scripted) -> None:
        self.speaker = Speaker(settings)
        self.world = self.speaker.world
        self.weather = Weather(settings)

    async def __call__(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """(HTTP status, headers, JSON body) for a chat-completions body.

        Raises:
            ConnectionError: the connection was dropped.
        """
        response = await self.respond(body)
        return response.status, response.headers, json.dumps(response.payload).encode("ascii")

    async def respond(self, body: Mapping[str, Any]) -> Response:
        """The answer before it is written as bytes.

        Raises:
            ConnectionError: the connection was dropped.
        """
        if (throttled := self.weather.throttle(time.monotonic())) is not None:
            return Response(kind="throttled", status=429, headers=throttled.headers, payload=throttled.payload())
        fault, wait = self.weather.fault(), self.weather.latency()
        if wait and not (fault and fault.at_once):
            await asyncio.sleep(wait)
        if fault is not None:
            return Response(kind="fault", status=fault.status, headers=fault.headers, payload=fault.payload())
        return self.speaker.answer(body, self.weather.headers())

    async def aclose(self) -> None:
        """Nothing is held."""
