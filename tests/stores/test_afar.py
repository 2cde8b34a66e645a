"""A run at a store is the run: the bytes of one here, no answer paid for twice unsaid, one writer at a time."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from stores.weather import Weather, fetched
from worlds import derived

import judgegen
from judgegen.errors import OutputError
from judgegen.llm.journal import Journal
from judgegen.run import afar
from judgegen.run.afar import MARK, POINT, Afar
from judgegen.stores.urls import here

URL = "weather://bucket/runs/mine"
LOCAL = here(URL)
PROMPTS = [f"Explain fact number {number} about tides." for number in range(4)]
FILE: dict[str, Any] = {
    "prompts": "unused",
    "endpoints": {
        "here": {"provider": "scripted", "price": {"input": 1, "output": 4}, "scripted": {"latency_s": 0.001}}
    },
    "sampler": {"endpoint": "here", "model": "small", "variants": [{"name": "v", "n": 2, "temperature": 1.0}]},
    "judge": {"endpoint": "here", "model": "judge"},
}


class Heard(judgegen.Watch):
    """What a run warned of."""

    def __init__(self) -> None:
        self.words = list[str]()

    def warned(self, message: str) -> None:
        self.words.append(message)


def run(out: str | Path, **terms: Any) -> judgegen.Run:
    return asyncio.run(judgegen.generate(FILE, prompts=PROMPTS, out=out, **terms))


def asked(done: judgegen.Run) -> int:
    calls = done.summary["calls"]
    return int(calls["sampler"] + calls["judge"] - calls["from_journal"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], int, Decimal]:
    """What the run derives on one machine, how many calls it asks, and what it costs."""
    done = run(tmp_path_factory.mktemp("whole"))
    with Journal(done.folder) as journal:
        return derived(done.folder), journal.count(), journal.spent()


@pytest.fixture
def machine(tmp_path: Path, weather: type[Weather], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as another machine, or as one from before: in a folder of its own."""

    def go(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)

    go("first")
    return go


def killed(limit: int, later: int | None = None) -> None:
    """A run at URL that was killed: its last copy of the journal holds `limit` prompts, its own folder `later`."""
    there = Afar(URL, LOCAL)
    there.folder.mkdir(parents=True)
    there.begin()
    run(LOCAL, limit=limit)
    there.checkpoint()
    if later is not None:
        run(LOCAL, limit=later)


def stored(tmp_path: Path) -> dict[str, str]:
    folder = fetched(URL, tmp_path / "fetched")
    return {name: digest for name, digest in derived(folder).items() if name not in (POINT, MARK)}


