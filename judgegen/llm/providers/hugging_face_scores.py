"""What a reward model in this process gives an answer: `api = "pooling"` of `provider = "transformers"`.

The model is one that `judgegen train --method reward` leaves, or any folder of transformers' that gives a text one
number. Knows nothing of batches' making, journals or judges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Usage

API = "pooling"


def check(call: Call, name: str) -> None:
    """Refuse a way of scoring that needs a server.

    Raises:
        ProviderRefused: which, and what to write.
    """
    if call.api not in ("chat", API):
        raise ProviderRefused(
            f'endpoint {name} (provider = "transformers") cannot be asked by api = "{call.api}"; its reward models '
            f'are asked by api = "{API}", or serve the model and name its base_url'
        )


def scores(model: Any, tokenizer: Any, calls: Sequence[Call]) -> list[Outcome]:
    """The score of each conversation, all in one batch; a Failure where it is longer than the model's context."""
    room = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    asked = [_tokens(tokenizer, call) for call in calls]
    fits = [tokens for tokens in asked if len(tokens) <= room]
    given = iter(_given(model, tokenizer.pad_token_id, fits) if fits else [])
    return [
        _reply(call, len(tokens), next(given))
        if len(tokens) <= room
        else Failure(reason="too_long", detail=f"{len(tokens)} tokens; the context has {room}")
        for call, tokens in zip(calls, asked, strict=True)
    ]


def _tokens(tokenizer: Any, call: Call) -> list[int]:
    """The whole chat as the model was trained on it: nothing is asked for behind it."""
    found = tokenizer.apply_chat_template(list(map(dict, call.messages)), return_dict=True)
    return list(found["input_ids"])


def _given(model: Any, pad: int, rows: Sequence[list[int]]) -> list[float]:
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
    with torch.inference_mode():
        found = model(input_ids=ids, attention_mask=mask).logits
    return [float(value) for value in found[:, 0].float()]


def _reply(call: Call, tokens: int, score: float) -> Reply:
    """As it was trained where that is asked for, else between 0 and 1, as a server gives it."""
    told = score if call.params.get("raw") else 1 / (1 + math.exp(-max(-700.0, min(700.0, score))))
    finish = "stop" if math.isfinite(told) else "malformed_response"
    text = json.dumps(told) if math.isfinite(told) else ""
    choice = Choice(text=text, finish=finish)
    return Reply(choices=(choice,), usage=Usage(input=tokens, output=0), model=call.model)
