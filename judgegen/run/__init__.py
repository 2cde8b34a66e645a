"""A run: who answers, in which order, under which cap; what it will cost, and its folder read back."""
