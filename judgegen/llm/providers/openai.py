"""Any OpenAI-compatible endpoint: calls over a lane of our own, files and batches through the openai SDK.

The SDK's loop of retries is off: that is ours. A parameter that the call merely wishes for is left out for a model that
refuses it; one the user wrote ends the run with the key to change. Knows nothing of journals, prices or rate limits.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from judgegen.errors import ProviderRefused
from judgegen.llm import dialects, signs
from judgegen.llm.batch import Desk
from judgegen.llm.calls import REWARDS, Call, Failure, Outcome, Reply
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.lasting import Lasting
from judgegen.llm.learned import Learned
from judgegen.llm.manner import Manner, SystemRole, ways
from judgegen.llm.providers.listing import Listing
from judgegen.llm.retry import Odd, Transient
from judgegen.llm.secrets import bare, masked_bytes, remember, secret_name
from judgegen.llm.trial import Trial
from judgegen.llm.wire import catalogue, ceiling, decisions, reading, refusals, rewards, streamed
from judgegen.llm.wire.body import body
from judgegen.llm.wire.bounds import Answer, ElsewhereError, NoTlsError, UnsentError
from judgegen.llm.wire.keys import account, api_key, login
from judgegen.llm.wire.meaning import Meanings, spoken, users_own
from judgegen.llm.wire.refusals import Refusal

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from judgegen.llm.wire.lane import Lane
    from judgegen.llm.wire.transport import SdkLane

Transport = Callable[[Mapping[str, Any]], Awaitable[Answer]]
"""Posts a chat-completions body or typed questions; (HTTP status, headers, body).

