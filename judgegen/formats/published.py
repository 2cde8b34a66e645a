"""The sets and families of sets that others publish, as data: what tells them and what their ratings' scale is.

The shared reader reads their columns; here stands only what the columns do not say. A set whose columns are the common
ones needs no entry.
"""

from __future__ import annotations

from judgegen.formats.origin import Origin

_HUB = "the data set's own columns on the Hugging Face hub"
_PAIR = frozenset({"pair"})
_COMPARED = frozenset({"comparison"})


def _columns(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


ORIGINS = (
    Origin(
        name="chosen-rejected",
        about="chosen and rejected, as texts or chats (Skywork, orca-dpo, truthy, RewardBench and their like)",
        source=_HUB,
        kinds=_PAIR,
    ),
    Origin(
        name="question-answer",
        about="questions and answers in columns (CSV and others), with worse answers where there are any",
        source="the columns' common names",
        kinds=frozenset({"pair", "answer"}),
    ),
    Origin(
        name="comparison",
        about="two answers, lettered or numbered, and a winner, a label or votes",
        source="the columns' common names",
        kinds=_COMPARED,
    ),
    Origin(
        name="ranked",
        about="a list of answers with ratings or ranks, or rows of one rated answer each",
        source="the columns' common names",
        kinds=frozenset({"ranked", "rated"}),
    ),
    Origin(
        name="ultrafeedback-binarized",
        about="HuggingFaceH4/ultrafeedback_binarized and trl-lib's: chats and scores of 1 to 10",
        source=_HUB,
        kinds=_PAIR,
        columns=_columns("chosen rejected score_chosen score_rejected"),
        scale=9.0,
    ),
    Origin(
        name="argilla-ultrafeedback",
        about="argilla/ultrafeedback-binarized-preferences and -cleaned: ratings of 1 to 5",
        source=_HUB,
        kinds=_PAIR,
        columns=_columns(
            "chosen_response rejected_response chosen_avg_rating rejected_avg_rating",
            "chosen rejected chosen_rating rejected_rating chosen_model rejected_model",
        ),
        scale=4.0,
    ),
    Origin(
        name="ultrafeedback",
        about="openbmb/UltraFeedback: completions with fine-grained scores of 1 to 5",
        source=_HUB,
        kinds=frozenset({"ranked"}),
        columns=_columns("instruction completions models correct_answers"),
        scale=4.0,
    ),
    Origin(
        name="tulu-3",
        about="allenai's preference mixtures, and argilla's cleaned UltraFeedback: chats and ratings of 1 to 5",
        source=_HUB,
        kinds=_PAIR,
        columns=_columns("chosen rejected chosen_rating rejected_rating chosen_model rejected_model"),
        scale=4.0,
    ),
    Origin(name="hh-rlhf", about="transcripts of Human and Assistant (hh-rlhf, rm-static)", source=_HUB, kinds=_PAIR),
    Origin(
        name="helpsteer2",
        about="nvidia/HelpSteer2: one answer a row, rated from 0 to 4; pairs go by helpfulness",
        source=_HUB,
        kinds=frozenset({"rated"}),
        columns=_columns("helpfulness correctness coherence complexity verbosity"),
        scale=4.0,
    ),
    Origin(
        name="helpsteer3",
        about="nvidia/HelpSteer3, preference: two responses and a preference from -3 (the first) to 3",
        source="the data set's card on the Hugging Face hub",
        kinds=_COMPARED,
        columns=_columns("response1 response2 overall_preference"),
    ),
    Origin(
        name="pandalm",
        about="PandaLM's human-annotated test set",
        source="github.com/WeOpenML/PandaLM 3871806, data/testset-v1.json",
        kinds=_COMPARED,
        columns=_columns("response1 response2 annotator1 annotator2 annotator3"),
    ),
    Origin(
        name="shp",
        about="stanfordnlp/SHP: two people's answers; labels is 1 where A is the better one",
        source=_HUB,
        kinds=_COMPARED,
        columns=_columns("history human_ref_a human_ref_b labels"),
        values={"1": "A", "0": "B"},
    ),
    Origin(
        name="webgpt",
        about="openai/webgpt_comparisons: two answers with scores of -1 to 1",
        source=_HUB,
        kinds=_COMPARED,
        columns=_columns("question answer_0 answer_1 score_0 score_1"),
        scale=2.0,
    ),
    Origin(
        name="arena",
        about="lmsys and lmarena: two models' conversations or responses and a person's vote",
        source=_HUB,
        kinds=_COMPARED,
        columns=_columns("model_a model_b"),
    ),
)
