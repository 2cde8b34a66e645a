"""A run in shards that lend each other its limits is the run, whatever is lost: on an engine inside this process."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from worlds import derived

import judgegen
from judgegen import cli
from judgegen.errors import Interrupted
from judgegen.fleet import drive
from judgegen.fleet.drive import HandLostError
from judgegen.fleet.hub import Charter, Hub, HubLostError, News, Said
from judgegen.fleet.shard import Ended, Whole, played
from judgegen.llm.journal import Journal
from judgegen.llm.leases import Grant, Pulse
from judgegen.llm.stop import Stop
from judgegen.run.shards import Shard
from judgegen.show.progress import Quiet
from judgegen.show.tally import Counts
from judgegen.simulator.server import Served, serving
from judgegen.spec import Scripted

PROMPTS = [f"Explain fact number {number} about rivers." for number in range(6)]
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.sim]
base_url = "{url}"
identity = "the simulator"
max_concurrency = 16
rpm = 100000
tpm = 50000000
timeout_s = 2
price = {{ input = 1, output = 4 }}
[sampler]
endpoint = "sim"
model = "small"
max_tokens = 200
[[sampler.variants]]
name = "v"
temperature = 1.0
n = 2
[judge]
endpoint = "sim"
model = "judge"
"""


class HereLink:
    """A way to a hub in this process, that may be cut."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.cut_after = hub, -1

    def _reached(self) -> Hub:
        if self.cut_after == 0:
            raise HubLostError("cut")
        return self.hub

    async def begin(self, shard: int) -> int:
        return self._reached().begin(shard)

    async def beat(self, report: Pulse) -> Grant:
        self.cut_after -= self.cut_after > 0
        return self._reached().beat(report)

    async def tell(self, shard: int, counts: Counts, said: Sequence[Said]) -> None:
        self._reached().tell(shard, counts, said)

    async def lost(self, shard: int) -> None:
        self._reached().lost(shard)

    async def done(self, shard: int) -> None:
        self._reached().done(shard)

    async def stop(self, why: str) -> None:
        self._reached().stop(why)

    async def news(self) -> News:
        return self._reached().news()


class HereHand:
    """A shard as a task; one that is `doomed` is lost so many seconds after it began: it hears nothing any more."""

    def __init__(self, whole: Whole, number: int, link: HereLink, doomed_s: float | None) -> None:
        self.link = link
        self._task = asyncio.create_task(played(whole, number, self.link))
        self.lost = False
        if doomed_s is not None:
            asyncio.get_running_loop().call_later(doomed_s, self.end)

    async def ended(self) -> Ended:
        ended = await self._task
        if self.lost:
            raise HandLostError("killed")
        return ended

    def end(self) -> None:
        if not self._task.done():  # a link of its own, where it is doomed
            self.lost, self.link.cut_after = True, 0


class Here:
    """Tasks for processes. `kills` of them are lost at random; the first hub is lost after `cut_after` beats."""

    def __init__(self, *, kills: int = 0, cut_after: int = -1) -> None:
        self.kills, self.cut_after, self.hubs, self.lot = kills, cut_after, 0, random.Random(3)

    async def hub(self, terms: Charter) -> HereLink:
        self.hubs += 1
        link = HereLink(Hub(terms))
        link.cut_after, self.cut_after = self.cut_after, -1
        return link

    def hand(self, whole: Whole, number: int, link: Any) -> HereHand:
        self.kills -= 1
        doomed_s = self.lot.random() * 0.4 if self.kills >= 0 else None
        return HereHand(whole, number, HereLink(link.hub) if self.kills >= 0 else link, doomed_s)


def written(folder: Path, url: str, more: str = "") -> Path:
    (folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(RUN_FILE.format(url=url) + more, encoding="utf-8")
    return path


def outputs(folder: Path) -> dict[str, str]:
    return {name: sum_ for name, sum_ in derived(folder).items() if not name.startswith("shard-")}


def with_server(job: Callable[[Served], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def main() -> None:
        async with serving(Scripted(**settings)) as served:
            await job(served)

    asyncio.run(main())


async def driven(path: Path, out: Path, of: int, engine: Here, stop: Stop | None = None, **how: Any) -> judgegen.Run:
    whole = Whole(given=path, out=out, of=of, **how)
    return await drive.run(whole, engine, watch=Quiet(io.StringIO()), stop=stop or Stop())


@pytest.mark.parametrize(("of", "kills"), [(1, 0), (4, 6), pytest.param(16, 0, marks=pytest.mark.slow)])
def test_it_has_the_bytes_of_one_piece_and_pays_nothing_twice(tmp_path: Path, of: int, kills: int) -> None:
    """Whatever number of shards, some of them lost and begun again; never more at once than the whole may."""

    async def job(served: Served) -> None:
        path = written(tmp_path, served.url)
        await judgegen.generate(path, out=tmp_path / "whole")
        once = served.tally.row()
        served.tally.reset()
        done = await driven(path, tmp_path / "parts", of, Here(kills=kills))
        assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")
        assert done.summary["pairs"] > 0
        now = served.tally.row()
        assert (now["seen"], now["repeats"]) == (once["seen"], 0)
        assert now["peak"] <= 16

    with_server(job, latency_s=0.01)


def test_a_lost_ledger_is_followed_by_another(tmp_path: Path) -> None:
    """Every shard lands what is in flight and ends; with another ledger they go on, and nothing is paid twice."""

    async def job(served: Served) -> None:
        path, engine = written(tmp_path, served.url), Here(cut_after=7)
        await driven(path, tmp_path / "parts", 2, engine)
        assert engine.hubs == 2
        assert served.tally.row()["repeats"] == 0
        await judgegen.generate(path, out=tmp_path / "whole")
        assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")

    with_server(job, latency_s=0.05)


@pytest.mark.slow
def test_the_cap_is_of_all_shards_together(tmp_path: Path) -> None:
    """They end when nothing more fits, with what they have written; with a higher cap the same run goes on."""

    async def job(served: Served) -> None:
        path, cap = written(tmp_path, served.url), Decimal("0.01")
        with pytest.raises(judgegen.BudgetReached) as caught:
            await driven(path, tmp_path / "parts", 4, Here(), max_usd=cap)
        assert caught.value.run.folder == tmp_path / "parts"
        spent = Decimal(0)
        for number in range(1, 5):
            with Journal(Shard(number, 4).folder(tmp_path / "parts")) as journal:
                spent += journal.spent()
        assert cap * Decimal("0.7") < spent <= cap
        await driven(path, tmp_path / "parts", 4, Here(), max_usd=Decimal(5))
        assert served.tally.row()["repeats"] == 0
        await judgegen.generate(path, out=tmp_path / "whole")
        assert outputs(tmp_path / "parts") == derived(tmp_path / "whole")

    with_server(job)


def test_stopped_it_lands_and_goes_on(tmp_path: Path) -> None:
    """Ctrl-C ends every shard, and the same command goes on."""

    async def job(served: Served) -> None:
        path, stop = written(tmp_path, served.url), Stop()
        asyncio.get_running_loop().call_later(0.3, stop.request, Interrupted("by Ctrl-C"))
        with pytest.raises(Interrupted, match="by Ctrl-C"):
            await driven(path, tmp_path / "parts", 2, Here(), stop)
        await driven(path, tmp_path / "parts", 2, Here())
        assert served.tally.row()["repeats"] == 0

    with_server(job, latency_s=0.1)


def test_what_ends_one_shard_ends_the_others(tmp_path: Path) -> None:
    """A template that is not there, say: the error is told as the run's own."""

    async def job(served: Served) -> None:
        path = written(tmp_path, served.url, 'template = "nowhere.md"\n')
        with pytest.raises(judgegen.SpecError, match="nowhere"):
            await driven(path, tmp_path / "parts", 2, Here())

    with_server(job)


