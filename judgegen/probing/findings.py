"""What answers show of a model: a word for each thing that a run needs to know of it, and what the run does about it.

A word is said only where the answers show it: what was taken may still have had no effect, and then it is "taken", not
"honoured". Pure; knows nothing of how answers came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judgegen.judge.rewards import number
from judgegen.llm import counts
from judgegen.llm.calls import REWARDS, Call, Choice, Failure, Outcome, Reply
from judgegen.llm.ends import end
from judgegen.llm.learned import Known
from judgegen.llm.manner import LIMITS, SystemRole, ways
from judgegen.llm.thought import part
from judgegen.probing.needs import NO_CHOICE, Draw

State = Literal[
    "taken", "honoured", "looks ignored", "fewer", "otherwise", "refused", "none came", "passed", "odd", "absent",
    "field", "tags", "hidden", "none seen", "sane", "known", "not asked", "not known",
]  # fmt: skip
"""taken: without a refusal, its effect not seen. honoured: its effect was seen. looks ignored: it had none. fewer: as
many as the model gives. otherwise: put in another way. refused: left out. none came: asked for in vain. passed: more
than was allowed. field, tags, hidden: where thought stands. not asked: the run file does not want it."""
Answers = Sequence[tuple[Call, Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """One thing about a model: in a word, in a few more, and what the run does about it."""

    what: str
    state: State
    seen: str
    then: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What there is to judge a model by.

    Attributes:
        verdicts, draws: answered calls of its judges' needs, and of its draws with what each was drawn under.
        samples: answered calls of its variants.
        known: what was learned of it.
        limit, system_role: the token limit's first name, and the role that the run file fixes for system messages.
        silent: names of what its family is documented to drop in silence.
        context: tokens, as its server says; None where it does not.
    """

    samples: Answers = ()
    verdicts: Answers = ()
    draws: Sequence[tuple[Draw, Outcome]] = ()
    known: Known = field(default_factory=Known)
    limit: str = LIMITS[0]
    system_role: SystemRole | None = None
    silent: frozenset[str] = frozenset()
    context: int | None = None

    @property
    def every(self) -> list[tuple[Call, Outcome]]:
        """All of its calls."""
        return [*self.samples, *self.verdicts, *((draw.call, outcome) for draw, outcome in self.draws)]

    def way(self, call: Call, wish: str) -> Any:
        """How a wish of this call is put now; None where there is no such wish."""
        found = ways(call, limit=self.limit, system_role=self.system_role)
        return self.known.manner(found).get(wish) if wish in found else None


def findings(shown: Grounds) -> tuple[Trait, ...]:
    """Everything that the answers show, in the order in which it is told."""
    if not shown.every:
        return ()
    return tuple(
        _doubted(one) if _WISHES.get(one.what, one.what) in shown.known.doubted else one for one in _found(shown)
    )


_WISHES = {"logprobs": "top_logprobs"}
"""By what it is called here, what a wish is called in calls."""


def _decided(shown: Grounds) -> Trait:
    """Whether typed questions were answered by probabilities, which is all that is asked of a decision model."""
    choices = [choice for _, reply in _replies(shown.every) for choice in reply.choices]
    told = sum(choice.logprobs is not None for choice in choices)
    if choices and told == len(choices):
        return Trait(what="decisions", state="honoured", seen="a probability for every option of every question")
    seen = f"probabilities for {told} of {len(choices)} questions" if choices else "no answer to tell by"
    then = "a refused question is unreadable; an option without probabilities is a label alone"
    return Trait(what="decisions", state="fewer" if told else "none came", seen=seen, then=then)


def _doubted(one: Trait) -> Trait:
    """Of several wishes that were left out together nobody knows which it was."""
    seen = "a refusal was met by leaving out several wishes, this one among them"
    return Trait(what=one.what, state="not known", seen=seen, then="a run's next calls try it by itself")


def _scored(shown: Grounds) -> Trait:
    """Whether answers were scored, and on which scale."""
    texts = [choice.text for _, reply in _replies(shown.every) for choice in reply.choices]
    found = [value for text in texts if (value := number(text)) is not None]
    if not found:
        return Trait(what="rewards", state="none came", seen="no score to tell by")
    seen = f"{len(found)} of {len(texts)} answers, from {min(found):.3g} to {max(found):.3g}"
    beyond = any(not 0 <= value <= 1 for value in found)
    then = "these are no probabilities" if beyond else "logits or probabilities: judge.rewards says which"
    return Trait(what="rewards", state="honoured" if len(found) == len(texts) else "fewer", seen=seen, then=then)


def _found(shown: Grounds) -> tuple[Trait, ...]:
    if all(call.api in REWARDS for call, _ in shown.every):
        return (_scored(shown), _usage(shown), _context(shown))
    if all(call.api != "chat" for call, _ in shown.every):
        return (_decided(shown), _system(shown), _usage(shown), _context(shown))
    return (
        *_schema(shown),
        *_logprobs(shown),
        _seed(shown),
        _system(shown),
        *(_setting(shown, name) for name in NO_CHOICE),
        _number(shown),
        _thinking(shown),
        _usage(shown),
        _limit(shown),
        _context(shown),
    )


