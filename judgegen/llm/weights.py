"""The weights of a model on this machine: a Hugging Face folder, an adapter's folder, a GGUF file, the packaged model.

What is no folder of transformers' own becomes one (`folder_of`), so that trainers and adapters can point at it.
Needs the extra `train`; torch and transformers load when weights do. Knows nothing of calls or of training.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.providers.llama import PACKAGED, gguf_file

GET = "pip install 'judgegen[train]'"
_NEEDS = ("torch", "transformers", "peft")


def check_installed(*more: str) -> None:
    """Refuse early where a package is not there.

    Raises:
        SpecError: which one, and how to get it.
    """
    for name in (*_NEEDS, *more):
        if importlib.util.find_spec(name) is None:
            raise SpecError(f"this needs {name}, which is not installed: {GET}")


def folder_of(model: str, place: Path) -> str:
    """What transformers loads `model` from: itself where it is a folder or a hub's name, else a folder made in `place`.

    A GGUF file, the packaged model's included, is unpacked once; the folder is whole or not there.

    Raises:
        SpecError: no such model, or a package that reading it needs is not installed.
    """
    if model != PACKAGED and not model.endswith(".gguf"):
        _check(model)
        return model
    source = gguf_file(model).resolve()
    made = place / source.stem
    if not (made / "config.json").is_file():
        check_installed("gguf")
        part = place / f".{source.stem}.{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        _unpacked(source, part)
        part.replace(made)
    return str(made)


def _check(model: str) -> None:
    """A path that is no model's folder is refused before anything is loaded; a hub's name is left to the hub."""
    path = Path(model).expanduser()
    looks_local = path.is_absolute() or model.startswith(("~", ".")) or path.exists()
    if looks_local and not any((path / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise SpecError(
            f"model = {model!r}: no folder of a Hugging Face model (it has no config.json) and no .gguf file; "
            f"{PACKAGED!r} is the packaged one"
        )


def _unpacked(source: Path, out: Path) -> None:
    """A GGUF file as a folder of transformers', in float32: its 4 or 8 bits become the numbers that they stand for."""
    import torch
    import transformers

    with quiet():
        place, file = str(source.parent), source.name
        model = transformers.AutoModelForCausalLM.from_pretrained(place, gguf_file=file, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, gguf_file=file)
        model.hf_quantizer, model.is_quantized = None, False  # else it says that it cannot be saved
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)


def tokenizer(folder: str) -> Any:
    """The tokenizer of a model's or an adapter's folder; one without a padding token pads with the end of a text.

    Raises:
        SpecError: it has no chat template, so that nobody knows how it is asked.
    """
    import transformers

    with quiet():
        found = transformers.AutoTokenizer.from_pretrained(_beneath(folder, "tokenizer_config.json"))
    if found.pad_token is None:
        found.pad_token = found.eos_token
    if not found.chat_template:
        raise SpecError(f"{folder}: its tokenizer has no chat template; take a model that was tuned to chat")
    return found


def causal(folder: str) -> Any:
    """The model that writes, in float32 on a CPU and in its own type elsewhere; an adapter is merged into its base."""
    import transformers

    return _loaded(folder, transformers.AutoModelForCausalLM)


def scorer(folder: str) -> Any:
    """The model that gives a text one number, loaded as `causal` loads one that writes.

    Raises:
        SpecError: the folder's model gives none, or several.
    """
    import transformers

    with quiet():
        beneath = _beneath(folder, "config.json")
        known = transformers.AutoConfig.from_pretrained(beneath, **({"num_labels": 1} if beneath != folder else {}))
    kinds = known.architectures or []
    if beneath == folder and not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise SpecError(
            f"{folder}: no reward model ({', '.join(kinds) or 'its config.json names no kind'}); "
            f"`judgegen train --method reward` makes one"
        )
    if known.num_labels != 1:
        raise SpecError(f"{folder}: gives a text {known.num_labels} numbers, and a reward model gives one")
    return _loaded(folder, transformers.AutoModelForSequenceClassification, config=known)


def _loaded(folder: str, kind: Any, **more: Any) -> Any:
    import torch

    cuda = torch.cuda.is_available()
    settings: dict[str, Any] = {"dtype": "auto", "device_map": "auto"} if cuda else {"dtype": torch.float32}
    with quiet():
        model = kind.from_pretrained(_beneath(folder, "config.json"), **settings, **more)
        if (Path(folder) / "adapter_config.json").is_file():
            import peft

            model = peft.PeftModel.from_pretrained(model, folder).merge_and_unload()
    return model.eval()


def _beneath(folder: str, file: str) -> str:
    """The folder itself where it has `file` or is the hub's, else the one that its adapter was made on."""
    about = Path(folder) / "adapter_config.json"
    if (Path(folder) / file).is_file() or not about.is_file():
        return folder
    return str(json.loads(about.read_text(encoding="utf-8"))["base_model_name_or_path"])


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' bars and advice: what a user must know is said by whoever loads."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
