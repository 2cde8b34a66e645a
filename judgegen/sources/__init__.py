"""Prompts in, from files and frames."""
