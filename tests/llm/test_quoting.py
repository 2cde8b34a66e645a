"""What a journal keeps once is read whole where it is quoted, and never as something else."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.llm.answers import Landing
from judgegen.llm.calls import Call, Choice, Reply, Tag, Usage, canonical
from judgegen.llm.journal import Journal
from judgegen.llm.quoting import Quotable, characters

LANDING = Landing(seconds=0.25, attempts=1)
ODD = ("\\", "n", '"', "«", "»", "#0 5»", "\n", "\t", " ", "é", "😀", "\x00", "\x7f", "\ud83d", "/", "'", "%", "\u2028")
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=20).map("".join).map(lambda odd: odd + "w" * 150)
"""Long enough to be kept once, and full of what JSON, SQL and marks are made of."""


def call(said: str, *, system: str | None = None, role: str = "judge", draw: int = 0) -> Call:
    """A question that says this."""
    rules = () if system is None else ({"role": "system", "content": system},)
    return Call(
        endpoint="here",
        model="m",
        messages=(*rules, {"role": "user", "content": said}),
        params={"max_tokens": 5},
        draw=draw,
        tag=Tag(role="judge" if role == "judge" else "sampler", prompt_id="p", variant="v"),
    )


def reply(*texts: str) -> Reply:
    """An answer of so many choices."""
    return Reply(choices=tuple(Choice(text=text) for text in texts), usage=Usage(input=3, output=1), cost=Decimal(0))


def kept(folder: Path, said: Sequence[tuple[Call, Reply]]) -> None:
    """Keep calls and their answers."""

    async def append(journal: Journal) -> None:
        for asked, answered in said:
            await journal.append(asked, answered, LANDING)

    with Journal(folder) as journal:
        asyncio.run(append(journal))


def rows(folder: Path, table: str) -> dict[str, str]:
    """By call, the question as a table or view has it."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return dict(db.execute(f"SELECT id, request FROM {table}").fetchall())


@given(st.lists(TEXTS, min_size=1, max_size=3), st.text(max_size=4), TEXTS)
@example(["n" + "w" * 150], "\\", "rules " * 40)
@example(["w" * 150, "w" * 150 + "n" * 20], "", " \n" + "rules " * 40)
@example(["«b2:" + "0" * 32 + "#0 7»" + "w" * 150], "", "rules " * 40)
def test_a_question_is_whole_whatever_it_quotes(texts: list[str], between: str, system: str) -> None:
    """The view's JSON is the question's own, byte for byte in its canonical form."""
    asked, again = (call(texts[-1], system=system, role="sampler", draw=draw) for draw in (0, 1))
    questions = [
        again,
        call(between.join(texts), system=system),
        call(between.join(texts[::-1]), system=system, draw=1),
    ]
    with tempfile.TemporaryDirectory() as name:
        kept(Path(name), [(asked, reply(*texts)), *((one, reply("yes")) for one in questions)])
        whole = rows(Path(name), "asked")
    for one in (asked, *questions):
        assert canonical(json.loads(whole[one.id])) == one.canonical


def test_what_is_quoted_and_what_instructs_is_kept_once(tmp_path: Path) -> None:
    """A second question about the same answers, under the same instructions, takes a line in place of a page."""
    first, second, rules = "It depends. " * 80, "Ask the river. " * 80, "Say which is better. " * 40
    asked = call("What?", role="sampler")
    judged = [call(f"{a}\n\n{b}", system=rules) for a, b in ((first, second), (second, first))]
    kept(tmp_path, [(asked, reply(first, second)), *((one, reply("a")) for one in judged)])
    stored = rows(tmp_path, "calls")
    assert len(stored[judged[0].id]) < len(rules) + 400
    assert len(stored[judged[1].id]) < 500
    assert rows(tmp_path, "asked")[judged[1].id] == judged[1].canonical.decode()
    for one in judged:
        messages = json.loads(stored[one.id])["messages"]
        assert [characters(found["content"]) for found in messages] == [len(said["content"]) for said in one.messages]


