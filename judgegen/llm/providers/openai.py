"""Any OpenAI-compatible endpoint, through the openai SDK on its aiohttp transport.

The SDK builds connections and errors; its retries are off and its typed parsing is stepped around (half the CPU of a
call). A parameter that the call merely wishes for is left out for a model that refuses it; one the user wrote ends
the run with the key to change. Knows nothing of journals, prices or rate limits.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from judgegen.errors import ProviderRefused
from judgegen.llm import models
from judgegen.llm.batch import Desk
from judgegen.llm.calls import Call, Outcome
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers import wire
from judgegen.llm.providers.listing import Listing
from judgegen.llm.retry import Transient

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Answer = tuple[int, Mapping[str, str], bytes]
Transport = Callable[[Mapping[str, Any]], Awaitable[Answer]]
"""Posts a chat-completions body; (HTTP status, headers, body). Raises ConnectionError or TimeoutError."""


class ChatProvider:
    """Asks one endpoint over `transport`, remembering which wishes each model refuses."""

    def __init__(self, transport: Transport, *, tokens_key: str, close: Callable[[], Awaitable[None]]) -> None:
        self._transport, self._close = transport, close
        self._tokens_key = tokens_key
        self._refused: dict[str, frozenset[str]] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._close()

    async def __call__(self, call: Call, /) -> Outcome:
        """Send one request, and again at once without a wish that the model turns out to refuse."""
        while True:
            without = self._without(call)
            key = self._tokens_key
            status, headers, content = await self._post(wire.body(call, tokens_key=key, without=without))
            if status == 200:
                return wire.reply(call, _json(content))
            error = _error(content)
            if not self._adapt(call, wire.unsupported(call, status, error), key, error):
                found = wire.problem(call, status, error, wire.retry_after(headers))
                if isinstance(found, Exception):
                    raise found
                return found

    def _without(self, call: Call) -> frozenset[str]:
        known = models.refused(call.model, call.params.get("reasoning_effort"))
        return (known | self._refused.get(call.model, frozenset())) & call.wishes

    def _adapt(self, call: Call, name: str | None, key: str, error: Mapping[str, Any]) -> bool:
        """Whether leaving out or renaming `name` may help. What the user wrote is not ours to drop."""
        if name is None:
            return False
        if name in call.wishes:  # it was in this request, whatever others have found out meanwhile
            self._refused[call.model] = self._refused.get(call.model, frozenset()) | {name}
            return True
        other = "max_tokens" if key == "max_completion_tokens" else "max_completion_tokens"
        if name == "max_tokens" and other in str(error.get("message")):
            self._tokens_key = other
            return True
        raise ProviderRefused(
            f"{call.endpoint}: {call.model} does not take {name!r}: {error.get('message')}; "
            f"remove or change {_key_of(call, name)} in the run file"
        )

    async def _post(self, body: Mapping[str, Any]) -> Answer:
        try:
            return await self._transport(body)
        except TimeoutError as error:
            raise Transient(str(error) or "timed out", billed=None) from None
        except ConnectionRefusedError as error:  # nobody was there to bill anything
            raise Transient(f"no connection: {error}") from None
        except ConnectionAbortedError as error:  # by us: what came was no answer
            raise Transient(str(error), billed=None) from None
        except ConnectionError as error:
            raise Transient(f"no connection: {error}", billed=None) from None


def _lost(error: BaseException, late: str) -> OSError:
    """What became of a request without an answer, by its root: the SDK's transport calls a hang-up a timeout.

    `late` is what is said of one that took too long.
    """
    root = error
    while root.__cause__ is not None and not isinstance(root, TimeoutError):
        root = root.__cause__
    if isinstance(root, TimeoutError):
        return TimeoutError(late)
    refused = isinstance(getattr(root, "os_error", root), ConnectionRefusedError)
    return (ConnectionRefusedError if refused else ConnectionError)(str(root))


def _key_of(call: Call, name: str) -> str:
    place = f"sampler.variants.{call.tag.variant}" if call.tag.role == "sampler" else call.tag.role
    return f"{place}.{'logprobs' if name == 'top_logprobs' else name}"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Transient("an answer that is not JSON", billed=None) from None


def _error(content: bytes) -> Mapping[str, Any]:
    """The error object of a refusal, however the server spells it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {"message": content[:300].decode("utf-8", "replace").strip()}
    inner = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(inner, dict):
        return {"message": inner.get("message") or inner.get("detail") or json.dumps(inner)[:300], **_named(inner)}
    return {"message": str(inner)[:300]}


