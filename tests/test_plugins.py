"""The three worked examples of CONTRIBUTING.md, installed as a stranger's package and run from the command line."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiohttp import web

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```(?:python|toml)\n# ([\w./]+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the stranger's in it, as an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    blocks = dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    points = tomllib.loads(blocks.pop("pyproject.toml"))["project"]["entry-points"]
    for name, text in blocks.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "stranger" / "__init__.py").touch()
    about = folder / "stranger-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    sections = (f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in points.items())
    (about / "entry_points.txt").write_text("\n".join(sections))
    return folder


async def shout(numbers: Iterator[int], request: web.Request) -> web.Response:
    """Answers state how good they are; a judge's list is by that."""
    model, wanted, text = (await request.text()).split("\n", 2)
    if model == "deaf":
        return web.Response(status=400, text="no such voice")
    if wanted == "null":
        good = next(numbers) % 10
        words = (hashlib.sha256(f"{good}/{i}".encode()).hexdigest()[:7] for i in range(9))
        return web.Response(text=f"{' '.join(words)}, goodness {good}.")
    scores = {name: int(good) for name, good in re.findall(r"^(\d+)\. .*?goodness (\d)", text, re.MULTILINE)}
    return web.Response(text=json.dumps({"order": sorted(scores, key=lambda name: -scores[name])}))


@pytest.fixture
def server() -> Iterator[str]:
    """The provider's server: its address."""
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_post("/shout", partial(shout, itertools.count(1)))
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


RUN = """
prompts = "prompts.txt"

[endpoints.loud]
provider = "shouting"
base_url = "{url}"
{price}

[sampler]
endpoint = "loud"
model = "low"
variants = [{{ name = "a", n = 3 }}]

[judge]
endpoint = "loud"
model = "{judge}"
method = "mirrored"
"""
PRICE = "price = { input = 1.0, output = 1.0 }"


def command(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of judgegen's where the stranger's package is installed."""
    paths = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
    line = [sys.executable, "-m", "judgegen", *arguments]
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def written(folder: Path, url: str, *, price: str = PRICE, judge: str = "high") -> Path:
    """A run file over the stranger's provider and method."""
    (folder / "prompts.txt").write_text("What is one?\nWhat is two?\n")
    (folder / "mine.toml").write_text(RUN.format(url=url, price=price, judge=judge))
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_a_method_and_a_provider_of_a_stranger_make_pairs(site: Path, server: str, tmp_path: Path) -> None:
    """Right labels, in both orders, priced; estimated to the call; resumed without one more."""
    folder = written(tmp_path, server)
    expected = json.loads(command(site, folder, "estimate", "mine.toml", "--json").stdout)
    assert (expected["calls"]["sampler"], expected["calls"]["judge"]) == (6, 4)
    done = command(site, folder, "run", "mine.toml", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["calls"]["sampler"], summary["calls"]["judge"], summary["pairs"]) == (6, 4, 2)
    assert float(summary["cost_usd"]["total"]) > 0
    assert summary["diagnostics"]["flip_rate"] == 0
    for row in rows(folder / "runs" / "mine" / "preferences.jsonl"):
        better, worse = (int(row[side][0]["content"][-2]) for side in ("chosen", "rejected"))
        assert better > worse
    again = json.loads(command(site, folder, "run", "mine.toml", "--yes", "--json").stdout)
    assert again["calls"]["from_journal"] == 10


@pytest.mark.slow
def test_what_a_strangers_provider_costs_is_never_taken_to_be_nothing(site: Path, server: str, tmp_path: Path) -> None:
    """Without a price it does not start, and the key that sets one is named."""
    done = command(site, written(tmp_path, server, price=""), "run", "mine.toml", "--yes")
    assert done.returncode == 2
    assert "endpoints.loud.price" in done.stderr


@pytest.mark.slow
def test_a_strangers_refusal_keeps_its_words(site: Path, server: str, tmp_path: Path) -> None:
    """What its server said is in the error."""
    done = command(site, written(tmp_path, server, judge="deaf"), "run", "mine.toml", "--yes")
    assert done.returncode == 5
    assert "no such voice" in done.stderr


@pytest.mark.slow
def test_a_format_of_a_stranger_is_exported_and_validated(site: Path, server: str, tmp_path: Path) -> None:
    """It is among the known ones, lays out every pair, and its file is in order."""
    folder = written(tmp_path, server)
    assert command(site, folder, "run", "mine.toml", "--yes", "--quiet").returncode == 0
    assert "best-of" in command(site, folder, "export", "runs/mine", "--to", "nothing", "-o", "out.jsonl").stderr
    done = command(site, folder, "export", "runs/mine", "--to", "best-of", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [set(row) for row in rows(folder / "out.jsonl")] == [{"ask", "best"}] * 2
    assert command(site, folder, "validate", "out.jsonl", "--for", "best-of").returncode == 0


@pytest.mark.slow
def test_keys_that_say_nothing_to_a_strangers_method_are_refused(site: Path, server: str, tmp_path: Path) -> None:
    """As for every method: what would be read and ignored is an error before the run."""
    folder = written(tmp_path, server)
    with (folder / "mine.toml").open("a", encoding="utf-8") as file:
        file.write('schedule = "swiss"\n')
    done = command(site, folder, "run", "mine.toml", "--yes")
    assert done.returncode == 2
    assert 'schedule is for method = "pairwise"' in done.stderr


def test_a_provider_that_is_not_asked_is_not_loaded() -> None:
    """Finding providers imports their files alone: no client's library comes with a run file that names none."""
    code = (
        "import sys; from judgegen.spec.reading import parse; from judgegen.llm.providers.table import PROVIDERS; "
        "assert 'openai' in PROVIDERS; print(sorted({'openai', 'aiohttp', 'httpx2', 'xllamacpp'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