def test_at_a_store_it_has_the_bytes_of_one_here(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """All outputs and a journal that is whole; no mark stays; it was said first where the run is kept."""
    heard = Heard()
    done = run(URL, watch=heard)
    assert str(LOCAL) in heard.words[0]
    assert URL in heard.words[0]
    assert done.folder == LOCAL
    assert stored(tmp_path) == whole[0]
    assert not (tmp_path / "fetched" / MARK).exists()
    with Journal(tmp_path / "fetched") as journal:
        assert (journal.count(), journal.spent()) == whole[1:]


def test_another_machine_goes_on_and_asks_nothing_again(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """The journal is taken from the store, for an estimate too; a folder that is older is joined with it."""
    run(URL, limit=2)
    machine("second")
    assert judgegen.estimate(FILE, prompts=PROMPTS, out=URL, limit=2).calls["from_journal"] == whole[1] // 2
    assert asked(run(URL)) == whole[1] // 2
    machine("first")
    assert asked(run(URL)) == 0
    assert stored(tmp_path) == whole[0]


def test_a_killed_run_goes_on_in_its_own_folder(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """It holds more than the copy at the store, and nothing of that is asked again; the mark is its own."""
    killed(1, later=3)
    assert asked(run(URL)) == whole[1] // 4
    assert stored(tmp_path) == whole[0]


def test_another_machine_is_told_of_a_killed_run_and_may_take_over(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """Refused until told to; then what the copy did not hold is asked again, and both payments are known in the end."""
    killed(1, later=2)
    machine("second")
    with pytest.raises(judgegen.JournalError, match=r"the copy of .*--take-over|--take-over goes on with the copy"):
        run(URL)
    heard = Heard()
    assert asked(run(URL, take_over=True, watch=heard)) == whole[1] * 3 // 4
    assert any("asked and paid for again" in words for words in heard.words)
    assert stored(tmp_path) == whole[0]
    machine("first")
    assert asked(run(URL)) == 0
    assert stored(tmp_path) == whole[0]
    with Journal(LOCAL) as journal:
        assert journal.spent() > whole[2]
        assert journal.count() == whole[1]


def test_who_was_taken_over_stops_and_writes_nothing_more(machine: Callable[[str], None]) -> None:
    """Its next copy meets another's mark: the store keeps what the other one put."""
    killed(1)
    first = Afar(URL, Path.cwd() / LOCAL)
    first._session = "the first"
    first.store.write(MARK, b'{"token": "another", "session": "another", "machine": "m", "pid": 1}')
    before = dict(Weather.store)
    with pytest.raises(judgegen.JournalError, match="took the run over"):
        first.end()
    assert dict(Weather.store) == before


def test_a_run_that_is_taken_over_ends(machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs: nothing is sent once the mark is seen to be another's; what was answered stays here."""
    monkeypatch.setattr(afar, "EVERY_S", 0.01)
    monkeypatch.setattr(afar, "SHARE", 0)
    slow = {**FILE["endpoints"]["here"], "max_concurrency": 1, "scripted": {"latency_s": 0.03}}

    def over(what: str, path: str) -> None:
        if what == "put" and "journal" in path:
            Weather.faults.clear()
            Afar(URL, LOCAL).store.write(MARK, b'{"token": "another", "session": "another", "machine": "m"}')

    Weather.faults.append(over)
    with pytest.raises(judgegen.JournalError, match="took the run over"):
        asyncio.run(judgegen.generate({**FILE, "endpoints": {"here": slow}}, prompts=PROMPTS, out=URL))
    assert Afar(URL, LOCAL).store.read("summary.json") is None


def test_two_runs_of_one_folder_are_one_too_many(machine: Callable[[str], None]) -> None:
    """On one machine the second is refused, and leaves the first one's mark."""
    killed(1)
    with Afar(URL, LOCAL)._alone(), pytest.raises(judgegen.JournalError, match="another run is writing here"):
        run(URL)
    assert Afar(URL, LOCAL).store.read(MARK) is not None


def test_the_journal_is_copied_as_the_run_goes(
    machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every copy is of one moment: a whole file without a log beside it, its answers among those of the end."""
    monkeypatch.setattr(afar, "EVERY_S", 0.005)
    monkeypatch.setattr(afar, "SHARE", 0)
    slowly = {"here": {**FILE["endpoints"]["here"], "scripted": {"latency_s": 0.1}}}  # so that it goes on for a while
    asyncio.run(judgegen.generate({**FILE, "endpoints": slowly}, prompts=PROMPTS, out=URL))
    copies = Weather.puts["journal.sqlite"]
    assert len(copies) > 1
    held = list[set[str]]()
    for number, data in enumerate(copies):
        (path := tmp_path / f"{number}.sqlite").write_bytes(data)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            held.append({name for (name,) in db.execute("SELECT id FROM calls")})
    assert all(earlier <= later for earlier, later in itertools.pairwise(held))


def test_a_copy_that_is_under_way_is_let_end(
    machine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The run ends while the journal is being put, slowly: one copy after the other, and both are whole."""
    monkeypatch.setattr(afar, "EVERY_S", 0.02)
    under_way, most = [0], [0]

    def slow(self: Afar) -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        threading.Event().wait(0.3)
        checkpoint(self)
        under_way[0] -= 1

    checkpoint = Afar.checkpoint
    monkeypatch.setattr(Afar, "checkpoint", slow)
    run(URL)
    assert most[0] == 1
    assert Weather.puts["journal.sqlite"]


def failing(times: int, *what: str, name: str = "") -> Callable[[str, str], None]:
    """A store that says 503 so often to what is done to files of a name."""
    met = itertools.count()

    def fault(done: str, path: str) -> None:
        if done in what and name in path and next(met) < times:
            Weather.calls["failed"] += 1
            raise OSError("503 Service Unavailable: reduce your request rate")

    return fault


@pytest.mark.parametrize("what", ["read", "put", "write"])
def test_what_fails_a_few_times_is_tried_again(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal], what: str
) -> None:
    """Nobody is told, and the bytes are the same."""
    if what == "write":
        killed(1)  # so that its mark is written over, and not created
    Weather.faults.append(failing(3, what))
    run(URL)
    assert Weather.calls["failed"] == 3
    assert stored(tmp_path) == whole[0]


@pytest.mark.parametrize("name", ["journal", "preferences", "calls.parquet"])
def test_an_upload_that_fails_loses_nothing(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal], name: str
) -> None:
    """The outputs are whole here and it says so; the same command copies them and asks nothing."""
    Weather.faults.append(failing(1000, "put", name=name))
    with pytest.raises(OutputError, match=r"503.*the same command copies it, and asks nothing again") as error:
        run(URL)
    assert derived(error.value.run.folder).items() >= whole[0].items()
    Weather.faults.clear()
    assert asked(run(URL)) == 0
    assert stored(tmp_path) == whole[0]


def test_where_the_last_copy_of_the_journal_failed_the_mark_stays(machine: Callable[[str], None]) -> None:
    """So that no other machine pays again for what this one holds, without being told."""
    Weather.faults.append(failing(1000, "put", name="journal"))
    with pytest.raises(OutputError):
        run(URL)
    Weather.faults.clear()
    machine("second")
    with pytest.raises(judgegen.JournalError, match="no copy of its journal"):
        run(URL)


def test_half_a_download_is_no_journal(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """Cut short it is fetched again; always cut short the run does not begin, and leaves no mark."""
    run(URL)
    machine("second")
    Weather.cut = 1000
    with pytest.raises(OutputError, match="cut short"):
        run(URL)
    assert not (LOCAL / "journal.sqlite").exists()
    Weather.cut = 2
    assert asked(run(URL)) == 0
    assert stored(tmp_path) == whole[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda there: there.write("journal.sqlite", b"no database" * 1000), "is no whole journal"),
        (lambda there: there.remove("journal.sqlite"), "tells of a journal.sqlite that is not there"),
        (lambda there: there.write(POINT, b"{"), "is not as it was written"),
    ],
)
def test_a_damaged_copy_begins_no_run(machine: Callable[[str], None], spoil: Callable[[Any], None], words: str) -> None:
    """What was paid for may be in it: nothing is asked, nothing is written over, and no mark is left."""
    run(URL)
    there = Afar(URL, LOCAL).store
    spoil(there)
    machine("second")
    before = set(Weather.store)
    with pytest.raises(judgegen.JournalError, match=words):
        run(URL)
    assert set(Weather.store) == before


def test_what_cannot_begin_leaves_nothing_at_the_store(machine: Callable[[str], None]) -> None:
    """A run without prompts: neither a mark nor an empty journal."""
    with pytest.raises(judgegen.SpecError):
        asyncio.run(judgegen.generate(FILE, prompts=[], out=URL))
    assert not Weather.store


def test_shards_at_a_store_are_merged_there(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """Each from a machine of its own; one that runs is waited for; then the outputs are those of one piece."""
    for number in (1, 2):
        machine(f"node {number}")
        run(URL, shard=f"{number}/2")
    machine("third")
    with pytest.raises(
        judgegen.SpecError, match=r"weather://bucket/none: no shards here; .* --out weather://bucket/none"
    ):
        judgegen.merge("weather://bucket/none")
    mark = f"{URL}/shard-1-of-2/{MARK}"
    Afar(URL, LOCAL).store.write(f"shard-1-of-2/{MARK}", b'{"token": "t", "machine": "m", "pid": 1}')
    with pytest.raises(judgegen.JournalError, match="is writing there"):
        judgegen.merge(URL)
    Afar(URL, LOCAL).store.remove(mark.removeprefix(f"{URL}/"))
    merged = judgegen.merge(URL)
    found = {name: digest for name, digest in stored(tmp_path).items() if not name.startswith("shard-")}
    assert found == whole[0]
    machine("fourth")
    assert judgegen.load(URL).summary["pairs"] == merged.summary["pairs"] > 0


def test_a_folder_whose_name_looks_like_a_url_is_a_folder(
    machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """A colon in it is nothing to what writes the tables."""
    assert derived(run(Path("s3:mine")).folder) == whole[0]


def test_a_folder_that_was_fetched_by_hand_is_a_run_folder(
    tmp_path: Path, machine: Callable[[str], None], whole: tuple[dict[str, str], int, Decimal]
) -> None:
    """What is at the store, copied with any tool, is what `write` and `export` take."""
    run(URL)
    folder = fetched(URL, tmp_path / "by hand")
    shutil.rmtree(folder / "audit")
    judgegen.rewrite(folder)
    assert {name: digest for name, digest in derived(folder).items() if name != POINT} == whole[0]