def test_more_shards_than_connections_are_refused(tmp_path: Path) -> None:
    """Before anything is begun."""

    async def job(served: Served) -> None:
        path = written(tmp_path, served.url)
        with pytest.raises(judgegen.SpecError, match="take 16 shards at most"):
            await driven(path, tmp_path / "parts", 17, Here())
        assert not (tmp_path / "parts").exists()

    with_server(job)


def test_a_folder_keeps_its_number_of_shards(tmp_path: Path) -> None:
    """Nobody has to say it again, and another one is refused; at first there is one for each core."""
    path = written(tmp_path, "http://127.0.0.1:1/v1")
    whole = Whole(given=path, out=tmp_path / "parts", of=1)
    assert drive.divided(whole, None, 3).of == 3
    assert drive.divided(whole, None, 99).of == 16
    (tmp_path / "parts" / "shard-2-of-5").mkdir(parents=True)
    assert drive.divided(whole, None, 3).of == 5
    with pytest.raises(judgegen.SpecError, match="go on with 5"):
        drive.divided(whole, 4, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shards", "4"], "goes with --engine"),
        (["--address", "127.0.0.1:6379"], "goes with --engine"),
        (["--engine", "dask"], "is not one of: ray"),
        (["--engine", "ray", "--shard", "1/2"], "does not go with --engine"),
        (["--engine", "ray", "--batch"], "does not go with --engine"),
        (["--engine", "ray", "--out", "s3://bucket/mine"], "give --out one that all machines"),
    ],
)
def test_words_that_do_not_go_together_are_refused(tmp_path: Path, words: list[str], said: str) -> None:
    """None is taken and left without effect."""
    path = written(tmp_path, "http://127.0.0.1:1/v1")
    done = CliRunner().invoke(cli.app, ["run", str(path), *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_without_ray_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read or asked."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = written(tmp_path, "http://127.0.0.1:1/v1")
    done = CliRunner().invoke(cli.app, ["run", str(path), "--engine", "ray", "--yes"])
    assert done.exit_code == 2
    assert "pip install 'judgegen[ray]'" in done.output