Raises ConnectionError or TimeoutError."""
_REFUSED = 300
"""The first status that is no answer."""
_NOT_IMPLEMENTED = 501
MOST_CHANCES = 4
"""How often a request is sent that fails by chance, as constrained decoding does."""
MOST_FAILED = 3
"""After so many failures in a row of what a model has never answered, it is asked in a barer manner as well."""
MOST_ODD = 4
"""After so many 200s that hold no answer to one call, and no answer to any, the address is taken for a wrong one."""


class ChatProvider:
    """Asks one endpoint over `transport`, in the manner that each model takes; `learned` is what is known of that."""

    def __init__(
        self,
        transport: Transport,
        *,
        tokens_key: str,
        close: Callable[[], Awaitable[None]],
        system_role: SystemRole | None = None,
    ) -> None:
        self._transport, self._close = transport, close
        self._tokens_key, self._system_role = tokens_key, system_role
        self.learns(Learned())

    def learns(self, learned: Learned) -> None:
        """Know and keep from now on what `learned` holds."""
        self._learned, self._meanings, self._lasting = learned, Meanings(learned), Lasting(learned)
        self._failed: Counter[tuple[str, str]] = Counter()
        self._odd: Counter[str] = Counter()

    def settled(self, call: Call) -> bool:
        """Whether the manner of such a call is known to be taken, and a judge's answer to come to its end."""
        known = self._learned.of(call)
        return known.settled(self._ways(call)) and (known.whole or call.tag.role != "judge")

    def _ways(self, call: Call) -> Mapping[str, tuple[Any, ...]]:
        return ways(call, limit=self._tokens_key, system_role=self._system_role)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._close()

    async def __call__(self, call: Call, /) -> Outcome:
        """Send one request, and again at once in another manner where that may be what is refused."""
        if (final := self._lasting.final(call)) is not None:
            return final
        known = self._learned.of(call)
        number = known.begins()
        try:
            outcome = await self._ask(call)
        except Transient as trouble:
            self._lasting.met(call, trouble, number)
            raise (isinstance(trouble, Odd) and self._elsewhere(call, trouble)) or trouble from None
        if isinstance(outcome, Reply):
            known.lives(number)
            self._lasting.lives(call, number)
        return outcome

    async def _ask(self, call: Call) -> Outcome:
        trial = Trial(self._ways(call), self._learned.of(call))
        chances = MOST_CHANCES
        while True:
            manner = dict(trial.manner)
            try:
                found = await self._sent(call, manner)
            except Transient as trouble:
                if self._falls(call, trial, trouble):
                    continue
                raise
            if not isinstance(found, Refusal):
                return self._answered(call, trial, manner, found)
            what = refusals.kind(found)
            if call.api != "chat" and (what == "path" or found.status == _NOT_IMPLEMENTED):
                raise _without_route(call, found)
            if what == "again" and chances > 1:
                chances -= 1
                continue
            if self._tries(call, trial, found, what):
                continue
            means = self._meanings.of(call, found, what)
            if isinstance(means, Transient) and self._falls(call, trial, means, found):
                continue
            if isinstance(means, Exception):
                raise means
            return means

    async def _sent(self, call: Call, manner: Manner) -> Reply | Failure | Refusal:
        """What the server says to the call as it is put in this manner."""
        write, read = _ROUTES.get(call.api, (decisions.body, decisions.reply))
        status, headers, content = await self._post(call, write(call, manner))
        fine = status < _REFUSED
        answer: Any = streamed.read(content, headers.get("content-type", "")) if fine else None
        refusal = refusals.of(status, headers, content, answer)
        return read(call, answer) if refusal is None else refusal

    def _elsewhere(self, call: Call, odd: Odd) -> ProviderRefused | None:
        """The end of the run, where such an answer is all that ever came: the address is no API's."""
        self._odd[call.id] += 1
        if self._learned.of(call).answered or self._odd[call.id] < MOST_ODD:
            return None
        where = f"check base_url of endpoint {call.tag.route!r} (most end in /v1)"
        return ProviderRefused(f"{call.endpoint} sends {odd.why}; {where}")

    def _answered(self, call: Call, trial: Trial, manner: Manner, reply: Reply | Failure) -> Outcome:
        """The reply, after what it tells of the model is kept; what cannot be read tells nothing."""
        if isinstance(reply, Failure):
            return reply
        self._failed.pop((call.endpoint, call.model), None)
        for wish, way in trial.answered():
            self._learned.tell(call, wish, way)
        self._learned.heard(call, reply, manner)
        return reply

    def _tries(self, call: Call, trial: Trial, refusal: Refusal, what: refusals.What) -> bool:
        """Whether another manner may help. What the user wrote is not ours to drop."""
        roomy = trial.manner.get("room") is True
        if what == "too_long":
            self._learned.of(call).context = signs.context(refusal.said)
        if what == "too_long" or ceiling.beyond(call.most_tokens if roomy else call.max_tokens, refusal, what):
            return roomy and trial.refused(["room"], refusal.said)
        if what == "again":  # it fails whatever the chance: form that the model cannot keep, perhaps
            return self._unknown(call, trial) and trial.fell()
        if what not in ("unclear", "request", "forbidden") and not refusals.only_by_status(refusal, what):
            return False
        spoken_of = spoken(refusal, trial)
        if not spoken_of and (ends := users_own(call, refusal)):
            raise ends
        return trial.refused(spoken_of, refusal.said)

    def _falls(self, call: Call, trial: Trial, trouble: Transient, refusal: Refusal | None = None) -> bool:
        """Whether it may be a wish that a server, or the gateway before it, falls over, and the call goes without it.

        As over a schema that it cannot compile: it hangs up, is restarted, answers 500 or 502, or nothing in time.
        """
        told = isinstance(trouble, Odd) or trouble.away or trouble.throttled or trouble.retry_after is not None
        if told or not self._unknown(call, trial):
            return False
        self._failed[call.endpoint, call.model] += 1
        if not trial.restores and self._failed[call.endpoint, call.model] < MOST_FAILED:
            return False
        spoken_of = [] if refusal is None else spoken(refusal, trial)
        return trial.refused(spoken_of, refusal.said) if refusal and spoken_of else trial.fell()

    def _unknown(self, call: Call, trial: Trial) -> bool:
        """Whether it is not known that the model takes the call as it is put now."""
        return not trial.stripped and not self._learned.of(call).settled(self._ways(call))

    async def _post(self, call: Call, row: Mapping[str, Any]) -> Answer:
        try:
            return await self._transport(row)
        except TimeoutError as error:
            raise Transient(str(error) or "timed out", billed=None, slow=True) from None
        except ConnectionRefusedError as error:  # nobody was there to bill anything
            raise Transient(f"no connection: {error}", away=True) from None
        except NoTlsError as error:
            raise ProviderRefused(
                f"{call.endpoint}: {error}; check base_url of endpoint {call.tag.route!r} (https, or http), and whom "
                f"this machine trusts (SSL_CERT_FILE)"
            ) from None
        except UnsentError as error:
            raise Transient(f"no connection: {error}") from None
        except ConnectionAbortedError as error:  # by us: what came was no answer
            raise Odd(str(error)) from None
        except ConnectionError as error:
            raise Transient(f"no connection: {error}", billed=None) from None


