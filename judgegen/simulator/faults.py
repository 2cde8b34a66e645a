"""A plan of faults: which requests are met by which fault, as a TOML file says it.

    seed = 7                # of the shares

    [[faults]]
    fault = "status"        # what is met: see `KINDS`
    status = 429
    headers = { retry-after = "1" }
    every = 5               # whom it meets: every fifth request of those that the rest names

Of several faults that would meet a request the first does. What a share meets is a function of seed, request and how
often that request came before, whatever else is under way; every and first go by the order of arrival. Knows nothing of
how a fault is played.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from judgegen.errors import SpecError
from judgegen.simulator import bodies
from judgegen.simulator.asked import asked
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import body_digest
from judgegen.simulator.tally import Remembered
from judgegen.spec import Frozen

Where = Literal["chat", "files", "batches", "rows"]
Headers = dict[str, str]


class Whom(Frozen):
    """Which requests a fault meets; all where nothing is said."""

    where: Where = "chat"  # chat completions, the routes of files or of batches, or the rows within a batch
    role: Literal["sampler", "judge"] | None = None
    model: str | None = None  # a pattern, as gpt-*
    after: int = Field(default=0, ge=0)  # so many of them are spared first
    every: int | None = Field(default=None, gt=0)
    first: int | None = Field(default=None, gt=0)
    share: float | None = Field(default=None, gt=0, le=1)
    from_s: float = Field(default=0.0, ge=0)  # seconds from the server's first request on
    for_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        said = [name for name in ("every", "first", "share") if getattr(self, name) is not None]
        if len(said) > 1:
            raise ValueError(f"{' and '.join(said)}: how many are met is said by one of them")
        if self.where not in ("chat", "rows") and (self.role or self.model):
            raise ValueError(f'role and model are of chats; where = "{self.where}" has neither')
        return self


class StatusInstead(Whom):
    """An HTTP status with a body and headers instead of an answer."""

    fault: Literal["status"]
    status: int = Field(default=500, ge=300, le=599)
    body: str | dict[str, Any] | None = None
    headers: Headers = Field(default_factory=dict)


class Hang(Whom):
    """Nothing is said for so many seconds, or for ever; then the answer."""

    fault: Literal["hang"]
    seconds: float | None = Field(default=None, gt=0)


class Slow(Whom):
    """The answer comes a few bytes at a time."""

    fault: Literal["slow"]
    bytes: int = Field(default=1, gt=0)
    pause_s: float = Field(default=0.05, gt=0)


class Cut(Whom):
    """The connection breaks in the middle of the answer's body. The answer is billed."""

    fault: Literal["cut"]
    after_bytes: int = Field(default=20, ge=0)


class Drop(Whom):
    """The connection is closed without a word."""

    fault: Literal["drop"]


class Malformed(Whom):
    """What comes is no HTTP."""

    fault: Literal["malformed"]
    text: str = "HTTP/9 what\r\nfolded\r\n\r\n"


class Text(Whom):
    """Another body than JSON, or JSON of another shape, with a 200."""

    fault: Literal["text"]
    body: str = "<html><body>Sign in to the network</body></html>"
    content_type: str = "text/html"


class Change(Whom):
    """The answer with other values at some places ("choices.0.message.content"), or without them. It is billed."""

    fault: Literal["change"]
    values: dict[str, Any] = Field(default_factory=dict, alias="set")
    remove: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.values and not self.remove:
            raise ValueError("changes nothing; write set or remove")
        return self


class Finish(Whom):
    """The answer ends for another reason, and has no words where `empty`. It is billed."""

    fault: Literal["finish"]
    reason: str | None = "error"
    empty: bool = False


class OddUsage(Whom):
    """The answer's tokens are absent, zero or a text, which the bill is not; or `times` as many, which are billed."""

    fault: Literal["usage"]
    said: Literal["absent", "zero", "text"] | None = None
    times: float | None = Field(default=None, gt=0, le=1e6)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.said is None) == (self.times is None):
            raise ValueError("takes one of said and times")
        return self


