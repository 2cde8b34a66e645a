"""The run file: frozen pydantic models, every default stated once. Knows nothing of how any of it is done."""

from judgegen.spec.endpoint import OPENAI_URL, Endpoint, Price, Scripted
from judgegen.spec.judge import Judge
from judgegen.spec.pairs import Pairs
from judgegen.spec.reading import parse, read
from judgegen.spec.runfile import Budget, Output, Spec
from judgegen.spec.sampler import Range, Sampler, Variant
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
