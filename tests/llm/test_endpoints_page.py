"""docs/endpoints.md is what the table of dialects says; running this file prints it."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from judgegen.llm.dialects import DIALECTS, Dialect, limit_name, named, spoken_at
from judgegen.llm.ends import end

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"
HEAD = """\
# Endpoints

What judgegen knows of families of servers; this page is generated from its table of them (`judgegen/llm/dialects.py`).
That is where asking begins, not where it ends: whatever the server, the first calls to a model go one at a time,
and what it does not take is left out or put otherwise, said once, and kept in the journal.

| what a model does not take | what judgegen does by itself |
| --- | --- |
| a JSON schema | asks for a JSON object, then for the form in words; the verdict is read from what was asked for |
| so many logprobs, or any | asks for five, then for none: verdicts are labels without a probability |
| a seed, n, a judge's temperature | asks without |
| a system message | sends it as the developer's, or before the user's message |
| the token limit's name | uses the other one |
| a short limit, since it thinks | gives a judge up to 4,096, then 16,384 tokens, unless `judge.max_tokens` is written |
| anything that its server falls over (500, 502 to 504, a hang-up, nothing in time) | after three failures asks \
without, and believes it when that is answered and the wish has failed once more by itself |

`judgegen probe FILE` asks each model a few tiny things before a run, tells what it takes and heeds, and leaves what it
learned in the run's journal. A setting is called honoured where its effect was seen: draws under temperature 0, top_k 1
or a narrow top_p are one text, and free ones are not. What was taken without a refusal, its effect unseen, is "taken".

What the run file says is never left out: where a model refuses it the run ends and names the key. A prompt
that is refused while others are answered is dropped with the provider's words. Where none is left to be answered, the
model is asked to say yes: an endpoint that refuses this as well ends the run (3), and no prompt is dropped for it. One
over which a server breaks while others are answered stays open (5); the next run, which meets the same, drops it.
A quota of a day that is used up ends the run (5), be it told in words alone. What cannot be found out is written:

```toml
[endpoints.mine]
base_url = "https://api.example.com/v1"      # a query behind it stays behind every path
api_key_env = "MY_KEY"
headers = { api-key = "env:MY_KEY" }         # beside the key; env:NAME is the environment variable's value
query = { api-version = "2024-10-21" }
system_role = "user"                         # system | developer | user
identity = "mine"                            # keeps what is paid for when the address changes

[judge]
schema = "json_object"                       # json_schema | json_object | off
```

With `--batch` nothing is asked one at a time: what a model does not take, and that none of its verdicts can be read,
shows only when its first batch is back and paid. `judgegen probe FILE --out DIR` asks before, and the batch uses
what it learned. Where `--batch` does not work, [batch files](batch-files.md) may. [Decision models](decisions.md) and
[reward models](rewards.md) say which servers answer their questions.
"""
SCHEMAS = {"json_schema": "a JSON schema", "json_object": "a JSON object", "words": "its form in words"}
THOUGHT = {"none": "nowhere", "field": "in a field of its own", "tags": "in tags, split off by judgegen"}
USAGE = {
    "whole": "in OpenAI's places",
    "apart": "thought beside the output, added by judgegen",
    "total": "thought in the total alone, taken from there",
    "none": "not at all, counted by judgegen",
}


def section(one: Dialect) -> str:
    """What the page says of one family."""
    logprobs = {0: "refused", -1: "dropped in silence"}.get(one.logprobs, f"{one.logprobs} at most")
    refused = ", ".join(f"`{name}`" for name in one.wishes) or "nothing else"
    ignored = ", ".join(f"`{name}`" for name in one.ignores) or "nothing known"
    lines = [f'base_url = "{one.address}"', *([f'api_key_env = "{one.key}"'] if one.key else []), *one.run_file]
    table = "\n".join((f"[endpoints.{one.name.replace('.', '')}]", *lines))
    return f"""
## {one.title}

```toml
{table}
```

- A verdict is asked for by {SCHEMAS[one.schema]}; logprobs: {logprobs}; refused besides: {refused}.
- Taken without effect: {ignored}. Tokens are counted {USAGE[one.usage]}; thought stands {THOUGHT[one.thought]}.
- The length of a context: {f"told by its list of models (`{one.context}`)" if one.context else "not told"}.
- `--batch`: {"works" if one.batch else "does not work (no batches in OpenAI's form)"}.
{one.note and f"{chr(10)}{one.note}{chr(10)}"}"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(section, DIALECTS)).rstrip() + "\n"


def test_the_page_is_what_the_table_says() -> None:
    """Whoever changes the table writes the page again."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("one", DIALECTS, ids=lambda one: one.name)
def test_a_family_is_known_by_its_address(one: Dialect) -> None:
    """The address that its section prints leads to it; one that anybody runs leads to none."""
    assert named(one.name) is one
    assert spoken_at(one.address) is (one if one.hosts else None)
    assert limit_name(one.address) == one.limit
    assert spoken_at(f"https://{urlsplit(one.address).hostname}.evil.example/v1") is None


@pytest.mark.parametrize("one", DIALECTS, ids=lambda one: one.name)
def test_a_familys_words_for_ends_are_known(one: Dialect) -> None:
    """Whole, cut off, filtered: each is read as what it is."""
    assert [end(word) for word in one.ends] == ["stop", "length", "filter"]


if __name__ == "__main__":
    sys.stdout.write(page())
