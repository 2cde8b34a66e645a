"""OpenAI's moderation route: a text goes in, and the categories it is flagged for come out as the reply, in JSON.

`{"flagged": true, "categories": ["violence"]}`, the shape in which guard models may answer as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers.listing import Listing
from judgegen.llm.providers.openai import ChatProvider, connect


def _connect(endpoint: Endpoint, name: str) -> ChatProvider:
    return connect(endpoint, name, path="/moderations", asked=_asked, answered=_answered)


def _asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A chat as the route takes it: what was said last."""
    return {"model": row["model"], "input": row["messages"][-1]["content"]}


def _answered(content: bytes) -> bytes:
    """The route's answer as a chat completion; anything else stays what it is, and is no answer."""
    try:
        found = json.loads(content)
        result = found["results"][0]
        flagged, categories = result["flagged"], result["categories"]
        names = sorted(name for name, holds in categories.items() if holds is True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return content
    if not isinstance(flagged, bool):
        return content
    said = json.dumps({"flagged": flagged, "categories": names})
    message = {"role": "assistant", "content": said}
    return json.dumps(
        {"model": found.get("model"), "choices": [{"message": message, "finish_reason": "stop"}]}
    ).encode()


PROVIDER = Listing(name="moderation", connect=_connect, url="https://api.openai.com/v1", free=True)
