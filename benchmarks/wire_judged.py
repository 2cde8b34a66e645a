"""The body of one verdict's call of a run, for the loops of `wire.py`; a process of its own, since Arrow takes memory.

python benchmarks/wire_judged.py FOLDER FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

from judgegen.llm.calls import Call, Tag
from judgegen.llm.wire.body import body


def judged(folder: Path) -> str:
    """The body as JSON, with places for what differs from one call to the next."""
    table = pq.read_table(folder / "audit" / "calls.parquet", filters=[("role", "=", "judge")])
    row = table.slice(0, 1).to_pylist()[0]
    messages, params = tuple(json.loads(row["messages"])), json.loads(row["params"])
    tag = Tag(role="judge", prompt_id=row["prompt_id"])
    call = Call(endpoint=row["endpoint"], model=row["model"], messages=messages, params=params, tag=tag)
    sent = body(call)
    said = sent["messages"][-1]["content"]
    fence = said.split("<quote-", 1)[1].split(">", 1)[0]
    first, second = (part.split(f"\n</quote-{fence}>", 1)[0] for part in said.split(f"<quote-{fence}>\n")[2:4])
    for number, text in enumerate((first, second)):
        said = said.replace(text, f"@{number}@")
    sent["messages"][-1]["content"] = said
    return json.dumps(sent)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(judged(Path(sys.argv[1])), encoding="utf-8")
