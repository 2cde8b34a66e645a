"""What the keys of preferences.jsonl and of summary.json say, one sentence each. A test holds them to what is written.

A path is written with dots; `*` stands for a name of yours or for any row of a list. Knows nothing of values.
"""

from __future__ import annotations

from collections.abc import Mapping

_SPENT: Mapping[str, str] = {
    "calls": "paid calls",
    "input": "tokens sent, cached ones included",
    "cached": "of these, read from the provider's cache",
    "cache_write": "of these, written to it",
    "output": "tokens that came back, thought included",
    "reasoning": "of these, thought",
    "cost_usd": "USD, exact, as a text; null where a price was not known",
}
PREFERENCES: Mapping[str, str] = {
    "prompt_id": "the prompt's id; of a prompt without one, a name made of its content",
    "prompt": "what was asked: a list of messages with role and content",
    "chosen": "the better answer: a list of one message",
    "rejected": "the worse answer: a list of one message",
    "p_chosen": "probability that the chosen is better, by the judges; null where nobody judged",
    "margin": "difference of the two answers' scores, 0 to 1; null where nobody judged",
    "consistent": "whether both orders name this winner; null where one was asked",
    "tokens": "of the prompt as a chat, and of what each side says, by the sampler's tokenizer",
    "cost_usd": "what all calls for this prompt cost: sampling, judging, total; exact, as texts",
    "chosen_from": "the chosen's variant, its number there, model, call and the settings that were sent",
    "rejected_from": "the same of the rejected",
    "verdict_calls": "ids of the judges' calls that the label rests on",
    "tools": "the tool definitions, where the prompt brought some",
    "reference": "the reference answer, where the prompt brought one",
    "metadata": "what else the prompt's row held, where it held something",
}
SUMMARY: Mapping[str, str] = {
    "prompts": "prompts that went in",
    "pairs": "pairs that came out",
    "drops.*": "prompts without a pair, by reason",
    "candidates.total": "answers drawn",
    "candidates.refused.*": "answers that may not compete, by reason",
    "suspicions.*": "answers that imitate a part of the judge's frame, by part",
    "calls.sampler": "calls to samplers that the run rests on",
    "calls.judge": "calls to judges that the run rests on",
    "calls.from_journal": "calls that were not paid for, since the journal had their answer",
    "unreadable": "verdicts that could not be read",
    "tokens.*": "tokens of all paid calls: input, cached, output, reasoning",
    "cost_usd.sampler": "USD for samplers, exact, as a text",
    "cost_usd.judge": "USD for judges",
    "cost_usd.total": "USD in all",
    "by_model.*.role": "sampler or judge",
    "by_model.*.model": "the model that was asked",
    **{f"by_model.*.{key}": text for key, text in _SPENT.items()},
    "spend.*.role": "sampler or judge",
    "spend.*.model": "the model that was asked",
    "spend.*.variant": "the variant; null for a judge",
    "spend.*.day": "the UTC date of the answers; null where none is known",
    **{f"spend.*.{key}": text for key, text in _SPENT.items()},
    "by_variant.*.candidates": "answers that the variant gave",
    "by_variant.*.refused": "of these, those that may not compete",
    "by_variant.*.chosen": "pairs whose chosen answer is of it",
    "by_variant.*.rejected": "pairs whose rejected answer is of it",
    "by_variant.*.win_rate": "mean probability that its answers win a comparison; null without one",
    "by_variant.*.cost_usd": "USD for its answers",
    "diagnostics.flip_rate": "of the comparisons decided in both orders, those whose winner changed with the order",
    "diagnostics.p_first": "of the verdicts that name a winner, those that name the answer shown first",
    "diagnostics.tie_rate": "of the readable verdicts, those that call a tie",
    "diagnostics.near_tie_share": "of the comparisons, those whose probability is within 0.05 of one half",
    "diagnostics.unreadable_rate": "of the verdicts, those that could not be read",
    "diagnostics.longer_chosen": "of the pairs of unequal length, those whose chosen answer is the longer one",
    "lacking.*.why": "why prompts lack answers; empty for those not asked for yet",
    "lacking.*.prompts": "how many lack them for this reason",
    "judging.*": "what a schedule, an escalation or a grader spared or came to, by count",
    "formats.*.rows": "rows of this consumer's file",
    "formats.*.left_out.*": "preferences that it cannot take, by reason",
    "constants.*.text": "how a text begins that was chosen under several prompts",
    "constants.*.prompts": "under how many",
    "constants.*.barred": "whether it was barred from pairs for that",
}