def _named(inner: Mapping[str, Any]) -> dict[str, Any]:
    return {key: inner[key] for key in ("code", "type", "param") if inner.get(key) is not None}


def api_key(endpoint: Endpoint, name: str) -> str:
    """The key from the environment; a local server needs none.

    Raises:
        ProviderRefused: the variable that should hold it is not set.
    """
    variable = endpoint.api_key_env
    if variable is None:
        return "none"
    if key := os.environ.get(variable):
        return key
    host = urlsplit(endpoint.base_url or "").hostname or ""
    if name == "openai" and host in ("127.0.0.1", "localhost", "::1"):
        return "none"
    raise ProviderRefused(f"endpoint {name!r}: no key; set the environment variable {variable}")


def client(endpoint: Endpoint, name: str, *, base_url: str | None = None, bounded: bool = False) -> AsyncOpenAI:
    """The SDK's client for `endpoint`, its retries off: the loop of retries is ours.

    `bounded`: each request is over after `timeout_s` and holds no more than an answer can need; files take longer.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    from judgegen.llm.providers.transport import Bounded

    limits = httpx2.Limits(
        max_connections=endpoint.max_concurrency + 8, max_keepalive_connections=endpoint.max_concurrency
    )
    http = Bounded(within_s=endpoint.timeout_s, limits=limits) if bounded else DefaultAioHttpClient(limits=limits)
    return AsyncOpenAI(
        base_url=base_url or endpoint.base_url,
        api_key=api_key(endpoint, name),
        max_retries=0,
        timeout=httpx2.Timeout(endpoint.timeout_s, connect=min(10.0, endpoint.timeout_s)),
        http_client=http,
    )


def connect(endpoint: Endpoint, name: str, *, base_url: str | None = None) -> ChatProvider:
    """A provider for `endpoint`; `base_url` overrides its address (the embedded server's port)."""
    import httpx2
    from openai import APIConnectionError, APIStatusError

    from judgegen.llm.providers.transport import ElsewhereError

    url = base_url or endpoint.base_url or ""
    asking = client(endpoint, name, base_url=url, bounded=True)
    late = f"timed out: no whole answer within timeout_s = {endpoint.timeout_s:g}"
    tier = {} if endpoint.service_tier is None else {"service_tier": endpoint.service_tier}

    async def post(body: Mapping[str, Any]) -> Answer:
        try:
            response = await asking.post("/chat/completions", cast_to=httpx2.Response, body={**body, **tier})
        except APIStatusError as error:
            return error.status_code, error.response.headers, error.response.content
        except (APIConnectionError, TimeoutError) as error:
            raise _lost(error, late) from None
        except ElsewhereError as error:
            raise ProviderRefused(
                f"{url} sends requests on to {error.where}, and prompts are not sent to another host; "
                f"set base_url of endpoint {name!r} to the address that is meant"
            ) from None
        return response.status_code, response.headers, response.content

    return ChatProvider(post, tokens_key=wire.tokens_key(url), close=asking.close)


@asynccontextmanager
async def desk(endpoint: Endpoint, name: str) -> AsyncIterator[Desk]:
    """The endpoint's files and batches, its connections closed with the block."""
    async with client(endpoint, name) as asking:
        yield Desk(asking, endpoint.base_url or "")


PROVIDER = Listing(name="openai", connect=connect, desk=desk)
