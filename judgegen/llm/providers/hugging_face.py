"""A Hugging Face model inside this process, `provider = "transformers"`: the model is a folder's path or a hub's name.

What is asked at once is answered in one batch. Each answer is drawn by a generator of its own, seeded by its call and
its number, so that it is the same beside whatever others it stands (as far as padding leaves the floats alike). Loads
nothing before its first call. Knows nothing of journals, prices or rate limits.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judgegen.errors import ProviderRefused
from judgegen.llm import weights
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Usage, digest
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers import hugging_face_scores
from judgegen.llm.providers.hugging_face_scores import scores
from judgegen.llm.providers.listing import Listing

GATHERS_S = 0.02
"""How long a first call waits for others to stand beside it."""
_CACHE = "cache"
"""What transformers' newer releases call the keyword that the older, and any of 5, call past_key_values."""
_TAKES = frozenset({"temperature", "top_p", "top_k", "max_tokens", "seed", "n", "top_logprobs", "schema", "schema_as"})
_SCORES_TAKE = frozenset({"api", "raw"})


@dataclass(slots=True)
class _Loaded:
    """A model in memory."""

    model: Any
    tokenizer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One answer to be written: tokens of what is asked, and how it is drawn."""

    tokens: tuple[int, ...]
    seed: int
    most: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    logprobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One answer: its tokens, whether it came to its own end, and per token the logprobs that were asked for."""

    tokens: tuple[int, ...]
    ended: bool
    logprobs: tuple[Mapping[str, Any], ...] | None = None


@dataclass(slots=True)
class _Waiting:
    call: Call
    answer: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class InProcess:
    """Answers calls by models in this process; one batch at a time, of `slots` answers at most."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self._endpoint, self._name = endpoint, name
        self._loaded: dict[tuple[str, str], _Loaded] = {}
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._unpacked = tempfile.TemporaryDirectory(prefix="judgegen-weights-")

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer beside those that are asked now, too."""
        hugging_face_scores.check(call, self._name)
        takes = _TAKES if call.api == "chat" else _SCORES_TAKE
        if unknown := sorted(key for key in set(call.params) - takes if key not in call.wishes):
            raise ProviderRefused(
                f'endpoint {self._name} (provider = "transformers") cannot do {unknown[0]}; remove it, or serve the '
                f'model with vLLM and use provider = "openai" with its base_url'
            )
        if "schema" in call.params and "schema" not in call.wishes and call.params.get("schema_as") != "off":
            raise ProviderRefused(
                f'endpoint {self._name} (provider = "transformers") holds no answer to a schema; write schema = "off"'
            )
        waiting = _Waiting(call)
        self._waiting.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        await asyncio.sleep(GATHERS_S)
        while self._waiting:
            first = self._waiting[0].call
            taken, model = self._taken(first), (first.model, first.api)
            try:
                if model not in self._loaded:
                    self._loaded[model] = await asyncio.to_thread(self._load, *model)
                loaded, way = self._loaded[model], answers if first.api == "chat" else scores
                found = await asyncio.to_thread(way, loaded.model, loaded.tokenizer, [one.call for one in taken])
            except BaseException as error:
                for one in taken:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for one, outcome in zip(taken, found, strict=True):
                if not one.answer.done():
                    one.answer.set_result(outcome)

    def _taken(self, first: Call) -> list[_Waiting]:
        """The next calls to the first one's model, as many as there are places for their answers; one at least."""
        taken, places = list[_Waiting](), self._endpoint.slots
        for one in list(self._waiting):
            wanted = int(one.call.params.get("n", 1))
            if (one.call.model, one.call.api) != (first.model, first.api) or (taken and wanted > places):
                continue
            taken.append(one)
            self._waiting.remove(one)
            places -= wanted
        return taken

    def _load(self, model: str, api: str) -> _Loaded:
        weights.check_installed()
        lies = dict(self._endpoint.folders).get(model, model)
        folder = weights.folder_of(lies, Path(self._unpacked.name))
        made = weights.causal(folder) if api == "chat" else weights.scorer(folder)
        return _Loaded(model=made, tokenizer=weights.tokenizer(folder))

    async def aclose(self) -> None:
        """Let go of the weights."""
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
        self._loaded.clear()
        self._unpacked.cleanup()


