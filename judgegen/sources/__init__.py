"""Prompts and labelled comparisons in, from files and frames; one module per format.

Columns and their rules: `fields`. What is merged and how bad rows are told: `intake`. A file's lines: `lines`.
"""

from __future__ import annotations

from judgegen.sources.reading import prompts, prompts_from_rows

__all__ = ["prompts", "prompts_from_rows"]