def test_a_prompt_is_kept_once(tmp_path: Path) -> None:
    """Another draw of it, and whoever judges, quotes the first time it was asked; asked again, that one is whole."""
    prompt = "What do rivers carry? " * 40
    first, second = (call(prompt, role="sampler", draw=draw) for draw in (0, 1))
    judged = call(f"The request:\n{prompt}\nAnswer P: none")
    kept(tmp_path, [(first, reply("No.")), (second, reply("Yes.")), (judged, reply("a")), (first, reply("No."))])
    stored = rows(tmp_path, "calls")
    assert stored[first.id] == first.canonical.decode()
    assert max(len(stored[one.id]) for one in (second, judged)) < 400
    assert rows(tmp_path, "asked") == {one.id: one.canonical.decode() for one in (first, second, judged)}


def test_a_run_that_goes_on_quotes_what_was_answered_before_it(tmp_path: Path) -> None:
    """An answer that is read from the journal is one that questions quote."""
    text = "It depends. " * 80
    asked, judged = call("What?", role="sampler"), call(text)
    kept(tmp_path, [(asked, reply(text))])
    with Journal(tmp_path) as journal:
        assert journal.get(asked.id) is not None
        asyncio.run(journal.append(judged, reply("a"), LANDING))
    assert len(rows(tmp_path, "calls")[judged.id]) < 400
    assert rows(tmp_path, "asked")[judged.id] == judged.canonical.decode()


def test_a_journal_of_before_has_its_view_once_it_needs_one(tmp_path: Path) -> None:
    """Whoever only reads one leaves it as it is."""
    text = "It depends. " * 80
    asked, judged = call("What?", role="sampler"), call(text)
    kept(tmp_path, [(asked, reply(text))])
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        db.execute("DROP VIEW asked")
    with Journal(tmp_path) as journal:
        assert journal.get(asked.id) is not None
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        assert not db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    with Journal(tmp_path) as journal:
        assert journal.get(asked.id) is not None
        asyncio.run(journal.append(judged, reply("a"), LANDING))
    assert rows(tmp_path, "asked")[judged.id] == judged.canonical.decode()


def test_an_answer_that_was_asked_for_again_stands_in_no_older_question(tmp_path: Path) -> None:
    """What was judged was another text of the same length: its place stays marked."""
    asked, judged = call("What?", role="sampler"), call("w" * 200)
    kept(tmp_path, [(asked, reply("w" * 200)), (judged, reply("a"))])
    with Journal(tmp_path) as journal:
        asyncio.run(journal.put_aside(asked.id))
        asyncio.run(journal.append(asked, reply("v" * 200), LANDING))
    whole = rows(tmp_path, "asked")[judged.id]
    assert "v" * 200 not in whole
    assert json.loads(whole)["messages"][0]["content"] == f"«{asked.id}#0 200»"


def test_the_first_answer_is_the_one_that_is_quoted(tmp_path: Path) -> None:
    """Another one to the same call is not kept; what quotes it stands in full."""
    asked, judged = call("What?", role="sampler"), call("v" * 200)
    kept(tmp_path, [(asked, reply("w" * 200)), (asked, reply("v" * 200)), (judged, reply("a"))])
    assert rows(tmp_path, "calls")[judged.id] == judged.canonical.decode()


def test_what_is_remembered_is_bounded() -> None:
    """The oldest prompt's answers are forgotten first, and what quotes them stands in full."""
    quotable = Quotable(most=1_000)
    for prompt in range(20):
        quotable.heard(str(prompt), f"b2:{prompt:032}", reply(f"{prompt} " * 100))
    old, new = (quotable.marked(_of(str(prompt))) for prompt in (0, 19))
    assert "«" not in old
    assert "«" in new


def _of(prompt: str) -> Call:
    said = ({"role": "user", "content": f"{prompt} " * 100},)
    tag = Tag(role="judge", prompt_id=prompt)
    return Call(endpoint="here", model="m", messages=said, params={}, tag=tag)
