"""A finished run to look at: its entries, its charts, one page of them all. Reads a run folder; asks nobody."""
