"""Anthropic's Messages API through its own SDK (`pip install 'judgegen[anthropic]'`): a chat goes in, a chat comes out.

What is asked as an OpenAI chat is put in the words of POST /v1/messages, and its answer read back: the system message
beside the others, a schema as `output_config.format`, effort beside it, stop reasons as they are, tokens with what the
cache gave counted in. There are no logprobs and no seed there: both are refused here, as a server would, so that a run
learns it once. P comes of several verdicts then (`samples`), or of a decision model. The SDK's own retries are off.

With `--batch` they are Message Batches (`message_batches`). Source: anthropic-sdk-python 2.14, resources/messages.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.batch import Desk
from judgegen.llm.calls import Message
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.message_batches import MessageDesk
from judgegen.llm.providers.openai import ChatProvider, address, astray
from judgegen.llm.secrets import masked_bytes
from judgegen.llm.wire.bounds import Answer, ElsewhereError
from judgegen.llm.wire.keys import api_key

KEY = "ANTHROPIC_API_KEY"
URL = "https://api.anthropic.com"
EFFORTS = ("low", "medium", "high", "xhigh", "max")
_NOT_THERE = ("logprobs", "seed")
"""Wishes that the API has no parameter for."""
_SAID = frozenset(
    "model messages max_tokens max_completion_tokens response_format reasoning_effort tools n top_logprobs".split()
)
"""What has another name or place there; whatever else a chat has goes as it is."""


def asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A chat-completions body as the API takes it; several answers are asked for one by one."""
    said = [_message(one) for one in row["messages"] if one["role"] not in ("system", "developer")]
    told = "\n\n".join(_text(one) for one in row["messages"] if one["role"] in ("system", "developer"))
    wanted = row.get("response_format") or {}
    config: dict[str, Any] = {}
    if wanted.get("type") == "json_schema":
        config["format"] = {"type": "json_schema", "schema": wanted["json_schema"]["schema"]}
    if row.get("reasoning_effort") is not None:
        config["effort"] = row["reasoning_effort"]
    return {
        "model": row["model"],
        "max_tokens": row.get("max_tokens", row.get("max_completion_tokens")),
        "messages": said,
        **({"system": told} if told else {}),
        **({"output_config": config} if config else {}),
        **({"tools": [_tool(one) for one in row["tools"]]} if row.get("tools") else {}),
        **{name: value for name, value in row.items() if name not in _SAID},
    }


def _text(message: Message) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def _message(message: Message) -> dict[str, Any]:
    """A turn: what a tool gave is the user's, what tools are called with stands beside the assistant's text."""
    if message["role"] == "tool":
        given = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": _text(message)}
        return {"role": "user", "content": [given]}
    calls = [_called(one) for one in message.get("tool_calls") or ()]
    content = message.get("content") or ""
    if isinstance(content, str) and not calls:
        return {"role": message["role"], "content": content}
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content]
    return {"role": message["role"], "content": [part for part in parts if part.get("text") != ""] + calls}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a turn: text as it is, an image by its address or by what it holds."""
    image = part.get("image_url")
    if image is None:
        return dict(part)
    url = str(image["url"] if isinstance(image, Mapping) else image)
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, _, held = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": held}}


def _called(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    given = function.get("arguments") or {}
    if isinstance(given, str):
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    given = given if isinstance(given, dict) else {"arguments": given}  # an object is all that the API takes
    return {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": given}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    told = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **told, "input_schema": function.get("parameters") or {"type": "object"}}


def answered(content: bytes) -> bytes:
    """A message as a chat completion; anything else stays what it is, and is no answer."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(found, dict) or found.get("type") != "message" or not isinstance(found.get("content"), list):
        return content
    blocks = [one for one in found["content"] if isinstance(one, dict)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(_texts(blocks, "text"))}
    if thought := "".join(_texts(blocks, "thinking")):
        message["reasoning_content"] = thought
    if calls := [_call(one) for one in blocks if one.get("type") == "tool_use"]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": found.get("stop_reason")}
    kept = {name: found.get(name) for name in ("id", "model", "usage")}
    return json.dumps({**kept, "choices": [choice]}).encode()


def _texts(blocks: Sequence[Mapping[str, Any]], kind: str) -> Iterator[str]:
    return (str(one.get(kind) or "") for one in blocks if one.get("type") == kind)


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": json.dumps(block.get("input"), ensure_ascii=False)}
    return {"id": block.get("id"), "type": "function", "function": function}


def refused(row: Mapping[str, Any]) -> bytes | None:
    """What the API would say to a wish that it has no parameter for, or to an effort that it does not know."""
    name = next((name for name in _NOT_THERE if row.get(name) is not None), None)
    why = f"{name} is not supported by the Messages API"
    if name is None and row.get("reasoning_effort") not in (None, *EFFORTS):
        name, why = "reasoning_effort", f"reasoning_effort: not supported; it is one of {', '.join(EFFORTS)}"
    if name is None:
        return None
    return json.dumps({"error": {"type": "invalid_request_error", "message": why, "param": name}}).encode()


def _client(endpoint: Endpoint, name: str, http: Callable[[], Any]) -> Any:
    """The SDK's client over what `http` makes, its retries off."""
    try:
        import anthropic
    except ImportError:
        needs = f"endpoints.{name}: provider = 'anthropic' needs its SDK, which is not installed"
        raise SpecError(f"{needs}; run: pip install 'judgegen[anthropic]'") from None
    url, headers, query = address(endpoint, name, endpoint.base_url or URL)
    return anthropic.AsyncAnthropic(
        base_url=url.rstrip("/").removesuffix("/v1"),
        api_key=api_key(endpoint, name, usual=KEY),
        default_headers=headers,
        default_query=query,
        max_retries=0,
        http_client=http(),
    )


@asynccontextmanager
async def _desk(endpoint: Endpoint, name: str) -> AsyncIterator[Desk]:
    """The endpoint's Message Batches; their results may be large, and are sent on to nobody."""

    def http() -> Any:
        import httpx2

        return httpx2.AsyncClient(follow_redirects=False)

    async with _client(endpoint, name, http) as client:
        yield MessageDesk("max_tokens", endpoint.system_role, client=client, params=asked, refuses=refused)


def _connect(endpoint: Endpoint, name: str) -> ChatProvider:
    places, url = endpoint.max_concurrency + 8, endpoint.base_url or URL

    def http() -> Any:
        import httpx2

        from judgegen.llm.wire.transport import Bounded

        limits = httpx2.Limits(max_connections=places, max_keepalive_connections=places)
        return Bounded(within_s=endpoint.timeout_s, limits=limits)

    client = _client(endpoint, name, http)
    import anthropic
    import httpx2

    from judgegen.llm.wire.transport import lost

    async def post(row: Mapping[str, Any]) -> Answer:
        if (no := refused(row)) is not None:
            return 400, {}, no
        try:
            response = await client.post("/v1/messages", cast_to=httpx2.Response, body=asked(row))
        except anthropic.APIStatusError as error:
            response = error.response
        except (anthropic.APIConnectionError, TimeoutError) as error:
            raise lost(error) from None
        except ElsewhereError as error:
            raise astray(url, name, error) from None
        content = masked_bytes(response.content)
        return response.status_code, response.headers, answered(content) if response.status_code == 200 else content

    return ChatProvider(post, tokens_key="max_tokens", close=client.close, system_role=endpoint.system_role)


PROVIDER = Listing(name="anthropic", connect=_connect, url=URL, desk=_desk)