_ROUTES: Mapping[str, tuple[Callable[[Call, Manner], dict[str, Any]], Callable[[Call, Any], Reply | Failure]]] = {
    "chat": (body, reading.reply),
    "rerank": (rewards.body, rewards.reply),
    "pooling": (rewards.body, rewards.reply),
}
"""By the kind of question how it is written and how its answer is read; typed questions are both the same."""


def _without_route(call: Call, refusal: Refusal) -> ProviderRefused:
    """The end of the run: this server does not answer questions of this kind."""
    served = "OpenAI's, vLLM's from 0.33 on and llama.cpp's do for some models"
    mend = 'ask this model with api = "chat"'
    if call.api in REWARDS:
        served = "vLLM's does for models that score" + (", llama.cpp's with --rerank" if call.api == "rerank" else "")
        mend = "name a model that scores"
    route = {**{name: f"/v1{path}" for name, path in decisions.PATHS.items()}, **rewards.PATHS}[call.api]
    return ProviderRefused(
        f"{call.endpoint} does not serve {route} for {call.model} ({refusal.status} {refusal.message}): {served}; "
        f"check base_url of endpoint {call.tag.route!r} (most end in /v1), or {mend}"
    )


def client(endpoint: Endpoint, name: str, *, base_url: str | None = None, bounded: bool = False) -> AsyncOpenAI:
    """The SDK's client for `endpoint`, its retries off: the loop of retries is ours.

    `bounded`: each request is over after `timeout_s` and holds no more than an answer can need; files take longer.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    from judgegen.llm.wire.transport import Bounded

    url, headers, query = address(endpoint, name, base_url)
    limits = httpx2.Limits(
        max_connections=endpoint.max_concurrency + 8, max_keepalive_connections=endpoint.max_concurrency
    )
    http = Bounded(within_s=endpoint.timeout_s, limits=limits) if bounded else DefaultAioHttpClient(limits=limits)
    return AsyncOpenAI(
        base_url=url,
        default_headers=headers,
        default_query=query,
        api_key=api_key(endpoint, name),
        max_retries=0,
        timeout=httpx2.Timeout(endpoint.timeout_s, connect=min(10.0, endpoint.timeout_s)),
        http_client=http,
    )


def lane(endpoint: Endpoint, name: str, *, base_url: str | None = None) -> Lane | SdkLane:
    """What carries requests to `endpoint`: bytes over a session of ours, or the SDK where the run file asks for it."""
    if endpoint.transport == "sdk":
        from judgegen.llm.wire.transport import SdkLane

        return SdkLane(client(endpoint, name, base_url=base_url, bounded=True))
    from judgegen.llm.wire.lane import Lane

    url, headers, query = address(endpoint, name, base_url)
    ours = {"User-Agent": "judgegen", "Authorization": f"Bearer {api_key(endpoint, name)}"}
    return Lane(
        url,
        headers={**ours, **account(), **headers},
        query=query,
        within_s=endpoint.timeout_s,
        places=endpoint.max_concurrency,
    )


def address(endpoint: Endpoint, name: str, base_url: str | None) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where the API begins, what goes into every head, and what stands behind every path."""
    opened, login_header = login(endpoint, name, base_url or endpoint.base_url or "")
    url, asked = _split(opened)
    return url, {**login_header, **_resolved(endpoint.headers, name)}, {**asked, **_resolved(endpoint.query, name)}


