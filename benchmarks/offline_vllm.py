"""vLLM's own `run-batch` behind batch files, killed in the midst, beside vLLM's own server: the same bytes of pairs.

    make vllm

One command of this writes the files, vLLM on this machine's CPU answers them round after round, and judgegen is killed
with -9 while the engine works on the first; said again it waits for that engine. Then `vllm serve` is asked the same,
one request at a time as the engine has them (in float32, without a cache of prompts: what stands beside a request must
not show in its answer). The model is the packaged one, unpacked. Prints what came out; exit 1 where bytes differ or a
request was answered twice. Some minutes, most of them vLLM's start.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from stores_here import free, serving

from judgegen.llm.weights import folder_of

NAME = "smollm2"
ENVIRON = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "no_proxy": "127.0.0.1",
}
ALIKE = "--enforce-eager --dtype float32 --max-model-len 2048 --max-num-seqs 1 --no-enable-prefix-caching".split()
PLACES = "Canada France Egypt Poland Italy Japan".split()
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.engine]
{where}
identity = "vllm"
[sampler]
endpoint = "engine"
model = "{name}"
max_tokens = 64
[[sampler.variants]]
name = "focused"
temperature = 0.2
system = "Answer in one short sentence."
[[sampler.variants]]
name = "loose"
temperature = 0.9
system = "Answer in one short sentence."
[judge]
endpoint = "engine"
model = "{name}"
[pairs]
require_consistent = false
[gates]
min_pairs = 0
"""


def vllm(what: str, folder: str, *more: str) -> list[str]:
    """A command of vLLM's; by its module, since the CPU build's `vllm` looks for a package of another name."""
    words = [sys.executable, "-m", f"vllm.entrypoints.openai.{what}", "--model", folder, "--served-model-name", NAME]
    return [*words, *ALIKE, *more]


def begun(folder: Path, way: str, where: str) -> subprocess.Popen[bytes]:
    """A run in `folder`/`way` over what stands at `where`."""
    path = folder / f"{way}.toml"
    path.write_text(RUN_FILE.format(where=where, name=NAME), encoding="utf-8")
    command = [sys.executable, "-m", "judgegen", "run", str(path), "--out", str(folder / way), "--yes", "--quiet"]
    return subprocess.Popen(command, env=ENVIRON, stdout=subprocess.DEVNULL)


@contextmanager
def served(folder: str) -> Iterator[str]:
    """A server of vLLM, from when it listens until the block ends."""
    port = free()
    command = vllm("api_server", folder, "--host", "127.0.0.1", "--port", str(port))
    with serving(command, port, ENVIRON):
        yield f"http://127.0.0.1:{port}/v1"


def by_files(folder: Path, model: str) -> None:
    """To its end, killed once while the engine works."""
    command = shlex.join(vllm("run_batch", model, "-i", "{input}", "-o", "{output}"))
    where = f'provider = "batch-file"\ncommand = {json.dumps(command)}'
    process = begun(folder, "files", where)
    while not any((folder / "files").glob("batch-files/*.log")):
        assert process.poll() is None
        time.sleep(0.2)
    time.sleep(5)
    process.kill()
    process.wait()
    assert begun(folder, "files", where).wait() == 0


def answered(folder: Path) -> Counter[str]:
    """How often the files of answers have each request."""
    paths = (folder / "files" / "batch-files").glob("*.answers.jsonl")
    return Counter(json.loads(row)["custom_id"] for path in paths for row in path.read_text("utf-8").splitlines())


def main() -> None:
    """Both ways, and what they come to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder_of("smollm2-135m-instruct", folder / "model")
        asked = "".join(f"What is the capital of {place}?\n" for place in PLACES)
        (folder / "prompts.txt").write_text(asked, encoding="utf-8")
        by_files(folder, model)
        with served(model) as url:
            free_of_charge = "price = { input = 0, output = 0 }\nmax_concurrency = 1\ntimeout_s = 600"
            assert begun(folder, "live", f'base_url = "{url}"\n{free_of_charge}').wait() == 0
        times = answered(folder)
        pairs = [(folder / way / "preferences.jsonl").read_bytes() for way in ("files", "live")]
    same = pairs[0] == pairs[1]
    print(f"vLLM {version('vllm-cpu')}: {len(times)} requests by files, answered at most {max(times.values())} times")
    found = [len(rows.splitlines()) for rows in pairs]
    print(f"{found[0]} pairs by files, {found[1]} live; the same bytes: {same}")
    sys.exit(not same or not pairs[0] or max(times.values()) > 1)


if __name__ == "__main__":
    main()
