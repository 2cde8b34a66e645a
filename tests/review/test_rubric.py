from __future__ import annotations

from pathlib import Path

from judgegen.llm.journal import Journal
from judgegen.review.serve import rubric


def test_those_who_label_are_told_what_the_judge_is_asked(tmp_path: Path) -> None:
    """The template without its front matter; no system prompt of a sampler, no calibration."""
    kept = {
        "judge/mine": '+++\nkind = "pairwise"\nsummary = "for machines"\n+++\n# system\n\nWhich is better?\n',
        "judge/other": "+++\n+++\n# user\n\nBe strict.\n\n+++\n",
        "system/terse.md": "You are terse.",
        "calibration/mine.json": "{}",
    }
    with Journal(tmp_path) as journal:
        journal.keep_texts(kept)
    assert rubric(tmp_path) == "# system\n\nWhich is better?\n\n# user\n\nBe strict.\n\n+++"


def test_without_a_journal_there_is_no_rubric(tmp_path: Path) -> None:
    """A file of comparisons was judged by nobody that we know."""
    assert rubric(tmp_path) == ""
    assert rubric(tmp_path / "labelled.jsonl") == ""