def _resolved(pairs: tuple[tuple[str, str], ...], name: str) -> dict[str, str]:
    """The pairs with the environment's values where they name a variable.

    Raises:
        ProviderRefused: a variable is not set.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        kind, _, variable = value.partition(":")
        found[key] = os.environ.get(variable, "").strip() if kind == "env" else value
        if not found[key]:
            raise ProviderRefused(f"endpoint {name!r}: {key} has no value; set the environment variable {variable}")
        if kind == "env" or secret_name(key):
            remember(found[key])
    return found


def _split(base_url: str) -> tuple[str, dict[str, str]]:
    """Where the API begins, be that or the path of its chat given, and the query, which stands behind each path."""
    parts = urlsplit(base_url)
    begins = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit(parts._replace(path=begins, query="", fragment="")), dict(
        parse_qsl(parts.query, keep_blank_values=True)
    )


def connect(
    endpoint: Endpoint,
    name: str,
    *,
    base_url: str | None = None,
    path: str = "/chat/completions",
    asked: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    answered: Callable[[bytes], bytes] = bytes,
) -> ChatProvider:
    """A provider for `endpoint`; `base_url` overrides its address (the embedded server's port).

    For a route that is no chat `asked` makes its request of a chat's, and `answered` a chat completion of its answer.
    """
    url = base_url or endpoint.base_url or ""
    road = lane(endpoint, name, base_url=url)
    late = f"timed out: no whole answer within timeout_s = {endpoint.timeout_s:g} (raise it, or lower max_concurrency)"
    tier = {} if endpoint.service_tier is None else {"service_tier": endpoint.service_tier}

    async def post(row: Mapping[str, Any]) -> Answer:
        try:
            status, headers, content = await road.post(_path(row, path, url), asked({**row, **tier}))
        except TimeoutError:
            raise TimeoutError(late) from None
        except ElsewhereError as error:
            raise astray(url, name, error) from None
        said = masked_bytes(content)
        return status, headers, answered(said) if status < _REFUSED else said

    role = endpoint.system_role
    return ChatProvider(post, tokens_key=dialects.limit_name(url), close=road.aclose, system_role=role)


def astray(url: str, name: str, error: ElsewhereError) -> ProviderRefused:
    """The end of the run where the API at `url` sends requests on, and they cannot go there."""
    return ProviderRefused(
        f"{bare(url)} sends requests on to {error.where}, and prompts are not sent to another host, nor on by a "
        f"redirection that drops them; set base_url of endpoint {name!r} to the address that is meant"
    )


def _path(row: Mapping[str, Any], otherwise: str, url: str) -> str:
    """Where a request is posted; /pooling stands beside /v1, not within it."""
    found = rewards.path(row)
    if found == rewards.PATHS["pooling"] and url.rstrip("/").endswith("/v1"):
        return f"/..{found}"
    return found or decisions.path(row, otherwise)


@asynccontextmanager
async def desk(endpoint: Endpoint, name: str) -> AsyncIterator[Desk]:
    """The endpoint's files and batches, its connections closed with the block."""
    async with client(endpoint, name) as asking:
        yield Desk(dialects.limit_name(endpoint.base_url or ""), endpoint.system_role, client=asking)


async def contexts(endpoint: Endpoint, name: str) -> dict[str, int]:
    """Tokens of each model's context, of those that the endpoint's list of models tells of; it costs nothing to ask."""
    try:
        road = lane(endpoint, name)
        try:
            status, _, content = await road.get("/models")
        finally:
            await road.aclose()
        return catalogue.contexts(json.loads(content)) if status < _REFUSED else {}
    except (ElsewhereError, OSError, ProviderRefused, ValueError, RecursionError):
        return {}  # a server need not have such a list, and nothing else is asked of it


PROVIDER = Listing(name="openai", connect=connect, desk=desk, contexts=contexts)
