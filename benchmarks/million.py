"""A million prompts where people wait: the estimate of a run, and a notebook that reads the audit of one.

    python benchmarks/million.py              # two minutes, 4 GB of disk
    python benchmarks/million.py --times 5    # a tenth of it

The estimate is of so many prompts of thirty words in a JSONL file, read from start to end. The audit is that of a run
of 20,000 prompts in the scripted world (two answers, both orders: 80,000 calls), the row groups of its tables written
so many times, each time under other ids. All five tables are held at once. Whole processes, imports included.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import at_scale
import wire

PROMPTS = 20_000
"""Of the run whose audit is multiplied."""
LOAD = """\
import sys, warnings, judgegen
warnings.simplefilter("ignore")
run = judgegen.load(sys.argv[1])
held = [run.calls, run.candidates, run.verdicts, run.prompts, run.pairs]
"""
GROW = """\
import sys
from pathlib import Path
import pyarrow.compute as pc
import pyarrow.parquet as pq
source, target, times = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
target.mkdir(parents=True)
for path in sorted(source.glob("*.parquet")):
    table = pq.ParquetFile(path)
    with pq.ParquetWriter(target / path.name, table.schema_arrow, compression="zstd") as out:
        for number in range(times):
            for group in range(table.num_row_groups):
                rows = table.read_row_group(group)
                for place, name in enumerate(rows.column_names):
                    if name in ("prompt_id", "call_id", "chosen_call", "rejected_call"):
                        other = pc.binary_replace_slice(rows[name], 3, 7, f"{number:04x}")
                        rows = rows.set_column(place, rows.schema.field(place), other)
                out.write_table(rows)
"""


def written(path: Path, count: int) -> Path:
    """So many prompts as JSONL."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"prompt": text}) + "\n" for text in at_scale.prompts(count))
    return path


def run_file(path: Path, prompts: Path, endpoint: str) -> Path:
    """A run file about them."""
    text = at_scale.RUN_FILE.format(endpoint=endpoint).replace("prompts.txt", prompts.name)
    path.write_text(text, encoding="utf-8")
    return path


def lines(folder: Path, times: int) -> Iterator[str]:
    """What was found, a sentence a line."""
    judgegen = [sys.executable, "-m", "judgegen"]
    many = written(folder / "many.jsonl", PROMPTS * times)
    asked = run_file(folder / "many.toml", many, 'base_url = "https://api.openai.com/v1"')
    found = wire.measured([*judgegen, "estimate", str(asked)])
    yield f"estimate of {PROMPTS * times:,} prompts: {found.wall:.0f} s, {found.cpu:.0f} of CPU, {found.mb:,.0f} MB"
    few = written(folder / "few.jsonl", PROMPTS)
    file, out = run_file(folder / "few.toml", few, 'provider = "scripted"'), folder / "few"
    command = [*judgegen, "run", str(file), "--out", str(out), "--quiet", "--yes"]
    wire.measured(command)
    found = wire.measured(command)
    yield f"a finished run of {4 * PROMPTS:,} calls, run again: {found.wall:.1f} s, {found.cpu:.1f} of CPU"
    grown = folder / "grown"
    wire.measured([sys.executable, "-c", GROW, str(out / "audit"), str(grown / "audit"), str(times)])
    shutil.copy(out / "summary.json", grown)
    found = wire.measured([sys.executable, "-c", LOAD, str(grown)])
    what = f"load of an audit of {4 * PROMPTS * times:,} calls, its five tables"
    yield f"{what}: {found.wall:.0f} s, {found.cpu:.0f} of CPU, {found.mb:,.0f} MB"


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help=f"of {PROMPTS:,} prompts")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judgegen-million-") as folder:
        for line in lines(Path(folder), told.times):
            print(line, flush=True)


if __name__ == "__main__":
    main()
