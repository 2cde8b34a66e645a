"""A URL stands where a path does: prompts, imports and exports there are those of the same files here."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFile
from hypothesis import given
from hypothesis import strategies as st
from stores.weather import Weather, fetched
from typer.testing import CliRunner

import judgegen
from judgegen import sources
from judgegen.cli import app
from judgegen.errors import OutputError, SpecError
from judgegen.llm import secrets
from judgegen.run import kept_file
from judgegen.run.session import place
from judgegen.spec.reading import parse, read
from judgegen.stores.store import Store
from judgegen.stores.urls import here, url_of

ROWS = [{"prompt": f"Why does {word} float?", "reference": word} for word in ("ice", "wood", "a wreck")]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
PART = st.text("abcdefgh019-_=.", min_size=1, max_size=8).filter(lambda part: part.strip("."))


@given(st.sampled_from(["s3", "gs", "hf", "memory", "https", "az"]), st.lists(PART, min_size=1, max_size=5))
def test_a_path_keeps_the_url_that_it_was_made_of(scheme: str, parts: list[str]) -> None:
    """Folded by pathlib, as the command line has it, and unfolded; two URLs are never kept in one place."""
    url = f"{scheme}://{'/'.join(parts)}"
    assert url_of(Path(url)) == url_of(url) == url
    assert here(url).parts == ("runs", scheme, *parts)


@pytest.mark.parametrize("place", ["runs/mine", "/abs/mine", "data:train", "C:/runs/mine", "a:b/c", "mine.toml", "s3:"])
def test_a_path_is_no_url(place: str) -> None:
    """Drives of Windows and splits of a folder are none."""
    assert url_of(place) is None
    assert url_of(Path(place)) is None


@pytest.mark.parametrize("out", ["s3://", Path("s3://"), "gs:"])
def test_a_scheme_alone_is_no_place_for_a_run(out: str | Path) -> None:
    """No folder of that name is made for it."""
    with pytest.raises(SpecError, match="names no place"):
        place(out)


def test_files_for_an_engine_lie_on_this_machine(tmp_path: Path) -> None:
    """A store is refused, as a folder `s3:` would be taken for one."""
    ended = CliRunner().invoke(app, ["run", str(tmp_path / "mine.toml"), "--batch-file", "s3://a/b"])
    assert ended.exit_code == 2
    assert "is a folder on this machine" in " ".join(ended.output.split())


def test_a_scheme_may_be_in_capitals() -> None:
    """As elsewhere; a run is never kept in a folder of that name because of it."""
    assert url_of("S3://Bucket/X") == url_of(Path("S3://Bucket/X")) == "s3://Bucket/X"


def test_a_file_url_keeps_its_root() -> None:
    """Three slashes, which pathlib makes one."""
    assert url_of(Path("file:///tmp/x")) == "file:///tmp/x"


def containers(tmp_path: Path) -> dict[str, bytes]:
    frame = pd.DataFrame(ROWS)
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_feather(tmp_path / "rows.arrow")
    return {
        "rows.jsonl": LINES,
        "rows.jsonl.gz": gzip.compress(LINES),
        "rows.jsonl.bz2": bz2.compress(LINES),
        "rows.jsonl.xz": lzma.compress(LINES),
        "rows.json": json.dumps(ROWS).encode(),
        "rows.csv": frame.to_csv(index=False).encode(),
        "rows.parquet": (tmp_path / "rows.parquet").read_bytes(),
        "rows.parquet.gz": gzip.compress((tmp_path / "rows.parquet").read_bytes()),
        "rows.arrow": (tmp_path / "rows.arrow").read_bytes(),
        "rows.txt": "\n".join(row["prompt"] for row in ROWS).encode(),
    }


def test_prompts_are_read_from_a_store_in_every_container(tmp_path: Path, weather: type[Weather]) -> None:
    """As the same files are read here."""
    for name, data in containers(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        Store("weather://bucket").put(tmp_path / name, name)
        found = list(sources.prompts(Path(f"weather://bucket/{name}"), warn=pytest.fail))
        assert found == list(sources.prompts(tmp_path / name, warn=pytest.fail)), name
        assert len(found) == len(ROWS)


def test_half_a_file_of_prompts_is_fetched_again_or_refused(weather: type[Weather]) -> None:
    """Rows that were cut off are not silently none."""
    Store("weather://bucket").write("rows.jsonl", LINES)
    Weather.cut = 2
    assert len(list(sources.prompts(Path("weather://bucket/rows.jsonl"), warn=pytest.fail))) == len(ROWS)
    Weather.cut = 1000
    with pytest.raises(judgegen.SpecError, match=r"weather://bucket/rows\.jsonl: .*cut short"):
        list(sources.prompts(Path("weather://bucket/rows.jsonl"), warn=pytest.fail))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("weather://bucket/none.jsonl", r"weather://bucket/none\.jsonl: cannot be read \(there is no such file\)"),
        ("nowhere://bucket/rows.jsonl", "nowhere://bucket/rows.jsonl: cannot be read .*Protocol not known"),
    ],
)
def test_what_is_not_there_is_said_by_its_url(weather: type[Weather], url: str, words: str) -> None:
    """With its slashes, and what is wrong."""
    with pytest.raises(judgegen.SpecError, match=words):
        list(sources.prompts(Path(url), warn=pytest.fail))


def test_an_import_and_an_export_go_to_a_store(tmp_path: Path, weather: type[Weather]) -> None:
    """The files that they make here, each of them, and the places are said as URLs."""
    pairs = [{"prompt": f"Q{number}?", "chosen": "Yes.", "rejected": "No."} for number in range(8)]
    rows = [*pairs, {"prompt": "without an answer"}]
    Store("weather://b").write("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = judgegen.import_("weather://b/rows.jsonl", "weather://b/made/p.jsonl")
    judgegen.import_(tmp_path / "rows.jsonl", tmp_path / "made" / "p.jsonl")
    assert [url_of(path) for path in done.paths] == ["weather://b/made/p.jsonl", "weather://b/made/p.rejects.jsonl"]
    for to, out in (("trl-dpo", "dpo.jsonl"), ("huggingface", "hub")):
        judgegen.export("weather://b/made/p.jsonl", to, f"weather://b/made/{out}", split=0.5, seed=1)
        judgegen.export(tmp_path / "made" / "p.jsonl", to, tmp_path / "made" / out, split=0.5, seed=1)
    there, own = fetched("weather://b/made", tmp_path / "fetched"), tmp_path / "made"
    assert files(there) == files(own)
    assert len(files(own)) > 5


def test_a_file_at_a_store_is_validated_and_looked_at(tmp_path: Path, weather: type[Weather]) -> None:
    """What is found is what is found of the same file here."""
    (tmp_path / "x.jsonl").write_text('{"prompt": "Q?", "chosen": "Yes.", "rejected": "No."}\n{"prompt": 3}\n')
    Store("weather://b").put(tmp_path / "x.jsonl", "x.jsonl")
    there = judgegen.validate("weather://b/x.jsonl", "trl-dpo")
    here_ = judgegen.validate(tmp_path / "x.jsonl", "trl-dpo")
    assert (there.rows, there.findings) == (here_.rows, here_.findings)
    assert there.findings


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_kept_run_file_names_the_url_without_its_secrets(tmp_path: Path) -> None:
    """What an address of prompts signs with is for whoever runs it; the rest of it stays, with its slashes."""
    signed = "https://host/rows.jsonl?X-Amz-Credential=AKIA0&X-Amz-Signature=feedbeef&version=3"
    spec = parse(
        {"prompts": signed, "sampler": {"model": "m", "variants": [{"name": "v", "n": 2}]}, "judge": {"model": "j"}}
    )
    (tmp_path / "run.toml").write_text(kept_file.text(spec, tmp_path, None), encoding="utf-8")
    assert read(tmp_path / "run.toml").prompts == "https://host/rows.jsonl?version=3"


def test_a_store_that_repeats_a_key_does_not_get_it_shown(
    weather: type[Weather], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a message nor in what is written of it: the environment's keys are known before anything is sent."""
    monkeypatch.setattr(secrets, "_forms", {})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-0123456789")
    Weather.faults.append(_repeats)
    with pytest.raises(OutputError, match=r"\[secret\]") as error:
        Store("weather://bucket").write("x", b"")
    assert "planted" not in str(error.value)


