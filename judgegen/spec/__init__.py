"""The run file: frozen pydantic models, every default stated once. Knows nothing of how any of it is done."""

from judgegen.spec.judge import Judge, Pairs
from judgegen.spec.runfile import (
    OPENAI_URL,
    Budget,
    Endpoint,
    Output,
    Price,
    Range,
    Sampler,
    Scripted,
    Spec,
    Variant,
    parse,
    read,
)
from judgegen.spec.tables import Frozen

__all__ = [
    "OPENAI_URL",
    "Budget",
    "Endpoint",
    "Frozen",
    "Judge",
    "Output",
    "Pairs",
    "Price",
    "Range",
    "Sampler",
    "Scripted",
    "Spec",
    "Variant",
    "parse",
    "read",
]
