from __future__ import annotations

import warnings
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
    """The folder is where these tests look for it."""
    assert "01-quickstart.ipynb" in [path.name for path in NOTEBOOKS]


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_clean(path: Path) -> None:
    """A notebook is valid and is kept without outputs and execution counts, so that a diff shows what was meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


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
