"""Rows of the shapes that others publish, with our own words in them; and rows of theirs that are no preference."""

from __future__ import annotations

import json
from typing import Any

Row = dict[str, Any]
Q, GOOD, BAD = "Is 91 prime?", "No, it is 7 times 13.", "Yes."


def chat(*said: str) -> list[Row]:
    return [{"role": ("user", "assistant")[place % 2], "content": words} for place, words in enumerate(said)]


def turns(*said: str) -> list[Row]:
    return [{"from": ("human", "gpt")[place % 2], "value": words} for place, words in enumerate(said)]


def marks(*said: str) -> str:
    return "".join(f"\n\n{('Human', 'Assistant')[place % 2]}: {words}" for place, words in enumerate(said))


WHOLE = {"chosen": chat(Q, GOOD), "rejected": chat(Q, BAD)}
TEXTS = {"chosen": GOOD, "rejected": BAD}
BOTH = {"response_a": BAD, "response_b": GOOD}
SHAPES: dict[str, Row] = {
    "whole chats": WHOLE,
    "chats as JSON": {side: json.dumps(value) for side, value in WHOLE.items()},
    "chats as repr": {side: repr(value) for side, value in WHOLE.items()},
    "ultrafeedback binarized": WHOLE | {"prompt": Q, "messages": chat(Q, GOOD), "score_chosen": 8, "score_rejected": 5},
    "argilla first": {
        "instruction": Q,
        "chosen_response": GOOD,
        "rejected_response": BAD,
        "chosen_avg_rating": 4.5,
        "rejected_avg_rating": 2.0,
        "chosen_model": "m",
    },
    "argilla cleaned": WHOLE | {"prompt": Q, "chosen-rating": 4.5, "rejected-rating": 2, "chosen-model": "m"},
    "orca": TEXTS | {"system": "", "question": Q},
    "reward bench": TEXTS | {"prompt": Q, "chosen_model": "m", "rejected_model": "n", "subset": "s", "id": 3},
    "reward bench 2": {"prompt": Q, "chosen": [GOOD], "rejected": [BAD], "num_correct": 1, "subset": "Math"},
    "alpaca": TEXTS | {"instruction": "Is 91 prime?", "input": ""},
    "sharegpt": {
        "conversations": turns(Q),
        "chosen": {"from": "gpt", "value": GOOD},
        "rejected": {"from": "gpt", "value": BAD},
    },
    "swift": {"messages": chat(Q, GOOD), "rejected_response": BAD},
    "swift before": {"query": Q, "response": GOOD, "rejected_response": BAD},
    "axolotl": {"messages": chat(Q), "chosen": chat("", GOOD)[1], "rejected": chat("", BAD)[1]},
    "fireworks": {side: {"messages": value} for side, value in WHOLE.items()},
    "openai": {
        "input": {"messages": chat(Q)},
        "preferred_output": chat("", GOOD)[1:],
        "non_preferred_output": chat("", BAD)[1:],
    },
    "hh": {"chosen": marks(Q, GOOD), "rejected": marks(Q, BAD)},
    "rm static": {"prompt": marks(Q, ""), "response": f" {GOOD}", "chosen": f" {GOOD}", "rejected": f" {BAD}"},
    "spreadsheet": {"Prompt": Q, "Response": GOOD, "Rejected Response": BAD},
    "winner B": BOTH | {"prompt": Q, "winner": "B"},
    "winner b": BOTH | {"question": Q, "winner": "model_b", "model_a": "x", "model_b": "y"},
    "winner by model": BOTH | {"prompt": Q, "winner": "y", "model_a": "x", "model_b": "y"},
    "votes": BOTH | {"prompt": Q, "votes": ["B", "tie", "B"]},
    "judgebench": {"question": Q, "response_A": BAD, "response_B": GOOD, "label": "B>A", "pair_id": "j"},
    "llmbar": {"input": Q, "output_1": BAD, "output_2": GOOD, "label": 2},
    "arena conversations": {
        "conversation_a": chat(Q, BAD),
        "conversation_b": chat(Q, GOOD),
        "winner": "model_b",
        "turn": 1,
    },
    "arena 140k": {
        f"conversation_{side}": [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in one]
        for side, one in (("a", chat(Q, BAD)), ("b", chat(Q, GOOD)))
    }
    | {"winner": "model_b", "evaluation_order": 1},
    "mt bench, first turn": {
        "conversation_a": chat(Q, BAD, "Sure?", "Yes."),
        "conversation_b": chat(Q, GOOD, "Sure?", "Yes."),
        "winner": "model_b",
        "turn": 1,
        "judge": "expert_1",
    },
    "arena 55k": {
        "prompt": json.dumps([Q]),
        "response_a": json.dumps([BAD]),
        "response_b": json.dumps([GOOD]),
        "winner_model_a": 0,
        "winner_model_b": 1,
        "winner_tie": 0,
    },
    "safe rlhf": {
        "prompt": Q,
        "response_0": BAD,
        "response_1": GOOD,
        "better_response_id": 1,
        "safer_response_id": 1,
        "is_response_0_safe": True,
    },
    "helpsteer3": {"context": chat(Q), "response1": BAD, "response2": GOOD, "overall_preference": 1},
    "helpsteer2 preference": {"prompt": Q, "response_1": BAD, "response_2": GOOD, "preference_strength": 2},
    "shp": {"history": Q, "human_ref_A": BAD, "human_ref_B": GOOD, "labels": 0, "score_A": 3, "score_B": 9},
    "webgpt": {"question": {"full_text": Q}, "answer_0": BAD, "answer_1": GOOD, "score_0": -1.0, "score_1": 1.0},
    "summaries": {"info": {"post": Q}, "summaries": [{"text": BAD}, {"text": GOOD}], "choice": 1, "split": "train"},
    "nectar": {
        "prompt": marks(Q, ""),
        "answers": [{"answer": GOOD, "rank": 1.0, "model": "m"}, {"answer": BAD, "rank": 2.0, "model": "n"}],
        "turns": 1,
    },
    "ultrafeedback": {
        "instruction": Q,
        "models": ["m", "n"],
        "completions": [
            {"response": BAD, "fine-grained_score": 2.0, "overall_score": 4.0, "model": "n"},
            {"response": GOOD, "fine-grained_score": 4.5, "overall_score": 9.0, "model": "m"},
        ],
    },
    "responses and scores": {"prompt": Q, "responses": [BAD, GOOD], "scores": [1, 3]},
    "nemo": {
        "context": chat(Q),
        "completions": [
            {"rank": 1, "completion": chat("", BAD)[1:]},
            {"rank": 0, "completion": chat("", GOOD)[1:]},
        ],
    },
    "tinker": {
        "comparison": {
            "prompt_conversation": chat(Q),
            "completion_A": chat("", BAD)[1:],
            "completion_B": chat("", GOOD)[1:],
        },
        "label": "B",
    },
    "label studio": {
        "id": 1,
        "data": {"prompt": Q, "answer1": BAD, "answer2": GOOD},
        "annotations": [{"result": [{"type": "pairwise", "value": {"selected": "right"}}]}],
    },
    "argilla record": {
        "id": "r",
        "fields": {"prompt": Q, "response_a": BAD, "response_b": GOOD},
        "responses": {"preference": [{"value": "B", "status": "submitted"}, {"value": "A", "status": "draft"}]},
    },
    "unified feedback": {
        "conv_A": chat(Q, BAD),
        "conv_B": chat(Q, GOOD),
        "conv_A_rating": 1.0,
        "conv_B_rating": 3.0,
    },
    "comparia": {
        "opening_msg": Q,
        "conversation_a": chat(Q, BAD),
        "conversation_b": chat(Q, GOOD),
        "model_a_name": "x",
        "model_b_name": "y",
        "chosen_model_name": "y",
        "both_equal": False,
    },
    "alpaca eval": {
        "instruction": Q,
        "output_1": BAD,
        "output_2": GOOD,
        "generator_1": "x",
        "generator_2": "y",
        "preference": 1.9998,
    },
    "openpipe": {"messages": chat(Q, GOOD), "rejected_message": chat(Q, BAD)[1], "split": "TRAIN"},
    "an answer that nobody rated": {
        "instruction": Q,
        "generations": [BAD, "Perhaps.", GOOD],
        "ratings": [1, None, 5],
    },
    "label studio before 1.0": {
        "id": 1,
        "completions": [{"result": [{"value": {"selected": "right"}, "type": "pairwise"}]}],
        "data": {"prompt": Q, "response_a": BAD, "response_b": GOOD},
    },
    "label studio ranker": {
        "data": {
            "prompt": Q,
            "items": [{"id": "x", "title": "1", "body": BAD}, {"id": "y", "title": "2", "body": GOOD}],
        },
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": ["y", "x"]}}]}],
    },
    "label studio ranker, by its name": {
        "data": {"prompt": Q, "items": [{"id": 1, "body": BAD}, {"id": 2, "body": GOOD}]},
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": {"rank": ["2", "1"], "_": []}}}]}],
    },
    "label studio, the least of it": {
        "prompt": Q,
        "answer1": BAD,
        "answer2": GOOD,
        "comparison": "right",
        "annotator": 1,
    },
    "argilla before 2, a choice": {
        "instruction": Q,
        "response-1": BAD,
        "response-2": GOOD,
        "choose-best": [
            {"user_id": "u", "value": 2, "status": "submitted"},
            {"user_id": "v", "value": 1, "status": "discarded"},
        ],
        "choose-best-suggestion": 1,
        "external_id": None,
    },
    "argilla before 2, in Parquet": {
        "instruction": Q,
        "response-1": BAD,
        "response-2": GOOD,
        "choose-best": {"user_id": ["u"], "value": [2], "status": ["submitted"]},
    },
    "argilla before 2, a ranking": {
        "prompt": Q,
        "reply_1": BAD,
        "reply_2": GOOD,
        "reply-ranking": [
            {"user_id": "u", "value": {"rank": [2, 1], "value": ["reply-1", "reply-2"]}, "status": "submitted"}
        ],
    },
    "argilla since 2, as columns": {
        "prompt": Q,
        "response_a": BAD,
        "response_b": GOOD,
        "preference.responses": ["response_b", "response_a"],
        "preference.responses.users": ["u", "v"],
        "preference.responses.status": ["submitted", "draft"],
    },
    "argilla since 2, a label of one answer": {
        "prompt": Q,
        "response": BAD,
        "label.responses": ["bad", "good"],
        "label.responses.users": ["u", "v"],
        "label.responses.status": ["submitted", "discarded"],
    },
    "argilla since 2, ratings": {
        "instruction": Q,
        "generation-1": BAD,
        "generation-2": GOOD,
        "rating-1.responses": [4, 1],
        "rating-1.responses.status": ["submitted", "submitted"],
        "rating-2.responses": [3, 5],
        "rating-2.responses.status": ["submitted", "submitted"],
    },
    "argilla before 2, ratings": {
        "prompt": Q,
        "response-1": BAD,
        "response-2": GOOD,
        "response-1-rating": [{"user_id": "u", "value": 2, "status": "submitted"}],
        "response-2-rating": [{"user_id": "u", "value": 4, "status": "submitted"}],
    },
    "a column for each rater": BOTH | {"prompt": Q, "Rater 1": "B", "Rater 2": "A", "Rater 3": "Response B"},
    "mechanical turk": {
        "HITId": "h",
        "WorkerId": "w",
        "AssignmentStatus": "Approved",
        "Input.prompt": Q,
        "Input.response_a": BAD,
        "Input.response_b": GOOD,
        "Answer.choice": "B",
    },
    "kto wanted": {"prompt": Q, "completion": GOOD, "label": True},
    "prodigy, accepted": {"prompt": Q, "response": GOOD, "answer": "accept", "_task_hash": 7},
    "prodigy, rejected": {"prompt": Q, "response": BAD, "answer": "reject", "_task_hash": 8},
    "kto unwanted": {"prompt": chat(Q), "completion": chat("", BAD)[1:], "label": False},
    "kto tag": {"instruction": Q, "input": "", "output": BAD, "kto_tag": "false"},
    "graded": {"question": Q, "answer": BAD, "is_correct": 0},
}
TIES: dict[str, Row] = {
    "answers in buckets": {
        "data": {"prompt": Q, "items": [{"id": "x", "body": BAD}, {"id": "y", "body": GOOD}]},
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": {"good": ["y"], "bad": ["x"]}}}]}],
    },
    "rankings that differ": {
        "data": {"prompt": Q, "items": [{"id": "x", "body": BAD}, {"id": "y", "body": GOOD}]},
        "annotations": [
            {"result": [{"type": "ranker", "value": {"ranker": order}}]} for order in (["x", "y"], ["y", "x"])
        ],
    },
    "nobody submitted": SHAPES["argilla before 2, a choice"]
    | {"choose-best": [{"user_id": "u", "value": 2, "status": "draft"}]},
    "arena, several turns": {
        "conversation_a": chat(Q, BAD, "Sure?", "Yes."),
        "conversation_b": chat(Q, GOOD, "Sure?", "No."),
        "winner": "model_b",
        "turn": 2,
    },
    "arena 55k, several turns": {
        "prompt": json.dumps([Q, "Sure?"]),
        "response_a": json.dumps([BAD, "Yes."]),
        "response_b": json.dumps([GOOD, "No."]),
        "winner_model_a": 0,
        "winner_model_b": 1,
        "winner_tie": 0,
    },
    "arena 140k, several turns": {
        f"conversation_{side}": [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in one]
        for side, one in (("a", chat(Q, BAD, "Sure?", "Yes.")), ("b", chat(Q, GOOD, "Sure?", "No.")))
    }
    | {"winner": "model_b"},
    "equal ratings": WHOLE | {"chosen_rating": 4, "rejected_rating": 4},
    "reversed ratings": WHOLE | {"rating_chosen": 1, "rating_rejected": 4},
    "a tie by status": TEXTS | {"input": Q, "status": "tie"},
    "both bad": BOTH | {"prompt": Q, "winner": "tie (bothbad)"},
    "both_bad": BOTH | {"prompt": Q, "winner": "both_bad"},
    "two labels": SHAPES["safe rlhf"] | {"safer_response_id": 0},
    "people who differ on one answer": {
        "prompt": Q,
        "response": GOOD,
        "label.responses": ["good", "bad"],
        "label.responses.status": ["submitted", "submitted"],
    },
    "a rejected assignment": {
        "AssignmentStatus": "Rejected",
        "Input.prompt": Q,
        "Input.response_a": BAD,
        "Input.response_b": GOOD,
        "Answer.choice": "B",
    },
    "turns in one text": TEXTS | {"prompt": f"User: Hello.\nAssistant: Hello.\nUser: {Q}"},
    "ratings of each rater": BOTH | {"prompt": Q, "rater_1": 1, "rater_2": 2},
    "a number beside letters": BOTH | {"prompt": Q, "winner": 1},
    "another prompt": WHOLE | {"prompt": "Is 97 prime?"},
    "no prompt": TEXTS,
    "an input that is not in the prompt": TEXTS | {"prompt": "Translate.", "input": "Good day."},
    "the second turn": SHAPES["mt bench, first turn"] | {"turn": 2},
    "an emptied cell": TEXTS | {"prompt": Q, "rejected": "nan"},
    "improbable": TEXTS | {"prompt": Q, "p_chosen": 0.2},
    "a label that says no": TEXTS | {"prompt": Q, "label": False},
    "a class, no label": {"prompt": Q, "completion": GOOD, "label": "poetry"},
    "one rating alone": {"prompt": Q, "response": GOOD, "helpfulness": 3},
    "score against label": SHAPES["shp"] | {"labels": 1},
}
EXTRA = {"lang": "en", "n_tokens": 7, "created": None, "notes": "", "flag": True, "nested": {"a": [1]}}