def _repeats(*_: str) -> None:
    raise OSError("SignatureDoesNotMatch: planted-0123456789")


def test_what_is_put_is_whole_or_as_it_was(tmp_path: Path, weather: type[Weather]) -> None:
    """Where a store has no put of one piece, a file is put beside and renamed: half of one is never in its place."""
    store = Store("weather://bucket")
    store.write("x", b"before")

    def dies(what: str, path: str) -> None:
        if what == "put":
            Weather.store[path] = Weather.store["/bucket/x"]
            raise OSError("connection reset")

    (tmp_path / "x").write_bytes(b"after")
    Weather.faults.append(dies)
    with pytest.raises(OutputError, match="connection reset"):
        store.put(tmp_path / "x", "x")
    assert store.read("x") == b"before"
    Weather.faults.clear()
    store.put(tmp_path / "x", "x")
    assert store.read("x") == b"after"


def test_what_another_machine_did_is_seen(weather: type[Weather]) -> None:
    """Whatever the store's client believes to know by then: of a mark that was not there, was another's, is gone."""
    store = Store("weather://bucket")
    assert store.read("mark") is None
    for said in (b"1", b"another"):
        Weather.store["/bucket/mark"] = MemoryFile(None, "/bucket/mark", said)
        assert store.read("mark") == said
    assert not store.create("mark", b"ours")
    del Weather.store["/bucket/mark"]
    assert store.create("mark", b"ours")


@pytest.mark.parametrize("url", ["memory://bucket/place", "file://{}/place"])
def test_one_comes_first(tmp_path: Path, url: str) -> None:
    """Of two that create a file one does, whatever kind of store it is."""
    store, other = Store(url.format(tmp_path)), Store(url.format(tmp_path))
    assert store.create("mark", b"1")
    assert not other.create("mark", b"2")
    assert store.read("mark") == b"1"
    assert store.names() == ["mark"]
    store.remove("mark")
    assert store.read("mark") is None
    assert other.create("mark", b"2")
