"""The stage that writes: select pairs from a ranking, lay out rows, keep the audit."""
