"""What a person sees of a run: words, progress, cards. Knows plain data; nothing of how it came about."""
