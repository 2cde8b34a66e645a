"""What is asked of a provider's fine-tuning, and its identity: the same order is the same job.

Pure, apart from the reading of files for their digests. Knows nothing of the network or of what has become of an order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.finetune.check import Service
from judgegen.finetune.rows import Method
from judgegen.llm.calls import digest

METADATA_KEY = "judgegen_job"
MOST_SUFFIX = 64
TYPES: Mapping[Method, str] = {"dpo": "dpo", "sft": "supervised", "rft": "reinforcement"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """One job, asked for. `settings` are the hyperparameters given; the provider chooses the others.

    Attributes:
        file_digest, validation_digest: hex blake2b of the files' bytes.
        grader: what scores the answers, for rft.
        training_type: Azure's "Standard", "GlobalStandard" or "Developer"; None leaves it to the resource.
    """

    service: Service
    model: str
    method: Method
    file: Path
    file_digest: str
    validation: Path | None = None
    validation_digest: str | None = None
    settings: Mapping[str, int | float] = field(default_factory=dict)
    grader: Mapping[str, Any] | None = None
    suffix: str | None = None
    seed: int | None = None
    training_type: str | None = None

    @property
    def id(self) -> str:
        """Of what is trained on what and how. A suffix is only a name and does not count."""
        trained = (self.file_digest, self.validation_digest, self.model, self.method)
        how = (dict(self.settings), self.grader, self.seed, self.training_type)
        return digest([*trained, *how])

    def body(self, training_file: str, validation_file: str | None) -> dict[str, Any]:
        """The arguments of jobs.create, given the ids of the uploaded files."""
        kind = TYPES[self.method]
        inner: dict[str, Any] = {"hyperparameters": dict(self.settings)} if self.settings else {}
        if self.grader is not None:
            inner["grader"] = dict(self.grader)
        optional = {"validation_file": validation_file, "suffix": self.suffix, "seed": self.seed}
        return {
            "model": self.model,
            "training_file": training_file,
            "method": {"type": kind} | ({kind: inner} if inner else {}),
            "metadata": {METADATA_KEY: self.id},
            **{key: value for key, value in optional.items() if value is not None},
            **({"extra_body": {"trainingType": self.training_type}} if self.training_type else {}),
        }


def checked(order: JobOrder) -> JobOrder:
    """The order, if its options go together.

    Raises:
        SpecError: they do not; the sentence says which and why.
    """
    for fault in _faults(order):
        raise SpecError(fault)
    return order


def _faults(order: JobOrder) -> Any:
    if "beta" in order.settings and order.method != "dpo":
        yield f"--beta is a setting of dpo, not of {order.method}"
    if order.suffix is not None and not 1 <= len(order.suffix) <= MOST_SUFFIX:
        yield f"--suffix has {len(order.suffix)} characters; 1 to {MOST_SUFFIX} are taken"
    if order.service == "azure" and "." in (order.suffix or ""):
        yield f"--suffix {order.suffix!r} has a dot, which Azure does not take"
    if order.service != "azure" and order.training_type is not None:
        yield "--training-type is Azure's; leave it out, or give --provider azure"
    if order.method == "rft" and order.validation is None:
        yield "rft needs a validation file: give --validation"
    if order.method == "rft" and order.grader is None:
        yield "rft needs a grader: give --grader, or put FILE.grader.json beside the file as the export does"
    if order.method != "rft" and order.grader is not None:
        yield f"--grader is a setting of rft, not of {order.method}"


def file_digest(path: Path) -> str:
    """Hex blake2b of a file's bytes.

    Raises:
        SpecError: it cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                found.update(chunk)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    return found.hexdigest()
