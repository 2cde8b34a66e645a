"""Notebooks run, show what they are kept with, and show a run by themselves.

`python tests/test_notebooks.py` runs them in place, so that what they are kept with is what they come to now.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra `notebook`")
nbclient = pytest.importorskip("nbclient", reason="notebooks need the extra `notebook`")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = [
    # Jupyter's own, about its own: zmq's event loop policy and the platform folders it means to move to some day.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_core"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq"),
]


def test_there_are_notebooks() -> None:
    """The seven of them, in the order in which they are read."""
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Jupyter that knows nothing of the user's, writes into a folder of the test, and reaches no network."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # nobody listens there
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "error:::judgegen")
    work = tmp_path / "work"
    work.mkdir()
    return work


def executed(path: Path, work: Path) -> Any:
    """The notebook after its cells ran in order in this interpreter's kernel; the first error ends it."""
    notebook = nbformat.read(path, as_version=4)
    # "python3" is the running interpreter's own kernel wherever ipykernel is installed; no spec needs installing.
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    )
    client.execute()
    return notebook


def shown(notebook: Any) -> str:
    """Everything the cells printed or displayed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = [output.get("text", "") for output in outputs]
    texts += [text for output in outputs for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(texts)


def codes(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def counts(notebook: Any) -> list[str]:
    """Of pairs and prompts, in what cells come to; what they show on the way goes by the clock."""
    found = [output for cell in codes(notebook) for output in cell.outputs if output.output_type == "execute_result"]
    text = "\n".join(output.data.get("text/html") or output.data["text/plain"] for output in found)
    return re.findall(r"[\d,]+ (?:pairs|prompts|comparisons)\b", text)


def kinds_of(cell: Any) -> list[str]:
    """What it shows, in order; what is printed comes in as many pieces as it likes."""
    return [kind for kind, _ in groupby(output.output_type for output in cell.outputs)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_with_what_they_show(path: Path) -> None:
    """A notebook is valid, its cells were run in order once, and what came of that is in it: no error, no place."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    cells = codes(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(not cell.outputs for cell in cells) <= 2  # imports and a run file show nothing
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    text = shown(notebook)
    assert not [place for place in ("/tmp", "/home", "/root", "/work") if place in text]
    assert path.stat().st_size < 400_000


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_offline_to_what_they_show(path: Path, jupyter: Path) -> None:
    """Run again without a network, each cell comes to outputs of the same kinds, and to the same counts."""
    kept, again = nbformat.read(path, as_version=4), executed(path, jupyter)
    for before, now in zip(codes(kept), codes(again), strict=True):
        assert kinds_of(now) == kinds_of(before)
    assert counts(again) == counts(kept) != []


@pytest.mark.slow
def test_the_quickstart_runs_offline(jupyter: Path) -> None:
    """The quickstart runs top to bottom without a network; it shows pairs, drops, verdicts and spend."""
    text = shown(executed(FOLDER / "01-quickstart.ipynb", jupyter))
    assert "Traceback" not in text
    assert "pairs from 40 prompts" in text
    assert "<progress" in text
    for column in ("chosen", "p_chosen", "outcome", "consistent", "cost_usd"):
        assert column in text
    assert "0 sent now" in text
    assert "the same bytes: True" in text


SETTING = """\
import judgegen
spec = {{
    "prompts": "none",
    "endpoints": {{"world": {{"provider": "scripted", "price": {{"input": 1, "output": 4}}, {weather}}}}},
    "sampler": {{"endpoint": "world", "model": "scripted-small", "variants": [{{"name": "plain", "n": 2}}]}},
    "judge": {{"endpoint": "world", "model": "scripted-judge"}},
    "budget": {{"max_usd": 5}},
}}
prompts = [f"What about {{i}}?" for i in range(8)]
"""


def of(*cells: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def client_of(notebook: Any, work: Path) -> Any:
    return nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    )


@pytest.mark.slow
def test_a_run_shows_itself_and_survives_being_run_again(jupyter: Path) -> None:
    """Nothing is passed to generate: the cell shows one output with the expected cost, the bars and the spend.

    A cell that is run again has one output again, and pays nothing.
    """
    cell = "run = await judgegen.generate(spec, prompts=prompts, out='run')"
    notebook = of(SETTING.format(weather='"scripted": {}'), cell, cell, "run")
    client_of(notebook, jupyter).execute()
    first, second = (notebook.cells[number].outputs for number in (1, 2))
    for outputs, words in ((first, "the cap of $5"), (second, "32 from the journal")):
        assert len(outputs) == 1
        html = outputs[0]["data"]["text/html"]
        for shown in (words, "expected cost", "8/8 prompts", "sampler", "judge", "16/16 calls"):
            assert shown in html
    assert "0 sent now" in notebook.cells[3].outputs[0]["data"]["text/html"]


@pytest.mark.slow
def test_a_stopped_cell_has_its_run(jupyter: Path) -> None:
    """The stop button lets what is in flight land, writes the outputs, and raises Interrupted with the run on it."""
    weather = '"max_concurrency": 1, "scripted": {"latency_s": 0.3}'
    stopped = """\
import asyncio, os, pathlib, signal
from judgegen.run.status import status

async def stop():
    answered = 0
    while answered < 3:
        await asyncio.sleep(0.05)
        try:
            answered = sum(status(pathlib.Path("run"), None).calls.values())
        except judgegen.SpecError:
            pass
    os.kill(os.getpid(), signal.SIGINT)

stopping = asyncio.create_task(stop())
try:
    await judgegen.generate(spec, prompts=prompts, out="run")
except judgegen.Interrupted as error:
    print("stopped with", error.run)
"""
    after = "fast = {'world': {'provider': 'scripted'}}\nspec['endpoints'] = fast\n"
    after += "await judgegen.generate(spec, prompts=prompts, out='run')"
    notebook = of(SETTING.format(weather=weather), stopped, "len(judgegen.load('run').calls)", after)
    client_of(notebook, jupyter).execute()
    outputs = notebook.cells[1].outputs
    assert "stopped with <Run 'run'" in "".join(output.get("text", "") for output in outputs)
    assert "ended" in outputs[0]["data"]["text/html"] or "8/8 prompts" in outputs[0]["data"]["text/html"]
    answered = int(notebook.cells[2].outputs[0]["data"]["text/plain"])
    assert 0 < answered < 32
    assert f"{answered} from the journal" in notebook.cells[3].outputs[-1]["data"]["text/html"]


def kept(path: Path) -> Any:
    """The notebook run in a folder of its own, without the clock's stamps."""
    with tempfile.TemporaryDirectory() as work:
        notebook = executed(path, Path(work))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


if __name__ == "__main__":
    for each in NOTEBOOKS:
        nbformat.write(kept(each), each)
        print(each)  # noqa: T201 - a script says what it did
