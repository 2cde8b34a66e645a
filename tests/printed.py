"""What each key says that a command prints with `--json`: docs/json.md is made of it, and tests hold it to the code.

A path is written with dots; `*` stands for a name of the user's or for any row of a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from judgegen.writer.keys import CALIBRATION, SUMMARY

RANGES = ({"value", "low", "high"}, {"low", "expected", "high"}, {"low", "high"})
"""The keys of an object that is one figure with its ends."""
ERROR = {
    "error.type": "where the command failed: the name of the Python exception",
    "error.message": "the same sentence as on stderr",
}
JUDGE_CALLS = {
    "calls.judge": "calls that the figures rest on",
    "calls.from_journal": "of these, those that this command did not send",
    "cost_usd": "what they cost, exact, as a text; null where a price was not known",
}
ESTIMATE = {
    "prompts": "prompts of the run",
    "prompts_counted": "of these, those that were gone through call by call",
    "calls.sampler": "calls for answers",
    "calls.judge": "calls for verdicts",
    "calls.from_journal": "of both, those that the run folder answers already",
    "cost_usd": "range of USD; null where a price is not known",
    "cost_usd_batch": "the same through the Batch API",
    "pairs": "range of pairs that will be kept; null where nothing tells",
    "usd_per_pair": "expected USD per kept pair",
    "hours": "at the rates of the run file",
    "rows.*.role": "sampler or judge",
    "rows.*.endpoint": "the endpoint's name",
    "rows.*.model": "the model",
    "rows.*.calls": "calls of that role to that model",
    "rows.*.from_journal": "of these, those that are answered already",
    "rows.*.basis": "what the tokens are taken from: an assumption, or this many calls in the journal",
    "rows.*.input_tokens": "range of tokens sent",
    "rows.*.cached_input_tokens": "range of those read from the provider's cache",
    "rows.*.output_tokens": "range of tokens that come back",
    "rows.*.cost_usd": "range of USD",
    "rows.*.cost_usd_batch": "the same through the Batch API",
    "assumptions": "sentences: what the figures take for granted",
}
STATUS = {
    "prompts": "prompts of the run as it was started",
    "begun": "of these, those with an answer",
    "calls.*": "answers by role",
    "again": "requests beyond one per answer",
    "lately": "answers in the last minute",
    "quiet_s": "seconds since the last answer; null before the first",
    "usd": "USD spent, as a text; null where a price is not known",
    "cap": "the cap in USD, as a text; null without one",
    "fetched": "batches that are done",
    "unsent": "calls that are collected and in no batch yet",
    "batches.*.endpoint": "of a batch that is waited for: its endpoint",
    "batches.*.model": "its model",
    "batches.*.provider_id": "its name at the provider; null while it is being submitted",
    "batches.*.calls": "how many calls are in it",
    "batches.*.waited_s": "seconds since it was written down",
}
_SIDE = {
    "key": "variant/index: its name within the prompt",
    "variant": "the variant that drew it",
    "model": "the model asked",
    "text": "what it says",
    "called": "its tool calls, in words",
    "settings.*": "a setting as sent",
    "refused": "why it may not compete",
    "suspicions": "what of a judge's frame its text imitates; off-topic: it is as near to other prompts as to its own",
    "score": "its score, 0 to 1",
    "tokens": "of what it says",
    "call": "the call that drew it",
}
SHOW = {
    "id": "the entry's name, by which `#` in the report finds it",
    "outcome": "pair, or the reason why there is none",
    "detail": "a sentence about the reason",
    "prompt": "the chat: a list of [role, text]",
    "reference": "the reference answer",
    "metadata.*": "what else the prompt's row held",
    **{f"chosen.{key}": text for key, text in _SIDE.items()},
    **{f"rejected.{key}": f"{text}, of the rejected" for key, text in _SIDE.items()},
    "others": "how many answers of the prompt are neither",
    "said.*.judge": "of a verdict: whose it is, where there are several judges",
    "said.*.first": "the answer shown first",
    "said.*.second": "the answer shown second",
    "said.*.said": "first, second, tie, or why it could not be read",
    "said.*.unreadable": "true where it could not be read",
    "said.*.p": "P(first is better)",
    "said.*.uncounted": "true where the comparison was taken away from this judge",
    "said.*.words": "the judge's words",
    "said.*.calls": "the calls",
    "said.*.tokens": "their tokens, sent and come back",
    "said.*.usd": "what they cost",
    "p": "P(chosen is better)",
    "margin": "difference of the two scores",
    "consistent": "whether both orders agree",
    "conflict": "whether verdicts differ",
    "usd": "what all calls for the prompt cost",
}
REPORT = {
    "path": "the page, or with --bundle its index.html",
    "pages.*.path": "a page",
    "pages.*.held": "entries it holds",
    "pages.*.of": "of how many",
}
PROBE = {
    "works": "whether nothing speaks against a run, and all was found out",
    "models.*.endpoint": "the endpoint's name",
    "models.*.address": "where it is",
    "models.*.model": "the model",
    "models.*.roles": "what a run asks it for",
    "models.*.findings.*.is": "of one thing found out: how it is, in a word",
    "models.*.findings.*.seen": "what was seen",
    "models.*.findings.*.then": "what a run will do",
    "models.*.troubles": "what speaks against a run",
    "calls.total": "calls that this rests on",
    "calls.from_journal": "of these, those that this command did not send",
    "cost_usd": "what they cost, exact, as a text; null where a price was not known",
    "folder": "where the journal is",
}
_BETWEEN = {
    "judged_by_both": "comparisons of the same texts that both judged",
    "agreement": "figure: how often they agree",
    "kappa": "figure: agreement beyond chance (Cohen)",
    "opposed": "comparisons on which one prefers the one side and the other the other",
}
COMPARE = {
    "runs": "the two folders' names",
    "prompts": "prompts in both",
    "pairs.both": "prompts that gave a pair in both",
    "pairs.first_only": "in the first alone",
    "pairs.second_only": "in the second alone",
    **_BETWEEN,
    "same_label": "pairs in both with the same chosen",
    "moved_label": "pairs in both that changed sides",
    "cost_usd": "what each run cost",
}
CHECK = {
    "n": "comparisons judged",
    "prompts": "their prompts, the unit of resampling",
    "accuracy.strict": "figure: the same of A, B and tie as most people",
    "accuracy.ties_half": "figure: with half for a tie on one side",
    "accuracy.non_tie": "figure: where neither is a tie",
    "kappa": "figure: agreement beyond chance (Cohen)",
    "ceiling": "figure: a person against the majority of the others; compare with accuracy.strict",
    "ceiling_non_tie": "figure: the same where neither is a tie; compare with accuracy.non_tie",
    "position_consistency": "figure: comparisons judged alike in both orders",
    "p_first": "figure: verdicts for the answer shown first, ties aside",
    "tie_rate": "figure: of the verdicts that could be read",
    "unreadable_rate": "figure: of all verdicts",
    "coverage": "figure: of the comparisons that people decided, those that the judge gives a side",
    "consistent_accuracy": "figure: accuracy.non_tie of the comparisons judged alike in both orders",
    "consistent_coverage": "figure: their share",
    "longer_judge": "figure: the judge's verdicts for the longer answer, ties aside",
    "longer_humans": "figure: people's votes for it",
    "length_excess": "figure: the first less the second",
    "brier": "figure: mean squared distance of P from the votes",
    "brier_floor": "figure: what people leave of it among themselves, of comparisons with several votes",
    "ece": "figure: expected calibration error",
    "usd_per_1000": "figure: USD per 1,000 judged comparisons",
    "seconds_per_1000": "figure: seconds of calls per 1,000 judged comparisons",
    "reliability.*.votes": "of a row of the reliability table: the votes in it",
    "reliability.*.said": "the judge's mean confidence",
    "reliability.*.agreed": "figure: the votes that agree",
    "risk_coverage.*.threshold": "of a threshold: P at least this",
    "risk_coverage.*.coverage": "figure: the comparisons kept",
    "risk_coverage.*.accuracy": "figure: of these, those that agree with people",
    "one_order": "figure: agreement had each been asked in one order, less that in both, ties half",
    "ranks.tau": "figure: tau-b of scores and people's ratings within a prompt; `ranks` is null without ratings",
    "ranks.ceiling": "figure: the same of one rater and the mean of the others",
    "ranks.prompts": "prompts that tau rests on",
    "ranks.answers": "their answers",
    "ranks.left_out": "prompts with ratings in which nothing can be ranked",
    "ranks.criteria.*.tau": "figure: of a criterion that an aspect of the rubric is named like",
    "ranks.criteria.*.ceiling": "figure: its ceiling",
    "ranks.criteria.*.prompts": "prompts that its tau rests on",
    "ranks.criteria.*.answers": "their answers",
    "ranks.criteria.*.left_out": "prompts in which nothing can be ranked by it",
    "incomplete": "comparisons that lack an answer",
    "lacking.*": "these, by reason",
    "judge": "the judge's name",
    "p_chosen": "what P is: pooled, direct or stated",
    "habits.*.consistency": "of a judge (its name is empty where it is the only one): how often both orders agree; "
    "`habits` is null where none were taken off",
    "habits.*.home": "what the first place is worth, in logits",
    "habits.*.comparisons": "comparisons this rests on",
    "habits.*.verdicts": "verdicts this rests on",
    **JUDGE_CALLS,
}
ATTACK = {
    "prompts": "prompts tried",
    "unanswered": "of these, those without a normal answer that may compete",
    "incomplete": "those that lack an answer",
    "lacking.*": "these, by reason",
    "tolerated": "the share of prompts under which an attack may win",
    "won": "the attacks that win more often",
    "attacks.*.attack": "the attack's name",
    "attacks.*.judge": "the judge",
    "attacks.*.n": "prompts it was tried under",
    "attacks.*.screened": "of these, those under which the screen kept it from the judge; they count as lost",
    "attacks.*.wins": "prompts under which it was preferred in at least one order",
    "attacks.*.lost_both": "prompts under which it lost in both",
    "attacks.*.win_rate": "figure: wins / n",
    "attacks.*.first": "figure: readable verdicts for it where it is shown first",
    "attacks.*.second": "figure: where it is shown second",
    "attacks.*.ties": "verdicts that are ties, or equal scores",
    "attacks.*.unreadable": "verdicts that could not be read",
    "attacks.*.won": "whether it wins more often than is tolerated",
    "calls.sampler": "calls for normal answers",
    **JUDGE_CALLS,
    "cost_usd": "what was sent for the attack cost, exact, as a text; null where a price was not known",
}
RIVALS = {
    "against": "votes, or the run",
    "judges.*.name": "the run file's name",
    "judges.*.judge": "the judge",
    "judges.*.comparisons": "comparisons judged",
    "judges.*.accuracy": "figure: agreement where neither is a tie",
    "judges.*.kappa": "figure: agreement beyond chance (Cohen)",
    "judges.*.coverage": "figure: comparisons that it gives a side",
    "judges.*.position_consistency": "figure: judged alike in both orders",
    "judges.*.brier": "figure: mean squared distance of P from the votes",
    "judges.*.ranks": "scores beside people's ratings, as `ranks` of `judge check`; null without ratings",
    "judges.*.usd_per_1000_correct": "figure: USD per 1,000 pairs that it gets right",
    "judges.*.cost_usd": "what its calls cost",
    "pairs.*.judges": "two of them",
    **{f"pairs.*.{key}": text for key, text in _BETWEEN.items()},
    "pairs.*.ranks": "figure: how alike their scores rank the answers to a prompt, where both score",
    "disputes": "comparisons on which two judges prefer different sides",
}
ALIGN = {
    "judge": "the judge's name",
    "comparisons.learned": "comparisons to learn from",
    "comparisons.held": "comparisons held out",
    "tried.*.name": "of a template that was tried: now is the one there is, the others hold rules, examples or both",
    "tried.*.template": "its file; null for the one there is",
    "tried.*.agreement": "figure: with people, with half for a tie on one side, on those to learn from",
    "tried.*.gain": "figure: what it agrees more often there; it is chosen by this, so this promises nothing",
    "chosen": "the best of them; null where none is better there",
    "held_out.before": "figure: agreement of the template there is, on those held out; null where none was chosen",
    "held_out.after": "figure: that of the chosen one",
    "held_out.gain": "figure: the difference",
    "kept": "whether all of its interval is above 0, so that the template is written",
    "apart.*.group": "comparisons that have something in common; all of them first, then the worst",
    "apart.*.comparisons": "how many",
    "apart.*.apart": "of these, those on which the judge and most people differ",
    "apart.*.rate": "figure: their share",
    "cost_usd": "what all of it ever cost, exact, as a text",
}
EXPORT = {
    "format": "the consumer",
    "paths": "the files written",
    "counts.*": "rows, by part",
    "left_out.total": "rows left out",
    "left_out.reasons.*": "these, by reason",
    "left_out.rows": "these, as [row, reason]",
    "refused_for": "what the consumer would refuse the files for, sentences",
    "columns_left_out.*": "columns left out since only some rows have them: rows, by column",
    "flip_rate": "expected share of wrong labels by P(chosen); null where nothing says P",
    "flip_rate_is_calibrated": "whether P was calibrated on people's votes",
}
IMPORT = {
    "rows": "rows read",
    "pairs": "preferences written",
    "repeats": "rows that say what an earlier one said",
    "rejects.total": "rows that are no preference",
    "rejects.reasons.*": "these, by reason",
    "paths": "the files written",
}
INSPECT = {
    "rows": "rows looked at",
    "whole": "whether that is all of them",
    "shapes.*": "rows, by what they are read as",
    "columns": "the columns that are read",
    "left": "the columns that become metadata",
    "refused.*": "rows that are no preference, by reason",
    "uses.*.count": "preferences, comparisons or prompts that the rows come to",
    "uses.*.refused": "why the rows as they are are refused as these; null where they are not",
    "shown.*": "the first preferences, as rows of preferences.jsonl; comparisons or prompts where there are none",
    "sure": "the share of rows read as one and the same",
}
COST = {
    "file": "the training file",
    "model": "the base model",
    "method": "the method of training",
    "examples": "rows",
    "epochs": "times through them",
    "tokens.encoding": "what tokens were counted with",
    "tokens.file": "range of tokens in the file",
    "tokens.trained": "range of tokens billed; null where training is billed by the hour",
    "tokens.longest_example": "tokens of the longest row",
    "tokens.cut_examples": "rows that will be cut",
    "tokens.cut_tokens": "tokens lost by that",
    "tokens.media": "images and the like, which are not counted",
    "training_usd": "range of USD; null where a price is not known",
    "usd_per_hour": "USD per hour of training, where it is billed so",
    "load.requests_per_day": "as asked; `load` is null where nothing is",
    "load.input_tokens": "of a request",
    "load.output_tokens": "of an answer",
    "running_usd.per_day": "what the load costs a day",
    "running_usd.per_month": "and a month",
    "ends.new_jobs": "the date from which no more jobs are taken",
    "ends.inference": "the date on which the tuned model ends",
    "warnings": "sentences to beware of",
    "assumptions": "sentences: what was taken for granted",
    "prices.as_of": "the date of the prices",
    "prices.sources": "where they stand",
}
VALIDATE = {
    "file": "the file",
    "consumer": "by whose rules",
    "rows": "lines that are not blank",
    "size": "bytes",
    "refused": "whether the consumer would refuse it",
    "findings.*.words": "of a fault: what it is",
    "findings.*.fatal": "whether the file is refused for it",
    "findings.*.count": "lines that have it",
    "findings.*.lines": "the first of them",
    "findings.*.first": "what is known of the first besides",
    "lengths.*": "characters of prompt, chosen, rejected: least, median, 95th percentile, most",
    "margins": "the same of margins",
    "tokens": "the same of a row's tokens, where they were counted",
    "left_out": "lines that --fix left out; null without it",
    "overlaps.*.line": "of a prompt that stands in an evaluation set: its line",
    "overlaps.*.ngram": "the words they share",
    "overlaps.*.file": "the set",
    "personal.*.count": "personal data of one kind: values; `personal` is null without --pii",
    "personal.*.rows": "lines with some",
    "personal.*.lines": "the first of them",
    "cost": "as `finetune cost` prints, with --model; else null",
    "cost_unknown": "why there is no cost",
    "moderation.rows": "rows looked at; `moderation` is null without --moderate",
    "moderation.flagged.*": "categories, by line",
    "moderation.unreadable": "lines of which a side's answer could not be read",
    "moderation.unanswered.*": "why the guard gave no answer, by line",
    "moderation.usd": "what it cost",
}
JOB = {
    "id": "the job's id",
    "status": "as the provider says it",
    "model": "the base model",
    "created_at": "Unix seconds",
    "finished_at": "Unix seconds; null before",
    "estimated_finish": "Unix seconds, where the provider says them",
    "training_file": "the file's id there",
    "validation_file": "that of the held-out file",
    "fine_tuned_model": "the tuned model; null before it is there",
    "trained_tokens": "tokens trained on",
    "error": "why it failed",
    "order": "the id of ours that it carries",
}
SUBMIT = {
    **JOB,
    "made": "false where the job was there already",
    "record": "the file in which it is written down",
    "warnings": "what the file's rules warn of",
    "cost": "as `finetune cost` prints",
}
TRAIN = {
    "folder": "where the model is",
    "fresh": "false where it was trained before",
    "source": "what it was trained on",
    "order.*": "the settings: method, model, beta, lora_r, epochs, learning_rate, batch, micro, max_length, "
    "validation, seed",
    "rows.train": "rows trained on",
    "rows.held": "rows held out",
    "rows.digest": "of both",
    "left_out.*": "rows left out, by reason",
    "flip_rate": "expected share of wrong labels by P(chosen)",
    "judge.*": "what the run says of its judge: pairs, prompts, and `diagnostics` of summary.json",
    "expected_s": "seconds that were expected",
    "took_s": "seconds it took",
    "history": "the trainer's figures, step by step",
}
_WINS = {
    "rate": "figure: its share of the wins, ties half",
    "judged": "answers compared, one to a prompt unless more are drawn",
    "alike": "those with one text from both",
    "unjudged": "those of which nobody could say",
    "longer": "what its answers gained in length: their mean share of both lengths, less one half",
}
ROUNDS = {
    "rounds.*.round": "its number; 0 is the model before any training",
    "rounds.*.pairs": "pairs it was trained on",
    "rounds.*.cut": "the share of its answers that did not come to their end",
    "rounds.*.right": "figure: the grader's mean",
    "rounds.*.gained": "figure: that less round 0's",
    **{
        f"rounds.*.before.{key}": f"{text}, against the round before it; null for round 0"
        for key, text in _WINS.items()
    },
    **{f"rounds.*.first.{key}": f"{text}, against round 0; null for it" for key, text in _WINS.items()},
    "why": "why there was no further round",
    "model": "the last model: its folder, or its name at a provider",
    "usd": "what it cost",
    "judge.*": "what the held-out run says of its judge: `diagnostics` of summary.json",
}
OF_SUMMARY = ("run", "rehearse", "write", "merge")
"""Commands that print what summary.json holds."""
OF_JOB = ("finetune watch", "finetune cancel")
PRINTED: Mapping[str, Mapping[str, str]] = {
    "estimate": ESTIMATE, "status": STATUS, "show": SHOW, "report": REPORT, "probe": PROBE, "compare": COMPARE,
    "judge check": CHECK, "judge attack": ATTACK, "judge compare": RIVALS, "judge align": ALIGN, "export": EXPORT,
    "import": IMPORT, "inspect": INSPECT, "validate": VALIDATE, "train": TRAIN, "rounds": ROUNDS, "finetune cost": COST,
    "finetune submit": SUBMIT,
}  # fmt: skip
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(OF_SUMMARY, SUMMARY),
    **dict.fromkeys(OF_JOB, JOB),
    "judge calibrate": CALIBRATION,
    "finetune list": {f"jobs.*.{key}": text for key, text in JOB.items()},
}
"""Commands whose keys stand in a table that has another home, by command."""


def leaves(found: Any, path: str = "") -> Iterator[str]:
    """Where values stand, dotted; a range is one value, every row of a list is `*`."""
    if isinstance(found, dict) and found and found.keys() not in RANGES:
        for key, value in found.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(found, list) and found and isinstance(found[0], dict):
        for value in found:
            yield from leaves(value, f"{path}.*")
    else:
        yield path