def answers(model: Any, tokenizer: Any, calls: Sequence[Call]) -> list[Outcome]:
    """What the model says to each call; a Failure where the chat is longer than its context."""
    room = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    asked = [_asked(tokenizer, call) for call in calls]
    fits = [len(tokens) + (call.max_tokens or 0) <= room for tokens, call in zip(asked, calls, strict=True)]
    whose = [i for i, call in enumerate(calls) if fits[i] for _ in range(int(call.params.get("n", 1)))]
    rows = [
        row
        for call, tokens, fit in zip(calls, asked, fits, strict=True)
        if fit
        for row in rows_of(call, tokens, room - len(tokens))
    ]
    written = write(model, tokenizer, rows) if rows else []
    found: list[Outcome] = []
    for i, call in enumerate(calls):
        if not fits[i]:
            found.append(Failure(reason="too_long", detail=f"{len(asked[i])} tokens; the context has {room}"))
            continue
        mine = [one for one, owner in zip(written, whose, strict=True) if owner == i]
        usage = Usage(input=len(asked[i]), output=sum(len(one.tokens) for one in mine))
        choices = tuple(_choice(tokenizer, one) for one in mine)
        found.append(Reply(choices=choices, usage=usage, model=call.model))
    return found


def _asked(tokenizer: Any, call: Call) -> tuple[int, ...]:
    found = tokenizer.apply_chat_template(list(map(dict, call.messages)), add_generation_prompt=True, return_dict=True)
    return tuple(found["input_ids"])


def rows_of(call: Call, tokens: tuple[int, ...], room: int) -> list[Writing]:
    """A row for each of the answers that a call wants; where the model's folder lies is no part of their seeds."""
    params, asked = call.params, list(map(dict, call.messages))
    return [
        Writing(
            tokens=tokens,
            seed=int(digest([params.get("seed"), call.draw, asked, number], size=6), 16),
            most=min(call.max_tokens or room, room),
            temperature=float(params.get("temperature", 1.0)),
            top_p=float(params.get("top_p", 1.0)),
            top_k=int(params.get("top_k", 0) or 0),
            logprobs=int(params.get("top_logprobs") or 0),
        )
        for number in range(int(params.get("n", 1)))
    ]


def write(model: Any, tokenizer: Any, rows: Sequence[Writing]) -> list[Drawn]:
    """All rows in one batch, each drawn by its own generator: the largest of its logits and Gumbel noise.

    That is a draw from softmax (Gumbel 1954; Maddison, Tarlow and Minka 2014), and leaves the loop to transformers.
    """
    import torch

    width = max(len(row.tokens) for row in rows)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row.tokens)) + list(row.tokens) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row.tokens)) + [1] * len(row.tokens) for row in rows], device=model.device)
    drawing, ending = _Drawing(rows), _Ending(rows, width)
    with torch.inference_mode(), weights.quiet():
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            **_read(model, rows, ids, mask),
            max_new_tokens=max(row.most for row in rows),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=pad,
            logits_processor=[drawing],
            stopping_criteria=[ending],
        )
    ends = _ends(model, tokenizer)
    return [
        _written(tokenizer, row, [int(t) for t in out[width:]], ends, drawing.kept[i])
        for i, (row, out) in enumerate(zip(rows, made, strict=True))
    ]


