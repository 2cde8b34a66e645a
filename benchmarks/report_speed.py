"""`judgegen report` of a run of 10,000 pairs: seconds to write the page, to read it in Chromium, to filter it.

Each figure is told as wall seconds and as seconds of a processor, since a machine may have other things to do; the best
of several tries. What the page is bound by is measured beside it, on the same machine in the same minute: the same
entries as JSON written and parsed, and the same page without entries.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
LIMITS = {"write": 20.0, "interactive": 2.0, "filter": 0.1}
"""Seconds that the issue allows: to write, until pairs can be read and filtered, and of one filter."""
SEEN = """new MutationObserver(() => {
  const at = document.documentElement?.dataset?.ready;
  window.seen ??= {};
  if (at) window.seen[at] ??= performance.now();
}).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-ready"] })"""
WORDS = ("p0001", "zz", "bienck", "lou", "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measured(Path(name), given.pairs, given.tries, given.chromium)
    print(json.dumps(found) if given.json else "\n".join(told(found)))
    return 0


def measured(folder: Path, pairs: int, tries: int, chromium: str | None) -> dict[str, Any]:
    """Everything, by name: {"wall_s", "cpu_s"} each."""
    from shown import many, written

    from judgegen.report import page

    written(folder, many(pairs))
    found: dict[str, Any] = {"write": best([clocked(lambda: page.write(folder)) for _ in range(tries)])}
    held = page.write(folder)
    found["page"] = {"entries": held.held, "of": held.of, "bytes": held.path.stat().st_size}
    found["json alone"] = best([clocked(lambda: bare(folder)) for _ in range(tries)])
    if chromium is not None:
        with browser(chromium) as opened:
            found |= read(opened, held.path.as_uri(), tries)
    return found


def clocked(work: Any) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def best(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(min(row[name] for row in rows), 3) for name in rows[0]}


def bare(folder: Path) -> None:
    """What is bare of any work on it: the audit's rows read, and written as JSON."""
    import pyarrow.parquet as pq

    for path in sorted((folder / "audit").iterdir()):
        json.dumps(pq.read_table(path).to_pylist(), default=str)


@contextmanager
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        held = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield held
        held.close()


def read(opened: Any, url: str, tries: int) -> dict[str, Any]:
    """Until pairs can be read, until charts are drawn, and the slowest filter; the main thread's own time beside."""
    rows: dict[str, list[dict[str, float]]] = {"interactive": [], "charts": [], "filter": []}
    for _ in range(tries):
        page = opened.new_page()
        page.add_init_script(SEEN)
        asked = page.context.new_cdp_session(page)
        asked.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(url)
        page.wait_for_selector("html[data-ready=all]", timeout=120_000)
        cpu = {row["name"]: row["value"] for row in asked.send("Performance.getMetrics")["metrics"]}["TaskDuration"]
        seen = page.evaluate("window.seen")
        rows["interactive"].append({"wall_s": seen["pairs"] / 1000})
        rows["charts"].append({"wall_s": seen["all"] / 1000, "cpu_s": cpu})
        slowest = 0.0
        for word in WORDS:
            page.fill("[name=q]", word)
            slowest = max(slowest, page.evaluate("window.lastFilterMs") / 1000)
        rows["filter"].append({"wall_s": slowest})
        page.close()
    return {name: best(found) for name, found in rows.items()}


def told(found: dict[str, Any]) -> Iterator[str]:
    held = found["page"]
    yield f"a page of {held['entries']:,} of {held['of']:,} entries, {held['bytes']:,} bytes"
    for name, row in found.items():
        if name != "page":
            limit = f"   at most {LIMITS[name]:g}" if name in LIMITS else ""
            yield f"{name:<12}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()) + limit


if __name__ == "__main__":
    sys.exit(main())
