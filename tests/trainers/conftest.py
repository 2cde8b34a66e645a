"""Pairs to train on, and a model to train: a two-layer Llama with random weights and a tokenizer trained in place.

Everything here is skipped unless `trl` is installed; requirements.txt and consumers.txt beside this say what is needed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (
    "{% for tool in tools or [] %}<|tool|>{{ tool.function.name }}<|end|>{% endfor %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}"
    "{% for call in m.tool_calls or [] %}{{ call.function.name }} {{ call.function.arguments }}{% endfor %}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A chat template; it shows tools and tool calls, so that a test can see whether they arrived."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These are slow, need their own environment, and run code whose warnings are not ours."""
    here = Path(__file__).parent
    missing = importlib.util.find_spec("trl") is None
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            if missing:
                item.add_marker(pytest.mark.skip(reason="trl is not installed: tests/trainers/requirements.txt"))


@pytest.fixture(scope="session", autouse=True)
def _no_network(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Caches in a folder of their own, and no hub."""
    folder = tmp_path_factory.mktemp("caches")
    os.environ |= {name: str(folder / name) for name in ("HF_HOME", "MODELSCOPE_CACHE")}
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "disabled"}


class _Nothing:
    """What stands for a class of a library that no loader here reaches: it can be named, derived from and called."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __init_subclass__(cls, **_: Any) -> None: ...

    def __class_getitem__(cls, _: Any) -> type:
        return cls

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        return {"type": "any"}


class _Empty(types.ModuleType):
    """A module of which every name is a `_Nothing`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {})


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules of the named packages, and what is in them, empty."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        ours = any(name == own or name.startswith(f"{own}.") for own in self._names)
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None: ...


@pytest.fixture
def module() -> Iterator[Callable[..., Any]]:
    """A consumer's module by its name, with the named others empty, which are gone again after the test.

    Those are audio, which does not go with this torch, and services and dashboards that loading code never reaches.
    """
    finders: list[_StandIns] = []

    def imported(name: str, *empty: str) -> Any:
        pytest.importorskip(name.partition(".")[0])
        finders.append(_StandIns(("torchaudio", *empty)))
        sys.meta_path.insert(0, finders[-1])
        return importlib.import_module(name)

    yield imported
    for finder in finders:
        sys.meta_path.remove(finder)
    for name in [name for name, loaded in sys.modules.items() if isinstance(loaded, _Empty)]:
        del sys.modules[name]


@pytest.fixture
def loaded() -> Callable[[Path], list[dict[str, Any]]]:
    """A file as `datasets` gives it to all of them: columns of one type, nulls where a row has none."""
    datasets: Any = pytest.importorskip("datasets")
    return lambda path: list(datasets.load_dataset("json", data_files=str(path), split="train"))


def pair(number: int, **given: Any) -> dict[str, Any]:
    """A row of preferences.jsonl."""
    return {
        "prompt_id": f"p-{number}",
        "prompt": [{"role": "user", "content": f"What is {number} and {number}?"}],
        "chosen": [{"role": "assistant", "content": f"It is {2 * number}, surely."}],
        "rejected": [{"role": "assistant", "content": "Nobody knows."}],
        "p_chosen": 0.75,
        "margin": 0.5,
        **given,
    }


@pytest.fixture
def pairs() -> list[dict[str, Any]]:
    """Eight pairs, one of them with a system message and several turns."""
    chat = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "And nine?"},
    ]
    return [*(pair(n) for n in range(7)), pair(7, prompt=chat)]


@pytest.fixture
def tool_pairs() -> list[dict[str, Any]]:
    """Two pairs with a tool, called in the prompt and by the chosen side."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Bern"}'}}
    prompt = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    again = [{"role": "assistant", "content": None, "tool_calls": [call | {"id": "c2"}]}]
    return [pair(n, prompt=prompt, chosen=again, tools=[tool]) for n in (10, 11)]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """Byte-level BPE over a few hundred words, with the marks of `TEMPLATE` as tokens."""
    parts: Any = pytest.importorskip("tokenizers")
    transformers: Any = pytest.importorskip("transformers")
    marks = [f"<|{name}|>" for name in ("pad", "end", "system", "user", "assistant", "tool")]
    built = parts.Tokenizer(parts.models.BPE())
    built.pre_tokenizer = parts.pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = parts.decoders.ByteLevel()
    alphabet = parts.pre_tokenizers.ByteLevel.alphabet()
    built.train_from_iterator(
        [str(pair(9))], parts.trainers.BpeTrainer(vocab_size=400, special_tokens=marks, initial_alphabet=alphabet)
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=built, pad_token="<|pad|>", eos_token="<|end|>", chat_template=TEMPLATE
    )


@pytest.fixture(scope="session")
def model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], str]:
    """Saves a tiny model, generating or scoring; trainers build their reference from the path."""
    torch: Any = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")

    def saved(scoring: bool) -> str:
        torch.manual_seed(0)
        size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        ids = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        config = transformers.LlamaConfig(**size, **ids, bos_token_id=None, num_labels=1, max_position_embeddings=512)
        folder = tmp_path_factory.mktemp("model")
        kind = transformers.LlamaForSequenceClassification if scoring else transformers.LlamaForCausalLM
        kind(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return saved
