"""Whether a server's counts of tokens can be so: more output than allowed, far more or far less input than was sent.

Said once for each model; a count that cannot be is a bill that cannot be, or a prompt that was cut. Knows no prices.
"""

from __future__ import annotations

from collections import Counter

from judgegen.llm.calls import Call, Outcome, Send, Usage
from judgegen.llm.tokens import count_messages
from judgegen.watch import Watch

LOOKS = 8
"""Answers of each model whose input is counted here too; counting all of them would take longer than it is worth."""
_SHORT = 512
"""Tokens below which tokenizers and chat templates differ too much to say anything of a count that is too low."""


def plausible(send: Send, watch: Watch) -> Send:
    """Says what a server's counts show, as soon as they do."""
    looked: Counter[tuple[str, str]] = Counter()
    said: set[tuple[str, str, str]] = set()

    async def plausible_send(call: Call) -> Outcome:
        outcome = await send(call)
        who = (call.tag.route, call.model)
        looked[who] += 1
        for kind, words in found(call, outcome.usage, count_input=looked[who] <= LOOKS).items():
            if (*who, kind) not in said:
                said.add((*who, kind))
                watch.warned(f"{call.endpoint}, {call.model}: {words}")
        return outcome

    return plausible_send


def found(call: Call, usage: Usage, *, count_input: bool) -> dict[str, str]:
    """What is odd about the server's own counts for `call`, in words by kind."""
    odd: dict[str, str] = {}
    if usage.estimated:
        return {
            "absent": "the server tells no counts of tokens that can be; all are counted here, and the spend by them"
        }
    most = None if call.most_tokens is None else call.most_tokens * int(call.params.get("n", 1))
    if most is not None and usage.output > most:
        odd["output"] = f"the server bills {usage.output:,} tokens of output where max_tokens allows {most:,}"
    if not count_input or not usage.input or any(not isinstance(m.get("content"), str) for m in call.messages):
        return odd
    ours = count_messages(call.said, tools=call.params.get("tools", ()))
    if usage.input > 2 * ours + 64:
        odd["more"] = f"the server bills {usage.input:,} tokens of input where {ours:,} were sent by our count"
    if ours > _SHORT and usage.input * 2 < ours:
        odd["fewer"] = (
            f"the server counts {usage.input:,} tokens of input where about {ours:,} were sent: its context seems "
            f"to be shorter and to cut prompts in silence; serve the model with a longer one, or send shorter prompts"
        )
    return odd
