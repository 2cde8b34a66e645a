"""Run folders to look at: one prompt of each kind, texts that would like to be more than texts, and many rows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from results import compared, each, known, prompt, sampled, words

from judgegen.records import Label, Result
from judgegen.writer.outputs import Outputs

HOSTILE = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    "<svg onload='window.pwned = 1'><animate onbegin='window.pwned = 1' attributeName=x dur=1s></svg>",
    "<img src=x onerror='window.pwned = 1'>",
    "[a link](javascript:window.pwned=1) ![p](http://127.0.0.1:9/pixel.png) **bold** <!-- --> <!--<script>",
    "\u202ereversed\u202c \u2066isolated\u2069 zero\u200bwidth bell\x07 escape\x1b[31m nul\x00",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} `x` \\u003cscript\\u003e ]]> --> '\"",
    "half \ud800 of a character and line\u2028separators\u2029",
    "joined \U0001f469\u200d\U0001f680 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 a\u200db",
)
"""Answers, prompts, names and judges' words that a page must show and nothing else."""


def written(folder: Path, results: Iterable[Result]) -> dict[str, Any]:
    """Every derived file of these results, with a tokenizer one can count along with; the summary."""
    counting: dict[str, Any] = {"count_messages": words, "count_texts": each}
    stamp = {"run": "abc", "judgegen": "0.0", "pyarrow": "0"}
    with Outputs(folder, stamp=stamp, formats=[], encoding="o200k_base", **counting) as outputs:
        for result in results:
            outputs.add(result)
        return outputs.finish({"constants": []})


def hostile() -> Iterator[Result]:
    """A prompt per hostile text, which stands in every place where a stranger's text can stand; after `known`."""
    yield from known()
    for number, text in enumerate(HOSTILE):
        asked = prompt(f"h{number} {text[:20]}", messages=({"role": "user", "content": text},), reference=text)
        drawn = [sampled(asked, "loose", f"worse\n{text}"), sampled(asked, text, f"better and longer\n{text}")]
        yield compared(asked, drawn, ("second", "first"))


def many(count: int, *, length: int = 60, seed: int = 0) -> Iterator[Result]:
    """So many prompts with two answers of about `length` words each; one in ten flips, one in twenty ties."""
    lot = random.Random(seed)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "e", "ien", "ou") for c in ("", "ck", "ll", "s")]

    def text() -> str:
        return " ".join(lot.choices(vocabulary, k=max(3, int(lot.gauss(length, length / 3)))))

    for number in range(count):
        asked = prompt(f"p{number:05}", messages=({"role": "user", "content": text()[:200]},))
        drawn = [sampled(asked, "loose", text()), sampled(asked, "terse", text())]
        said: tuple[Label, Label] = ("second", "first")
        if number % 10 == 3:
            said = ("first", "first")
        elif number % 20 == 5:
            said = ("tie", "tie")
        yield compared(asked, drawn, said)


def shows(page: Any, where: str, pattern: str) -> None:
    """Wait until a page's element has such a text, by no script: the page's policy lets none be evaluated."""
    from playwright.sync_api import expect

    expect(page.locator(where)).to_contain_text(re.compile(pattern), use_inner_text=True, timeout=30_000)
