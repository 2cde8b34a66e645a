"""The peers' job, by each of them as its own documentation shows it for a server at an address of one's own.

    python benchmarks/peers_jobs.py data-designer|oumi|curator|distilabel URL PROMPTS AT_ONCE FOLDER

Two answers to each prompt at two temperatures, then a judge that sees both in one order; as wide as it is told to be,
without cache and telemetry (what is said in the environment, `peers.py` says). Each is run by the Python of an
environment that has it, and fails unless a verdict of each prompt can be read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

TEMPERATURES = (0.3, 0.9)
TOKENS = 400
JUDGE = """\
Which answer to the request is better? Say [[A]], [[B]], or [[C]] for a tie, and nothing else.

Request:
{prompt}

Answer A:
{a}

Answer B:
{b}
"""


def braced(text: str) -> str:
    """The judge's words as Jinja fills them."""
    for name in ("prompt", "a", "b"):
        text = text.replace("{" + name + "}", "{{ " + name + " }}")
    return text


def readable(texts: Iterable[object]) -> int:
    """How many say a label."""
    return sum(any(label in str(text) for label in ("[[A]]", "[[B]]", "[[C]]")) for text in texts)


def data_designer(url: str, prompts: Sequence[str], at_once: int, folder: Path) -> int:
    """NVIDIA NeMo Data Designer: a column for each answer, one for the verdict, seeded with the prompts."""
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    def model(alias: str, name: str, temperature: float) -> Any:
        asked = dd.ChatCompletionInferenceParams(
            temperature=temperature, max_tokens=TOKENS, max_parallel_requests=at_once
        )
        return dd.ModelConfig(
            alias=alias, model=name, provider="mock", inference_parameters=asked, skip_health_check=True
        )

    models = [model(name, "small", temperature) for name, temperature in zip("ab", TEMPERATURES, strict=True)]
    config = dd.DataDesignerConfigBuilder(model_configs=[*models, model("judge", "judge", 0.0)])
    config.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"prompt": prompts})))
    for name in "ab":
        config.add_column(dd.LLMTextColumnConfig(name=name, model_alias=name, prompt="{{ prompt }}"))
    config.add_column(dd.LLMTextColumnConfig(name="verdict", model_alias="judge", prompt=braced(JUDGE)))
    provider = dd.ModelProvider(name="mock", endpoint=url, provider_type="openai", api_key="none")
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
    made = designer.create(config, num_records=len(prompts), dataset_name="peers")
    return readable(made.load_dataset()["verdict"])


def oumi(url: str, prompts: Sequence[str], at_once: int, folder: Path) -> int:
    """Oumi: its engine for servers, once for each temperature and once for the judge."""
    from oumi.core.configs import GenerationParams, InferenceConfig, ModelParams, RemoteParams
    from oumi.core.types.conversation import Conversation, Message, Role
    from oumi.inference import RemoteInferenceEngine

    remote = RemoteParams(api_url=f"{url}/chat/completions", api_key="none", num_workers=at_once)

    def answers(asked: Sequence[str], name: str, temperature: float, file: str) -> list[str]:
        engine = RemoteInferenceEngine(ModelParams(model_name=name), remote_params=remote)
        generation = GenerationParams(temperature=temperature, max_new_tokens=TOKENS)
        config = InferenceConfig(generation=generation, output_path=str(folder / file))
        said = engine.infer([Conversation(messages=[Message(role=Role.USER, content=text)]) for text in asked], config)
        return [str(one.messages[-1].content) for one in said]

    a, b = (answers(prompts, "small", each, f"{each}.jsonl") for each in TEMPERATURES)
    asked = [JUDGE.format(prompt=p, a=x, b=y) for p, x, y in zip(prompts, a, b, strict=True)]
    return readable(answers(asked, "judge", 0.0, "verdicts.jsonl"))


def curator(url: str, prompts: Sequence[str], at_once: int, folder: Path) -> int:
    """Bespoke Curator: an LLM for each temperature and one for the judge, its rows their inputs."""
    from bespokelabs import curator as library

    class Answer(library.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, str]) -> str:
            return row["prompt"]

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {**row, "answer": response}

    class Verdict(library.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, str]) -> str:
            return JUDGE.format(**row)

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {**row, "verdict": response}

    wide = {"max_concurrent_requests": at_once, "max_requests_per_minute": 10**6, "max_tokens_per_minute": 10**10}
    server = {"base_url": url, "api_key": "none", "require_all_responses": True, **wide}

    def rows(kind: type, asked: list[dict[str, str]], name: str, temperature: float) -> list[dict[str, str]]:
        params = {"temperature": temperature, "max_tokens": TOKENS}
        made = kind(model_name=name, backend="openai", generation_params=params, backend_params=server)
        return list(made(asked, working_dir=str(folder / f"{name}-{temperature}")).dataset)

    asked = [{"prompt": prompt} for prompt in prompts]
    a, b = (rows(Answer, asked, "small", each) for each in TEMPERATURES)
    both = [{"prompt": x["prompt"], "a": x["answer"], "b": y["answer"]} for x, y in zip(a, b, strict=True)]
    return readable(row["verdict"] for row in rows(Verdict, both, "judge", 0.0))


def distilabel(url: str, prompts: Sequence[str], at_once: int, folder: Path) -> int:
    """Distilabel: a pipeline of two text generations, their columns put together, and a third that judges."""
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import GroupColumns, LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    def llm(name: str, temperature: float) -> Any:
        asked = {"temperature": temperature, "max_new_tokens": TOKENS}
        return OpenAILLM(model=name, base_url=url, api_key="none", generation_kwargs=asked)

    def shared(**more: Any) -> dict[str, Any]:
        return {"input_batch_size": at_once, "add_raw_input": False, "add_raw_output": False, **more}

    words = braced(JUDGE).replace("{{ prompt }}", "{{ instruction }}")
    words = "{% set a, b = answers %}" + words
    with Pipeline(name="peers", cache_dir=folder) as pipeline:
        load = LoadDataFromDicts(data=[{"instruction": prompt} for prompt in prompts], batch_size=at_once)
        answers = [TextGeneration(llm=llm("small", each), **shared()) for each in TEMPERATURES]
        group = GroupColumns(columns=["generation"], output_columns=["answers"], input_batch_size=at_once)
        judge = TextGeneration(
            llm=llm("judge", 0.0),
            template=words,
            columns=["instruction", "answers"],
            **shared(output_mappings={"generation": "verdict"}),
        )
        load >> answers >> group >> judge
    made = pipeline.run(use_cache=False)
    return readable(made["default"]["train"]["verdict"])


JOBS = {"data-designer": data_designer, "oumi": oumi, "curator": curator, "distilabel": distilabel}


def main() -> None:
    """Do the job."""
    name, url, prompts, at_once, folder = sys.argv[1:]
    lines = Path(prompts).read_text(encoding="utf-8").splitlines()
    if (read := JOBS[name](url, lines, int(at_once), Path(folder))) != len(lines):
        raise SystemExit(f"{read} verdicts of {len(lines)} prompts can be read")


if __name__ == "__main__":
    main()
