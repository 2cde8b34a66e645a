"""A run folder says what made it, and nothing in it is another run file's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import judgegen
from judgegen import spec
from judgegen.errors import SpecError
from judgegen.run import kept_file

WORLD: dict[str, Any] = {
    "prompts": "prompts.txt",
    "endpoints": {"world": {"provider": "scripted"}},
    "sampler": {"endpoint": "world", "model": "small", "variants": [{"name": "a"}, {"name": "b", "temperature": 1.0}]},
    "judge": {"endpoint": "world", "model": "large"},
}


def project(folder: Path, **change: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "prompts.txt").write_text("one\ntwo\nthree\nfour\nfive\nsix\n")
    path = folder / "run.toml"
    path.write_text(tomli_w.dumps({**WORLD, **change}))
    return path


@pytest.mark.slow
def test_another_run_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two run.toml in folders of one name do not share a run folder unseen; with the word, the second takes it."""
    monkeypatch.chdir(tmp_path)
    first, second = project(tmp_path / "a" / "cfg"), project(tmp_path / "b" / "cfg", seed=3)
    asyncio.run(judgegen.generate(first))
    before = (tmp_path / "runs" / "cfg" / "preferences.jsonl").read_bytes()
    with pytest.raises(SpecError) as caught:
        asyncio.run(judgegen.generate(second))
    assert str(first) in str(caught.value)
    assert "--replace" in str(caught.value)
    assert (tmp_path / "runs" / "cfg" / "preferences.jsonl").read_bytes() == before
    asyncio.run(judgegen.generate(second, replace_folder=True))
    asyncio.run(judgegen.generate(second))
    asyncio.run(judgegen.generate(tmp_path / "runs" / "cfg" / "run.toml", out=tmp_path / "runs" / "cfg"))
    asyncio.run(judgegen.generate(second))


def test_an_edited_run_file_is_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder goes on with it, and its journal answers all."""
    monkeypatch.chdir(tmp_path)
    path = project(tmp_path / "mine")
    made = asyncio.run(judgegen.generate(path))
    path.write_text(tomli_w.dumps({**WORLD, "pairs": {"min_p_chosen": 0.6}}))
    again = asyncio.run(judgegen.generate(path))
    calls = again.summary["calls"]
    assert again.folder == made.folder
    assert calls["from_journal"] == calls["sampler"] + calls["judge"] > 0


def test_what_other_preferences_made_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that is no longer asked for lies in earlier/ once the preferences differ, and not before."""
    monkeypatch.chdir(tmp_path)
    path = project(tmp_path / "mine")
    out = asyncio.run(judgegen.generate(path)).folder
    old = (out / "openai-dpo.jsonl").read_bytes()
    (out / "notes.txt").write_text("mine")
    path.write_text(tomli_w.dumps({**WORLD, "output": {"formats": ["trl-dpo"]}}))
    asyncio.run(judgegen.generate(path))
    assert (out / "openai-dpo.jsonl").read_bytes() == old
    asyncio.run(judgegen.generate(path, limit=2))
    assert not (out / "openai-dpo.jsonl").exists()
    assert (out / "earlier" / "openai-dpo.jsonl").read_bytes() == old
    assert (out / "notes.txt").read_text() == "mine"


def test_the_kept_run_file_holds_how_a_model_in_this_process_is_asked(tmp_path: Path) -> None:
    """Where it lies, and how many answers of it are written at once."""
    here = {"provider": "transformers", "slots": 32, "folders": {"tuned": "/data/tuned"}}
    table = {**WORLD, "endpoints": {**WORLD["endpoints"], "here": here}}
    table["sampler"] = {**WORLD["sampler"], "endpoint": "here", "model": "tuned"}
    asked = spec.parse(table)
    (tmp_path / "run.toml").write_text(kept_file.text(asked, tmp_path, None), encoding="utf-8")
    assert spec.read(tmp_path / "run.toml").endpoints["here"] == asked.endpoints["here"]


def test_the_kept_run_file_holds_what_the_run_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint that it does not ask, no empty table, no other provider's settings; reading it is the same run."""
    monkeypatch.chdir(tmp_path)
    path = project(
        tmp_path / "mine", endpoints={"world": {"provider": "scripted"}, "spare": {"base_url": "http://x/v1"}}
    )
    kept = asyncio.run(judgegen.generate(path)).folder / "run.toml"
    text = kept.read_text()
    assert text.splitlines()[0] == f"# made from {path}"
    found = spec.read(kept)
    assert found.meaning() == spec.read(path).meaning()
    assert "spare" not in text
    assert "slots" not in text
    assert json.dumps(found.meaning()) == json.dumps(spec.parse({**WORLD}).meaning())
