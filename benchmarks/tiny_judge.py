"""A judge small enough to be trained here from nothing, to tell which answer is in capital letters (lessons.py).

What takes a model of this size long is to find an answer by its label; so it is taught that first, on a few lines, then
on whole sheets, and then all of what it will be asked.
"""

from __future__ import annotations

import itertools
import random
import re
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lessons import ANSWERS, HELD, WORDS, Lesson, Maker, frames, stages

WIDTH, DEEP, HEADS, BATCH = 64, 3, 2, 48
RATE = 2e-3
ENOUGH = 0.9
"""Right of the last fifty batches' answers: the next stage begins."""
_END, _REPLY, _UNKNOWN = "<|end|>", "<|reply|>", "<|unknown|>"


def spelled() -> Any:
    """A tokenizer that knows the words around answers; what else there is begins with two letters and goes on by one.

    So a letter alone, such as a label, is a token that no word has.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    around = sorted({word for text in frames() for word in re.findall("[A-Za-z]+", text)})
    low, high = string.ascii_lowercase, string.ascii_uppercase
    begun = [one + two for ones, twos in ((low, low), (high, high), (high, low)) for one in ones for two in twos]
    alone = [*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n"]
    pieces = [_END, _REPLY, _UNKNOWN, *alone, *(f"##{letter}" for letter in string.ascii_letters), *begun, *around]
    known = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(known, unk_token=_UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[A-Za-z]+|[^A-Za-z]"), "isolated")
    made.decoder = decoders.Fuse()
    template = "{% for message in messages %}{{ message.content }}{% endfor %}" + _REPLY
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=_END,
        pad_token=_END,
        unk_token=_UNKNOWN,
        additional_special_tokens=[_REPLY],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def blank(tokenizer: Any) -> Any:
    """A model that knows nothing.

    Equal tokens attend to one another from the start, and all tokens to those near them: without either, finding an
    answer by its label did not begin within the minutes that there are.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=DEEP,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
        model.model.embed_tokens.weight += 0.1 * torch.randn(WIDTH)
    return model


def whole(group: Sequence[Lesson]) -> bool:
    """Whether a group is of a whole sheet: long, and of many lessons."""
    return len(group) > ANSWERS


def _batch(before: Sequence[tuple[Maker, ...]], lot: random.Random) -> list[list[Lesson]]:
    """Three lessons in four of the stage that has been reached, the rest of any so far; whole sheets count twice."""
    groups: list[list[Lesson]] = []
    while sum(1 + whole(group) for group in groups) < BATCH:
        stage = before[-1] if lot.random() < 0.75 else lot.choice(before)
        groups.append(lot.choice(stage)(lot))
    return groups


def packed(tokenizer: Any, groups: Sequence[Sequence[Lesson]]) -> dict[str, Any]:
    """What the lessons of a group begin with once, then the rest of each, which sees the beginning and itself."""
    import torch

    rows = [_row(tokenizer, group) for group in groups]
    longest = max(len(row[0]) for row in rows)
    ids, places, whose, wanted = (
        torch.tensor([[*row[part], *[empty] * (longest - len(row[part]))] for row in rows])
        for part, empty in enumerate((0, 0, -1, -100))
    )
    seen = (whose[:, None, :] == 0) | (whose[:, None, :] == whose[:, :, None])
    seen &= torch.ones(longest, longest, dtype=torch.bool).tril()
    return {"ids": ids, "places": places, "seen": seen[:, None], "whose": whose, "wanted": wanted}


def _row(tokenizer: Any, group: Sequence[Lesson]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Token ids, places, which lesson each is of (0 of all), and what is to be learned (-100 for nothing)."""
    asked = [
        tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=True, return_dict=False)
        for messages, _ in group
    ]
    alike = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*asked, strict=False))
    shared = min(sum(1 for _ in alike), min(map(len, asked)) - 1)
    ids, places, whose, wanted = list(asked[0][:shared]), list(range(shared)), [0] * shared, [-100] * shared
    for number, (said, (_, reply)) in enumerate(zip(asked, group, strict=True), 1):
        answer = [*tokenizer.encode(reply, add_special_tokens=False), tokenizer.eos_token_id]
        rest = [*said[shared:], *answer]
        ids += rest
        places += range(shared, shared + len(rest))
        whose += [number] * len(rest)
        wanted += [-100] * (len(rest) - len(answer)) + answer
    return ids, places, whose, wanted


def read(model: Any, given: dict[str, Any]) -> tuple[Any, float]:
    """The loss of a lesson, all tokens of its reply together, and the share of lessons that are answered rightly."""
    import torch

    wanted, whose = given["wanted"][:, 1:], given["whose"][:, 1:]
    learned = wanted != -100
    states = model.model(
        input_ids=given["ids"], position_ids=given["places"], attention_mask=given["seen"]
    ).last_hidden_state
    foretold = model.lm_head(states[:, :-1][learned]).float()
    lesson = whose[learned] + 1000 * learned.nonzero()[:, 0]
    names, which = lesson.unique(return_inverse=True)
    wrong = torch.zeros(len(names)).index_add_(0, which, (foretold.argmax(-1) != wanted[learned]).float())
    loss = torch.nn.functional.cross_entropy(foretold, wanted[learned], reduction="sum") / len(names)
    return loss, float((wrong == 0).float().mean())


def taught(folder: Path, steps: int) -> None:
    """The judge, trained on one core; into `folder`."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    kinds = [kind for kind in WORDS if kind not in HELD]
    tokenizer, taught_in_turn, lot = spelled(), stages(kinds), random.Random(1)
    model = blank(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    now, known = 0, list[tuple[float, int]]()
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = RATE * min(step / 100, 1, 4 * (1 - step / steps) + 0.01)
        groups = _batch(taught_in_turn[: now + 1], lot)
        for alike in filter(None, ([g for g in groups if whole(g)], [g for g in groups if not whole(g)])):
            loss, right = read(model, packed(tokenizer, alike))
            (loss * len(alike) / len(groups)).backward()
            known.append((right, len(alike)))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            mean = sum(right * size for right, size in known) / sum(size for _, size in known)
            known = []
            print(f"step {step} of {steps}: stage {now}, {mean:.3f} right", file=sys.stderr, flush=True)
            now += mean > ENOUGH and now < len(taught_in_turn) - 1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