def _read(model: Any, rows: Sequence[Writing], ids: Any, mask: Any) -> dict[str, Any]:
    """What rows that ask the same share, read once for all of them: the cache of all tokens but the last, by its name.

    Empty where no two ask the same, or the model remembers otherwise than by keys and values.
    """
    import torch

    places: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(rows):
        places.setdefault(row.tokens, i)
    if len(places) == len(rows) or ids.shape[1] < 2:
        return {}
    some, known = list(places.values()), mask[:, :-1]
    found = model(
        input_ids=ids[some, :-1],
        attention_mask=known[some],
        position_ids=(known[some].cumsum(-1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    ).past_key_values
    if not hasattr(found, "batch_select_indices"):
        return {}
    numbers = {tokens: number for number, tokens in enumerate(places)}
    found.batch_select_indices(torch.tensor([numbers[row.tokens] for row in rows], device=ids.device))
    return {_CACHE if _CACHE in inspect.signature(model.forward).parameters else "past_key_values": found}


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens with which an answer ends."""
    found = model.generation_config.eos_token_id
    several = found if isinstance(found, list) else [found]
    return frozenset(i for i in (*several, tokenizer.eos_token_id) if i is not None)


class _Drawing:
    """Puts each row's noise on its logits; keeps the logprobs that it is asked for.

    Rows that are drawn alike are computed at once: one by one they take a GPU longer than the model itself.
    """

    def __init__(self, rows: Sequence[Writing]) -> None:
        import torch

        self._rows = rows
        self._lots = [torch.Generator().manual_seed(row.seed) for row in rows]
        self._alike: dict[tuple[float, int, float], list[int]] = {}
        for i, row in enumerate(rows):
            if row.temperature > 0:
                self._alike.setdefault((row.temperature, row.top_k, row.top_p), []).append(i)
        self.kept: list[list[Any]] = [[] for _ in rows]

    def __call__(self, _: Any, scores: Any) -> Any:
        """What argmax then takes is drawn."""
        import torch

        drawn, wide = scores.clone(), scores.shape[-1]
        for i, row in enumerate(self._rows):
            if row.logprobs:
                self.kept[i].append(torch.log_softmax(scores[i].float(), dim=-1).cpu())
        for (temperature, top_k, top_p), places in self._alike.items():
            u = torch.stack([torch.rand(wide, generator=self._lots[i]) for i in places]).clamp_(1e-20, 1 - 1e-7)
            kept = _kept(scores[places].float() / temperature, top_k, top_p)
            drawn[places] = (kept - torch.log(-torch.log(u.to(scores.device)))).to(scores.dtype)
        return drawn


def _kept(logits: Any, top_k: int, top_p: float) -> Any:
    """Rows of logits with those out of top_k and top_p at minus infinity; the likeliest always stays."""
    import torch

    if not 0 < top_k < logits.shape[-1] and top_p >= 1:
        return logits
    ranked, order = torch.sort(logits, dim=-1, descending=True)
    out = torch.zeros_like(ranked, dtype=torch.bool)
    if 0 < top_k < logits.shape[-1]:
        out[:, top_k:] = True
    if top_p < 1:
        shares = torch.softmax(ranked.masked_fill(out, float("-inf")), dim=-1)
        out |= shares.cumsum(-1) - shares >= top_p
    return logits.masked_fill(out.scatter(-1, order, out), float("-inf"))


class _Ending:
    """Says of each row whether it has written as much as it may."""

    def __init__(self, rows: Sequence[Writing], width: int) -> None:
        self._most, self._width = [row.most for row in rows], width

    def __call__(self, ids: Any, _: Any, **__: Any) -> Any:
        """One truth value a row."""
        import torch

        return torch.tensor([ids.shape[1] - self._width >= most for most in self._most], device=ids.device)


def _written(tokenizer: Any, row: Writing, tokens: list[int], ends: frozenset[int], kept: Sequence[Any]) -> Drawn:
    """An answer up to its end; what stands behind it in the batch is padding."""
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    ended = end is not None and end < row.most
    said = tokens[: end if ended else row.most]
    if not row.logprobs:
        return Drawn(tokens=tuple(said), ended=ended)
    logprobs = tuple(_logprob(tokenizer, token, kept[i], row.logprobs) for i, token in enumerate(said))
    return Drawn(tokens=tuple(said), ended=ended, logprobs=logprobs)


def _logprob(tokenizer: Any, token: int, known: Any, top: int) -> dict[str, Any]:
    values, ids = known.topk(min(top, len(known)))
    every = [_named(tokenizer, int(i), float(v)) for v, i in zip(values, ids, strict=True)]
    return {**_named(tokenizer, token, float(known[token])), "top_logprobs": every}


def _named(tokenizer: Any, token: int, logprob: float) -> dict[str, Any]:
    return {"token": tokenizer.decode([token]), "logprob": logprob}


def _choice(tokenizer: Any, written: Drawn) -> Choice:
    text = tokenizer.decode(list(written.tokens), skip_special_tokens=True)
    return Choice(text=text, finish="stop" if written.ended else "length", logprobs=written.logprobs)


def _identity(_: Endpoint) -> str:
    return "transformers"


def _places(endpoint: Endpoint) -> int:
    return endpoint.max_concurrency


PROVIDER = Listing(name="transformers", connect=InProcess, url="", free=True, identity=_identity, places=_places)
