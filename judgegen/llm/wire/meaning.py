"""What a refusal means for a call and for the run: a Failure to journal, or the exception that says what helps.

Where words do not tell whether the prompt or the endpoint is at fault, what the endpoint answers to others does: a call
that is refused, and refused again after the same model has answered one sent later, is a final no. Knows no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from judgegen.errors import ProviderRefused
from judgegen.llm import signs
from judgegen.llm.calls import Call, Failure
from judgegen.llm.learned import Learned
from judgegen.llm.retry import Doubtful, Transient
from judgegen.llm.trial import Trial
from judgegen.llm.wire import ceiling
from judgegen.llm.wire.body import WIRE_NAMES
from judgegen.llm.wire.refusals import Refusal, What, only_by_status

_NOT_TAKEN = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown|not support|not permitted|not allowed|unexpected|extra (fields|inputs)|"
    r"not available|not compatible|is invalid with|only the default|cannot (both )?be|does not (take|accept|allow)|"
    r"mutually exclusive|not accepted|deprecated|forbidden",
    re.IGNORECASE,
)
_SHORT = 300
_FORBIDDEN = 403
_SERVERS = 500
_UNSERVED = frozenset({502, 503, 504, 520, 521, 522, 523, 530})
"""What a gateway or a content network says of a server that it cannot reach; the last five are Cloudflare's."""
_KEYS = {"top_logprobs": "logprobs"}
WIRE_WISHES = {**WIRE_NAMES, "limit": WIRE_NAMES["max_tokens"], "system": ("messages",)}
"""By wish, the parameters that an error may name for it."""


def spoken(refusal: Refusal, trial: Trial) -> list[str]:
    """The wishes of a request that its refusal speaks of: those that it names as parameters first."""
    named = [wish for wish in WIRE_WISHES for param in refusal.params if param.split(".")[0] in WIRE_WISHES[wish]]
    named += [param for param in refusal.params if param not in named]
    return [wish for wish in dict.fromkeys((*named, *signs.wishes(refusal.said))) if trial.can_change(wish)]


def users_own(call: Call, refusal: Refusal) -> ProviderRefused | None:
    """The end of the run where a refusal names a parameter that the user wrote: it is not ours to leave out."""
    if (found := _written(call, refusal)) is None:
        return None
    name, key = found
    return ProviderRefused(
        f"{call.endpoint}: {call.model} does not take {name!r} as it is: {refusal.message}; "
        f"remove or change {key} in the run file"
    )


def _written(call: Call, refusal: Refusal) -> tuple[str, str] | None:
    """The parameter and its key in the run file."""
    said = " ".join((refusal.said, *(word.replace("_", " ") for word in refusal.words)))
    about = _NOT_TAKEN.search(said) is not None
    for name, wire in sorted(_names(call), key=lambda pair: -len(pair[1])):
        named = any(param.split(".")[0] == wire for param in refusal.params)
        if named or (about and re.search(rf"(?<![\w]){re.escape(wire)}(?![\w])", refusal.said)):
            return _KEYS.get(name, name), _key_of(call, name)
    return None


def _names(call: Call) -> Iterator[tuple[str, str]]:
    """(parameter, its name in a body) of what the run file wrote."""
    for name in call.params.keys() - call.wishes - {"extra_body", "schema_as"}:
        yield from ((name, wire) for wire in WIRE_NAMES.get(name, (name,)))
    yield from ((name, name) for name in call.params.get("extra_body", {}))


def _key_of(call: Call, name: str) -> str:
    if name == "max_tokens":
        return ceiling.key(call)
    place = f"sampler.variants.{call.tag.variant}" if call.tag.role == "sampler" else call.tag.role
    return f"{place}.{_KEYS.get(name, name)}"


class Meanings:
    """What refusals of one endpoint mean, remembering which calls were refused without a known reason."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._refused_at: dict[str, int] = {}

    def of(self, call: Call, refusal: Refusal, what: What) -> Failure | Exception:
        """What this refusal of `call` means."""
        message, status = refusal.message, refusal.status
        if what == "model" and status >= _SERVERS and self._learned.of(call).answered:
            what = "passing"  # a gateway has nobody for it just now
        if ceiling.beyond(call.max_tokens, refusal, what):
            return ceiling.ends(call, refusal)
        if what in ("flagged", "too_long"):
            return Failure(reason="content_filter" if what == "flagged" else "too_long", detail=message)
        if what == "again":
            return Failure(reason="rejected", detail=message)
        if what in ("throttled", "passing"):
            said = f"{status} {message}"[:120]
            slow = what == "throttled" or status in (408, 503, 504, 529)
            return Transient(
                said,
                retry_after=refusal.retry_after,
                throttled=what == "throttled",
                daily=what == "throttled" and signs.daily(refusal.words, refusal.said),
                slow=slow,
                unserved=status in _UNSERVED and refusal.retry_after is None,
            )
        this_alone = self._learned.of(call).answered and only_by_status(refusal, what)
        if not this_alone and (ends := _ends(call, refusal, what)) is not None:
            return ends
        return self._doubtful(call, refusal)

    def _doubtful(self, call: Call, refusal: Refusal) -> Failure | Exception:
        known = self._learned.of(call)
        said = f"{refusal.status} {refusal.message}"[:_SHORT]
        if known.answered and known.alive > self._refused_at.get(call.id, known.alive):
            return Failure(reason="rejected", detail=refusal.message)
        self._refused_at.setdefault(call.id, known.begun)
        mend = _key(call) if refusal.status == _FORBIDDEN else f"check {_model(call)}, and what the run file asks of it"
        return Doubtful(said, ProviderRefused(f"{call.endpoint} refuses whatever it is asked: {said}; {mend}"))


def _ends(call: Call, refusal: Refusal, what: What) -> ProviderRefused | None:
    """The end of the run, where more of the same could not help."""
    mends = {
        "money": "top up or raise the limit",
        "key": _key(call),
        "model": f"check {_model(call)}",
        "path": f"check base_url of endpoint {call.tag.route!r} (most end in /v1), and {_model(call)}",
    }
    if what not in mends:
        return None
    words = sorted(word for word in refusal.words if not word.isdigit())
    codes = f" ({', '.join(words)})" if what == "money" and words else ""
    return ProviderRefused(f"{call.endpoint}: {refusal.message}{codes}; {mends[what]}")


def _key(call: Call) -> str:
    return f"check the key (api_key_env of endpoint {call.tag.route!r}, or its headers)"


def _model(call: Call) -> str:
    return f"{call.tag.role}.model = {call.model!r}"
