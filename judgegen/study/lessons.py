"""What a judge can learn from people: comparisons to learn from and others to be tried on, rules, examples, a template.

A template with lessons is the one before with two blocks more, before its `# user`: rules in words, and comparisons on
which people were of one mind. Both stand quoted and raw, so that nothing in them is filled in. Pure; knows nothing of
how judges are asked.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.judge.build import content
from judgegen.llm.calls import digest
from judgegen.sources.labelled import Labelled
from judgegen.trust import Judged

LEAST = 20
"""Prompts without which half of them tell nothing."""
SHOWN = 12
"""Comparisons that whoever writes rules is shown: two of three are those that the judge decided otherwise."""
EXAMPLES = 4
"""Comparisons that a template shows."""
SHORT = 1500
"""Characters of a comparison that may stand in a template as an example; for the rules' writer longer texts are cut."""
_NOTES = ("note", "notes", "comment", "comments", "reason", "reasons", "explanation", "feedback")


@dataclass(frozen=True, slots=True)
class Halves:
    """Comparisons by prompt: those to `learn` from and those `held` out."""

    learn: tuple[Labelled, ...]
    held: tuple[Labelled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What a template says beside what it said before: rules in words, and comparisons as examples."""

    rules: str = ""
    examples: tuple[Labelled, ...] = ()


def halves(rows: Sequence[Labelled], seed: int) -> Halves:
    """Half of the prompts each, by a lot that the prompt's content and the seed draw; of one prompt all in one half.

    Raises:
        SpecError: there are fewer than `LEAST` prompts.
    """
    names = {comparisons.prompt(row).id for row in rows}
    if len(names) < LEAST:
        raise SpecError(
            f"comparisons of {len(names)} prompts, and half are held out: it takes {LEAST} at least to learn from any"
        )
    drawn = sorted(names, key=lambda name: digest(["align", seed, name], size=8))
    learn = frozenset(drawn[: len(drawn) // 2])
    which = [comparisons.prompt(row).id in learn for row in rows]
    return Halves(
        tuple(row for row, taken in zip(rows, which, strict=True) if taken),
        tuple(row for row, taken in zip(rows, which, strict=True) if not taken),
    )


def cases(rows: Sequence[Labelled], judged: Mapping[str, Judged], seed: int, draw: int) -> str:
    """Comparisons for whoever writes rules, each with what people said and the judge; every draw shows others."""
    order = sorted(rows, key=lambda row: digest(["cases", seed, draw, row.id], size=8))
    said = [row for row in order if row.id in judged and judged[row.id].human is not None]
    wrong = [row for row in said if judged[row.id].label != judged[row.id].human]
    right = [row for row in said if judged[row.id].label == judged[row.id].human]
    shown = [*wrong[: SHOWN * 2 // 3], *right]
    return "\n\n".join(_case(number, row, judged[row.id]) for number, row in enumerate(shown[:SHOWN], start=1))


def _case(number: int, row: Labelled, found: Judged) -> str:
    votes = ", ".join(f"{vote} x {row.votes.count(vote)}" for vote in dict.fromkeys(row.votes))
    parts = [f"Comparison {number}. Request:\n{_cut(asked(row))}"]
    parts += [f"Answer {side}:\n{_cut(text)}" for side, text in (("A", row.response_a), ("B", row.response_b))]
    parts.append(f"People: {votes}. The judge: {found.label or 'nothing that can be read'}.")
    if note := noted(row):
        parts.append(f"People noted: {_cut(note)}")
    return "\n\n".join(parts)


def asked(row: Labelled) -> str:
    """What was asked, every turn of it."""
    return "\n".join(content(message) for message in row.messages)


def noted(row: Labelled) -> str:
    """What people wrote beside their votes, whatever its column is called."""
    found = (row.metadata[name] for name in _NOTES if name in row.metadata)
    texts = (text for one in found for text in (one if isinstance(one, list | tuple) else [one]))
    return "\n".join(text.strip() for text in texts if isinstance(text, str) and text.strip())


def _cut(text: str) -> str:
    return textwrap.shorten(text, SHORT, placeholder=" […]") if len(text) > SHORT else text


def examples(rows: Sequence[Labelled], judged: Mapping[str, Judged], seed: int) -> tuple[Labelled, ...]:
    """Comparisons to show: short ones, people of one mind for a side, as many won by the one side as by the other.

    Those that the judge decided otherwise come first; of a prompt there is one.
    """
    order = sorted(rows, key=lambda row: digest(["examples", seed, row.id], size=8))
    fit = [row for row in order if set(row.votes) in ({"A"}, {"B"}) and row.id in judged and _short(row)]
    fit.sort(key=lambda row: judged[row.id].label == row.votes[0])
    alone = list({comparisons.prompt(row).id: row for row in reversed(fit)}.values())[::-1]
    by_side = [[row for row in alone if row.votes[0] == side][: EXAMPLES // 2] for side in ("A", "B")]
    least = min(map(len, by_side))
    return tuple(row for couple in zip(*(side[:least] for side in by_side), strict=True) for row in couple)


def _short(row: Labelled) -> bool:
    texts = (asked(row), row.response_a, row.response_b)
    return sum(map(len, texts)) <= SHORT and not any("endraw" in text for text in texts)


def written(template: str, lessons: Lessons) -> str:
    """A template's text with these lessons, before its `# user` where it has a `# system`, else right after it."""
    lines = template.splitlines()
    user = next(number for number, line in enumerate(lines) if line.strip() == "# user")
    system = any(line.strip() == "# system" for line in lines[:user])
    place = user if system else user + 1
    return "\n".join([*lines[:place], *_blocks(lessons), *lines[place:]]) + "\n"


def _blocks(lessons: Lessons) -> list[str]:
    blocks: list[str] = []
    if lessons.rules:
        rules = _quoted(lessons.rules.replace("endraw", "end raw"))
        blocks += ["What people who decided such comparisons went by:", "", "{% raw %}", *rules, "{% endraw %}", ""]
    if lessons.examples:
        shown = [line for number, row in enumerate(lessons.examples, start=1) for line in _example(number, row)]
        blocks += ["Comparisons on which people were of one mind:", "", "{% raw %}", *shown, "{% endraw %}", ""]
    return blocks


def _example(number: int, row: Labelled) -> list[str]:
    won = "the first" if row.votes[0] == "A" else "the second"
    parts = (("Request", asked(row)), ("First answer", row.response_a), ("Second answer", row.response_b))
    lines = [line for name, text in parts for line in (f"Example {number}. {name}:", *_quoted(text))]
    return [*lines, f"Example {number}. People prefer {won}.", ""]


def _quoted(text: str) -> list[str]:
    """Each line after a mark: none is a heading of the template, and where a text ends can be seen."""
    whole = text.encode("utf-8", "replace").decode()  # half of a character is in no file
    return [f"> {line}".rstrip() for line in whole.splitlines()]