def _replies(answers: Iterable[tuple[Call, Outcome]]) -> list[tuple[Call, Reply]]:
    return [(call, outcome) for call, outcome in answers if isinstance(outcome, Reply)]


def _schema(shown: Grounds) -> Iterator[Trait]:
    asked = [(call, reply) for call, reply in _replies(shown.verdicts) if call.params.get("schema") is not None]
    if not asked:
        return
    call, reply = asked[-1]
    way = shown.way(call, "schema") or "json_schema"
    then = {
        "json_schema": "verdicts are asked for by their schema",
        "json_object": "asks for a JSON object, and tells the form in words",
        "words": "tells the form in words, and reads the verdict from there",
    }[way]
    broken = not fits(reply.first, call.params["schema"])
    if way == "words" and call.params.get("schema_as"):
        yield Trait(what="schema", state="not asked", seen="the run file asks for words", then=then)
    elif broken and way != "words":
        yield Trait(what="schema", state="looks ignored", seen=f"{way} is taken, and the answer has another form")
    elif way != "json_schema":
        seen = "a JSON object, no schema" if way == "json_object" else "neither a schema nor a JSON object"
        yield Trait(what="schema", state="otherwise", seen=seen, then=then)
    else:
        silent = "; its family is documented to drop it in silence" if "schema" in shown.silent else ""
        yield Trait(what="schema", state="taken", seen=f"a JSON schema{silent}", then=then)


def fits(choice: Choice, schema: Mapping[str, Any]) -> bool:
    """Whether an answer, its thought aside, is nothing but an object with the schema's keys."""
    try:
        found = json.loads(part(choice.text).said)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and set(found) == set(schema.get("properties", {}))


def _logprobs(shown: Grounds) -> Iterator[Trait]:
    if not shown.verdicts:
        return
    asked = [(call, reply) for call, reply in _replies(shown.verdicts) if call.params.get("top_logprobs")]
    label = "a verdict is a label without a probability"
    if not asked:
        yield Trait(what="logprobs", state="not asked", seen="not asked for", then=label)
        return
    call, reply = asked[-1]
    way = shown.way(call, "top_logprobs")
    wanted = int(call.params["top_logprobs"])
    came = max((len(entry.get("top_logprobs") or ()) for entry in reply.first.logprobs or ()), default=0)
    if way == 0:
        yield Trait(what="logprobs", state="refused", seen="", then=label)
    elif not came:
        yield Trait(what="logprobs", state="none came", seen="taken in silence, none came", then=label)
    else:
        few = way is not None and way < wanted
        seen = f"{wanted} are refused, {way} are taken" if few else f"{came} alternatives came"
        then = "the probability of each label is read at the verdict's token"
        yield Trait(what="logprobs", state="fewer" if few else "honoured", seen=seen, then=then)


def _seed(shown: Grounds) -> Trait:
    seeded = [call for call, _ in shown.every if "seed" in call.params]
    if seeded and all(shown.way(call, "seed") is False for call in seeded):
        return Trait(what="seed", state="refused", seen="", then="asks without; answers stay as journaled")
    state: State = "taken"
    seen = "its effect was not tried" if not shown.draws else "what was drawn tells nothing of it"
    if (free := _texts(shown, "")) is not None and len(set(free)) > 1:
        same, again, _ = free
        state = "honoured" if same == again else "looks ignored"
        seen = "one seed gave one text" if same == again else "one seed gave two texts"
    silent = "; its family is documented to drop it" if "seed" in shown.silent and state != "honoured" else ""
    return Trait(what="seed", state=state, seen=seen + silent, then="sends it; answers stay as journaled")


def _texts(shown: Grounds, setting: str) -> list[str] | None:
    """What was drawn under a setting, free under ""; None where some of it is not there or says nothing."""
    drawn = [outcome for draw, outcome in shown.draws if draw.setting == setting]
    texts = [_said(outcome.first) for outcome in drawn if isinstance(outcome, Reply)]
    return texts if texts and len(texts) == len(drawn) and all(texts) else None


def _said(choice: Choice) -> str:
    """What a model wrote, its thought where it came to nothing else."""
    parted = part(choice.text)
    return " ".join((parted.said.strip() or parted.thought or choice.thought).split())


def _setting(shown: Grounds, name: str) -> Trait:
    """Whether a setting is heeded: where it leaves no choice all draws are one, and free ones are not."""
    calls = [draw.call for draw, _ in shown.draws if draw.setting == name]
    asked = [call for call, _ in _replies(shown.verdicts) if name in call.params]
    if not calls and not asked:
        return Trait(what=name, state="not asked", seen="the run file does not write it")
    if all(shown.way(call, name) is False for call in calls or asked):
        low = f"at {NO_CHOICE[name]:g}" if calls else ""
        return Trait(what=name, state="refused", seen=low, then="a judge is asked without")
    if not calls:
        return Trait(what=name, state="taken", seen="its effect was not tried", then="a judge is asked at it")
    state, seen = _heeded(_texts(shown, ""), _texts(shown, name), f"{name} = {NO_CHOICE[name]:g}")
    then = "sends what is written"
    if state == "looks ignored":
        then = "variants that differ in it alone count as one; let them differ in system or model"
    return Trait(what=name, state=state, seen=seen, then=then)