Fault = StatusInstead | Hang | Slow | Cut | Drop | Malformed | Text | Change | Finish | OddUsage
KINDS: Mapping[str, type[Whom]] = {
    "status": StatusInstead,
    "hang": Hang,
    "slow": Slow,
    "cut": Cut,
    "drop": Drop,
    "malformed": Malformed,
    "text": Text,
    "change": Change,
    "finish": Finish,
    "usage": OddUsage,
}
BILLED = (Slow, Cut, Change, Finish, OddUsage)
"""What strikes an answer that was given, and is billed; the others strike before any work is done."""
_ROWS = ("status", "change", "finish", "usage")
_ROUTES = ("status", "hang", "drop", "malformed", "text")


class FaultPlan(Frozen):
    """A whole plan."""

    seed: int = 0
    faults: tuple[Annotated[Fault, Field(discriminator="fault")], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _playable(self) -> Self:
        for number, one in enumerate(self.faults, start=1):
            known = {"chat": tuple(KINDS), "rows": _ROWS}.get(one.where, _ROUTES)
            if one.fault not in known:
                raise ValueError(f'fault {number}: where = "{one.where}" takes: {", ".join(known)}; not {one.fault}')
        return self


def parse(table: Mapping[str, Any], where: str = "plan") -> FaultPlan:
    """A plan's table; `where` names it in errors.

    Raises:
        SpecError: every problem found, one a line.
    """
    try:
        return FaultPlan.model_validate(dict(table))
    except ValidationError as error:
        raise SpecError("\n".join(f"{where}: {problem}" for problem in _problems(error))) from None


def _problems(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = (*one["loc"][:2], *one["loc"][3:])  # the third part is the kind's own name
        spelled = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
        said = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "union_tag_invalid":
            said = f"fault = {one['ctx']['tag']!r} is not one of: {', '.join(KINDS)}"
        elif one["type"] == "union_tag_not_found":
            said = f"missing key 'fault', one of: {', '.join(KINDS)}"
        elif one["type"] == "extra_forbidden":
            said = f"unknown key; {_known(one['loc'])}"
        yield f"{spelled}: {said}" if spelled else said


def _known(place: tuple[int | str, ...]) -> str:
    kind = KINDS[str(place[2])] if len(place) > 2 else FaultPlan
    return f"known: {', '.join(field.alias or name for name, field in kind.model_fields.items())}"


def read(path: str | Path) -> FaultPlan:
    """The plan in a file.

    Raises:
        SpecError: it cannot be read, is no TOML, or holds what is no plan.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    return parse(table, str(path))


class Strikes:
    """Says which fault a request is met by. Times are seconds on any clock that only goes forward."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._matched = [0] * len(plan.faults)
        self._met = Remembered()
        self._begun: float | None = None

    def struck(self, where: Where, body: Mapping[str, Any] | None, now: float) -> Fault | None:
        """The fault that meets this request; None for none."""
        self._begun = now if self._begun is None else self._begun
        sound = body is not None and bodies.problem(body) is None
        role = _role(body) if body is not None and sound else None
        name = f"{where}/{body_digest(body) if body is not None else ''}"
        times = self._met.times.get(name, 0)
        self._met.met(name)
        found = [
            one
            for number, one in enumerate(self._plan.faults)
            if _fits(one, where, role, body, now - self._begun) and self._strikes(number, one, f"{name}/{times}")
        ]
        return found[0] if found else None

    def _strikes(self, number: int, one: Whom, name: str) -> bool:
        """Whether it is this one's turn, which is counted."""
        self._matched[number] += 1
        place = self._matched[number] - one.after
        if place <= 0:
            return False
        if one.share is not None:
            return Lots("fault", self._plan.seed, number, name).unit() < one.share
        return place % one.every == 0 if one.every is not None else one.first is None or place <= one.first


def _fits(one: Whom, where: Where, role: str | None, body: Mapping[str, Any] | None, since: float) -> bool:
    timely = one.from_s <= since and (one.for_s is None or since < one.from_s + one.for_s)
    model = str((body or {}).get("model"))
    named = one.model is None or fnmatchcase(model, one.model)
    return timely and one.where == where and one.role in (None, role) and named


def _role(body: Mapping[str, Any]) -> str | None:
    try:
        return asked(body).role
    except ValueError:  # a schema that is none
        return None