def _heeded(free: list[str] | None, bound: list[str] | None, where: str) -> tuple[State, str]:
    """What free draws and those under a setting that leaves no choice tell of it."""
    if free is None or bound is None:
        return "not known", "no text came to tell by"
    if free[0] == free[-1]:
        return "looks ignored", "free draws are one text, or a cache answers"
    if len(set(bound)) == 1:
        return "honoured", f"one text at {where}, others where it is free"
    if len({text.split()[0] for text in bound}) > 1:
        return "looks ignored", f"texts at {where} differ from the first word on"
    return "not known", f"texts at {where} differ, and begin alike"


def _number(shown: Grounds) -> Trait:
    asked = [(call, reply) for call, reply in _replies(shown.every) if int(call.params.get("n", 1)) > 1]
    if not asked:
        return Trait(what="n", state="not asked", seen="the run file asks for one at a time")
    call, reply = asked[0]
    wanted, came = int(call.params["n"]), len(reply.choices)
    alone = "asks for the rest one by one"
    if shown.way(call, "n") is False:
        return Trait(what="n", state="refused", seen="", then=alone)
    state: State = "honoured" if came >= wanted else "looks ignored"
    return Trait(what="n", state=state, seen=f"{came} of {wanted} came", then="" if came >= wanted else alone)


def _system(shown: Grounds) -> Trait:
    having = [call for call, _ in shown.every if any(m.get("role") in ("system", "developer") for m in call.messages)]
    if not having:
        return Trait(what="system", state="not asked", seen="no system message is sent")
    way = shown.way(having[-1], "system")
    if way in (None, "system"):
        return Trait(what="system", state="taken", seen="a system message is taken")
    where = "as the developer's" if way == "developer" else "before the user's words"
    seen = "the run file fixes the role" if shown.system_role else "no system message is taken"
    return Trait(what="system", state="otherwise", seen=seen, then=f"sends it {where}")


def _thinking(shown: Grounds) -> Trait:
    replies = [reply for _, reply in _replies(shown.every)]
    if not replies:
        return Trait(what="thinking", state="not known", seen="no answer to tell by")
    judge = f"; a judge has {shown.known.most:,} tokens" if shown.known.most else ""
    then = f"thought is split off and kept in the audit{judge}"
    most = max(reply.usage.reasoning for reply in replies)
    counted = f", up to {most:,} tokens" if most else ", not counted apart"
    choices = [choice for reply in replies for choice in reply.choices]
    if any(choice.thought for choice in choices):
        return Trait(what="thinking", state="field", seen=f"in a field of its own{counted}", then=then)
    if any(part(choice.text).thought for choice in choices):
        return Trait(what="thinking", state="tags", seen=f"in tags within the text{counted}", then=then)
    if most:
        return Trait(what="thinking", state="hidden", seen=f"not shown{counted}", then=f"it is billed{judge}")
    return Trait(what="thinking", state="none seen", seen="its answers show none")


def _usage(shown: Grounds) -> Trait:
    replies = _replies(shown.every)
    if any(reply.usage.estimated for _, reply in replies):
        return Trait(what="usage", state="absent", seen="not told", then="tokens are counted here and marked")
    odd: dict[str, str] = {}
    for call, reply in replies:
        odd |= {kind: words for kind, words in _odd(shown, call, reply).items() if kind != "output"}
    if odd:
        return Trait(what="usage", state="odd", seen="; ".join(odd.values()), then="reserves for what it bills")
    return Trait(what="usage", state="sane", seen="near our own count")


def _odd(shown: Grounds, call: Call, reply: Reply) -> dict[str, str]:
    allowed = max(call.room, shown.known.most - (call.max_tokens or 0)) if "max_tokens" in call.wishes else call.room
    return counts.found(replace(call, room=allowed), reply.usage, count_input=True)


def _limit(shown: Grounds) -> Trait:
    replies = _replies(shown.every)
    calls = [call for call, _ in replies]
    name = next((way for call in calls if (way := shown.way(call, "limit"))), shown.limit)
    over = [words for call, reply in replies for kind, words in _odd(shown, call, reply).items() if kind == "output"]
    if over:
        return Trait(what="max_tokens", state="passed", seen=over[0], then="reserves for what it bills")
    cut = [
        draw for draw, outcome in shown.draws if isinstance(outcome, Reply) and end(outcome.first.finish) == "length"
    ]
    then = f"sends {name}"
    if cut and not any(isinstance(outcome, Failure) for _, outcome in shown.draws):
        return Trait(what="max_tokens", state="honoured", seen=f"cut off at {cut[0].call.max_tokens}", then=then)
    return Trait(what="max_tokens", state="taken", seen="no answer came near it", then=then)


def _context(shown: Grounds) -> Trait:
    if shown.context is None:
        return Trait(what="context", state="not known", seen="its server does not say")
    then = "what it refuses as too long is dropped with its words"
    return Trait(what="context", state="known", seen=f"{shown.context:,} tokens", then=then)
